#include <unistd.h>

#include <cerrno>
#include <chrono>

#include <scenario/pair.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/socket/service.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

#include "namespaces.hpp"
#include "same_as_linux.hpp"

namespace tapir::test {

namespace {

class KernelCalls final : public Calls {
 public:
  explicit KernelCalls(Setting setting) : setting_{setting} { Namespaces::instance().forget_paths(); }

  int socket(Host host, int domain, int type, int protocol) override {
    using Name = Namespaces::Name;
    Namespaces::instance().enter(setting_ == Setting::one_host ? Name::alone : host == Host::near ? Name::near : Name::far);
    return ::socket(domain, type, protocol);
  }
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
  int epoll_create(Host, int size) override { return ::epoll_create(size); }
  int epoll_create1(Host, int flags) override { return ::epoll_create1(flags); }
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) override { return ::epoll_ctl(epoll, operation, fd, event); }
  int epoll_wait(int epoll, epoll_event* events, int count, int timeout) override { return ::epoll_wait(epoll, events, count, timeout); }

 private:
  Setting setting_;
};

constexpr int kFirstFar = 2000;  // the far host's descriptors are numbers from here on

/// The calls of a class of ours, Sockets or Service; each host has one, which may be the same.
template <class Api>
class OwnCalls : public Calls {
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
  /// Behind every call: over the loopback and over a veth pair what is sent has been received when the call returns that sent it.
  virtual void settle() = 0;

 private:
  template <class Method, class... Arguments>
  auto on(int fd, Method method, Arguments... arguments) {
    const auto result = (at(fd < kFirstFar ? Host::near : Host::far).*method)(arguments...);
    const int number = errno;
    settle();
    errno = number;
    return result;
  }
};

/// As the kernel's hosts are set up.
StackConfig as_furnished() {
  StackConfig config;
  config.tcp.fast_open = tcp::FastOpenUse::client | tcp::FastOpenUse::server;
  config.arp.failure_hold = {};  // the kernel asks again at once
  return config;
}

/// A host with nothing but its loopback, in virtual time.
class OneHost final : public OwnCalls<posix::Sockets> {
  posix::Sockets& at(Host) override { return sockets_; }
  void settle() override { world_.run_for(std::chrono::microseconds{1}); }

  sim::World world_{{.seed = 1}};
  Stack stack_{world_, as_furnished()};
  posix::Sockets sockets_{stack_};
};

/// Two hosts on a cable in virtual time.
class TwoHosts final : public OwnCalls<posix::Sockets> {
  posix::Sockets& at(Host host) override { return host == Host::near ? near_ : far_; }
  void settle() override { pair_.world.run_for(std::chrono::microseconds{1}); }

  Pair pair_{{.cable = {.delay = {}}, .left = as_furnished(), .right = as_furnished()}};
  posix::Sockets near_{*pair_.left};
  posix::Sockets far_{*pair_.right, {.first_descriptor = kFirstFar}};
};

class ServiceCalls final : public OwnCalls<posix::Service> {
  posix::Service& at(Host) override { return sockets_; }
  void settle() override {
    for (int i = 0; i < 3; ++i) (void)sockets_.poll(nullptr, 0, 0);  // a look at nothing lets the stack go on
  }

  Runtime runtime_;
  Stack stack_{runtime_, as_furnished()};
  posix::Service sockets_{runtime_, stack_};
};

}  // namespace

std::unique_ptr<Calls> kernel_calls(Setting setting) { return std::make_unique<KernelCalls>(setting); }
std::unique_ptr<Calls> own_calls(Setting setting) {
  if (setting == Setting::one_host) return std::make_unique<OneHost>();
  return std::make_unique<TwoHosts>();
}
std::unique_ptr<Calls> service_calls() { return std::make_unique<ServiceCalls>(); }

}  // namespace tapir::test
