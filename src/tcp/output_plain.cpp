// The counterpart of header prediction: most of what leaves is new data, all there is, for which nothing has to be weighed.

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// The octets of the segment that send_next() would choose when it is nothing but that; 0: it has to choose.
std::uint32_t ConnectionCore::plain_segment() const noexcept {
  if (unlikely(probe_due_) || unlikely(tail_probe_due_) || unlikely(keepalive_due_) || unlikely(refused_) || unlikely(fin_queued_))
    return 0;
  if (unlikely(!engine_->config().header_prediction) || unlikely(recovery_.state() != CaState::open)) return 0;
  if (unlikely(!is_synchronized(tcb_.state)) || unlikely(!tcb_.syn_acked)) return 0;
  const RetransmitQueue& sent = recovery_.queue();
  const std::uint32_t queued = distance(later(tcb_.snd_nxt, send_base_), data_end());
  if (queued == 0 || unlikely(queued > mss_) || unlikely(sent.lost_bytes() > 0) || unlikely(tells_more())) return 0;
  if (unlikely(settings_->cork) || unlikely(settings_->minshall) || unlikely(settings_->chunked_writes)) return 0;
  if (unlikely(more_follows_) || unlikely(queued_until_.has_value()) || unlikely(tcb_.urgent_out)) return 0;
  if (unlikely(ecn_.negotiated()) || unlikely(send_buffer_.has_records())) return 0;
  const std::uint32_t outstanding = tcb_.flight_size();
  if (nagle_ && unlikely(outstanding > 0) && queued < mss_) return 0;
  const bool fits = std::uint64_t{outstanding} + queued <= std::min(tcb_.snd_wnd, congestion_.cwnd());
  return likely(fits) ? queued : 0;
}

/// Sends it: what send_new() comes to then.
[[gnu::flatten, gnu::hot]] bool ConnectionCore::send_plain(std::uint32_t count) {
  if (likely(recovery_.queue().empty()) && likely(last_data_sent_.has_value())) {
    congestion_.on_idle({.now = context_.now(), .idle = context_.now() - *last_data_sent_, .rto = rtt_.rto()});
    if (unlikely(congestion_.cwnd() < count)) return send_new();
  }
  if (unlikely(paced_out())) return false;
  const bool pushed = end_pushed_ || override_expired_;
  if (unlikely(!send_octets(later(tcb_.snd_nxt, send_base_), count, pushed ? Flags::ack | Flags::psh : Flags::ack))) return false;
  new_data_left();
  return true;
}

}  // namespace tapir::tcp::detail
