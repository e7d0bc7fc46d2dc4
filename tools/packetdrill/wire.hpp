#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include <tapir/arp/send.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/core/scheduler.hpp>

namespace tapir::packetdrill {

/// Where the stack's only interface ends: datagrams without a frame around them. It stands where ARP would, cuts super-segments as a device
/// without offloads would, and keeps what leaves, with the time, until the script asks for it.
class Wire final : public Encapsulator<arp::Send> {
 public:
  struct Datagram {
    std::vector<std::byte> bytes;
    TimePoint left_at;
  };

  explicit Wire(const Scheduler& scheduler) noexcept : scheduler_{scheduler} {}

  [[nodiscard]] Result<> encapsulate(Packet&& packet, const arp::Send& to) override;
  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  /// The datagram that left first; empty() is false.
  [[nodiscard]] Datagram take();
  /// So many fit in the device's queue, which is empty whenever something is sent: with 0 nothing leaves. nullopt: no limit.
  void set_queue_limit(std::optional<std::size_t> datagrams) noexcept { closed_ = datagrams == 0U; }

 private:
  const Scheduler& scheduler_;
  std::deque<Datagram> left_;
  bool closed_ = false;
};

}  // namespace tapir::packetdrill
