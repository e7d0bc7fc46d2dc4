#include "same_as_linux.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/errqueue.h>
#include <netinet/ip.h>

#include "message_room.hpp"
#include "socket_address.hpp"

namespace tapir::test {

namespace {

constexpr int kLongest = 5000;  // ms until something that does not come fails the test

std::string bits(std::uint32_t events) {
  std::string text;
  const auto add = [&](std::uint32_t bit, std::string_view name) {
    if ((events & bit) != 0) text += fmt::format(" {}", name);
  };
  add(EPOLLIN, "IN");
  add(EPOLLOUT, "OUT");
  add(EPOLLPRI, "PRI");
  add(EPOLLRDHUP, "RDHUP");
  add(EPOLLHUP, "HUP");
  add(EPOLLERR, "ERR");
  add(POLLNVAL, "NVAL");
  return text;
}

std::string shown(const sockaddr_in& in) {
  const std::uint32_t address = ntohl(in.sin_addr.s_addr);
  return fmt::format("family {} {}.{}.{}.{}:{}", in.sin_family, address >> 24U, address >> 16U & 255U, address >> 8U & 255U, address & 255U,
                     in.sin_port == 0 ? "0" : "a port");
}

}  // namespace

std::uint32_t address_on(Setting setting, Host host) {
  constexpr std::uint32_t kNear = 0xc0000201;  // 192.0.2.1
  constexpr std::uint32_t kFar = 0xc0000202;
  if (setting == Setting::one_host) return INADDR_LOOPBACK;
  return host == Host::near ? kNear : kFar;
}

Transcript::~Transcript() {
  for (const auto& [fd, host] : open_) (void)calls_.close(fd);
}

std::uint32_t Transcript::address_of(Host host) const { return address_on(setting_, host); }

Host Transcript::host_of(int fd) const {
  const auto found = open_.find(fd);
  return found == open_.end() ? Host::near : found->second;
}

long Transcript::told(const std::string& call, long result) {
  const int number = errno;
  if (result < 0) {
    lines_.push_back(fmt::format("{}: {}", call, ::strerrorname_np(number)));
  } else {
    lines_.push_back(fmt::format("{}: {}", call, result));
  }
  return result;
}

int Transcript::opened(const std::string& call, int fd, Host host) {
  if (fd < 0) return static_cast<int>(told(call, fd));
  open_[fd] = host;
  lines_.push_back(fmt::format("{}: a descriptor", call));
  return fd;
}

int Transcript::socket(int type, int protocol, int domain, Host host) {
  return opened(fmt::format("socket({}, {}, {})", domain, type, protocol), calls_.socket(host, domain, type, protocol), host);
}

int Transcript::bind(int fd) { return bind(fd, {.address = address_of(host_of(fd))}); }

int Transcript::bind(int fd, const Place& place) {
  const sockaddr_in in = socket_address(place.address, place.port);
  return static_cast<int>(
      told(fmt::format("bind({:08x}, {})", place.address, place.port == 0 ? "0" : "a port"), calls_.bind(fd, generic(in), sizeof(in))));
}

int Transcript::bind_raw(int fd, const sockaddr* address, socklen_t size) {
  return static_cast<int>(told(fmt::format("bind(raw, {})", size), calls_.bind(fd, address, size)));
}

int Transcript::listen(int fd, int backlog) {
  return static_cast<int>(told(fmt::format("listen({})", backlog), calls_.listen(fd, backlog)));
}

int Transcript::accept(int fd, int flags) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  const int accepted = opened(fmt::format("accept4({})", flags), calls_.accept4(fd, generic(in), &size, flags), host_of(fd));
  if (accepted >= 0) say(fmt::format("  from {}, {} bytes", shown(in), size));
  return accepted;
}

int Transcript::accept_raw(int fd, sockaddr* address, socklen_t* size) {
  const int accepted = opened("accept", calls_.accept(fd, address, size), host_of(fd));
  if (size != nullptr) say(fmt::format("  {} bytes", *size));
  return accepted;
}

int Transcript::connect(int fd, const Place& to) {
  const sockaddr_in in = socket_address(to.address, to.port);
  return static_cast<int>(told(fmt::format("connect({:08x})", to.address), calls_.connect(fd, generic(in), sizeof(in))));
}

