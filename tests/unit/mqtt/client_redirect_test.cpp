#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/server_reference.hpp>

#include "scripted_transport.hpp"

// Brokers of 5.0 that name another server (section 4.11), and what else they say at the ends of a connection.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

// CONNACK and DISCONNECT with Server Reference "b" or "c d".
constexpr const char* kAnotherB = "20 07 00 9c 04 1c 0001 62";
constexpr const char* kMovedB = "20 07 00 9d 04 1c 0001 62";
constexpr const char* kLeaveForB = "e0 06 9c 04 1c 0001 62";
constexpr const char* kAccepted = "20 03 00 00 00";

/// A client whose redirections lead to the far ends b and c; nobody knows the way to another one.
struct Servers {
  explicit Servers(unsigned max_hops, Reconnect reconnect = {}) : lab{config(max_hops, reconnect)} {}
  ClientConfig config(unsigned max_hops, Reconnect reconnect) {
    ClientConfig made{.client_id = "c", .reconnect = reconnect, .version = ProtocolVersion::v5_0};
    made.redirection = {.max_hops = max_hops, .transport = [this](const ServerReference& server) -> std::unique_ptr<Transport> {
                          asked += server.host;
                          if (server.host == "b") return std::make_unique<ScriptedTransport>(b);
                          if (server.host == "c") return std::make_unique<ScriptedTransport>(c);
                          return nullptr;
                        }};
    return made;
  }
  /// The next connection of a server, which answers CONNECT so.
  void answer(FarEnd& server, const char* connack) {
    lab.turn();
    const int opened = server.opened;
    REQUIRE(opened > 0);
    server.accept();
    server.deliver(connack);
    lab.turn();
  }
  std::shared_ptr<FarEnd> b = std::make_shared<FarEnd>();
  std::shared_ptr<FarEnd> c = std::make_shared<FarEnd>();
  std::string asked;
  ClientLab lab;
};

}  // namespace

TEST_CASE("5.0: a redirection is told, and followed only when that is wanted", "[mqtt][MQTT5-3.2.2-N6]") {
  Servers t{0};
  t.answer(*t.lab.far, kAnotherB);
  REQUIRE(t.lab.disconnections.size() == 1);
  const auto& why = t.lab.disconnections[0];
  CHECK(why.error == ReasonCode::use_another_server);
  CHECK(why.by_server);
  CHECK(why.reason == ReasonCode::use_another_server);
  CHECK(why.properties.get(property::server_reference) == "b");
  CHECK(why.text == "broker refused: use another server (b)");
  CHECK_FALSE(why.will_retry);
  CHECK_FALSE(why.redirected);
  t.lab.lab.advance(1h);
  CHECK(t.asked.empty());
}

TEST_CASE("5.0: after \"use another server\" the next connection is there, and the one after it at home", "[mqtt]") {
  Servers t{2};
  const Told first;
  const Told second;
  t.lab.client->publish("t", "x", kQoS1, first.callback());
  bool was_sent = false;
  SECTION("by CONNACK") {
    t.answer(*t.lab.far, kAnotherB);
    CHECK(t.lab.disconnections.at(0).redirected);
    CHECK(t.lab.disconnections.at(0).will_retry);
    CHECK(t.lab.connected == 0);
  }
  SECTION("by DISCONNECT") {
    was_sent = true;
    t.answer(*t.lab.far, kAccepted);
    t.lab.far->deliver(kLeaveForB);
    CHECK(t.lab.disconnections.at(0).redirected);
    t.lab.client->publish("t", "x", kQoS1, second.callback());
  }
  t.answer(*t.b, kAccepted);
  CHECK(t.lab.client->is_connected());
  CHECK(t.lab.far->opened == 1);
  t.b->deliver(was_sent ? "40 02 0002" : "40 02 0001");
  CHECK((was_sent ? first.failure(mqtt::Error::session_lost) && second.success() : first.success()));  // the session is not taken along
  t.b->end();
  t.lab.lab.advance(2s);
  CHECK(t.lab.far->opened == 2);
  CHECK(t.b->opened == 1);
  t.answer(*t.lab.far, kAccepted);
  CHECK(t.lab.client->is_connected());
}

