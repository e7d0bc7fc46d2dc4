#include <catch2/catch.hpp>

#include <set>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"
#include "support/memory_store.hpp"

// A client with a store: what publish() has accepted outlives the process, and so does the exchange that it began.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

ClientConfig kept(MemoryStore& store) { return {.client_id = "s1", .clean_session = false, .store = &store}; }

struct StoredLab : ClientLab {
  explicit StoredLab(MemoryStore& store) : StoredLab{kept(store)} {}
  explicit StoredLab(ClientConfig config) : ClientLab{std::move(config)} {
    client->on_restored([this](const Restored& restored) {
      told.push_back(std::string{restored.message ? restored.message->payload.text() : "?"} +
                     (restored.outcome ? " delivered" : " " + restored.outcome.error().message()));
    });
  }
  std::vector<std::string> told;
};

}  // namespace

TEST_CASE("a message that publish() has accepted is saved when it returns, connected or not", "[mqtt][MQTT311-4.1.0-1]") {
  MemoryStore store;
  MemoryStore as_it_was;
  {
    StoredLab process{store};
    SECTION("before the transport opens") {}
    SECTION("while it opens") { process.turn(); }
    SECTION("while CONNECT is unanswered") { process.open(); }
    SECTION("connected") { process.connect(); }
    SECTION("connected, and the transport takes nothing") {
      process.connect();
      process.far->room = 0;
      process.client->publish("t", "0", kQoS0);
    }
    const int before = store.saves;
    process.client->publish("t", "x", kQoS1);
    CHECK(store.saves > before);
    process.client->publish("t", "y", kQoS2);
    as_it_was.content = store.content;  // the process dies here: nothing that the destructor does is saved
  }
  StoredLab next{as_it_was};
  next.connect(true);
  const auto sent = next.far->take_sent();
  for (const char payload : {'x', 'y'}) CHECK(std::ranges::count(sent, static_cast<std::byte>(payload)) == 1);
}

TEST_CASE("a message that cannot be saved is not accepted", "[mqtt]") {
  MemoryStore store;
  StoredLab process{store};
  store.broken = true;
  const Told lost;
  process.client->publish("t", "1", kQoS1, lost.callback());
  CHECK(lost.nothing());
  process.turn();
  CHECK(lost.failure(mqtt::Error::storage_failed));
  store.broken = false;
  const Told kept_one;
  process.client->publish("t", "2", kQoS1, kept_one.callback());
  process.connect();
  CHECK(process.far->take_sent() == hex("32 06 0001 74 0001 32"));
  process.far->deliver("40 02 0001");
  CHECK(kept_one.success());
}

TEST_CASE("what comes of the messages of an earlier process is told", "[mqtt]") {
  MemoryStore store;
  {
    StoredLab process{store};
    process.connect();
    process.client->publish("t", "one", kQoS1);
    process.client->publish("t", "two", kQoS2);
    process.client->publish("t", "three", kQoS2);
    process.far->deliver("50 02 0002");
    process.far->fail(tapir::Error::connection_reset);
    process.client->publish("t", "four", kQoS0);
    CHECK(process.told.empty());
  }
  StoredLab next{store};
  next.connect(true);
  (void)next.far->take_sent();
  CHECK(next.told.empty());
  next.far->deliver("40 02 0001  70 02 0002");
  CHECK(next.told == std::vector<std::string>{"one delivered", "? delivered"});
  SECTION("each when it is finished") {
    next.far->deliver("50 02 0003 70 02 0003");
    next.far->acknowledge_all();
    CHECK(std::set<std::string>(next.told.begin() + 2, next.told.end()) == std::set<std::string>{"three delivered", "four delivered"});
  }
  SECTION("or given up with the client") {
    next.client->disconnect();
    next.far->end();
    REQUIRE(next.told.size() == 4);
    CHECK(next.told[3] == "three operation canceled");
  }
}

TEST_CASE("what failed is not taken up by the next process", "[mqtt]") {
  MemoryStore store;
  {
    StoredLab process{store};
    const Told refused;
    process.client->publish("t", "1", kQoS1, refused.callback());
    process.open();
    process.far->deliver("20 02 00 05");
    CHECK(refused.failure(mqtt::Error::not_authorized));
  }
  StoredLab next{store};
  next.connect();
  CHECK(next.far->take_sent().empty());
}

