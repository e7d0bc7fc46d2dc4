#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

// A client comes back to a broker of 5.0 that has a session of which the client knows nothing.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

/// A broker that keeps the client's session for ever, as far as CONNECT lets it.
class KeepingBroker {
 public:
  explicit KeepingBroker(ClientLab& client, bool has_session) : client_{client}, has_session_{has_session} {}
  /// Answers the connection that the client has opened.
  void accept() {
    (void)client_.far->take_sent();  // on the connection before
    client_.far->accept();
    client_.turn();
    const auto connect = client_.far->take_sent();
    const bool clean_start = (connect.at(9) & std::byte{0x02}) != std::byte{};
    client_.far->deliver(has_session_ && !clean_start ? "20 03 01 00 00" : "20 03 00 00 00");
    has_session_ = true;
    client_.turn();
  }
  /// For so long every connection that is tried comes to this.
  template <class F>
  void each(Duration time, F&& what) {
    for (const auto until = client_.lab.scheduler.now() + time; client_.lab.scheduler.now() < until;) {
      const int opened = client_.far->opened;
      client_.lab.advance(1s);
      if (client_.far->opened > opened) what();
    }
  }

 private:
  ClientLab& client_;
  bool has_session_;
};

ClientConfig kept_for_two_minutes() {
  return {.client_id = "c",
          .clean_session = false,
          .keep_alive = 0s,
          .version = ProtocolVersion::v5_0,
          .properties = {{property::session_expiry_interval, 120}}};
}

}  // namespace

TEST_CASE("5.0: a client that was away for longer than its session lasts comes back, though the broker has it still",
          "[mqtt][MQTT5-3.2.2-4]") {
  ClientLab client{kept_for_two_minutes()};
  KeepingBroker broker{client, false};
  client.turn();
  broker.accept();
  CHECK(client.connected == 1);
  client.far->fail(tapir::Error::connection_reset);
  broker.each(3min, [&] { client.far->fail(tapir::Error::connection_refused); });
  const auto lost = client.disconnections.size();
  int tries = 0;
  broker.each(10min, [&] {
    ++tries;
    broker.accept();
  });
  CHECK(tries == 1);
  CHECK(client.client->is_connected());
  CHECK(client.disconnections.size() == lost);
}

TEST_CASE("5.0: a client that was started anew without a store refuses the broker's old session once, and says so",
          "[mqtt][MQTT5-3.2.2-4]") {
  ClientLab client{kept_for_two_minutes()};
  KeepingBroker broker{client, true};
  client.turn();
  broker.accept();
  REQUIRE(client.disconnections.size() == 1);
  CHECK(client.disconnections[0].error == mqtt::Error::unexpected_session);
  CHECK(client.disconnections[0].will_retry);
  broker.each(10min, [&] { broker.accept(); });
  CHECK(client.client->is_connected());
  CHECK(client.disconnections.size() == 1);
  CHECK(client.far->opened == 2);
}
