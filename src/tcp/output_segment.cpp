// How a segment that was chosen is put together.

#include <algorithm>
#include <utility>

#include "burst_size.hpp"
#include "connection_core.hpp"
#include "engine.hpp"
#include "send_policy.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::size_t kMaxDatagram = 65535;  // bytes: the IPv4 total length
}

/// Payload bytes that one packet may carry: several segments where the link below, or the software just above it, cuts them.
std::uint32_t ConnectionCore::super_segment_limit() const {
  if (tcb_.urgent_out && tcb_.snd_up > tcb_.snd_una) return mss_;  // the pointer counts from each segment's own number
  const network::Network& network = engine_->network();
  const IpAddress peer = tuple_.remote.address;
  const std::size_t link = engine_->config().split_below ? kMaxDatagram : network.max_super_segment(peer);
  const std::size_t headers = network.header_size(peer) + sizeof(Header) + ip_options_.size();
  const std::size_t most = std::min(link, kMaxDatagram);
  if (most <= headers + mss_) return mss_;
  const BurstDecision decision{.mss = mss_,
                               .cwnd = congestion_.cwnd(),
                               .rate = sending_rate(),
                               .min_rtt = rtt_.min_rtt(),
                               .fewest_segments = engine_->config().min_burst_segments,
                               .most_bytes = static_cast<std::uint32_t>(most - headers)};
  return std::min(burst_segments(decision), decision.most_bytes / mss_) * mss_;
}

/// Bytes per second: what the algorithm paces by, else what a window in a round trip makes, and somewhat more while it grows, as Linux reckons
/// (tcp_update_pacing_rate()). 0: not known yet.
std::uint64_t ConnectionCore::sending_rate() const noexcept {
  if (const auto paced = congestion_.pacing_rate()) return *paced;
  const auto round_trip = rtt_.srtt();
  if (!round_trip || *round_trip <= Duration::zero()) return 0;
  const std::uint64_t percent = congestion_.cwnd() < congestion_.ssthresh() / 2 ? 200 : 120;
  constexpr std::uint64_t nanoseconds = 1'000'000'000;
  return std::uint64_t{congestion_.cwnd()} * percent / 100 * nanoseconds / static_cast<std::uint64_t>(round_trip->count());
}

/// The window to offer now, in what the header can say without scaling.
std::uint32_t ConnectionCore::offered_window() const noexcept {
  return window_to_offer({.buffer = static_cast<std::uint32_t>(std::min<std::size_t>(receive_buffer_.limit(), 65535)),
                          .room = static_cast<std::uint32_t>(std::min<std::size_t>(receive_buffer_.room(), 65535)),
                          .current_window = tcb_.rcv_wnd,
                          .mss = mss_});
}

void ConnectionCore::transmit(SeqNum seq, std::uint32_t payload_size, Flags flags) {
  Packet packet{context_.pool};
  if (payload_size > mss_) flags |= Flags::psh;  // so that the receiver's device merges no further, and hands the burst up at once
  if (payload_size > 0) (void)send_buffer_.view(distance(send_base_, seq), payload_size, packet);
  emit(std::move(packet), seq, flags, {});
}

void ConnectionCore::emit(Packet packet, SeqNum seq, Flags flags, std::span<const std::byte> options) {
  Send to{.local = tuple_.local,
          .remote = tuple_.remote,
          .seq = seq,
          .flags = flags,
          .options = options,
          .mss = static_cast<std::uint16_t>(std::min<std::uint32_t>(mss_, 65535)),
          .ttl = settings_.ttl,
          .tos = settings_.tos,
          .dont_fragment = settings_.dont_fragment.value_or(engine_->config().path_mtu_discovery),
          .ip_options = ip_options_};
  if (has(flags, Flags::ack)) {
    tcb_.rcv_wnd = offered_window();
    to.ack = tcb_.rcv_nxt;
    ack_.on_ack_sent();
  }
  to.window = static_cast<std::uint16_t>(tcb_.rcv_wnd);
  if (tcb_.urgent_out && tcb_.snd_up > seq && !has(flags, Flags::syn)) {
    to.flags |= Flags::urg;
    to.urgent = static_cast<std::uint16_t>(std::min<std::uint32_t>(distance(seq, tcb_.snd_up), 65535));
  }
  last_sent_ = context_.now();
  // What does not leave is missed by the peer, and sent again like anything else that is lost.
  const Result<> sent = engine_->send(std::move(packet), to);
  if (!sent && sent.error() == Error::message_too_large && !is_over()) path_narrowed();
}

void ConnectionCore::count_sent(std::uint32_t payload_size, bool again) {
  const std::uint32_t segments = payload_size == 0 ? 1 : (payload_size + mss_ - 1) / mss_;
  counters_.segments_sent += segments;
  counters_.bytes_sent += payload_size;
  if (again) {
    counters_.retransmissions += segments;
    engine_->stats().retrans_segs += segments;
  } else {
    engine_->stats().out_segs += segments;
  }
}

}  // namespace tapir::tcp::detail