TEST_CASE("5.0: a server that has moved is not asked again", "[mqtt]") {
  Servers t{1, {.max_delay = 1s}};
  t.answer(*t.lab.far, kMovedB);
  t.answer(*t.b, kAccepted);
  for (int i = 0; i < 3; ++i) {
    t.b->end();
    t.lab.lab.advance(1s);
    t.answer(*t.b, kAccepted);
  }
  CHECK(t.lab.far->opened == 1);
  CHECK(t.b->opened == 4);
}

TEST_CASE("5.0: of several servers the first one that can be used, and without one it is a refusal", "[mqtt]") {
  Servers t{5};
  SECTION("the second") {
    t.answer(*t.lab.far, "20 09 00 9c 06 1c 0003 782063");  // "x c"
    CHECK(t.asked == "xc");
    t.answer(*t.c, kAccepted);
    CHECK(t.lab.client->is_connected());
  }
  SECTION("none") {
    t.answer(*t.lab.far, "20 07 00 9c 04 1c 0001 78");  // "x"
    CHECK_FALSE(t.lab.disconnections.at(0).will_retry);
  }
  SECTION("not said") {
    t.answer(*t.lab.far, "20 03 00 9c 00");
    CHECK_FALSE(t.lab.disconnections.at(0).will_retry);
  }
  SECTION("another reason, though with a reference") {
    t.answer(*t.lab.far, "20 07 00 88 04 1c 0001 62");
    CHECK_FALSE(t.lab.disconnections.at(0).redirected);
  }
}

TEST_CASE("5.0: each server has its own session: the subscriptions go to it, whatever it has kept", "[mqtt]") {
  ClientConfig config{.client_id = "c", .clean_session = false, .version = ProtocolVersion::v5_0};
  config.properties = {{property::session_expiry_interval, 3600}};
  const auto b = std::make_shared<FarEnd>();
  config.redirection = {.max_hops = 2, .transport = [b](const ServerReference&) { return std::make_unique<ScriptedTransport>(b); }};
  ClientLab t{config};
  const auto subscribe = hex("82 09 0001 02 0b01 0001 74 00");
  const auto accept = [&](FarEnd& server, const char* connack) {
    t.turn();
    server.accept();
    (void)server.take_sent();
    server.deliver(connack);
    t.turn();
  };
  accept(*t.far, kAccepted);
  t.far->deliver(kLeaveForB);
  accept(*b, kAccepted);
  t.client->subscribe("t", kQoS0, {});
  CHECK(b->take_sent() == subscribe);
  b->deliver("90 04 0001 00 00");
  b->end();
  t.lab.advance(2s);
  accept(*t.far, kAccepted);
  CHECK(t.far->take_sent() == hex("82 09 0002 02 0b01 0001 74 00"));
  t.far->deliver("90 04 0002 00 00");
  t.far->end();
  t.lab.advance(2s);
  accept(*t.far, "20 03 01 00 00");
  CHECK(t.far->take_sent().empty());  // the same server has it
}

TEST_CASE("5.0: a session that was given up at another server is not taken up again at home", "[mqtt][MQTT5-3.2.2-4]") {
  ClientConfig config{.client_id = "c", .clean_session = false, .reconnect = {.max_delay = 1s}, .version = ProtocolVersion::v5_0};
  config.properties = {{property::session_expiry_interval, 3600}};
  const auto b = std::make_shared<FarEnd>();
  config.redirection = {.max_hops = 2, .transport = [b](const ServerReference&) { return std::make_unique<ScriptedTransport>(b); }};
  ClientLab t{config};
  int received = 0;
  t.client->on_unmatched([&](const Message&) { ++received; });
  /// The next connection of a server, which has a session or has not. Whether CONNECT has Clean Start 1.
  const auto starts_clean = [&](FarEnd& server, bool has_session) {
    t.turn();
    (void)server.take_sent();  // on the connection before
    server.accept();
    const bool clean = (server.take_sent().at(9) & std::byte{0x02}) != std::byte{};
    server.deliver(has_session && !clean ? "20 03 01 00 00" : kAccepted);
    t.turn();
    return clean;
  };
  CHECK_FALSE(starts_clean(*t.far, false));
  t.far->deliver("34 06 0001 61 0007 00");
  CHECK(received == 1);
  t.far->deliver(kLeaveForB);
  SECTION("the other server has it too") {
    CHECK_FALSE(starts_clean(*b, true));
    b->end();
    t.lab.advance(1s);
    CHECK_FALSE(starts_clean(*t.far, true));
    t.far->deliver("3c 06 0001 61 0007 00");
    CHECK(received == 1);
  }
  SECTION("it has a session of its own") {
    CHECK_FALSE(starts_clean(*b, false));
    for (int i = 0; i < 2; ++i) {
      b->end();
      t.lab.advance(1s);
      CHECK(starts_clean(*t.far, true));
      t.far->end();
      t.lab.advance(1s);
      CHECK_FALSE(starts_clean(*t.far, true));  // the same server
      t.far->deliver(kLeaveForB);
      t.lab.advance(1s);
      CHECK(starts_clean(*b, true));
    }
  }
}

