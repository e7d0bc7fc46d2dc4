#include "socket_calls.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <linux/sockios.h>

#include "harness.hpp"

namespace tapir::fuzz {

namespace {

constexpr int kDescriptors = 16;  // those that calls name; more are never open
constexpr Duration kPatience = std::chrono::seconds{2};
constexpr std::array<std::uint16_t, 8> kPorts{0, 7, 9, 80, 81, 1024, 5000, 53};
constexpr std::array<std::uint32_t, 8> kHosts{kPeerAddress,     kOwnAddress, INADDR_LOOPBACK, INADDR_ANY,
                                              INADDR_BROADCAST, 0xe0000001,  kPeerAddress,    INADDR_LOOPBACK};

posix::SocketsConfig config(sim::World& world) {
  posix::SocketsConfig config;
  config.first_descriptor = 0;
  config.descriptors = kDescriptors;
  config.wait = [&world](const std::function<bool()>& done, std::optional<Duration> limit) {
    return world.run_until(done, std::min(limit.value_or(kPatience), kPatience));
  };
  return config;
}

/// Nine times in ten an address that leads somewhere.
std::vector<std::uint8_t> address_of(const std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 2 || bytes[0] % 10 == 9) return {bytes.begin(), bytes.end()};
  sockaddr_in address{};
  address.sin_family = bytes[0] % 10 == 8 ? AF_UNSPEC : AF_INET;
  address.sin_port = htons(kPorts[bytes[1] % 8U]);
  address.sin_addr.s_addr = htonl(kHosts[bytes[1] / 8U % 8U]);
  std::vector<std::uint8_t> raw(sizeof(address));
  std::memcpy(raw.data(), &address, sizeof(address));
  return raw;
}

/// The system's own structures want an aligned address; what is not theirs is not read.
struct Address {
  explicit Address(std::span<const std::uint8_t> bytes) {
    const auto raw = address_of(bytes);
    size = static_cast<socklen_t>(std::min(raw.size(), sizeof(storage)));
    if (size > 0) std::memcpy(&storage, raw.data(), size);
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_storage storage{};
  socklen_t size = 0;
};

void expect(bool right) {
  if (!right) std::abort();
}

}  // namespace

SocketCalls::SocketCalls(sim::World& world, Stack& stack) : world_{world}, sockets_{stack, config(world)} {}

void SocketCalls::call(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kHeader) return;
  const Arguments with{.descriptor = bytes[1] % (kDescriptors + 1),
                       .number = bytes[2] << 8 | bytes[3],
                       .flags = bytes[4] << 8 | bytes[5],
                       .bytes = bytes.subspan(kHeader)};
  const std::uint8_t which = bytes[0] % 24;
  switch (which) {
    case 0:
    case 1: open(with); break;
    case 2:
    case 3:
    case 4:
    case 5: name(which, with); break;
    case 6:
    case 7:
    case 8: send(which, with); break;
    case 9: send_message(with); break;
    case 10:
    case 11:
    case 12: receive(which, with); break;
    case 13: receive_message(with); break;
    case 14:
    case 15: option(true, with); break;
    case 16: option(false, with); break;
    case 17: (void)sockets_.close(with.descriptor); break;
    case 18:
    case 19:
    case 20: control(which, with); break;
    default: wait(which, with); break;
  }
  expect(sockets_.size() <= kDescriptors);
  world_.run_for(Duration::zero());
}

void SocketCalls::open(const Arguments& with) {
  const int type = std::array{SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM}[static_cast<std::size_t>(with.number & 3)];
  const bool other = (with.number >> 2 & 7) == 7;
  const int protocol = type == SOCK_RAW ? (other ? IPPROTO_RAW : IPPROTO_ICMP) : other ? with.flags : 0;
  const int domain = (with.number >> 5 & 7) == 7 ? with.flags : AF_INET;
  (void)sockets_.socket(domain, type | ((with.flags & 3) != 3 ? SOCK_NONBLOCK : 0), protocol);
}

