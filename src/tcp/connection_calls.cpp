#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

#include "congestion_registry.hpp"
#include "connection_core.hpp"
#include "engine.hpp"
#include "send_policy.hpp"
#include "window_scale.hpp"

namespace tapir::tcp::detail {

std::unexpected<std::error_code> ConnectionCore::why_over() const noexcept {
  return fail(error_ ? error_ : make_error_code(Error::connection_closed));
}

/// Whether SEND may queue data now (RFC 9293 section 3.10.2).
Result<> ConnectionCore::may_queue() const noexcept {
  if (unlikely(tcb_.state == State::closed)) return why_over();
  if (unlikely(fin_queued_) || unlikely(tcb_.state > State::close_wait)) return fail(Error::connection_closed);
  return {};
}

void ConnectionCore::data_queued() {
  send_buffer_.push();
  account_memory();
  if (!deadlines_.user_timeout) restart_user_timeout();
  path_due_ = true;
  wants_to_send();
}

/// Copies what there is room for into the send buffer.
std::size_t ConnectionCore::take(std::span<const std::byte> bytes) {
  if (likely(!settings_->chunked_writes)) return send_buffer_.append(bytes.first(std::min(bytes.size(), send_room())));
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const std::size_t room = send_room();
    if (room == 0) break;
    if (const auto now = write_decision(); now.tail == 0 || now.tail >= now.chunk)
      chunks_.begin(data_end(), unsent() > 0, tcb_.max_snd_wnd);
    const auto chunk = bytes.subspan(taken, std::min(room, bytes.size() - taken));
    send_buffer_.append_all(chunk);
    taken += chunk.size();
  }
  return taken;
}

[[gnu::flatten, gnu::hot]] Result<std::size_t> ConnectionCore::send(std::span<const std::byte> bytes, bool urgent) {
  if (const auto allowed = may_queue(); unlikely(!allowed)) return fail(allowed.error());
  if (unlikely(bytes.empty())) return 0;
  const std::size_t taken = take(bytes);
  if (unlikely(taken < bytes.size())) wants_room_ = true;
  if (unlikely(taken == 0)) return fail(Error::would_block);
  if (unlikely(urgent)) {
    tcb_.snd_up = data_end();
    tcb_.urgent_out = true;
  }
  written();
  return taken;
}

/// A write is complete: what it added may leave, and is pushed.
void ConnectionCore::written() {
  more_follows_ = false;
  end_pushed_ = true;
  chunks_.on_written(data_end());
  data_queued();
}

Result<std::size_t> ConnectionCore::send_more(std::span<const std::byte> bytes) {
  const auto taken = send(bytes, false);
  // What found no room wakes the writer, who then says again whether more follows.
  if (taken && *taken == bytes.size()) {
    more_follows_ = true;
    end_pushed_ = false;
  }
  return taken;
}

Result<std::size_t> ConnectionCore::send(Slice slice) {
  if (const auto allowed = may_queue(); !allowed) return fail(allowed.error());
  if (slice.empty()) return 0;
  const std::size_t size = slice.size();
  slice.truncate(send_room());
  const std::size_t taken = send_buffer_.append(std::move(slice));
  if (taken < size) wants_room_ = true;
  if (taken == 0) return fail(Error::would_block);
  written();
  return taken;
}

[[gnu::flatten, gnu::hot]] Result<std::size_t> ConnectionCore::receive(std::span<std::byte> into) {
  if (unlikely(into.empty())) return fail(Error::invalid_argument);
  if (unlikely(reading_over_)) return tcb_.state == State::closed ? why_over() : fail(Error::connection_closed);
  if (const std::size_t count = receive_buffer_.read(into); likely(count > 0)) {
    after_read();
    return count;
  }
  if (fin_received_ && !error_) return 0;
  if (tcb_.state == State::closed) return why_over();
  return fail(Error::would_block);
}

Result<Slice> ConnectionCore::receive_slice() {
  if (reading_over_) return tcb_.state == State::closed ? why_over() : fail(Error::connection_closed);
  if (auto slice = receive_buffer_.read_slice()) {
    after_read();
    return std::move(*slice);
  }
  if (fin_received_ && !error_) return Slice{};
  if (tcb_.state == State::closed) return why_over();
  return fail(Error::would_block);
}

std::size_t ConnectionCore::peek(std::span<std::byte> into, std::size_t offset) const noexcept {
  return reading_over_ ? 0 : receive_buffer_.peek(into, offset);
}

std::size_t ConnectionCore::discard(std::size_t count) {
  if (reading_over_) return 0;
  const std::size_t discarded = receive_buffer_.discard(count);
  if (discarded > 0) after_read();
  return discarded;
}

std::optional<TimePoint> ConnectionCore::arrived_at(std::size_t offset) const noexcept {
  if (arrivals_ == nullptr || offset >= receive_buffer_.size()) return std::nullopt;
  return arrivals_->of(counters_.bytes_received - receive_buffer_.size() + offset);
}

