#include <catch2/catch.hpp>

#include "option_talk.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::CaState;

namespace {
/// Ten segments of a bulk sender with timestamps; a round trip took 40 ms.
struct Stamped : OptionTalk {
  explicit Stamped(bool sack)
      : OptionTalk{
            {.sack = sack},
            {.config = {.recovery = {.tail_loss_probe = false, .frto = false}}, .settings = {.send_buffer = 1'000'000}, .peer_mss = 1012}} {
    write("x");
    REQUIRE(hear().size() == 1);
    advance(40ms);
    REQUIRE(say({}));
    una = info().snd_una;
    mss = info().mss;
    write(stream(500'000));
    REQUIRE(hear().size() >= 10);
    original = echo;  // all left at once
  }
  /// The peer acknowledges segments before `ack`, echoing `echoed`.
  void acknowledge(std::uint32_t ack, std::uint32_t echoed) {
    echo = echoed;
    ++ts;
    REQUIRE(say({.ack = una + ack * mss}));
  }
  SeqNum una;
  std::uint32_t mss = 0;
  std::uint32_t original = 0;
};
}  // namespace

TEST_CASE("a timeout whose original is echoed is undone", "[tcp]") {
  const bool sack = GENERATE(true, false);
  Stamped talk{sack};
  const auto before = talk.info();
  talk.advance(before.rto);
  const auto again = talk.hear();
  REQUIRE(again.size() == 1);
  REQUIRE(again[0].seq == talk.una);
  CHECK(talk.info().cwnd == talk.mss);
  CHECK(talk.info().ca_state == CaState::loss);
  const std::uint32_t of_retransmission = talk.echo;
  REQUIRE(of_retransmission != talk.original);
  talk.advance(5ms);
  SECTION("the original was late") {
    talk.acknowledge(1, talk.original);
    CHECK(talk.info().undos == 1);
    CHECK(talk.info().ca_state == CaState::open);
    CHECK(talk.info().cwnd >= before.cwnd);  // the response is taken back (RFC 4015 section 3)
    CHECK(talk.info().ssthresh >= before.ssthresh);
    CHECK(talk.info().backoffs == 0);
    CHECK(talk.info().retransmissions == 1);
    const auto next = talk.hear();
    CHECK_FALSE(next.empty());
    for (const auto& heard : next) CHECK(heard.seq >= again[0].seq + 10 * talk.mss);
  }
  SECTION("the original was lost") {
    talk.acknowledge(1, of_retransmission);
    CHECK(talk.info().undos == 0);
    CHECK(talk.info().ca_state == CaState::loss);
    CHECK(talk.info().cwnd < before.cwnd);
  }
}

TEST_CASE("fast recovery whose original is echoed is undone", "[tcp]") {
  Stamped talk{false};
  const auto before = talk.info();
  talk.advance(40ms);
  for (int i = 0; i < 3; ++i) talk.acknowledge(0, talk.original);
  REQUIRE(talk.info().in_recovery);
  talk.advance(2ms);
  REQUIRE_FALSE(talk.hear().empty());
  const std::uint32_t of_retransmission = talk.echo;
  talk.advance(5ms);
  SECTION("the original was late") {
    talk.acknowledge(4, talk.original);
    CHECK(talk.info().undos == 1);
    CHECK_FALSE(talk.info().in_recovery);
    CHECK(talk.info().cwnd >= before.cwnd);
  }
  SECTION("the original was lost") {
    talk.acknowledge(4, of_retransmission);
    CHECK(talk.info().undos == 0);
    CHECK(talk.info().in_recovery);
  }
}
