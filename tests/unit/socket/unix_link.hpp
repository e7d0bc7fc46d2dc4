#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <tapir/core/packet.hpp>
#include <tapir/core/packet_pool.hpp>
#include <tapir/link/link.hpp>

namespace tapir::test {

/// One end of a cable between the stacks of two threads: a pair of AF_UNIX sockets that keeps frames apart.
class UnixLink final : public link::Link {
 public:
  /// The two ends of a cable.
  static std::array<int, 2> pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::runtime_error{"socketpair"};
    return ends;
  }

  /// Owns the descriptor. `frames` counts what is sent.
  UnixLink(int fd, PacketPool& pool, std::atomic<int>& frames) : fd_{fd}, pool_{pool}, frames_{frames} {}
  UnixLink(const UnixLink&) = delete;
  UnixLink& operator=(const UnixLink&) = delete;
  ~UnixLink() override { ::close(fd_); }

  [[nodiscard]] std::string_view name() const noexcept override { return "unix"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] bool writable() const noexcept override { return true; }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return fd_; }

  [[nodiscard]] Result<> transmit(Packet&& frame) override {
    std::vector<std::byte> bytes(frame.size());
    (void)frame.copy_out(0, bytes);
    // The kernel keeps few messages for a reader that is behind, fewer than a datagram may have fragments: it is given time to read.
    constexpr int kLongest = 1000;  // ms
    pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
    while (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN || ::poll(&room, 1, kLongest) != 1) return fail(Error::not_connected);
    }
    ++frames_;
    return {};
  }

  std::size_t drain(std::size_t budget) override {
    std::array<std::byte, 2048> bytes{};
    for (std::size_t count = 0; count < budget; ++count) {
      const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (size <= 0) return count;
      Packet frame{pool_, static_cast<std::size_t>(size)};
      frame.append_copy(std::span{bytes}.first(static_cast<std::size_t>(size)));
      if (receiver_ != nullptr) (void)receiver_->demultiplex(std::move(frame), {});
    }
    return budget;
  }

 private:
  int fd_;
  PacketPool& pool_;
  std::atomic<int>& frames_;
  link::Capabilities capabilities_{};
  Demultiplexer<link::Received>* receiver_ = nullptr;
};

}  // namespace tapir::test
