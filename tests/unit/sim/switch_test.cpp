#include <catch2/catch.hpp>

#include <tapir/ethernet/fcs.hpp>
#include <tapir/sim/switch.hpp>

#include "wire_pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace tapir::literals;
using namespace std::chrono_literals;

namespace {

constexpr MacAddress kA = "02:00:00:00:00:0a"_mac;
constexpr MacAddress kB = "02:00:00:00:00:0b"_mac;
constexpr MacAddress kC = "02:00:00:00:00:0c"_mac;

Bytes frame(const MacAddress& destination, const MacAddress& source, bool fcs = true) {
  static PacketPool pool;
  Packet made{pool, 60};
  made.append_copy(std::as_bytes(std::span{destination.octets()}));
  made.append_copy(std::as_bytes(std::span{source.octets()}));
  made.append_zeros(48);
  if (fcs) ethernet::append_fcs(made);
  return made.bytes();
}

/// Three stations on one switch.
struct Network {
  explicit Network(sim::SwitchConfig config = {}) : hub{world, config} {
    for (std::size_t i = 0; i < 3; ++i) {
      links.push_back(hub.plug_in());
      links.back()->attach(&heard[i]);
    }
  }
  void send(std::size_t from, const Bytes& bytes) {
    REQUIRE(links[from]->transmit(packet(world, bytes)));
    world.run_for(1ms);
  }
  /// How many frames each station has heard since the last call.
  std::array<std::size_t, 3> take() {
    std::array<std::size_t, 3> counts{};
    for (std::size_t i = 0; i < 3; ++i) {
      counts[i] = heard[i].frames.size();
      heard[i].frames.clear();
    }
    return counts;
  }
  using Counts = std::array<std::size_t, 3>;

  sim::World world;
  std::array<Listener, 3> heard{Listener{world}, Listener{world}, Listener{world}};
  sim::Switch hub;
  std::vector<std::unique_ptr<link::Link>> links;
};

}  // namespace

TEST_CASE("a switch floods what it does not know, learns, and forwards", "[sim]") {
  Network net;
  net.send(0, frame(kB, kA));
  CHECK(net.take() == Network::Counts{0, 1, 1});
  CHECK(net.hub.port_of(kA) == 0U);
  CHECK_FALSE(net.hub.port_of(kB));
  net.send(1, frame(kA, kB));
  CHECK(net.take() == Network::Counts{1, 0, 0});
  net.send(0, frame(kB, kA));
  CHECK(net.take() == Network::Counts{0, 1, 0});
  CHECK(net.hub.stats().flooded == 1);
  CHECK(net.hub.stats().forwarded == 2);
}

TEST_CASE("broadcast and multicast are flooded, frames for neighbours are not", "[sim]") {
  Network net;
  net.send(0, frame(MacAddress::broadcast(), kA));
  CHECK(net.take() == Network::Counts{0, 1, 1});
  net.send(1, frame("01:00:5e:00:00:01"_mac, kB));
  CHECK(net.take() == Network::Counts{1, 0, 1});
  net.send(1, frame("01:80:c2:00:00:0f"_mac, kB));
  CHECK(net.take() == Network::Counts{0, 0, 0});
  net.send(1, frame("01:80:c2:00:00:10"_mac, kB));
  CHECK(net.take() == Network::Counts{1, 0, 1});
  CHECK(net.hub.stats().filtered == 1);
}

TEST_CASE("frames pass a switch unchanged", "[sim]") {
  Network net;
  const Bytes sent = frame(kB, kA);
  net.send(0, sent);
  CHECK(net.heard[1].frames == std::vector<Bytes>{sent});
}

TEST_CASE("a station that moves is found at its new port", "[sim]") {
  Network net;
  net.send(0, frame(kB, kA));
  net.send(2, frame(kB, kA));
  CHECK(net.hub.port_of(kA) == 2U);
  (void)net.take();
  net.send(1, frame(kA, kB));
  CHECK(net.take() == Network::Counts{0, 0, 1});
}

TEST_CASE("a frame for the port that it came from goes nowhere", "[sim]") {
  Network net;
  net.send(0, frame(kB, kA));
  net.send(0, frame(kA, kB));
  (void)net.take();
  net.send(0, frame(kA, kB));
  CHECK(net.take() == Network::Counts{0, 0, 0});
  CHECK(net.hub.stats().filtered == 2);
}

