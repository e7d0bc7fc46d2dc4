#include <catch2/catch.hpp>

#include <set>

#include <tapir/mqtt/ack_waits.hpp>
#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// A server that answers PINGREQ and does not acknowledge: the connection is given up, for on the same one nothing may be sent again
// (5.0 section 4.4).
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

constexpr SessionLimits kLimits{.ack_timeout = 20s};

/// No PINGREQ: what ends a connection here is the missing acknowledgment.
ConnectOptions quiet5() {
  auto options = kept_v5();
  options.keep_alive = 0s;
  return options;
}

}  // namespace

TEST_CASE("an acknowledgment that does not come ends the connection, and the next one sends again", "[mqtt][MQTT5-4.4.0-1]") {
  SessionLab lab{quiet5(), kLimits};
  lab.connect5();
  const auto request = GENERATE("PUBACK", "PUBREC", "PUBCOMP", "SUBACK", "UNSUBACK");
  INFO(request);
  const std::string what{request};
  Bytes again;
  if (what == "PUBACK") {
    REQUIRE(lab.publish("t", "x", kQoS1));
    again = hex("3a 07 0001 74 0001 00 78");
  }
  if (what == "PUBREC" || what == "PUBCOMP") {
    REQUIRE(lab.publish("t", "x", kQoS2));
    again = hex("3c 07 0001 74 0001 00 78");
  }
  if (what == "SUBACK") REQUIRE(lab.session.subscribe({{.filter = "t"}}, lab.now));
  if (what == "UNSUBACK") REQUIRE(lab.session.unsubscribe({"t"}, lab.now));
  (void)lab.sent();
  if (what == "PUBCOMP") {
    lab.advance(19s);
    lab.receive("50 02 0001");  // in time, and the wait for the next one begins
    again = hex("62 02 0001");
    CHECK(lab.sent() == again);
  }
  lab.advance(20s - 1ns);
  CHECK(lab.quiet());
  lab.advance(1ns);
  if (what.ends_with("SUBACK")) CHECK(lab.take<event::Failed>()->error == mqtt::Error::session_lost);
  CHECK(lab.broken_off() == mqtt::Error::ack_timeout);
  CHECK(lab.sent().empty());  // nobody is there to be told
  lab.connect5({}, true);
  CHECK(lab.sent() == again);
}

TEST_CASE("an acknowledgment in time ends the wait, whatever else is missing is waited for by itself", "[mqtt]") {
  SessionLab lab{quiet5(), kLimits};
  lab.connect5();
  REQUIRE(lab.publish("t", "1", kQoS1));
  lab.advance(5s);
  REQUIRE(lab.publish("t", "2", kQoS1));
  lab.advance(10s);
  REQUIRE(lab.publish("t", "3", kQoS1));
  (void)lab.sent();
  lab.receive("40 02 0001  40 02 0003");
  CHECK(lab.take<event::Delivered>());
  CHECK(lab.take<event::Delivered>());
  lab.advance(10s - 1ns);
  CHECK(lab.quiet());
  SECTION("it comes") {
    lab.receive("40 02 0002");
    CHECK(lab.take<event::Delivered>());
    CHECK_FALSE(lab.session.next_deadline());
  }
  SECTION("it does not") {
    lab.advance(1ns);
    CHECK(lab.broken_off() == mqtt::Error::ack_timeout);
  }
}

TEST_CASE("other packets from the server do not put the limit off; the packet's own way there does", "[mqtt]") {
  SessionLab lab{quiet5(), kLimits};
  lab.connect5();
  REQUIRE(lab.publish("t", "long", kQoS1));
  REQUIRE(lab.publish("t", "next", kQoS1));
  const auto size = lab.sent().size();
  constexpr std::uint64_t connect = 21;
  SECTION("nothing is known of the way") {
    lab.advance(15s);
    lab.receive("30 04 0001 61 00");
    CHECK(lab.take<event::MessageReceived>());
    lab.advance(5s);
  }
  SECTION("the first bytes take long, the whole even longer") {
    for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{2}, connect + size}) {
      lab.advance(19s);
      lab.session.transport_progress(lab.now, bytes);
    }
    lab.advance(19s);
    lab.session.transport_progress(lab.now, connect + size + 1);  // something behind them: they are there already
    CHECK(lab.quiet());
    lab.advance(1s);
  }
  SECTION("bytes that stop on their way") {
    lab.advance(15s);
    lab.session.transport_progress(lab.now, 1);
    lab.advance(19s);
    CHECK(lab.quiet());
    lab.advance(1s);
  }
  CHECK(lab.broken_off() == mqtt::Error::ack_timeout);
}

TEST_CASE("there is no limit when that is said, and the default is a minute", "[mqtt]") {
  const auto ended_after = [](SessionLimits limits) {
    SessionLab lab{quiet5(), limits};
    lab.connect5();
    REQUIRE(lab.publish("t", "x", kQoS1));
    (void)lab.sent();
    lab.advance(59s);
    if (lab.has_events()) return 59;
    lab.advance(1s);
    if (lab.has_events()) return 60;
    lab.advance(24h);
    return lab.has_events() ? 1 : 0;
  };
  CHECK(ended_after({}) == 60);
  CHECK(ended_after({.ack_timeout = Duration::zero()}) == 0);
}

