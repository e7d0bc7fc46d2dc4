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

std::uint32_t microseconds(Duration time) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count(), 0, UINT32_MAX));
}

std::uint32_t clamped(std::uint64_t value) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, UINT32_MAX)); }

std::uint32_t segments(std::uint64_t bytes, std::uint32_t mss) { return clamped((bytes + mss - 1) / mss); }

std::uint8_t options_of(const tcp::Info& info) {
  int options = 0;
  if (info.timestamps) options |= TCPI_OPT_TIMESTAMPS;
  if (info.sack) options |= TCPI_OPT_SACK;
  if (info.window_scaling) options |= TCPI_OPT_WSCALE;
  if (info.syn_data) options |= TCPI_OPT_SYN_DATA;
  return static_cast<std::uint8_t>(options);
}

void fill_times(const tcp::Info& info, tcp_info& out) {
  constexpr std::uint32_t kNoMinimum = UINT32_MAX;
  out.tcpi_rto = microseconds(info.rto);
  out.tcpi_rtt = microseconds(info.srtt.value_or(Duration::zero()));
  out.tcpi_rttvar = microseconds(info.rttvar.value_or(Duration::zero()));
  out.tcpi_min_rtt = info.min_rtt ? microseconds(*info.min_rtt) : kNoMinimum;
}

void fill_counts(const tcp::Info& info, tcp_info& out) {
  out.tcpi_total_retrans = clamped(info.retransmissions);
  out.tcpi_delivered = clamped(info.delivered_segments);
  out.tcpi_bytes_acked = info.bytes_acked;
  out.tcpi_bytes_received = info.bytes_received;
  out.tcpi_bytes_sent = info.bytes_sent;
  out.tcpi_segs_out = clamped(info.segments_sent);
  out.tcpi_segs_in = clamped(info.segments_received);
  out.tcpi_notsent_bytes = clamped(info.unsent);
}

}  // namespace

std::array<std::byte, kTcpInfoSize> to_tcp_info(const StreamSocket& socket) {
  const tcp::Info info = socket.info();
  const std::uint32_t mss = std::max(info.mss, 1U);
  Extended out{};
  out.known.tcpi_state = state_number(socket.listening() ? tcp::State::listen : socket.state());
  out.known.tcpi_ca_state = info.in_recovery ? TCP_CA_Recovery : info.backoffs > 0 ? TCP_CA_Loss : TCP_CA_Open;
  out.known.tcpi_retransmits = static_cast<std::uint8_t>(std::min(info.backoffs, 255U));
  out.known.tcpi_backoff = out.known.tcpi_retransmits;
  out.known.tcpi_options = options_of(info);
  out.known.tcpi_snd_mss = info.mss;
  out.known.tcpi_rcv_mss = info.mss;
  out.known.tcpi_advmss = info.mss;
  out.known.tcpi_unacked = socket.listening() ? clamped(socket.waiting()) : segments(info.in_flight, mss);
  out.known.tcpi_snd_cwnd = info.cwnd / mss;
  out.known.tcpi_snd_ssthresh = info.ssthresh == UINT32_MAX ? INT32_MAX : std::min<std::uint32_t>(info.ssthresh / mss, INT32_MAX);
  out.known.tcpi_snd_wnd = info.snd_wnd;
  out.known.tcpi_rcv_space = info.rcv_wnd;
  out.rcv_wnd = info.rcv_wnd;
  out.total_rto = static_cast<std::uint16_t>(std::min<std::uint64_t>(info.timeouts, UINT16_MAX));
  fill_times(info, out.known);
  fill_counts(info, out.known);
  std::array<std::byte, kTcpInfoSize> bytes{};
  std::memcpy(bytes.data(), &out, sizeof(out));
  return bytes;
}

}  // namespace tapir::posix::detail
