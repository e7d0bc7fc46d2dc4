// Operations of a client that are called off, one by one.
#include <catch2/catch.hpp>

#include <map>

#include "scripted_transport.hpp"
#include "support/memory_store.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

/// The same for subscriptions.
struct Answered {
  std::shared_ptr<std::vector<Result<QoS>>> outcomes = std::make_shared<std::vector<Result<QoS>>>();
  [[nodiscard]] Client::Granted callback() const {
    return [outcomes = outcomes](const Result<QoS>& outcome) { outcomes->push_back(outcome); };
  }
  [[nodiscard]] bool nothing() const { return outcomes->empty(); }
  [[nodiscard]] bool granted(QoS qos) const { return outcomes->size() == 1 && (*outcomes)[0] && *(*outcomes)[0] == qos; }
  [[nodiscard]] bool failure(std::error_code error) const {
    return outcomes->size() == 1 && !(*outcomes)[0] && (*outcomes)[0].error() == error;
  }
};

constexpr auto kCanceled = tapir::Error::operation_canceled;

}  // namespace

TEST_CASE("a message that waits is taken out of the queue when it is cancelled, and its neighbours go", "[mqtt][cancel]") {
  const bool whole = GENERATE(true, false);
  ClientLab t;
  const Told first;
  const Told second;
  t.client->publish("t", "1", kQoS1, first.callback());
  auto operation = t.client->publish("t", "2", kQoS1, second.callback());
  t.client->publish("t", "3", kQoS1);
  CHECK(t.client->session().queued() == 3);
  CHECK((whole ? operation.cancel() : operation.withdraw()));
  CHECK(t.client->session().queued() == 2);
  CHECK(second.nothing());  // never from inside a call
  CHECK_FALSE(operation.cancel());
  t.turn();
  CHECK(second.failure(kCanceled));
  t.turn();
  t.far->accept();
  (void)t.far->take_sent();
  t.far->deliver("20 02 00 00");
  CHECK(t.far->take_sent() == hex("32 06 0001 74 0001 31  32 06 0001 74 0002 33"));
  t.far->deliver("40 02 0001");
  CHECK(first.success());
  CHECK(second.failure(kCanceled));
}

TEST_CASE("a message under way completes at once when it is cancelled, and keeps its identifier until it is acknowledged",
          "[mqtt][cancel]") {
  ClientLab t;
  t.connect();
  const Told one;
  const Told two;
  auto first = t.client->publish("t", "x", kQoS1, one.callback());
  auto second = t.client->publish("t", "x", kQoS2, two.callback());
  t.far->acknowledge_all();
  (void)t.far->take_sent();
  CHECK_FALSE(first.withdraw());  // the broker has it
  CHECK(first.cancel());
  CHECK(second.cancel());
  CHECK(one.nothing());
  t.turn();
  CHECK(one.failure(kCanceled));
  CHECK(two.failure(kCanceled));
  CHECK(t.client->session().in_flight() == 2);
  t.client->publish("t", "y", kQoS1);
  CHECK(t.far->take_sent() == hex("32 06 0001 74 0003 79"));  // not 1, nor 2
  t.far->deliver("40 02 0001 50 02 0002");
  CHECK(t.far->take_sent() == hex("62 02 0002"));  // the exchange goes on to its end
  t.far->deliver("70 02 0002");
  CHECK(t.client->session().in_flight() == 1);
  CHECK(one.failure(kCanceled));  // once
  CHECK(two.failure(kCanceled));
  CHECK_FALSE(first.cancel());
}

TEST_CASE("a message cancelled under way is sent again on the next connection, as the standard demands", "[mqtt][cancel]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  t.connect();
  const Told told;
  auto operation = t.client->publish("t", "x", kQoS1, told.callback());
  (void)t.far->take_sent();
  CHECK(operation.cancel());
  t.far->end();
  t.lab.advance(1s);
  CHECK(told.failure(kCanceled));
  t.far->accept();
  (void)t.far->take_sent();
  t.far->deliver("20 02 01 00");
  CHECK(t.far->take_sent() == hex("3a 06 0001 74 0001 78"));
  t.far->deliver("40 02 0001");
  CHECK(t.client->session().in_flight() == 0);
  CHECK(told.failure(kCanceled));
}

TEST_CASE("a message of QoS 0 is cancelled until the broker's TCP has acknowledged it", "[mqtt][cancel]") {
  ClientLab t;
  t.connect();
  t.far->acknowledge_all();
  const Told first;
  const Told second;
  auto before = t.client->publish("t", "x", kQoS0, first.callback());
  CHECK(before.cancel());  // its event Sent was not yet looked at
  t.turn();
  CHECK(first.failure(kCanceled));
  auto after = t.client->publish("t", "y", kQoS0, second.callback());
  t.turn();
  CHECK_FALSE(after.withdraw());
  CHECK(after.cancel());
  t.turn();
  t.far->acknowledge_all();
  CHECK(first.failure(kCanceled));
  CHECK(second.failure(kCanceled));
  const Told third;
  auto late = t.client->publish("t", "z", kQoS0, third.callback());
  t.turn();
  t.far->acknowledge_all();
  CHECK_FALSE(late.cancel());
  t.turn();
  CHECK(third.success());
}

