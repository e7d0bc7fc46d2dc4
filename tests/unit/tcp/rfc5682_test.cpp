#include "sack_flight.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::CaState;

namespace {
using Numbers = std::vector<std::uint32_t>;

/// Ten segments that are late: the timer has sent the first again.
struct Late : SackFlight {
  explicit Late(bool sack, bool frto = true) : SackFlight{500'000, {.recovery = {.tail_loss_probe = false, .frto = frto}}, sack} {
    advance(info().rto);
    REQUIRE(info().timeouts == 1);
    REQUIRE(sent() == Numbers{0});
  }
};
}  // namespace

TEST_CASE("a spurious timeout is found out without SACK, and nothing more is resent", "[tcp]") {
  Late talk{false};
  talk.say_ack(1);
  const auto fresh = talk.sent();
  CHECK(fresh == Numbers{10, 11});  // step 2b: new data, no retransmission
  talk.say_ack(2);
  CHECK(talk.info().undos == 1);
  CHECK(talk.info().ca_state == CaState::open);
  CHECK(talk.info().backoffs == 0);
  const auto next = talk.sent();
  CHECK_FALSE(next.empty());
  for (const auto number : next) CHECK(number >= 12);
  CHECK(talk.info().retransmissions == 1);
}

TEST_CASE("a real timeout goes on with retransmissions", "[tcp]") {
  Late talk{false};
  talk.advance(40ms);
  talk.say_ack(1);
  REQUIRE(talk.sent() == Numbers{10, 11});
  talk.advance(40ms);
  talk.say_ack(1);  // a duplicate: 10 arrived beyond the hole
  CHECK(talk.info().ca_state == CaState::loss);
  CHECK(talk.info().undos == 0);
  talk.say_ack(1);
  CHECK(talk.sent().at(0) == 1);
}

TEST_CASE("without F-RTO the acknowledgment of the first brings the next retransmission", "[tcp]") {
  Late talk{false, false};
  talk.say_ack(1);
  CHECK(talk.sent() == Numbers{1, 2});
}

TEST_CASE("with SACK one original that arrives is enough", "[tcp]") {
  Late talk{true};
  talk.say_ack(2);
  CHECK(talk.info().undos == 1);
  CHECK(talk.info().ca_state == CaState::open);
  const auto next = talk.sent();
  CHECK_FALSE(next.empty());
  for (const auto number : next) CHECK(number >= 10);
  Late real{true};
  real.advance(40ms);
  real.say_ack(1);
  CHECK(real.info().undos == 0);
  CHECK(real.info().ca_state == CaState::loss);
}

TEST_CASE("with no new data to try, retransmissions go on at once", "[tcp]") {
  SackFlight talk{10'000, {.recovery = {.tail_loss_probe = false}}, false};
  talk.advance(talk.info().rto);
  REQUIRE(talk.sent() == Numbers{0});
  talk.advance(40ms);
  talk.say_ack(1);
  CHECK(talk.sent() == Numbers{1, 2});
}
