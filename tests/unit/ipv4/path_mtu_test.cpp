#include <catch2/catch.hpp>

#include <utility>
#include <vector>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;
using ipv4::PathMtuCache;

namespace {
constexpr auto kPeer = "203.0.113.1"_ipv4;

network::ErrorReport too_big(std::uint16_t mtu, std::uint16_t quoted_length) {
  network::ErrorReport report;
  report.kind = network::ErrorKind::fragmentation_needed;
  report.type = 3;
  report.code = 4;
  report.reporter = "192.0.2.1"_ipv4;
  report.source = "192.0.2.2"_ipv4;
  report.destination = kPeer;
  report.next_hop_mtu = mtu;
  report.quoted_length = quoted_length;
  return report;
}
}  // namespace

TEST_CASE("an estimate goes down by what a router says, never up, never below 68", "[ipv4][RFC1191-3-1][RFC1191-3-7][RFC1191-3-8]") {
  PathMtuCache cache;
  const TimePoint now{};
  CHECK(cache.estimate(kPeer, 1500, now) == 1500);
  CHECK(cache.too_big(kPeer, 1500, {1280, 1500, 20}, now) == std::size_t{1280});
  CHECK(cache.estimate(kPeer, 1500, now) == 1280);
  CHECK(cache.estimate("203.0.113.2"_ipv4, 1500, now) == 1500);
  CHECK_FALSE(cache.too_big(kPeer, 1500, {9000, 1280, 20}, now));
  CHECK_FALSE(cache.too_big(kPeer, 1500, {1280, 1280, 20}, now));
  CHECK(cache.estimate(kPeer, 1500, now) == 1280);
  CHECK(cache.too_big(kPeer, 1500, {40, 1280, 20}, now) == std::size_t{68});
  CHECK(cache.estimate(kPeer, 1500, now) == 68);
}

TEST_CASE("without a number the next plateau is taken", "[ipv4][RFC1191-3-6][RFC1191-7-1]") {
  const auto after = [](std::size_t estimate, std::size_t quoted) {
    PathMtuCache cache;
    return cache.too_big(kPeer, estimate, {0, quoted, 20}, TimePoint{}).value_or(0);
  };
  CHECK(after(1500, 1500) == 1006);  // as large as the estimate: the header was counted twice, 1480
  CHECK(after(2002, 1500) == 1492);
  CHECK(after(2002, 1492) == 1006);
  CHECK(after(2002, 1006) == 508);
  CHECK(after(2002, 508) == 296);
  CHECK(after(2002, 296) == 68);
  CHECK(after(1500, 0) == 1492);  // nothing is known of the quoted datagram
  CHECK(after(296, 68) == 68);
}

TEST_CASE("an estimate is forgotten ten minutes after its last decrease", "[ipv4][RFC1191-6.3-1][RFC1191-3-4][RFC1191-3-11]") {
  PathMtuCache cache;
  TimePoint now{};
  REQUIRE(cache.too_big(kPeer, 1500, {1400, 1500, 20}, now));
  now += 9min;
  REQUIRE(cache.too_big(kPeer, 1500, {1280, 1400, 20}, now));
  CHECK(cache.estimate(kPeer, 1500, now + 599s) == 1280);
  CHECK(cache.estimate(kPeer, 1500, now + 600s) == 1500);
  PathMtuCache hasty{{.lifetime = 1s}};  // RFC 1191 section 6.3: five minutes at the least
  REQUIRE(hasty.too_big(kPeer, 1500, {1400, 1500, 20}, now));
  CHECK(hasty.estimate(kPeer, 1500, now + 299s) == 1400);
}

TEST_CASE("the cache is bounded", "[ipv4]") {
  PathMtuCache cache{{.max_entries = 3}};
  TimePoint now{};
  for (std::uint32_t i = 0; i < 100; ++i) {
    now += 1s;
    REQUIRE(cache.too_big(Ipv4Address{0xcb007100 + i}, 1500, {1280, 1500, 20}, now));
  }
  CHECK(cache.size() == 3);
  CHECK(cache.estimate(Ipv4Address{0xcb007100 + 99}, 1500, now) == 1280);
  CHECK(cache.estimate(Ipv4Address{0xcb007100}, 1500, now) == 1500);
}

TEST_CASE("a too-big message lowers the path MTU before the transport hears of it", "[ipv4][RFC1191-3-1][RFC1191-6.2-1][RFC1122-3.3.3-2]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  CHECK(lab.ip.path_mtu(kPeer) == 1500);
  lab.ip.deliver_error(Protocol::tcp, too_big(1280, 1500));
  CHECK(lab.ip.path_mtu(kPeer) == 1280);
  REQUIRE(lab.upper.errors.size() == 1);
  CHECK(lab.upper.errors[0].report.next_hop_mtu == 1280);
  network::Send to;
  to.destination = kPeer;
  to.protocol = Protocol::tcp;
  to.dont_fragment = true;
  CHECK(error_of(lab.send(to, 1261)) == Error::message_too_large);
  CHECK(lab.send(to, 1260));
  to.dont_fragment = false;
  lab.wire.sent.clear();
  REQUIRE(lab.send(to, 1400));
  CHECK(lab.wire.take().size() == 2);
  lab.advance(10min);
  CHECK(lab.ip.path_mtu(kPeer) == 1500);
  lab.ip.deliver_error(Protocol::tcp, too_big(0, 1500));
  CHECK(lab.ip.path_mtu(kPeer) == 1006);
}

