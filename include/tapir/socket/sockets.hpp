#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::posix {

namespace detail {
class Table;
}

/// Lets a blocking call wait: makes the stack go until `done` returns true or `limit` has passed (empty: for ever). Whether `done` was
/// reached; false before the limit has passed means interrupted: the call then fails with EINTR.
using Wait = std::function<bool(const std::function<bool()>& done, std::optional<Duration> limit)>;

struct SocketsConfig {
  int first_descriptor = 3;        ///< the smallest number given out, at least 0: a program's 0, 1 and 2 mean something else
  std::size_t descriptors = 1024;  ///< so many open at most, RLIMIT_NOFILE: EMFILE beyond that
  int max_backlog = 4096;          ///< cap of listen()'s backlog, net.core.somaxconn
  std::size_t send_buffer_max = std::size_t{4} * 1024 * 1024;     ///< bytes: cap of SO_SNDBUF before it is doubled, net.core.wmem_max
  std::size_t receive_buffer_max = std::size_t{4} * 1024 * 1024;  ///< bytes: cap of SO_RCVBUF before it is doubled, net.core.rmem_max
  /// Ports that are chosen where a program asks for none (bind() to port 0, and datagram sockets), both included, net.ipv4.ip_local_port_range; with the last
  /// below the first none is free. A connection that was not bound has the stack's choice (tcp::Config::first_ephemeral).
  Port first_port{32768};
  Port last_port{60999};
  bool raw_allowed = true;  ///< SOCK_RAW may be opened, CAP_NET_RAW: EPERM otherwise
  Wait wait = {};           ///< empty: Driver::run_until() of the stack's driver, so virtual time passes in blocking calls
};

/// The sockets of one stack, as POSIX and Linux define them: every method has the name, arguments, result and errno of the system call with
/// that name (man 2 socket, man 7 socket, ip, tcp, udp, raw, epoll), on structures and constants of the system's own headers. Differences:
///
/// - Descriptors are small numbers of this object's own table, lowest free first; they mean nothing to the kernel.
/// - No SIGPIPE is ever raised: a write that would raise it fails with EPIPE alone. MSG_NOSIGNAL is accepted.
/// - AF_INET alone: SOCK_STREAM (TCP), SOCK_DGRAM (UDP) and SOCK_RAW with IPPROTO_ICMP or IPPROTO_RAW, each with SOCK_NONBLOCK and SOCK_CLOEXEC.
/// - An option or flag that the stack has no use for is refused, or does nothing: docs/sockets.md names them.
/// - A pointer that is null where the kernel would read or write fails with EFAULT; other bad pointers are the caller's mistake.
///
/// A call on a blocking socket that must wait does so in SocketsConfig::wait. Calls may come from within handlers of the stack, blocking ones
/// included, as the driver's run_until() may be nested.
///
/// The stack outlives it. One thread, the stack's; posix::Service is the front for others. Destroying it closes every descriptor.
class Sockets {
 public:
  explicit Sockets(Stack& stack, SocketsConfig config = {});
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets();

