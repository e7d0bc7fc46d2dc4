#include <catch2/catch.hpp>

#include <cstdlib>
#include <new>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

namespace {

/// While set, allocations of at least so many bytes fail.
std::size_t failing_size = 0;

}  // namespace

void* operator new(std::size_t size) {
  if (failing_size != 0 && size >= failing_size) throw std::bad_alloc{};
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept { return std::malloc(size == 0 ? 1 : size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("a received PUBLISH is answered as its QoS asks", "[mqtt][MQTT311-3.3.4-1][MQTT311-2.3.1-6][MQTT311-4.5.0-2]") {
  SessionLab lab;
  lab.connect();
  lab.receive("31 04 0001 61 78");
  const auto first = lab.take<event::MessageReceived>();
  REQUIRE(first);
  CHECK(first->message == Message{.topic = "a", .payload = "x", .qos = kQoS0, .retain = true});
  CHECK(lab.quiet());
  lab.receive("3a 06 0001 61 1234 78");
  const auto second = lab.take<event::MessageReceived>();
  REQUIRE(second);
  CHECK(second->message == Message{.topic = "a", .payload = "x", .qos = kQoS1, .duplicate = true, .id = PacketId{0x1234}});
  CHECK(lab.sent() == hex("40 02 1234"));
  lab.receive("34 05 0001 61 1234");
  CHECK(lab.take<event::MessageReceived>());
  CHECK(lab.sent() == hex("50 02 1234"));
  lab.receive("62 02 1234");
  CHECK(lab.sent() == hex("70 02 1234"));
}

TEST_CASE("a QoS 1 message with an identifier seen before is a new one", "[mqtt][MQTT311-4.3.2-2]") {
  SessionLab lab;
  lab.connect();
  lab.receive("32 05 0001 61 0007 3a 05 0001 61 0007");
  CHECK(lab.take<event::MessageReceived>());
  CHECK(lab.take<event::MessageReceived>());
  CHECK(lab.sent() == hex("40 02 0007 40 02 0007"));
}

TEST_CASE("a QoS 2 message is delivered once until its identifier is released", "[mqtt][MQTT311-4.3.3-2][MQTT311-4.3.3-N1]") {
  SessionLab lab;
  lab.connect();
  lab.receive("34 05 0001 61 0007 3c 05 0001 61 0007");
  CHECK(lab.take<event::MessageReceived>());
  CHECK_FALSE(lab.has_events());
  CHECK(lab.sent() == hex("50 02 0007 50 02 0007"));
  CHECK(lab.session.unreleased() == 1);
  lab.receive("62 02 0007 62 02 0007");
  CHECK(lab.sent() == hex("70 02 0007 70 02 0007"));
  CHECK(lab.session.unreleased() == 0);
  lab.receive("34 05 0001 61 0007");
  CHECK(lab.take<event::MessageReceived>());
}

TEST_CASE("acknowledgments follow the order of the messages", "[mqtt][MQTT311-4.6.0-2][MQTT311-4.6.0-3]") {
  SessionLab lab;
  lab.connect();
  lab.receive("32 05 0001 61 0005  32 05 0001 61 0003  32 05 0001 61 0009");
  CHECK(lab.sent() == hex("40 02 0005 40 02 0003 40 02 0009"));
  lab.receive("34 05 0001 61 0005  34 05 0001 61 0003  34 05 0001 61 0009");
  CHECK(lab.sent() == hex("50 02 0005 50 02 0003 50 02 0009"));
}

TEST_CASE("a message is acknowledged when it has been taken, and not before", "[mqtt]") {
  Session session;
  const TimePoint now{};
  REQUIRE(session.connected(now));
  session.input(hex("20 02 00 00  32 05 0001 61 0005  32 05 0001 61 0006"), now);
  REQUIRE(session.next_event());  // Connected
  while (session.take_output(now)) {}
  REQUIRE(session.next_event());  // the first message
  CHECK_FALSE(session.take_output(now));
  REQUIRE(session.next_event());  // the second: the first has been dealt with
  const auto first = session.take_output(now);
  REQUIRE(first);
  CHECK(Bytes{first->bytes().begin(), first->bytes().end()} == hex("40 02 0005"));
  CHECK_FALSE(session.take_output(now));
  session.transport_lost(now);
  CHECK_FALSE(session.next_event());
  REQUIRE(session.connected(now));
  session.input(hex("20 02 00 00"), now);
  REQUIRE(session.next_event());
  while (const auto slice = session.take_output(now)) CHECK(slice->bytes()[0] == std::byte{0x10});  // no PUBACK of the old connection
}

TEST_CASE("a received DUP does not pass to a message sent on", "[mqtt][MQTT311-3.3.1-3]") {
  SessionLab lab;
  lab.connect();
  lab.receive("3a 05 0001 61 0007");
  const auto received = lab.take<event::MessageReceived>();
  REQUIRE(received);
  CHECK(received->message.duplicate);
  (void)lab.sent();
  REQUIRE(lab.session.publish(received->message, lab.now));
  CHECK(lab.sent() == hex("32 05 0001 61 0001"));
}

TEST_CASE("a topic with wildcards, or none, ends the connection", "[mqtt][MQTT311-3.3.2-N1]") {
  for (const auto* digits : {"30 05 0003 612f2b", "30 05 0003 612f23", "30 02 0000"}) {
    SessionLab lab;
    lab.connect();
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  }
}

TEST_CASE("a byte order mark in a topic reaches the application", "[mqtt][MQTT311-1.5.3-3]") {
  SessionLab lab;
  lab.connect();
  lab.receive("30 06 0004 efbbbf61");
  CHECK(lab.take<event::MessageReceived>()->message.topic ==
        "\xef\xbb\xbf"
        "a");
}

TEST_CASE("an allocation that fails ends the connection with an error", "[mqtt][MQTT311-4.8.0-2]") {
  SessionLab lab{persistent()};
  lab.connect();
  const Bytes start = hex("30 80 80 04 0001 61");  // 65536 bytes follow
  lab.session.input(start, lab.now);
  const Bytes rest(40'000);
  failing_size = 30'000;
  lab.session.input(rest, lab.now);
  failing_size = 0;
  CHECK(lab.broken_off() == mqtt::Error::out_of_memory);
  CHECK_FALSE(lab.session.is_connected());

  lab.connect();  // the twin: with memory it is received
  lab.session.input(start, lab.now);
  lab.session.input(rest, lab.now);
  lab.session.input(Bytes(65'533 - 40'000), lab.now);
  CHECK(lab.take<event::MessageReceived>()->message.payload.size() == 65'533);
}
