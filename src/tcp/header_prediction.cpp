// Header prediction (RFC 7323 section 5.6): most segments are the one that was to come next. For those the checks of input.cpp have nothing to find, and
// what they would do is done here.

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// Whether it is the next one in order, of an established connection in which nothing else is going on.
bool ConnectionCore::is_predicted(const Arrival& arrival) const noexcept {
  const Segment& segment = arrival.segment;
  if (unlikely(!engine_->config().header_prediction) || unlikely(tcb_.state != State::established)) return false;
  if (unlikely((segment.flags & ~Flags::psh) != Flags::ack)) return false;
  if (unlikely(segment.seq != tcb_.rcv_nxt) || unlikely(segment.payload_size > tcb_.rcv_wnd)) return false;
  if (unlikely(segment.ack < tcb_.snd_una) || unlikely(segment.ack > tcb_.snd_nxt)) return false;
  if (unlikely(segment.payload_size == 0) && segment.ack == tcb_.snd_una) return false;  // no news
  const Options& options = arrival.options;
  if (unlikely(!options.sack.empty()) || unlikely(options.user_timeout.has_value()) || unlikely(!arrival.ip_options.empty())) return false;
  if (unlikely(options.timestamps.has_value() != tcb_.negotiated.timestamps)) return false;
  if (likely(options.timestamps.has_value()) && unlikely(recent_timestamp_.is_old(options.timestamps->value, context_.now()))) return false;
  if (unlikely(!reassembly_.empty()) || unlikely(peer_fin_.has_value()) || unlikely(reading_over_)) return false;
  if (unlikely(settings_->time_arrivals) || unlikely(memory_.exhausted())) return false;
  if (unlikely(ecn_.negotiated()) || unlikely(!tcb_.syn_acked) || unlikely(fin_sent_)) return false;
  return likely(!mtu_search_.outstanding());
}

/// What all of checks() comes to then, in its order.
[[gnu::flatten, gnu::hot]] void ConnectionCore::accept_predicted(Arrival& arrival) {
  const Segment& segment = arrival.segment;
  ++engine_->stats().predicted;
  last_ack_received_ = context_.now();
  more_follows_ = false;
  if (likely(segment.ack > tcb_.snd_una)) new_ack(arrival);
  take_window(segment);
  note_timestamp(arrival);
  note_peer_alive(arrival.tos);
  if (likely(segment.payload_size > 0)) (void)take_text(arrival);  // in order: there is nothing to say against it
}

}  // namespace tapir::tcp::detail
