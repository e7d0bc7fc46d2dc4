#include <catch2/catch.hpp>

#include "scripted_transport.hpp"

// How a client reads in turns, and stops reading where it leaves.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

constexpr int kMany = 200'000;  ///< messages, of 1.2 MB in all

/// A client with more to read than one turn is for, and what its user has heard of it.
struct Flooded : ClientLab {
  Flooded() {
    client->on_unmatched([this](const Message&) {
      if (++heard == 1) first();
    });
    connect();
    (void)far->take_sent();
    const auto message = hex("30 04 0001 61 31");
    for (int i = 0; i < kMany; ++i) far->inbox.insert(far->inbox.end(), message.begin(), message.end());
  }
  int heard = 0;
  std::function<void()> first = [] {};
};

}  // namespace

TEST_CASE("a broker that never pauses leaves the loop its turns, and all it says is read", "[mqtt]") {
  Flooded t;
  t.far->user->on_readable();
  CHECK(t.heard > 0);
  CHECK(t.heard < kMany / 2);
  for (int last = 0; last != t.heard;) {
    last = t.heard;
    t.turn();
  }
  CHECK(t.heard == kMany);
}

TEST_CASE("who leaves while much is left to be read is heard at once", "[mqtt]") {
  Flooded t;
  const Told gone;
  t.far->deaf_once_closed = true;
  t.far->user->on_readable();
  const int before = t.heard;
  SECTION("by disconnect()") { t.client->disconnect(gone.callback()); }
  SECTION("by drain()") {
    t.client->drain(ReasonCode::normal_disconnection, {}, gone.callback());
    t.turn();
  }
  CHECK(t.far->take_sent() == hex("e0 00"));
  CHECK(t.far->closed);
  t.turn();
  CHECK(gone.nothing());
  t.far->fail({});
  CHECK(gone.success());
  CHECK(t.heard == before);
}

TEST_CASE("disconnect() in a handler waits for the transport's end, and reads nothing from one that closes", "[mqtt]") {
  Flooded t;
  const Told gone;
  t.far->deaf_once_closed = true;
  t.first = [&] { t.client->disconnect(gone.callback()); };
  SECTION("at once") { t.far->user->on_readable(); }
  SECTION("while reading is paused") {
    t.client->pause_reading();
    t.first();
  }
  t.turn();
  CHECK(t.far->take_sent() == hex("e0 00"));
  CHECK(t.far->closed);
  CHECK_FALSE(t.far->aborted);
  CHECK(gone.nothing());
  t.far->fail({});
  CHECK(gone.success());
  REQUIRE(t.disconnections.size() == 1);
  CHECK_FALSE(t.disconnections[0].error);
}

TEST_CASE("what the broker said last is read to its end before the error of a write is told", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .version = ProtocolVersion::v5_0}};
  t.open();
  t.far->deliver("20 03 00 00 00");
  (void)t.far->take_sent();
  const auto message = hex("30 05 0001 61 00 31");
  for (int i = 0; i < kMany; ++i) t.far->inbox.insert(t.far->inbox.end(), message.begin(), message.end());
  for (const auto byte : hex("e0 02 97 00")) t.far->inbox.push_back(byte);
  t.far->send_error = tapir::Error::connection_reset;
  t.client->publish("t", "x", QoS::at_least_once);
  for (int turns = 0; turns < 100 && t.disconnections.empty(); ++turns) t.turn();
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].error == ReasonCode::quota_exceeded);
}

TEST_CASE("a transport that has left something for another turn is asked again in that", "[mqtt]") {
  ClientLab t;
  int heard = 0;
  t.client->on_unmatched([&heard](const Message&) { ++heard; });
  t.connect();
  t.far->pauses = 3;
  t.far->deliver("30 04 0001 61 31");
  CHECK(t.far->pauses == 2);
  CHECK(heard == 0);
  t.turn();
  CHECK(t.far->pauses == 0);
  CHECK(heard == 1);
}

TEST_CASE("a transport that has read much for little is asked again in another turn", "[mqtt]") {
  Flooded t;
  t.far->turns_spent = 2;
  t.far->user->on_readable();
  CHECK(t.heard > 0);
  CHECK(t.heard < 5000);
  CHECK(t.far->turns_spent == 1);
  for (int last = 0; last != t.heard;) {
    last = t.heard;
    t.turn();
  }
  CHECK(t.heard == kMany);
}

TEST_CASE("a client that waits for room to answer reads on when there is some, whoever has written what piled up", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .limits = {.output_high_water = 16}}};
  int heard = 0;
  t.client->on_unmatched([&heard](const Message&) { ++heard; });
  t.connect();
  t.far->room = 3;
  t.client->publish("t", "xx");
  const auto message = hex("32 05 0001 61 0001");
  for (int i = 0; i < 20'000; ++i) t.far->inbox.insert(t.far->inbox.end(), message.begin(), message.end());
  t.far->user->on_readable();
  CHECK(heard < 20'000);
  t.far->room = 1U << 30U;
  SECTION("the transport's event") {}
  SECTION("a call, before that event comes") { t.client->publish("t", "yy"); }
  t.far->user->on_writable();
  CHECK(heard == 20'000);
}
