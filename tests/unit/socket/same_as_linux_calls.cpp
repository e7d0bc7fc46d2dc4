#include <unistd.h>

#include <tapir/sim/world.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

#include "same_as_linux.hpp"

namespace tapir::test {

namespace {

class KernelCalls final : public Calls {
 public:
  int socket(int domain, int type, int protocol) override { return ::socket(domain, type, protocol); }
  int bind(int fd, const sockaddr* address, socklen_t size) override { return ::bind(fd, address, size); }
  int listen(int fd, int backlog) override { return ::listen(fd, backlog); }
  int accept(int fd, sockaddr* address, socklen_t* size) override { return ::accept(fd, address, size); }
  int accept4(int fd, sockaddr* address, socklen_t* size, int flags) override { return ::accept4(fd, address, size, flags); }
  int connect(int fd, const sockaddr* address, socklen_t size) override { return ::connect(fd, address, size); }
  int shutdown(int fd, int how) override { return ::shutdown(fd, how); }
  int close(int fd) override { return ::close(fd); }
  ssize_t send(int fd, const void* bytes, std::size_t size, int flags) override { return ::send(fd, bytes, size, flags | MSG_NOSIGNAL); }
  ssize_t sendto(int fd, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) override {
    return ::sendto(fd, bytes, size, flags | MSG_NOSIGNAL, address, address_size);
  }
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override { return ::sendmsg(fd, message, flags | MSG_NOSIGNAL); }
  ssize_t recv(int fd, void* bytes, std::size_t size, int flags) override { return ::recv(fd, bytes, size, flags); }
  ssize_t recvfrom(int fd, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) override {
    return ::recvfrom(fd, bytes, size, flags, address, address_size);
  }
  ssize_t recvmsg(int fd, msghdr* message, int flags) override { return ::recvmsg(fd, message, flags); }
  ssize_t read(int fd, void* bytes, std::size_t size) override { return ::read(fd, bytes, size); }
  ssize_t write(int fd, const void* bytes, std::size_t size) override { return ::write(fd, bytes, size); }
  ssize_t readv(int fd, const iovec* parts, int count) override { return ::readv(fd, parts, count); }
  ssize_t writev(int fd, const iovec* parts, int count) override { return ::writev(fd, parts, count); }
  int getsockname(int fd, sockaddr* address, socklen_t* size) override { return ::getsockname(fd, address, size); }
  int getpeername(int fd, sockaddr* address, socklen_t* size) override { return ::getpeername(fd, address, size); }
  int getsockopt(int fd, int level, int name, void* value, socklen_t* size) override { return ::getsockopt(fd, level, name, value, size); }
  int setsockopt(int fd, int level, int name, const void* value, socklen_t size) override {
    return ::setsockopt(fd, level, name, value, size);
  }
  int fcntl(int fd, int command, int argument) override { return ::fcntl(fd, command, argument); }
  int ioctl(int fd, unsigned long request, int* argument) override { return ::ioctl(fd, request, argument); }
  int poll(pollfd* fds, nfds_t count, int timeout) override { return ::poll(fds, count, timeout); }
  int epoll_create(int size) override { return ::epoll_create(size); }
  int epoll_create1(int flags) override { return ::epoll_create1(flags); }
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) override { return ::epoll_ctl(epoll, operation, fd, event); }
  int epoll_wait(int epoll, epoll_event* events, int count, int timeout) override { return ::epoll_wait(epoll, events, count, timeout); }
};

/// A host with nothing but its loopback, in virtual time.
class OwnCalls final : public Calls {
 public:
  int socket(int domain, int type, int protocol) override { return sockets_.socket(domain, type, protocol); }
  int bind(int fd, const sockaddr* address, socklen_t size) override { return sockets_.bind(fd, address, size); }
  int listen(int fd, int backlog) override { return sockets_.listen(fd, backlog); }
  int accept(int fd, sockaddr* address, socklen_t* size) override { return sockets_.accept(fd, address, size); }
  int accept4(int fd, sockaddr* address, socklen_t* size, int flags) override { return sockets_.accept4(fd, address, size, flags); }
  int connect(int fd, const sockaddr* address, socklen_t size) override { return sockets_.connect(fd, address, size); }
  int shutdown(int fd, int how) override { return sockets_.shutdown(fd, how); }
  int close(int fd) override { return sockets_.close(fd); }
  ssize_t send(int fd, const void* bytes, std::size_t size, int flags) override {
    return sockets_.send(fd, bytes, size, flags | MSG_NOSIGNAL);
  }
  ssize_t sendto(int fd, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) override {
    return sockets_.sendto(fd, bytes, size, flags | MSG_NOSIGNAL, address, address_size);
  }
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override { return sockets_.sendmsg(fd, message, flags | MSG_NOSIGNAL); }
  ssize_t recv(int fd, void* bytes, std::size_t size, int flags) override { return sockets_.recv(fd, bytes, size, flags); }
  ssize_t recvfrom(int fd, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) override {
    return sockets_.recvfrom(fd, bytes, size, flags, address, address_size);
  }
  ssize_t recvmsg(int fd, msghdr* message, int flags) override { return sockets_.recvmsg(fd, message, flags); }
  ssize_t read(int fd, void* bytes, std::size_t size) override { return sockets_.read(fd, bytes, size); }
  ssize_t write(int fd, const void* bytes, std::size_t size) override { return sockets_.write(fd, bytes, size); }
  ssize_t readv(int fd, const iovec* parts, int count) override { return sockets_.readv(fd, parts, count); }
  ssize_t writev(int fd, const iovec* parts, int count) override { return sockets_.writev(fd, parts, count); }
  int getsockname(int fd, sockaddr* address, socklen_t* size) override { return sockets_.getsockname(fd, address, size); }
  int getpeername(int fd, sockaddr* address, socklen_t* size) override { return sockets_.getpeername(fd, address, size); }
  int getsockopt(int fd, int level, int name, void* value, socklen_t* size) override {
    return sockets_.getsockopt(fd, level, name, value, size);
  }
  int setsockopt(int fd, int level, int name, const void* value, socklen_t size) override {
    return sockets_.setsockopt(fd, level, name, value, size);
  }
  int fcntl(int fd, int command, int argument) override { return sockets_.fcntl(fd, command, argument); }
  int ioctl(int fd, unsigned long request, int* argument) override { return sockets_.ioctl(fd, request, argument); }
  int poll(pollfd* fds, nfds_t count, int timeout) override { return sockets_.poll(fds, count, timeout); }
  int epoll_create(int size) override { return sockets_.epoll_create(size); }
  int epoll_create1(int flags) override { return sockets_.epoll_create1(flags); }
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) override { return sockets_.epoll_ctl(epoll, operation, fd, event); }
  int epoll_wait(int epoll, epoll_event* events, int count, int timeout) override {
    return sockets_.epoll_wait(epoll, events, count, timeout);
  }

 private:
  sim::World world_{{.seed = 1}};
  Stack stack_{world_, StackConfig{}};
  posix::Sockets sockets_{stack_};
};

}  // namespace

std::unique_ptr<Calls> kernel_calls() { return std::make_unique<KernelCalls>(); }
std::unique_ptr<Calls> own_calls() { return std::make_unique<OwnCalls>(); }

}  // namespace tapir::test