int Transcript::disconnect(int fd) {
  sockaddr_in in{};
  in.sin_family = AF_UNSPEC;
  return static_cast<int>(told("connect(AF_UNSPEC)", calls_.connect(fd, generic(in), sizeof(in))));
}

int Transcript::connect_raw(int fd, const sockaddr* address, socklen_t size) {
  return static_cast<int>(told(fmt::format("connect(raw, {})", size), calls_.connect(fd, address, size)));
}

int Transcript::shutdown(int fd, int how) { return static_cast<int>(told(fmt::format("shutdown({})", how), calls_.shutdown(fd, how))); }

int Transcript::close(int fd) {
  open_.erase(fd);
  return static_cast<int>(told("close", calls_.close(fd)));
}

ssize_t Transcript::send(int fd, std::string_view bytes, int flags) {
  return told(fmt::format("send({} bytes, {:#x})", bytes.size(), flags), calls_.send(fd, bytes.data(), bytes.size(), flags));
}

ssize_t Transcript::send_to(int fd, std::string_view bytes, const Place& to, int flags) {
  const sockaddr_in in = socket_address(to.address, to.port);
  return told(fmt::format("sendto({} bytes, {:#x}, {:08x})", bytes.size(), flags, to.address),
              calls_.sendto(fd, bytes.data(), bytes.size(), flags, generic(in), sizeof(in)));
}

ssize_t Transcript::send_to_raw(int fd, std::string_view bytes, const sockaddr* address, socklen_t size, int flags) {
  return told(fmt::format("sendto({} bytes, {:#x}, {}, {})", bytes.size(), flags, address == nullptr ? "null" : "raw", size),
              calls_.sendto(fd, bytes.data(), bytes.size(), flags, address, size));
}

ssize_t Transcript::recv(int fd, std::size_t size, int flags) {
  MessageRoom room{size, 0};
  const ssize_t count = told(fmt::format("recvmsg({}, {:#x})", size, flags), calls_.recvmsg(fd, &room.header, flags));
  if (count >= 0) {
    room.bytes.resize(std::min(size, static_cast<std::size_t>(count)));
    say(fmt::format("  \"{}\", flags {:#x}, address of {} bytes", room.bytes, room.header.msg_flags & ~MSG_CMSG_CLOEXEC,
                    room.header.msg_namelen));
  }
  return count;
}

ssize_t Transcript::recv_plain(int fd, std::size_t size, int flags) {
  std::string bytes(size, '-');
  const ssize_t count = told(fmt::format("recv({}, {:#x})", size, flags), calls_.recv(fd, bytes.data(), size, flags));
  say("  " + bytes);
  return count;
}

ssize_t Transcript::recv_from(int fd, std::size_t size, socklen_t address_size, int flags) {
  std::string bytes(size, '-');
  sockaddr_in in{};
  const socklen_t asked = address_size;
  const ssize_t count = told(fmt::format("recvfrom({}, {:#x}, {})", size, flags, asked),
                             calls_.recvfrom(fd, bytes.data(), size, flags, generic(in), &address_size));
  say(fmt::format("  {} from {}, {} bytes", bytes, shown(in), address_size));
  return count;
}

ssize_t Transcript::recv_from_raw(int fd, std::size_t size, sockaddr* address, socklen_t* address_size) {
  std::string bytes(size, '-');
  const ssize_t count = told(fmt::format("recvfrom({}, raw)", size), calls_.recvfrom(fd, bytes.data(), size, 0, address, address_size));
  say("  " + bytes);
  return count;
}

ssize_t Transcript::readv(int fd, const std::vector<std::size_t>& sizes) {
  std::vector<std::string> buffers;
  for (const std::size_t size : sizes) buffers.emplace_back(size, '-');
  std::vector<iovec> parts;
  for (std::string& buffer : buffers) parts.push_back({.iov_base = buffer.data(), .iov_len = buffer.size()});
  const ssize_t count = readv_raw(fd, parts.data(), static_cast<int>(parts.size()));
  for (const std::string& buffer : buffers) say("  " + buffer);
  return count;
}

ssize_t Transcript::readv_raw(int fd, const iovec* parts, int count) {
  return told(fmt::format("readv({} parts)", count), calls_.readv(fd, parts, count));
}