  // Opening and closing.
  [[nodiscard]] int socket(int domain, int type, int protocol);
  int bind(int descriptor, const sockaddr* address, socklen_t size);
  int listen(int descriptor, int backlog);
  [[nodiscard]] int accept(int descriptor, sockaddr* address, socklen_t* size);
  [[nodiscard]] int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags);
  /// AF_UNSPEC ends an association: a datagram socket forgets its peer, a stream socket is reset and can be connected again.
  int connect(int descriptor, const sockaddr* address, socklen_t size);
  int shutdown(int descriptor, int how);
  /// SO_LINGER makes it wait, but not where 16 calls wait already, each called by a handler that ran while the one before it waited: what is to be sent goes on
  /// behind it then, as after close_without_waiting().
  int close(int descriptor);

  // Sending. Flags: MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_OOB, MSG_EOR, MSG_FASTOPEN, MSG_ZEROCOPY, MSG_CONFIRM, MSG_DONTROUTE.
  ssize_t send(int descriptor, const void* bytes, std::size_t size, int flags);
  ssize_t sendto(int descriptor, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size);
  /// Control messages: IP_TTL, IP_TOS, IP_PKTINFO and UDP_SEGMENT of one datagram, SO_TIMESTAMPING and SCM_TS_OPT_ID of what this call sends.
  ssize_t sendmsg(int descriptor, const msghdr* message, int flags);
  ssize_t write(int descriptor, const void* bytes, std::size_t size);
  ssize_t writev(int descriptor, const iovec* parts, int count);

  // Receiving. Flags: MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_OOB, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC.
  ssize_t recv(int descriptor, void* bytes, std::size_t size, int flags);
  ssize_t recvfrom(int descriptor, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size);
  /// Control messages: IP_RECVERR (with MSG_ERRQUEUE: sock_extended_err and the offender), IP_PKTINFO, IP_TTL, IP_TOS,
  /// IP_ORIGDSTADDR, TCP_CM_INQ, SO_RXQ_OVFL, SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING as their options ask. Times are Driver::time_of_day_offset()'s.
  ssize_t recvmsg(int descriptor, msghdr* message, int flags);
  ssize_t read(int descriptor, void* bytes, std::size_t size);
  ssize_t readv(int descriptor, const iovec* parts, int count);

  // Names and options.
  int getsockname(int descriptor, sockaddr* address, socklen_t* size);
  int getpeername(int descriptor, sockaddr* address, socklen_t* size);
  int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size);
  int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size);
  /// F_GETFL, F_SETFL (O_NONBLOCK), F_GETFD, F_SETFD (FD_CLOEXEC).
  int fcntl(int descriptor, int command, long argument = 0);
  /// FIONBIO, FIONREAD = SIOCINQ, TIOCOUTQ = SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK; the argument is an int's address. SIOCGSTAMP, SIOCGSTAMPNS: a timeval's, a
  /// timespec's.
  int ioctl(int descriptor, unsigned long request, void* argument);

  // Readiness. A timeout in ms; negative: wait for ever. Descriptors that poll() is given and nobody has opened report POLLNVAL.
  int poll(pollfd* descriptors, nfds_t count, int timeout);
  [[nodiscard]] int epoll_create(int size);
  [[nodiscard]] int epoll_create1(int flags);
  /// EPOLLET, EPOLLONESHOT, EPOLLRDHUP, EPOLLEXCLUSIVE and EPOLLWAKEUP (both accepted without effect). An epoll in an epoll is allowed.
  int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event);
  int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout);

  // Beyond POSIX.
  /// What poll() would report for the descriptor now, as EPOLL bits (those of POLL are the same numbers); 0 for one that is not open.
  [[nodiscard]] std::uint32_t readiness(int descriptor) const;
  /// From now on `handler` is called, on the stack's thread and never from within a call of the user's, when something has happened to the
  /// descriptor that may have made it ready; an empty one: no more. It may close the descriptor; a call that waits on it then fails
  /// with EBADF, unless it has something done to tell of. EBADF.
  int on_event(int descriptor, std::function<void()> handler);
  /// close() that does not wait: 0, or 1 where SO_LINGER makes close() wait. The descriptor is free in either case; with 1 `closed` is called when close() would have
  /// returned, on the stack's thread and never from within a call of the user's, unless this object is destroyed before. EBADF.
  int close_without_waiting(int descriptor, const std::function<void()>& closed);
  /// How long a blocking call on the descriptor waits: `option` is SO_RCVTIMEO or SO_SNDTIMEO. Empty: for ever. Zero: not at all, which getsockopt()
  /// cannot tell from that.
  [[nodiscard]] std::optional<Duration> timeout(int descriptor, int option) const;
  /// Descriptors open now.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  std::unique_ptr<detail::Table> table_;
};

}  // namespace tapir::posix