TEST_CASE("a cancelled message is gone from the store too", "[mqtt][cancel]") {
  MemoryStore store;
  const ClientConfig config{.client_id = "s1", .clean_session = false, .store = &store};
  {
    ClientLab t{config};
    t.open();
    t.client->publish("t", "1", kQoS1);
    auto operation = t.client->publish("t", "2", kQoS1);
    t.client->publish("t", "3", kQoS1);
    t.turn();
    CHECK(operation.cancel());
    t.turn();
  }
  ClientLab t{config};
  CHECK(t.client->session().queued() == 2);
}

TEST_CASE("a subscription that was not asked for is forgotten when it is cancelled", "[mqtt][cancel]") {
  ClientLab t;
  const Answered told;
  auto operation = t.client->subscribe("t", kQoS1, [](const Message&) {}, told.callback());
  CHECK(operation.withdraw());
  CHECK(told.nothing());
  t.connect();
  CHECK(told.failure(kCanceled));
  CHECK(t.far->take_sent().empty());
}

TEST_CASE("a subscription that was asked for ends by UNSUBSCRIBE when it is cancelled", "[mqtt][cancel]") {
  ClientLab t;
  t.connect();
  const Answered told;
  int heard = 0;
  auto operation = t.client->subscribe("t", kQoS1, [&](const Message&) { ++heard; }, told.callback());
  CHECK(t.far->take_sent() == hex("82 06 0001 0001 74 01"));
  CHECK_FALSE(operation.withdraw());
  CHECK(operation.cancel());
  CHECK(t.far->take_sent() == hex("a2 05 0002 0001 74"));
  t.turn();
  CHECK(told.failure(kCanceled));
  CHECK_FALSE(operation.cancel());
  t.far->deliver("90 03 0001 01  30 04 0001 74 78  b0 02 0002");
  CHECK(heard == 0);
  CHECK(t.client->session().in_flight() == 0);
  CHECK(told.failure(kCanceled));
}

TEST_CASE("a subscription goes on for the call that is not cancelled, and each call has its own SUBACK", "[mqtt][cancel]") {
  ClientLab t;
  t.connect();
  const Answered first;
  const Answered second;
  const Answered third;
  t.client->subscribe("t", kQoS0, {}, first.callback());
  auto operation = t.client->subscribe("t", kQoS1, {}, second.callback());
  t.client->subscribe("t", kQoS2, {}, third.callback());
  (void)t.far->take_sent();
  CHECK(operation.cancel());
  CHECK(t.far->take_sent().empty());
  t.far->deliver("90 03 0001 00");
  CHECK(first.granted(kQoS0));
  CHECK(third.nothing());
  t.far->deliver("90 03 0002 01");
  CHECK(third.nothing());
  t.far->deliver("90 03 0003 02");
  CHECK(third.granted(kQoS2));
  t.turn();
  CHECK(second.failure(kCanceled));
}

TEST_CASE("when the last call for a filter is cancelled, what the call before it wanted holds", "[mqtt][cancel]") {
  ClientLab t;
  std::string heard;
  const Answered told;
  const auto note = [&](std::string who) { return [&heard, who](const Message&) { heard += who; }; };
  const bool asked_for = GENERATE(false, true);
  if (asked_for) t.connect();
  t.client->subscribe("t", kQoS1, note("first"), told.callback());
  auto middle = t.client->subscribe("t", kQoS0, note("middle"));
  auto last = t.client->subscribe("t", kQoS2, note("last"));
  (void)t.far->take_sent();
  CHECK(middle.cancel());
  CHECK(t.far->take_sent().empty());
  CHECK((asked_for ? last.cancel() : last.withdraw()));
  if (!asked_for) t.connect();
  CHECK(t.far->take_sent() == (asked_for ? hex("82 06 0004 0001 74 01") : hex("82 06 0001 0001 74 01")));
  t.far->deliver(asked_for ? "90 03 0001 01  90 03 0002 00  90 03 0003 02  90 03 0004 01" : "90 03 0001 01");
  CHECK(told.granted(kQoS1));
  t.far->deliver("30 03 0001 74");
  CHECK(heard == "first");
}

TEST_CASE("a SUBACK for a subscription that was ended does not answer the one that came after it", "[mqtt]") {
  ClientLab t;
  t.connect();
  const Answered first;
  const Answered second;
  t.client->subscribe("t", kQoS0, {}, first.callback());
  t.client->unsubscribe("t");
  t.client->subscribe("t", kQoS1, {}, second.callback());
  t.far->deliver("90 03 0001 80");
  t.turn();
  CHECK(first.failure(kCanceled));
  CHECK(second.nothing());
  t.far->deliver("b0 02 0002  90 03 0003 01");
  CHECK(second.granted(kQoS1));
}

