// A protocol of one's own: a beacon that says how full a device's battery is, over IPv4 protocol 253 (RFC 3692: for experiments).
// Two hosts on a simulated cable: one sends three beacons, one of them spoilt on purpose, the other receives.

#include <array>

#include <fmt/format.h>

#include <tapir/core/checksum.hpp>
#include <tapir/tapir.hpp>

using namespace tapir::literals;
using namespace std::chrono_literals;

constexpr auto kBeacon = static_cast<tapir::network::Protocol>(253);

/// Wire image: what stands in the packet, in network byte order.
struct BeaconHeader {
  tapir::be16 sequence;
  tapir::be16 millivolts;
  tapir::be16 checksum;  ///< Internet checksum over the header
};
static_assert(sizeof(BeaconHeader) == 6 && alignof(BeaconHeader) == 1);

/// What the application says about a beacon.
struct BeaconSend {
  tapir::Ipv4Address destination;
  std::uint16_t sequence = 0;
  std::uint16_t millivolts = 0;
  bool spoilt = false;
};

class Beacon final : public tapir::Layer<BeaconSend, tapir::network::Received> {
 public:
  explicit Beacon(tapir::Stack& stack) : stack_{stack} { stack.ipv4().attach(kBeacon, *this, nullptr); }
  Beacon(const Beacon&) = delete;
  ~Beacon() override { stack_.ipv4().detach(kBeacon); }  // it goes before the stack does

  tapir::Result<> encapsulate(tapir::Packet&& packet, const BeaconSend& to) override {
    BeaconHeader header{to.sequence, to.millivolts, std::uint16_t{0}};
    header.checksum = static_cast<std::uint16_t>(checksum(header) + (to.spoilt ? 1 : 0));
    packet.prepend(header);
    tapir::network::Send datagram;
    datagram.destination = to.destination;
    datagram.protocol = kBeacon;
    return stack_.ipv4().encapsulate(std::move(packet), datagram);
  }

  tapir::Accepted demultiplex(tapir::Packet&& packet, const tapir::network::Received& from) override {
    const auto header = packet.peek<BeaconHeader>();
    if (!header) return reject(stack_.context(), drops_, tapir::LayerId::application, tapir::Drop::truncated);
    if (checksum(*header) != 0) return reject(stack_.context(), drops_, tapir::LayerId::application, tapir::Drop::bad_checksum);
    fmt::print("beacon {} from {}: {} mV\n", header->sequence.get(), to_string(from.source), header->millivolts.get());
    return {};
  }

  const tapir::DropCounters& drops() const { return drops_; }

 private:
  static std::uint16_t checksum(const BeaconHeader& header) {
    tapir::InternetChecksum sum;
    sum.add(std::as_bytes(std::span{&header, 1}));
    return sum.value();
  }
  tapir::Stack& stack_;
  tapir::DropCounters drops_;
};

int main() {
  tapir::sim::World world;
  tapir::sim::Cable cable{world};
  tapir::Stack device{world, cable.left(), {.address = "192.0.2.2/24"_prefix}};
  tapir::Stack monitor{world, cable.right(), {.address = "192.0.2.1/24"_prefix}};
  Beacon sender{device}, receiver{monitor};
  for (std::uint16_t i = 1; i <= 3; ++i) {
    if (!sender.encapsulate(tapir::Packet{world.pool()}, {"192.0.2.1"_ipv4, i, static_cast<std::uint16_t>(3300 - i), i == 2})) return 1;
  }
  world.run_for(1s);
  fmt::print("{} dropped for a bad checksum\n", receiver.drops()[tapir::Drop::bad_checksum]);
}
