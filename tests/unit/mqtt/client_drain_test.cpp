#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

// Leaving while messages arrive: what no handler had stays with the broker (4.3.2, 4.3.3: who acknowledges has taken the message over).
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

constexpr const char* kDisconnect = "e0 00";

/// A client of a kept session that drains in the handler of its first message, or does what the test says there.
struct Draining : ClientLab {
  explicit Draining(SessionLimits limits = {}) : ClientLab{{.client_id = "s1", .clean_session = false, .limits = limits}} {
    client->on_unmatched([this](const Message& message) {
      heard.emplace_back(message.payload.text());
      if (heard.size() == 1) first();
    });
    connect();
  }
  std::vector<std::string> heard;
  Told told;
  std::function<void()> first = [this] { client->drain(ReasonCode::normal_disconnection, {}, told.callback()); };
};

using Heard = std::vector<std::string>;

}  // namespace

TEST_CASE("QoS 1: a client that drains acknowledges what it has taken, and nothing behind", "[mqtt]") {
  Draining t;
  t.far->deliver("32 06 0001 61 0001 31  32 06 0001 61 0002 32  32 06 0001 61 0003 33");
  CHECK(t.heard == Heard{"1"});
  CHECK(t.far->take_sent() == hex("40 02 0001"));
  t.turn();
  CHECK(t.far->take_sent() == hex(kDisconnect));
  CHECK(t.far->closed);
  CHECK(t.told.nothing());
  t.far->end();
  CHECK(t.told.success());
  CHECK(t.disconnections.size() == 1);
}

TEST_CASE("a client that does not drain acknowledges them all", "[mqtt]") {
  Draining t;
  t.first = [] {};
  t.far->deliver("32 06 0001 61 0001 31  32 06 0001 61 0002 32");
  t.turn();
  CHECK(t.heard == Heard{"1", "2"});
  CHECK(t.far->take_sent() == hex("40 02 0001 40 02 0002"));
}

TEST_CASE("QoS 2: the exchanges under way end before DISCONNECT, and no other begins", "[mqtt]") {
  Draining t;
  t.far->deliver("34 06 0001 61 0001 31  34 06 0001 61 0002 32");
  CHECK(t.far->take_sent() == hex("50 02 0001"));
  t.lab.advance(1s);
  CHECK(t.far->take_sent().empty());
  SECTION("by PUBREL") {
    t.far->deliver("34 06 0001 61 0003 33  62 02 0001  30 04 0001 61 34");
    CHECK(t.far->take_sent() == hex("70 02 0001"));
    t.turn();
    CHECK(t.far->take_sent() == hex(kDisconnect));
    SECTION("and the next connection gives the others") {
      t.far->end();
      REQUIRE(t.client->connect());
      t.connect(true);
      t.far->deliver("3c 06 0001 61 0002 32  3c 06 0001 61 0003 33");
      CHECK(t.far->take_sent() == hex("50 02 0002 50 02 0003"));
      t.turn();
      CHECK(t.heard == Heard{"1", "2", "3"});
    }
  }
  SECTION("by time, with a broker that never sends it") {
    t.lab.advance(28s);
    CHECK(t.far->take_sent().empty());
    t.lab.advance(2s);
    CHECK(t.far->take_sent() == hex(kDisconnect));
  }
  SECTION("by the loss of the connection") {
    t.far->end();
    CHECK(t.told.failure(tapir::Error::connection_closed));
    REQUIRE(t.disconnections.size() == 1);
    CHECK_FALSE(t.disconnections[0].will_retry);
  }
  SECTION("by disconnect()") {
    const Told other;
    t.client->disconnect(other.callback());
    CHECK(t.far->take_sent() == hex(kDisconnect));
    t.far->end();
    CHECK(t.told.success());
    CHECK(other.success());
  }
  CHECK(t.heard[0] == "1");
}

TEST_CASE("a client that drains delivers what it was given, however much waits for its turn", "[mqtt]") {
  Draining t{{.max_in_flight = 1}};
  const Told first, second, last;
  t.client->publish("a", "1", QoS::at_least_once, first.callback());
  t.client->publish("a", "2", QoS::at_least_once, second.callback());
  t.client->publish("a", "3", QoS::at_most_once, last.callback());
  t.first();
  t.turn();
  const auto published = [](const char* id, const char* text) { return hex(std::string{"32 06 0001 61 "} + id + " " + text); };
  CHECK(t.far->take_sent() == published("0001", "31"));
  t.far->deliver("40 02 0001");
  t.turn();
  CHECK(first.success());
  SECTION("and then leaves") {
    t.far->deliver("40 02 0002");
    t.turn();
    CHECK(second.success());
    CHECK(t.far->take_sent() == hex("32 06 0001 61 0002 32  30 04 0001 61 33"));
    CHECK(last.nothing());
    t.far->acknowledge_all();
    t.turn();
    CHECK(last.success());
    CHECK(t.far->take_sent() == hex(kDisconnect));
  }
  SECTION("for a time") {
    (void)t.far->take_sent();
    t.lab.advance(30s);
    CHECK(t.far->take_sent() == hex(kDisconnect));
    t.far->end();
    CHECK(second.failure(tapir::Error::operation_canceled));
  }
}

