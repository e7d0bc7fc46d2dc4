#include "host.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

namespace tapir::packetdrill {

namespace {

/// Far from zero, so that nothing takes the script's first moment for "never".
constexpr TimePoint kStart{std::chrono::hours{1}};
constexpr std::size_t kLargestSuperSegment = 65535;  // bytes; Wire cuts them

/// The bytes of TCP payload in a datagram; 0 for what is none.
std::size_t tcp_payload(std::span<const std::byte> datagram) {
  constexpr std::size_t kLeastHeader = 20;
  constexpr std::size_t kProtocol = 9;
  constexpr std::size_t kDataOffset = 12;
  if (datagram.size() < kLeastHeader || std::to_integer<int>(datagram[kProtocol]) != IPPROTO_TCP) return 0;
  const std::size_t ip_header = 4 * std::to_integer<std::size_t>(datagram[0] & std::byte{0x0f});
  if (datagram.size() <= ip_header + kDataOffset) return 0;
  const std::size_t headers = ip_header + 4 * std::to_integer<std::size_t>(datagram[ip_header + kDataOffset] >> 4U);
  return datagram.size() > headers ? datagram.size() - headers : 0;
}

}  // namespace

Host::Host(const Flags& flags)
    : world_{{.start = kStart}},
      settings_{flags},
      metrics_flush_{flags.metrics},
      routes_{flags.routes},
      counters_file_{flags.counters},
      merged_segment_{flags.segment},
      stack_{world_, {.tcp = settings_.tcp()}},
      sockets_{stack_, {.wait = [this](const std::function<bool()>& done, std::optional<Duration> limit) { return wait(done, limit); }}} {
  auto& ipv4 = stack_.ipv4();
  const auto added =
      ipv4.add_interface({.name = "tun0", .addresses = {*flags.address}, .neighbours = &wire_, .max_super_segment = kLargestSuperSegment});
  if (!added) return;  // an address that no host can have: every call on it fails
  interface_ = *added;
  routes_.apply(ipv4, interface_);
}

Host::~Host() = default;

void Host::receive(std::span<const std::byte> datagram) {
  Lock lock{mutex_};
  apply_settings();
  SlabRef slab = world_.pool().slab(datagram.size() + Packet::headroom);
  std::ranges::copy(datagram, slab.bytes().subspan(Packet::headroom).begin());
  Packet packet{world_.pool(), std::move(slab), Packet::headroom, datagram.size()};
  packet.meta().ingress = world_.now();
  if (merged_segment_ > 0 && tcp_payload(datagram) > merged_segment_) {
    packet.meta().gso = GsoKind::tcp4;
    packet.meta().gso_size = merged_segment_;
  }
  (void)stack_.ipv4().demultiplex(std::move(packet), {.interface = interface_, .vlan = std::nullopt});
  clock_.settle(lock);
  show_counters();
}

/// Scripts ask with nstat, which reads the kernel's counters: it is given ours.
void Host::show_counters() {
  const std::uint64_t counted = stack_.tcp().drops()[Drop::unrelated_error];
  if (counters_file_.empty() || counted == counted_) return;
  counted_ = counted;
  std::ofstream{counters_file_} << "TcpExtOutOfWindowIcmps " << counted << '\n';
}

std::optional<Wire::Datagram> Host::next_datagram() {
  Lock lock{mutex_};
  if (!clock_.run_until([this] { return !wire_.empty(); }, std::nullopt, lock)) return std::nullopt;
  return wire_.take();
}

void Host::sleep(Duration time) {
  bool returned = false;
  {
    Lock lock{mutex_};
    clock_.pass(time, lock);
    returned = blocked_.take_returned();
  }
  // packetdrill's own bookkeeping for the call that has returned is not done yet, and sleeping is when its thread gets to do it.
  if (returned) std::this_thread::sleep_for(std::chrono::milliseconds{2});
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
  routes_.apply(stack_.ipv4(), interface_);
  wire_.set_queue_limit(settings_.queue_limit());
}

}  // namespace tapir::packetdrill
