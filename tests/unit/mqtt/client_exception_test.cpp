#include <catch2/catch.hpp>

#include <stdexcept>

#include "scripted_transport.hpp"

// A callback that throws: its exception reaches the loop, and everything else is told all the same, once.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

/// Counts its calls, and throws in each.
struct Thrower {
  std::size_t calls = 0;
  void operator()() {
    ++calls;
    throw std::runtime_error{"from a callback"};
  }
  [[nodiscard]] Client::Completion completion() {
    return [this](const Result<>&) { (*this)(); };
  }
  [[nodiscard]] Client::Granted granted() {
    return [this](const Result<QoS>&) { (*this)(); };
  }
  [[nodiscard]] Client::Handler handler() {
    return [this](const Message&) { (*this)(); };
  }
};

/// Lets the loop run until nothing throws any more. How many exceptions reached it.
template <class First>
int exceptions(ClientLab& t, First first) {
  int thrown = 0;
  bool begun = false;
  for (bool again = true; again;) {
    again = false;
    try {
      if (!std::exchange(begun, true)) first();
      t.turn();
      t.turn();
    } catch (const std::runtime_error&) {
      ++thrown;
      again = true;
    }
  }
  return thrown;
}

}  // namespace

TEST_CASE("completions of a lost connection that throw leave the others theirs, and its end is told", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .reconnect = {.enabled = false}}};
  t.connect();
  Thrower thrower;
  for (int i = 0; i < 3; ++i) t.client->publish("t", "1", kQoS1, thrower.completion());
  t.turn();
  CHECK(exceptions(t, [&t] { t.far->fail(tapir::Error::connection_reset); }) == 3);
  CHECK(thrower.calls == 3);
  CHECK(t.disconnections.size() == 1);
}

TEST_CASE("completions of calls that were refused at once throw one by one", "[mqtt]") {
  ClientLab t;
  Thrower thrower;
  for (int i = 0; i < 3; ++i) t.client->publish("", "1", kQoS1, thrower.completion());
  CHECK(exceptions(t, [] {}) == 3);
  CHECK(thrower.calls == 3);
}

TEST_CASE("messages whose handler throws are acknowledged, and what is behind them is read", "[mqtt]") {
  ClientLab t;
  t.connect();
  Thrower thrower;
  t.client->on_unmatched(thrower.handler());
  std::size_t granted = 0;
  t.client->subscribe("s", kQoS0, {}, [&granted](const Result<QoS>&) { ++granted; });
  (void)t.far->take_sent();
  CHECK(exceptions(t, [&t] { t.far->deliver("32 06 0001 74 0001 31  34 06 0001 74 0002 31  90 03 0001 00"); }) == 2);
  CHECK(thrower.calls == 2);
  CHECK(granted == 1);
  CHECK(t.far->take_sent() == hex("40 02 0001  50 02 0002"));
}

TEST_CASE("of several handlers of a message all are called, though each throws", "[mqtt]") {
  ClientLab t;
  t.connect();
  Thrower thrower;
  for (const char* filter : {"a", "+", "#"}) t.client->subscribe(filter, kQoS1, thrower.handler());
  (void)t.far->take_sent();
  CHECK(exceptions(t, [&t] { t.far->deliver("32 06 0001 61 0001 31"); }) == 3);
  CHECK(thrower.calls == 3);
  CHECK(t.far->take_sent() == hex("40 02 0001"));
}

TEST_CASE("completions of one SUBACK that throw leave the others theirs, with the properties", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .version = ProtocolVersion::v5_0, .subscription_identifiers = false}};
  Thrower thrower;
  std::vector<std::string> words;
  for (const char* filter : {"a", "b", "c"}) {
    t.client->subscribe(filter, kQoS0, {}, [&](const Result<QoS>&) {
      words.push_back(t.client->answer_properties().get(property::reason_string).value_or(""));
      thrower();
    });
  }
  t.open();
  t.far->deliver("20 03 00 00 00");
  CHECK(exceptions(t, [&t] { t.far->deliver("90 0a 0001 04 1f 0001 78 00 87 00"); }) == 3);
  CHECK(words == std::vector<std::string>{"x", "x", "x"});
  CHECK(t.client->answer_properties().empty());
}

TEST_CASE("completions of QoS 0 that throw leave the others theirs", "[mqtt]") {
  ClientLab t;
  t.connect();
  t.far->acknowledge_all();
  Thrower thrower;
  for (int i = 0; i < 3; ++i) t.client->publish("t", "1", kQoS0, thrower.completion());
  t.turn();
  CHECK(exceptions(t, [&t] { t.far->acknowledge_all(); }) == 3);
  CHECK(thrower.calls == 3);
}

TEST_CASE("drain() and the disconnect() that ends it are both completed, though both throw", "[mqtt]") {
  ClientLab t;
  t.connect();
  t.client->publish("t", "1", kQoS1);
  Thrower thrower;
  t.client->drain(ReasonCode::normal_disconnection, {}, thrower.completion());
  t.client->disconnect(thrower.completion());
  CHECK(exceptions(t, [&t] { t.far->end(); }) == 2);
  CHECK(thrower.calls == 2);
  CHECK(t.disconnections.size() == 1);
}

TEST_CASE("a client that is destroyed by the callback that throws is gone", "[mqtt]") {
  ClientLab t;
  t.connect();
  Thrower thrower;
  t.client->on_unmatched([&](const Message&) {
    t.client.reset();
    thrower();
  });
  CHECK(exceptions(t, [&t] { t.far->deliver("30 04 0001 74 31 30 04 0001 74 31"); }) == 1);
  CHECK(thrower.calls == 1);
}

TEST_CASE("5.0: a function that throws in the place of an answer has not answered, and the connection ends", "[mqtt]") {
  Thrower thrower;
  ClientConfig config{.client_id = "c", .version = ProtocolVersion::v5_0, .properties = {{property::authentication_method, "m"}}};
  config.authenticate = [&thrower](const event::Authentication&) -> std::string {
    thrower();
    return {};
  };
  ClientLab t{config};
  t.open();
  t.far->deliver("20 07 00 00 04 15 0001 6d");
  t.client->reauthenticate("1");
  (void)t.far->take_sent();
  CHECK(exceptions(t, [&t] { t.far->deliver("f0 06 18 04 15 0001 6d"); }) == 1);
  CHECK(t.far->take_sent() == hex("e0 01 80"));
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].error == mqtt::Error::authentication_unanswered);
}

TEST_CASE("5.0: a function that throws in the place of a transport has made none, and the client goes on", "[mqtt]") {
  Thrower thrower;
  ClientConfig config{.client_id = "c", .version = ProtocolVersion::v5_0};
  config.redirection = {.max_hops = 2, .transport = [&thrower](const ServerReference&) -> std::unique_ptr<Transport> {
                          thrower();
                          return nullptr;
                        }};
  ClientLab t{config};
  t.open();
  t.far->deliver("20 03 00 00 00");
  CHECK(exceptions(t, [&t] { t.far->deliver("e0 08 9c 06 1c 0003 622063"); }) == 2);  // "b c"
  CHECK(thrower.calls == 2);
  REQUIRE(t.disconnections.size() == 1);
  CHECK_FALSE(t.disconnections[0].redirected);
  CHECK(t.disconnections[0].will_retry);
}
