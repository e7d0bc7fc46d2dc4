#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::posix::detail {

/// What every kind of socket keeps: SOL_SOCKET and IPPROTO_IP, as the kernel's defaults have them.
struct SocketOptions {
  bool reuse_address = false;
  bool reuse_port = false;
  bool keepalive = false;
  bool broadcast = false;
  bool oob_inline = false;
  bool no_check = false;
  bool timestamp = false;
  bool timestamp_ns = false;       ///< meaningful with `timestamp`: in nanoseconds
  bool timestamp_new = false;      ///< the latest of these options was of the _NEW kind, and so are the messages
  std::uint32_t timestamping = 0;  ///< SOF_TIMESTAMPING_*
  bool zero_copy = false;
  linger lingering = {.l_onoff = 0, .l_linger = 0};
  std::optional<Duration> receive_timeout = {};  ///< empty: none
  std::optional<Duration> send_timeout = {};
  int send_buffer = 16384;  ///< as getsockopt() reports it: twice what is for payload
  int receive_buffer = 131072;
  bool send_buffer_set = false;
  bool receive_buffer_set = false;
  int receive_low = 1;
  int priority = 0;
  int mark = 0;
  int busy_poll = 0;
  int peek_offset = -1;           ///< where MSG_PEEK begins, bytes behind what was read; negative: there, and it stays
  bool receive_overflow = false;  ///< SO_RXQ_OVFL
  bool select_error_queue = false;
  std::uint64_t max_pacing_rate = UINT64_MAX;  ///< bytes per second; UINT64_MAX: no bound

  std::uint8_t tos = 0;
  int ttl = -1;  ///< -1: the stack's default
  int multicast_ttl = 1;
  bool multicast_loop = true;
  bool multicast_all = true;
  std::uint32_t multicast_interface = 0;  ///< its address, as IP_MULTICAST_IF has it (network byte order); 0: the route's
  int mtu_discover = IP_PMTUDISC_WANT;
  bool receive_errors = false;
  bool packet_info = false;
  bool receive_ttl = false;
  bool receive_tos = false;
  bool free_bind = false;
  bool transparent = false;
  bool header_included = false;
  bool bind_address_no_port = false;
  bool receive_original_address = false;
  int minimum_ttl = 0;
};

}  // namespace tapir::posix::detail
