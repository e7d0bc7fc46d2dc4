#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"
#include "support/memory_store.hpp"

// What a process that dies at any moment knows of received messages of QoS 2 when it is started anew (MQTT 3.1.1 section 4.3.3): each has a
// number, which is saved before the message is told, and that it was taken is saved before PUBREC leaves.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

constexpr const char* kFirst = "34 06 0001 61 0007 00";
constexpr const char* kFirstAgain = "3c 06 0001 61 0007 00";

/// A process: a session that begins with what the store holds, and has a connection.
struct Process : SessionLab {
  explicit Process(MemoryStore& store, bool session_present = true, SessionLimits limits = {}) : SessionLab{kept_v5(), limits} {
    session.keep_in(&store);
    REQUIRE(session.restore(now));
    connect5({}, session_present);
    (void)sent();
  }
  /// The number of the message that is told next.
  [[nodiscard]] std::uint64_t told() {
    const auto event = session.next_event();
    const auto* message = event ? std::get_if<event::MessageReceived>(&*event) : nullptr;
    return message != nullptr ? message->message.delivery : 0;
  }
};

}  // namespace

TEST_CASE("a process that dies after it has taken a message and before that is saved gets it again under its number",
          "[mqtt][MQTT311-4.3.3-2]") {
  MemoryStore store;
  {
    Process process{store, false};
    process.receive(kFirst);
    CHECK(process.told() == 1);
  }  // it dies
  {
    Process process{store};
    process.receive(kFirstAgain);
    CHECK(process.told() == 1);
    CHECK(process.sent() == hex("50 02 0007"));
    process.receive("34 06 0001 61 0008 00");
    CHECK(process.told() == 2);
  }
  SECTION("but one that was saved as taken does not come again, and the next one has a number of its own") {
    Process process{store};
    process.receive(kFirstAgain);
    process.receive("34 06 0001 61 0009 00");
    CHECK(process.told() == 3);
  }
  SECTION("a session that is over leaves the count") {
    {
      Process process{store, false};  // the server has forgotten it
      process.receive(kFirst);
      CHECK(process.told() == 3);
    }
    Process process{store};
    process.receive(kFirst);  // without DUP: it is not the message that the identifier stood for
    CHECK(process.told() == 4);
  }
}

TEST_CASE("the number of a message is saved before the message is told, once for all that came together", "[mqtt]") {
  MemoryStore store;
  Process process{store, false};
  process.receive("34 06 0001 61 0007 00  34 06 0001 61 0008 00  34 06 0001 61 0009 00");
  const int before = store.saves;
  CHECK(process.told() == 1);
  CHECK(store.saves == before + 1);
  CHECK(process.told() == 2);
  CHECK(process.told() == 3);
  CHECK(store.saves == before + 1);
  CHECK(process.sent() == hex("50 02 0007 50 02 0008 50 02 0009"));
  CHECK(store.saves == before + 2);  // that they were taken
}

TEST_CASE("a message whose number cannot be saved is not told; it comes with the next connection", "[mqtt]") {
  MemoryStore store;
  Process process{store, false};
  store.broken = true;
  process.receive(kFirst);
  CHECK(process.broken_off() == mqtt::Error::storage_failed);
  CHECK_FALSE(process.session.is_connected());
  CHECK(process.sent().empty());
  store.broken = false;
  process.connect5({}, true);
  (void)process.sent();
  process.receive(kFirstAgain);
  CHECK(process.told() == 1);
  CHECK(process.sent() == hex("50 02 0007"));
}

