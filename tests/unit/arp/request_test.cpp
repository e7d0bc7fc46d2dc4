#include <catch2/catch.hpp>

#include "neighbourhood.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("a request has the layout of RFC 826 for Ethernet and IPv4", "[arp][RFC826-Format-1][ethernet][RFC1122-2.3.3-6]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp));
  const auto frames = net.link.take();
  REQUIRE(frames.size() == 1);  // and no datagram ahead of it
  REQUIRE(frames[0].size() == 60);
  CHECK(Bytes(frames[0].begin(), frames[0].begin() + 42) == hex("ffffffffffff 02005e100002 0806"
                                                                "0001 0800 06 04 0001"
                                                                "02005e100002 c0000202"
                                                                "000000000000 c0000201"));
}

TEST_CASE("a datagram to an unknown neighbour is preceded by a broadcast request", "[arp][RFC826-Generation-1][RFC826-Generation-2]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp));
  const auto sent = net.take();
  REQUIRE(sent.messages.size() == 1);
  CHECK(sent.datagrams.empty());
  const Heard& request = sent.messages[0];
  CHECK(request.to == MacAddress::broadcast());
  CHECK(request.operation == 1);
  CHECK(request.sha == kOwnMac);
  CHECK(request.spa == kOwnIp);
  CHECK(request.tha.is_zero());
  CHECK(request.tpa == kPeerIp);
  CHECK(net.arp.stats().out_requests == 1);
}

TEST_CASE("the datagram waits and the call succeeds", "[arp][ethernet][RFC1122-2.4-3]") {
  Neighbourhood net;
  CHECK(net.send(kPeerIp, 7));
  CHECK(net.take().datagrams.empty());
  CHECK(net.reply());
  const auto sent = net.take();
  REQUIRE(sent.datagrams.size() == 1);
  CHECK(sent.datagrams[0] == std::pair{kPeerMac, 7U});
}

TEST_CASE("the request names the datagram's source when it is ours", "[arp]") {
  Neighbourhood net;
  net.arp.add_address("198.51.100.2"_ipv4);
  const auto send = [&](Ipv4Address next_hop, Ipv4Address source) {
    REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(40)), {.next_hop = next_hop, .source = source}));
    return net.take().messages.at(0).spa;
  };
  CHECK(send("198.51.100.1"_ipv4, "198.51.100.2"_ipv4) == "198.51.100.2"_ipv4);
  CHECK(send(kPeerIp, {}) == kOwnIp);
  CHECK(send(kOtherIp, "203.0.113.9"_ipv4) == kOwnIp);  // a forwarded datagram's source is not ours to claim
}

TEST_CASE("broadcast and multicast are mapped without a request", "[arp][ethernet][RFC894-Broadcast-1][RFC1112-6.4-1]") {
  Neighbourhood net;
  REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(40)), {.next_hop = Ipv4Address::broadcast()}));
  REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(40)), {.next_hop = "192.0.2.255"_ipv4, .broadcast = true}));
  REQUIRE(net.send("224.128.1.2"_ipv4));
  REQUIRE(net.send("239.0.1.2"_ipv4));
  const auto sent = net.take();
  CHECK(sent.messages.empty());
  REQUIRE(sent.datagrams.size() == 4);
  CHECK(sent.datagrams[0].first == MacAddress::broadcast());
  CHECK(sent.datagrams[1].first == MacAddress::broadcast());
  CHECK(sent.datagrams[2].first == "01:00:5e:00:01:02"_mac);
  CHECK(sent.datagrams[3].first == "01:00:5e:00:01:02"_mac);
  CHECK(net.size() == 0);
}

TEST_CASE("the type of service goes down, at once and from the queue", "[arp][ethernet][RFC1122-2.4-2]") {
  Neighbourhood net;
  REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(40)), {.next_hop = kPeerIp, .tos = 0x10}));
  REQUIRE(net.reply());
  REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(40)), {.next_hop = kPeerIp, .tos = 0x08}));
  REQUIRE(net.link.metas.size() == 3);
  CHECK(net.link.metas[1].tos == 0x10);
  CHECK(net.link.metas[2].tos == 0x08);
}

TEST_CASE("a next hop that is no neighbour is refused", "[arp]") {
  Neighbourhood net;
  for (const Ipv4Address address : {kOwnIp, Ipv4Address{}, "127.0.0.1"_ipv4}) CHECK(net.send(address) == fail(Error::invalid_argument));
  net.arp.remove_address(kOwnIp);
  CHECK(net.send(kPeerIp) == fail(Error::address_not_available));
  CHECK(net.link.take().empty());
  CHECK(net.size() == 0);
}

TEST_CASE("a thousand sends to a silent neighbour within a second make one request", "[arp][RFC1122-2.3.2.1-3][RFC1122-2.3.2.1-4]") {
  Neighbourhood net;
  for (int i = 0; i < 1000; ++i) {
    (void)net.send(kPeerIp);
    net.lab.advance(999us);
  }
  CHECK(net.take().messages.size() == 1);
}

