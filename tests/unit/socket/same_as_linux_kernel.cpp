// The kernel's side of the comparison.
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "calls_of.hpp"
#include "namespaces.hpp"
#include "socket_address.hpp"

namespace tapir::test {

namespace {

/// The kernel's calls, with sockets that one of its hosts opens. The rest of the calls knows its host by the socket.
class KernelHost {
 public:
  explicit KernelHost(Namespaces::Name name) : name_{name} {}

  int socket(int domain, int type, int protocol) const {
    Namespaces::instance().enter(name_);
    return ::socket(domain, type, protocol);
  }
  static int bind(int fd, const sockaddr* address, socklen_t size) { return ::bind(fd, address, size); }
  static int listen(int fd, int backlog) { return ::listen(fd, backlog); }
  static int accept(int fd, sockaddr* address, socklen_t* size) { return ::accept(fd, address, size); }
  static int accept4(int fd, sockaddr* address, socklen_t* size, int flags) { return ::accept4(fd, address, size, flags); }
  static int connect(int fd, const sockaddr* address, socklen_t size) { return ::connect(fd, address, size); }
  static int shutdown(int fd, int how) { return ::shutdown(fd, how); }
  static int close(int fd) { return ::close(fd); }
  static ssize_t send(int fd, const void* bytes, std::size_t size, int flags) { return ::send(fd, bytes, size, flags); }
  static ssize_t sendto(int fd, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) {
    return ::sendto(fd, bytes, size, flags, address, address_size);
  }
  static ssize_t sendmsg(int fd, const msghdr* message, int flags) { return ::sendmsg(fd, message, flags); }
  static ssize_t recv(int fd, void* bytes, std::size_t size, int flags) { return ::recv(fd, bytes, size, flags); }
  static ssize_t recvfrom(int fd, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) {
    return ::recvfrom(fd, bytes, size, flags, address, address_size);
  }
  static ssize_t recvmsg(int fd, msghdr* message, int flags) { return ::recvmsg(fd, message, flags); }
  static ssize_t read(int fd, void* bytes, std::size_t size) { return ::read(fd, bytes, size); }
  static ssize_t write(int fd, const void* bytes, std::size_t size) { return ::write(fd, bytes, size); }
  static ssize_t readv(int fd, const iovec* parts, int count) { return ::readv(fd, parts, count); }
  static ssize_t writev(int fd, const iovec* parts, int count) { return ::writev(fd, parts, count); }
  static int getsockname(int fd, sockaddr* address, socklen_t* size) { return ::getsockname(fd, address, size); }
  static int getpeername(int fd, sockaddr* address, socklen_t* size) { return ::getpeername(fd, address, size); }
  static int getsockopt(int fd, int level, int name, void* value, socklen_t* size) { return ::getsockopt(fd, level, name, value, size); }
  static int setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
    return ::setsockopt(fd, level, name, value, size);
  }
  static int fcntl(int fd, int command, int argument) { return ::fcntl(fd, command, argument); }
  static int ioctl(int fd, unsigned long request, int* argument) { return ::ioctl(fd, request, argument); }
  static int poll(pollfd* fds, nfds_t count, int timeout) { return ::poll(fds, count, timeout); }
  static int epoll_create(int size) { return ::epoll_create(size); }
  static int epoll_create1(int flags) { return ::epoll_create1(flags); }
  static int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) { return ::epoll_ctl(epoll, operation, fd, event); }
  static int epoll_wait(int epoll, epoll_event* events, int count, int timeout) { return ::epoll_wait(epoll, events, count, timeout); }

 private:
  Namespaces::Name name_;
};

[[noreturn]] void no_probe(const char* what) { throw std::runtime_error{std::string{what} + ": " + std::strerror(errno)}; }

/// Keeps the thread, and those that it starts, on the processor that it is on.
class OneProcessor {
 public:
  OneProcessor() {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &here);
    if (::sched_getaffinity(0, sizeof(before_), &before_) != 0 || ::sched_setaffinity(0, sizeof(here), &here) != 0) no_probe("affinity");
  }
  OneProcessor(const OneProcessor&) = delete;
  OneProcessor& operator=(const OneProcessor&) = delete;
  ~OneProcessor() { (void)::sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_{};
};

/// A datagram that goes from one socket to another and back. The kernel queues what comes over a loopback or a veth device for each processor, in order, and a busy one
/// works on the queue later than in the call that has sent: behind a datagram's arrival all that its processor had sent before it has arrived as well.
class Probe {
 public:
  Probe(KernelHost& from, KernelHost& to, std::uint32_t from_address, std::uint32_t to_address)
      : ends_{open(from, from_address), open(to, to_address)} {
    for (const std::size_t end : {0U, 1U}) {
      sockaddr_in peer{};
      socklen_t size = sizeof(peer);
      if (::getsockname(ends_[1 - end], generic(peer), &size) != 0 || ::connect(ends_[end], generic(peer), size) != 0) no_probe("connect");
    }
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    for (const int end : ends_) ::close(end);
  }

  void run() const {
    char byte = 0;
    for (const std::size_t end : {0U, 1U}) {
      if (::send(ends_[end], &byte, 1, 0) != 1 || ::recv(ends_[1 - end], &byte, 1, 0) != 1) no_probe("probe");
    }
  }

 private:
  static int open(const KernelHost& host, std::uint32_t address) {
    const int fd = host.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in in = socket_address(address, 0);
    constexpr timeval kLongest{.tv_sec = 10, .tv_usec = 0};
    if (::bind(fd, generic(in), sizeof(in)) != 0 || ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kLongest, sizeof(kLongest)) != 0)
      no_probe("bind");
    return fd;
  }

  std::array<int, 2> ends_;
};

class KernelCalls final : public CallsOf<KernelHost> {
 public:
  explicit KernelCalls(Setting setting)
      : near_{setting == Setting::one_host ? Namespaces::Name::alone : Namespaces::Name::near},
        far_{setting == Setting::one_host ? Namespaces::Name::alone : Namespaces::Name::far},
        probe_{near_, far_, address_on(setting, Host::near), address_on(setting, Host::far)} {
    Namespaces::instance().forget_paths();
  }

 private:
  KernelHost& at(Host host) override { return host == Host::near ? near_ : far_; }
  /// What arrives is answered, and the answer queued behind the first probe: a handshake or an exchange of FINs takes three.
  void settle() override {
    constexpr int kRounds = 3;
    for (int i = 0; i < kRounds; ++i) probe_.run();
  }

  OneProcessor one_processor_;
  KernelHost near_;
  KernelHost far_;
  Probe probe_;
};

}  // namespace

std::unique_ptr<Calls> kernel_calls(Setting setting) { return std::make_unique<KernelCalls>(setting); }

}  // namespace tapir::test
