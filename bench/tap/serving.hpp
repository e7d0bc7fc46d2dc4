#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <tapir/tapir.hpp>

namespace tapir::bench {

/// Where received data is copied to: one for all connections of a thread, as each is read at once and a buffer of its own would be most of what a short one costs.
inline thread_local constinit std::array<std::byte, 1 << 18> application{};

/// One connection. It removes itself from the list when it is over.
class Serving {
 public:
  Serving(tcp::Connection connection, PacketPool& pool) : connection_{std::move(connection)}, pool_{pool} {}
  void start(std::uint16_t port, std::function<void()> over) {
    connection_.set_nagle(false);
    connection_.handle({.readable = [this, port] { port == 7    ? echo()
                                                   : port == 11 ? discard_slices()
                                                                : discard(); },
                        .writable =
                            [this, port] {
                              if (port == 19) generate();
                            },
                        .closed = [over = std::move(over)](std::error_code) { over(); }});
    if (port == 19) generate();
  }

 private:
  void echo() {
    constexpr std::size_t kMost = 1024;
    for (std::size_t taken = kMost; taken == kMost;) {  // less than asked for is all there is
      const auto count = connection_.receive(std::span{application}.first(kMost));
      if (!count) return;
      if (*count == 0) return connection_.close();
      (void)connection_.send(std::span{application}.first(*count));  // single bytes: there is room
      taken = *count;
    }
  }
  void discard() {
    while (const auto count = connection_.receive(application)) {
      if (*count == 0) return connection_.close();
    }
  }
  /// The application gets the slabs that the frames were read into.
  void discard_slices() {
    while (const auto slice = connection_.receive_slice()) {
      if (slice->empty()) return connection_.close();
    }
  }
  void generate() {
    if (chunk_.empty()) chunk_ = Slice{pool_.slab(PacketPool::super_capacity), 0, 65160};
    while (connection_.send(chunk_)) {}
  }

  tcp::Connection connection_;
  PacketPool& pool_;
  Slice chunk_;
};

/// Discard on port 9 (copied to the application) and 11 (handed over in slices, without a copy), a source on 19 (sent without a copy), echo on 7.
class Services {
 public:
  /// `came`: called for each connection. Whether all listen.
  [[nodiscard]] Result<> start(Stack& stack, PacketPool& pool, std::function<void()> came = [] {}) {
    came_ = std::move(came);
    for (const std::uint16_t port : std::array<std::uint16_t, 4>{7, 9, 11, 19}) {
      auto listener = stack.tcp().listen(Port{port}, [this, &pool, port](tcp::Connection connection) {
        const auto one = serving_.emplace(serving_.end(), std::move(connection), pool);
        one->start(port, [this, one] { serving_.erase(one); });
        came_();
      });
      if (!listener) return fail(listener.error());
      listeners_.push_back(std::move(*listener));
    }
    return {};
  }

 private:
  std::function<void()> came_;
  std::list<Serving> serving_;
  std::vector<tcp::Listener> listeners_;
};

}  // namespace tapir::bench