TEST_CASE("a too-big message that its transport does not believe lowers nothing", "[ipv4][RFC5927-4.1-1]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  lab.upper.credulous = false;
  lab.ip.deliver_error(Protocol::tcp, too_big(1280, 1500));
  CHECK(lab.ip.path_mtu(kPeer) == 1500);
  CHECK(lab.upper.errors.size() == 1);  // who counts it
  lab.ip.deliver_error(static_cast<Protocol>(132), too_big(1280, 1500));
  CHECK(lab.ip.path_mtu(kPeer) == 1500);
  lab.upper.credulous = true;
  lab.ip.deliver_error(Protocol::tcp, too_big(1280, 1500));
  CHECK(lab.ip.path_mtu(kPeer) == 1280);
}

TEST_CASE("with discovery off, 576 bytes go beyond the attached network", "[ipv4][RFC1122-3.3.3-4]") {
  Ipv4Lab lab{{.path_mtu_discovery = false}};
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  CHECK(lab.ip.path_mtu(kPeer) == 576);
  CHECK(lab.ip.path_mtu("192.0.2.9"_ipv4) == 1500);
  lab.ip.deliver_error(Protocol::tcp, too_big(200, 576));
  CHECK(lab.ip.path_mtu(kPeer) == 576);
}

TEST_CASE("an error about a datagram that we did not send is dropped", "[ipv4][POLICY-ICMP-3]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  auto report = too_big(1280, 1500);
  report.source = "192.0.2.9"_ipv4;
  lab.ip.deliver_error(Protocol::tcp, report);
  CHECK(lab.upper.errors.empty());
  CHECK(lab.ip.path_mtu(kPeer) == 1500);
  CHECK(lab.ip.drops()[Drop::unrelated_error] == 1);
  lab.ip.deliver_error(static_cast<Protocol>(132), too_big(1300, 1500));
  CHECK(lab.ip.drops()[Drop::not_handled] == 1);
}

TEST_CASE("a neighbour that does not answer is reported to the datagram's transport", "[ipv4]") {
  Ipv4Lab lab;
  REQUIRE(lab.send("192.0.2.9"_ipv4, 100));
  lab.ip.unresolved("192.0.2.9"_ipv4, lab.packet(lab.wire.take_one().bytes));
  REQUIRE(lab.upper.errors.size() == 1);
  const auto& error = lab.upper.errors[0];
  CHECK(error.report.kind == network::ErrorKind::unresolved);
  CHECK(error.report.source == IpAddress{"192.0.2.2"_ipv4});
  CHECK(error.report.destination == IpAddress{"192.0.2.9"_ipv4});
  CHECK(error.transport == Ipv4Lab::counting(64));
  CHECK(lab.ip.drops()[Drop::unresolved] == 1);
  lab.ip.unresolved("192.0.2.9"_ipv4, lab.packet(hex("45")));  // not what we sent: survived
}

TEST_CASE("one message is enough: what follows fits, again and again", "[ipv4][RFC1191-3-2][RFC1191-3-3]") {
  // A router whose far link narrows in the middle of a transfer.
  Ipv4Lab host;
  REQUIRE(host.ip.add_default_gateway("192.0.2.1"_ipv4));
  Ipv4Lab router{{.forwarding = true}, {"192.0.2.1/24"_prefix}};
  RecordingNeighbours far;
  const auto narrow = router.add("tap1", {"203.0.113.254/24"_prefix}, far);
  std::size_t messages = 0;
  const auto flight = [&](std::size_t datagrams) {
    for (std::size_t i = 0; i < datagrams; ++i) {
      network::Send to;
      to.destination = kPeer;
      to.protocol = Protocol::tcp;
      to.dont_fragment = true;
      REQUIRE(host.send(to, host.ip.path_mtu(kPeer) - 20));
      (void)router.inject(host.wire.take_one().bytes);
      for (const auto& error : std::exchange(router.errors.sent, {})) {
        ++messages;
        REQUIRE(error.problem.kind == network::ErrorKind::fragmentation_needed);
        host.ip.deliver_error(Protocol::tcp, too_big(error.problem.next_hop_mtu, static_cast<std::uint16_t>(error.datagram.size())));
      }
    }
  };
  flight(10);
  CHECK(messages == 0);
  for (const std::size_t mtu : {std::size_t{1280}, std::size_t{600}, std::size_t{576}}) {
    REQUIRE(router.ip.set_mtu(narrow, mtu));
    messages = 0;
    far.sent.clear();
    flight(10);
    CHECK(messages == 1);
    CHECK(host.ip.path_mtu(kPeer) == mtu);
    CHECK(far.sent.size() == 9);
  }
}

TEST_CASE("two increases are far apart: each comes ten minutes after a decrease of its own", "[ipv4][RFC1191-3-5]") {
  PathMtuCache cache;
  TimePoint now{};
  std::vector<TimePoint> increases;
  std::size_t before = 1500;
  REQUIRE(cache.too_big(kPeer, 1500, {600, 1500, 20}, now));
  for (; now < TimePoint{2h}; now += 1s) {
    const std::size_t estimate = cache.estimate(kPeer, 1500, now);
    if (estimate > before) increases.push_back(now);
    if (estimate > 600) (void)cache.too_big(kPeer, 1500, {600, estimate, 20}, now);  // the larger ones do not get through
    before = cache.estimate(kPeer, 1500, now);
  }
  REQUIRE(increases.size() >= 10);
  for (std::size_t i = 1; i < increases.size(); ++i) CHECK(increases[i] - increases[i - 1] >= 60s);
}