void SocketCalls::name(std::uint8_t which, const Arguments& with) {
  const Address address{with.bytes};
  sockaddr_storage storage{};
  auto size = static_cast<socklen_t>(static_cast<std::size_t>(with.number) % (sizeof(storage) + 1));
  auto* given = reinterpret_cast<sockaddr*>(&storage);
  switch (which) {
    case 2: (void)sockets_.bind(with.descriptor, address.get(), address.size); break;
    case 3: (void)sockets_.connect(with.descriptor, address.get(), address.size); break;
    case 4: (void)sockets_.listen(with.descriptor, static_cast<std::int16_t>(with.number)); break;
    default:
      if (with.flags % 3 == 0) {
        (void)sockets_.accept4(with.descriptor, given, &size, with.flags >> 2);
      } else if (with.flags % 3 == 1) {
        (void)sockets_.getsockname(with.descriptor, given, &size);
      } else {
        (void)sockets_.getpeername(with.descriptor, given, &size);
      }
  }
}

void SocketCalls::send(std::uint8_t which, const Arguments& with) {
  std::vector<std::uint8_t> text(static_cast<std::size_t>(with.number), 's');
  std::ranges::copy(with.bytes.first(std::min(with.bytes.size(), text.size())), text.begin());
  const auto half = text.size() / 2;
  const std::array<iovec, 2> parts{iovec{text.data(), half}, iovec{text.data() + half, text.size() - half}};
  ssize_t sent = 0;
  switch (which) {
    case 6: sent = sockets_.send(with.descriptor, text.data(), text.size(), with.flags); break;
    case 7: {
      const Address address{with.bytes};
      sent = sockets_.sendto(with.descriptor, text.data(), text.size(), with.flags, address.get(), address.size);
      break;
    }
    default: sent = sockets_.writev(with.descriptor, parts.data(), static_cast<int>(with.flags % 3)); break;
  }
  expect(sent >= -1 && sent <= static_cast<ssize_t>(text.size()));
}

/// The control messages are any bytes.
void SocketCalls::send_message(const Arguments& with) {
  const Address address{with.bytes};
  alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
  const std::size_t size = std::min(with.bytes.size(), control.size());
  std::ranges::copy(with.bytes.first(size), control.begin());
  std::vector<std::uint8_t> text(static_cast<std::size_t>(with.number), 'm');
  iovec part{text.data(), text.size()};
  msghdr message{};
  if ((with.flags & 0x100) != 0) message.msg_name = const_cast<sockaddr*>(address.get());
  message.msg_namelen = address.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = size;
  expect(sockets_.sendmsg(with.descriptor, &message, with.flags) <= static_cast<ssize_t>(text.size()));
}

void SocketCalls::receive(std::uint8_t which, const Arguments& with) {
  std::vector<std::uint8_t> buffer(static_cast<std::size_t>(with.number));
  const auto half = buffer.size() / 2;
  const std::array<iovec, 2> parts{iovec{buffer.data(), half}, iovec{buffer.data() + half, buffer.size() - half}};
  sockaddr_storage storage{};
  auto size = static_cast<socklen_t>(with.bytes.size() % (sizeof(storage) + 1));
  ssize_t got = 0;
  switch (which) {
    case 10: got = sockets_.recv(with.descriptor, buffer.data(), buffer.size(), with.flags); break;
    case 11:
      got = sockets_.recvfrom(with.descriptor, buffer.data(), buffer.size(), with.flags, reinterpret_cast<sockaddr*>(&storage), &size);
      break;
    default: got = sockets_.readv(with.descriptor, parts.data(), static_cast<int>(with.flags % 3)); break;
  }
  const bool whole_length = (with.flags & MSG_TRUNC) != 0;  // tells the datagram's, or the stream's that was thrown away
  expect(got >= -1 && (whole_length || got <= static_cast<ssize_t>(buffer.size())));
}

