#include "host.hpp"

#include <algorithm>
#include <utility>

namespace tapir::packetdrill {

namespace {

/// Far from zero, so that nothing takes the script's first moment for "never".
constexpr TimePoint kStart{std::chrono::hours{1}};
constexpr std::size_t kLargestSuperSegment = 65535;  // bytes; Wire cuts them

constexpr Ipv4Prefix kEverywhere{Ipv4Address{}, 0};

}  // namespace

Host::Host(const Flags& flags)
    : world_{{.start = kStart}},
      settings_{flags},
      metrics_flush_{flags.metrics},
      stack_{world_, {.tcp = settings_.tcp()}},
      sockets_{stack_, {.wait = [this](const std::function<bool()>& done, std::optional<Duration> limit) { return wait(done, limit); }}} {
  auto& ipv4 = stack_.ipv4();
  const auto added =
      ipv4.add_interface({.name = "tun0", .addresses = {*flags.address}, .neighbours = &wire_, .max_super_segment = kLargestSuperSegment});
  if (!added) return;  // an address that no host can have: every call on it fails
  interface_ = *added;
  (void)ipv4.add_route(kEverywhere, interface_);
}

Host::~Host() = default;

void Host::receive(std::span<const std::byte> datagram) {
  Lock lock{mutex_};
  apply_settings();
  SlabRef slab = world_.pool().slab(datagram.size() + Packet::headroom);
  std::ranges::copy(datagram, slab.bytes().subspan(Packet::headroom).begin());
  Packet packet{world_.pool(), std::move(slab), Packet::headroom, datagram.size()};
  packet.meta().ingress = world_.now();
  (void)stack_.ipv4().demultiplex(std::move(packet), {.interface = interface_, .vlan = std::nullopt});
  clock_.settle(lock);
}

std::optional<Wire::Datagram> Host::next_datagram() {
  Lock lock{mutex_};
  if (!clock_.run_until([this] { return !wire_.empty(); }, std::nullopt, lock)) return std::nullopt;
  return wire_.take();
}

void Host::sleep(Duration time) {
  Lock lock{mutex_};
  clock_.pass(time, lock);
}

timeval Host::look_at_clock() {
  Lock lock{mutex_};
  const timeval now = clock_.look(lock);
  if (!blocked_.on_main_thread()) blocked_.looked_at_clock();
  return now;
}

/// How the sockets wait, from within a call: the lock is held.
bool Host::wait(const std::function<bool()>& done, std::optional<Duration> limit) {
  Lock lock{mutex_, std::adopt_lock};
  clock_.settle(lock);
  const bool reached = blocked_.on_main_thread() ? clock_.run_until(done, limit, lock) : done() || blocked_.wait(done, limit, lock);
  (void)lock.release();
  return reached;
}

void Host::apply_settings() {
  settings_.read();
  stack_.tcp().set_config(settings_.tcp());
  if (metrics_flush_.happened()) stack_.tcp().forget_fast_open_cookies();
  wire_.set_queue_limit(settings_.queue_limit());
}

}  // namespace tapir::packetdrill
