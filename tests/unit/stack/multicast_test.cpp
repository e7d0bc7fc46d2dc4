#include <catch2/catch.hpp>

#include "stack_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {
constexpr Ipv4Address kGroup = "239.129.2.3"_ipv4;
constexpr MacAddress kGroupMac{{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};  ///< the low 23 bits: 129 loses its top one
}  // namespace

TEST_CASE("a program joins a group on Ethernet, hears it, speaks to it and leaves it", "[stack][RFC1122-3.3.7-1][RFC1112-6.2-1]") {
  StackLab lab;
  auto socket = lab.stack->udp().bind({{}, kOurPort});
  REQUIRE(socket);
  const Bytes frame = StackLab::frame("news", kGroup, kGroupMac);
  CHECK(lab.link->inject(frame).error() == Drop::not_for_us);
  REQUIRE(socket->join(kGroup));
  CHECK(lab.link->take().empty());
  REQUIRE(lab.link->inject(frame));
  const auto received = socket->receive();
  REQUIRE(received);
  CHECK(received->payload.bytes() == bytes_of("news"));
  CHECK(received->destination.address == IpAddress{kGroup});

  REQUIRE(socket->send_to({kGroup, kOurPort}, bytes_of("hello")));
  const auto frames = lab.link->take();
  REQUIRE(frames.size() == 1);
  const Tins::EthernetII sent{reinterpret_cast<const std::uint8_t*>(frames[0].data()), static_cast<std::uint32_t>(frames[0].size())};
  CHECK(sent.dst_addr() == "01:00:5e:01:02:03");
  CHECK(sent.rfind_pdu<Tins::IP>().ttl() == 1);
  lab.world.run_for(1ms);
  CHECK(socket->receive()->payload.bytes() == bytes_of("hello"));
  CHECK_FALSE(socket->receive());

  socket->leave(kGroup);
  CHECK(lab.link->inject(frame).error() == Drop::not_for_us);
  CHECK(lab.link->take().empty());
}

TEST_CASE("a group without a listener draws no error", "[stack][RFC1112-7.2-2]") {
  StackLab lab;
  REQUIRE(lab.stack->ipv4().join(kGroup, std::nullopt));
  CHECK(lab.link->inject(StackLab::frame("x", kGroup, kGroupMac)).error() == Drop::no_listener);
  // Another group of the same hardware address passes the link's filter.
  CHECK(lab.link->inject(StackLab::frame("x", "225.1.2.3"_ipv4, kGroupMac)).error() == Drop::not_for_us);
  CHECK(lab.link->take().empty());
  CHECK(lab.link->inject(StackLab::frame("x")).error() == Drop::no_listener);
  CHECK(lab.link->take().size() == 1);  // unicast draws port unreachable
}

TEST_CASE("224.0.0.1 is heard from the start", "[stack][RFC1112-7.2-6]") {
  StackLab lab;
  auto socket = lab.stack->udp().bind({{}, kOurPort});
  REQUIRE(socket);
  REQUIRE(socket->join("224.0.0.1"_ipv4));
  socket->leave("224.0.0.1"_ipv4);
  REQUIRE(socket->join("224.0.0.1"_ipv4));
  CHECK(lab.link->inject(StackLab::frame("to all hosts", "224.0.0.1"_ipv4, MacAddress{{0x01, 0, 0x5e, 0, 0, 1}})));
  CHECK(socket->waiting() == 1);
}
