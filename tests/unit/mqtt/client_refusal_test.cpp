#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

// What the broker refuses, in its own words, and what becomes of it.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

struct Refused : ClientLab {
  explicit Refused(ProtocolVersion version = ProtocolVersion::v5_0) : ClientLab{{.client_id = "s1", .version = version}} {
    client->on_subscription_lost([this](const SubscriptionLost& what) { lost.push_back(what); });
  }
  void accept(const char* connack) {
    (void)far->take_sent();
    far->deliver(connack);
    turn();
  }
  void reconnect(const char* connack) {
    far->end();
    lab.advance(4s);
    far->accept();
    accept(connack);
  }
  [[nodiscard]] Client::Granted granted() {
    return [this](const Result<QoS>& outcome) {
      answers.push_back(outcome ? std::error_code{} : outcome.error());
      words.push_back(client->answer_properties().get(property::reason_string).value_or(""));
    };
  }
  [[nodiscard]] Client::Completion done() {
    return [this](const Result<>& outcome) {
      answers.push_back(outcome ? std::error_code{} : outcome.error());
      words.push_back(client->answer_properties().get(property::reason_string).value_or(""));
    };
  }
  std::vector<SubscriptionLost> lost;
  std::vector<std::error_code> answers;
  std::vector<std::string> words;
};

using Answers = std::vector<std::error_code>;
using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a subscription that was granted and is refused on a later connection is told, and asked for again", "[mqtt]") {
  SECTION("3.1.1: by SUBACK") {
    Refused t{ProtocolVersion::v3_1_1};
    t.client->subscribe("t", kQoS1, {}, t.granted());
    t.open();
    t.accept("20 02 00 00");
    t.far->deliver("90 03 0001 01");
    t.reconnect("20 02 00 00");
    CHECK(t.far->take_sent() == hex("82 06 0002 0001 74 01"));
    CHECK(t.lost.empty());
    t.far->deliver("90 03 0002 80");
    REQUIRE(t.lost.size() == 1);
    CHECK(t.lost[0].subscription == Subscription{.filter = "t", .qos = kQoS1});
    CHECK(t.lost[0].error == mqtt::Error::subscription_refused);
    t.reconnect("20 02 00 00");
    CHECK(t.far->take_sent() == hex("82 06 0003 0001 74 01"));
    SECTION("and may be granted then") {
      t.far->deliver("90 03 0003 01");
      CHECK(t.lost.size() == 1);
    }
    SECTION("or refused again") {
      t.far->deliver("90 03 0003 80");
      CHECK(t.lost.size() == 2);
    }
    CHECK(t.answers == Answers{{}});  // the call was answered once
  }
  SECTION("5.0: by SUBACK, with the reason") {
    Refused t;
    t.client->subscribe("t", kQoS1, {}, t.granted());
    t.open();
    t.accept("20 03 00 00 00");
    t.far->deliver("90 04 0001 00 01");
    t.reconnect("20 03 00 00 00");
    t.far->deliver("90 0a 0002 06 1f 0003 666f6f 97");
    REQUIRE(t.lost.size() == 1);
    CHECK(t.lost[0].error == ReasonCode::quota_exceeded);
    CHECK(t.lost[0].properties.get(property::reason_string) == "foo");
    t.client->unsubscribe("t");
    (void)t.far->take_sent();
    t.reconnect("20 03 00 00 00");
    CHECK(t.far->take_sent().empty());
  }
  SECTION("5.0: by CONNACK, which has wildcards no more") {
    Refused t;
    t.client->subscribe("#", kQoS0, {}, t.granted());
    t.open();
    t.accept("20 03 00 00 00");
    t.far->deliver("90 04 0001 00 00");
    t.reconnect("20 05 00 00 02 2800");
    CHECK(t.far->take_sent().empty());
    REQUIRE(t.lost.size() == 1);
    CHECK(t.lost[0].subscription.filter == "#");
    CHECK(t.lost[0].error == ReasonCode::wildcard_subscriptions_not_supported);
    t.reconnect("20 03 00 00 00");
    CHECK(t.far->take_sent() == hex("82 09 0002 02 0b01 0001 23 00"));
    CHECK(t.answers == Answers{{}});
  }
}

TEST_CASE("a subscription that was never granted is refused to its caller alone, and forgotten", "[mqtt]") {
  Refused t;
  t.client->subscribe("t", kQoS1, {}, t.granted());
  t.open();
  t.accept("20 03 00 00 00");
  t.far->deliver("90 04 0001 00 87");
  CHECK(t.answers == Answers{ReasonCode::not_authorized});
  t.reconnect("20 03 00 00 00");
  CHECK(t.far->take_sent().empty());
  CHECK(t.lost.empty());
}

TEST_CASE("5.0: a refusal has the broker's reason code, and its words", "[mqtt]") {
  Refused t;
  t.open();
  t.accept("20 03 00 00 00");
  t.client->subscribe("t", kQoS1, {}, t.granted());
  t.client->publish("t", "x", kQoS1, t.done());
  t.client->publish("t", "x", kQoS2, t.done());
  t.client->unsubscribe("u", t.done());
  t.far->deliver("90 0a 0001 06 1f 0003 666f6f 97");
  t.far->deliver("40 0a 0002 87 06 1f 0003 626172");
  t.far->deliver("50 04 0003 97 00");
  t.far->deliver("b0 0a 0004 06 1f 0003 62617a 8f");
  CHECK(t.answers ==
        Answers{ReasonCode::quota_exceeded, ReasonCode::not_authorized, ReasonCode::quota_exceeded, ReasonCode::topic_filter_invalid});
  CHECK(t.words == Words{"foo", "bar", "", "baz"});
  CHECK(t.answers[0].message() == "quota exceeded");
  CHECK(t.client->answer_properties().empty());
}

TEST_CASE("a broker that is only busy is asked again, and what waits waits on", "[mqtt]") {
  struct Case {
    ProtocolVersion version;
    const char* connack;
    bool temporary;
  };
  const auto [version, connack, temporary] =
      GENERATE(Case{ProtocolVersion::v5_0, "20 03 00 88 00", true}, Case{ProtocolVersion::v5_0, "20 03 00 89 00", true},
               Case{ProtocolVersion::v5_0, "20 03 00 97 00", true}, Case{ProtocolVersion::v5_0, "20 03 00 9f 00", true},
               Case{ProtocolVersion::v3_1_1, "20 02 00 03", true}, Case{ProtocolVersion::v5_0, "20 03 00 87 00", false},
               Case{ProtocolVersion::v5_0, "20 03 00 8a 00", false}, Case{ProtocolVersion::v3_1_1, "20 02 00 05", false});
  CAPTURE(connack);
  Refused t{version};
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  t.open();
  t.accept(connack);
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].will_retry == temporary);
  CHECK(told.nothing() == temporary);
  t.lab.advance(1s);
  CHECK(t.far->opened == (temporary ? 2 : 1));
  if (!temporary) return;
  t.far->accept();
  t.accept(connack);
  t.lab.advance(900ms);  // the delay grows: the second is at least 1 s
  CHECK(t.far->opened == 2);
  t.lab.advance(1100ms);
  CHECK(t.far->opened == 3);
}
