#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include <tapir/core/scheduler.hpp>
#include <tapir/tcp/tcp.hpp>

#include "options.hpp"

namespace tapir::tcp {

namespace detail {
class Engine;
}

/// Resets of connections that are gone already, until the link takes them. Bounded: a peer that misses one learns the same when it sends next.
class ResetQueue final : public ReadySource {
 public:
  explicit ResetQueue(detail::Engine& engine) noexcept : engine_{engine} {}

  /// `reset` has no options but these.
  void add(const Send& reset, std::optional<Timestamps> timestamps);
  [[nodiscard]] Pulled pull() override;

 private:
  static constexpr std::size_t kCapacity = 1024;

  struct Reset {
    Send send;
    std::optional<Timestamps> timestamps;
  };

  detail::Engine& engine_;
  std::deque<Reset> waiting_;
};

}  // namespace tapir::tcp
