#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <tapir/mqtt/session.hpp>

#include "model_broker.hpp"
#include "support/memory_store.hpp"

// The link is cut after byte n of an exchange, for every n, in both directions of the stream; a second cut follows on the way back.
using namespace tapir;
using namespace tapir::mqtt;

namespace {

constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

/// After how many bytes of each direction a connection breaks.
struct Cut {
  std::size_t to_broker = kNever;
  std::size_t to_client = kNever;
};

/// What becomes of the client's process when the link breaks.
enum class Process {
  lives,
  dies_after_step,   ///< when it has dealt with all that it read
  dies_before_read,  ///< with the last bytes unread
};

/// A kept session and a broker with a link between them that breaks as it is told.
class World {
 public:
  explicit World(ProtocolVersion version, Process process = Process::lives) : version_{version}, process_{process} { start_session(); }

  void publish(std::string payload, QoS qos) {
    const auto token = session.publish({.topic = "up", .payload = Payload{payload}, .qos = qos}, now_);
    REQUIRE(token);
    ++published;
  }
  /// One connection, from CONNECT until it breaks or nothing moves any more. True: it broke.
  bool connection(Cut cut) {
    REQUIRE(session.connected(now_));
    for (bool moved = true; moved;) {
      moved = false;
      std::vector<std::byte> up;
      while (const auto slice = session.take_output(now_)) up.insert(up.end(), slice->bytes().begin(), slice->bytes().end());
      if (pass(up, cut.to_broker, [this](auto bytes) { broker.input(bytes); }, moved)) return lose();
      const auto down = std::exchange(broker.output, {});
      if (process_ == Process::dies_before_read && down.size() >= cut.to_client) return lose();
      if (pass(down, cut.to_client, [this](auto bytes) { session.input(bytes, now_); }, moved)) return lose();
      take_events();
    }
    session.transport_lost(now_);
    broker.connection_lost();
    return false;
  }

  Session session;
  test::ModelBroker broker;
  std::vector<std::string> received;
  int published = 0;
  int confirmed = 0;

 private:
  template <class Deliver>
  bool pass(std::span<const std::byte> bytes, std::size_t& left, Deliver deliver, bool& moved) {
    const auto count = std::min(bytes.size(), left);
    if (left != kNever) left -= count;
    moved = moved || count > 0;
    deliver(bytes.first(count));
    return left == 0 || count < bytes.size();
  }
  bool lose() {
    take_events();
    broker.connection_lost();
    if (process_ == Process::lives) {
      session.transport_lost(now_);
      take_events();
    } else {
      while (session.take_output(now_)) {}  // nobody reads it any more, but the state is saved
      start_session();
    }
    return true;
  }
  void start_session() {
    session = Session{};
    ConnectOptions options{.client_id = "c", .clean_session = false, .keep_alive = std::chrono::seconds{0}, .version = version_};
    if (version_ == ProtocolVersion::v5_0) options.properties = {{property::session_expiry_interval, 3600}};
    REQUIRE(session.configure(std::move(options)));
    session.keep_in(&store_);
    REQUIRE(session.restore(now_));
  }
  void take_events() {
    while (const auto event = session.next_event()) {
      if (const auto* message = std::get_if<event::MessageReceived>(&*event)) received.emplace_back(message->message.payload.text());
      if (std::holds_alternative<event::Delivered>(*event)) ++confirmed;
      REQUIRE_FALSE(std::holds_alternative<event::Failed>(*event));
      REQUIRE_FALSE(std::holds_alternative<event::Disconnected>(*event));
    }
  }

