// How a segment that was chosen is put together.

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <tapir/core/branch.hpp>

#include "burst_size.hpp"
#include "connection_core.hpp"
#include "engine.hpp"
#include "send_policy.hpp"
#include "window_scale.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::size_t kMaxDatagram = 65535;  // bytes: the IPv4 total length
}

/// Payload bytes that one packet may carry: several segments where the link below, or the software just above it, cuts them.
std::uint32_t ConnectionCore::super_segment_limit() const {
  const std::uint32_t mss = current_mss();
  if (tcb_.urgent_out && tcb_.snd_up > tcb_.snd_una) return mss;  // the pointer counts from each segment's own number
  if (ecn_.cwr_due()) return mss;                                 // a segment says CWR, not each of several
  if (user_timeout_to_send()) return mss;                         // likewise
  const network::Network& network = engine_->network();
  const IpAddress peer = tuple_.remote.address;
  const std::size_t link = engine_->config().split_below ? kMaxDatagram : network.max_super_segment(peer);
  const std::size_t headers = network.header_size(peer) + kMaxHeaderSize + ip_options_.size();
  const std::size_t most = std::min(link, kMaxDatagram);
  if (most <= headers + mss) return mss;
  const BurstDecision decision{.mss = mss,
                               .cwnd = congestion_.cwnd(),
                               .rate = sending_rate(),
                               .min_rtt = rtt_.min_rtt(),
                               .fewest_segments = engine_->config().min_burst_segments,
                               .most_bytes = std::min(static_cast<std::uint32_t>(most - headers), pacer_.quantum(mss))};
  return std::max(std::min(burst_segments(decision), decision.most_bytes / mss), 1U) * mss;
}

/// Bytes per second: what the algorithm paces by, else what a window in a round trip makes, and somewhat more while it grows, as Linux reckons
/// (tcp_update_pacing_rate()). 0: not known yet.
std::uint64_t ConnectionCore::sending_rate() const noexcept {
  if (const auto paced = pacing_rate()) return *paced;
  const auto round_trip = rtt_.srtt();
  if (!round_trip || *round_trip <= Duration::zero()) return 0;
  const std::uint64_t percent = congestion_.cwnd() < congestion_.ssthresh() / 2 ? 200 : 120;
  constexpr std::uint64_t nanoseconds = 1'000'000'000;
  return std::uint64_t{congestion_.cwnd()} * percent / 100 * nanoseconds / static_cast<std::uint64_t>(round_trip->count());
}

/// The window to offer now, in bytes.
std::uint32_t ConnectionCore::offered_window() const noexcept {
  const std::size_t most = std::min(max_window(tcb_.rcv_wind_shift), window_clamp());
  // Without memory what every connection may hold is all the buffer there is: that may be less than a segment, and must open a closed window.
  const std::size_t buffer = memory_.exhausted() ? std::min(receive_buffer_.limit(), MemoryShare::kAlways) : receive_buffer_.limit();
  return window_to_offer({.buffer = static_cast<std::uint32_t>(std::min(buffer, most)),
                          .room = static_cast<std::uint32_t>(std::min({receive_room(), most, std::size_t{window_growth_.limit()}})),
                          .current_window = tcb_.rcv_wnd,
                          .mss = mss_});
}

/// The window field of a segment that leaves now. The window of a SYN is never scaled (RFC 7323 section 2.2).
std::uint16_t ConnectionCore::window_field(Flags flags) {
  const bool syn = has(flags, Flags::syn);
  if (likely(has(flags, Flags::ack))) {
    tcb_.rcv_wnd = syn ? std::min(offered_window(), kMaxUnscaledWindow)
                       : expressible_window(offered_window(), std::min<std::size_t>(receive_room(), window_clamp()), tcb_.rcv_wind_shift);
  }
  return static_cast<std::uint16_t>(syn ? tcb_.rcv_wnd : tcb_.rcv_wnd >> tcb_.rcv_wind_shift);
}

Result<> ConnectionCore::transmit(SeqNum seq, std::uint32_t payload_size, Flags flags, bool whole) {
  Packet packet{context_.pool};
  if (unlikely(payload_size > mss_) && !whole)
    flags |= Flags::psh;  // so that the receiver's device merges no further, and hands the burst up at once
  if (likely(payload_size > 0)) (void)send_buffer_.view(distance(send_base_, seq), payload_size, packet);
  return emit(std::move(packet), seq, flags, whole);
}

/// Writes the options of the segment that leaves now, and takes note of what they tell. How many bytes.
std::size_t ConnectionCore::put_options(Flags flags, std::uint32_t payload_size, std::span<std::byte, kMaxOptionsSize> into) {
  if (likely(!has(flags, Flags::syn)) && likely(!tells_more())) {
    if (unlikely(!tcb_.negotiated.timestamps)) return 0;
    put_aligned(timestamps_to_send(has(flags, Flags::ack)), into);
    return kAlignedTimestampsSize;
  }
  return put_all_options(flags, payload_size, into);
}

std::size_t ConnectionCore::put_all_options(Flags flags, std::uint32_t payload_size, std::span<std::byte, kMaxOptionsSize> into) {
  const Options options = has(flags, Flags::syn) ? syn_options() : segment_options(flags, payload_size);
  Writer writer{into};
  (void)encode_options(options, writer);
  if (has(flags, Flags::ack) && !options.sack.empty()) sack_report_.on_sent();
  if (options.user_timeout && !has(flags, Flags::syn)) user_timeout_due_ = false;
  if (options.mss) counters_.advertised_mss = *options.mss;
  return writer.written();
}

