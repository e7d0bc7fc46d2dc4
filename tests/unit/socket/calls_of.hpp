#pragma once

#include <cerrno>
#include <type_traits>

#include "same_as_linux.hpp"

namespace tapir::test {

inline constexpr int kFirstFar = 2000;  // the far host's descriptors of ours are numbers from here on

/// The calls of a class: the kernel's, Sockets or Service; each host has one, which may be the same.
template <class Api>
class CallsOf : public Calls {
 public:
  int socket(Host host, int domain, int type, int protocol) override { return at(host).socket(domain, type, protocol); }
  int bind(int fd, const sockaddr* address, socklen_t size) override { return on(fd, &Api::bind, fd, address, size); }
  int listen(int fd, int backlog) override { return on(fd, &Api::listen, fd, backlog); }
  int accept(int fd, sockaddr* address, socklen_t* size) override { return on(fd, &Api::accept, fd, address, size); }
  int accept4(int fd, sockaddr* address, socklen_t* size, int flags) override { return on(fd, &Api::accept4, fd, address, size, flags); }
  int connect(int fd, const sockaddr* address, socklen_t size) override { return on(fd, &Api::connect, fd, address, size); }
  int shutdown(int fd, int how) override { return on(fd, &Api::shutdown, fd, how); }
  int close(int fd) override { return on(fd, &Api::close, fd); }
  ssize_t send(int fd, const void* bytes, std::size_t size, int flags) override {
    return on(fd, &Api::send, fd, bytes, size, flags | MSG_NOSIGNAL);
  }
  ssize_t sendto(int fd, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) override {
    return on(fd, &Api::sendto, fd, bytes, size, flags | MSG_NOSIGNAL, address, address_size);
  }
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override { return on(fd, &Api::sendmsg, fd, message, flags | MSG_NOSIGNAL); }
  ssize_t recv(int fd, void* bytes, std::size_t size, int flags) override { return on(fd, &Api::recv, fd, bytes, size, flags); }
  ssize_t recvfrom(int fd, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) override {
    return on(fd, &Api::recvfrom, fd, bytes, size, flags, address, address_size);
  }
  ssize_t recvmsg(int fd, msghdr* message, int flags) override { return on(fd, &Api::recvmsg, fd, message, flags); }
  ssize_t read(int fd, void* bytes, std::size_t size) override { return on(fd, &Api::read, fd, bytes, size); }
  ssize_t write(int fd, const void* bytes, std::size_t size) override { return on(fd, &Api::write, fd, bytes, size); }
  ssize_t readv(int fd, const iovec* parts, int count) override { return on(fd, &Api::readv, fd, parts, count); }
  ssize_t writev(int fd, const iovec* parts, int count) override { return on(fd, &Api::writev, fd, parts, count); }
  int getsockname(int fd, sockaddr* address, socklen_t* size) override { return on(fd, &Api::getsockname, fd, address, size); }
  int getpeername(int fd, sockaddr* address, socklen_t* size) override { return on(fd, &Api::getpeername, fd, address, size); }
  int getsockopt(int fd, int level, int name, void* value, socklen_t* size) override {
    return on(fd, &Api::getsockopt, fd, level, name, value, size);
  }
  int setsockopt(int fd, int level, int name, const void* value, socklen_t size) override {
    return on(fd, &Api::setsockopt, fd, level, name, value, size);
  }
  int fcntl(int fd, int command, int argument) override { return on(fd, &Api::fcntl, fd, command, argument); }
  int ioctl(int fd, unsigned long request, int* argument) override { return on(fd, &Api::ioctl, fd, request, argument); }
  int poll(pollfd* fds, nfds_t count, int timeout) override {
    // All of them are on one host.
    int first = -1;
    for (nfds_t i = 0; i < count && first < 0; ++i) first = fds[i].fd;
    return on(first, &Api::poll, fds, count, timeout);
  }
  int epoll_create(Host host, int size) override { return at(host).epoll_create(size); }
  int epoll_create1(Host host, int flags) override { return at(host).epoll_create1(flags); }
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) override {
    return on(epoll, &Api::epoll_ctl, epoll, operation, fd, event);
  }
  int epoll_wait(int epoll, epoll_event* events, int count, int timeout) override {
    return on(epoll, &Api::epoll_wait, epoll, events, count, timeout);
  }

 protected:
  [[nodiscard]] virtual Api& at(Host host) = 0;
  /// Behind every call: what it sent arrives, and what is answered at once does, so that no body depends on which call is earlier.
  virtual void settle() = 0;

 private:
  template <class Method, class... Arguments>
  auto on(int fd, Method method, Arguments... arguments) {
    const auto result = call(at(fd < kFirstFar ? Host::near : Host::far), method, arguments...);
    const int number = errno;
    settle();
    errno = number;
    return result;
  }
  template <class Method, class... Arguments>
  static auto call(Api& api, Method method, Arguments... arguments) {
    if constexpr (std::is_member_function_pointer_v<Method>) {
      return (api.*method)(arguments...);
    } else {
      return method(arguments...);
    }
  }
};

}  // namespace tapir::test
