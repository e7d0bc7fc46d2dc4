// Which options the two ends agree on, and which ones each segment carries.

#include <algorithm>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// The options of our SYN: all we know. Of our SYN,ACK: those that the peer's SYN offered, too (RFC 7323 sections 2.2 and 3.2).
Options ConnectionCore::syn_options() const {
  const Config& config = engine_->config();
  const bool answers = tcb_.state != State::syn_sent;
  Options options{.mss = mss_to_offer()};
  options.sack_permitted = answers ? tcb_.negotiated.sack : config.sack;
  if (answers ? tcb_.negotiated.window_scaling : config.window_scaling) options.window_scale = tcb_.rcv_wind_shift;
  if (answers ? tcb_.negotiated.timestamps : config.timestamps) options.timestamps = timestamps_to_send(answers);
  options.fast_open = fast_open_.option;
  options.user_timeout = user_timeout_to_send();
  if (encoded_size(options) > kMaxOptionsSize) options.user_timeout.reset();  // the next segment tells it
  return options;
}

/// The peer's SYN, or SYN,ACK, has come: what we offer and it offers is agreed on.
void ConnectionCore::negotiate(const Options& theirs) {
  const Config& config = engine_->config();
  tcb_.negotiated.sack = config.sack && theirs.sack_permitted;
  tcb_.negotiated.window_scaling = config.window_scaling && theirs.window_scale.has_value();
  if (theirs.window_scale_too_large) ++engine_->stats().large_window_scales;
  tcb_.negotiated.timestamps = config.timestamps && theirs.timestamps.has_value();
  tcb_.snd_wind_shift = tcb_.negotiated.window_scaling ? *theirs.window_scale : std::uint8_t{0};
  if (!tcb_.negotiated.window_scaling) tcb_.rcv_wind_shift = 0;
  if (tcb_.negotiated.timestamps) recent_timestamp_.start(theirs.timestamps->value, context_.now());
}

/// TSecr means something with the ACK bit only (RFC 7323 section 3.2).
Timestamps ConnectionCore::timestamps_to_send(bool with_ack) const noexcept {
  return {.value = timestamp_clock_.value(context_.now()), .echo_reply = with_ack ? recent_timestamp_.value() : 0};
}

/// Bytes of options that every segment after the handshake carries: they count against the MSS (RFC 9293 section 3.7.1, RFC 6691 section 2).
std::uint32_t ConnectionCore::fixed_options_size() const noexcept { return tcb_.negotiated.timestamps ? kAlignedTimestampsSize : 0; }

/// What the next ACK reports of the octets beyond a gap (RFC 2018 section 4), as far as `room` bytes hold it. What no payload may exceed no options may,
/// either: a segment that is too large for its path would be no ACK at all.
SackBlocks ConnectionCore::sack_to_send(std::size_t room) const {
  if (!tcb_.negotiated.sack || (reassembly_.empty() && !sack_report_.pending())) return {};
  const std::size_t most = sack_blocks_in(std::min({room, kMaxOptionsSize - fixed_options_size(), std::size_t{mss_}}));
  return sack_report_.blocks(reassembly_.sack_blocks(most), most);
}

/// The payload of a full segment that leaves now: what not every segment carries takes its room, too.
std::uint32_t ConnectionCore::current_mss() const {
  if (!tells_more()) return mss_;  // nearly always
  const auto sometimes = static_cast<std::uint32_t>(encoded_size(segment_options(Flags::ack, 0)) - fixed_options_size());
  return mss_ > sometimes ? mss_ - sometimes : 1;
}

/// The options of a segment that is no SYN. Blocks of SACK that do not fit beside the payload wait for the next segment.
Options ConnectionCore::segment_options(Flags flags, std::uint32_t payload_size) const {
  Options options;
  if (tcb_.negotiated.timestamps) options.timestamps = timestamps_to_send(has(flags, Flags::ack));
  if (has(flags, Flags::ack)) {
    const bool super = payload_size > mss_;  // cut later, into what the blocks leave
    const std::size_t room = super || payload_size == 0 ? kMaxOptionsSize : mss_ - payload_size;
    options.sack = sack_to_send(room);
    options.user_timeout = user_timeout_to_send();
    const bool fits = encoded_size(options) - fixed_options_size() <= std::min(room, kMaxOptionsSize - fixed_options_size());
    if (!fits) options.user_timeout.reset();
  }
  return options;
}

}  // namespace tapir::tcp::detail
