#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// Messages that wait for a connection or for room in flight.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("a full queue does what its policy says", "[mqtt]") {
  const auto queued = [](QueuePolicy policy, std::vector<std::pair<const char*, QoS>> messages) {
    SessionLab lab{SessionLimits{.max_queued = 2, .when_full = policy}};
    std::string told;
    for (const auto& [payload, qos] : messages) told += lab.publish("t", payload, qos) ? '+' : '-';
    while (const auto failed = lab.take<event::Failed>()) told += failed->error == tapir::Error::no_buffer_space ? 'd' : '?';
    lab.connect();
    for (const auto byte : lab.sent()) {
      if (byte >= std::byte{'1'} && byte <= std::byte{'9'} && byte != std::byte{0x32} && byte != std::byte{0x30})
        told += static_cast<char>(byte);
    }
    return told;
  };
  using enum QueuePolicy;
  const std::vector<std::pair<const char*, QoS>> three{{"5", kQoS1}, {"6", kQoS0}, {"7", kQoS1}};
  CHECK(queued(refuse, three) == "++-56");
  CHECK(queued(drop_oldest, three) == "+++d67");
  CHECK(queued(drop_newest_qos_0, three) == "+++d57");
  CHECK(queued(drop_newest_qos_0, {{"5", kQoS1}, {"6", kQoS0}, {"7", kQoS0}}) == "++-56");
  CHECK(queued(drop_newest_qos_0, {{"5", kQoS1}, {"6", kQoS1}, {"7", kQoS1}}) == "++-56");
}

TEST_CASE("a message that waits can be withdrawn", "[mqtt]") {
  SessionLab lab;
  const auto first = lab.publish("t", "1", kQoS1);
  REQUIRE(lab.publish("t", "5", kQoS0));
  REQUIRE(lab.session.cancel(*first));
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *first);
  CHECK(failed->error == tapir::Error::operation_canceled);
  CHECK(lab.session.cancel(*first).error() == tapir::Error::invalid_argument);
  lab.connect();
  CHECK(lab.sent() == hex("30 04 0001 74 35"));
}

TEST_CASE("a queue that is full of bytes does what its policy says, and drops nothing for a message that it refuses", "[mqtt]") {
  using enum QueuePolicy;
  /// The messages are as long as said; the queue has room for ten bytes. What was accepted, what was dropped, and what is left.
  const auto queued = [](QueuePolicy policy, std::vector<std::pair<std::size_t, QoS>> messages) {
    SessionLab lab{SessionLimits{.max_queued = 10, .max_queued_bytes = 10, .when_full = policy}};
    std::string told;
    for (const auto& [size, qos] : messages) told += lab.publish("t", Payload{std::string(size, 'x')}, qos) ? '+' : '-';
    while (const auto failed = lab.take<event::Failed>()) told += failed->error == tapir::Error::no_buffer_space ? 'd' : '?';
    for (const auto& waiting : lab.session.outstanding()) told += std::to_string(waiting.message->payload.size());
    return told;
  };
  CHECK(queued(refuse, {{9, kQoS1}, {1, kQoS0}, {1, kQoS1}}) == "++-91");
  CHECK(queued(drop_oldest, {{5, kQoS1}, {4, kQoS1}, {6, kQoS1}}) == "+++d46");
  CHECK(queued(drop_oldest, {{5, kQoS1}, {4, kQoS1}, {99, kQoS1}}) == "+++dd99");  // a single one may be larger
  CHECK(queued(drop_newest_qos_0, {{3, kQoS0}, {3, kQoS1}, {3, kQoS0}, {4, kQoS1}}) == "++++d334");
  CHECK(queued(drop_newest_qos_0, {{3, kQoS0}, {3, kQoS1}, {3, kQoS0}, {7, kQoS1}}) == "++++dd37");
  CHECK(queued(drop_newest_qos_0, {{3, kQoS0}, {3, kQoS1}, {3, kQoS0}, {8, kQoS1}}) == "+++-333");
  CHECK(queued(drop_newest_qos_0, {{9, kQoS1}, {1, kQoS0}, {9, kQoS1}}) == "++-91");
  CHECK(queued(drop_newest_qos_0, {{3, kQoS0}, {3, kQoS0}, {99, kQoS1}}) == "+++dd99");
  CHECK(queued(drop_newest_qos_0, {{9, kQoS0}, {2, kQoS0}}) == "+-9");
}

namespace {

Result<Token> publish_for(SessionLab& lab, std::uint32_t seconds, QoS qos = kQoS1) {
  return lab.session.publish({.topic = "t", .payload = "old", .qos = qos, .properties = {{property::message_expiry_interval, seconds}}},
                             lab.now);
}

}  // namespace

TEST_CASE("5.0: a message that waits too long fails when its time is over", "[mqtt]") {
  SessionLab lab{kept_v5()};
  const bool connected = GENERATE(false, true);
  if (connected) {
    lab.connect5({{property::receive_maximum, 1}});
    REQUIRE(lab.publish("t", "first", kQoS1));
    (void)lab.sent();
  }
  const auto later = publish_for(lab, 20);
  const auto sooner = publish_for(lab, 10);
  REQUIRE(lab.publish("t", "always", kQoS1));
  lab.advance(10s - 1ns);
  CHECK_FALSE(lab.has_events());
  lab.advance(1ns);
  auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *sooner);
  CHECK(failed->error == mqtt::Error::message_expired);
  CHECK_FALSE(lab.has_events());
  CHECK(lab.session.queued() == 2);
  lab.advance(10s);
  failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *later);
  CHECK(lab.session.queued() == 1);
  if (!connected) CHECK_FALSE(lab.session.next_deadline());
}

TEST_CASE("5.0: a message with an expiry interval of 0 is for a connection that takes it at once", "[mqtt]") {
  SessionLab lab{kept_v5()};
  REQUIRE(publish_for(lab, 0));
  lab.advance(1s);
  CHECK(lab.take<event::Failed>()->error == mqtt::Error::message_expired);
  lab.connect5();
  REQUIRE(publish_for(lab, 0));
  CHECK(only_publish(lab.sent()).properties.get(property::message_expiry_interval) == 0U);
}

TEST_CASE("5.0: a message whose time is over leaves its place in the queue to a new one, whatever the policy", "[mqtt]") {
  const auto policy = GENERATE(QueuePolicy::refuse, QueuePolicy::drop_oldest, QueuePolicy::drop_newest_qos_0);
  SessionLab lab{kept_v5(), SessionLimits{.max_queued = 3, .when_full = policy}};
  REQUIRE(lab.publish("t", "stays", kQoS0));
  const auto first = publish_for(lab, 10);
  const auto second = publish_for(lab, 10);
  lab.now += 1h;  // nobody called tick()
  CHECK(lab.publish("t", "fresh", kQoS1));
  for (const auto& token : {first, second}) {
    const auto failed = lab.take<event::Failed>();
    REQUIRE(failed);
    CHECK(failed->token == *token);
    CHECK(failed->error == mqtt::Error::message_expired);
  }
  CHECK_FALSE(lab.has_events());
  CHECK(lab.session.queued() == 2);
}
