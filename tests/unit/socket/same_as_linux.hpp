#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tapir::test {

/// The calls, over the kernel's sockets or over ours.
class Calls {
 public:
  virtual ~Calls() = default;
  virtual int socket(int domain, int type, int protocol) = 0;
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
  virtual int epoll_create(int size) = 0;
  virtual int epoll_create1(int flags) = 0;
  virtual int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) = 0;
  virtual int epoll_wait(int epoll, epoll_event* events, int count, int timeout) = 0;
};

[[nodiscard]] std::unique_ptr<Calls> kernel_calls();
/// A host with nothing but its loopback, in virtual time.
[[nodiscard]] std::unique_ptr<Calls> own_calls();

/// What a test body is given: the calls, each of which leaves a line that says what came of it. Descriptors and ports are not told, as they differ by chance.
class Transcript {
 public:
  explicit Transcript(Calls& calls) : calls_{calls} {}
  Transcript(const Transcript&) = delete;
  Transcript& operator=(const Transcript&) = delete;
  ~Transcript();

  int socket(int type, int protocol = 0, int domain = AF_INET);
  int stream(int flags = 0) { return socket(SOCK_STREAM | flags); }
  int datagram(int flags = 0) { return socket(SOCK_DGRAM | flags); }
  int bind(int fd, std::uint32_t address = INADDR_LOOPBACK, std::uint16_t port = 0);
  int bind_raw(int fd, const sockaddr* address, socklen_t size);
  int listen(int fd, int backlog = 8);
  /// accept4(), with room for the peer's address.
  int accept(int fd, int flags = 0);
  /// accept(), with what it is given for the address; a null `size` is passed on.
  int accept_raw(int fd, sockaddr* address, socklen_t* size);
  int connect(int fd, std::uint16_t port, std::uint32_t address = INADDR_LOOPBACK);
  int disconnect(int fd);
  int connect_raw(int fd, const sockaddr* address, socklen_t size);
  int shutdown(int fd, int how);
  int close(int fd);
  ssize_t send(int fd, std::string_view bytes, int flags = 0);
  ssize_t send_to(int fd, std::string_view bytes, std::uint16_t port, int flags = 0, std::uint32_t address = INADDR_LOOPBACK);
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
  /// recvmsg() with MSG_ERRQUEUE: errno, origin, type and code of the error.
  ssize_t recv_error(int fd);
  /// recvmsg() with room for control messages, whose types are told.
  ssize_t recv_control(int fd, std::size_t size);
  void name_of(int fd);
  void peer_of(int fd);
  std::uint16_t port_of(int fd);
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
  int epoll();
  int epoll_of(int size);
  int epoll_ctl(int epoll, int operation, int fd, std::uint32_t events);
  int epoll_wait(int epoll, int timeout = 0, int count = 8);
  void say(const std::string& line) { lines_.push_back(line); }

  /// A listener on loopback at a port of its own, a client, the server's end of it.
  struct Linked {
    int listener = -1;
    int client = -1;
    int server = -1;
    std::uint16_t port = 0;
  };
  Linked linked();

  [[nodiscard]] Calls& calls() noexcept { return calls_; }
  [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }

 private:
  long told(const std::string& call, long result);
  int opened(const std::string& call, int fd);

  Calls& calls_;
  std::vector<std::string> lines_;
  std::vector<int> open_;
};

/// Runs `body` over the kernel's sockets on loopback and over ours in virtual time, and requires that both tell the same.
void same_as_linux(const std::function<void(Transcript&)>& body);

}  // namespace tapir::test
