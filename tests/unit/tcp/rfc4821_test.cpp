#include <catch2/catch.hpp>

#include <set>

#include <tapir/network/error_kind.hpp>

#include "black_hole.hpp"
#include "fixed_window.hpp"
#include "tcp/congestion_registry.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::CaState;
using tcp::MtuProbing;
using tcp::MtuProbingMode;

namespace {
using Sizes = std::vector<std::size_t>;

tcp::Config probing(MtuProbingMode mode) { return {.quick_acks = 0, .mtu_probing = {.mode = mode}}; }

constexpr std::size_t kBase = 1024;              // bytes of datagram: payloads of 984
constexpr std::size_t kFirstProbe = 1262;        // half way to 1500
constexpr std::size_t kNeeded = 1222 + 4 * 984;  // of payload: the probe, and four segments that show its loss

std::size_t probes_in(const std::vector<Heard>& all, std::size_t above) {
  const auto sizes = BlackHole::sizes(all);
  return static_cast<std::size_t>(std::ranges::count_if(sizes, [&](std::size_t size) { return size > above; }));
}
}  // namespace

TEST_CASE("a probe goes first, whole and with DF, and behind it segments of the size that is known",
          "[tcp][plpmtud][RFC8899-3-2][RFC8899-3-1]") {
  BlackHole path{probing(MtuProbingMode::always)};
  path.network.super_segment = 65535;
  CHECK(path.info().path_mtu == kBase);
  path.write(stream(60'000));
  const auto sent = path.round();
  REQUIRE(sent.size() >= 4);
  CHECK(BlackHole::datagram(sent[0]) == kFirstProbe);
  CHECK(sent[0].ip.dont_fragment);
  for (const auto& sent_packet : sent) {
    if (&sent_packet == &sent[0]) continue;
    CHECK(sent_packet.payload.size() % 984 == 0);  // super-segments of segments of that size, but for the last of what cwnd takes
  }
  CHECK(path.info().mtu_probes == 1);
}

TEST_CASE("the probe is not cut, what follows is cut to the size that is known", "[tcp][plpmtud][RFC8899-3-1]") {
  BlackHole path{probing(MtuProbingMode::always)};
  path.network.super_segment = 65535;
  path.write(stream(60'000));
  path.advance(0s);
  const auto handed = path.network.take();
  REQUIRE(handed.size() >= 2);
  CHECK(handed[0].packet.size() == kFirstProbe - 20);
  CHECK(handed[0].meta.gso_size == 0);
  for (std::size_t i = 1; i < handed.size(); ++i) CHECK((handed[i].meta.gso_size == 984 || handed[i].packet.size() <= 984 + 20));
}

TEST_CASE("a probe that arrives makes segments as large, and leaves cwnd alone", "[tcp][plpmtud][RFC4821-7.6.1-1][RFC8899-3-4]") {
  BlackHole path{probing(MtuProbingMode::always)};
  path.write(stream(kNeeded));
  const auto probe = path.peer.hear();
  CHECK(BlackHole::datagram(probe.at(0)) == kFirstProbe);
  path.advance(40ms);
  const auto before = path.info();
  REQUIRE(path.peer.say({.flags = kAck, .ack = probe.at(0).end()}));
  const auto after = path.info();
  CHECK(before.mss == 984);
  CHECK(after.mss == 1222);
  CHECK(after.path_mtu == kFirstProbe);
  CHECK(after.mtu_probes_arrived == 1);
  // What the acknowledgment of 1222 bytes adds in slow start, and nothing for the larger segment.
  CHECK(after.cwnd <= before.cwnd + 1222);
}

TEST_CASE("larger segments leave cwnd as it is, to the byte", "[tcp][plpmtud][RFC8899-3-4]") {
  auto config = probing(MtuProbingMode::off);
  config.congestion_control = GENERATE("newreno", "cubic");
  config.cubic_whole_segments = GENERATE(false, true);
  BlackHole path{config};
  // Slow start to where the probe and what goes with it do not fill the window, so that nothing else lets it grow.
  path.write(stream(100'000));
  (void)path.finish();
  REQUIRE(path.connection.set_mtu_probing(MtuProbing{.mode = MtuProbingMode::always}));
  path.write(stream(kNeeded));
  const auto probe = path.peer.hear();
  REQUIRE(BlackHole::datagram(probe.at(0)) == kFirstProbe);
  const auto before = path.info();
  REQUIRE(before.mss == 984);
  path.advance(40ms);
  REQUIRE(path.peer.say({.flags = kAck, .ack = probe.at(0).end()}));
  CHECK(path.info().mss == 1222);
  CHECK(path.info().cwnd == before.cwnd);
}

TEST_CASE("no algorithm makes the window larger with the segments", "[tcp][plpmtud][RFC8899-3-4]") {
  const std::string name = GENERATE("newreno", "cubic", "bbr");
  const bool whole_segments = GENERATE(false, true);
  tcp::CongestionSlot control;
  REQUIRE(tcp::make_congestion_control(name, {}, {.mss = 984, .whole_segments = whole_segments, .cwnd = 20'000}, control));
  REQUIRE(control.cwnd() == 20'000);
  control->on_mss_change({.mss = 1222});
  CHECK(control.cwnd() == 20'000);
  control->on_mss_change({.mss = 9000});
  CHECK(control.cwnd() == 20'000);
}

TEST_CASE("the size grows to what the path carries", "[tcp][plpmtud]") {
  const std::size_t carries = GENERATE(1500U, 1400U, 1100U);
  BlackHole path{probing(MtuProbingMode::always), carries};
  path.write(stream(1'000'000));
  std::size_t mtu = 0;
  for (int i = 0; i < 200 && path.info().unacknowledged > 0; ++i) {
    for (const auto& heard : path.round()) {
      // Never above what is known but for one probe.
      CHECK(BlackHole::datagram(heard) <= 1500);
    }
    mtu = path.info().path_mtu;
  }
  CHECK(path.info().unacknowledged == 0);
  CHECK(path.received() == 1'000'000);
  CHECK(mtu <= carries);
  CHECK(mtu + 8 > carries);
  CHECK(path.info().timeouts == 0);
}

TEST_CASE("every datagram above the known size is a probe", "[tcp][plpmtud][RFC8899-3-1][RFC4821-7.3-1]") {
  BlackHole path{probing(MtuProbingMode::always), 1400};
  path.write(stream(1'500'000));
  std::size_t above = 0;
  std::size_t late = 0;
  for (int i = 0; i < 300 && path.info().unacknowledged > 0; ++i) {
    const std::size_t known = path.info().path_mtu;
    const auto all = path.round();
    above += probes_in(all, known);
    if (i > 100) late += probes_in(all, known);
  }
  CHECK(above == path.info().mtu_probes);
  CHECK(above > 4);
  CHECK(late == 0);  // the search has ended
}

TEST_CASE("each condition of a probe", "[tcp][plpmtud][RFC4821-7.4-1]") {
  SECTION("all met") {
    BlackHole path{probing(MtuProbingMode::always)};
    path.write(stream(kNeeded));
    CHECK(probes_in(path.round(), kBase) == 1);
  }
  SECTION("too little is queued to show a loss") {
    BlackHole path{probing(MtuProbingMode::always)};
    path.write(stream(kNeeded - 1));
    CHECK(probes_in(path.round(), kBase) == 0);
  }
  SECTION("the peer's window is too small") {
    BlackHole path{probing(MtuProbingMode::always)};
    path.peer.window = kNeeded - 1;
    path.peer.acknowledge();
    path.write(stream(60'000));
    CHECK(probes_in(path.round(), kBase) == 0);
  }
  SECTION("the peer's window is just large enough") {
    BlackHole path{probing(MtuProbingMode::always)};
    path.peer.window = kNeeded;
    path.peer.acknowledge();
    path.write(stream(60'000));
    CHECK(probes_in(path.round(), kBase) == 1);
  }
  SECTION("another probe is under way") {
    BlackHole path{probing(MtuProbingMode::always)};
    path.write(stream(60'000));
    CHECK(probes_in(path.peer.hear(), kBase) == 1);
    path.write(stream(60'000));
    CHECK(probes_in(path.peer.hear(), kBase) == 0);
  }
  SECTION("something is missing") {
    BlackHole path{probing(MtuProbingMode::always)};
    path.write(stream(984));
    (void)path.peer.hear();  // lost
    path.write(stream(984));
    (void)path.round();  // and this is acknowledged selectively
    CHECK(path.info().ca_state == CaState::disorder);
    path.write(stream(60'000));
    CHECK(probes_in(path.peer.hear(), kBase) == 0);
  }
  SECTION("cwnd is too small") {
    BlackHole path{{.quick_acks = 0, .initial_window_segments = 5, .mtu_probing = {.mode = MtuProbingMode::always}}};
    CHECK(path.info().cwnd < kNeeded);
    path.write(stream(60'000));
    CHECK(probes_in(path.peer.hear(), kBase) == 0);
  }
}

TEST_CASE("a lost probe is no sign of congestion", "[tcp][plpmtud][RFC4821-7.6-1][RFC4821-7.6.2-1]") {
  const bool sack = GENERATE(true, false);
  BlackHole path{probing(MtuProbingMode::always), 1200, sack};
  path.write(stream(60'000));
  const auto before = path.info();
  const auto first = path.round();
  REQUIRE(BlackHole::largest_of(first) == kFirstProbe);
  const auto second = path.round();
  const auto after = path.info();
  CHECK(after.mtu_probes_lost == 1);
  CHECK(after.cwnd >= before.cwnd);
  CHECK(after.ssthresh == before.ssthresh);
  CHECK(after.undos == 0);
  CHECK(after.fast_retransmits == 0);
  CHECK(after.timeouts == 0);
  // Its octets go again, in segments of the known size.
  REQUIRE_FALSE(second.empty());
  CHECK(second[0].seq == first[0].seq);
  CHECK(second[0].payload.size() <= 984);
  CHECK(BlackHole::largest_of(second) <= kBase);
  // The next probe is smaller.
  const auto rest = path.finish();
  CHECK(path.received() == 60'000);
  CHECK(BlackHole::largest_of(rest) < kFirstProbe);
  CHECK(BlackHole::largest_of(rest) > kBase);
  CHECK(path.info().path_mtu <= 1200);
}

TEST_CASE("an algorithm that looks at each loss hears nothing of a lost probe", "[tcp][plpmtud][RFC4821-7.6.2-1]") {
  class LossCounter final : public FixedWindow {
   public:
    explicit LossCounter(int& losses) : FixedWindow{20'000}, losses_{losses} {}
    void on_lost(const tcp::LostEvent&) override { ++losses_; }

   private:
    int& losses_;
  };
  int losses = 0;
  tcp::Config config = probing(MtuProbingMode::always);
  config.congestion_control = "fixed";
  config.congestion_controls = {{"fixed", [&losses](const tcp::CongestionParameters&) { return std::make_unique<LossCounter>(losses); }}};
  BlackHole path{config, 1100};
  path.write(stream(kNeeded));
  (void)path.finish();
  CHECK(path.info().mtu_probes_lost == 1);
  CHECK(losses == 0);
  path.largest = 0;  // now everything is lost
  path.write(stream(5 * 984));
  (void)path.round();
  path.largest = 1500;
  (void)path.finish();
  CHECK(losses > 0);
}

TEST_CASE("a loss beside the probe is one", "[tcp][plpmtud]") {
  BlackHole path{probing(MtuProbingMode::always), 1200};
  path.write(stream(60'000));
  const auto first = path.peer.hear();
  REQUIRE(first.size() > 6);
  path.advance(40ms);
  // The probe and the segment behind it are missing.
  REQUIRE(path.peer.say({.ack = first[0].seq, .options = sack_option({{first[2].seq, first[5].end()}})}));
  CHECK(path.info().in_recovery);
  CHECK(path.info().fast_retransmits == 1);
  CHECK(path.info().mtu_probes_lost == 0);  // it cannot be told
  CHECK(path.info().ssthresh < 20'000);
}

TEST_CASE("probes are a round trip apart", "[tcp][plpmtud][RFC8899-3-3]") {
  BlackHole path{probing(MtuProbingMode::always), 1300};
  path.write(stream(1'000'000));
  std::vector<TimePoint> at;
  while (path.info().unacknowledged > 0) {
    const std::size_t known = path.info().path_mtu;
    for (const auto& heard : path.round()) {
      if (BlackHole::datagram(heard) > known) at.push_back(heard.at);
    }
  }
  REQUIRE(at.size() > 3);
  for (std::size_t i = 1; i < at.size(); ++i) CHECK(at[i] - at[i - 1] >= BlackHole::kRoundTrip);
}

TEST_CASE("a black hole is noticed by timeouts, and avoided", "[tcp][plpmtud][RFC4821-7.7-1][RFC4821-7.2-1]") {
  BlackHole path{probing(MtuProbingMode::after_black_hole), 600};
  path.write(stream(20'000));
  const auto all = path.finish();
  CHECK(path.received() == 20'000);
  CHECK(BlackHole::largest_of(all) == 1500);  // as the first hop says
  std::set<std::size_t> mtus;
  for (const std::size_t size : BlackHole::sizes(all)) mtus.insert(size);
  CHECK(mtus.contains(1024));
  CHECK(mtus.contains(512));
  CHECK(path.info().path_mtu <= 600);
  CHECK(path.app.closed == 0);
}

TEST_CASE("without probing a black hole is the end", "[tcp][plpmtud]") {
  BlackHole path{probing(MtuProbingMode::off), 600};
  path.write(stream(20'000));
  const auto all = path.finish(10min);
  CHECK(path.received() == 0);
  CHECK(all.size() > 10);
  for (const auto& heard : all) CHECK(BlackHole::datagram(heard) == 1500);
  CHECK(path.app.closed == 1);
  CHECK(path.app.error == Error::timed_out);
}

TEST_CASE("the base may be another", "[tcp][plpmtud][RFC8899-5.1.2-2]") {
  auto config = probing(MtuProbingMode::after_black_hole);
  config.mtu_probing.base = 1200;
  BlackHole path{config, 1300};
  path.write(stream(3'000));
  (void)path.finish();
  CHECK(path.received() == 3'000);
  CHECK(path.info().path_mtu == 1200);
}

TEST_CASE("after ten minutes a larger size is tried again", "[tcp][plpmtud][RFC4821-7.3-2]") {
  BlackHole path{probing(MtuProbingMode::always), 1300};
  path.write(stream(1'000'000));
  (void)path.finish();
  const std::size_t found = path.info().path_mtu;
  CHECK(found + 8 > 1300);
  path.largest = 1500;
  path.advance(9min);
  path.write(stream(100'000));
  CHECK(BlackHole::largest_of(path.finish()) == found);
  path.advance(1min);
  path.write(stream(1'000'000));
  CHECK(BlackHole::largest_of(path.finish()) > found);
  CHECK(path.info().path_mtu + 8 > 1500);
}

TEST_CASE("a router's word ends the wait for a probe that it refused", "[tcp][plpmtud][RFC8899-3-5][RFC8899-3-6][RFC8899-4.6.2-1]") {
  BlackHole path{probing(MtuProbingMode::always), 1200};
  path.write(stream(60'000));
  path.advance(0s);
  const auto handed = path.network.sent;
  const auto first = path.peer.hear();
  REQUIRE(BlackHole::datagram(first.at(0)) == kFirstProbe);

  SECTION("when it quotes the probe") {
    path.network.mtu = 1200;  // what the network layer does with the report before it passes it on
    path.network.report(network::Protocol::tcp, too_big(path.peer, handed.at(0).packet, 1200));
    CHECK(path.info().mtu_probes_lost == 1);
    CHECK(path.info().mss == 984);
    const auto again = path.peer.hear();
    REQUIRE_FALSE(again.empty());
    CHECK(again[0].seq == first[0].seq);
    CHECK(BlackHole::largest_of(again) <= kBase);
    CHECK_FALSE(path.info().in_recovery);
  }
  SECTION("not when it quotes the ports of nobody") {
    Bytes forged = handed.at(0).packet;
    forged[0] ^= std::byte{0x40};
    path.network.report(network::Protocol::tcp, too_big(path.peer, forged, 1200));
    CHECK(path.drops(Drop::unrelated_error) == 1);
    CHECK(path.info().mtu_probes_lost == 0);
    CHECK(path.peer.quiet());
  }
  SECTION("nor when it names a larger size") {  // the network layer then lowers nothing
    path.network.report(network::Protocol::tcp, too_big(path.peer, handed.at(0).packet, 1600));
    CHECK(path.info().mtu_probes_lost == 0);
    CHECK(path.info().mss == 984);
    CHECK(path.peer.quiet());
  }
}

TEST_CASE("probing is switched while a connection lives", "[tcp][plpmtud]") {
  BlackHole path{probing(MtuProbingMode::off)};
  CHECK(path.info().path_mtu == 1500);
  REQUIRE(path.connection.set_mtu_probing(MtuProbing{.mode = MtuProbingMode::always, .base = 800}));
  CHECK(path.info().path_mtu == 800);
  path.write(stream(1'000'000));
  (void)path.finish();
  CHECK(path.info().path_mtu + 8 > 1500);
  REQUIRE(path.connection.set_mtu_probing(MtuProbing{}));
  CHECK(path.info().path_mtu == 1500);
  CHECK(path.connection.set_mtu_probing(MtuProbing{.floor = 1}).error() == Error::invalid_argument);
  CHECK_FALSE(path.tcp.connect({kPeerAddress, Port{9}}, {.settings = {.mtu_probing = MtuProbing{.base = 70'000}}}));
}