TEST_CASE("an address is forgotten when nothing was heard of it for five minutes", "[sim]") {
  Network net;
  net.send(0, frame(kB, kA));
  net.world.run_for(5min - 2ms);
  CHECK(net.hub.port_of(kA) == 0U);
  net.world.run_for(2ms);
  CHECK_FALSE(net.hub.port_of(kA));
  (void)net.take();
  net.send(1, frame(kA, kB));
  CHECK(net.take() == Network::Counts{1, 0, 1});
}

TEST_CASE("the table is bounded; a full one still works, and makes room for the living", "[sim]") {
  Network net{{.table_size = 1}};
  net.send(0, frame(kB, kA));
  net.send(1, frame(kA, kB));
  CHECK(net.hub.port_of(kA) == 0U);
  CHECK_FALSE(net.hub.port_of(kB));
  CHECK(net.hub.stats().table_full == 1);
  (void)net.take();
  net.send(2, frame(kB, kC));
  CHECK(net.take() == Network::Counts{1, 1, 0});
  net.world.run_for(6min);
  net.send(1, frame(kA, kB));
  CHECK(net.hub.port_of(kB) == 1U);
}

TEST_CASE("bad frames go no further than the switch", "[sim]") {
  Network net;
  Bytes corrupt = frame(kB, kA);
  corrupt[20] ^= std::byte{1};
  net.send(0, corrupt);
  CHECK(net.hub.drops()[Drop::bad_fcs] == 1);
  net.send(0, frame(kB, "03:00:00:00:00:01"_mac));
  net.send(0, frame(kB, MacAddress{}));
  CHECK(net.hub.drops()[Drop::bad_source] == 2);
  Packet small = packet(net.world, Bytes(13, std::byte{2}));
  ethernet::append_fcs(small);
  net.send(0, small.bytes());
  CHECK(net.hub.drops()[Drop::truncated] == 1);
  CHECK(net.take() == Network::Counts{0, 0, 0});
  CHECK_FALSE(net.hub.port_of(kA));
  net.send(0, frame(kB, kA));
  CHECK(net.take() == Network::Counts{0, 1, 1});
}

TEST_CASE("ports with and without FCS work together", "[sim]") {
  Network net;
  Listener bare{net.world};
  sim::Cable cable{net.world, {.carries_fcs = false}};
  REQUIRE(net.hub.connect(cable.left()) == 3U);
  const auto station = cable.right();
  station->attach(&bare);
  net.send(0, frame(kC, kA));
  CHECK(bare.frames == std::vector<Bytes>{frame(kC, kA, false)});
  REQUIRE(station->transmit(packet(net.world, frame(kA, kC, false))));
  net.world.run_for(1ms);
  CHECK(net.heard[0].frames == std::vector<Bytes>{frame(kA, kC)});
}

TEST_CASE("a switch takes no port without a link", "[sim]") {
  Network net;
  CHECK(net.hub.connect(nullptr) == fail(Error::invalid_argument));
  CHECK(net.hub.ports() == 3);
  sim::Cable cable{net.world};
  CHECK(net.hub.connect(cable.left()) == 3U);
  CHECK(net.hub.ports() == 4);
}

TEST_CASE("two switches make one network, and stations may leave before the switch", "[sim]") {
  Network net;
  sim::Switch other{net.world};
  sim::Cable trunk{net.world};
  REQUIRE(net.hub.connect(trunk.left()));
  REQUIRE(other.connect(trunk.right()));
  auto station = other.plug_in();
  Listener far{net.world};
  station->attach(&far);
  net.send(0, frame(kB, kA));
  CHECK(far.frames.size() == 1);
  REQUIRE(station->transmit(packet(net.world, frame(kA, kB))));
  net.world.run_for(1ms);
  CHECK(net.heard[0].frames.size() == 1);
  CHECK(net.heard[1].frames.size() == 1);  // only what was flooded at first
  CHECK(other.port_of(kA) == 0U);
  CHECK(net.hub.port_of(kB) == 3U);
  station.reset();
  net.links.clear();
  net.world.run_for(1ms);
}