ssize_t Transcript::writev(int fd, const std::vector<std::string>& parts) {
  std::vector<iovec> all;
  for (const std::string& part : parts) all.push_back({.iov_base = const_cast<char*>(part.data()), .iov_len = part.size()});
  return writev_raw(fd, all.data(), static_cast<int>(all.size()));
}

ssize_t Transcript::writev_raw(int fd, const iovec* parts, int count) {
  return told(fmt::format("writev({} parts)", count), calls_.writev(fd, parts, count));
}

ssize_t Transcript::read(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  const ssize_t count = told(fmt::format("read({})", size), calls_.read(fd, bytes.data(), size));
  if (count >= 0) say(fmt::format("  \"{}\"", bytes.substr(0, static_cast<std::size_t>(count))));
  return count;
}

ssize_t Transcript::write(int fd, std::string_view bytes) {
  return told(fmt::format("write({} bytes)", bytes.size()), calls_.write(fd, bytes.data(), bytes.size()));
}

ssize_t Transcript::recv_error(int fd) {
  MessageRoom room{256};
  const ssize_t count = told("recvmsg(MSG_ERRQUEUE)", calls_.recvmsg(fd, &room.header, MSG_ERRQUEUE));
  if (count < 0) return count;
  say(fmt::format("  \"{}\" to {}", room.bytes.substr(0, static_cast<std::size_t>(count)), shown(room.from)));
  say_error(room.header);
  return count;
}

ssize_t Transcript::recv_segment_error(int fd, std::size_t size) {
  MessageRoom room{size};
  const ssize_t count = told("recvmsg(MSG_ERRQUEUE)", calls_.recvmsg(fd, &room.header, MSG_ERRQUEUE));
  if (count < 0) return count;
  say(fmt::format("  to {}", shown(room.from)));
  say_error(room.header);
  return count;
}

void Transcript::say_error(msghdr& message) {
  say(fmt::format("  flags {:#x}", message.msg_flags));
  for_each_control(message, [this](const cmsghdr& control) {
    if (control.cmsg_level == SOL_SOCKET) return say(fmt::format("  type {} length {}: a time", control.cmsg_type, control.cmsg_len));
    const auto error = control_data<sock_extended_err>(control);
    const auto offender = control_data<sockaddr_in>(control, sizeof(error));
    say(fmt::format("  level {} type {} length {}: errno {} origin {} type {} code {} info {} by {}", control.cmsg_level, control.cmsg_type,
                    control.cmsg_len, error.ee_errno, error.ee_origin, error.ee_type, error.ee_code, error.ee_info, shown(offender)));
  });
}

ssize_t Transcript::recv_ip(int fd, std::size_t size, int flags) {
  MessageRoom room{size, 0};
  const ssize_t count = told(fmt::format("recvmsg({}, {:#x})", size, flags), calls_.recvmsg(fd, &room.header, flags));
  if (count < 0) return count;
  say(fmt::format("  flags {:#x} from {}", room.header.msg_flags & ~MSG_CMSG_CLOEXEC, shown(room.from)));
  iphdr header{};
  if (std::min(static_cast<std::size_t>(count), size) < sizeof(header)) return count;
  std::memcpy(&header, room.bytes.data(), sizeof(header));
  say(fmt::format("  version {} header {} tos {:#x} length {} ttl {} protocol {} {:08x} > {:08x}", unsigned{header.version},
                  unsigned{header.ihl}, header.tos, ntohs(header.tot_len), header.ttl, header.protocol, ntohl(header.saddr),
                  ntohl(header.daddr)));
  std::string payload;
  for (std::size_t i = sizeof(header); i < std::min(static_cast<std::size_t>(count), size); ++i) {
    payload += fmt::format(" {:02x}", static_cast<unsigned char>(room.bytes[i]));
  }
  say(" " + payload);
  return count;
}

ssize_t Transcript::recv_control(int fd, std::size_t size, int flags) {
  MessageRoom room{size};
  const ssize_t count = told("recvmsg(control)", calls_.recvmsg(fd, &room.header, flags));
  if (count < 0) return count;
  for_each_control(room.header, [this](const cmsghdr& control) {
    std::string value = control.cmsg_level == SOL_SOCKET ? "a time" : fmt::format("{}", control_data<int>(control));
    if (control.cmsg_level == IPPROTO_IP && control.cmsg_type == IP_PKTINFO) {
      const auto info = control_data<in_pktinfo>(control);
      value = fmt::format("{:08x} for {:08x}", ntohl(info.ipi_spec_dst.s_addr), ntohl(info.ipi_addr.s_addr));
    }
    say(fmt::format("  level {} type {} length {}: {}", control.cmsg_level, control.cmsg_type, control.cmsg_len, value));
  });
  return count;
}