TEST_CASE("requests for one address are at least a second apart, giving up included", "[arp][RFC1122-2.3.2.1-3][RFC1122-2.3.2.1-4]") {
  const auto hold = GENERATE(Duration{0s}, Duration{300ms}, Duration{5s});
  Neighbourhood net{{.failure_hold = hold}};
  std::vector<TimePoint> at;
  for (int i = 0; i < 600; ++i) {
    (void)net.send(kPeerIp);
    for (std::size_t n = net.take().messages.size(); n > 0; --n) at.push_back(net.lab.scheduler.now());
    net.lab.advance(50ms);
  }
  CHECK(at.size() >= 10);
  for (std::size_t i = 1; i < at.size(); ++i) CHECK(at[i] - at[i - 1] >= 950ms);  // seen at steps of 50 ms
}

TEST_CASE("a silent neighbour is asked three times and the senders are told", "[arp][POLICY-ARP-3]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp, 1));
  net.lab.advance(1s);
  REQUIRE(net.send(kPeerIp, 2));
  net.lab.advance(1999ms);
  CHECK(net.failures.empty());
  net.lab.advance(1ms);
  REQUIRE(net.failures.size() == 2);
  CHECK(net.failures[0] == std::pair{kPeerIp, Bytes(64, std::byte{1})});
  CHECK(net.failures[1] == std::pair{kPeerIp, Bytes(64, std::byte{2})});
  CHECK(net.take().messages.size() == 3);
  CHECK(net.arp.stats().failures == 1);
  CHECK(net.send(kPeerIp) == fail(Error::host_unreachable));
  net.lab.advance(10min);
  CHECK(net.link.take().empty());
  CHECK(net.lab.scheduler.armed_timers() == 0);
  CHECK(net.failures.size() == 2);
}

TEST_CASE("tries and interval are configurable", "[arp][POLICY-ARP-3]") {
  Neighbourhood net{{.retry_interval = 2s, .max_tries = 5}};
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(9999ms);
  CHECK(net.failures.empty());
  CHECK(net.take().messages.size() == 5);
  net.lab.advance(1ms);
  CHECK(net.failures.size() == 1);
}

TEST_CASE("after the hold the neighbour is asked again", "[arp]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(3s);
  (void)net.take();
  net.lab.advance(4999ms);
  CHECK_FALSE(net.send(kPeerIp));
  net.lab.advance(1ms);
  CHECK(net.send(kPeerIp));
  CHECK(net.take().messages.size() == 1);
  CHECK(net.reply());
  CHECK(net.take().datagrams.size() == 1);
}

TEST_CASE("a neighbour that shows up during the hold is used at once", "[arp]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(3s);
  CHECK_FALSE(net.send(kPeerIp));
  REQUIRE(net.request());
  (void)net.take();
  CHECK(net.send(kPeerIp));
  CHECK(net.take().datagrams.size() == 1);
}

TEST_CASE("without a failure receiver unresolved datagrams are dropped by name", "[arp]") {
  Neighbourhood net;
  net.arp.set_failure_receiver(nullptr);
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(3s);
  CHECK(net.drops(Drop::unresolved) == 1);
}

TEST_CASE("a failure receiver may send, forget the entry and ask anew", "[arp]") {
  struct Busy final : arp::FailureReceiver {
    explicit Busy(Neighbourhood& n) : net{n} {}
    void unresolved(Ipv4Address next_hop, Packet datagram) override {
      ++calls;
      net.arp.remove(next_hop);
      if (calls == 1) (void)net.arp.encapsulate(std::move(datagram), {.next_hop = next_hop});
    }
    Neighbourhood& net;
    int calls = 0;
  };
  Neighbourhood net;
  Busy busy{net};
  net.arp.set_failure_receiver(&busy);
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(3s);
  CHECK(busy.calls == 1);
  net.lab.advance(3s);
  CHECK(busy.calls == 2);
}

TEST_CASE("what a full link refuses is counted and the request is repeated", "[arp]") {
  Neighbourhood net;
  net.link.full = true;
  REQUIRE(net.send(kPeerIp, 3));
  CHECK(net.arp.stats().out_failed == 1);
  net.link.full = false;
  net.lab.advance(1s);
  CHECK(net.take().messages.size() == 1);
  net.link.full = true;
  REQUIRE(net.reply());
  CHECK(net.arp.stats().out_failed == 2);
  net.link.full = false;
  REQUIRE(net.send(kPeerIp, 4));
  CHECK(net.take().datagrams == std::vector{std::pair{kPeerMac, 4U}});
}

TEST_CASE("an entry that ends right after a request is not asked for again at once", "[arp][RFC1122-2.3.2.1-4]") {
  Neighbourhood net;
  net.resolve();
  net.lab.advance(300ms);
  net.arp.suspect(kPeerIp);
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(699ms);
  CHECK(net.link.take().empty());
  net.lab.advance(1ms);
  CHECK(net.take().messages.size() == 1);
  CHECK(net.reply());
  CHECK(net.take().datagrams.size() == 1);
}