Result<> ConnectionCore::emit(Packet&& packet, SeqNum seq, Flags flags, bool whole) {
  const auto payload_size = static_cast<std::uint32_t>(packet.size());
  const std::uint32_t mss = payload_size > mss_ ? current_mss() : mss_;
  const bool cut = !whole && !has(flags, Flags::syn);
  std::array<std::byte, kMaxOptionsSize> options;
  const std::size_t options_size = put_options(flags, payload_size, options);
  Send to{.local = tuple_.local,
          .remote = tuple_.remote,
          .seq = seq,
          .flags = flags,
          .window = window_field(flags),
          .options = std::span{options}.first(options_size),
          .mss = cut ? static_cast<std::uint16_t>(std::min<std::uint32_t>(mss, 65535)) : std::uint16_t{0},
          .ttl = settings_->ttl,
          .tos = static_cast<std::uint8_t>(settings_->tos | ecn_.take_field()),
          .dont_fragment = unlikely(whole) || settings_->dont_fragment.value_or(engine_->config().path_mtu_discovery),
          .ip_options = ip_options_};
  if (likely(has(flags, Flags::ack))) {
    to.ack = tcb_.rcv_nxt;
    ack_waits_ = false;
    recent_timestamp_.on_ack_sent(tcb_.rcv_nxt);
    if (likely(payload_size > 0)) ack_.on_data_sent(context_.now());
    ack_.on_ack_sent(context_.now());
    if (likely(!has(flags, Flags::syn))) to.flags |= ecn_.ack_flags();
  }
  if (unlikely(tcb_.urgent_out) && tcb_.snd_up > seq && !has(flags, Flags::syn)) {
    to.flags |= Flags::urg;
    to.urgent = static_cast<std::uint16_t>(std::min<std::uint32_t>(distance(seq, tcb_.snd_up), 65535));
  }
  last_sent_ = context_.now();
  if (likely(payload_size > 0)) last_data_sent_ = context_.now();
  return engine_->send(std::move(packet), to);
}

/// Sends octets [begin, begin + payload_size) and what `flags` adds to them. Whether they left, as far as we know: what the device refuses was not sent, and
/// waits. What does not leave for another reason is missed by the peer, and sent again like anything else that is lost.
bool ConnectionCore::send_octets(SeqNum begin, std::uint32_t payload_size, Flags flags, bool tail_probe) {
  const bool again = begin < tcb_.snd_nxt;
  const SeqNum end = begin + payload_size + (has(flags, Flags::fin) ? 1U : 0U);
  const Result<> sent = transmit(begin, payload_size, flags);
  if (unlikely(is_over())) return true;  // over a loopback the answer may have come already
  if (unlikely(!sent) && sent.error() == Error::no_buffer_space) {
    device_refused();
    return false;
  }
  refused_ = false;
  note_sent(begin, end, tail_probe);
  if (const std::uint32_t size = std::min(payload_size, mss_); !again) mtu_reports_.on_sent(begin + size, size);
  count_sent(payload_size, again);
  if (likely(!again) && (likely(payload_size < mss_) ? payload_size > 0 : payload_size % mss_ != 0)) small_end_ = end;
  if (unlikely(report_sent_) && !again && payload_size > 0) tell(kSent);
  if (unlikely(!sent) && sent.error() == Error::message_too_large) path_narrowed();
  return true;
}

/// With something outstanding its timer is another chance; otherwise there is a probe.
void ConnectionCore::device_refused() noexcept { refused_ = recovery_.queue().empty(); }

/// The rate at which segments leave: the algorithm's own, or, where one is wished for, a window each round trip and some more, so that the window and not the
/// pace is what limits.
std::optional<std::uint64_t> ConnectionCore::pacing_rate() const noexcept {
  std::optional<std::uint64_t> rate = congestion_.pacing_rate();
  const Duration rtt = rtt_.srtt().value_or(Duration::zero());
  if (unlikely(!rate && settings_->pacing.value_or(engine_->config().pacing) && rtt > Duration::zero())) {
    const double ratio = congestion_.cwnd() < congestion_.ssthresh() / 2 ? 2.0 : 1.2;  // slow start doubles the window in a round trip
    rate = static_cast<std::uint64_t>(ratio * congestion_.cwnd() / std::chrono::duration<double>(rtt).count());
  }
  if (unlikely(settings_->max_pacing_rate.has_value()))
    rate = std::min(rate.value_or(*settings_->max_pacing_rate), *settings_->max_pacing_rate);
  if (unlikely(rate == 0U)) rate = 1;  // a byte a second is the least there is: of a small window over a long round trip it may be less
  return rate;
}

/// Whether the next segment has to wait for its time. If so, the timer is set.
bool ConnectionCore::paced_out() {
  pacer_.set_rate(pacing_rate());
  deadlines_.pacing.reset();
  if (likely(pacer_.may_send(context_.now()))) return false;
  deadlines_.pacing = pacer_.next();
  return true;
}

std::uint32_t ConnectionCore::segments_of(std::uint32_t bytes) const noexcept {
  if (likely(bytes <= mss_)) return bytes > 0 ? 1 : 0;  // a division takes as long as a dozen other instructions
  return (bytes + mss_ - 1) / mss_;
}

void ConnectionCore::count_sent(std::uint32_t payload_size, bool again) {
  count_segments(std::max(segments_of(payload_size), 1U), payload_size, again);
}

void ConnectionCore::count_segments(std::uint32_t segments, std::uint32_t payload_size, bool again) {
  counters_.segments_sent += segments;
  counters_.bytes_sent += payload_size;
  pacer_.on_sent(payload_size, context_.now());
  if (unlikely(again)) {
    counters_.retransmissions += segments;
    counters_.bytes_retransmitted += payload_size;
    engine_->stats().retrans_segs += segments;
  } else {
    engine_->stats().out_segs += segments;
  }
}

}  // namespace tapir::tcp::detail
