#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <wslay/wslay.h>

#include <tapir/core/error.hpp>
#include <tapir/core/random.hpp>
#include <tapir/websocket/websocket_transport.hpp>

namespace tapir::websocket {

/// wslay's event interface with memory on both sides.
class WebSocketTransport::Frames {
 public:
  explicit Frames(Random& random);
  Frames(const Frames&) = delete;
  Frames& operator=(const Frames&) = delete;
  ~Frames() { wslay_event_context_free(context_); }

  [[nodiscard]] bool usable() const noexcept { return context_ != nullptr; }

  /// Bytes to be sent, in order.
  [[nodiscard]] std::span<const std::byte> output() const noexcept { return std::span{output_}.subspan(output_at_); }
  void put_output(std::string_view text);
  void drop_output(std::size_t count) noexcept;
  /// Puts a binary frame into the output. False when memory is out, or a Close frame went before.
  [[nodiscard]] bool send(std::span<const std::byte> bytes);
  void send_close(std::uint16_t code);

  /// Bytes that came with the handshake's response.
  void put_input(std::string_view bytes);
  /// Reads frames from `source` until there is something for receive(), the source has nothing, or the stream is over. The source's error.
  [[nodiscard]] Result<> read(mqtt::Transport& source);
  /// What follows of read() is one turn of its user's: frames that carry nothing are read up to a bound.
  void begin_turn() noexcept { read_ = 0; }
  [[nodiscard]] bool is_exhausted() const noexcept;
  /// The payload of binary frames.
  [[nodiscard]] std::size_t receive(std::span<std::byte> into);
  [[nodiscard]] bool has_payload() const noexcept { return !payload_.empty(); }
  /// Whether read() has left input where it is, for too much output waits; when some has left, it can go on.
  [[nodiscard]] bool has_paused() const noexcept { return paused_; }
  [[nodiscard]] bool can_answer() const noexcept;

  /// The stream is over: 0 in order, or why.
  [[nodiscard]] bool is_over() const noexcept { return source_ended_ || wslay_event_get_read_enabled(context_) == 0; }
  [[nodiscard]] std::error_code why_over() const noexcept;

 private:
  static ssize_t on_recv(wslay_event_context_ptr, std::uint8_t* buffer, std::size_t size, int, void* self);
  static ssize_t on_send(wslay_event_context_ptr, const std::uint8_t* bytes, std::size_t size, int, void* self);
  static int on_mask(wslay_event_context_ptr, std::uint8_t* buffer, std::size_t size, void* self);
  static void on_frame(wslay_event_context_ptr, const wslay_event_on_frame_recv_start_arg* frame, void* self);
  static void on_chunk(wslay_event_context_ptr, const wslay_event_on_frame_recv_chunk_arg* chunk, void* self);

  Random& random_;
  wslay_event_context_ptr context_ = nullptr;
  mqtt::Transport* source_ = nullptr;  ///< during read()
  std::error_code source_error_;
  std::size_t read_ = 0;  ///< bytes in this turn
  bool source_ended_ = false;
  bool paused_ = false;
  bool in_data_frame_ = false;
  bool not_binary_ = false;
  std::string early_;
  std::vector<std::byte> output_;
  std::size_t output_at_ = 0;
  std::deque<std::byte> payload_;
};

}  // namespace tapir::websocket
