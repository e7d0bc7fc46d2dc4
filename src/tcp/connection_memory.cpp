// How large the buffers may get.

#include <algorithm>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"
#include "window_scale.hpp"

namespace tapir::tcp::detail {

/// Tells the stack what this connection holds.
void ConnectionCore::account_memory() noexcept {
  memory_.update(send_buffer_.size() + receive_buffer_.size() + reassembly_.size(), reassembly_.size());
}

/// Room to queue data to be sent. When the stack has no memory left each connection keeps a little, to make progress.
[[gnu::hot]] std::size_t ConnectionCore::send_room() const noexcept {
  std::size_t room = send_buffer_.room();
  if (unlikely(settings_->chunked_writes)) {
    room = chunks::room(write_decision());
  } else if (unlikely(unsent() >= not_sent_low())) {
    room = 0;
  }
  if (likely(!memory_.exhausted())) return room;
  return std::min(room, send_buffer_.size() < MemoryShare::kAlways ? MemoryShare::kAlways - send_buffer_.size() : 0);
}

bool ConnectionCore::worth_writing() const noexcept {
  if (settings_->chunked_writes) return chunks::worth_writing(write_decision());
  const std::size_t room = send_room();
  return room > 0 && room >= send_buffer_.size() / 2;
}

std::uint32_t ConnectionCore::not_sent_low() const noexcept {
  return std::max(settings_->not_sent_low.value_or(engine_ == nullptr ? 1 : engine_->config().not_sent_low), 1U);
}

/// Octets that wait for nothing but their turn. Linux sends them while it takes a write, so they do not count as waiting.
std::uint32_t ConnectionCore::leaving_at_once() const noexcept {
  if (!is_synchronized(tcb_.state)) return 0;
  const std::uint32_t most = std::min(unsent(), usable_window());
  return most - most % mss_;
}

chunks::Decision ConnectionCore::write_decision() const noexcept {
  const std::uint32_t leaving = leaving_at_once();
  const SeqNum sent = later(tcb_.snd_nxt, send_base_) + leaving;
  const SeqNum begin = later(chunks_.begin(), sent);
  const bool record_ended = send_buffer_.record_begin(send_buffer_.size() + 1) == send_buffer_.size();
  return {.queued = send_buffer_.size(),
          .limit = send_buffer_.limit(),
          .waiting = unsent() - leaving,
          .not_sent_low = not_sent_low(),
          .tail = begin < data_end() && !record_ended ? distance(begin, data_end()) : 0,
          .chunk = chunks::size(mss_, tcb_.max_snd_wnd)};
}

/// Room beyond RCV.NXT for the window to offer. Without memory left the window does not open further.
std::size_t ConnectionCore::receive_room() const noexcept {
  const std::size_t room = receive_buffer_.room();
  return memory_.exhausted() ? std::min(room, MemoryShare::kAlways) : room;
}

/// A round trip's worth of data must stay in the buffer until it is acknowledged, and as much again keeps the sender busy when cwnd doubles. A size that
/// the user has set stays. In Linux' way it grows for a writer who waits (tcp_new_space()), unless it is cwnd that holds back.
void ConnectionCore::tune_send_buffer() {
  const std::size_t former = send_buffer_.limit();
  const std::uint32_t cwnd = congestion_.cwnd();
  const bool chunked = settings_->chunked_writes;
  const bool may_grow = !settings_->send_buffer && !memory_.scarce();
  if (may_grow && (!chunked || (wants_room_ && recovery_.in_flight() + leaving_at_once() < cwnd))) {
    const std::size_t wanted = chunked ? chunks::buffer_for(cwnd / mss_, mss_) : 2 * std::size_t{cwnd};
    send_buffer_.set_limit(std::max(former, std::min(wanted, engine_->config().max_send_buffer)));
  }
  if (likely(!wants_room_)) return;
  const bool enough = chunked ? worth_writing() : send_buffer_.limit() > former && send_room() > 0;
  if (!enough) return;
  wants_room_ = false;
  tell(kWritable);
}

/// The user has read.
void ConnectionCore::tune_receive_buffer() {
  const std::uint64_t read = counters_.bytes_received - receive_buffer_.size();
  const auto wanted = receive_tuning_.on_read(context_.now(), read, receive_buffer_.limit(), receive_mss_);
  if (likely(!wanted) || settings_->receive_buffer || memory_.scarce()) return;
  receive_buffer_.set_limit(std::max(receive_buffer_.limit(), std::min<std::size_t>(*wanted, max_window(tcb_.rcv_wind_shift))));
}

/// Gives up what waits beyond a gap.
void ConnectionCore::drop_out_of_order() noexcept {
  reassembly_.clear();
  account_memory();
}

}  // namespace tapir::tcp::detail
