#include "tcp_info.hpp"

#include <linux/tcp.h>  // not together with <netinet/tcp.h>, whose tcp_info is a shorter, older one

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "stream_socket.hpp"

namespace tapir::posix::detail {

namespace {

/// What Linux has added behind the members that older headers know.
struct Extended {
  tcp_info known;
  std::uint32_t rcv_wnd;
  std::uint32_t rehash;
  std::uint16_t total_rto;
  std::uint16_t total_rto_recoveries;
  std::uint32_t total_rto_time;
};
static_assert(sizeof(Extended) <= kTcpInfoSize);

/// TCP_ESTABLISHED and so on, as <netinet/tcp.h> numbers them.
std::uint8_t state_number(tcp::State state) {
  switch (state) {
    case tcp::State::established: return 1;
    case tcp::State::syn_sent: return 2;
    case tcp::State::syn_received: return 3;
    case tcp::State::fin_wait_1: return 4;
    case tcp::State::fin_wait_2: return 5;
    case tcp::State::time_wait: return 6;
    case tcp::State::closed: return 7;
    case tcp::State::close_wait: return 8;
    case tcp::State::last_ack: return 9;
    case tcp::State::listen: return 10;
    case tcp::State::closing: return 11;
  }
  return 7;
}

std::uint64_t whole_microseconds(Duration time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count(), 0));
}

std::uint32_t microseconds(Duration time) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(whole_microseconds(time), UINT32_MAX));
}

std::uint32_t clamped(std::uint64_t value) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, UINT32_MAX)); }

std::uint32_t segments(std::uint64_t bytes, std::uint32_t mss) { return clamped((bytes + mss - 1) / mss); }

std::uint32_t milliseconds(Duration time) { return microseconds(time) / 1000; }

/// TCP_CA_Open and so on, as <linux/tcp.h> numbers them.
std::uint8_t recovery_number(tcp::CaState state) {
  switch (state) {
    case tcp::CaState::open: return TCP_CA_Open;
    case tcp::CaState::disorder: return TCP_CA_Disorder;
    case tcp::CaState::cwr: return TCP_CA_CWR;
    case tcp::CaState::recovery: return TCP_CA_Recovery;
    case tcp::CaState::loss: return TCP_CA_Loss;
  }
  return TCP_CA_Open;
}

void fill_options(const tcp::Info& info, tcp_info& out) {
  const auto flag = [](bool on, int bit) { return static_cast<std::uint8_t>(on ? bit : 0); };
  out.tcpi_options = static_cast<std::uint8_t>(flag(info.timestamps, TCPI_OPT_TIMESTAMPS) | flag(info.sack, TCPI_OPT_SACK) |
                                               flag(info.window_scaling, TCPI_OPT_WSCALE) | flag(info.ecn, TCPI_OPT_ECN) |
                                               flag(info.syn_data, TCPI_OPT_SYN_DATA));
  out.tcpi_snd_wscale = info.snd_wind_shift & 0x0f;
  out.tcpi_rcv_wscale = info.rcv_wind_shift & 0x0f;
}

void fill_times(const tcp::Info& info, tcp_info& out) {
  constexpr std::uint32_t kNoMinimum = UINT32_MAX;
  out.tcpi_rto = microseconds(info.rto);
  out.tcpi_rtt = microseconds(info.srtt.value_or(Duration::zero()));
  out.tcpi_rttvar = microseconds(info.rttvar.value_or(Duration::zero()));
  out.tcpi_min_rtt = info.min_rtt ? microseconds(*info.min_rtt) : kNoMinimum;
  out.tcpi_rcv_rtt = microseconds(info.receiver_rtt.value_or(Duration::zero()));
  out.tcpi_last_data_sent = milliseconds(info.since_data_sent.value_or(Duration::zero()));
  out.tcpi_last_data_recv = milliseconds(info.since_data_received);
  out.tcpi_last_ack_recv = milliseconds(info.since_ack_received);
  out.tcpi_busy_time = whole_microseconds(info.busy);
  out.tcpi_rwnd_limited = whole_microseconds(info.window_limited);
  out.tcpi_sndbuf_limited = whole_microseconds(info.buffer_limited);
}

