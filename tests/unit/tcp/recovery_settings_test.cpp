#include <catch2/catch.hpp>

#include "sack_flight.hpp"

// RecoveryConfig is read while connections live, as Linux reads tcp_recovery, tcp_early_retrans and tcp_frto.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
template <class Change>
void set(Wire& wire, const Change& change) {
  tcp::Config config = wire.tcp.config();
  change(config.recovery);
  wire.tcp.set_config(std::move(config));
}
}  // namespace

TEST_CASE("losses of a living connection are found as the stack has it now", "[tcp][run-time]") {
  const auto one_missing = [](bool before, bool now) {
    SackFlight flight{10'000, {.recovery = {.rack = before, .tail_loss_probe = false}, .quick_acks = 0}};
    set(flight, [&](tcp::RecoveryConfig& recovery) { recovery.rack = now; });
    flight.advance(40ms);
    flight.say_ack(0, {{1, 2}});
    flight.advance(100ms);  // RACK's reordering window is over; by counting two are too few
    return flight.sent();
  };
  CHECK(one_missing(true, true) == std::vector{0U});
  CHECK(one_missing(false, true) == std::vector{0U});
  CHECK(one_missing(true, false).empty());
  CHECK(one_missing(false, false).empty());
  SECTION("and by counting from there on") {
    SackFlight flight{10'000, {.recovery = {.tail_loss_probe = false}, .quick_acks = 0}};
    set(flight, [](tcp::RecoveryConfig& recovery) { recovery.rack = false; });
    flight.advance(40ms);
    flight.say_ack(0, {{1, 4}});
    CHECK(flight.sent() == std::vector{0U});
  }
  SECTION("and what a recovery has sent again is under way") {
    SackFlight flight{10'000, {.recovery = {.tail_loss_probe = false}, .quick_acks = 0}};
    flight.advance(40ms);
    flight.say_ack(0, {{1, 5}});
    REQUIRE(flight.sent() == std::vector{0U});
    set(flight, [](tcp::RecoveryConfig& recovery) { recovery.rack = false; });
    flight.say_ack(0, {{1, 6}});
    flight.say_ack(0, {{1, 7}});
    for (const auto segment : flight.sent()) CHECK(segment != 0);
  }
}

TEST_CASE("a tail loss probe is sent where the stack has it now", "[tcp][run-time]") {
  for (const bool before : {true, false}) {
    for (const bool now : {true, false}) {
      SackFlight flight{0, {.recovery = {.tail_loss_probe = before}, .quick_acks = 0}};
      set(flight, [&](tcp::RecoveryConfig& recovery) { recovery.tail_loss_probe = now; });
      flight.write(stream(2000));
      (void)flight.peer.hear();
      flight.advance(40ms);
      flight.say_ack(1);
      flight.advance(500ms);
      CHECK((flight.info().tail_probes > 0) == now);
    }
  }
}

TEST_CASE("a spurious timeout is looked for where the stack has it now", "[tcp][run-time]") {
  for (const bool now : {true, false}) {
    SackFlight flight{40'000, {.recovery = {.frto = !now}, .quick_acks = 0}, false};
    set(flight, [&](tcp::RecoveryConfig& recovery) { recovery.frto = now; });
    flight.advance(flight.info().rto);
    REQUIRE(flight.sent() == std::vector{0U});
    flight.say_ack(1);
    CHECK((flight.sent().at(0) == 1) == !now);  // without it what follows is sent again; with it new data is tried
  }
}
