#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"
#include "support/memory_store.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

struct StoredLab : SessionLab {
  explicit StoredLab(MemoryStore& store, ConnectOptions options = kept_v5()) : SessionLab{std::move(options)} { session.keep_in(&store); }
};

}  // namespace

TEST_CASE("a session that was exported goes on elsewhere", "[mqtt][MQTT311-4.1.0-1][MQTT5-4.1.0-1]") {
  SessionLab old{kept_v5()};
  old.connect5();
  REQUIRE(old.session.publish({.topic = "t", .payload = "1", .qos = kQoS1, .properties = {{property::content_type, "c"}}}, old.now));
  REQUIRE(old.publish("t", "2", kQoS2));
  REQUIRE(old.publish("t", "3", kQoS2));
  old.receive("50 02 0002  34 06 0001 61 0007 00");
  CHECK(old.take<event::MessageReceived>());
  (void)old.sent();
  old.session.transport_lost(old.now);
  REQUIRE(old.publish("q", "4", kQoS0));

  SessionLab lab{kept_v5()};
  REQUIRE(lab.session.import_state(old.session.export_state(old.now), lab.now));
  CHECK(lab.session.in_flight() == 3);
  CHECK(lab.session.queued() == 1);
  CHECK(lab.session.unreleased() == 1);
  lab.connect5({}, true);
  CHECK(lab.sent() == hex("3a 0b 0001 74 0001 04 03 0001 63 31  3c 07 0001 74 0003 00 33  62 02 0002  30 05 0001 71 00 34"));
  lab.receive("3c 06 0001 61 0007 00");
  CHECK(lab.take<event::Sent>());
  CHECK_FALSE(lab.has_events());
}

TEST_CASE("what is no exported session of this client is refused, and changes nothing", "[mqtt]") {
  SessionLab old{kept_v5()};
  REQUIRE(old.publish("t", "1", kQoS1));
  const Bytes state = old.session.export_state(old.now);
  SessionLab lab{kept_v5()};
  REQUIRE(lab.publish("t", "mine", kQoS1));
  for (std::size_t length = 0; length < state.size(); ++length) {
    CHECK(lab.session.import_state(std::span{state}.first(length), lab.now).error() == mqtt::Error::invalid_state);
  }
  Bytes longer = state;
  longer.push_back(std::byte{0});
  CHECK(lab.session.import_state(longer, lab.now).error() == mqtt::Error::invalid_state);
  SessionLab other{with_v5({}, false, "other")};
  CHECK(other.session.import_state(state, other.now).error() == mqtt::Error::invalid_state);
  CHECK(lab.session.queued() == 1);
  CHECK(lab.session.import_state(state, lab.now));
  CHECK(lab.take<event::Failed>()->error == mqtt::Error::session_lost);  // what it replaces
  lab.connect5();
  CHECK(lab.session.import_state(state, lab.now).error() == tapir::Error::already_connected);
}

TEST_CASE("what expires goes on expiring while a session is stored", "[mqtt]") {
  SessionLab old{kept_v5(100)};
  old.connect5();
  REQUIRE(old.publish("t", "1", kQoS1));
  (void)old.sent();
  old.session.transport_lost(old.now);
  REQUIRE(old.session.publish({.topic = "t", .qos = kQoS0, .properties = {{property::message_expiry_interval, 60}}}, old.now));
  old.advance(20s);
  const Bytes state = old.session.export_state(old.now);

  SessionLab early{kept_v5(100)};
  REQUIRE(early.session.import_state(state, early.now, 70s));
  early.advance(5s);
  CHECK(early.session.in_flight() == 1);
  CHECK(early.take<event::Failed>()->error == mqtt::Error::message_expired);

  SessionLab late{kept_v5(100)};
  REQUIRE(late.session.import_state(state, late.now, 81s));
  late.advance(0s);
  CHECK(late.session.in_flight() == 0);
}