namespace {

/// A client of a kept session whose own broker may name b.
struct Balanced : ClientLab {
  explicit Balanced(bool accept_unknown = false) : ClientLab{config(accept_unknown)} {}
  ClientConfig config(bool accept_unknown) {
    ClientConfig made{.client_id = "c", .clean_session = false, .reconnect = {.max_delay = 1s}, .version = ProtocolVersion::v5_0};
    made.properties = {{property::session_expiry_interval, 3600}};
    made.accept_unknown_session = accept_unknown;
    made.redirection = {.max_hops = 2, .transport = [this](const ServerReference&) { return std::make_unique<ScriptedTransport>(b); }};
    return made;
  }
  /// The next connection of a server, which answers so. Whether CONNECT had Clean Start 1.
  bool starts_clean(FarEnd& server, const char* connack) {
    turn();
    (void)server.take_sent();  // on the connection before
    server.accept();
    const bool clean = (server.take_sent().at(9) & std::byte{0x02}) != std::byte{};
    server.deliver(connack);
    return clean;
  }
  void lose(FarEnd& server) {
    server.end();
    lab.advance(1s);
  }
  std::shared_ptr<FarEnd> b = std::make_shared<FarEnd>();
};

constexpr const char* kResumed = "20 03 01 00 00";

}  // namespace

TEST_CASE("5.0: a broker that only names another server has no session, and the other one's goes on", "[mqtt]") {
  Balanced t;
  CHECK_FALSE(t.starts_clean(*t.far, kAnotherB));
  CHECK_FALSE(t.starts_clean(*t.b, kAccepted));
  SECTION("it is kept") {}
  SECTION("once it is lost") {
    t.lose(*t.b);
    CHECK_FALSE(t.starts_clean(*t.far, kAnotherB));
    CHECK_FALSE(t.starts_clean(*t.b, kAccepted));
  }
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  for (int i = 0; i < 3; ++i) {
    t.lose(*t.b);
    CHECK_FALSE(t.starts_clean(*t.far, kAnotherB));
    CHECK_FALSE(t.starts_clean(*t.b, kResumed));
  }
  CHECK(t.b->take_sent() == hex("3a 07 0001 74 0001 00 78"));
  CHECK(told.nothing());
}

TEST_CASE("5.0: what one server has not acknowledged is not taken to another one, though its session be taken up", "[mqtt]") {
  Balanced t{true};
  t.starts_clean(*t.far, kAccepted);
  t.far->deliver(kLeaveForB);
  t.starts_clean(*t.b, kAccepted);
  const Told told;
  t.client->publish("t", "x", kQoS2, told.callback());
  t.lose(*t.b);
  CHECK_FALSE(t.starts_clean(*t.far, kResumed));
  CHECK(told.failure(mqtt::Error::session_lost));
  CHECK(t.far->take_sent().empty());
}

TEST_CASE("5.0: an ordinary delay ends a row of redirections", "[mqtt]") {
  Servers t{1};
  for (int i = 0; i < 3; ++i) {
    t.answer(*t.lab.far, kAnotherB);
    REQUIRE(t.lab.disconnections.back().redirected);
    t.lab.turn();
    t.b->fail(tapir::Error::connection_refused);
    t.lab.lab.advance(5min);
  }
}

TEST_CASE("5.0: servers that send the client to and fro do so with a pause, though they acknowledge something", "[mqtt]") {
  Servers t{2, {.min_delay = 2s}};
  t.lab.client->subscribe("t", kQoS0, {});
  const auto leave = [&](FarEnd& server, const char* suback) {
    t.answer(server, kAccepted);
    server.deliver(suback);
    server.deliver("e0 06 9c 04 1c 0001 63");
    CHECK(t.lab.disconnections.back().redirected);
  };
  t.answer(*t.lab.far, kAnotherB);  // the first is followed at once
  leave(*t.b, "90 04 0001 00 00");
  for (int i = 0; i < 20; ++i) {
    const auto opened = t.c->opened;
    t.lab.lab.advance(1s - 1ns);
    CHECK(t.c->opened == opened);
    t.lab.lab.advance(1s + 1ns);
    CHECK(t.c->opened == opened + 1);
    leave(*t.c, ("90 04 000" + std::string(1, "23456789abcdef"[i % 14]) + " 00 00").c_str());
    if (i == 13) break;
  }
}

