#include <catch2/catch.hpp>

#include "neighbourhood.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("an entry lives 20 minutes and is asked for again afterwards", "[arp][POLICY-ARP-1][RFC1122-2.3.2.1-1]") {
  Neighbourhood net;
  net.resolve();
  net.lab.advance(1199s);
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
  CHECK(net.size() == 1);
  CHECK(net.link.take().empty());  // nobody asked in between
  net.lab.advance(2s);
  CHECK_FALSE(net.arp.lookup(kPeerIp));
  CHECK(net.size() == 0);
  CHECK(net.send(kPeerIp));
  const auto sent = net.take();
  CHECK(sent.datagrams.empty());
  REQUIRE(sent.messages.size() == 1);
  CHECK(sent.messages[0].to == MacAddress::broadcast());
}

TEST_CASE("the lifetime is configurable", "[arp][RFC1122-2.3.2.1-2]") {
  Neighbourhood net{{.lifetime = 60s}};
  net.resolve();
  net.lab.advance(59999ms);
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
  net.lab.advance(1ms);
  CHECK_FALSE(net.arp.lookup(kPeerIp));
}

TEST_CASE("a message from the peer restarts the lifetime", "[arp][POLICY-ARP-2]") {
  Neighbourhood net;
  net.resolve();
  net.lab.advance(600s);
  const bool for_us = GENERATE(true, false);
  CHECK(net.request(kPeerIp, kPeerMac, for_us ? kOwnIp : kOtherIp));
  (void)net.link.take();
  net.lab.advance(1100s);
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
  net.lab.advance(101s);
  CHECK(net.send(kPeerIp));
  const auto sent = net.take();
  CHECK(sent.datagrams.empty());
  CHECK(sent.messages.size() == 1);
}

TEST_CASE("sending alone does not restart the lifetime", "[arp][POLICY-ARP-2]") {
  const auto window = GENERATE(Duration{0s}, Duration{60s});
  Neighbourhood net{{.refresh_window = window}};
  net.resolve();
  std::vector<TimePoint> broadcasts;
  std::size_t polls = 0;
  std::size_t datagrams = 0;
  for (int second = 1; second <= 1201; ++second) {
    net.lab.advance(1s);
    REQUIRE(net.send(kPeerIp));
    const auto sent = net.take();
    datagrams += sent.datagrams.size();
    for (const Heard& heard : sent.messages) {
      if (heard.to == MacAddress::broadcast()) {
        broadcasts.push_back(net.lab.scheduler.now());
      } else {
        CHECK(heard.to == kPeerMac);
        CHECK(net.lab.scheduler.now() >= TimePoint{1200s - window});
        ++polls;
      }
    }
  }
  CHECK(datagrams == 1199);  // no poll held a datagram back
  REQUIRE_FALSE(broadcasts.empty());
  CHECK(broadcasts[0] == TimePoint{1200s});
  CHECK(polls == (window == Duration{0s} ? 0 : 3));
}

TEST_CASE("an entry in use is confirmed before it ends and traffic never stops", "[arp]") {
  Neighbourhood net;
  net.resolve();
  std::size_t polls = 0;
  for (int second = 1; second <= 5000; ++second) {
    net.lab.advance(1s);
    REQUIRE(net.send(kPeerIp));
    const auto sent = net.take();
    REQUIRE(sent.datagrams.size() == 1);
    for (const Heard& heard : sent.messages) {
      ++polls;
      CHECK(heard.to == kPeerMac);
      CHECK(heard.tpa == kPeerIp);
      CHECK(net.reply());
    }
  }
  CHECK(polls == 4);  // 1140, 2280, 3420 and 4560 s
}

TEST_CASE("polls of an entry in use are a second apart", "[arp][RFC1122-2.3.2.1-4]") {
  Neighbourhood net{{.max_tries = 100}};
  net.resolve();
  net.lab.advance(1150s);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(net.send(kPeerIp));
    net.lab.advance(10ms);
  }
  CHECK(net.take().messages.size() == 10);
}

TEST_CASE("advice from above confirms an entry or ends it", "[arp]") {
  Neighbourhood net;
  net.resolve();
  net.lab.advance(1000s);
  net.arp.confirm(kPeerIp);
  net.lab.advance(1100s);
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
  net.arp.suspect(kPeerIp);
  CHECK_FALSE(net.arp.lookup(kPeerIp));
  net.arp.confirm(kPeerIp);  // what has ended is not brought back
  net.arp.confirm(kOtherIp);
  net.arp.suspect(kOtherIp);
  CHECK_FALSE(net.arp.lookup(kPeerIp));
  REQUIRE(net.send(kPeerIp));
  CHECK(net.take().messages.size() == 1);
}

