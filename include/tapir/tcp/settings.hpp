#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/congestion_control.hpp>

namespace tapir::tcp {

/// Keep-alive (RFC 9293 section 3.8.4), off unless asked for.
struct Keepalive {
  bool on = false;
  std::optional<Duration> idle = {};         ///< silence before the first probe, at least 1 s; empty: as in Config
  std::optional<Duration> interval = {};     ///< between probes that nobody answers, at least 1 s; empty: as in Config
  std::optional<std::uint32_t> probes = {};  ///< so many unanswered ones end the connection, at least 2; empty: as in
                                             ///< Config. With a Settings::user_timeout that time of silence does, as on Linux

  friend bool operator==(const Keepalive&, const Keepalive&) noexcept = default;
};

/// Explicit congestion notification (RFC 3168), numbered as Linux' tcp_ecn.
enum class EcnMode : std::uint8_t {
  off = 0,      ///< neither asked for nor agreed to
  on = 1,       ///< asked for on active opens, agreed to on passive ones
  passive = 2,  ///< agreed to when the peer asks
};

/// Whether the path MTU is searched for by probing (RFC 4821), numbered as Linux' tcp_mtu_probing.
enum class MtuProbingMode : std::uint8_t {
  off = 0,               ///< what ICMP says is all that is known (RFC 1191)
  after_black_hole = 1,  ///< once segments of full size vanish again and again without a word
  always = 2,            ///< from the start: connections begin with MtuProbing::base and grow
};

/// How the largest datagram that a path carries is found by sending larger ones (RFC 4821). Sizes are those of datagrams in bytes, network header included.
struct MtuProbing {
  MtuProbingMode mode = MtuProbingMode::off;
  std::uint32_t base =
      1024;  ///< what a path carries as a rule: where the search begins, from `floor` to 65535; Linux' tcp_base_mss and headers
  std::uint32_t floor = 68;                      ///< no less is tried, whatever vanishes, at least 68; as tcp_mtu_probe_floor and headers
  std::uint32_t threshold = 8;                   ///< the search is over when it knows the size to within this; as tcp_probe_threshold
  Duration interval = std::chrono::minutes{10};  ///< after which it begins anew, at least 5 minutes are taken; as tcp_probe_interval

  friend bool operator==(const MtuProbing&, const MtuProbing&) noexcept = default;
};

/// The user timeout option (RFC 5482): each end tells the other for how long it keeps the connection while nothing is acknowledged.
struct UserTimeoutOption {
  bool enabled = false;                     ///< ENABLED: it is sent, and one that arrives counts
  std::optional<bool> changeable = {};      ///< CHANGEABLE: the peer's may lengthen our own; empty: unless Settings::user_timeout says it
  std::optional<Duration> advertised = {};  ///< ADV_UTO, positive; from a second to 32767 minutes are sent; empty: our own
  Duration lower = std::chrono::seconds{100};  ///< L_LIMIT of what is adopted, positive
  Duration upper = std::chrono::hours{1};      ///< U_LIMIT, not below L_LIMIT

