// How many segments one super-segment carries. The expected numbers follow from tcp_tso_autosize() and tcp_cwnd_test() of Linux.

#include <catch2/catch.hpp>

#include <tcp/burst_size.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr std::uint32_t kMost = 64000;
tcp::BurstDecision far_peer() {
  return {.mss = 1000, .cwnd = 10'000'000, .rate = 200'000, .min_rtt = 100ms, .fewest_segments = 2, .most_bytes = kMost};
}
}  // namespace

TEST_CASE("a burst lasts a millisecond, and has two segments at least", "[tcp]") {
  auto decision = far_peer();
  CHECK(burst_segments(decision) == 2);  // 195 bytes in a 1024th of a second
  decision.fewest_segments = 10;
  CHECK(burst_segments(decision) == 10);
  decision.fewest_segments = 2;
  decision.rate = 10'240'000;
  CHECK(burst_segments(decision) == 10);
  decision.rate = 1'000'000'000;
  CHECK(burst_segments(decision) == 64);  // what the link takes
}

TEST_CASE("a near peer gets longer bursts, halved with every 512 microseconds of round trip", "[tcp]") {
  auto decision = far_peer();
  decision.min_rtt = 511us;
  CHECK(burst_segments(decision) == 64);
  decision.min_rtt = 512us;
  CHECK(burst_segments(decision) == 32);
  decision.min_rtt = 1024us;
  CHECK(burst_segments(decision) == 16);
}

TEST_CASE("a burst is half of cwnd at most, but never nothing", "[tcp]") {
  auto decision = far_peer();
  decision.rate = 1'000'000'000;
  decision.cwnd = 10'000;
  CHECK(burst_segments(decision) == 5);
  decision.cwnd = 1'000;
  CHECK(burst_segments(decision) == 1);
  decision.cwnd = 10'000;
  decision.rate = 0;  // not known yet: the window alone decides
  decision.min_rtt.reset();
  CHECK(burst_segments(decision) == 5);
}

TEST_CASE("every burst ends with PSH, a single full segment in the middle of the data does not", "[tcp]") {
  SECTION("bursts") {
    Conversation talk;
    talk.network.super_segment = 65535;
    talk.write(stream(50'000));
    talk.advance(0s);
    const auto sent = talk.network.take();
    REQUIRE(sent.size() == 2);  // two halves of a cwnd of ten segments
    for (const auto& burst : sent) {
      CHECK(burst.meta.gso == GsoKind::tcp4);
      CHECK((std::to_integer<unsigned>(burst.packet[13]) & 0x08U) != 0);
    }
  }
  SECTION("single segments") {
    Conversation talk;
    talk.write(stream(50'000));
    talk.advance(0s);
    const auto sent = talk.network.take();
    REQUIRE(sent.size() == 10);
    for (const auto& segment : sent) CHECK((std::to_integer<unsigned>(segment.packet[13]) & 0x08U) == 0);
  }
}
