#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// Keep-alive (RFC 9293 section 3.8.4), off unless asked for.
struct Keepalive {
  bool on = false;
  Duration idle = std::chrono::hours{2};         ///< silence before the first probe, at least 1 s
  Duration interval = std::chrono::seconds{75};  ///< between probes that nobody answers, at least 1 s
  std::uint32_t probes = 9;                      ///< so many unanswered ones end the connection, at least 2
};

/// What can be chosen for one connection.
struct Settings {
  std::optional<std::uint8_t> ttl = {};         ///< 1-255; empty: the stack's default
  std::uint8_t tos = 0;                         ///< Diffserv field in the high six bits (RFC 2474); the ECN bits are sent as zero
  bool nagle = true;                            ///< Nagle's algorithm (RFC 9293 section 3.7.4); false: small segments leave at once
  std::optional<std::size_t> send_buffer = {};  ///< bytes, at least 1, at most 2^30 are taken; empty: as in Config
  std::optional<std::size_t> receive_buffer =
      {};  ///< bytes, at least 1; empty: as in Config. Without window scaling no more than 65535 are offered
  std::optional<Duration> user_timeout = {};  ///< R2: how long sent data may stay unacknowledged; empty: as in Config
  Keepalive keepalive = {};
  bool report_soft_errors = true;  ///< whether Events::soft_error and Events::stalled are called
};

struct ConnectOptions {
  Endpoint local = {};                       ///< address unspecified: the one of the route's interface; port 0: an ephemeral one
  std::vector<IpAddress> source_route = {};  ///< hops to pass on the way, at most 8 (RFC 9293 MUST-51)
  Settings settings = {};
};

struct ListenOptions {
  std::size_t backlog = 128;        ///< established connections that wait for accept(), at least 1
  std::size_t max_half_open = 256;  ///< handshakes under way, at least 1
  Settings settings = {};           ///< of every connection accepted
};

/// What can be chosen for a whole stack's TCP.
struct Config {
  std::size_t send_buffer = std::size_t{256} * 1024;        ///< bytes, at most 2^30 are taken
  std::size_t receive_buffer = 65535;                       ///< bytes
  Duration msl = std::chrono::minutes{2};                   ///< maximum segment lifetime: TIME-WAIT lasts twice as long
  Duration user_timeout = std::chrono::minutes{5};          ///< R2 (RFC 9293 section 3.9.1.1)
  Duration connect_timeout = std::chrono::minutes{4};       ///< R2 of SYN segments, at least 3 minutes by RFC 9293 MUST-23
  std::uint32_t r1 = 3;                                     ///< retransmissions of one segment before the path is called into question
  Duration fin_wait_2_timeout = std::chrono::seconds{60};   ///< how long FIN-WAIT-2 lasts when nobody reads any more
  Duration initial_rto = std::chrono::seconds{1};           ///< RFC 6298 section 2.1
  Duration min_rto = std::chrono::seconds{1};               ///< RFC 6298 section 2.4; taken as at least 1 ms
  Duration max_rto = std::chrono::seconds{60};              ///< taken as at least 60 s (RFC 6298 section 2.5), at most a day
  Duration ack_delay = std::chrono::milliseconds{40};       ///< below 0.5 s
  std::uint32_t quick_acks = 0;                             ///< segments acknowledged at once after the handshake
  Duration send_override = std::chrono::milliseconds{200};  ///< 0.1 to 1 s: a small segment held back by window rules alone leaves then
  std::uint32_t initial_window_segments = 10;               ///< RFC 6928
  std::uint32_t challenge_acks = 10;                        ///< of one connection: so many at most ...
  Duration challenge_period = std::chrono::seconds{5};      ///< ... in this time (RFC 5961 section 7)
  bool path_mtu_discovery = true;                           ///< segments carry DF (RFC 1191)
  /// A segment with a bad checksum makes the connection that its ports name acknowledge at once, within the limit of challenge_acks. Not in
  /// the RFC, which drops it in silence: the header may be the damaged part.
  bool acknowledge_bad_checksums = false;
  bool split_below = false;                 ///< hand down super-segments even where the link takes none: they are cut just above it
  std::size_t max_connections = 1U << 20U;  ///< those in TIME-WAIT not counted
  std::size_t max_time_wait = 1U << 16U;    ///< connections in TIME-WAIT; the oldest goes early beyond that
  Port first_ephemeral{1024};               ///< range of local ports for active opens (RFC 6056 section 3.2): ...
  Port last_ephemeral{65535};               ///< ... both included; with the last below the first no port is free
  std::vector<Port> reserved_ports = {};    ///< never chosen as ephemeral
};

}  // namespace tapir::tcp
