#include <catch2/catch.hpp>

#include "tcp/mtu_reports.hpp"
#include "wire.hpp"

// A router's word that the path is narrow, against what the connection sees: RFC 5927 section 7.2.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::MtuReports;

namespace {
constexpr std::uint16_t kClaimed = 576;

/// A connection whose segments of full size have arrived, with more of them under way.
struct Proven : Conversation {
  explicit Proven(std::uint32_t timeouts) : Conversation{{.config = {.too_big_timeouts = timeouts}}} {
    write(stream(4 * 1460));
    REQUIRE(peer.hear().size() == 4);
    peer.acknowledge();
    send_more();
  }
  void send_more() {
    una = peer.rcv;
    write(stream(4 * 1460));
    advance(0s);
    quoted = network.sent.at(0).packet;
    REQUIRE(peer.hear().size() == 4);
    peer.rcv = una;  // as if none of it had come
  }
  void claim(std::uint16_t mtu = kClaimed) { network.report(network::Protocol::tcp, too_big(peer, quoted, mtu)); }
  [[nodiscard]] bool narrow() const { return network.mtu == kClaimed && info().mss == kClaimed - 40; }
  [[nodiscard]] bool wide() const { return network.mtu == 1500 && info().mss == 1460; }

  SeqNum una;
  Bytes quoted;
};
}  // namespace

TEST_CASE("a forged report changes nothing while segments of full size arrive", "[tcp][RFC5927-7.2-1]") {
  Proven talk{1};
  talk.claim();
  CHECK(talk.wide());
  CHECK(talk.peer.quiet());  // nothing is sent again
  CHECK(talk.app.soft_errors.empty());
  talk.peer.rcv = talk.una + 4 * 1460U;
  talk.peer.acknowledge();  // what it quotes has arrived
  CHECK(talk.wide());
  // It is forgotten: a timeout later on has nothing to do with it.
  talk.send_more();
  talk.advance(talk.info().rto);
  CHECK(talk.info().timeouts == 1);
  CHECK(talk.wide());
  CHECK(talk.network.narrowed.empty());
}

TEST_CASE("a true report counts when what it quotes has timed out", "[tcp][RFC5927-7.2-1]") {
  Proven talk{1};
  talk.claim();
  talk.advance(talk.info().rto - 1ms);
  CHECK(talk.wide());
  talk.advance(1ms);
  CHECK(talk.info().timeouts == 1);
  CHECK(talk.narrow());
  REQUIRE(talk.network.narrowed.size() == 1);
  CHECK(talk.network.narrowed[0].destination == talk.peer.them.address);
  CHECK(talk.network.narrowed[0].next_hop_mtu == kClaimed);
  const auto again = talk.peer.hear();
  REQUIRE_FALSE(again.empty());
  CHECK(again[0].seq == talk.una);
  CHECK(again[0].payload.size() == kClaimed - 40);
  (void)talk.peer.drain();
  CHECK(talk.peer.rcv == talk.una + 4 * 1460U);
  CHECK(talk.info().unacknowledged == 0);
}

TEST_CASE("unless asked for otherwise a report counts at once", "[tcp][RFC5927-7.2-1]") {
  CHECK(tcp::Config{}.too_big_timeouts == 0);
  Proven talk{0};
  talk.claim();
  CHECK(talk.narrow());
  CHECK_FALSE(talk.peer.hear().empty());
}

