#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

// Overlapping subscriptions: a broker of 5.0 may send a message once for each of them (section 3.3.4). By the subscription identifiers each
// handler still gets it once.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

struct Overlapping : ClientLab {
  explicit Overlapping(ClientConfig config = {.client_id = "c", .version = ProtocolVersion::v5_0}) : ClientLab{std::move(config)} {
    client->on_unmatched(note("unmatched"));
  }
  [[nodiscard]] Client::Handler note(std::string who) {
    return [this, who](const Message& message) {
      heard.push_back(who);
      for (const auto identifier : message.properties.all(property::subscription_identifier))
        heard.back() += " " + std::to_string(identifier);
    };
  }
  void subscribe_both() {
    client->subscribe("a/+", kQoS0, note("plus"));
    client->subscribe("#", kQoS0, note("hash"));
  }
  void accept(const char* connack = "20 03 00 00 00") {
    open();
    far->deliver(connack);
    turn();
  }
  std::vector<std::string> heard;
};

using Heard = std::vector<std::string>;

}  // namespace

TEST_CASE("5.0: each subscription has an identifier, and a copy for each subscription reaches its handler only", "[mqtt]") {
  Overlapping lab;
  lab.subscribe_both();
  lab.accept();
  CHECK(lab.far->take_sent() == hex("82 09 0001 02 0b02 0001 23 00  82 0b 0002 02 0b01 0003 612f2b 00"));
  lab.far->deliver("90 04 0001 00 00  90 04 0002 00 00");
  SECTION("two copies") {
    lab.far->deliver("30 08 0003 612f62 02 0b01");
    CHECK(lab.heard == Heard{"plus"});
    lab.far->deliver("30 08 0003 612f62 02 0b02");
    CHECK(lab.heard == Heard{"plus", "hash"});  // what the user has not given it does not see
  }
  SECTION("one copy with both identifiers") {
    lab.far->deliver("30 0a 0003 612f62 04 0b01 0b02");
    CHECK(lab.heard == Heard{"hash", "plus"});
  }
  SECTION("a copy without identifiers is for all that match") {
    lab.far->deliver("30 06 0003 612f62 00");
    CHECK(lab.heard == Heard{"hash", "plus"});
  }
  SECTION("an identifier that means another filter here does not decide") {
    lab.far->deliver("30 06 0001 7a 02 0b01");  // "a/+" does not match z: of a subscription that an earlier process made
    CHECK(lab.heard == Heard{"hash"});
  }
  SECTION("an identifier outlives connections, and a change of the handler") {
    lab.client->subscribe("a/+", kQoS0, lab.note("new"));
    CHECK(lab.far->take_sent() == hex("82 0b 0003 02 0b01 0003 612f2b 00"));
    lab.far->end();
    lab.lab.advance(1s);
    lab.far->accept();
    (void)lab.far->take_sent();
    lab.far->deliver("20 03 00 00 00");
    lab.turn();
    CHECK(lab.far->take_sent() == hex("82 09 0004 02 0b02 0001 23 00  82 0b 0005 02 0b01 0003 612f2b 00"));
  }
}

TEST_CASE("5.0: identifiers of the user's stay, and the client's own are others", "[mqtt]") {
  Overlapping lab;
  lab.client->subscribe({.filter = "a"}, {{property::subscription_identifier, 1}}, lab.note("a"));
  lab.client->subscribe({.filter = "b"}, lab.note("b"));
  lab.client->subscribe({.filter = "+"}, {{property::subscription_identifier, 7}}, lab.note("plus"));
  lab.accept();
  CHECK(lab.far->take_sent() == hex("82 09 0001 02 0b07 0001 2b 00  82 09 0002 02 0b01 0001 61 00  82 09 0003 02 0b02 0001 62 00"));
  lab.far->deliver("30 06 0001 61 02 0b01");
  lab.far->deliver("30 06 0001 62 02 0b02");
  lab.far->deliver("30 08 0001 62 04 0b02 0b07");
  CHECK(lab.heard == Heard{"a 1", "b", "plus 7", "b 7"});
}

TEST_CASE("no identifiers where the broker takes none, the user wants none, or the version has none", "[mqtt][MQTT5-3.2.2-N4]") {
  SECTION("the broker says so") {
    Overlapping lab;
    lab.subscribe_both();
    lab.accept("20 05 00 00 02 2900");
    CHECK(lab.far->take_sent() == hex("82 0d 0001 00 0001 23 00 0003 612f2b 00"));
  }
  SECTION("the user says so") {
    Overlapping lab{{.client_id = "c", .version = ProtocolVersion::v5_0, .subscription_identifiers = false}};
    lab.subscribe_both();
    lab.accept();
    CHECK(lab.far->take_sent() == hex("82 0d 0001 00 0001 23 00 0003 612f2b 00"));
  }
  SECTION("3.1.1: a copy for each subscription runs each handler for each copy") {
    Overlapping lab{{.client_id = "c"}};
    lab.subscribe_both();
    lab.connect();
    CHECK(lab.far->take_sent() == hex("82 0c 0001 0001 23 00 0003 612f2b 00"));
    lab.far->deliver("30 05 0003 612f62  30 05 0003 612f62");
    CHECK(lab.heard == Heard{"hash", "plus", "hash", "plus"});
  }
}

TEST_CASE("5.0: a subscription whose identifier the user gives to another one gets a new one", "[mqtt]") {
  Overlapping lab;
  lab.accept();
  lab.client->subscribe("a/+", kQoS0, lab.note("plus"));
  lab.far->deliver("90 04 0001 00 00");
  (void)lab.far->take_sent();
  lab.client->subscribe({.filter = "#"}, {{property::subscription_identifier, 1}}, lab.note("hash"));
  CHECK(lab.far->take_sent() == hex("82 0b 0002 02 0b02 0003 612f2b 00  82 09 0003 02 0b01 0001 23 00"));
  lab.far->deliver("90 04 0002 00 00  90 04 0003 00 00");
  lab.far->deliver("30 08 0003 612f62 02 0b02  30 08 0003 612f62 02 0b01");
  CHECK(lab.heard == Heard{"plus", "hash 1"});
}

TEST_CASE("5.0: an identifier that was not sent on this session decides nothing", "[mqtt]") {
  Overlapping lab;
  lab.subscribe_both();
  lab.accept("20 05 00 00 02 29 00");  // no subscription identifiers
  lab.far->deliver("30 08 0003 612f62 02 0b01");
  CHECK(lab.heard == Heard{"hash", "plus"});
}