TEST_CASE("a message in parts has its number from the beginning, also when the beginning comes again", "[mqtt]") {
  constexpr const char* front = "34 26 0001 61 0007 00 6161616161616161";
  const SessionLimits limits{.stream_above = 20};
  MemoryStore store;
  {
    Process process{store, false, limits};
    process.receive(front);
    const auto began = process.take<event::MessageBegan>();
    REQUIRE(began);
    CHECK(began->message.delivery == 1);
  }
  Process process{store, true, limits};
  process.receive(std::string{"3c"} + (front + 2));
  const auto began = process.take<event::MessageBegan>();
  REQUIRE(began);
  CHECK(began->message.delivery == 1);
  SECTION("a connection that is lost does not change it") {
    process.session.transport_lost(process.now);
    while (process.has_events()) (void)process.take<event::MessagePart>();
    process.connect5({}, true);
    (void)process.sent();
    process.receive(std::string{"3c"} + (front + 2));
    while (process.has_events()) {
      if (const auto again = process.take<event::MessageBegan>()) CHECK(again->message.delivery == 1);
    }
  }
  SECTION("one that cannot be saved is not begun") {
    process.session.transport_lost(process.now);
    while (process.has_events()) (void)process.take<event::MessagePart>();
    process.connect5({}, true);
    (void)process.sent();
    store.broken = true;
    process.receive(std::string{"34 26 0001 61 0009 00 6161616161616161"});
    CHECK(process.broken_off() == mqtt::Error::storage_failed);
    CHECK_FALSE(process.has_events());
  }
}

TEST_CASE("without a store, and of other qualities of service, messages have no number", "[mqtt]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  lab.receive(kFirst);
  CHECK(lab.take<event::MessageReceived>()->message.delivery == 0);
  MemoryStore store;
  Process process{store, false};
  process.receive("32 06 0001 61 0007 00  30 04 0001 61 00");
  CHECK(process.take<event::MessageReceived>()->message.delivery == 0);
  CHECK(process.take<event::MessageReceived>()->message.delivery == 0);
}

TEST_CASE("expiry goes on over a restart by the store's age", "[mqtt]") {
  MemoryStore store;
  {
    SessionLab process{kept_v5(100)};
    process.session.keep_in(&store);
    process.connect5();
    REQUIRE(process.session.publish({.topic = "t", .qos = kQoS1, .properties = {{property::message_expiry_interval, 60}}}, process.now));
    (void)process.sent();
    process.session.transport_lost(process.now);
    REQUIRE(process.session.save(process.now));
  }
  const auto next = [&](Duration age) {
    store.since_saved = age;
    SessionLab process{kept_v5(100)};
    process.session.keep_in(&store);
    REQUIRE(process.session.restore(process.now));
    process.advance(0s);
    const auto in_flight = process.session.in_flight();
    while (process.has_events()) (void)process.take<event::Failed>();
    process.connect5({}, in_flight > 0);
    return std::pair{in_flight, process.sent()};
  };
  CHECK(next(20s) == std::pair{std::size_t{1}, hex("3a 0b 0001 74 0001 05 02 00000028")});  // 40 s are left of 60
  CHECK(next(99s).first == 1);
  CHECK(next(100s).first == 0);  // the session has expired
}

TEST_CASE("a process that died while it was connected leaves it to the server whether the session has expired", "[mqtt]") {
  MemoryStore store;
  {
    Process process{store, false};
    REQUIRE(process.publish("t", "x", kQoS1));
    (void)process.sent();
  }
  store.since_saved = 1'000'000s;  // it had nothing to save for long, and died just now
  Process process{store};
  CHECK(process.session.in_flight() == 1);
}

TEST_CASE("what an earlier process had accepted is named, in order", "[mqtt]") {
  MemoryStore store;
  std::vector<Token> tokens;
  {
    Process process{store, false};
    for (const char* payload : {"1", "2", "3"}) REQUIRE(process.publish("t", payload, kQoS2));
    (void)process.sent();
    process.receive("50 02 0002");
    (void)process.sent();
    process.session.transport_lost(process.now);
    REQUIRE(process.publish("t", "4", kQoS0));
    REQUIRE(process.session.save(process.now));
    CHECK(process.session.outstanding().size() == 4);
  }
  SessionLab process{kept_v5()};
  process.session.keep_in(&store);
  REQUIRE(process.session.restore(process.now));
  std::string names;
  for (const auto& [token, message] : process.session.outstanding()) {
    tokens.push_back(token);
    names += message != nullptr ? message->payload.text() : "-";
  }
  CHECK(names == "13-4");
  process.connect5({}, true);
  (void)process.sent();
  process.receive("70 02 0002");
  CHECK(process.take<event::Sent>()->token == tokens[3]);
  CHECK(process.take<event::Delivered>()->token == tokens[2]);
}
