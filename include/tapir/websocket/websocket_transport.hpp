#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include <tapir/core/destruction.hpp>
#include <tapir/core/random.hpp>
#include <tapir/mqtt/record_log.hpp>
#include <tapir/mqtt/transport.hpp>
#include <tapir/websocket/error.hpp>

namespace tapir::websocket {

struct ClientConfig {
  std::string host = {};             ///< of the Host field: "broker.example", with ":port" if it is not the scheme's own
  std::string path = "/mqtt";        ///< with the query, if any
  std::string subprotocol = "mqtt";  ///< that the server must agree on (MQTT 3.1.1 section 6)
  std::string user_agent = "tapir";
};

/// The client's end of a WebSocket (RFC 6455) over any other transport: what is sent travels in binary frames, and what the server's binary
/// frames carry is received as one stream. Pings are answered. wslay makes and reads the frames.
///
/// on_open comes when the server has agreed; otherwise on_closed tells why not. receive() gives 0 after a Close frame in order. close()
/// sends one.
class WebSocketTransport final : public mqtt::Transport, mqtt::TransportUser {
 public:
  /// `random` gives the key and the masks, and outlives the transport.
  WebSocketTransport(Random& random, ClientConfig config, std::unique_ptr<mqtt::Transport> below);
  WebSocketTransport(const WebSocketTransport&) = delete;
  WebSocketTransport& operator=(const WebSocketTransport&) = delete;
  ~WebSocketTransport() override;

  void attach(mqtt::TransportUser* user) noexcept override { user_ = user; }
  /// Error::invalid_argument also for a configuration that no HTTP request can carry.
  [[nodiscard]] Result<> open() override;
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override;
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override;
  [[nodiscard]] bool has_more() const override;
  void close() override;
  void abort() override;
  [[nodiscard]] std::size_t unacknowledged() const override { return records_.unacknowledged(); }
  [[nodiscard]] std::string peer() const override { return below_->peer(); }
  [[nodiscard]] LayerId failed_layer(std::error_code error) const override;

 private:
  class Frames;
  enum class State : std::uint8_t {
    closed,
    opening,  ///< the transport below connects
    handshaking,
    open,
    closing,  ///< our Close frame is on its way
    failed,   ///< the stream broke; error_ says why
  };

  void on_open() override;
  void on_readable() override;
  void on_writable() override;
  void on_acknowledged() override;
  void on_closed(std::error_code error) override;

  void handshake();
  void fail_handshake(std::error_code error);
  void fail_handshake_unless_read(std::error_code error);
  [[nodiscard]] std::unexpected<std::error_code> break_stream(std::error_code error);
  [[nodiscard]] Result<> flush();
  void note_acknowledged();
  void tell(void (mqtt::TransportUser::*event)());

  Random& random_;
  ClientConfig config_;
  std::unique_ptr<mqtt::Transport> below_;
  mqtt::TransportUser* user_ = nullptr;
  std::unique_ptr<Frames> frames_;
  std::string key_;
  std::string head_;  ///< of the server's response, as far as it came
  State state_ = State::closed;
  std::error_code error_;
  bool user_waits_ = false;        ///< send() took less than it was given
  std::uint64_t taken_below_ = 0;  ///< bytes that the transport below took
  mqtt::RecordLog records_;
  Destruction destruction_;
};

}  // namespace tapir::websocket
