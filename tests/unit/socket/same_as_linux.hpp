#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tapir::test {

/// Where sockets are that talk to each other: on one host, over its loopback, or on two, over Ethernet.
enum class Setting : std::uint8_t { one_host, two_hosts };
/// One of the two hosts; in the setting with one they are the same.
enum class Host : std::uint8_t { near, far };

[[nodiscard]] std::uint32_t address_on(Setting setting, Host host);

/// The calls, over the kernel's sockets or over ours. A descriptor belongs to the host that it was opened on.
class Calls {
 public:
  virtual ~Calls() = default;
  virtual int socket(Host host, int domain, int type, int protocol) = 0;
  virtual int bind(int fd, const sockaddr* address, socklen_t size) = 0;
  virtual int listen(int fd, int backlog) = 0;
  virtual int accept(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int accept4(int fd, sockaddr* address, socklen_t* size, int flags) = 0;
  virtual int connect(int fd, const sockaddr* address, socklen_t size) = 0;
  virtual int shutdown(int fd, int how) = 0;
  virtual int close(int fd) = 0;
  virtual ssize_t send(int fd, const void* bytes, std::size_t size, int flags) = 0;
  virtual ssize_t sendto(int fd, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) = 0;
  virtual ssize_t sendmsg(int fd, const msghdr* message, int flags) = 0;
  virtual ssize_t recv(int fd, void* bytes, std::size_t size, int flags) = 0;
  virtual ssize_t recvfrom(int fd, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) = 0;
  virtual ssize_t recvmsg(int fd, msghdr* message, int flags) = 0;
  virtual ssize_t read(int fd, void* bytes, std::size_t size) = 0;
  virtual ssize_t write(int fd, const void* bytes, std::size_t size) = 0;
  virtual ssize_t readv(int fd, const iovec* parts, int count) = 0;
  virtual ssize_t writev(int fd, const iovec* parts, int count) = 0;
  virtual int getsockname(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int getpeername(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual int getsockopt(int fd, int level, int name, void* value, socklen_t* size) = 0;
  virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t size) = 0;
  virtual int fcntl(int fd, int command, int argument) = 0;
  virtual int ioctl(int fd, unsigned long request, int* argument) = 0;
  virtual int poll(pollfd* fds, nfds_t count, int timeout) = 0;
  virtual int epoll_create(Host host, int size) = 0;
  virtual int epoll_create1(Host host, int flags) = 0;
  virtual int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) = 0;
  virtual int epoll_wait(int epoll, epoll_event* events, int count, int timeout) = 0;
};

/// The kernel's, on hosts of class Namespaces.
[[nodiscard]] std::unique_ptr<Calls> kernel_calls(Setting setting);
/// posix::Sockets, in virtual time: a host with nothing but its loopback, or 192.0.2.1 and 192.0.2.2 on a cable.
[[nodiscard]] std::unique_ptr<Calls> own_calls(Setting setting);
/// posix::Service on the same hosts, whose stacks run on threads of their own in real time.
[[nodiscard]] std::unique_ptr<Calls> service_calls(Setting setting);

/// Where a socket can be reached.
struct Place {
  std::uint32_t address = 0;
  std::uint16_t port = 0;
};

/// What a test body is given: the calls, each of which leaves a line that says what came of it. Descriptors and ports are not told, as they differ by chance.
/// What says nothing of a host is on the near one.
class Transcript {
 public:
  Transcript(Calls& calls, Setting setting) : calls_{calls}, setting_{setting} {}
  Transcript(const Transcript&) = delete;
  Transcript& operator=(const Transcript&) = delete;
  ~Transcript();

