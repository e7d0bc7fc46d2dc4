#pragma once

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

#include "memory_link.hpp"

namespace tapir::bench {

inline constexpr Ipv4Address kClient{0xc0000201};  // 192.0.2.1
inline constexpr Ipv4Address kServer{0xc0000202};  // 192.0.2.2
inline constexpr Port kPort{5001};

/// Ends the program when a benchmark's own step fails: a figure of a broken run is worth nothing.
inline void demand(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

/// Two hosts joined by a MemoryLink, in virtual time. The server listens on kPort and hands its connections to `accepted`.
class TwoStacks {
 public:
  explicit TwoStacks(Frames frames, std::move_only_function<void(tcp::Connection)> accepted, const StackConfig& config = {})
      : accepted_{std::move(accepted)} {
    auto [left, right] = MemoryLink::pair(frames);
    left_ = left.get();
    right_ = right.get();
    StackConfig here = config;
    here.address = Ipv4Prefix{kClient, 24};
    client_.emplace(world_, std::move(left), here);
    here.address = Ipv4Prefix{kServer, 24};
    server_.emplace(world_, std::move(right), here);
    demand(client_->status() && server_->status(), "a stack did not come up");
    auto listening =
        server_->tcp().listen(kPort, [this](tcp::Connection connection) { accepted_(std::move(connection)); }, {.backlog = 4096});
    demand(listening.has_value(), "the server does not listen");
    listener_ = std::move(*listening);
  }

  [[nodiscard]] tcp::Connection connect() {
    auto connection = client_->tcp().connect({kServer, kPort});
    demand(connection.has_value(), "connect");
    return std::move(*connection);
  }
  /// Lets things happen until `done`.
  template <class Done>
  void until(Done done) {
    demand(world_.run_until(done, std::chrono::hours{1}), "a transfer stalled");
  }
  [[nodiscard]] sim::World& world() noexcept { return world_; }
  [[nodiscard]] Stack& client() noexcept { return *client_; }
  [[nodiscard]] Stack& server() noexcept { return *server_; }
  /// Frames that have crossed so far, both ways.
  [[nodiscard]] std::uint64_t frames() const noexcept { return left_->sent() + right_->sent(); }

 private:
  std::move_only_function<void(tcp::Connection)> accepted_;
  // Nothing on a MemoryLink takes time, so a whole transfer is one moment.
  sim::World world_{{.rounds_at_one_moment = std::numeric_limits<std::size_t>::max()}};
  MemoryLink* left_ = nullptr;
  MemoryLink* right_ = nullptr;
  std::optional<Stack> client_;
  std::optional<Stack> server_;
  tcp::Listener listener_;
};

}  // namespace tapir::bench
