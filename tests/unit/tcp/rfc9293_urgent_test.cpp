#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr Flags kUrgAck = Flags::urg | Flags::ack;
void send_urgent(Conversation& talk, std::string_view text) {
  REQUIRE(talk.connection.send_urgent(std::as_bytes(std::span{text})).value_or(0) == text.size());
}
}  // namespace

TEST_CASE("urgent data is told and marked", "[tcp][RFC9293-MUST-30]") {
  Conversation talk;
  REQUIRE(talk.peer.say({.flags = kUrgAck, .payload = "0123456789", .urgent = 5}));
  (void)talk.peer.hear();
  CHECK(talk.app.urgent == 1);
  CHECK(talk.info().urgent_unread == 5);
  send_urgent(talk, "now!");
  const auto heard = talk.peer.hear_one();
  CHECK(heard.has(Flags::urg));
  CHECK(heard.urgent == 4);
  talk.peer.acknowledge();
  talk.write("calm");
  const auto calm = talk.peer.hear_one();
  CHECK_FALSE(calm.has(Flags::urg));
  CHECK(calm.urgent == 0);
}

TEST_CASE("urgent data may be of any length", "[tcp][RFC9293-MUST-31]") {
  Conversation talk;
  const std::string text = stream(200'000);
  const SeqNum end = talk.peer.nxt + 200'000U;
  std::string received;
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    const auto left = tcp::distance(talk.peer.nxt, end);
    REQUIRE(
        talk.peer.say({.flags = kUrgAck, .payload = text.substr(at, 1000), .urgent = static_cast<std::uint16_t>(std::min(left, 65535U))}));
    (void)talk.peer.hear();
    CHECK(talk.info().urgent_unread > 0);
    received += talk.read();
  }
  CHECK(talk.info().urgent_unread == 0);
  CHECK((received == text));
  // And out: 100 KB, the pointer of a segment reaching 65535 at most.
  send_urgent(talk, stream(100'000));
  std::size_t seen = 0;
  for (int i = 0; i < 60 && seen < 100'000; ++i) {
    for (const auto& heard : talk.peer.hear()) {
      if (heard.payload.empty()) continue;
      CHECK(heard.has(Flags::urg));
      CHECK(heard.urgent == std::min<std::size_t>(100'000 - seen, 65535));
      seen += heard.payload.size();
    }
    talk.peer.acknowledge();
  }
  CHECK(seen == 100'000);
}

TEST_CASE("urgent data is announced when it begins and when the pointer advances", "[tcp][RFC9293-MUST-32]") {
  Conversation talk;
  REQUIRE(talk.peer.say({.flags = kUrgAck, .urgent = 10}));
  (void)talk.peer.hear();
  CHECK(talk.app.urgent == 1);
  REQUIRE(talk.peer.say({.flags = kUrgAck, .urgent = 20}));
  (void)talk.peer.hear();
  CHECK(talk.app.urgent == 2);
  REQUIRE(talk.peer.say({.flags = kUrgAck, .urgent = 20}));
  REQUIRE(talk.peer.say({.flags = kUrgAck, .urgent = 15}));
  (void)talk.peer.hear();
  CHECK(talk.app.urgent == 2);
}

TEST_CASE("how much urgent data is unread can be asked", "[tcp][RFC9293-MUST-33][RFC6093-6-1]") {
  Conversation talk;
  REQUIRE(talk.peer.say({.flags = kUrgAck, .payload = "0123456789", .urgent = 7}));
  (void)talk.peer.hear();
  CHECK(talk.info().urgent_unread == 7);
  Bytes four(4);
  REQUIRE(talk.connection.receive(four).value_or(0) == 4);
  CHECK(text_of(four) == "0123");
  CHECK(talk.info().urgent_unread == 3);
  CHECK(talk.read() == "456789");  // in line, in order
  CHECK(talk.info().urgent_unread == 0);
}

TEST_CASE("the urgent pointer designates the octet behind the urgent data", "[tcp][RFC9293-MUST-62][RFC6093-4-1]") {
  Conversation out;
  send_urgent(out, "!");
  const auto heard = out.peer.hear_one();
  CHECK(heard.has(Flags::urg));
  CHECK(heard.urgent == 1);
  Conversation in;
  REQUIRE(in.peer.say({.flags = kUrgAck, .payload = "!calm", .urgent = 1}));
  (void)in.peer.hear();
  CHECK(in.info().urgent_unread == 1);
}

TEST_CASE("a middlebox that clears URG does not change the stream", "[tcp][RFC6093-3.4-1]") {
  for (const bool cleared : {false, true}) {
    Conversation talk;
    REQUIRE(talk.peer.say({.flags = cleared ? kAck : kUrgAck, .payload = "urgent", .urgent = static_cast<std::uint16_t>(cleared ? 0 : 6)}));
    REQUIRE(talk.peer.say({.payload = " and not"}));
    CHECK(talk.read() == "urgent and not");
  }
}
