#include <catch2/catch.hpp>

#include <memory>
#include <string_view>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"
#include "support/memory_store.hpp"

// What a client does with a session that the server has and it has not: it begins a new one (5.0 sections 3.1.2.4 and 3.2.2.1.1).
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

constexpr const char* kAcceptedAfresh = "20 03 00 00 00";
constexpr const char* kResumed = "20 03 01 00 00";

/// Opens a connection. Whether CONNECT has Clean Start 1.
bool starts_clean(SessionLab& lab) {
  REQUIRE(lab.session.connected(lab.now));
  const auto sent = lab.sent();
  return (sent.at(9) & std::byte{0x02}) != std::byte{};
}

}  // namespace

TEST_CASE("5.0: a client whose session has expired begins a new one, whatever the server still has",
          "[mqtt][MQTT5-3.2.2-4][MQTT5-3.1.2-23][MQTT5-3.1.2-4]") {
  SessionLab lab{kept_v5(120)};
  lab.connect5();
  const auto token = lab.publish("t", "x", kQoS1);
  (void)lab.sent();
  lab.session.transport_lost(lab.now);
  const auto noticed = GENERATE("not at all", "when it happens", "when the next connection is there");
  if (noticed == std::string_view{"not at all"}) {
    lab.advance(119s);
    CHECK_FALSE(starts_clean(lab));
    lab.receive(kResumed);
    CHECK(lab.take<event::Connected>());
    CHECK(lab.sent() == hex("3a 07 0001 74 0001 00 78"));
    return;
  }
  if (noticed == std::string_view{"when it happens"}) lab.advance(3min);
  if (noticed == std::string_view{"when the next connection is there"}) lab.now += 3min;
  CHECK(starts_clean(lab));
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *token);
  CHECK(failed->error == mqtt::Error::session_lost);
  SECTION("the server agrees") {}
  SECTION("the connection is lost before CONNACK") {
    lab.session.transport_lost(lab.now);
    CHECK(starts_clean(lab));
  }
  SECTION("the server resumes all the same") {
    lab.receive(kResumed);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
    CHECK(starts_clean(lab));
  }
  lab.receive(kAcceptedAfresh);
  CHECK(lab.take<event::Connected>());
  lab.session.transport_lost(lab.now);
  CHECK_FALSE(starts_clean(lab));  // from here on both have the same
  lab.receive(kResumed);
  CHECK(lab.take<event::Connected>());
}

TEST_CASE("5.0: an unknown session is refused once, then replaced by a new one", "[mqtt][MQTT5-3.2.2-4]") {
  SessionLab lab{kept_v5()};
  CHECK_FALSE(starts_clean(lab));  // as the options say: the server may have none
  lab.receive(kResumed);
  CHECK(lab.broken_off() == mqtt::Error::unexpected_session);
  CHECK(lab.sent() == hex("e0 01 82"));
  SECTION("of the same client") {
    CHECK(starts_clean(lab));
    lab.receive(kAcceptedAfresh);
    CHECK(lab.take<event::Connected>());
    REQUIRE(lab.publish("t", "x", kQoS1));
    (void)lab.sent();
    lab.session.transport_lost(lab.now);
    CHECK_FALSE(starts_clean(lab));
    lab.receive(kResumed);
    CHECK(lab.take<event::Connected>());
    CHECK(lab.sent() == hex("3a 07 0001 74 0001 00 78"));
  }
  SECTION("of another client") {
    REQUIRE(lab.session.configure(with_v5({{property::session_expiry_interval, 60}}, false, "d")));
    CHECK_FALSE(starts_clean(lab));
  }
}

TEST_CASE("5.0: a client that takes up unknown sessions never starts clean by itself", "[mqtt][MQTT5-3.2.2-4]") {
  auto options = kept_v5(120);
  options.accept_unknown_session = true;
  SessionLab lab{options};
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(starts_clean(lab));
    lab.receive(kResumed);
    CHECK(lab.take<event::Connected>());
    lab.session.transport_lost(lab.now);
    lab.advance(1h);
  }
}

TEST_CASE("5.0: a process finds its session expired, and begins a new one", "[mqtt][MQTT5-3.2.2-4]") {
  MemoryStore store;
  const auto process = [&store](Duration away) {
    auto lab = std::make_unique<SessionLab>(kept_v5(120));
    lab->session.keep_in(&store);
    store.since_saved = away;
    REQUIRE(lab->session.restore(lab->now));
    return lab;
  };
  auto lab = process(0s);
  lab->connect5();
  REQUIRE(lab->publish("t", "x", kQoS1));
  (void)lab->sent();
  lab->session.transport_lost(lab->now);
  REQUIRE(lab->session.save(lab->now));
  SECTION("in time") {
    lab = process(119s);
    CHECK_FALSE(starts_clean(*lab));
    lab->receive(kResumed);
    CHECK(lab->take<event::Connected>());
    CHECK(lab->sent().size() == 9);
  }
  SECTION("too late") {
    lab = process(120s);
    CHECK(starts_clean(*lab));
    lab = process(0s);  // it died before CONNACK: whether its CONNECT arrived nobody knows
    CHECK_FALSE(starts_clean(*lab));
    lab->receive(kResumed);
    CHECK(lab->broken_off() == mqtt::Error::unexpected_session);
    CHECK(starts_clean(*lab));
    lab->receive(kAcceptedAfresh);
    CHECK(lab->take<event::Connected>());
    (void)lab->sent();
    lab = process(0s);
    CHECK_FALSE(starts_clean(*lab));
    lab->receive(kResumed);
    CHECK(lab->take<event::Connected>());
  }
}

TEST_CASE("before 5.0 a session of which nothing is known here is taken up", "[mqtt]") {  // 3.1.1 section 3.2.2.2: the client's choice
  SessionLab lab{persistent()};
  lab.connect(true);
  lab.receive("32 06 0001 61 0007 78");
  CHECK(lab.take<event::MessageReceived>());
}
