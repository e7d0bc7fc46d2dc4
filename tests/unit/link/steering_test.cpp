#include <catch2/catch.hpp>

#include <map>
#include <set>

#include <tins/tins.h>

#include <support/lab.hpp>
#include <tapir/link/fragment_owners.hpp>
#include <tapir/link/steering.hpp>

using namespace tapir;
using namespace tapir::test;
using link::FragmentOwners;
using link::Steering;
using Kind = Steering::Target::Kind;

namespace {

constexpr auto kOurs = "192.0.2.2";
constexpr auto kPeer = "198.51.100.7";
const Ipv4Address kPeerAddress = *Ipv4Address::parse(kPeer);
constexpr std::uint32_t kKey = 0x1234'5678;

Bytes frame_of(const Tins::PDU& datagram, const char* to = "02:00:00:00:00:02") {
  auto frame = Tins::EthernetII{Tins::HWAddress<6>{to}, "02:00:00:00:00:01"} / datagram;
  return bytes_of(frame.serialize());
}
/// From the peer's port to ours.
Bytes tcp_to(std::uint16_t ours, std::uint16_t peers) { return frame_of(Tins::IP{kOurs, kPeer} / Tins::TCP{ours, peers}); }
Bytes udp_to(std::uint16_t ours, std::uint16_t peers) {
  return frame_of(Tins::IP{kOurs, kPeer} / Tins::UDP{ours, peers} / Tins::RawPDU{"data"});
}

/// One fragment of a datagram; the first carries UDP's header.
Bytes fragment_of(std::uint16_t identification, std::uint16_t offset, bool more, std::uint16_t ours = 7, std::uint16_t peers = 1000) {
  Tins::IP ip{kOurs, kPeer};
  ip.id(identification);
  ip.fragment_offset(offset);
  ip.flags(more ? Tins::IP::MORE_FRAGMENTS : static_cast<Tins::IP::Flags>(0));
  if (offset == 0) return frame_of(ip / Tins::UDP{ours, peers} / Tins::RawPDU{"12345678"});
  ip.protocol(17);
  return frame_of(ip / Tins::RawPDU{"no header of UDP's here!"});
}

struct Steered {
  Lab lab;
  Steering steering{4, kKey};
  Steering::Target of(const Bytes& frame) { return steering.target(lab.packet(frame)); }
};

}  // namespace

TEST_CASE("every conversation has one owner, whichever protocol's and whatever quotes it", "[link][shards]") {
  Steered steered;
  const auto ours = GENERATE(as<std::uint16_t>{}, 7, 1883, 32767, 32768, 40000, 50001, 65535);
  const auto peers = GENERATE(as<std::uint16_t>{}, 1, 7, 40000, 65535);
  const std::size_t owner = steered.steering.owner(Port{ours}, kPeerAddress, Port{peers});
  CHECK(owner < 4);
  for (const Bytes& frame : {tcp_to(ours, peers), udp_to(ours, peers)}) {
    const auto target = steered.of(frame);
    CHECK(target.kind == Kind::one);
    CHECK(target.shard == owner);
  }

  SECTION("in an 802.1Q tag too") {
    auto frame =
        Tins::EthernetII{"02:00:00:00:00:02", "02:00:00:00:00:01"} / Tins::Dot1Q{7} / Tins::IP{kOurs, kPeer} / Tins::TCP{ours, peers};
    CHECK(steered.of(bytes_of(frame.serialize())).shard == owner);
  }
  SECTION("with options in the IP header") {
    Tins::IP ip{kOurs, kPeer};
    ip.noop();
    ip.noop();
    CHECK(steered.of(frame_of(ip / Tins::TCP{ours, peers})).shard == owner);
  }
  SECTION("an ICMP error about what we sent, whoever sent the error") {
    const auto quoted = (Tins::IP{kPeer, kOurs} / Tins::UDP{peers, ours} / Tins::RawPDU{"data"}).serialize();
    for (const auto type : {Tins::ICMP::DEST_UNREACHABLE, Tins::ICMP::TIME_EXCEEDED, Tins::ICMP::PARAM_PROBLEM}) {
      const auto target = steered.of(frame_of(Tins::IP{kOurs, "203.0.113.9"} / Tins::ICMP{type} / Tins::RawPDU{quoted}));
      CHECK(target.kind == Kind::one);
      CHECK(target.shard == owner);
    }
  }
}

