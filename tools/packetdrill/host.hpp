#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include <tapir/sim/world.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

#include "blocked_call.hpp"
#include "descriptors.hpp"
#include "fast_open_settings.hpp"
#include "flags.hpp"
#include "routes.hpp"
#include "settings.hpp"
#include "virtual_clock.hpp"
#include "wire.hpp"

namespace tapir::packetdrill {

/// The host that a script talks to: a stack with one interface without frames, in virtual time, with the sockets on top.
class Host {
 public:
  /// flags.address is there.
  explicit Host(const Flags& flags);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  /// Makes a system call on the sockets: reads the settings before it, and lets happen what it causes before it returns.
  template <class Call>
  auto call(Call&& make) {
    Lock lock{mutex_};
    apply_settings();
    const auto result = make(sockets_);
    const int error = errno;
    if (!blocked_.on_main_thread()) blocked_.returns();
    clock_.settle(lock);
    errno = error;
    return result;
  }
  [[nodiscard]] Descriptors& descriptors() noexcept { return descriptors_; }

  /// A datagram arrives.
  void receive(std::span<const std::byte> datagram);
  /// Waits for the next datagram that leaves; nullopt when none will.
  [[nodiscard]] std::optional<Wire::Datagram> next_datagram();
  void sleep(Duration time);
  [[nodiscard]] timeval look_at_clock();

 private:
  [[nodiscard]] bool wait(const std::function<bool()>& done, std::optional<Duration> limit);
  void apply_settings();
  void show_counters();

  std::mutex mutex_;  ///< of everything below: packetdrill has two threads
  sim::World world_;
  BlockedCall blocked_{world_};
  VirtualClock clock_{world_, blocked_};
  Wire wire_{world_.scheduler()};
  Settings settings_;
  MetricsFlush metrics_flush_;
  Routes routes_;
  std::string counters_file_;
  std::uint64_t counted_ = 0;  ///< what the file shows
  std::uint16_t merged_segment_;
  Stack stack_;
  InterfaceIndex interface_{};
  posix::Sockets sockets_;
  Descriptors descriptors_;
};

}  // namespace tapir::packetdrill