TEST_CASE("nothing leaves before the state it depends on is saved", "[mqtt]") {
  MemoryStore store;
  StoredLab lab{store};
  lab.connect5();
  CHECK(store.saves == 1);  // with CONNECT a session begins
  REQUIRE(lab.publish("t", "x", kQoS2));
  (void)lab.sent();
  CHECK(store.saves == 2);
  lab.receive("50 02 0001");
  (void)lab.sent();
  CHECK(store.saves == 3);
  lab.receive("34 06 0001 61 0007 00");
  const auto before = store.saves;
  CHECK(lab.take<event::MessageReceived>());
  (void)lab.sent();
  CHECK(store.saves == before + 2);  // the message's number, and that it was taken
  lab.advance(55s);
  CHECK(lab.sent() == hex("c0 00"));
  CHECK(store.saves == before + 2);  // a PINGREQ changes nothing

  SessionLab next{kept_v5()};
  next.session.keep_in(&store);
  REQUIRE(next.session.restore(next.now));
  CHECK(next.session.in_flight() == 1);
  CHECK(next.session.unreleased() == 1);
}

TEST_CASE("a session that ends leaves nothing in the store", "[mqtt]") {
  const auto restored = [](MemoryStore& store) {
    SessionLab next{kept_v5()};
    next.session.keep_in(&store);
    REQUIRE(next.session.restore(next.now));
    return next.session.in_flight() + next.session.unreleased() + next.session.queued();
  };
  MemoryStore store;
  StoredLab lab{store};
  lab.connect5();
  REQUIRE(lab.publish("t", "x", kQoS2));
  (void)lab.sent();
  CHECK(restored(store) == 1);
  SECTION("by what DISCONNECT says") {
    REQUIRE(lab.session.disconnect(lab.now, ReasonCode::normal_disconnection, {{property::session_expiry_interval, 0}}));
    CHECK(lab.sent() == hex("e0 07 00 05 11 00000000"));
  }
  SECTION("by what CONNACK says") {
    lab.session.transport_lost(lab.now);
    lab.connect5({{property::session_expiry_interval, 0}}, true);
    (void)lab.sent();
    const auto saves = store.saves;
    REQUIRE(lab.publish("t", "y", kQoS1));
    (void)lab.sent();
    CHECK(store.saves == saves);  // what is kept nowhere needs no saving
  }
  SECTION("by a clean start of a later process") {
    StoredLab clean{store, with_v5()};
    REQUIRE(clean.session.restore(clean.now));
    clean.open();
    CHECK(clean.take<event::Failed>()->error == mqtt::Error::session_lost);
  }
  CHECK(restored(store) == 0);
}

TEST_CASE("a state that cannot be saved ends the connection before anything leaves", "[mqtt]") {
  MemoryStore store;
  StoredLab lab{store};
  lab.connect5();
  store.broken = true;
  REQUIRE(lab.publish("t", "x", kQoS2));
  CHECK(lab.sent().empty());
  CHECK(lab.broken_off() == mqtt::Error::storage_failed);
  CHECK_FALSE(lab.session.is_connected());
  store.broken = false;
  lab.connect5({}, true);
  CHECK(lab.sent() == hex("3c 07 0001 74 0001 00 78"));
}

TEST_CASE("what happened while a message came in parts is told although that one cannot be", "[mqtt]") {
  MemoryStore store;
  SessionLab lab{kept_v5(), SessionLimits{.stream_above = 10}};
  lab.session.keep_in(&store);
  lab.connect5();
  const bool complete = GENERATE(true, false);
  lab.receive("34 10 0001 61 0007 00 3031323334");
  const auto token = lab.publish("t", "x", kQoS0);
  REQUIRE(token);
  lab.receive(complete ? "3536373839" : "3536");
  store.broken = true;  // the message's number cannot be saved
  const auto sent = lab.take<event::Sent>();
  REQUIRE(sent);
  CHECK(sent->token == *token);
  CHECK(lab.broken_off() == mqtt::Error::storage_failed);
  CHECK_FALSE(lab.has_events());

  store.broken = false;
  lab.connect5({}, true);
  lab.receive("3c 10 0001 61 0007 00 30313233343536373839");  // and so it comes again
  CHECK(lab.take<event::MessageBegan>());
  CHECK(lab.take<event::MessagePart>());
  CHECK(lab.take<event::MessageEnded>());
}