void SocketCalls::receive_message(const Arguments& with) {
  alignas(cmsghdr) std::array<std::uint8_t, 512> control{};
  sockaddr_storage storage{};
  std::vector<std::uint8_t> text(static_cast<std::size_t>(with.number));
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_name = &storage;
  message.msg_namelen = static_cast<socklen_t>(with.bytes.size() % (sizeof(storage) + 1));
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = with.bytes.empty() ? control.size() : with.bytes[0];
  const std::size_t room = message.msg_controllen;
  (void)sockets_.recvmsg(with.descriptor, &message, with.flags);
  expect(message.msg_controllen <= room);
}

void SocketCalls::option(bool set, const Arguments& with) {
  const int level = std::array<int, 4>{SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, with.flags}[static_cast<std::size_t>(with.flags & 3)];
  const int option = with.number & 0xff;
  std::vector<std::uint8_t> value(with.bytes.begin(), with.bytes.end());
  auto size = static_cast<socklen_t>(value.size());
  if (set && (with.flags & 0x700) == 0x700) {
    // On and off: those that much else depends on.
    constexpr std::array<std::array<int, 2>, 4> kOften{
        {{IPPROTO_IP, IP_HDRINCL}, {IPPROTO_IP, IP_RECVERR}, {SOL_SOCKET, SO_TIMESTAMPING}, {IPPROTO_TCP, TCP_INQ}}};
    const auto& [of, name] = kOften[static_cast<std::size_t>(with.number & 3)];
    const int number = name == SO_TIMESTAMPING ? with.number << 4 : with.number >> 2 & 1;
    (void)sockets_.setsockopt(with.descriptor, of, name, &number, sizeof(number));
    return;
  }
  if (set) {
    (void)sockets_.setsockopt(with.descriptor, level, option, value.data(), size);
    return;
  }
  const socklen_t room = size;
  (void)sockets_.getsockopt(with.descriptor, level, option, value.data(), &size);
  expect(size <= room);
}

void SocketCalls::control(std::uint8_t which, const Arguments& with) {
  switch (which) {
    case 18: (void)sockets_.shutdown(with.descriptor, with.number % 4); break;
    case 19: {
      const std::array<unsigned long, 8> requests{FIONBIO,    FIONREAD, TIOCOUTQ,       SIOCOUTQNSD,
                                                  SIOCATMARK, SIOCINQ,  SIOCGSTAMP_OLD, static_cast<unsigned long>(with.flags)};
      alignas(std::max_align_t) std::array<std::byte, 64> argument{};  // as large as what any request writes
      std::memcpy(argument.data(), &with.flags, sizeof(with.flags));
      (void)sockets_.ioctl(with.descriptor, requests[static_cast<std::size_t>(with.number) % requests.size()], argument.data());
      break;
    }
    default: {
      const std::array commands{F_GETFL, F_SETFL, F_GETFD, F_SETFD, with.number};
      (void)sockets_.fcntl(with.descriptor, commands[static_cast<std::size_t>(with.number) % commands.size()], with.flags);
    }
  }
}

void SocketCalls::wait(std::uint8_t which, const Arguments& with) {
  const int timeout = with.number % 100;
  switch (which) {
    case 21: {
      std::vector<pollfd> all;
      for (int i = 0; i <= kDescriptors; ++i) all.push_back({.fd = i, .events = static_cast<short>(with.flags), .revents = 0});
      expect(sockets_.poll(all.data(), all.size(), timeout) <= kDescriptors + 1);
      break;
    }
    case 22: {
      if (with.bytes.empty()) {
        (void)sockets_.epoll_create1(with.flags);
        return;
      }
      epoll_event event{.events = static_cast<std::uint32_t>(with.number) | (static_cast<std::uint32_t>(with.flags) << 16U), .data = {}};
      (void)sockets_.epoll_ctl(with.descriptor, with.bytes[0] % 4, with.bytes.size() > 1 ? with.bytes[1] % (kDescriptors + 1) : 0, &event);
      break;
    }
    default: {
      std::array<epoll_event, 4> events{};
      expect(sockets_.epoll_wait(with.descriptor, events.data(), with.flags % 6 - 1, timeout) <= 4);
    }
  }
}

}  // namespace tapir::fuzz
