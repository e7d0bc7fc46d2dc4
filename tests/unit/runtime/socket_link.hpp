#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include <tapir/core/packet_pool.hpp>
#include <tapir/link/frame_writer.hpp>
#include <tapir/link/link.hpp>

namespace tapir::test {

/// A link over one end of a socket pair: datagrams are its frames.
class SocketLink final : public link::Link {
 public:
  SocketLink(PacketPool& pool, int fd) : writer{fd, 0}, pool_{pool}, fd_{fd} {}
  [[nodiscard]] std::string_view name() const noexcept override { return "socket"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& frame) override { return writer.write(frame); }
  [[nodiscard]] bool writable() const noexcept override { return writer.writable(); }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t budget) override {
    std::array<std::byte, 2048> bytes{};
    std::size_t count = 0;
    for (; count < budget; ++count) {
      const auto size = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size <= 0) break;
      Packet frame{pool_, static_cast<std::size_t>(size)};
      frame.append_copy(std::span{bytes}.first(static_cast<std::size_t>(size)));
      if (receiver_ != nullptr) (void)receiver_->demultiplex(std::move(frame), {});
    }
    largest_batch = std::max(largest_batch, count);
    return count;
  }
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return fd_; }
  void set_writable() noexcept override { writer.set_writable(); }
  void defer_to(Scheduler* scheduler) noexcept override {
    writer.defer_to(scheduler);
    deferring = scheduler;
  }

  link::FrameWriter writer;
  std::size_t largest_batch = 0;
  Scheduler* deferring = nullptr;  ///< whose pulls frames are kept in

 private:
  PacketPool& pool_;
  int fd_;
  link::Capabilities capabilities_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
};

}  // namespace tapir::test
