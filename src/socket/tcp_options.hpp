#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <tapir/tcp/settings.hpp>

#include "socket_options.hpp"

namespace tapir::posix::detail {

/// What a stream socket keeps beside SocketOptions: IPPROTO_TCP, with the kernel's defaults (man 7 tcp).
struct TcpOptions {
  bool no_delay = false;
  bool cork = false;
  int max_segment = 0;    ///< bytes; 0: not set
  int keep_idle = 0;      ///< s; 0: the stack's
  int keep_interval = 0;  ///< s; 0: the stack's
  int keep_count = 0;     ///< 0: the stack's
  int user_timeout = 0;   ///< ms; 0: the stack's
  int syn_count = 0;      ///< 0: the stack's
  int linger2 = 0;        ///< s; 0: the stack's; negative: FIN-WAIT-2 is left out
  int defer_accept = 0;   ///< s
  bool quick_ack = true;
  int not_sent_low = 0;    ///< bytes, as an unsigned number; 0: the stack's
  int window_clamp = 0;    ///< bytes; 0: none
  std::string congestion;  ///< empty: the stack's
  int fast_open_backlog = 0;
  bool fast_open_connect = false;
  bool fast_open_no_cookie = false;
  std::optional<tcp::FastOpenKeys> fast_open_keys;  ///< empty: the stack's
  bool inq = false;
};

/// The same for the stack: what a connection is opened with.
[[nodiscard]] tcp::Settings to_settings(const SocketOptions& options, const TcpOptions& tcp);
[[nodiscard]] tcp::Keepalive to_keepalive(const SocketOptions& options, const TcpOptions& tcp);

}  // namespace tapir::posix::detail