void fill_counts(const tcp::Info& info, tcp_info& out) {
  out.tcpi_total_retrans = clamped(info.retransmissions);
  out.tcpi_delivered = clamped(info.delivered_segments);
  out.tcpi_delivered_ce = clamped(info.delivered_ce_segments);
  out.tcpi_bytes_acked = info.bytes_acked;
  out.tcpi_bytes_received = info.bytes_received;
  out.tcpi_bytes_sent = info.bytes_sent;
  out.tcpi_bytes_retrans = info.bytes_retransmitted;
  out.tcpi_segs_out = clamped(info.segments_sent);
  out.tcpi_segs_in = clamped(info.segments_received);
  out.tcpi_notsent_bytes = clamped(info.unsent);
  out.tcpi_dsack_dups = clamped(info.dsacks);
  out.tcpi_reord_seen = clamped(info.reorderings);
}

/// Linux counts segments where we count octets; what was found lost stays so there until it is acknowledged.
void fill_recovery(const tcp::Info& info, std::uint32_t reordering_degree, tcp_info& out) {
  const std::uint32_t mss = std::max(info.mss, 1U);
  out.tcpi_ca_state = recovery_number(info.ca_state);
  out.tcpi_retransmits = static_cast<std::uint8_t>(std::min(info.backoffs, 255U));
  out.tcpi_probes = static_cast<std::uint8_t>(std::min(info.probes, 255U));
  out.tcpi_backoff = std::max(out.tcpi_retransmits, static_cast<std::uint8_t>(std::min(info.probe_backoffs, 255U)));
  out.tcpi_sacked = segments(info.sacked, mss);
  out.tcpi_lost = segments(std::uint64_t{info.lost} + (info.ca_state >= tcp::CaState::recovery ? info.retransmitted : 0), mss);
  out.tcpi_retrans = segments(info.retransmitted, mss);
  out.tcpi_reordering = std::max(reordering_degree, segments(info.reordering, mss));
  out.tcpi_snd_cwnd = info.cwnd / mss;
  out.tcpi_snd_ssthresh = info.ssthresh == UINT32_MAX ? INT32_MAX : std::min<std::uint32_t>(info.ssthresh / mss, INT32_MAX);
  out.tcpi_pacing_rate = info.pacing_rate.value_or(UINT64_MAX);
  out.tcpi_delivery_rate = info.delivery_rate.value_or(0);
  out.tcpi_delivery_rate_app_limited = info.delivery_rate_app_limited ? 1 : 0;
}

}  // namespace

std::array<std::byte, kTcpInfoSize> to_tcp_info(const StreamSocket& socket) {
  const tcp::Info info = socket.info();
  const std::uint32_t mss = std::max(info.mss, 1U);
  Extended out{};
  out.known.tcpi_state = state_number(socket.listening() ? tcp::State::listen : socket.state());
  out.known.tcpi_snd_mss = info.mss;
  out.known.tcpi_rcv_mss = info.receive_mss;
  out.known.tcpi_advmss = info.advertised_mss;
  out.known.tcpi_pmtu = info.path_mtu;
  out.known.tcpi_unacked = socket.listening() ? clamped(socket.waiting()) : segments(info.in_flight, mss);
  out.known.tcpi_snd_wnd = info.snd_wnd;
  out.known.tcpi_rcv_ssthresh = info.window_limit;
  out.known.tcpi_max_pacing_rate = socket.options().max_pacing_rate;
  out.known.tcpi_rcv_space = info.rcv_wnd;
  out.rcv_wnd = info.rcv_wnd;
  out.total_rto = static_cast<std::uint16_t>(std::min<std::uint64_t>(info.timeouts, UINT16_MAX));
  fill_options(info, out.known);
  fill_recovery(info, socket.reordering_degree(), out.known);
  fill_times(info, out.known);
  fill_counts(info, out.known);
  std::array<std::byte, kTcpInfoSize> bytes{};
  std::memcpy(bytes.data(), &out, sizeof(out));
  return bytes;
}

}  // namespace tapir::posix::detail