TEST_CASE("the latest datagrams wait and leave in order", "[arp][RFC1122-2.3.2.2-1][POLICY-ARP-4]") {
  Neighbourhood net{{.address_queue_bytes = 2 * (64 + 256)}};
  for (std::uint8_t mark = 1; mark <= 3; ++mark) REQUIRE(net.send(kPeerIp, mark));
  CHECK(net.drops(Drop::queue_full) == 1);
  CHECK(net.arp.entries().at(0).waiting == 2);
  REQUIRE(net.reply());
  const auto sent = net.take();
  REQUIRE(sent.datagrams.size() == 2);
  CHECK(sent.datagrams[0].second == 2);
  CHECK(sent.datagrams[1].second == 3);
}

TEST_CASE("waiting bytes are bounded over all neighbours", "[arp][POLICY-ARP-4]") {
  Neighbourhood net{{.queue_bytes_limit = 3 * (64 + 256)}};
  REQUIRE(net.send(kPeerIp, 1));
  REQUIRE(net.send(kOtherIp, 2));
  REQUIRE(net.send(kOtherIp, 3));
  CHECK(net.send("192.0.2.50"_ipv4) == fail(Error::no_buffer_space));
  CHECK(net.drops(Drop::memory_limit) == 1);
  REQUIRE(net.send(kOtherIp, 4));  // in place of its own oldest
  CHECK(net.drops(Drop::queue_full) == 1);
  REQUIRE(net.reply(kOtherIp));
  CHECK(net.take().datagrams.size() == 2);
  CHECK(net.send("192.0.2.51"_ipv4));  // room again
  net.lab.advance(1min);
  CHECK(net.failures.size() == 2);
  for (int i = 0; i < 3; ++i) CHECK(net.send(kPeerIp));
}

TEST_CASE("a hundred thousand neighbours do not fill the memory", "[arp][POLICY-ARP-4]") {
  Neighbourhood net{{.entry_limit = 256}};
  net.resolve();
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    REQUIRE(net.send(Ipv4Address{0x0a000001U + i}));
    if (i % 1000 == 0) (void)net.link.take();
  }
  CHECK(net.size() <= 256);
  CHECK(net.lab.pool.in_use() <= 256);
  CHECK(net.lab.scheduler.armed_timers() <= 256);
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);  // a neighbour in use does not give way to absent ones
  CHECK(net.drops(Drop::memory_limit) + 256 > 100'000);
  net.lab.advance(1min);
  CHECK(net.lab.pool.in_use() == 0);
  CHECK(net.lab.scheduler.armed_timers() == 0);
}

TEST_CASE("the oldest learned entry gives way", "[arp][POLICY-ARP-4]") {
  Neighbourhood net{{.entry_limit = 8}};
  REQUIRE(net.arp.add_static("192.0.2.200"_ipv4, kOtherMac));
  const auto address = [](std::uint32_t i) { return Ipv4Address{0xc000020aU + i}; };
  for (std::uint32_t i = 0; i < 8; ++i) REQUIRE(net.request(address(i)));
  REQUIRE(net.request(address(0)));  // heard again: the youngest now
  REQUIRE(net.request(address(8)));
  CHECK(net.arp.lookup(address(0)));
  CHECK_FALSE(net.arp.lookup(address(1)));
  for (std::uint32_t i = 2; i <= 8; ++i) CHECK(net.arp.lookup(address(i)));
  CHECK(net.arp.lookup("192.0.2.200"_ipv4) == kOtherMac);
}

TEST_CASE("a full table still resolves several neighbours at a time", "[arp]") {
  Neighbourhood net{{.entry_limit = 8}};
  for (std::uint32_t i = 0; i < 8; ++i) REQUIRE(net.request(Ipv4Address{0xc0000264U + i}));
  REQUIRE(net.send(kPeerIp, 1));
  REQUIRE(net.send(kOtherIp, 2));
  (void)net.take();
  REQUIRE(net.reply(kPeerIp));
  REQUIRE(net.reply(kOtherIp));
  CHECK(net.take().datagrams.size() == 2);
}

TEST_CASE("a static entry neither expires nor is overwritten", "[arp][POLICY-ARP-5]") {
  Neighbourhood net;
  REQUIRE(net.arp.add_static(kPeerIp, kPeerMac));
  CHECK(net.reply(kPeerIp, kOtherMac));
  CHECK(net.request(kPeerIp, kOtherMac));
  (void)net.link.take();
  net.lab.advance(48h);
  REQUIRE(net.send(kPeerIp));
  const auto sent = net.take();
  CHECK(sent.messages.empty());
  REQUIRE(sent.datagrams.size() == 1);
  CHECK(sent.datagrams[0].first == kPeerMac);
  SECTION("until it is removed") {
    CHECK(net.arp.remove(kPeerIp));
    CHECK_FALSE(net.arp.remove(kPeerIp));
    REQUIRE(net.send(kPeerIp));
    CHECK(net.take().messages.size() == 1);
  }
  SECTION("but by hand") {
    REQUIRE(net.arp.add_static(kPeerIp, kOtherMac));
    CHECK(net.arp.lookup(kPeerIp) == kOtherMac);
  }
  SECTION("and a flush leaves it") {
    net.resolve(kOtherIp);
    net.arp.flush();
    CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
    CHECK_FALSE(net.arp.lookup(kOtherIp));
  }
}