TEST_CASE("calls that wait for a SUBACK are answered on the next connection", "[mqtt]") {
  ClientLab t;
  t.connect();
  const Answered first;
  const Answered second;
  t.client->subscribe("t", kQoS0, {}, first.callback());
  t.client->subscribe("t", kQoS1, {}, second.callback());
  t.far->end();
  t.lab.advance(1s);
  t.far->accept();
  (void)t.far->take_sent();
  t.far->deliver("20 02 00 00");
  CHECK(t.far->take_sent() == hex("82 06 0003 0001 74 01"));
  t.far->deliver("90 03 0003 01");
  CHECK(first.granted(kQoS1));
  CHECK(second.granted(kQoS1));
}

TEST_CASE("an unsubscribe is cancelled before it is sent, or ends without its caller", "[mqtt][cancel]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  const Told waiting;
  auto queued = t.client->unsubscribe("t", waiting.callback());
  CHECK(queued.withdraw());
  t.connect();
  CHECK(waiting.failure(kCanceled));
  CHECK(t.far->take_sent().empty());

  const Told sent;
  auto operation = t.client->unsubscribe("t", sent.callback());
  CHECK(t.far->take_sent() == hex("a2 05 0001 0001 74"));
  CHECK_FALSE(operation.withdraw());
  CHECK(operation.cancel());
  CHECK_FALSE(operation.cancel());
  t.turn();
  CHECK(sent.failure(kCanceled));
  CHECK(t.client->session().in_flight() == 1);
  t.far->deliver("b0 02 0001");
  CHECK(t.client->session().in_flight() == 0);
  CHECK(sent.failure(kCanceled));
}

TEST_CASE("there is nothing to cancel of a call that failed, of no call, and of a client that is gone", "[mqtt][cancel]") {
  ClientLab t;
  const Told told;
  auto refused = t.client->publish("a/#", "x", kQoS0, told.callback());
  CHECK_FALSE(refused.cancel());
  CHECK_FALSE(t.client->subscribe("", kQoS0, {}).cancel());
  CHECK_FALSE(t.client->unsubscribe("").cancel());
  CHECK_FALSE(Client::Operation{}.cancel());
  t.turn();
  CHECK(told.failure(mqtt::Error::invalid_topic));
  auto orphan = t.client->publish("t", "x", kQoS1);
  Client moved{std::move(*t.client)};
  auto followed = orphan;
  CHECK(followed.cancel());  // it follows the client
  auto last = moved.publish("t", "x", kQoS1);
  { const Client gone{std::move(moved)}; }
  CHECK_FALSE(last.cancel());
}

TEST_CASE("a subscription without a handler leaves its messages to on_unmatched", "[mqtt]") {
  ClientLab t;
  t.connect();
  std::map<std::string, int> heard;
  t.client->on_unmatched([&](const Message&) { ++heard["unmatched"]; });
  t.client->subscribe("a/#", kQoS0, {});
  t.client->subscribe("a/b", kQoS0, [&](const Message&) { ++heard["a/b"]; });
  t.far->deliver("30 05 0003 612f62  30 05 0003 612f63");
  CHECK(heard == std::map<std::string, int>{{"a/b", 1}, {"unmatched", 1}});
}

TEST_CASE("5.0: of overlapping subscriptions the copy for the one without a handler is for on_unmatched", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .version = ProtocolVersion::v5_0}};
  t.open();
  t.far->deliver("20 03 00 00 00");
  std::map<std::string, int> heard;
  t.client->on_unmatched([&](const Message&) { ++heard["unmatched"]; });
  t.client->subscribe("a/#", kQoS0, {});
  t.client->subscribe("a/b", kQoS0, [&](const Message&) { ++heard["a/b"]; });
  t.far->deliver("30 08 0003 612f62 02 0b 01  30 08 0003 612f62 02 0b 02");  // one for each subscription identifier
  CHECK(heard == std::map<std::string, int>{{"a/b", 1}, {"unmatched", 1}});
}

TEST_CASE("a subscription that was ended and made again just before its connection was lost is not ended on the next one",
          "[mqtt][cancel]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  t.connect();
  const Told ended;
  const Answered granted;
  auto operation = t.client->subscribe("t", kQoS1, {});
  const bool by_cancel = GENERATE(true, false);
  if (by_cancel) {
    CHECK(operation.cancel());
  } else {
    t.client->unsubscribe("t", ended.callback());
  }
  const bool again = GENERATE(true, false);
  if (again) t.client->subscribe("t", kQoS1, {}, granted.callback());
  CHECK(ended.nothing());
  t.far->end();
  t.lab.advance(1s);
  t.far->accept();
  (void)t.far->take_sent();
  t.far->deliver("20 02 01 00");
  if (again) {
    CHECK(t.far->take_sent() == hex("82 06 0004 0001 74 01"));
    CHECK((by_cancel || ended.failure(kCanceled)));
    t.far->deliver("90 03 0004 01");
    CHECK(granted.granted(kQoS1));
  } else {
    CHECK(t.far->take_sent() == hex("a2 05 0003 0001 74"));
  }
}

TEST_CASE("on a new connection subscriptions are ended before others are made", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  t.client->subscribe("a", kQoS1, {});
  t.client->unsubscribe("b");
  t.connect(true);
  CHECK(t.far->take_sent() == hex("a2 05 0001 0001 62  82 06 0002 0001 61 01"));
}