TEST_CASE("a report of no less than what has arrived counts at once", "[tcp][RFC5927-7.2-1]") {
  Conversation fresh{{.config = {.too_big_timeouts = 1}}};
  fresh.write(stream(1460));  // nothing has arrived yet: this is how the path MTU is found
  fresh.advance(0s);
  const auto first = fresh.network.sent.at(0).packet;
  fresh.network.report(network::Protocol::tcp, too_big(fresh.peer, first, kClaimed));
  CHECK(fresh.info().mss == kClaimed - 40);

  Conversation small{{.config = {.too_big_timeouts = 1}}};
  small.write(stream(500));
  REQUIRE(small.peer.hear().size() == 1);
  small.peer.acknowledge();
  small.write(stream(1460));
  small.advance(0s);
  const auto large = small.network.sent.at(0).packet;
  small.network.report(network::Protocol::tcp, too_big(small.peer, large, 539));
  CHECK(small.info().mss == 1460);
  small.network.report(network::Protocol::tcp, too_big(small.peer, large, 540));
  CHECK(small.info().mss == 500);
}

TEST_CASE("it may take several timeouts, and those that were count", "[tcp][RFC5927-7.2-1]") {
  Proven talk{2};
  talk.claim();
  talk.advance(talk.info().rto);
  CHECK(talk.wide());
  talk.advance(talk.info().rto);
  CHECK(talk.info().timeouts == 2);
  CHECK(talk.narrow());

  Proven late{1};
  late.advance(late.info().rto);
  CHECK(late.wide());
  late.claim();  // after the timeout
  CHECK(late.narrow());
}

TEST_CASE("a held report may be switched on, and off again, while the connection lives", "[tcp][RFC5927-7.2-1]") {
  Proven talk{0};
  auto config = talk.tcp.config();
  config.too_big_timeouts = 1;
  talk.tcp.set_config(config);
  talk.claim();
  CHECK(talk.wide());
  config.too_big_timeouts = 0;
  talk.tcp.set_config(config);
  talk.claim();
  CHECK(talk.narrow());
}

TEST_CASE("a narrowed path may be narrowed again at once, as far as nothing larger has arrived", "[tcp][RFC5927-7.2-1]") {
  Proven talk{1};
  talk.claim(1000);
  talk.advance(talk.info().rto);
  REQUIRE(talk.info().mss == 960);
  talk.network.sent.clear();
  talk.claim(kClaimed);  // in vain so far
  CHECK(talk.narrow());
}

TEST_CASE("what has arrived is the size of segments that were acknowledged", "[tcp][RFC5927-7.2-1]") {
  using Verdict = MtuReports::Verdict;
  MtuReports reports;
  const SeqNum start{0xffff'ff00U};                    // across the wrap
  CHECK(reports.judge(0, 0, 1) == Verdict::believed);  // nothing is known
  reports.on_sent(start + 1000U, 1000);
  CHECK(reports.judge(500, 0, 1) == Verdict::believed);  // under way
  reports.on_acked(start + 999U);
  CHECK(reports.judge(500, 0, 1) == Verdict::believed);
  reports.on_acked(start + 1000U);
  CHECK(reports.judge(500, 0, 1) == Verdict::held);
  CHECK(reports.judge(0, 0, 1) == Verdict::held);  // an old router, that does not say how much
  CHECK(reports.judge(999, 0, 1) == Verdict::held);
  CHECK(reports.judge(1000, 0, 1) == Verdict::believed);
  CHECK(reports.judge(500, 1, 1) == Verdict::believed);
  CHECK(reports.judge(500, 0, 0) == Verdict::believed);
  // A larger one that is given up, and whose octets arrive in smaller ones, has not arrived.
  reports.on_sent(start + 2400U, 1400);
  reports.on_narrowed(1200);
  reports.on_acked(start + 2400U);
  CHECK(reports.judge(1000, 0, 1) == Verdict::believed);
  CHECK(reports.judge(999, 0, 1) == Verdict::held);
  // A probe is told of by itself.
  reports.on_arrived(1300);
  CHECK(reports.judge(1299, 0, 1) == Verdict::held);

  reports.hold({.sequence = start + 3000U, .next_hop_mtu = 576, .quoted_length = 1500});
  reports.on_acked(start + 3000U);
  CHECK(reports.held());
  reports.on_acked(start + 3001U);
  CHECK_FALSE(reports.held());
}
