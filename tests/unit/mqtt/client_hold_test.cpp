#include <catch2/catch.hpp>

#include "scripted_transport.hpp"

// Acknowledgments that the user of a client gives, in the order of the messages, and a client that does not read.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

/// A client of a kept session whose handler holds the acknowledgment of every message that says so.
struct Holding : ClientLab {
  Holding() : ClientLab{{.client_id = "s1", .clean_session = false}} {
    client->on_unmatched([this](const Message& message) {
      told.emplace_back(message.payload.text());
      if (message.payload.text().starts_with('h')) held.push_back(client->hold_acknowledgment());
    });
    connect();
  }
  void reconnect(bool session_present) {
    far->end();
    lab.advance(4s);
    far->accept();
    (void)far->take_sent();
    far->deliver(session_present ? "20 02 01 00" : "20 02 00 00");
  }
  /// What acknowledging one message sends.
  [[nodiscard]] Bytes acknowledged() {
    client->acknowledge();
    return far->take_sent();
  }
  std::vector<std::string> told;
  std::vector<bool> held;
};

}  // namespace

TEST_CASE("a message that is held is acknowledged by its user, and no later one before it", "[mqtt][MQTT311-4.6.0-2]") {
  Holding t;
  t.far->deliver("32 05 0001 61 0001");  // acknowledged behind its handler
  CHECK(t.far->take_sent() == hex("40 02 0001"));
  t.far->deliver("32 06 0001 61 0002 68  32 05 0001 61 0003  34 06 0001 61 0004 68  34 05 0001 61 0005  30 04 0001 61 68");
  CHECK(t.told.size() == 6);
  CHECK(t.held == std::vector{true, true, false});  // QoS 0 has no acknowledgment
  CHECK(t.far->take_sent().empty());
  CHECK(t.client->session().unacknowledged() == 4);
  CHECK(t.acknowledged() == hex("40 02 0002 40 02 0003"));
  CHECK(t.acknowledged() == hex("50 02 0004 50 02 0005"));
  CHECK(t.acknowledged().empty());
  t.far->deliver("62 02 0004 62 02 0005");
  CHECK(t.far->take_sent() == hex("70 02 0004 70 02 0005"));
  t.far->deliver("32 05 0001 61 0006");
  CHECK(t.far->take_sent() == hex("40 02 0006"));
}

TEST_CASE("what is held does not hold up anything else", "[mqtt]") {
  Holding t;
  const Told told;
  t.client->publish("t", "x", kQoS2, told.callback());
  (void)t.far->take_sent();
  t.far->deliver("32 06 0001 61 0001 68  50 02 0001");
  CHECK(t.far->take_sent() == hex("62 02 0001"));
  t.far->deliver("70 02 0001");
  CHECK(told.success());
}

TEST_CASE("QoS 1: a message that is held when its connection ends comes again", "[mqtt]") {
  Holding t;
  t.far->deliver("32 06 0001 61 0001 68");
  t.reconnect(true);
  t.far->deliver("3a 06 0001 61 0001 68");
  CHECK(t.told.size() == 2);
  CHECK(t.acknowledged().empty());  // the first one's connection is gone
  CHECK(t.acknowledged() == hex("40 02 0001"));
}

TEST_CASE("QoS 2: a message that is held when its connection ends is told once as long as there is a session", "[mqtt][MQTT311-4.3.3-2]") {
  Holding t;
  t.far->deliver("34 06 0001 61 0001 68");
  SECTION("the broker has it") {
    t.reconnect(true);
    t.far->deliver("3c 06 0001 61 0001 68");
    CHECK(t.told.size() == 1);
    CHECK(t.far->take_sent().empty());
    CHECK(t.acknowledged() == hex("50 02 0001"));
    t.far->deliver("62 02 0001");
    CHECK(t.far->take_sent() == hex("70 02 0001"));
  }
  SECTION("the broker has lost it, and gives its identifier to another message") {
    t.reconnect(false);
    t.far->deliver("34 06 0001 61 0001 68");
    CHECK(t.told.size() == 2);
    CHECK(t.acknowledged().empty());
    t.reconnect(true);
    t.far->deliver("3c 06 0001 61 0001 68");
    CHECK(t.told.size() == 2);
    CHECK(t.acknowledged() == hex("50 02 0001"));
  }
}

TEST_CASE("a client that drains waits for what is held", "[mqtt]") {
  Holding t;
  t.far->deliver("32 06 0001 61 0001 68");
  t.client->drain();
  t.turn();
  CHECK(t.far->take_sent().empty());
  CHECK(t.acknowledged() == hex("40 02 0001"));
  t.turn();
  CHECK(t.far->take_sent() == hex("e0 00"));
}

TEST_CASE("a client that is paused reads CONNACK and nothing behind", "[mqtt]") {
  Holding t;
  t.client->pause_reading();
  t.far->deliver("32 05 0001 61 0001");
  CHECK(t.told.empty());
  CHECK(t.far->inbox.size() == 7);
  SECTION("until it goes on") {
    t.client->resume_reading();
    CHECK(t.told.empty());  // not from inside the call
    t.turn();
    CHECK(t.told.size() == 1);
    CHECK(t.far->take_sent() == hex("40 02 0001"));
  }
  SECTION("also on the next connection") {
    t.far->fail(tapir::Error::connection_reset);
    t.lab.advance(1s);
    t.far->accept();
    t.far->deliver("20 02 01 00");
    CHECK(t.connected == 2);
    t.far->deliver("32 05 0001 61 0001");
    CHECK(t.told.empty());
    t.client->resume_reading();
    t.turn();
    CHECK(t.told.size() == 1);
  }
}
