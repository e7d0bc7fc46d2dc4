#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/packet_pool.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/info.hpp>
#include <tapir/tcp/settings.hpp>
#include <tapir/tcp/state.hpp>

namespace tapir::tcp {

namespace detail {
class ConnectionRecord;
class Engine;
}  // namespace detail

/// What a connection tells its user. Any may be empty. They are called on the stack's thread, after the input that caused them has been processed
/// and never from inside a call of the user's. A handler may call every method of its connection, destroy it, and open others.
struct Events {
  std::move_only_function<void()> connected = {};     ///< the handshake of an active open is complete
  std::move_only_function<void()> readable = {};      ///< more can be received, perhaps the end of the stream
  std::move_only_function<void()> writable = {};      ///< there is room again after a send() that took less than given
  std::move_only_function<void()> sent = {};          ///< unsent() went down, where Connection::report_sent() asks for it
  std::move_only_function<void()> acknowledged = {};  ///< unacknowledged() went down, at 0 all that was sent has arrived; or our FIN has
  std::move_only_function<void()> peer_closed = {};   ///< the peer sends nothing more; what has arrived can still be read
  std::move_only_function<void()> urgent = {};        ///< urgent data begins, or its end moved on: see Info::urgent_unread
  /// It is over: in order when there is no error (TIME-WAIT may still be running), otherwise why not. The last event.
  std::move_only_function<void(std::error_code)> closed = {};
  std::move_only_function<void(const SoftError&)> soft_error = {};  ///< the network reported trouble that the connection survives
  /// Retransmissions of one segment have reached Config::r1 (RFC 9293 section 3.8.3).
  std::move_only_function<void(std::uint32_t retransmissions)> stalled = {};
  /// The peer says for how long it keeps the connection (RFC 5482); whether ours follows is for UserTimeoutOption::changeable to say.
  std::move_only_function<void(Duration)> peer_user_timeout = {};
};

/// One end of a TCP connection. A move-only handle that owns it: destroying it closes in order (data already sent is still delivered), or
/// resets the connection when data was left unread (RFC 9293 SHLD-3). It may outlive its stack: the connection is
/// over then, without a word to the peer, and every call fails. One thread.
///
/// A default-constructed or moved-from handle has no connection: its calls fail with Error::not_connected.
class Connection {
 public:
  Connection() noexcept = default;
  explicit Connection(std::shared_ptr<detail::ConnectionRecord> record) noexcept;
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Whether the handle has a connection, open or not.
  [[nodiscard]] explicit operator bool() const noexcept { return record_ != nullptr; }

  /// Who is told of what happens, instead of the former handlers. What is there already is announced again: data to read, the end.
  void handle(Events events);

  /// Queues a copy of as many bytes as the send buffer takes; fewer than given when it gets full: Events::writable follows. Before the
  /// handshake is complete they wait for it. Error::would_block when it is full; Error::connection_closed after shutdown() or close(); why
  /// the connection ended; Error::not_connected.
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes);
  /// The same without a copy: the slice's bytes are shared until they are acknowledged and must not change.
  [[nodiscard]] Result<std::size_t> send(Slice slice);
  /// The same; the bytes taken are marked urgent (RFC 9293 section 3.8.5). New programs should not use it (SHLD-13).
  [[nodiscard]] Result<std::size_t> send_urgent(std::span<const std::byte> bytes);

  /// The same; more is about to follow, so less than a full segment waits for it, as with Settings::cork, until the next send().
  [[nodiscard]] Result<std::size_t> send_more(std::span<const std::byte> bytes);

