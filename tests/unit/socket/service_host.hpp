#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tapir/link/link.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/socket/service.hpp>
#include <tapir/stack/stack.hpp>

#include "two_hosts.hpp"

namespace tapir::test {

inline constexpr std::uint16_t kPort = 7;

/// A host with its loopback alone, on a thread of its own.
struct ServiceHost {
  Runtime runtime;
  Stack stack{runtime, StackConfig{}};
  posix::Service sockets{runtime, stack};

  int listen(int backlog = 16) {
    const int fd = sockets.socket(AF_INET, SOCK_STREAM, 0);
    const auto in = socket_address(Ipv4Address{}, kPort);
    (void)sockets.bind(fd, generic(in), sizeof(in));
    (void)sockets.listen(fd, backlog);
    return fd;
  }
  int connect() {
    const int fd = sockets.socket(AF_INET, SOCK_STREAM, 0);
    const auto in = socket_address(Ipv4Address{0x7f000001}, kPort);
    return sockets.connect(fd, generic(in), sizeof(in)) == 0 ? fd : -1;
  }
};

/// Takes everything, or nothing, and brings nothing.
class Door final : public link::Link {
 public:
  explicit Door(const std::atomic<bool>* open = nullptr) : open_{open} {}
  [[nodiscard]] std::string_view name() const noexcept override { return "door"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&&) override { return writable() ? Result<>{} : fail(Error::would_block); }
  [[nodiscard]] bool writable() const noexcept override { return open_ == nullptr || *open_; }
  void attach(Demultiplexer<link::Received>*) noexcept override {}
  std::size_t drain(std::size_t) override { return 0; }

 private:
  const std::atomic<bool>* open_;  ///< nullptr: always
  link::Capabilities capabilities_{};
};

}  // namespace tapir::test