void Transcript::name_of(int fd) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  told("getsockname", calls_.getsockname(fd, generic(in), &size));
  say("  " + shown(in));
}

void Transcript::peer_of(int fd) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  told("getpeername", calls_.getpeername(fd, generic(in), &size));
  say("  " + shown(in));
}

Place Transcript::place_of(int fd) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  (void)calls_.getsockname(fd, generic(in), &size);
  const std::uint32_t address = ntohl(in.sin_addr.s_addr);
  return {.address = address == INADDR_ANY ? address_of(host_of(fd)) : address, .port = ntohs(in.sin_port)};
}

int Transcript::get(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  const int result =
      static_cast<int>(told(fmt::format("getsockopt({}, {})", level, name), calls_.getsockopt(fd, level, name, &value, &size)));
  if (result == 0) say(fmt::format("  {} in {} bytes", value, size));
  return result == 0 ? value : -1;
}

int Transcript::set(int fd, int level, int name, int value, socklen_t size) {
  return static_cast<int>(
      told(fmt::format("setsockopt({}, {}, {}, {})", level, name, value, size), calls_.setsockopt(fd, level, name, &value, size)));
}

int Transcript::set_raw(int fd, int level, int name, const void* value, socklen_t size) {
  return static_cast<int>(
      told(fmt::format("setsockopt({}, {}, raw, {})", level, name, size), calls_.setsockopt(fd, level, name, value, size)));
}

int Transcript::get_raw(int fd, int level, int name, void* value, socklen_t size) {
  const socklen_t asked = size;
  const auto result = told(fmt::format("getsockopt({}, {}, raw {})", level, name, asked), calls_.getsockopt(fd, level, name, value, &size));
  say(fmt::format("  {} bytes", size));
  return static_cast<int>(result);
}

int Transcript::control(int fd, int command, int argument) {
  return static_cast<int>(told(fmt::format("fcntl({}, {})", command, argument), calls_.fcntl(fd, command, argument)));
}

int Transcript::ioctl(int fd, unsigned long request, int argument) {
  const int result = static_cast<int>(told(fmt::format("ioctl({:#x})", request), calls_.ioctl(fd, request, &argument)));
  if (result == 0) say(fmt::format("  {}", argument));
  return argument;
}

int Transcript::poll(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  const int count = static_cast<int>(told("poll", calls_.poll(&entry, 1, 0)));
  say(" " + bits(static_cast<std::uint16_t>(entry.revents)));
  return count;
}

void Transcript::await(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  if (calls_.poll(&entry, 1, kLongest) != 1) say("  what was awaited did not come");
}

int Transcript::epoll(Host host) { return opened("epoll_create1", calls_.epoll_create1(host, 0), host); }

int Transcript::epoll_of(int size) {
  return opened(fmt::format("epoll_create({})", size), calls_.epoll_create(Host::near, size), Host::near);
}

int Transcript::epoll_ctl(int epoll, int operation, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = 42;
  return static_cast<int>(told(fmt::format("epoll_ctl({}, {:#x})", operation, events), calls_.epoll_ctl(epoll, operation, fd, &event)));
}

int Transcript::epoll_wait(int epoll, int timeout, int count) {
  std::array<epoll_event, 8> events{};
  const int found = static_cast<int>(told("epoll_wait", calls_.epoll_wait(epoll, events.data(), count, timeout)));
  for (int i = 0; i < found; ++i) {
    const std::uint32_t reported = events[static_cast<std::size_t>(i)].events;
    say(fmt::format("  data {}:{}", std::uint64_t{events[static_cast<std::size_t>(i)].data.u64}, bits(reported)));
  }
  return found;
}

Transcript::Linked Transcript::linked() {
  Linked all;
  all.listener = far_stream();
  bind(all.listener);
  listen(all.listener);
  all.place = place_of(all.listener);
  all.client = stream();
  connect(all.client, all.place);
  all.server = accept(all.listener);
  return all;
}

}  // namespace tapir::test
