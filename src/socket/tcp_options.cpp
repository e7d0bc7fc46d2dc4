#include "tcp_options.hpp"

#include <algorithm>

#include "timestamps.hpp"

namespace tapir::posix::detail {

using std::chrono::milliseconds;
using std::chrono::seconds;

tcp::Keepalive to_keepalive(const SocketOptions& options, const TcpOptions& tcp) {
  tcp::Keepalive keepalive{.on = options.keepalive};
  if (tcp.keep_idle > 0) keepalive.idle = seconds{tcp.keep_idle};
  if (tcp.keep_interval > 0) keepalive.interval = seconds{tcp.keep_interval};
  // A single lost probe must not end a connection (RFC 9293 MUST-26), so one probe is taken as two.
  if (tcp.keep_count > 0) keepalive.probes = static_cast<std::uint32_t>(std::max(tcp.keep_count, 2));
  return keepalive;
}

tcp::Settings to_settings(const SocketOptions& options, const TcpOptions& tcp) {
  tcp::Settings settings{.tos = options.tos,
                         .nagle = !tcp.no_delay,
                         .keepalive = to_keepalive(options, tcp),
                         .cork = tcp.cork,
                         .keep_unread = true,
                         .chunked_writes = true,
                         .minshall = true,
                         .gradual_window = true,
                         .unreachable_ends_handshake = true,
                         .time_arrivals = times_arrivals(options)};
  settings.congestion_control = tcp.congestion;
  if (options.ttl > 0) settings.ttl = static_cast<std::uint8_t>(options.ttl);
  if (options.send_buffer_set) settings.send_buffer = static_cast<std::size_t>(options.send_buffer);
  if (options.receive_buffer_set) settings.receive_buffer = static_cast<std::size_t>(options.receive_buffer) / 2;
  if (tcp.user_timeout > 0) settings.user_timeout = milliseconds{tcp.user_timeout};
  if (tcp.not_sent_low != 0) settings.not_sent_low = static_cast<std::uint32_t>(tcp.not_sent_low);
  if (tcp.max_segment > 0) settings.max_segment = static_cast<std::uint16_t>(tcp.max_segment);
  if (tcp.syn_count > 0) settings.syn_retries = static_cast<std::uint32_t>(tcp.syn_count);
  if (tcp.linger2 != 0) settings.fin_wait_2_timeout = seconds{std::max(tcp.linger2, 0)};
  if (options.max_pacing_rate != UINT64_MAX) settings.max_pacing_rate = std::max<std::uint64_t>(options.max_pacing_rate, 1);
  if (tcp.window_clamp > 0) settings.window_clamp = static_cast<std::uint32_t>(tcp.window_clamp);
  settings.minimum_ttl = static_cast<std::uint8_t>(options.minimum_ttl);
  if (options.mtu_discover == IP_PMTUDISC_DONT) settings.dont_fragment = false;
  if (options.mtu_discover == IP_PMTUDISC_DO || options.mtu_discover == IP_PMTUDISC_PROBE) settings.dont_fragment = true;
  return settings;
}

}  // namespace tapir::posix::detail
