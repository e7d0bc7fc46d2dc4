#include <catch2/catch.hpp>

#include <tins/arp.h>
#include <tins/icmp.h>

#include "stack_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("a router tells the source that a neighbour does not answer ARP", "[stack][RFC1812-3.3.2-2]") {
  StackLab lab{{.ipv4 = {.forwarding = true}}};
  auto second = std::make_unique<RecordingLink>(lab.world.pool());
  RecordingLink& far = *second;
  REQUIRE(lab.stack->add_interface(std::move(second), {.address = "198.51.100.1/24"_prefix, .announce = false}));
  REQUIRE(lab.link->inject(StackLab::frame("for a silent host", "198.51.100.9"_ipv4)));
  lab.world.run_for(10s);
  CHECK(far.take().size() == 3);  // requests
  const auto frames = lab.link->take();
  REQUIRE(frames.size() == 1);
  const Tins::EthernetII sent{reinterpret_cast<const std::uint8_t*>(frames[0].data()), static_cast<std::uint32_t>(frames[0].size())};
  CHECK(sent.rfind_pdu<Tins::IP>().dst_addr() == to_string(kPeer));
  CHECK(sent.rfind_pdu<Tins::ICMP>().type() == Tins::ICMP::DEST_UNREACHABLE);
  CHECK(sent.rfind_pdu<Tins::ICMP>().code() == 1);
}
