#pragma once

#include <cstddef>
#include <deque>

#include <tapir/core/scheduler.hpp>
#include <tapir/tcp/tcp.hpp>

namespace tapir::tcp {

namespace detail {
class Engine;
}

/// Resets of connections that are gone already, until the link takes them. Bounded: a peer that misses one learns the same when it sends next.
class ResetQueue final : public ReadySource {
 public:
  explicit ResetQueue(detail::Engine& engine) noexcept : engine_{engine} {}

  void add(const Send& reset);
  [[nodiscard]] Pulled pull() override;

 private:
  static constexpr std::size_t kCapacity = 1024;

  detail::Engine& engine_;
  std::deque<Send> waiting_;
};

}  // namespace tapir::tcp