TEST_CASE("a re-authentication that the server leaves unanswered ends the connection", "[mqtt]") {
  auto options = quiet5();
  options.properties.add({property::authentication_method, "m"});
  SessionLab lab{options, kLimits};
  lab.connect5({{property::authentication_method, "m"}});
  REQUIRE(lab.session.reauthenticate("x", lab.now));
  (void)lab.sent();
  lab.advance(19s);
  SECTION("each step has its time") {
    lab.receive("f0 06 18 04 15 0001 6d");
    CHECK(lab.take<event::Authentication>());
    lab.advance(10s);
    REQUIRE(lab.session.authenticate("y", lab.now));
    (void)lab.sent();
    lab.advance(19s);
  }
  SECTION("at once") {}
  CHECK(lab.quiet());
  lab.advance(1s);
  CHECK(lab.broken_off() == mqtt::Error::ack_timeout);
}

TEST_CASE("a re-authentication's AUTH behind a long packet is waited for from when the peer has it", "[mqtt]") {
  auto options = quiet5();
  options.properties.add({property::authentication_method, "m"});
  SessionLab lab{options, kLimits};
  REQUIRE(lab.session.connected(lab.now));
  std::uint64_t there = lab.sent().size();
  lab.receive5(Connack{.properties = {{property::authentication_method, "m"}}});
  CHECK(lab.take<event::Connected>());
  REQUIRE(lab.publish("t", Payload{std::string(1000, 'x')}, kQoS0));
  CHECK(lab.take<event::Sent>());
  REQUIRE(lab.session.reauthenticate("x", lab.now));
  const std::uint64_t end = there + lab.sent().size();
  for (; there < end; there = std::min(end, there + 200)) {
    lab.session.transport_progress(lab.now, there);
    lab.advance(19s);
    CHECK_FALSE(lab.has_events());
  }
  lab.session.transport_progress(lab.now, end);
  SECTION("it comes, and then it is the client's turn") {
    lab.advance(20s - 1ns);
    lab.receive("f0 06 18 04 15 0001 6d");
    CHECK(lab.take<event::Authentication>());
    CHECK_FALSE(lab.session.next_deadline());
    REQUIRE(lab.session.authenticate("y", lab.now));
    (void)lab.sent();
    lab.advance(20s - 1ns);
    lab.receive("f0 06 00 04 15 0001 6d");
    CHECK(lab.take<event::Authentication>());
    CHECK_FALSE(lab.session.next_deadline());
  }
  SECTION("it does not") {
    lab.advance(20s - 1ns);
    CHECK_FALSE(lab.has_events());
    lab.advance(1ns);
    CHECK(lab.broken_off() == mqtt::Error::ack_timeout);
  }
}

TEST_CASE("a server that repeats PUBREC makes no wait but one, and puts it off by nothing", "[mqtt]") {
  SessionLab lab{quiet5(), kLimits};
  lab.connect5();
  REQUIRE(lab.publish("t", "x", kQoS2));
  (void)lab.sent();
  for (int connection = 0; connection < 2; ++connection) {
    const auto since = lab.now;
    for (int i = 0; i < 10'000; ++i) {
      lab.receive("50 02 0001");
      CHECK(lab.sent() == hex("62 02 0001"));
      lab.advance(1ms);
    }
    CHECK(lab.session.awaited() == 1);
    lab.advance(20s - (lab.now - since) - 1ns);
    CHECK(lab.quiet());
    lab.advance(1ns);
    CHECK(lab.broken_off() == mqtt::Error::ack_timeout);
    lab.connect5({}, true);
    CHECK(lab.sent() == hex("62 02 0001"));
    CHECK(lab.session.awaited() == 1);
  }
  lab.receive("70 02 0001");
  CHECK(lab.take<event::Delivered>());
  CHECK(lab.session.awaited() == 0);
}

TEST_CASE("waits that are over in any order take no room", "[mqtt]") {
  AckWaits waits;
  std::set<std::uint64_t> open;
  const auto is_over = [&](PacketId, std::uint64_t order) { return !open.contains(order); };
  for (std::uint64_t order = 1; order <= 10'000; ++order) {
    waits.add({.id = PacketId{1}, .order = order, .end = order, .since = TimePoint{Duration{static_cast<Duration::rep>(order)}}});
    open.insert(order);
    waits.arrived(order, TimePoint{Duration{static_cast<Duration::rep>(20'000 + order)}});
    if (order > 1) open.erase(order);  // all but the first
    waits.drop(open.size(), is_over);
    CHECK(waits.size() <= 2 * open.size() + 64);
    CHECK(*waits.since() == TimePoint{Duration{20'001}});
  }
  open.insert(10'001);
  waits.add({.id = PacketId{1}, .order = 10'001, .end = 10'001, .since = TimePoint{Duration{50'000}}});
  open.erase(1);
  waits.drop(open.size(), is_over);
  CHECK(*waits.since() == TimePoint{Duration{50'000}});
  open.clear();
  waits.drop(0, is_over);
  CHECK_FALSE(waits.since());
}
