#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <scenario/pair.hpp>
#include <tapir/core/observer.hpp>
#include <tapir/socket/sockets.hpp>

#include "socket_address.hpp"

namespace tapir::test {

/// A segment that left a host, as its TCP has put it together.
struct SentSegment {
  std::size_t payload = 0;
  std::string flags;
  TimePoint at{};
  std::vector<std::byte> bytes = {};  ///< header and payload
};

/// Notes every TCP segment on its way down.
class SegmentLog final : public Observer {
 public:
  void crossed(const Crossing& crossing) override {
    if (crossing.layer != LayerId::tcp || crossing.direction != Direction::down) return;
    segments.push_back({crossing.payload_size, std::string{crossing.summary}, crossing.at, crossing.packet->bytes()});
  }
  /// Payload sizes of the segments that carry any.
  [[nodiscard]] std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> all;
    for (const auto& segment : segments) {
      if (segment.payload > 0) all.push_back(segment.payload);
    }
    return all;
  }
  std::vector<SentSegment> segments;
};

[[nodiscard]] inline sockaddr_in socket_address(Ipv4Address address, std::uint16_t port) { return socket_address(address.value(), port); }

/// A cable that takes `delay` each way.
inline PairConfig far_apart(Duration delay) {
  PairConfig config;
  config.cable.delay = delay;
  return config;
}

/// Two hosts on a cable, each with its sockets; the left one's segments are noted.
struct TwoHosts {
  static constexpr std::uint16_t kPort = 7;

  explicit TwoHosts(PairConfig config = {}) : pair{with_log(config, log)} {}

  static PairConfig with_log(PairConfig config, SegmentLog& log) {
    config.left.observer = &log;
    return config;
  }

  /// A listener on the right host.
  int listen(int backlog = 8) {
    const int fd = right.socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in in = socket_address(Ipv4Address{}, kPort);
    (void)right.bind(fd, generic(in), sizeof(in));
    (void)right.listen(fd, backlog);
    return fd;
  }
  int connect(int fd, std::uint16_t port = kPort) {
    const sockaddr_in in = socket_address(kRightAddress, port);
    return left.connect(fd, generic(in), sizeof(in));
  }
  struct Ends {
    int listener = -1;
    int client = -1;
    int server = -1;
  };
  Ends linked() {
    Ends ends;
    ends.listener = listen();
    ends.client = left.socket(AF_INET, SOCK_STREAM, 0);
    (void)connect(ends.client);
    ends.server = right.accept(ends.listener, nullptr, nullptr);
    log.segments.clear();
    return ends;
  }
  static int set(posix::Sockets& sockets, int fd, int level, int name, int value) {
    return sockets.setsockopt(fd, level, name, &value, sizeof(value));
  }
  static int get(posix::Sockets& sockets, int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    return sockets.getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
  }
  static std::string receive(posix::Sockets& sockets, int fd, std::size_t size, int flags = 0) {
    std::string bytes(size, '\0');
    const ssize_t count = sockets.recv(fd, bytes.data(), size, flags);
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
  }
  static ssize_t send(posix::Sockets& sockets, int fd, std::string_view bytes, int flags = 0) {
    return sockets.send(fd, bytes.data(), bytes.size(), flags);
  }

  SegmentLog log;
  Pair pair;
  posix::Sockets left{*pair.left};
  posix::Sockets right{*pair.right};
};

}  // namespace tapir::test
