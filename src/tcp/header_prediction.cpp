// Header prediction (RFC 7323 section 5.6): most segments are the one that was to come next. For those the checks of input.cpp have nothing to find, and
// what they would do is done here.

#include <algorithm>
#include <utility>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// Whether it is the next one in order, of an established connection in which nothing else is going on.
bool ConnectionCore::is_predicted(const Arrival& arrival) const noexcept {
  const Segment& segment = arrival.segment;
  if (!engine_->config().header_prediction || tcb_.state != State::established || (segment.flags & ~Flags::psh) != Flags::ack) return false;
  if (segment.seq != tcb_.rcv_nxt || segment.payload_size > tcb_.rcv_wnd) return false;
  const bool news = segment.ack > tcb_.snd_una || segment.payload_size > 0;
  if (!news || segment.ack < tcb_.snd_una || segment.ack > tcb_.snd_nxt) return false;
  const Options& options = arrival.options;
  if (!options.sack.empty() || options.user_timeout || !arrival.ip_options.empty()) return false;
  if (options.timestamps.has_value() != tcb_.negotiated.timestamps) return false;
  if (options.timestamps && recent_timestamp_.is_old(options.timestamps->value, context_.now())) return false;
  const bool reading = reassembly_.empty() && !peer_fin_ && !reading_over_ && !settings_->time_arrivals && !memory_.exhausted();
  return reading && !ecn_.negotiated() && tcb_.syn_acked && !fin_sent_ && !mtu_search_.outstanding();
}

/// What all of checks() comes to then, in its order.
[[gnu::flatten, gnu::hot]] void ConnectionCore::accept_predicted(Arrival& arrival) {
  const Segment& segment = arrival.segment;
  ++engine_->stats().predicted;
  last_ack_received_ = context_.now();
  more_follows_ = false;
  if (segment.ack > tcb_.snd_una) new_ack(arrival);
  take_window(segment);
  note_timestamp(arrival);
  note_peer_alive(arrival.tos);
  if (segment.payload_size > 0) (void)take_text(arrival);  // in order: there is nothing to say against it
}

}  // namespace tapir::tcp::detail