/// Tells the peer of the room made, when it is worth a segment (RFC 9293 section 3.8.6.2.2): when the window is twice what the peer still has, as in Linux'
/// tcp_cleanup_rbuf(). A peer that has a lot is told by the acknowledgments of what it sends.
void ConnectionCore::after_read() {
  account_memory();
  if (unlikely(arrivals_ != nullptr)) arrivals_->forget_before(counters_.bytes_received - receive_buffer_.size());
  if (unlikely(tcb_.urgent_in) && tcb_.rcv_up <= next_read()) tcb_.urgent_in = false;
  if (likely(!deadlines_.idle) && unlikely(quiet())) update_timers();
  if (unlikely(!receives_text(tcb_.state)) || unlikely(fin_received_)) return;
  if (unlikely(fast_open_.taken > 0) && distance(tcb_.irs, tcb_.rcv_nxt) == fast_open_.taken + 1)
    return;  // it has used nothing of the window yet
  tune_receive_buffer();
  const std::uint32_t window = offered_window();
  if (likely(window <= tcb_.rcv_wnd) || likely(window < 2 * std::uint64_t{tcb_.rcv_wnd})) return;
  ack_.on_urgent();
  wants_to_send();
}

Result<> ConnectionCore::shutdown() {
  if (tcb_.state == State::closed) return why_over();
  if (fin_queued_) return fail(Error::connection_closed);
  close_sending();
  return {};
}

void ConnectionCore::close() {
  switch (tcb_.state) {
    case State::closed: break;
    case State::time_wait: reading_over_ = true; break;
    case State::syn_sent: end(Error::operation_canceled, true); break;
    default: stop_reading(); break;
  }
}

/// RFC 9293 section 3.10.5.
void ConnectionCore::abort() {
  const Held self{*this};
  switch (tcb_.state) {
    case State::closed:
      over_ = true;
      news_ = 0;
      break;
    case State::time_wait:
      over_ = true;
      news_ = 0;
      engine_->time_wait().erase(tuple_);
      break;
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait: reset_peer(); [[fallthrough]];
    default: end(Error::connection_aborted, false); break;
  }
}

void ConnectionCore::release() {
  const Held self{*this};
  released_ = true;
  handlers_ = {};
  news_ = 0;
  close();
}

Info ConnectionCore::info() const {
  const TimePoint now = stack_gone_at_ ? *stack_gone_at_ : context_.now();
  Info info;
  static_cast<Counters&>(info) = counters_;
  info.state = tcb_.state;
  info.local = tuple_.local;
  info.remote = tuple_.remote;
  info.snd_una = tcb_.snd_una;
  info.snd_nxt = tcb_.snd_nxt;
  info.snd_wnd = tcb_.snd_wnd;
  info.rcv_nxt = tcb_.rcv_nxt;
  info.rcv_wnd = tcb_.rcv_wnd;
  info.mss = mss_;
  info.receive_mss = receive_mss_;
  if (engine_ != nullptr && info.advertised_mss == 0) info.advertised_mss = mss_to_offer();  // a SYN cookie offered it
  if (engine_ != nullptr) info.user_timeout = user_timeout();
  info.peer_user_timeout = peer_user_timeout_;
  info.probes = probes_;
  info.probe_backoffs = persist_backoff_;
  info.busy = sending_times_.busy(now);
  info.window_limited = sending_times_.in(SendingTimes::Phase::window_limited, now);
  info.buffer_limited = sending_times_.in(SendingTimes::Phase::buffer_limited, now);
  info.ecn = tcb_.negotiated.ecn;
  if (engine_ != nullptr) info.pacing_rate = pacing_rate();
  if (last_data_sent_) info.since_data_sent = now - *last_data_sent_;
  info.since_data_received = now - last_data_received_;
  info.since_ack_received = now - last_ack_received_;
  info.timestamps = tcb_.negotiated.timestamps;
  info.sack = tcb_.negotiated.sack;
  info.window_scaling = tcb_.negotiated.window_scaling;
  info.snd_wind_shift = tcb_.snd_wind_shift;
  info.rcv_wind_shift = tcb_.negotiated.window_scaling ? tcb_.rcv_wind_shift : std::uint8_t{0};
  info.cwnd = congestion_.cwnd();
  info.ssthresh = congestion_.ssthresh();
  info.congestion_control = congestion_->name();
  const RetransmitQueue& sent = recovery_.queue();
  info.in_recovery = recovery_.in_fast_recovery();
  info.ca_state = ca_state();
  info.sacked = sent.sacked_bytes();
  info.lost = sent.lost_bytes();
  info.retransmitted = sent.retransmitted_bytes();
  info.reordering = recovery_.rack().reordering();
  info.reorderings = recovery_.rack().reordering_events();
  info.delivered = recovery_.rate().delivered();
  if (const auto& rate = recovery_.rate().best()) {
    info.delivery_rate = rate->bytes_per_second;
    info.delivery_rate_app_limited = rate->app_limited;
  }
  info.dsacks = recovery_.duplicates_reported();
  info.undos = recovery_.undos();
  info.rto = rtt_.rto();
  info.srtt = rtt_.srtt();
  info.rttvar = rtt_.rttvar();
  info.min_rtt = rtt_.min_rtt();
  info.backoffs = rtt_.backoffs();
  info.unacknowledged = send_buffer_.size();
  info.unsent = unsent();
  info.in_flight = sent.outstanding();
  info.send_buffer = send_buffer_.limit();
  info.receive_buffer = receive_buffer_.limit();
  info.window_limit = static_cast<std::uint32_t>(
      std::min<std::size_t>({receive_buffer_.limit(), window_growth_.limit(), window_clamp(), max_window(tcb_.rcv_wind_shift)}));
  info.receiver_rtt = receive_tuning_.rtt();
  info.unread = receive_buffer_.size();
  info.out_of_order = reassembly_.size();
  info.urgent_unread = urgent_unread();
  return info;
}

}  // namespace tapir::tcp::detail