namespace {

/// A payload of a repeated pattern, which nobody holds whole.
class Pattern final : public PayloadSource {
 public:
  explicit Pattern(std::uint64_t end) : end_{end} {
    for (std::size_t i = 0; i < period_.size(); ++i) period_[i] = at(i);
  }
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) override {
    largest = std::max(largest, into.size());
    const std::size_t from = offset % period_.size();
    const auto left = std::min<std::uint64_t>(end_ - std::min(offset, end_), period_.size() - from);
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left));
    std::copy_n(period_.begin() + static_cast<std::ptrdiff_t>(from), count, into.begin());
    return count;
  }
  [[nodiscard]] static std::byte at(std::uint64_t offset) { return static_cast<std::byte>(offset % kPeriod * 7 >> 3U); }
  std::size_t largest = 0;

 private:
  static constexpr std::size_t kPeriod = 65'521;  // prime: no other boundary falls together with its end
  std::vector<std::byte> period_ = std::vector<std::byte>(kPeriod);
  std::uint64_t end_;
};

}  // namespace

TEST_CASE("a payload of 200 MB goes out from its source in small pieces, and comes in to a sink likewise", "[mqtt]") {
  constexpr std::size_t kSize = 200'000'000;
  SessionLab lab{with_v5(), SessionLimits{.stream_above = 1U << 16U}};
  lab.connect5();
  SessionLab sink{with_v5(), SessionLimits{.stream_above = 1U << 16U}};
  sink.connect5();
  const auto source = std::make_shared<Pattern>(kSize);
  const auto token = lab.session.publish({.topic = "t", .payload = Payload{source, kSize}, .qos = kQoS1}, lab.now);
  REQUIRE(token);
  REQUIRE(lab.publish("t", "after", kQoS0));
  std::uint64_t received = 0;
  bool same = true;
  bool ended = false;
  std::size_t largest = 0;
  while (const auto slice = lab.session.take_output(lab.now)) {
    largest = std::max(largest, slice->size());
    sink.session.input(slice->bytes(), sink.now);
    while (const auto event = sink.session.next_event()) {
      if (const auto* part = std::get_if<event::MessagePart>(&*event)) {
        for (std::size_t i = 0; i < part->bytes.size(); i += 997) same = same && part->bytes.bytes()[i] == Pattern::at(received + i);
        received += part->bytes.size();
      }
      ended = ended || std::holds_alternative<event::MessageEnded>(*event);
    }
    while (sink.session.take_output(sink.now)) {}
  }
  CHECK(received == kSize);
  CHECK(same);
  CHECK(ended);
  CHECK(largest <= 65'536);
  CHECK(source->largest <= 65'536);
  lab.receive("40 02 0001");
  CHECK(lab.take<event::Sent>());
  CHECK(lab.take<event::Delivered>()->token == *token);
}

TEST_CASE("a source that ends early ends the connection; the message is read again on the next", "[mqtt]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  REQUIRE(lab.session.publish({.topic = "t", .payload = Payload{std::make_shared<Pattern>(10), 20}, .qos = kQoS1}, lab.now));
  CHECK(lab.sent().size() == 2 + 3 + 2 + 1 + 10);
  CHECK(lab.broken_off() == mqtt::Error::payload_source_failed);
  CHECK(lab.sent().empty());
  lab.connect5({}, true);
  CHECK(lab.sent().size() == 2 + 3 + 2 + 1 + 10);
}
