#include "frames.hpp"

#include <algorithm>
#include <cstring>

namespace tapir::websocket {

namespace {

constexpr std::size_t kMostPayload = 16U << 10U;  ///< received and not taken, above which no more is read
constexpr std::size_t kMostOutput = 64U << 10U;   ///< the same of answers to pings, for a peer that does not read
constexpr std::size_t kMostAtOnce = 256U << 10U;  ///< bytes read in one turn; a server may send pings and empty frames for ever
constexpr std::size_t kMostAnswers = 100;         ///< made in one turn of wslay's, which become output at its end

std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) { return std::as_bytes(std::span{data, size}); }

}  // namespace

WebSocketTransport::Frames::Frames(Random& random) : random_{random} {
  const wslay_event_callbacks callbacks{.recv_callback = &on_recv,
                                        .send_callback = &on_send,
                                        .genmask_callback = &on_mask,
                                        .on_frame_recv_start_callback = &on_frame,
                                        .on_frame_recv_chunk_callback = &on_chunk,
                                        .on_frame_recv_end_callback = nullptr,
                                        .on_msg_recv_callback = nullptr};
  if (wslay_event_context_client_init(&context_, &callbacks, this) != 0) context_ = nullptr;
  if (context_ != nullptr) wslay_event_config_set_no_buffering(context_, 1);
}

void WebSocketTransport::Frames::put_output(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text});
  output_.insert(output_.end(), bytes.begin(), bytes.end());
}

void WebSocketTransport::Frames::drop_output(std::size_t count) noexcept {
  output_at_ += count;
  if (output_at_ < output_.size()) return;
  output_.clear();
  output_at_ = 0;
}

bool WebSocketTransport::Frames::send(std::span<const std::byte> bytes) {
  const wslay_event_msg message{.opcode = WSLAY_BINARY_FRAME,
                                .msg = reinterpret_cast<const std::uint8_t*>(bytes.data()),  // the same bytes by another name
                                .msg_length = bytes.size()};
  return wslay_event_queue_msg(context_, &message) == 0 && wslay_event_send(context_) == 0;
}

void WebSocketTransport::Frames::send_close(std::uint16_t code) {
  (void)wslay_event_queue_close(context_, code, nullptr, 0);
  (void)wslay_event_send(context_);
}

void WebSocketTransport::Frames::put_input(std::string_view bytes) { early_ += bytes; }

Result<> WebSocketTransport::Frames::read(mqtt::Transport& source) {
  source_ = &source;
  source_error_ = {};
  paused_ = false;
  const int result = wslay_event_recv(context_);
  source_ = nullptr;
  if (not_binary_) send_close(WSLAY_CODE_UNSUPPORTED_DATA);
  (void)wslay_event_send(context_);  // pongs, and the answer to Close
  if (source_error_) return fail(source_error_);
  if (result == WSLAY_ERR_NOMEM) return fail(tapir::Error::no_buffer_space);
  return {};
}

std::size_t WebSocketTransport::Frames::receive(std::span<std::byte> into) {
  const auto count = std::min(into.size(), payload_.size());
  const auto end = payload_.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(payload_.begin(), end, into.begin());
  payload_.erase(payload_.begin(), end);
  return count;
}

std::error_code WebSocketTransport::Frames::why_over() const noexcept {
  if (not_binary_) return Error::not_binary;
  if (wslay_event_get_close_received(context_) != 0) {
    const auto code = wslay_event_get_status_code_received(context_);
    const bool in_order =
        code == WSLAY_CODE_NORMAL_CLOSURE || code == WSLAY_CODE_GOING_AWAY || code == WSLAY_CODE_NO_STATUS_RCVD || code == 0;
    return in_order ? std::error_code{} : std::error_code{code, close_category()};
  }
  return wslay_event_get_read_enabled(context_) == 0 ? Error::protocol_error : Error::truncated;
}

bool WebSocketTransport::Frames::is_exhausted() const noexcept { return read_ >= kMostAtOnce; }

bool WebSocketTransport::Frames::can_answer() const noexcept { return output().size() < kMostOutput; }

ssize_t WebSocketTransport::Frames::on_recv(wslay_event_context_ptr context, std::uint8_t* buffer, std::size_t size, int, void* self) {
  auto& frames = *static_cast<Frames*>(self);
  if (!frames.early_.empty()) {  // at most as long as one read of the handshake's

    const auto count = frames.early_.copy(reinterpret_cast<char*>(buffer), size);
    frames.early_.erase(0, count);
    return static_cast<ssize_t>(count);
  }
  frames.paused_ = !frames.can_answer() || wslay_event_get_queued_msg_count(context) >= kMostAnswers;
  if (!frames.paused_ && !frames.source_ended_ && !frames.is_exhausted() && frames.payload_.size() < kMostPayload) {
    const auto got = frames.source_->receive(std::as_writable_bytes(std::span{buffer, size}));
    frames.read_ += got.value_or(0);
    if (got && *got > 0) return static_cast<ssize_t>(*got);
    frames.source_ended_ = got.has_value();
    if (!got && got.error() != tapir::Error::would_block) {
      frames.source_error_ = got.error();
      wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
      return -1;
    }
  }
  wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
  return -1;
}

ssize_t WebSocketTransport::Frames::on_send(wslay_event_context_ptr, const std::uint8_t* bytes, std::size_t size, int, void* self) {
  auto& output = static_cast<Frames*>(self)->output_;
  const auto more = bytes_of(bytes, size);
  output.insert(output.end(), more.begin(), more.end());
  return static_cast<ssize_t>(size);
}

int WebSocketTransport::Frames::on_mask(wslay_event_context_ptr, std::uint8_t* buffer, std::size_t size, void* self) {
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t number = static_cast<Frames*>(self)->random_.next();
    std::memcpy(buffer + at, &number, std::min(sizeof(number), size - at));
  }
  return 0;
}

void WebSocketTransport::Frames::on_frame(wslay_event_context_ptr context, const wslay_event_on_frame_recv_start_arg* frame, void* self) {
  auto& frames = *static_cast<Frames*>(self);
  frames.in_data_frame_ = wslay_is_ctrl_frame(frame->opcode) == 0;
  if (frame->opcode != WSLAY_TEXT_FRAME) return;
  frames.not_binary_ = true;  // MQTT-6.0.0-1: then the connection is closed
  wslay_event_shutdown_read(context);
}

void WebSocketTransport::Frames::on_chunk(wslay_event_context_ptr, const wslay_event_on_frame_recv_chunk_arg* chunk, void* self) {
  auto& frames = *static_cast<Frames*>(self);
  if (!frames.in_data_frame_ || frames.not_binary_) return;
  const auto bytes = bytes_of(chunk->data, chunk->data_length);
  frames.payload_.insert(frames.payload_.end(), bytes.begin(), bytes.end());
}

}  // namespace tapir::websocket