  int socket(int type, int protocol = 0, int domain = AF_INET, Host host = Host::near);
  int stream(int flags = 0) { return socket(SOCK_STREAM | flags); }
  int datagram(int flags = 0) { return socket(SOCK_DGRAM | flags); }
  int far_stream(int flags = 0) { return socket(SOCK_STREAM | flags, 0, AF_INET, Host::far); }
  int far_datagram(int flags = 0) { return socket(SOCK_DGRAM | flags, 0, AF_INET, Host::far); }
  /// SOCK_RAW with IPPROTO_ICMP.
  int raw(int flags = 0) { return socket(SOCK_RAW | flags, IPPROTO_ICMP); }
  int far_raw(int flags = 0) { return socket(SOCK_RAW | flags, IPPROTO_ICMP, AF_INET, Host::far); }
  [[nodiscard]] std::uint32_t address_of(Host host) const;
  /// Binds to the address of the socket's host, any port.
  int bind(int fd);
  int bind(int fd, const Place& place);
  int bind_raw(int fd, const sockaddr* address, socklen_t size);
  int listen(int fd, int backlog = 8);
  /// accept4(), with room for the peer's address.
  int accept(int fd, int flags = 0);
  /// accept(), with what it is given for the address; a null `size` is passed on.
  int accept_raw(int fd, sockaddr* address, socklen_t* size);
  int connect(int fd, const Place& to);
  int disconnect(int fd);
  int connect_raw(int fd, const sockaddr* address, socklen_t size);
  int shutdown(int fd, int how);
  int close(int fd);
  ssize_t send(int fd, std::string_view bytes, int flags = 0);
  ssize_t send_to(int fd, std::string_view bytes, const Place& to, int flags = 0);
  /// sendto() with an address that may be wrong.
  ssize_t send_to_raw(int fd, std::string_view bytes, const sockaddr* address, socklen_t size, int flags = 0);
  /// recvmsg(): tells flags and address, too.
  ssize_t recv(int fd, std::size_t size, int flags = 0);
  /// recv() itself.
  ssize_t recv_plain(int fd, std::size_t size, int flags = 0);
  /// recvfrom() with room for `address_size` bytes of address; the address as far as it came is told.
  ssize_t recv_from(int fd, std::size_t size, socklen_t address_size = sizeof(sockaddr_in), int flags = 0);
  ssize_t recv_from_raw(int fd, std::size_t size, sockaddr* address, socklen_t* address_size);
  /// readv() into parts of these sizes.
  ssize_t readv(int fd, const std::vector<std::size_t>& sizes);
  ssize_t readv_raw(int fd, const iovec* parts, int count);
  ssize_t writev(int fd, const std::vector<std::string>& parts);
  ssize_t writev_raw(int fd, const iovec* parts, int count);
  ssize_t read(int fd, std::size_t size);
  ssize_t write(int fd, std::string_view bytes);
  /// recvmsg() with MSG_ERRQUEUE: errno, origin, type and code of the error. Of what it quotes of a segment only the size is told.
  ssize_t recv_error(int fd);
  ssize_t recv_segment_error(int fd, std::size_t size = 256);
  /// recvmsg() of a raw socket: tells flags, address, and of the datagram the IPv4 header's lengths, TOS, TTL and addresses, and what it carries. Not what hosts choose.
  ssize_t recv_ip(int fd, std::size_t size = 256, int flags = 0);
  /// recvmsg() with room for control messages, whose types are told, and what they say but the time.
  ssize_t recv_control(int fd, std::size_t size, int flags = 0);
  void name_of(int fd);
  void peer_of(int fd);
  /// Where a socket that has a port can be reached from both hosts. Not told.
  [[nodiscard]] Place place_of(int fd);
  int get(int fd, int level, int name);
  int set(int fd, int level, int name, int value, socklen_t size = sizeof(int));
  int set_raw(int fd, int level, int name, const void* value, socklen_t size);
  int get_raw(int fd, int level, int name, void* value, socklen_t size);
  int control(int fd, int command, int argument = 0);
  int ioctl(int fd, unsigned long request, int argument = 0);
  /// What poll() says at once.
  int poll(int fd, short events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
  /// Waits until one of `events` is there, and tells nothing of it: what is on its way arrives.
  void await(int fd, short events);
  int epoll(Host host = Host::near);
  int far_epoll() { return epoll(Host::far); }
  int epoll_of(int size);
  int epoll_ctl(int epoll, int operation, int fd, std::uint32_t events);
  int epoll_wait(int epoll, int timeout = 0, int count = 8);
  void say(const std::string& line) { lines_.push_back(line); }

  /// A listener on the far host at a port of its own, a client on the near one, the server's end of it.
  struct Linked {
    int listener = -1;
    int client = -1;
    int server = -1;
    Place place;
  };
  Linked linked();

  [[nodiscard]] Calls& calls() noexcept { return calls_; }
  [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }

 private:
  long told(const std::string& call, long result);
  void say_error(msghdr& message);
  int opened(const std::string& call, int fd, Host host);
  [[nodiscard]] Host host_of(int fd) const;

  Calls& calls_;
  Setting setting_;
  std::vector<std::string> lines_;
  std::map<int, Host> open_;
};

using Body = std::function<void(Transcript&)>;
/// Runs `body` over the kernel's sockets and over ours, on one host and on two, and requires that all tell the same as the kernel there: Sockets and Service.
void same_as_linux(const Body& body);
/// Likewise in one setting, for what has no sense in the other.
void same_as_linux_on(Setting setting, const Body& body);
/// Likewise for calls that wait for each other in several threads, which Sockets is not made for: over the kernel's sockets and over Service.
void same_as_linux_in_threads(const Body& body);

}  // namespace tapir::test