TEST_CASE("a static entry frees what waits for it", "[arp]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp, 9));
  (void)net.take();
  REQUIRE(net.arp.add_static(kPeerIp, kPeerMac));
  CHECK(net.take().datagrams.size() == 1);
  net.lab.advance(10s);
  CHECK(net.link.take().empty());
  CHECK(net.failures.empty());
}

TEST_CASE("static entries are checked and bounded", "[arp]") {
  Neighbourhood net{{.static_limit = 1}};
  CHECK(net.arp.add_static(kPeerIp, MacAddress::broadcast()) == fail(Error::invalid_argument));
  CHECK(net.arp.add_static(kPeerIp, MacAddress{}) == fail(Error::invalid_argument));
  CHECK(net.arp.add_static("224.0.0.1"_ipv4, kPeerMac) == fail(Error::invalid_argument));
  CHECK(net.arp.add_static(kPeerIp, kPeerMac));
  CHECK(net.arp.add_static(kOtherIp, kPeerMac) == fail(Error::no_buffer_space));
  CHECK(net.arp.add_static(kPeerIp, kOtherMac));
}

TEST_CASE("removing an entry drops what waits for it", "[arp]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp));
  CHECK(net.arp.remove(kPeerIp));
  CHECK(net.drops(Drop::unresolved) == 1);
  CHECK(net.lab.scheduler.armed_timers() == 0);
  REQUIRE(net.send(kPeerIp));
  net.arp.flush();
  CHECK(net.drops(Drop::unresolved) == 2);
  CHECK(net.lab.pool.in_use() == 0);
}

TEST_CASE("the table is printed as arp -n prints it", "[arp]") {
  Neighbourhood net;
  REQUIRE(net.arp.add_static("192.0.2.9"_ipv4, kOtherMac));
  net.resolve();
  REQUIRE(net.send(kOtherIp));
  const auto entries = net.arp.entries();
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].state == arp::NeighbourState::resolved);
  CHECK(entries[0].remaining == Duration{20min});
  CHECK(entries[1].state == arp::NeighbourState::permanent);
  CHECK_FALSE(entries[1].remaining);
  CHECK(entries[2].state == arp::NeighbourState::incomplete);
  CHECK(entries[2].waiting == 1);
  CHECK(arp::format_table(entries, "tap0") ==
        "Address                  HWtype  HWaddress           Flags Mask            Iface\n"
        "192.0.2.1                ether   02:00:5e:10:00:01   C                     tap0\n"
        "192.0.2.9                ether   02:00:5e:10:00:77   CM                    tap0\n"
        "192.0.2.77                       (incomplete)                              tap0\n");
  net.lab.advance(3s);
  CHECK(net.arp.entries()[2].state == arp::NeighbourState::failed);
  CHECK(net.arp.entries()[2].remaining == Duration{5s});
}

TEST_CASE("one datagram waits, however small the queue", "[arp][RFC1122-2.3.2.2-1]") {
  Neighbourhood net{{.address_queue_bytes = 0}};
  REQUIRE(net.send(kPeerIp, 1));
  REQUIRE(net.send(kPeerIp, 2));
  REQUIRE(net.reply());
  const auto sent = net.take();
  REQUIRE(sent.datagrams.size() == 1);
  CHECK(sent.datagrams[0].second == 2);
}

TEST_CASE("the largest datagram there is waits whole, in fragments", "[arp]") {
  Neighbourhood net;
  for (std::uint8_t fragment = 0; fragment < 45; ++fragment) {
    REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(1500, std::byte{fragment})), {.next_hop = kPeerIp}));
  }
  REQUIRE(net.reply());
  CHECK(net.take().datagrams.size() == 45);
  CHECK(net.drops(Drop::queue_full) == 0);
  REQUIRE(net.arp.remove(kPeerIp));
  for (int i = 0; i < 10'000; ++i) REQUIRE(net.send(kPeerIp));  // and yet there is a bound
  CHECK(net.arp.entries().at(0).waiting == 256 * 1024 / (64 + 256));
}

TEST_CASE("an entry may live for ever", "[arp]") {
  Neighbourhood net{{.lifetime = Duration::max(), .retry_interval = Duration::max(), .failure_hold = Duration::max()}};
  net.lab.advance(1s);
  REQUIRE(net.send(kPeerIp));
  net.resolve();
  net.lab.advance(std::chrono::hours{24} * 365);
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
  REQUIRE(net.send(kPeerIp));
}