  ProtocolVersion version_;
  Process process_;
  test::MemoryStore store_;  // outlives the client's process
  TimePoint now_{};
};

void start_exchange(World& world, QoS qos) {
  world.publish("one", qos);
  world.publish("two", qos);
  world.broker.send_message("three", qos);
  world.broker.send_message("four", qos);
}

void finish(World& world, QoS qos) {
  CHECK_FALSE(world.connection({}));
  CHECK(world.confirmed == world.published);
  CHECK(world.session.in_flight() == 0);
  CHECK(world.session.unreleased() == 0);
  CHECK(world.broker.settled());
  const std::vector<std::string> up{"one", "two"};
  const std::vector<std::string> down{"three", "four"};
  if (qos == QoS::exactly_once) {
    CHECK(world.broker.delivered == up);
    CHECK(world.received == down);
    return;
  }
  for (const auto& message : up) CHECK(std::ranges::count(world.broker.delivered, message) >= 1);
  for (const auto& message : down) CHECK(std::ranges::count(world.received, message) >= 1);
}

/// Cuts at 0, 1, 2, … until the exchange is over before the cut, and says after how many cuts that was.
template <class MakeCut>
std::size_t cut_everywhere(ProtocolVersion version, Process process, QoS qos, MakeCut make_cut) {
  for (std::size_t n = 0;; ++n) {
    World world{version, process};
    start_exchange(world, qos);
    const bool broke = world.connection(make_cut(n));
    finish(world, qos);
    if (!broke) return n;
  }
}

Cut up(std::size_t n) { return {.to_broker = n}; }
Cut down(std::size_t n) { return {.to_client = n}; }

constexpr auto kOldest = ProtocolVersion::v3_1;
constexpr auto kOld = ProtocolVersion::v3_1_1;
constexpr auto kNew = ProtocolVersion::v5_0;

}  // namespace

TEST_CASE("a QoS 2 message arrives exactly once wherever the link is cut, whether the process lives or dies",
          "[mqtt][MQTT311-4.3.3-1][MQTT311-4.3.3-2][MQTT311-4.1.0-1][MQTT5-4.3.3-10][MQTT5-4.3.3-6]") {
  for (const auto process : {Process::lives, Process::dies_after_step, Process::dies_before_read}) {
    // Up: CONNECT of 15 bytes (5.0: 21), two PUBLISH of 11 (12). Down: CONNACK of 4 (5), PUBLISH of 15 and 14 (16 and 15). Both ways six
    // acknowledgments of 4. 3.1 has "MQIsdp" in the place of "MQTT".
    CHECK(cut_everywhere(kOldest, process, QoS::exactly_once, up) == 17 + 22 + 6 * 4 + 1);
    CHECK(cut_everywhere(kOldest, process, QoS::exactly_once, down) == 4 + 29 + 6 * 4 + 1);
    CHECK(cut_everywhere(kOld, process, QoS::exactly_once, up) == 15 + 22 + 6 * 4 + 1);
    CHECK(cut_everywhere(kOld, process, QoS::exactly_once, down) == 4 + 29 + 6 * 4 + 1);
    CHECK(cut_everywhere(kNew, process, QoS::exactly_once, up) == 21 + 24 + 6 * 4 + 1);
    CHECK(cut_everywhere(kNew, process, QoS::exactly_once, down) == 5 + 31 + 6 * 4 + 1);
  }
}

TEST_CASE("a QoS 1 message arrives at least once wherever the link is cut, whether the process lives or dies",
          "[mqtt][MQTT311-4.3.2-1][MQTT311-4.3.2-2][MQTT311-4.1.0-1][MQTT5-4.3.2-3]") {
  for (const auto process : {Process::lives, Process::dies_after_step, Process::dies_before_read}) {
    CHECK(cut_everywhere(kOldest, process, QoS::at_least_once, up) == 17 + 22 + 2 * 4 + 1);
    CHECK(cut_everywhere(kOldest, process, QoS::at_least_once, down) == 4 + 29 + 2 * 4 + 1);
    CHECK(cut_everywhere(kOld, process, QoS::at_least_once, up) == 15 + 22 + 2 * 4 + 1);
    CHECK(cut_everywhere(kOld, process, QoS::at_least_once, down) == 4 + 29 + 2 * 4 + 1);
    CHECK(cut_everywhere(kNew, process, QoS::at_least_once, up) == 21 + 24 + 2 * 4 + 1);
    CHECK(cut_everywhere(kNew, process, QoS::at_least_once, down) == 5 + 31 + 2 * 4 + 1);
  }
}

TEST_CASE("exactly once also when the next connections are cut as well, at pairs of places all over the exchange",
          "[mqtt][MQTT311-4.4.0-1][MQTT5-4.4.0-1]") {
  for (const auto version : {kOldest, kOld, kNew}) {
    for (const auto process : {Process::lives, Process::dies_after_step, Process::dies_before_read}) {
      for (std::size_t first = 0; first < 70; first += 3) {
        for (std::size_t second = 14; second < 60; ++second) {
          World world{version, process};
          start_exchange(world, QoS::exactly_once);
          world.connection({.to_broker = first});
          world.connection({.to_client = second - 14});
          world.connection({.to_broker = second});
          finish(world, QoS::exactly_once);
        }
      }
    }
  }
}