TEST_CASE("5.0: servers that send the client round in circles are left after so many hops", "[mqtt]") {
  Servers t{3};
  t.answer(*t.lab.far, kAnotherB);
  t.answer(*t.b, "20 07 00 9c 04 1c 0001 63");  // to c
  t.lab.lab.advance(1s);
  t.answer(*t.c, kAnotherB);
  CHECK(t.lab.disconnections.at(2).redirected);
  t.lab.lab.advance(2s);
  t.answer(*t.b, "20 07 00 9c 04 1c 0001 63");
  CHECK_FALSE(t.lab.disconnections.at(3).redirected);
  CHECK_FALSE(t.lab.disconnections.at(3).will_retry);
}

TEST_CASE("5.0: another server that cannot be reached leads home again", "[mqtt]") {
  Servers t{3};
  t.answer(*t.lab.far, kAnotherB);
  t.lab.turn();
  t.b->fail(tapir::Error::connection_refused);
  t.lab.lab.advance(2s);
  CHECK(t.lab.far->opened == 2);
  t.answer(*t.lab.far, kAccepted);
  CHECK(t.lab.client->is_connected());
}

TEST_CASE("server references as the standard recommends them", "[mqtt]") {
  using All = std::vector<ServerReference>;
  CHECK(server_references("myserver.xyz.org") == All{{"myserver.xyz.org", std::nullopt}});
  CHECK(server_references("myserver.xyz.org:8883") == All{{"myserver.xyz.org", Port{8883}}});
  CHECK(server_references("10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1883") ==
        All{{"10.10.151.22", Port{8883}}, {"fe80::9610:3eff:fe1c", Port{1883}}});
  CHECK(server_references("[::1]") == All{{"::1", std::nullopt}});
  for (const auto* const wrong : {"", " ", "a:", "a:0", "a:65536", "a:1x", "a:b:1", "[a", "[a]1", "[]", ":1"})
    CHECK(server_references(wrong).empty());
  CHECK(server_references("a:x b") == All{{"b", std::nullopt}});
}

TEST_CASE("5.0: what the broker says in words and properties reaches the user", "[mqtt]") {
  ClientLab lab{{.client_id = "c", .version = ProtocolVersion::v5_0}};
  std::string name;
  lab.client->on_connected([&](const event::Connected& connected) { name = connected.properties.get(property::user_property)->second; });
  lab.open();
  lab.far->deliver("20 0a 00 00 07 26 0001 6b 0001 76");
  CHECK(name == "v");
  lab.far->deliver("e0 08 8b 06 1f 0003 627965");  // server shutting down, "bye"
  REQUIRE(lab.disconnections.size() == 1);
  CHECK(lab.disconnections[0].text == "192.0.2.1:1883: server shutting down: bye");
  CHECK(lab.disconnections[0].reason == ReasonCode::server_shutting_down);
  CHECK(lab.disconnections[0].properties.get(property::reason_string) == "bye");

  ClientLab refused{{.client_id = "c", .version = ProtocolVersion::v5_0}};
  refused.open();
  refused.far->deliver("20 09 00 8a 06 1f 0003 627965");
  CHECK(refused.disconnections.at(0).text == "broker refused: banned: bye");
}

