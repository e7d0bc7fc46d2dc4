#include <tapir/websocket/websocket_transport.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include "frames.hpp"
#include "handshake.hpp"

namespace tapir::websocket {

namespace {

constexpr std::size_t kFrameSize = 16U << 10U;
constexpr int kMostTurns = 16;  ///< of the transport below in which it gives nothing of the server's answer

}  // namespace

WebSocketTransport::WebSocketTransport(Random& random, ClientConfig config, std::unique_ptr<mqtt::Transport> below)
    : random_{random}, config_{std::move(config)}, below_{std::move(below)} {
  below_->attach(this);
}

WebSocketTransport::~WebSocketTransport() { below_->attach(nullptr); }

Result<> WebSocketTransport::open() {
  if (state_ != State::closed) return fail(tapir::Error::already_connected);
  if (!is_valid(config_)) return fail(tapir::Error::invalid_argument);
  below_->abort();  // one that is still closing in order
  frames_ = std::make_unique<Frames>(random_);
  if (!frames_->usable()) return fail(tapir::Error::no_buffer_space);
  head_.clear();
  error_ = {};
  user_waits_ = false;
  taken_below_ = 0;
  records_.clear();
  if (auto opened = below_->open(); !opened) return opened;
  state_ = State::opening;
  return {};
}

Result<std::size_t> WebSocketTransport::send(std::span<const std::byte> bytes) {
  if (state_ == State::failed) return fail(error_);
  if (state_ == State::closing) return fail(tapir::Error::connection_closed);
  if (state_ != State::open) return fail(tapir::Error::not_connected);
  std::size_t taken = 0;
  while (taken < bytes.size() && frames_->output().empty()) {
    const auto part = bytes.subspan(taken).first(std::min(kFrameSize, bytes.size() - taken));
    if (!frames_->send(part)) return fail(tapir::Error::connection_closed);  // the server's Close frame has come
    records_.add(part.size(), taken_below_ + frames_->output().size());
    taken += part.size();
    if (auto flushed = flush(); !flushed) return fail(flushed.error());
  }
  user_waits_ = taken < bytes.size();
  return taken;
}

Result<std::size_t> WebSocketTransport::receive(std::span<std::byte> into) {
  if (state_ == State::failed) return fail(error_);
  if (state_ == State::closing) return fail(tapir::Error::connection_closed);
  if (state_ != State::open) return fail(tapir::Error::not_connected);
  frames_->begin_turn();
  while (!frames_->has_payload() && !frames_->is_over()) {
    const auto read = frames_->read(*below_);
    const auto flushed = flush();
    if (!read) return break_stream(read.error());
    if (!flushed && !frames_->has_payload() && !frames_->is_over()) return break_stream(flushed.error());
    if (!frames_->has_paused() || !frames_->can_answer() || frames_->is_exhausted()) break;
  }
  if (frames_->has_payload()) return frames_->receive(into);
  if (!frames_->is_over()) return fail(tapir::Error::would_block);
  if (const auto why = frames_->why_over()) return break_stream(why);
  return std::size_t{0};
}

bool WebSocketTransport::has_more() const {
  return state_ == State::open && (frames_->is_exhausted() || (!frames_->has_paused() && below_->has_more()));
}

void WebSocketTransport::close() {
  if (state_ == State::closed || state_ == State::closing) return;
  const bool was_open = state_ == State::open;
  state_ = State::closing;
  if (was_open) frames_->send_close(WSLAY_CODE_NORMAL_CLOSURE);
  if (!was_open || !flush() || frames_->output().empty()) below_->close();
}

void WebSocketTransport::abort() {
  state_ = State::closed;
  below_->abort();
  frames_.reset();
  records_.clear();
}

void WebSocketTransport::on_open() {
  if (state_ != State::opening) return;
  state_ = State::handshaking;
  key_ = make_key(random_);
  frames_->put_output(request_for(config_, key_));
  if (const auto flushed = flush(); !flushed) fail_handshake_unless_read(flushed.error());
}

/// Nothing more can be written: what the peer has said before is the better reason.
void WebSocketTransport::fail_handshake_unless_read(std::error_code error) {
  const Destruction::Watch watch{destruction_};
  handshake();
  if (!watch.destroyed() && state_ == State::handshaking) fail_handshake(error);
}

void WebSocketTransport::on_readable() {
  if (state_ == State::handshaking) return handshake();
  if (state_ == State::open) tell(&TransportUser::on_readable);
}

void WebSocketTransport::on_writable() {
  if (state_ != State::handshaking && state_ != State::open && state_ != State::closing) return;
  const bool was_choked = !frames_->output().empty();
  if (const auto flushed = flush(); !flushed) {
    if (state_ == State::handshaking) fail_handshake_unless_read(flushed.error());
    return;  // the user's next call tells it, or on_closed
  }
  if (!frames_->output().empty()) return;
  if (state_ == State::closing) return below_->close();
  if (state_ != State::open) return;
  const Destruction::Watch watch{destruction_};
  if (std::exchange(user_waits_, false)) tell(&TransportUser::on_writable);
  if (!watch.destroyed() && state_ == State::open && was_choked)
    tell(&TransportUser::on_readable);  // reading may have waited for the output to leave
}

void WebSocketTransport::on_acknowledged() {
  if (state_ != State::open && state_ != State::closing) return;
  const auto before = records_.unacknowledged();
  note_acknowledged();
  if (records_.unacknowledged() < before) tell(&TransportUser::on_acknowledged);
}

void WebSocketTransport::on_closed(std::error_code error) {
  if (state_ == State::closed) return;
  if (state_ == State::handshaking && !error) error = Error::closed_in_handshake;
  note_acknowledged();
  state_ = State::closed;
  frames_.reset();
  if (user_ != nullptr) user_->on_closed(error);
}

void WebSocketTransport::handshake() {
  std::array<std::byte, 4096> buffer;
  for (int turns = 0;;) {
    const auto got = below_->receive(buffer);
    if (!got && got.error() == tapir::Error::would_block) {
      if (!below_->has_more()) return;
      if (++turns > kMostTurns) return fail_handshake(Error::response_too_long);
      continue;
    }
    if (!got) return fail_handshake(got.error());
    if (*got == 0) return fail_handshake(Error::closed_in_handshake);
    head_.append(reinterpret_cast<const char*>(buffer.data()), *got);  // char may alias anything
    const auto size = head_size(head_);
    if (!size) return fail_handshake(size.error());
    if (*size == 0) continue;
    const auto head = std::string_view{head_}.substr(0, *size);
    if (const auto agreed = check_response(head, key_, config_.subprotocol); !agreed) return fail_handshake(agreed.error());
    frames_->put_input(std::string_view{head_}.substr(*size));
    break;
  }
  state_ = State::open;
  const Destruction::Watch watch{destruction_};
  tell(&TransportUser::on_open);
  // Frames may have come with the response, and be here or in the transport below: nobody else will tell of them.
  if (!watch.destroyed() && state_ == State::open) tell(&TransportUser::on_readable);
}

void WebSocketTransport::fail_handshake(std::error_code error) {
  state_ = State::closed;
  frames_.reset();
  below_->close();
  if (user_ != nullptr) user_->on_closed(error);
}

std::unexpected<std::error_code> WebSocketTransport::break_stream(std::error_code error) {
  state_ = State::failed;
  error_ = error;
  return fail(error);
}

/// Moves output down as far as it is taken.
Result<> WebSocketTransport::flush() {
  while (!frames_->output().empty()) {
    const auto taken = below_->send(frames_->output());
    if (!taken && taken.error() != tapir::Error::would_block) return fail(taken.error());
    if (!taken || *taken == 0) break;
    taken_below_ += *taken;
    frames_->drop_output(*taken);
  }
  return {};
}

void WebSocketTransport::note_acknowledged() {
  const std::uint64_t unacknowledged = below_->unacknowledged();
  records_.acknowledge(taken_below_ - std::min(taken_below_, unacknowledged));
}

LayerId WebSocketTransport::failed_layer(std::error_code error) const {
  const auto& category = error.category();
  const bool ours = category == error_category() || category == status_category() || category == close_category();
  return ours || state_ == State::handshaking ? LayerId::websocket : below_->failed_layer(error);
}

void WebSocketTransport::tell(void (mqtt::TransportUser::*event)()) {
  if (user_ != nullptr) (user_->*event)();
}

}  // namespace tapir::websocket
