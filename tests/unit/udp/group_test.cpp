#include <catch2/catch.hpp>

#include <optional>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

constexpr Ipv4Address kGroup = "224.1.2.3"_ipv4;
constexpr Ipv4Address kBroadcast = "192.0.2.255"_ipv4;

Accepted inject_to_group(UdpLab& lab, std::string_view payload, Ipv4Address group, Ipv4Address source = kPeer) {
  auto from = UdpLab::from(source, group);
  from.to_group = true;
  from.cast = group.is_multicast() ? LinkCast::multicast : LinkCast::broadcast;
  return lab.network.inject(datagram(payload, source, group), from);
}

}  // namespace

TEST_CASE("a multicast datagram reaches every joined socket at the port", "[udp][POLICY-UDP-7]") {
  UdpLab lab;
  auto one = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto two = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto bound = lab.udp.bind({kGroup, kOurPort}, {.reuse = true});
  auto elsewhere = lab.udp.bind({kOwn, kOurPort});
  auto not_joined = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto other_port = lab.udp.bind({{}, Port{5001}});
  for (auto* socket : {&one, &two, &bound, &elsewhere, &other_port}) {
    REQUIRE(*socket);
    REQUIRE((*socket)->join(kGroup));
  }
  REQUIRE(not_joined);
  CHECK(lab.network.groups.contains(kGroup));
  REQUIRE(inject_to_group(lab, "to all", kGroup));
  for (auto* socket : {&one, &two, &bound}) {
    const auto received = (*socket)->receive();
    REQUIRE(received);
    CHECK(received->payload.bytes() == bytes_of("to all"));
    CHECK(received->destination == Endpoint{kGroup, kOurPort});
  }
  CHECK(elsewhere->waiting() == 0);  // bound to a unicast address
  CHECK(not_joined->waiting() == 0);
  CHECK(other_port->waiting() == 0);
  CHECK(lab.udp.stats().in_datagrams == 1);
}

TEST_CASE("a socket that wants all groups gets what comes to those that others have joined", "[udp]") {
  UdpLab lab;
  auto member = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto all = lab.udp.bind({{}, kOurPort}, {.reuse = true, .all_groups = true});
  auto elsewhere = lab.udp.bind({kOwn, kOurPort}, {.reuse = true, .all_groups = true});
  REQUIRE((member && all && elsewhere));
  REQUIRE(member->join(kGroup));
  REQUIRE(inject_to_group(lab, "to all", kGroup));
  CHECK(member->waiting() == 1);
  CHECK(all->waiting() == 1);
  CHECK(elsewhere->waiting() == 0);
  all->set_all_groups(false);
  REQUIRE(inject_to_group(lab, "to members", kGroup));
  CHECK(member->waiting() == 2);
  CHECK(all->waiting() == 1);
}

TEST_CASE("only who joined the group gets its datagrams, and only until leaving", "[udp][POLICY-UDP-7]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  CHECK(socket->join(kPeer).error() == Error::invalid_argument);
  CHECK(inject_to_group(lab, "x", kGroup).error() == Drop::no_listener);
  REQUIRE(socket->join(kGroup));
  REQUIRE(socket->join(kGroup));  // a second time changes nothing
  CHECK(inject_to_group(lab, "x", kGroup));
  CHECK(inject_to_group(lab, "x", "224.9.9.9"_ipv4).error() == Drop::no_listener);
  socket->leave(kGroup);
  CHECK(lab.network.groups.empty());
  CHECK(inject_to_group(lab, "x", kGroup).error() == Drop::no_listener);
  CHECK(socket->waiting() == 1);
  REQUIRE(socket->join(kGroup));
  socket->close();
  CHECK(lab.network.groups.empty());
  CHECK(lab.network.refused.empty());
}

TEST_CASE("a broadcast reaches every open socket at the port, and none that is bound to a unicast address", "[udp]") {
  UdpLab lab;
  auto one = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto two = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto bound = lab.udp.bind({kOwn, kOurPort});
  auto at_broadcast = lab.udp.bind({kBroadcast, kOurPort});
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(bound);
  REQUIRE(at_broadcast);
  REQUIRE(inject_to_group(lab, "x", kBroadcast));
  CHECK(one->waiting() == 1);
  CHECK(two->waiting() == 1);
  CHECK(bound->waiting() == 0);
  CHECK(at_broadcast->waiting() == 1);
}

TEST_CASE("endpoints are shared only when both sockets say so", "[udp]") {
  UdpLab lab;
  auto alone = lab.udp.bind({{}, Port{1}});
  auto sharing = lab.udp.bind({{}, Port{2}}, {.reuse = true});
  REQUIRE(alone);
  REQUIRE(sharing);
  CHECK(lab.udp.bind({{}, Port{1}}, {.reuse = true}).error() == Error::address_in_use);
  CHECK(lab.udp.bind({{}, Port{2}}).error() == Error::address_in_use);
  CHECK(lab.udp.bind({{}, Port{2}}, {.reuse = true}));
}