TEST_CASE("5.0: a client authenticates anew", "[mqtt][MQTT5-4.12.1-1]") {
  ClientConfig config{.client_id = "c", .version = ProtocolVersion::v5_0, .properties = {{property::authentication_method, "m"}}};
  config.authenticate = [](const event::Authentication& step) {
    return step.properties.get(property::authentication_data).value_or("") + "!";
  };
  ClientLab lab{config};
  const Told early;
  lab.client->reauthenticate("1", early.callback());
  lab.turn();
  CHECK(early.failure(tapir::Error::not_connected));
  lab.open();
  lab.far->deliver("20 07 00 00 04 15 0001 6d");
  const Told told;
  const Told second;
  lab.client->reauthenticate("1", told.callback());
  lab.client->reauthenticate("1", second.callback());
  CHECK(lab.far->take_sent() == hex("f0 0a 19 08 15 0001 6d 16 0001 31"));
  lab.turn();
  CHECK(second.failure(tapir::Error::already_connected));
  lab.far->deliver("f0 0a 18 08 15 0001 6d 16 0001 32");
  CHECK(lab.far->take_sent() == hex("f0 0b 18 09 15 0001 6d 16 0002 3221"));
  CHECK(told.nothing());
  SECTION("the broker agrees") {
    lab.far->deliver("f0 06 00 04 15 0001 6d");
    CHECK(told.success());
    const Told again;
    lab.client->reauthenticate("3", again.callback());
    CHECK(lab.far->take_sent() == hex("f0 0a 19 08 15 0001 6d 16 0001 33"));
  }
  SECTION("it does not") {
    lab.far->deliver("e0 02 87 00");
    CHECK(told.failure(ReasonCode::not_authorized));
    CHECK_FALSE(lab.client->is_connected());
  }
  SECTION("the client leaves") {
    lab.client->disconnect();
    lab.far->end();
    CHECK(told.failure(tapir::Error::operation_canceled));
  }
}

namespace {

/// A client that cannot answer AUTH: without a function, or with an answer that AUTH cannot carry.
ClientConfig without_answer() {
  ClientConfig config{.client_id = "c", .version = ProtocolVersion::v5_0, .properties = {{property::authentication_method, "m"}}};
  const bool too_long = GENERATE(false, true);
  if (too_long) config.authenticate = [](const event::Authentication&) { return std::string(70000, 'x'); };
  return config;
}

/// It has said so, and ended the connection.
void check_unanswered(ClientLab& lab) {
  CHECK(lab.far->take_sent() == hex("e0 01 80"));
  REQUIRE(lab.disconnections.size() == 1);
  CHECK(lab.disconnections[0].error == mqtt::Error::authentication_unanswered);
  CHECK(lab.disconnections[0].will_retry);
}

}  // namespace

TEST_CASE("5.0: a question of a re-authentication that nobody answers ends the connection", "[mqtt]") {
  ClientLab lab{without_answer()};
  lab.open();
  lab.far->deliver("20 07 00 00 04 15 0001 6d");
  const Told told;
  lab.client->reauthenticate("1", told.callback());
  (void)lab.far->take_sent();
  lab.far->deliver("f0 06 18 04 15 0001 6d");
  CHECK(told.failure(mqtt::Error::authentication_unanswered));
  check_unanswered(lab);
}

TEST_CASE("5.0: nor does a connection wait for CONNACK behind a question that nobody answers", "[mqtt]") {
  ClientLab lab{without_answer()};
  lab.open();
  (void)lab.far->take_sent();
  lab.far->deliver("f0 06 18 04 15 0001 6d");
  check_unanswered(lab);
}

TEST_CASE("5.0: without a method there is no authentication to renew", "[mqtt]") {
  ClientLab lab{{.client_id = "c", .version = ProtocolVersion::v5_0}};
  lab.open();
  lab.far->deliver(kAccepted);
  const Told told;
  lab.client->reauthenticate("1", told.callback());
  lab.turn();
  CHECK(told.failure(tapir::Error::invalid_argument));
  CHECK(lab.client->is_connected());
}

TEST_CASE("an acknowledgment that stays away is a failure of the broker's, and the client connects again", "[mqtt]") {
  ClientLab lab{{.client_id = "c", .clean_session = false, .keep_alive = 0s, .limits = {.ack_timeout = 20s}}};
  lab.connect();
  const Told told;
  lab.client->publish("t", "x", kQoS1, told.callback());
  lab.far->acknowledge_all();
  lab.lab.advance(20s);
  REQUIRE(lab.disconnections.size() == 1);
  CHECK(lab.disconnections[0].layer == LayerId::mqtt);
  CHECK(lab.disconnections[0].text == "192.0.2.1:1883: no acknowledgment in time");
  CHECK(lab.disconnections[0].error == std::errc::timed_out);
  CHECK(lab.disconnections[0].will_retry);
  CHECK(lab.far->aborted);
  CHECK(told.nothing());
  lab.lab.advance(1s);
  lab.far->accept();
  (void)lab.far->take_sent();
  lab.far->deliver("20 02 01 00");
  CHECK(lab.far->take_sent() == hex("3a 06 0001 74 0001 78"));
}