  friend bool operator==(const UserTimeoutOption&, const UserTimeoutOption&) noexcept = default;
};

/// What can be chosen for one connection.
struct Settings {
  std::optional<std::uint8_t> ttl = {};         ///< 1-255; empty: the stack's default
  std::uint8_t tos = 0;                         ///< Diffserv field in the high six bits (RFC 2474); the ECN bits are sent as zero
  bool nagle = true;                            ///< Nagle's algorithm (RFC 9293 section 3.7.4); false: small segments leave at once
  std::optional<std::size_t> send_buffer = {};  ///< bytes, at least 1, at most 2^30 are taken; empty: as in Config
  std::optional<std::size_t> receive_buffer =
      {};  ///< bytes, at least 1; empty: as in Config. Without window scaling no more than 65535 are offered
  std::optional<Duration> user_timeout = {};  ///< R2: how long sent data, or keep-alive probes, may stay unanswered; empty: as in Config
  Keepalive keepalive = {};
  std::string congestion_control =
      {};  ///< "cubic", "newreno" (also "reno"), "bbr" or one of Config::congestion_controls; empty: as in Config
  std::optional<bool> pacing =
      {};  ///< segments leave at even distances, for algorithms that do not say at which themselves; empty: as in Config
  std::optional<std::uint64_t> max_pacing_rate = {};  ///< bytes per second, at least 1: segments leave no faster, whatever the algorithm
  std::optional<std::uint32_t> window_clamp = {};     ///< bytes, at least 1: no larger window is offered; empty: the buffer alone counts
  std::uint8_t minimum_ttl = 0;                       ///< a segment that arrives with less is dropped (RFC 5082 section 3); 0: none is
  std::optional<EcnMode> ecn = {};                    ///< empty: as in Config
  bool report_soft_errors = true;                     ///< whether Events::soft_error and Events::stalled are called
  bool cork = false;  ///< nothing but full segments leaves, though what waits leaves after Config::send_override
  std::optional<std::uint16_t> max_segment = {};    ///< bytes, at least 48: neither offered to the peer nor sent is a larger MSS
  std::optional<std::uint32_t> syn_retries = {};    ///< retransmissions of a SYN before the open fails; empty: as in Config
  std::optional<Duration> fin_wait_2_timeout = {};  ///< empty: as in Config
  std::optional<bool> dont_fragment = {};           ///< whether segments carry DF; empty: Config::path_mtu_discovery
  /// What arrived before the peer's reset can still be read, as Linux has it; false: it is lost (RFC 9293 section 3.10.7.4).
  bool keep_unread = false;
  /// Writes are taken in chunks, and the send buffer covers their overhead, as Linux reckons it; false: to the byte.
  bool chunked_writes = false;
  std::optional<MtuProbing> mtu_probing = {};                 ///< empty: as in Config
  std::optional<UserTimeoutOption> user_timeout_option = {};  ///< empty: as in Config
  std::optional<std::uint32_t> not_sent_low = {};  ///< bytes: while so many wait to be sent nothing is taken; empty: as in Config
  /// Nagle's algorithm holds a small segment back while another small one is unacknowledged (Minshall's variant, RFC 9293 appendix A.3), as Linux has it;
  /// false: while anything is.
  bool minshall = false;
  /// The window offered begins with what an unscaled one can say, and opens by two segments for each that arrives in order, as Linux has it; false: all the
  /// buffer is offered at once.
  bool gradual_window = false;
  /// A handshake that the peer began ends when the network reports that it cannot reach the peer (RFC 5461 section 4.1), as Linux has it; false: only a reset
  /// or the timeout ends it (RFC 9293 MUST-56).
  bool unreachable_ends_handshake = false;
  bool time_arrivals = false;                              ///< whether Connection::arrived_at() knows anything
  std::optional<WindowValidation> window_validation = {};  ///< empty: as in Config

  friend bool operator==(const Settings&, const Settings&) noexcept = default;
};

/// Bits of Config::fast_open, numbered as in Linux' tcp_fastopen.
struct FastOpenUse {
  static constexpr std::uint32_t client = 0x1;                 ///< ConnectOptions::fast_open has effect
  static constexpr std::uint32_t server = 0x2;                 ///< ListenOptions::fast_open_backlog has effect
  static constexpr std::uint32_t client_without_cookie = 0x4;  ///< clients send data without ever asking for a cookie
  static constexpr std::uint32_t server_without_cookie =
      0x200;  ///< servers take data without looking at the cookie: only where nobody forges addresses
  static constexpr std::uint32_t any_listener = 0x400;  ///< every listener takes part, with its backlog as fast_open_backlog
};

/// The secret that a server makes Fast Open cookies with (RFC 7413 section 4.1.2), the bytes of Linux' TCP_FASTOPEN_KEY.
using FastOpenKey = std::array<std::byte, 16>;
struct FastOpenKeys {
  FastOpenKey primary{};
  std::optional<FastOpenKey> backup = {};  ///< cookies made with this one are accepted, too, and renewed: how keys are changed