TEST_CASE("the dynamic ports are shared out without a gap, and what a shard opens is its own", "[link][shards]") {
  const auto shards = GENERATE(as<std::size_t>{}, 1, 2, 3, 7, 64);
  const Steering steering{shards, kKey};
  std::uint32_t next = Steering::first_dynamic.value();
  for (std::size_t shard = 0; shard < shards; ++shard) {
    const auto ports = steering.ports(shard);
    CHECK(ports.first.value() == next);
    REQUIRE(ports.first <= ports.last);
    for (const Port port : {ports.first, ports.last}) {
      CHECK(steering.owner(port, kPeerAddress, Port{1883}) == shard);
      CHECK(steering.owner(port, *Ipv4Address::parse("203.0.113.1"), Port{9}) == shard);
    }
    next = std::uint32_t{ports.last.value()} + 1;
  }
  CHECK(next == 65536);
}

TEST_CASE("the conversations of a service are spread", "[link][shards]") {
  const auto shards = GENERATE(as<std::size_t>{}, 2, 3, 8);
  const auto key = GENERATE(as<std::uint32_t>{}, 0, 1, 0xdead'beef);
  const Steering steering{shards, key};
  std::map<std::size_t, std::size_t> count;
  constexpr std::size_t kClients = 4096;
  for (std::size_t i = 0; i < kClients; ++i) ++count[steering.owner(Port{1883}, kPeerAddress, Port{static_cast<std::uint16_t>(32768 + i)})];
  REQUIRE(count.size() == shards);
  // Fair dice stay within a fifth of the mean with these numbers: it is more than four standard deviations even for eight shards.
  for (const auto& [shard, clients] : count)
    CHECK(std::abs(static_cast<double>(clients) * static_cast<double>(shards) / kClients - 1) < 0.2);
}

TEST_CASE("what follows from the key cannot be known without it", "[link][shards]") {
  std::set<std::size_t> owners;
  for (std::uint32_t key = 0; key < 64; ++key) owners.insert(Steering{4, key}.owner(Port{80}, kPeerAddress, Port{50000}));
  CHECK(owners.size() == 4);
}

TEST_CASE("what is no conversation is everybody's, or the first shard's", "[link][shards]") {
  Steered steered;
  SECTION("everybody's") {
    CHECK(steered.of(bytes_of(Tins::ARP::make_arp_request(kOurs, kPeer, "02:00:00:00:00:01").serialize())).kind == Kind::all);
    CHECK(steered.of(bytes_of(Tins::ARP::make_arp_reply(kOurs, kPeer, "02:00:00:00:00:02", "02:00:00:00:00:01").serialize())).kind ==
          Kind::all);
    CHECK(steered.of(frame_of(Tins::IP{"255.255.255.255", kPeer} / Tins::UDP{68, 67}, "ff:ff:ff:ff:ff:ff")).kind == Kind::all);
    CHECK(steered.of(frame_of(Tins::IP{"224.0.0.251", kPeer} / Tins::UDP{5353, 5353}, "01:00:5e:00:00:fb")).kind == Kind::all);
    Tins::ICMP reply{Tins::ICMP::ECHO_REPLY};
    CHECK(steered.of(frame_of(Tins::IP{kOurs, kPeer} / reply)).kind == Kind::all);
    // An error about a ping of ours: no ports are quoted.
    const auto quoted = (Tins::IP{kPeer, kOurs} / Tins::ICMP{Tins::ICMP::ECHO_REQUEST}).serialize();
    CHECK(steered.of(frame_of(Tins::IP{kOurs, kPeer} / Tins::ICMP{Tins::ICMP::DEST_UNREACHABLE} / Tins::RawPDU{quoted})).kind == Kind::all);
  }
  SECTION("the first's") {
    Tins::IP other{kOurs, kPeer};
    other.protocol(253);
    for (const Bytes& frame :
         {frame_of(Tins::IP{kOurs, kPeer} / Tins::ICMP{Tins::ICMP::ECHO_REQUEST}),
          frame_of(Tins::IP{kOurs, kPeer} / Tins::ICMP{Tins::ICMP::TIMESTAMP_REQUEST}), frame_of(other / Tins::RawPDU{"beacon"}),
          hex("020000000002 020000000001 88b5 0000"), hex("020000000002 0200"), hex("02"), Bytes{}}) {
      const auto target = steered.of(frame);
      CHECK(target.kind == Kind::one);
      CHECK(target.shard == 0);
    }
  }
  SECTION("a frame that ends anywhere is somebody's") {
    const Bytes whole = tcp_to(7, 1000);
    for (std::size_t size = 0; size < whole.size(); ++size)
      CHECK(steered.of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}).shard < 4);
  }
}