  /// Copies what has arrived. 0: the peer has ended the stream. Error::would_block when there is nothing now: Events::readable follows;
  /// Error::connection_closed after close(); Error::invalid_argument for an empty `into`; why the connection ended (data that was not read
  /// before a reset is lost).
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into);
  /// The next run of bytes without a copy; empty: the peer has ended the stream. Errors as receive().
  [[nodiscard]] Result<Slice> receive_slice();
  /// Copies from `offset` bytes on what has arrived, and leaves it to be received. Returns how many bytes.
  [[nodiscard]] std::size_t peek(std::span<std::byte> into, std::size_t offset = 0) const noexcept;
  /// Receives at most `count` bytes and throws them away. Returns how many.
  std::size_t discard(std::size_t count);

  /// Half-close: nothing more will be sent, the peer is told so behind what is queued. Receiving goes on. Error::connection_closed when
  /// that was said before; Error::not_connected.
  Result<> shutdown();
  /// Full close in order: what is queued is still delivered, nothing more is received. Unread data, or data that arrives later, resets the
  /// connection. Events::closed follows.
  void close();
  /// Ends the connection at once: what is queued is discarded, the peer gets a RST (RFC 9293 section 3.10.5). No event follows.
  void abort();

  /// RFC 9293 section 3.3.2; State::closed without a connection.
  [[nodiscard]] State state() const noexcept;
  /// A snapshot: what the connection knows of itself and has counted. All zero without a connection.
  [[nodiscard]] Info info() const;
  /// What it was opened with, and has been told since. As by default without a connection.
  [[nodiscard]] Settings settings() const;
  /// Our end; unspecified without a connection.
  [[nodiscard]] Endpoint local() const noexcept;
  /// The peer's end; unspecified without a connection.
  [[nodiscard]] Endpoint remote() const noexcept;
  /// Bytes that were sent and not acknowledged yet.
  [[nodiscard]] std::size_t unacknowledged() const noexcept;
  /// Bytes that were written and not sent yet.
  [[nodiscard]] std::size_t unsent() const noexcept;
  /// Bytes that send() would take now, were the connection open.
  [[nodiscard]] std::size_t send_room() const noexcept;
  /// After an open with ConnectOptions::fast_open: bytes that the SYN, which has not left yet, takes. 0: without a cookie, and once it has left.
  [[nodiscard]] std::size_t fast_open_room() const noexcept;
  /// A third of the send buffer is free, and not too much waits to be sent: worth waking a writer for.
  [[nodiscard]] bool worth_writing() const noexcept;
  /// A writer waits for room, as after a send() that took less than given: Events::writable follows, and the send buffer may grow for it.
  void await_room() const;
  /// Bytes that can be received now.
  [[nodiscard]] std::size_t unread() const noexcept;
  /// When the octet arrived that is `offset` behind the next one to be received; nullopt where Settings::time_arrivals was off then, or there is no such octet.
  /// Where very many segments wait the time may be that of a later one.
  [[nodiscard]] std::optional<TimePoint> arrived_at(std::size_t offset) const noexcept;
  /// Whether the peer's FIN has arrived, behind all its data.
  [[nodiscard]] bool peer_closed() const noexcept;
  /// As Info::urgent_unread.
  [[nodiscard]] std::uint32_t urgent_unread() const noexcept;
  /// Why the connection ended; empty while it lives, and after an end in order.
  [[nodiscard]] std::error_code error() const noexcept;

  /// The latest that the network reported while the connection was being opened from here; nullptr: nothing, or the connection has been opened all the same.
  /// What it points to is there until the scheduler runs again, or the handle has another connection or none.
  [[nodiscard]] const HandshakeError* handshake_error() const noexcept;

  /// Nagle's algorithm (RFC 9293 section 3.7.4), on unless Settings said otherwise. Off: small segments leave at once.
  void set_nagle(bool on);
  /// Error::invalid_argument outside the documented ranges.
  Result<> set_keepalive(const Keepalive& keepalive);
  /// How long sent data may stay unacknowledged; Duration::max(): for ever; empty: as in Config. Error::invalid_argument unless positive.
  Result<> set_user_timeout(std::optional<Duration> timeout);
  /// As Settings::user_timeout_option; what is advertised anew goes with the next segment. Error::invalid_argument outside the documented ranges.
  Result<> set_user_timeout_option(const UserTimeoutOption& option);
  /// As Settings::mtu_probing; empty: as in Config. Error::invalid_argument outside the documented ranges.
  Result<> set_mtu_probing(const std::optional<MtuProbing>& probing);
  /// Another congestion control algorithm takes over, with the window and the threshold as they are. Error::invalid_argument for a name that is neither
  /// built in nor in Config::congestion_controls; why the connection ended.
  Result<> set_congestion_control(std::string_view name);
  /// The Diffserv field in the high six bits (RFC 2474). The two ECN bits are TCP's own (RFC 3168), whatever is given.
  void set_tos(std::uint8_t tos);
  /// 1-255; empty: the stack's default.
  void set_ttl(std::optional<std::uint8_t> ttl);
  /// As Settings::dont_fragment, for what is sent from now on.
  void set_dont_fragment(std::optional<bool> on);
  /// As Settings::max_pacing_rate, for what is sent from now on; 0 is taken as 1.
  void set_max_pacing_rate(std::optional<std::uint64_t> bytes_per_second);
  /// As Settings::window_clamp; 0 is taken as 1. A smaller one takes effect as data arrives: the window offered is never taken back (SHLD-14).
  void set_window_clamp(std::optional<std::uint32_t> bytes);
  /// As Settings::minimum_ttl, for what arrives from now on.
  void set_minimum_ttl(std::uint8_t ttl);
  /// As Settings::time_arrivals, for what arrives from now on.
  void set_time_arrivals(bool on);
  /// As Settings::cork; false lets go what waits.
  void set_cork(bool on);
  /// What Nagle's algorithm or a cork holds back leaves now, once.
  void push();
  /// As Settings::not_sent_low.
  void set_not_sent_low(std::optional<std::uint32_t> bytes);
  /// What was written last ends a record: no segment carries octets of it and of what is written next, not when it is sent again either; and
  /// it does not wait for more to fill its last segment once more is written (MSG_EOR of Linux' man 2 send).
  void end_record();
  /// As Settings::max_segment, for what is sent from now on.
  void set_max_segment(std::optional<std::uint16_t> bytes);
  /// As Settings::syn_retries; without effect once the handshake is complete.
  void set_syn_retries(std::optional<std::uint32_t> retries);
  /// As Settings::fin_wait_2_timeout, for a wait that has not begun.
  void set_fin_wait_2_timeout(std::optional<Duration> timeout);
  /// Whether Events::sent is called: off unless asked for, for it comes with every segment.
  void report_sent(bool on);
  /// Acknowledges what is owed at once, and so the next segments; false: acknowledgments may wait again.
  void set_quick_ack(bool on);
  /// How much send() may queue, in bytes: 0 is taken as 1, more than 2^30 as 2^30. What is queued stays queued.
  void set_send_buffer(std::size_t bytes);
  /// How much may wait to be read, in bytes; 0 is taken as 1. A smaller one takes effect as data arrives: the window offered is never taken back
  /// (SHLD-14).
  void set_receive_buffer(std::size_t bytes);

 private:
  /// There is nothing in its queues, for there is none, or it sleeps.
  [[nodiscard]] bool nothing_queued() const noexcept;

  std::shared_ptr<detail::ConnectionRecord> record_;
};

}  // namespace tapir::tcp