TEST_CASE("the members of a group fill up one by one", "[udp]") {
  UdpLab lab;
  auto small = lab.udp.bind({{}, kOurPort}, {.reuse = true, .receive_limit_bytes = 1500});
  auto large = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  REQUIRE(small);
  REQUIRE(large);
  for (int i = 0; i < 20; ++i) CHECK(inject_to_group(lab, "x", kBroadcast));
  CHECK(small->waiting() < 20);
  CHECK(large->waiting() == 20);
  large->close();
  CHECK(inject_to_group(lab, "x", kBroadcast).error() == Drop::queue_full);
}

TEST_CASE("a callback may close the other members of its group", "[udp]") {
  UdpLab lab;
  std::optional<udp::Socket> one{*lab.udp.bind({{}, kOurPort}, {.reuse = true})};
  std::optional<udp::Socket> two{*lab.udp.bind({{}, kOurPort}, {.reuse = true})};
  int calls = 0;
  const auto close_both = [&] {
    ++calls;
    one.reset();
    two.reset();
  };
  one->on_readable(close_both);
  two->on_readable(close_both);
  CHECK(inject_to_group(lab, "x", kBroadcast));
  CHECK(calls == 1);
  CHECK(lab.udp.size() == 0);
}

TEST_CASE("a connected socket takes no broadcast, and what a group's socket sends comes from a host's address", "[udp]") {
  UdpLab lab;
  auto connected = lab.udp.bind({{}, kOurPort});
  auto group = lab.udp.bind({kGroup, Port{5001}});
  REQUIRE(connected);
  REQUIRE(group);
  REQUIRE(connected->connect({kPeer, kPeerPort}));
  CHECK(inject_to_group(lab, "x", kBroadcast).error() == Drop::no_listener);
  REQUIRE(group->send_to({kPeer, kPeerPort}, bytes_of("x")));
  CHECK(lab.network.sent.at(0).to.source == IpAddress{kOwn});
}

TEST_CASE("a socket joins a group on one interface or on all", "[udp][RFC1112-7.1-1]") {
  UdpLab lab;
  auto one = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto all = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  REQUIRE(one);
  REQUIRE(all);
  REQUIRE(one->join(kGroup, InterfaceIndex{0}));
  REQUIRE(all->join(kGroup));
  CHECK(one->join(kGroup, InterfaceIndex{5}).error() == Error::no_such_device);
  const auto inject = [&](InterfaceIndex interface) {
    auto from = UdpLab::from(kPeer, kGroup);
    from.to_group = true;
    from.cast = LinkCast::multicast;
    from.interface = interface;
    return lab.network.inject(datagram("x", kPeer, kGroup), from);
  };
  CHECK(inject(InterfaceIndex{0}));
  CHECK(inject(InterfaceIndex{1}));
  CHECK(one->waiting() == 1);
  CHECK(all->waiting() == 2);
  one->leave(kGroup);  // it never joined everywhere
  CHECK(inject(InterfaceIndex{0}));
  CHECK(one->waiting() == 2);
  one->leave(kGroup, InterfaceIndex{0});
  CHECK(inject(InterfaceIndex{0}));
  CHECK(one->waiting() == 2);
}

TEST_CASE("a socket chooses from where its multicast leaves, and whether it comes back", "[udp][RFC1112-6.1-2][RFC1112-6.1-3]") {
  UdpLab lab;
  auto usual = lab.udp.bind({{}, Port{1}});
  auto chosen = lab.udp.bind({{}, Port{2}}, {.multicast_source = kSecondOwn, .multicast_loopback = false});
  auto bound = lab.udp.bind({kOwn, Port{3}}, {.multicast_source = kSecondOwn});
  REQUIRE(usual);
  REQUIRE(chosen);
  REQUIRE(bound);
  CHECK(lab.udp.bind({{}, Port{4}}, {.multicast_source = kPeer}).error() == Error::address_not_available);
  for (auto* socket : {&usual, &chosen, &bound}) REQUIRE((*socket)->send_to({kGroup, kPeerPort}, bytes_of("x")));
  const auto sent = lab.network.take();
  REQUIRE(sent.size() == 3);
  CHECK(sent[0].to.source == IpAddress{kOwn});
  CHECK(sent[0].to.loop_multicast);
  CHECK(sent[1].to.source == IpAddress{kSecondOwn});
  CHECK_FALSE(sent[1].to.loop_multicast);
  CHECK(sent[2].to.source == IpAddress{kOwn});
  REQUIRE(chosen->send_to({kPeer, kPeerPort}, bytes_of("x")));  // unicast goes as ever
  CHECK(lab.network.take().at(0).to.source == IpAddress{kOwn});
}