TEST_CASE("a message of QoS 2 that a process died over comes to the next one under the same number", "[mqtt][MQTT311-4.3.3-2]") {
  MemoryStore store;
  std::vector<std::uint64_t> numbers;
  MemoryStore as_it_was;
  const auto handler = [&](const Message& message) {
    numbers.push_back(message.delivery);
    as_it_was.content = store.content;  // what the disk has when the process dies in the handler
  };
  {
    StoredLab process{store};
    process.client->on_unmatched(handler);
    process.connect();
    process.far->deliver("34 05 0001 61 0007  34 05 0001 61 0008");
  }
  StoredLab next{as_it_was};
  next.client->on_unmatched(handler);
  next.connect(true);
  (void)next.far->take_sent();
  next.far->deliver("3c 05 0001 61 0007  3c 05 0001 61 0008");
  CHECK(numbers == std::vector<std::uint64_t>{1, 2, 1, 2});
  CHECK(next.far->take_sent() == hex("50 02 0007 50 02 0008"));

  StoredLab after{store};  // it died later: both were saved as taken
  after.client->on_unmatched(handler);
  after.connect(true);
  (void)after.far->take_sent();
  after.far->deliver("3c 05 0001 61 0007  3c 05 0001 61 0008");
  CHECK(numbers.size() == 4);
  CHECK(after.far->take_sent() == hex("50 02 0007 50 02 0008"));
}

TEST_CASE("the end of a connection is saved, so that its session's expiry counts while no process runs", "[mqtt]") {
  MemoryStore store;
  const ClientConfig config{.client_id = "s1",
                            .clean_session = false,
                            .version = ProtocolVersion::v5_0,
                            .properties = {{property::session_expiry_interval, 100}},
                            .store = &store};
  {
    StoredLab process{config};
    process.open();
    process.far->deliver("20 03 00 00 00");
    process.client->publish("t", "1", kQoS1);
    process.far->fail(tapir::Error::connection_reset);
  }
  const bool expired = GENERATE(false, true);
  store.since_saved = expired ? 101s : 99s;
  StoredLab next{config};
  next.turn();
  next.far->accept();
  next.far->deliver(expired ? "20 03 00 00 00" : "20 03 01 00 00");
  CHECK(next.told == (expired ? std::vector<std::string>{"1 the session ended before the acknowledgment"} : std::vector<std::string>{}));
}

TEST_CASE("received bytes pass through the buffer that the caller lends, of any size", "[mqtt]") {
  Bytes lent(GENERATE(1, 3, 1000));
  ClientLab lab{{.client_id = "s1", .read_buffer = lent}};
  std::string heard;
  lab.client->on_unmatched([&](const Message& message) { heard += message.payload.text(); });
  lab.connect();
  lab.far->deliver("30 06 0001 61 313233  30 04 0001 61 34");
  CHECK(heard == "1234");
  CHECK(lent[0] != std::byte{0});
}

TEST_CASE("a connection that the client gives up inside a call ends once, though its transport closes before the turn", "[mqtt]") {
  MemoryStore store;
  StoredLab process{store};
  process.connect();
  store.broken = true;
  process.client->publish("t", "1", kQoS1);
  SECTION("by the transport") { process.far->fail(tapir::Error::connection_reset); }
  SECTION("by the peer") { process.far->end(); }
  SECTION("by itself") {}
  process.turn();
  REQUIRE(process.disconnections.size() == 1);
  CHECK(process.disconnections[0].will_retry);
  store.broken = false;
  process.lab.advance(1s);
  CHECK(process.far->opened == 2);
  process.far->accept();
  (void)process.far->take_sent();
  process.far->deliver("20 02 01 00");
  CHECK(process.disconnections.size() == 1);
}

TEST_CASE("what is asked for after the client has given its connection up is asked for on the next one", "[mqtt]") {
  MemoryStore store;
  StoredLab process{store};
  process.connect();
  store.broken = true;
  process.client->publish("t", "1", kQoS1);
  const Told told;
  process.client->unsubscribe("u", told.callback());
  process.client->subscribe("s", kQoS0, {});
  process.turn();
  CHECK(told.nothing());
  store.broken = false;
  process.lab.advance(1s);
  process.far->accept();
  (void)process.far->take_sent();
  process.far->deliver("20 02 00 00");
  CHECK(process.far->take_sent() == hex("3a 06 0001 74 0001 31  a2 05 0002 0001 75  82 06 0003 0001 73 00"));
  process.far->deliver("b0 02 0002");
  CHECK(told.success());
}