  friend bool operator==(const FastOpenKeys&, const FastOpenKeys&) noexcept = default;
};

struct ConnectOptions {
  Endpoint local = {};                       ///< address unspecified: the one of the route's interface; port 0: an ephemeral one
  std::vector<IpAddress> source_route = {};  ///< hops to pass on the way, at most 8 (RFC 9293 MUST-51)
  Settings settings = {};
  /// TCP Fast Open (RFC 7413), where Config::fast_open allows it: a cookie of the server's, once there is one, goes with the SYN, and with it as much as fits of
  /// what Connection::send() is given before the stack's thread is back in its scheduler. The server may see that data twice: it must not mind (section 6.1).
  bool fast_open = false;
  bool fast_open_without_cookie = false;  ///< data goes with the SYN though there is no cookie
};

struct ListenOptions {
  std::size_t backlog = 128;        ///< established connections that wait for accept(), at least 1
  std::size_t max_half_open = 256;  ///< handshakes under way, at least 1
  Settings settings = {};           ///< of every connection accepted
  /// TCP Fast Open (RFC 7413), where Config::fast_open allows it: connections with data in the SYN that may be under way, given to accept() before their
  /// handshake is complete. 0: none.
  std::size_t fast_open_backlog = 0;
  std::optional<FastOpenKeys> fast_open_keys = {};  ///< empty: as in Config
  bool fast_open_without_cookie = false;            ///< data in a SYN is taken without a cookie
  bool share_port =
      false;  ///< several listeners, all of which say so, share one endpoint: each connection goes to one of them, chosen by its two ends
  /// A connection waits for the peer's first data before it is given to accept(); until then its handshake counts as under way. After this time the SYN,ACK is
  /// sent once more, and whatever ACK comes then will do, as Linux has it for TCP_DEFER_ACCEPT. 0: it does not wait.
  Duration defer_accept = {};
};

/// How a sender finds out what was lost.
struct RecoveryConfig {
  std::uint32_t reordering = 3;  ///< DupThresh: segments that may overtake one before it counts as lost, until more was seen; at least 1
  bool rack = true;              ///< with SACK: losses are found by time (RFC 8985); false: by counting (RFC 6675)
  bool tail_loss_probe = true;   ///< with SACK: a probe after two round trips of silence (RFC 8985 section 7)
  Duration probe_ack_delay = std::chrono::milliseconds{200};  ///< that the peer may take to acknowledge a single segment
  bool frto = true;                                           ///< spurious timeouts are detected (RFC 5682)
  bool limited_transmit = true;                               ///< new data for the first duplicate acknowledgments (RFC 3042)
};

/// When a listener answers a SYN without keeping anything of it (RFC 4987 section 3.6); as Linux' tcp_syncookies 0, 1, 2.
enum class SynCookiePolicy : std::uint8_t { never, when_full, always };

/// What can be chosen for a whole stack's TCP.
struct Config {
  std::size_t send_buffer = std::size_t{256} * 1024;           ///< bytes at the start, at most 2^30 are taken
  std::size_t max_send_buffer = std::size_t{4} * 1024 * 1024;  ///< bytes: what it may grow to with cwnd; as Linux' tcp_wmem[2]
  std::uint32_t not_sent_low = 0xffff'ffffU;                   ///< see Settings::not_sent_low; as tcp_notsent_lowat
  std::size_t receive_buffer = std::size_t{128} * 1024;        ///< bytes at the start; as Linux' tcp_rmem[1]
  std::size_t max_receive_buffer =
      std::size_t{6} * 1024 * 1024;  ///< bytes: what it may grow to, as tcp_rmem[2]; chooses the window's scale
  bool window_scaling = true;        ///< windows above 65535 bytes (RFC 7323 section 2) where the peer agrees; as tcp_window_scaling
  bool timestamps = true;            ///< RFC 7323 section 3, where the peer agrees; as tcp_timestamps
  bool require_timestamps = true;    ///< a segment without the timestamps agreed on is dropped (RFC 7323 section 3.2); Linux takes it
  bool sack = true;                  ///< selective acknowledgment (RFC 2018), where the peer agrees; as tcp_sack
  bool dsack = true;                 ///< SACK also reports what came twice (RFC 2883); as tcp_dsack
  std::size_t memory_limit =
      std::size_t{1} << 30U;  ///< bytes that all connections together hold in their queues; from three quarters on none grows and
                              ///< out-of-order data is not kept, at the limit no connection begins and no window opens; as tcp_mem
  Duration msl = std::chrono::minutes{2};              ///< maximum segment lifetime: TIME-WAIT lasts twice as long
  Duration user_timeout = std::chrono::minutes{5};     ///< R2 (RFC 9293 section 3.9.1.1)
  Duration connect_timeout = std::chrono::minutes{4};  ///< R2 of SYN segments, at least 3 minutes by RFC 9293 MUST-23
  bool probe_with_data =
      true;  ///< a closed window is probed with an octet (RFC 9293 section 3.8.6.1); false: with none, from before SND.UNA, as Linux has it
  std::uint32_t r1 = 3;                                     ///< retransmissions of one segment before the path is called into question
  Duration fin_wait_2_timeout = std::chrono::seconds{60};   ///< how long FIN-WAIT-2 lasts when nobody reads any more
  Duration initial_rto = std::chrono::seconds{1};           ///< RFC 6298 section 2.1
  Duration min_rto = std::chrono::seconds{1};               ///< RFC 6298 section 2.4; taken as at least 1 ms
  Duration max_rto = std::chrono::seconds{60};              ///< taken as at least 60 s (RFC 6298 section 2.5), at most a day
  Duration rto_granularity = std::chrono::milliseconds{1};  ///< G of RFC 6298: the timeout exceeds the mean round trip by this at least
  std::optional<std::uint32_t> syn_retries = {};   ///< SYN segments sent again before an open fails; empty: connect_timeout decides
  std::optional<std::uint32_t> data_retries = {};  ///< timeouts of one segment before the connection fails; empty: user_timeout decides
  RecoveryConfig recovery = {};
  Duration ack_delay = std::chrono::milliseconds{40};       ///< the shortest delay of an acknowledgment, below 0.5 s; 0: none is delayed
  Duration max_ack_delay = std::chrono::milliseconds{200};  ///< the longest, below 0.5 s
  std::uint32_t quick_acks = 16;                            ///< acknowledgments without delay at the start and after a pause; 0: none
  Duration send_override = std::chrono::milliseconds{200};  ///< 0.1 to 1 s: a small segment held back by window rules alone leaves then
  /// A small segment waits until what the connection sent before has left the device, so that further writes join it; as tcp_autocorking.
  bool auto_cork = true;
  Duration keepalive_idle = std::chrono::hours{2};         ///< see Keepalive::idle; less than 1 s is taken as 1 s; as tcp_keepalive_time
  Duration keepalive_interval = std::chrono::seconds{75};  ///< see Keepalive::interval; likewise; as tcp_keepalive_intvl
  std::uint32_t keepalive_probes = 9;                      ///< see Keepalive::probes; less than 2 are taken as 2; as tcp_keepalive_probes
  std::uint32_t initial_window_segments = 10;              ///< RFC 6928
  std::string congestion_control = "cubic";                ///< of connections whose Settings name none; newreno where that is no name, too
  CongestionControls congestion_controls = {};             ///< algorithms of the user's own; they go before built-in ones of the same name
  std::optional<std::uint32_t> slow_start_limit =
      {};               ///< segments by which one ACK lets slow start grow (RFC 3465); empty: 8 with CUBIC, else 1
  bool hystart = true;  ///< CUBIC leaves its first slow start when the delay grows (RFC 9406)
  /// Congestion reduces the window from cwnd, as Linux has it, and not from what is outstanding (RFC 5681 section 3.1); RFC 9438 section 4.6 allows it where,
  /// as here, a window that is not used does not grow. Off: a window that was not used is no measure of the path.
  bool reduce_from_cwnd = false;
  /// CUBIC reckons in whole segments, and leaves slow start by the first HyStart, as Linux has it; false: as RFC 9438 and, for HyStart++, RFC 9406 have it.
  bool cubic_whole_segments = false;
  bool gradual_ecn =
      false;  ///< a congestion mark reduces the window in the course of a round trip (RFC 9937), as Linux has it; false: at once
  /// What becomes of a congestion window that is not used; as Linux' tcp_slow_start_after_idle: off and rfc2861 are its 0 and 1.
  WindowValidation window_validation = WindowValidation::rfc2861;
  bool pacing = false;  ///< see Settings::pacing
  /// Pacing as the queue discipline fq of Linux does it: so many bytes leave unpaced at first (its initial_quantum), and a segment that is late makes up for up
  /// to half of its own time. 0: neither.
  std::uint32_t pacing_burst = 0;
  EcnMode ecn = EcnMode::passive;                       ///< RFC 3168
  std::uint32_t challenge_acks = 10;                    ///< of one connection: so many at most, and half as many at least ...
  Duration challenge_period = std::chrono::seconds{5};  ///< ... in this time (RFC 5961 section 7)
  std::uint32_t all_challenge_acks = 1000;              ///< of all connections together in that time: half as many to one and a half times
  bool path_mtu_discovery = true;                       ///< segments carry DF (RFC 1191)
  /// MAXSEGRTO of RFC 5927 section 7.2: a router's word that the path takes less than what has arrived already counts only after so many timeouts without
  /// progress, for a forger may have made it up. 0: it counts at once, as Linux has it; the RFC suggests 1.
  std::uint32_t too_big_timeouts = 0;
  MtuProbing mtu_probing = {};                 ///< beside that, and where routers are silent (RFC 4821)
  UserTimeoutOption user_timeout_option = {};  ///< RFC 5482
  /// A segment with a bad checksum makes the connection that its ports name acknowledge at once, within the limit of challenge_acks. Not in
  /// the RFC, which drops it in silence: the header may be the damaged part.
  bool acknowledge_bad_checksums = false;
  /// An open connection that had nothing to do for this long is kept in a few hundred bytes until something happens, unless it has keep-alive on or a source
  /// route. A handshake that waits for the peer's ACK (RFC 4987 section 3.3) is at once, in some 150 bytes. Whoever looks at them sees no difference. 0: all
  /// stay as they are.
  Duration sleep_after = std::chrono::seconds{1};
  std::uint32_t min_burst_segments = 2;  ///< at least so many in a super-segment where there are; as tcp_min_tso_segs
  /// Segments that are the next in order, or all there is to send, take a short way to the same end (RFC 7323 section 5.6). false: none does; for comparison.
  bool header_prediction = true;
  bool split_below = false;  ///< hand down super-segments even where the link takes none: they are cut just above it
  SynCookiePolicy syn_cookies = SynCookiePolicy::when_full;  ///< when_full: ListenOptions::max_half_open handshakes are under way
  std::uint32_t fast_open = FastOpenUse::client;             ///< who may use TCP Fast Open: bits of FastOpenUse
  std::optional<FastOpenKeys> fast_open_keys = {};           ///< of listeners without their own; empty: a random one
  /// Clients do without for so long, twice as long each time, when SYN segments with it, or data behind them, seem to be swallowed: they are not acknowledged, or
  /// the server's FIN or RST comes and nothing of what it sent before. 0: never.
  Duration fast_open_blackhole_timeout{};
  std::size_t max_connections = 1U << 20U;  ///< those in TIME-WAIT not counted
  std::size_t max_time_wait = 1U << 16U;    ///< connections in TIME-WAIT; the oldest goes early beyond that
  Port first_ephemeral{1024};               ///< range of local ports for active opens (RFC 6056 section 3.2): ...
  Port last_ephemeral{65535};               ///< ... both included; with the last below the first no port is free
  std::vector<Port> reserved_ports = {};    ///< never chosen as ephemeral
};

}  // namespace tapir::tcp
