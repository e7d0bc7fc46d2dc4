#include <catch2/catch.hpp>

#include <support/lab.hpp>
#include <tapir/ipv4/source_route.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {
constexpr Ipv4Address kSender{0xc0000201U};  // 192.0.2.1
constexpr Ipv4Address kFirst{0xc0000265U};   // 192.0.2.101
constexpr Ipv4Address kSecond{0xc0000266U};  // 192.0.2.102

/// A source route as it arrives at its end: the hops passed, the pointer behind them.
const Bytes kArrived = hex("83 0b 0c c0000265 c0000266");
const Bytes kReturn = hex("83 0b 04 c0000266 c0000265");
}  // namespace

TEST_CASE("a source route option lists the hops, pointer 4", "[ipv4]") {
  const std::vector<IpAddress> hops{kFirst, kSecond};
  CHECK(ipv4::source_route_option(hops) == hex("83 0b 04 c0000265 c0000266"));
  CHECK(ipv4::source_route_option({}).empty());
}

TEST_CASE("the way back is the completed route reversed", "[ipv4]") {
  CHECK(ipv4::return_route_option(kArrived, kSender) == kReturn);
  CHECK(ipv4::return_route_option(hex("01 89 07 08 c0000265"), kSender) == hex("89 07 04 c0000265"));        // strict, behind a NOP
  CHECK(ipv4::return_route_option(hex("83 0b 0c c0000201 c0000266"), kSender) == hex("83 07 04 c0000266"));  // recorded its source
  CHECK(ipv4::return_route_option(hex("83 0b 08 c0000265 c0000266"), kSender).empty());                      // not at its end
  for (const char* odd : {"", "83", "83 00", "83 02", "83 03 04", "83 0b 0c c0", "00 83 07 08 c0000265", "44 08 05 00 00 00 00 00"}) {
    INFO(odd);
    CHECK(ipv4::return_route_option(hex(odd), kSender).empty());
  }
}
