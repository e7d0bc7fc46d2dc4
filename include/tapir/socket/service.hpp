#pragma once

#include <functional>
#include <memory>

#include <tapir/runtime/runtime.hpp>
#include <tapir/socket/sockets.hpp>

namespace tapir::posix {

/// The sockets of a stack for threads other than the stack's: the stack runs on a thread of its own, and every call is carried out there while the caller waits. Names,
/// arguments, results and errno are those of class Sockets. A blocking call keeps its caller alone waiting, never the stack. Any number of threads may call, also on one
/// descriptor at once; a call sees everything that an earlier call on any thread did.
///
///     tapir::Runtime runtime;
///     tapir::Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix}};
///     tapir::posix::Service sockets{runtime, stack};
///
/// While it lives nobody else touches the runtime (except Runtime::post()) or the stack; both outlive it. No call may be under way when it is destroyed, which ends the thread
/// and closes every descriptor.
///
/// When the runtime stops before that, by Runtime::stop() in a task that was posted or by a signal of Runtime::stop_on_signals(), the network is down for good: calls that wait and
/// all later ones fail with ENETDOWN, and every event_descriptor() stays readable. close() then fails as well, but the descriptor's eventfd is closed; the connections end, without a
/// word to their peers unless the runtime is run again, when the service is destroyed.
///
/// SocketsConfig::wait is not used. close() with SO_LINGER waits as any blocking call does, also of a non-blocking descriptor, as Linux has it; the descriptor is free at once.
class Service {
 public:
  /// Starts the thread.
  Service(Runtime& runtime, Stack& stack, SocketsConfig config = {});
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  [[nodiscard]] int socket(int domain, int type, int protocol);
  int bind(int descriptor, const sockaddr* address, socklen_t size);
  int listen(int descriptor, int backlog);
  [[nodiscard]] int accept(int descriptor, sockaddr* address, socklen_t* size);
  [[nodiscard]] int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags);
  int connect(int descriptor, const sockaddr* address, socklen_t size);
  int shutdown(int descriptor, int how);
  int close(int descriptor);

  ssize_t send(int descriptor, const void* bytes, std::size_t size, int flags);
  ssize_t sendto(int descriptor, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size);
  ssize_t sendmsg(int descriptor, const msghdr* message, int flags);
  ssize_t write(int descriptor, const void* bytes, std::size_t size);
  ssize_t writev(int descriptor, const iovec* parts, int count);
  ssize_t recv(int descriptor, void* bytes, std::size_t size, int flags);
  ssize_t recvfrom(int descriptor, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size);
  ssize_t recvmsg(int descriptor, msghdr* message, int flags);
  ssize_t read(int descriptor, void* bytes, std::size_t size);
  ssize_t readv(int descriptor, const iovec* parts, int count);

  int getsockname(int descriptor, sockaddr* address, socklen_t* size);
  int getpeername(int descriptor, sockaddr* address, socklen_t* size);
  int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size);
  int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size);
  int fcntl(int descriptor, int command, long argument = 0);
  int ioctl(int descriptor, unsigned long request, void* argument);

  int poll(pollfd* descriptors, nfds_t count, int timeout);
  [[nodiscard]] int epoll_create(int size);
  [[nodiscard]] int epoll_create1(int flags);
  int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event);
  int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout);

  /// A descriptor of the kernel's (an eventfd) that is readable while the socket has any of `events` (EPOLL bits; EPOLLERR and EPOLLHUP always), for a real epoll or poll to watch.
  /// It belongs to the service and is closed with the socket; only watch it. One for each socket: a later call changes the events. EBADF, or why there is none.
  [[nodiscard]] int event_descriptor(int descriptor, std::uint32_t events);

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace tapir::posix