TEST_CASE("disconnect() in a handler leaves its message with the broker", "[mqtt]") {
  Draining t;
  t.first = [&t] { t.client->disconnect(); };
  t.far->deliver("32 06 0001 61 0001 31  32 06 0001 61 0002 32");
  CHECK(t.far->take_sent() == hex(kDisconnect));
  t.turn();
  CHECK(t.far->take_sent().empty());
}

TEST_CASE("draining without a message in hand disconnects at once", "[mqtt]") {
  Draining t;
  t.first();
  t.turn();
  CHECK(t.far->take_sent() == hex(kDisconnect));
  t.far->end();
  CHECK(t.told.success());
  SECTION("and without a connection fails") {
    const Told late;
    t.client->drain(ReasonCode::normal_disconnection, {}, late.callback());
    t.turn();
    CHECK(late.failure(tapir::Error::not_connected));
  }
}

TEST_CASE("a message that comes in parts is acknowledged if its end was told before", "[mqtt]") {
  Draining t{{.stream_above = 4}};
  std::size_t events = 0, aborted = 0, drain_at = 0;
  t.client->on_stream([&](const StreamEvent& event) {
    aborted += std::holds_alternative<event::MessageAborted>(event) ? 1U : 0U;
    if (++events == drain_at) t.first();
  });
  const char* const whole = "32 0a 0001 61 0001 3132333435  32 0a 0001 61 0002 3132333435";
  SECTION("at its beginning") {
    drain_at = 1;
    t.far->deliver(whole);
    CHECK(t.far->take_sent().empty());
    CHECK((events == 2 && aborted == 1));
  }
  SECTION("in its middle, with the rest still to come") {
    drain_at = 2;
    t.far->deliver("32 0a 0001 61 0001 3132");
    CHECK((events == 3 && aborted == 1));
    t.far->deliver("333435 32 0a 0001 61 0002 3132333435");
  }
  SECTION("at its end") {
    drain_at = 3;
    t.far->deliver(whole);
    CHECK(t.far->take_sent() == hex("40 02 0001"));
    CHECK((events == 3 && aborted == 0));
  }
  t.turn();
  CHECK(t.far->take_sent() == hex(kDisconnect));
}

TEST_CASE("drain() with what DISCONNECT cannot say fails, and messages go on arriving", "[mqtt]") {
  Draining t;
  t.first = [] {};
  t.client->drain(ReasonCode::disconnect_with_will, {}, t.told.callback());  // not in 3.1.1
  t.turn();
  CHECK(t.told.failure(mqtt::Error::not_in_this_version));
  CHECK(t.client->is_connected());
  t.far->deliver("32 06 0001 61 0001 31");
  CHECK(t.heard == Heard{"1"});
  CHECK(t.far->take_sent() == hex("40 02 0001"));
  t.client->drain();
  t.turn();
  CHECK(t.far->take_sent() == hex(kDisconnect));
}

TEST_CASE("a client that is paused reads on when it drains", "[mqtt]") {
  Draining t;
  t.first = [] {};
  t.far->deliver("34 06 0001 61 0001 31");
  t.client->pause_reading();
  (void)t.far->take_sent();
  t.far->deliver("62 02 0001");
  CHECK(t.far->take_sent().empty());
  t.client->drain(ReasonCode::normal_disconnection, {}, t.told.callback());
  t.turn();
  CHECK(t.far->take_sent() == hex("70 02 0001 e0 00"));
}

TEST_CASE("a client that is paused reads on when it disconnects", "[mqtt]") {
  Draining t;
  t.client->pause_reading();
  t.far->deliver("30 04 0001 61 31");
  t.client->disconnect(t.told.callback());
  t.turn();
  CHECK(t.far->inbox.empty());
  t.far->end();
  CHECK(t.told.success());
  CHECK(t.heard.empty());
}

TEST_CASE("a client that is destroyed when it has drained calls nobody else", "[mqtt]") {
  Draining t;
  t.first = [] {};
  t.far->deliver("34 06 0001 61 0001 31");
  t.client->drain(ReasonCode::normal_disconnection, {}, [&t](const Result<>&) { t.client.reset(); });
  t.client->disconnect(t.told.callback());
  t.far->end();
  CHECK_FALSE(t.client);
  CHECK(t.told.nothing());
}

TEST_CASE("a client that drains has time for all, as long as the broker goes on taking over", "[mqtt]") {
  Draining t{{.max_in_flight = 1}};
  const Told last;
  for (int i = 0; i < 5; ++i) t.client->publish("a", "1", QoS::at_least_once, i == 4 ? last.callback() : Client::Completion{});
  t.first();
  t.turn();
  for (int i = 1; i <= 5; ++i) {
    t.lab.advance(20s);
    CHECK(t.far->take_sent() == hex("32 06 0001 61 000" + std::to_string(i) + " 31"));
    t.far->deliver("40 02 000" + std::to_string(i));
  }
  t.turn();
  CHECK(last.success());
  CHECK(t.far->take_sent() == hex(kDisconnect));
}