TEST_CASE("whoever takes a fragment may have others taken meanwhile", "[link][shards]") {
  Steered steered;
  FragmentOwners owners{steered.steering};
  std::size_t passed = 0;
  const std::function<void(const Bytes&)> take = [&](const Bytes& frame) {
    owners.take(steered.lab.packet(frame), TimePoint{}, [&](std::size_t, const Packet&) {
      if (++passed == 2) take(fragment_of(2, 0, true));
    });
  };
  take(fragment_of(1, 2, false));
  take(fragment_of(2, 2, false));
  take(fragment_of(1, 0, true));
  CHECK(passed == 4);
}

TEST_CASE("fragments follow the first of their datagram", "[link][shards]") {
  Steered steered;
  FragmentOwners owners{steered.steering};
  std::vector<std::size_t> passed;
  TimePoint now{};
  const auto take = [&](const Bytes& frame) {
    REQUIRE(steered.of(frame).kind == Kind::fragment);
    owners.take(steered.lab.packet(frame), now, [&](std::size_t shard, const Packet&) { passed.push_back(shard); });
  };
  // Two peers' ports whose conversations have different owners.
  const auto owner = [&](std::uint16_t peers) { return steered.steering.owner(Port{7}, kPeerAddress, Port{peers}); };
  std::uint16_t other = 1001;
  while (owner(other) == owner(1000)) ++other;
  const std::size_t a = owner(1000), b = owner(other);

  SECTION("in order") {
    take(fragment_of(1, 0, true));
    take(fragment_of(1, 2, true));
    take(fragment_of(1, 5, false));
    CHECK((passed == std::vector{a, a, a}));
  }
  SECTION("those of two datagrams mixed") {
    take(fragment_of(1, 0, true, 7, 1000));
    take(fragment_of(2, 0, true, 7, other));
    take(fragment_of(1, 2, false));
    take(fragment_of(2, 2, false));
    CHECK((passed == std::vector{a, b, a, b}));
  }
  SECTION("those that came before it wait for it") {
    take(fragment_of(1, 2, false));
    take(fragment_of(2, 2, false));
    CHECK(passed.empty());
    take(fragment_of(2, 0, true, 7, other));
    CHECK((passed == std::vector{b, b}));
    take(fragment_of(1, 0, true, 7, 1000));
    CHECK((passed == std::vector{b, b, a, a}));
  }
  SECTION("an identification that is used again means the newer datagram") {
    take(fragment_of(1, 0, true, 7, 1000));
    take(fragment_of(1, 0, true, 7, other));
    take(fragment_of(1, 2, false));
    CHECK((passed == std::vector{a, b, b}));
  }
  SECTION("one that is used again after a long time does not mean the old datagram") {
    take(fragment_of(1, 0, true, 7, 1000));
    now += FragmentOwners::longest;
    take(fragment_of(1, 2, true));
    CHECK((passed == std::vector{a, a}));
    now += std::chrono::nanoseconds{1};
    take(fragment_of(1, 2, false));
    CHECK(passed.size() == 2);
    take(fragment_of(1, 0, true, 7, other));
    CHECK((passed == std::vector{a, a, b, b}));
  }
  SECTION("what waits is given up by name when nobody would put it together any more") {
    take(fragment_of(1, 2, false));
    now += FragmentOwners::longest + std::chrono::nanoseconds{1};
    take(fragment_of(1, 0, true));
    CHECK((passed == std::vector{a}));
    CHECK(owners.drops()[Drop::reassembly_timeout] == 1);
  }
  SECTION("no more than so many wait, and the oldest gives way by name") {
    for (std::uint16_t id = 0; id < FragmentOwners::most_waiting + 1; ++id) take(fragment_of(id, 2, false));
    CHECK(owners.drops()[Drop::queue_full] == 1);
    take(fragment_of(0, 0, true));
    CHECK((passed == std::vector{a}));  // its second fragment had been given up
    take(fragment_of(1, 0, true));
    CHECK((passed == std::vector{a, a, a}));  // the positive twin
  }
}
