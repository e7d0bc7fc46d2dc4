#include <catch2/catch.hpp>

#include <string>
#include <variant>
#include <vector>

#include <tapir/mqtt/codec.hpp>
#include <tapir/stack/stack.hpp>

#include "readme_program.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace std::chrono_literals;

namespace {

/// Takes one client's CONNECT and acknowledges what it publishes.
class Broker {
 public:
  explicit Broker(Stack& stack) {
    auto listener = stack.tcp().listen(Port{1883}, [this](tcp::Connection connection) {
      connection_ = std::move(connection);
      connection_.handle({.readable = [this] { read(); }});
      read();
    });
    REQUIRE(listener);
    listener_ = std::move(*listener);
  }

  std::vector<std::string> published;

 private:
  void read() {
    std::vector<std::byte> buffer(1000);
    while (const auto count = connection_.receive(buffer)) {
      if (*count == 0) return connection_.close();
      auto bytes = std::span<const std::byte>{buffer}.first(*count);
      for (;;) {
        const auto packet = decoder_.next(bytes);
        REQUIRE(packet);
        if (!*packet) break;
        answer(**packet);
      }
    }
  }
  void answer(const mqtt::ControlPacket& packet) {
    std::vector<std::byte> reply;
    if (std::holds_alternative<mqtt::Connect>(packet)) REQUIRE(mqtt::encode(mqtt::Connack{}, reply));
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      published.push_back(publish->topic + " " + std::string{publish->payload.text()});
      REQUIRE(mqtt::encode(mqtt::Puback{publish->id}, reply));
    }
    if (!reply.empty()) REQUIRE(connection_.send(reply) == reply.size());
  }

  mqtt::Decoder decoder_;
  tcp::Listener listener_;
  tcp::Connection connection_;
};

}  // namespace

TEST_CASE("README's program delivers its reading in a simulated world", "[scenario]") {
  sim::World world;
  sim::Cable cable{world, {.delay = 1ms}};
  Stack host{world, cable.right(), {.address = "192.0.2.1/24"_prefix}};
  Broker broker{host};
  CHECK(readme_program(world, cable) == 0);
  CHECK(broker.published == std::vector<std::string>{R"(room/temperature {"celsius":21.5})"});
  CHECK(world.now() < TimePoint{1s});
}

TEST_CASE("README's program says so and returns 1 when there is no broker", "[scenario]") {
  sim::World world;
  sim::Cable cable{world, {.delay = 1ms}};
  SECTION("nobody at the port") {
    const Stack host{world, cable.right(), {.address = "192.0.2.1/24"_prefix}};
    CHECK(readme_program(world, cable) == 1);
  }
  SECTION("no host") { CHECK(readme_program(world, cable) == 1); }
}
