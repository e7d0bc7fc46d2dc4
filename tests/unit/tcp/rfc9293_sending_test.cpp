#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("Nagle holds small segments back until the first is acknowledged", "[tcp][RFC9293-SHLD-7]") {
  Conversation talk;
  for (int i = 0; i < 10; ++i) talk.write(stream(1, static_cast<std::size_t>(i)));
  auto heard = talk.peer.hear();
  for (int i = 0; i < 3; ++i) {
    for (auto& more : talk.peer.hear()) heard.push_back(std::move(more));
  }
  // Writes before the first pull may share its segment; whatever went, the rest goes in one segment after the ACK.
  REQUIRE(heard.size() == 1);
  talk.write("a");
  talk.write("b");
  CHECK(talk.peer.quiet());
  talk.peer.acknowledge();
  CHECK(text_of(talk.peer.hear_one().payload) == "ab");
}

TEST_CASE("one byte at a time: the first leaves, the others follow its ACK together", "[tcp][RFC9293-SHLD-7][RFC9293-MAY-16]") {
  Conversation talk;
  talk.write("0");
  CHECK(text_of(talk.peer.hear_one().payload) == "0");
  for (const auto* byte : {"1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
    talk.write(byte);
    CHECK(talk.peer.quiet());
  }
  talk.peer.acknowledge();
  CHECK(text_of(talk.peer.hear_one().payload) == "123456789");
}

TEST_CASE("Nagle can be switched off for one connection", "[tcp][RFC9293-MUST-17]") {
  Conversation talk;
  CHECK(talk.connection.settings().nagle);
  talk.connection.set_nagle(false);
  CHECK_FALSE(talk.connection.settings().nagle);
  talk.write("a");
  CHECK(text_of(talk.peer.hear_one().payload) == "a");
  talk.write("b");
  CHECK(text_of(talk.peer.hear_one().payload) == "b");
  talk.connection.set_nagle(true);
  CHECK(talk.connection.settings().nagle);
  talk.write("c");
  CHECK(talk.peer.quiet());
  Conversation from_start{{.settings = {.nagle = false}}};
  for (int i = 0; i < 3; ++i) {
    from_start.write("x");
    CHECK(from_start.peer.hear_one().payload.size() == 1);
  }
}

TEST_CASE("data is never held back for ever", "[tcp][RFC9293-MUST-60]") {
  Conversation talk;
  talk.write(stream(100));
  CHECK(talk.peer.hear_one().payload.size() == 100);
}

TEST_CASE("the segment that empties the queue carries PSH", "[tcp][RFC9293-MUST-61]") {
  Conversation talk;
  talk.write(stream(3000));
  auto all = talk.peer.hear();
  talk.peer.acknowledge();
  for (auto& heard : talk.peer.hear()) all.push_back(std::move(heard));
  REQUIRE(all.size() == 3);
  CHECK_FALSE(all[0].has(Flags::psh));
  CHECK(all[2].payload.size() == 80);
  CHECK(all[2].has(Flags::psh));
}

TEST_CASE("successive pushes collapse into one segment", "[tcp][RFC9293-SHLD-27]") {
  Conversation talk{{.window = 0}};
  talk.write(stream(100));
  talk.write(stream(100, 100));
  CHECK(talk.peer.quiet());
  (void)talk.peer.say({.window = std::uint16_t{60000}});
  const auto heard = talk.peer.hear_one();
  CHECK(text_of(heard.payload) == stream(200));
  CHECK(heard.has(Flags::psh));
}

TEST_CASE("segments are as large as possible", "[tcp][RFC9293-SHLD-28]") {
  Conversation talk{{}, State::syn_sent};
  std::size_t written = 0;
  for (std::size_t i = 0; written < 14600; ++i) {
    const std::size_t size = std::min<std::size_t>(1 + i * 37 % 400, 14600 - written);
    talk.write(stream(size, written));
    written += size;
  }
  REQUIRE(talk.peer.say({.flags = kSynAck, .options = mss_option(1460)}));
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 5; ++i) {
    for (const auto& heard : talk.peer.hear()) {
      if (!heard.payload.empty()) sizes.push_back(heard.payload.size());
    }
    talk.peer.acknowledge();
  }
  CHECK(sizes == std::vector<std::size_t>(10, 1460));
}

TEST_CASE("an ACK waits less than half a second", "[tcp][RFC9293-MUST-40][RFC9293-SHLD-18][RFC5681-4.2-1][RFC5681-4.2-2]") {
  Conversation talk;
  REQUIRE(talk.peer.say({.payload = "small"}));
  CHECK(talk.peer.quiet());
  talk.advance(499ms);
  const auto ack = talk.peer.hear_one();
  CHECK(ack.pure_ack());
  CHECK(ack.ack == talk.peer.nxt);
  talk.advance(5s);
  CHECK(talk.peer.quiet());
}

TEST_CASE("every second full segment is acknowledged at once", "[tcp][RFC9293-SHLD-19][RFC5681-4.2-3]") {
  Conversation talk;
  int acks = 0;
  SeqNum acknowledged = talk.peer.nxt;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(talk.peer.say({.payload = stream(1460)}));
    for (const auto& heard : talk.peer.hear()) {
      acknowledged = heard.ack;
      ++acks;
    }
    CHECK(tcp::distance(acknowledged, talk.peer.nxt) <= 1460);
  }
  CHECK(acks >= 10);
  CHECK(acks <= 20);
  CHECK(talk.read().size() == 29'200);
}

TEST_CASE("a batch of segments is acknowledged together", "[tcp][RFC9293-MUST-58][RFC9293-MUST-59][RFC5681-4.2-4]") {
  Conversation talk;
  for (int i = 0; i < 8; ++i) REQUIRE(talk.peer.say({.payload = stream(1460)}));
  const auto acks = talk.peer.hear();
  REQUIRE_FALSE(acks.empty());
  CHECK(acks.size() < 8);
  for (const auto& ack : acks) CHECK(ack.ack == talk.peer.nxt);
}

TEST_CASE("an ACK rides on data", "[tcp][RFC9293-3.10.7.4-27]") {
  Conversation talk;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(talk.peer.say({.payload = "ping"}));
    CHECK(talk.read() == "ping");
    talk.write("pong");
    const auto echo = talk.peer.hear_one();
    CHECK(text_of(echo.payload) == "pong");
    CHECK(echo.ack == talk.peer.nxt);
    talk.advance(10ms);
  }
  talk.peer.acknowledge();
  talk.advance(1s);
  CHECK(talk.peer.quiet());
}

TEST_CASE("the send buffer is bounded, and says when there is room again", "[tcp]") {
  Conversation talk{{.settings = {.send_buffer = 1000}}};
  const std::string text = stream(1500);
  REQUIRE(talk.peer.say({.window = std::uint16_t{0}}));
  CHECK(talk.connection.send(std::as_bytes(std::span{text})).value_or(0) == 1000);
  CHECK(talk.connection.send(std::as_bytes(std::span{text})).error() == Error::would_block);
  CHECK(talk.app.writable == 0);
  (void)talk.peer.say({.window = std::uint16_t{60000}});
  CHECK(talk.peer.hear_one().payload.size() == 1000);
  talk.peer.acknowledge();
  (void)talk.peer.hear();
  CHECK(talk.app.writable == 1);
  CHECK(talk.connection.send(std::as_bytes(std::span{text})).value_or(0) == 1000);
}

TEST_CASE("a slice is sent without a copy", "[tcp]") {
  Conversation talk;
  const Slice slice = talk.lab.pool.copy(bytes_of(stream(1000)));
  const auto where = reinterpret_cast<std::uintptr_t>(slice.bytes().data());
  REQUIRE(talk.connection.send(slice).value_or(0) == 1000);
  talk.lab.advance(Duration::zero());
  REQUIRE(talk.network.sent.size() == 1);
  CHECK(talk.network.sent[0].last_run == where);
}

TEST_CASE("a write ends what an earlier one said would go on, copied or not", "[tcp]") {
  const bool copied = GENERATE(true, false);
  Conversation talk;
  REQUIRE(talk.connection.send_more(std::as_bytes(std::span{std::string_view{"first, "}})) == std::size_t{7});
  talk.advance(0s);
  CHECK(talk.peer.quiet());
  const auto rest = std::as_bytes(std::span{std::string_view{"second"}});
  REQUIRE((copied ? talk.connection.send(rest) : talk.connection.send(talk.lab.pool.copy(rest))) == std::size_t{6});
  talk.advance(0s);
  const auto heard = talk.peer.hear_one();
  CHECK(text_of(heard.payload) == "first, second");
  CHECK(heard.has(Flags::psh));
}

TEST_CASE("in Minshall's variant a small segment waits for no full one", "[tcp]") {
  // RFC 9293 appendix A.3
  const bool minshall = GENERATE(false, true);
  Conversation talk{{.settings = {.minshall = minshall}, .peer_mss = 1000}};
  talk.write(stream(2500));
  auto heard = talk.peer.hear();
  REQUIRE(heard.size() == (minshall ? 3 : 2));
  if (!minshall) return;
  CHECK(heard[2].payload.size() == 500);
  talk.write(stream(100));  // now a small one is outstanding
  CHECK(talk.peer.quiet());
  talk.write(stream(900));  // a full one leaves
  heard = talk.peer.hear();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].payload.size() == 1000);
  talk.write(stream(10));
  CHECK(talk.peer.quiet());
  talk.peer.acknowledge();
  CHECK(talk.peer.hear_one().payload.size() == 10);
}

TEST_CASE("in front of a FIN nothing waits for more", "[tcp][RFC9293-SHLD-7]") {
  for (const bool minshall : {false, true}) {
    INFO(minshall);
    Conversation talk{{.settings = {.minshall = minshall}}};
    talk.write("first");
    (void)talk.peer.hear_one();
    talk.write("last");
    CHECK(talk.peer.quiet());
    talk.connection.close();
    const auto end = talk.peer.hear_one();
    CHECK(text_of(end.payload) == "last");
    CHECK(end.has(Flags::fin));
  }
}

TEST_CASE("only data breaks an idleness: after it the restart window holds", "[tcp][RFC6928-2-4][RFC5681-4.1-1]") {
  for (const bool receiving : {false, true}) {
    INFO(receiving);
    Conversation talk{{.config = {.quick_acks = 0}}};
    const auto grow = [&] {
      for (int i = 0; i < 4; ++i) {
        talk.write(stream(talk.info().cwnd));
        (void)talk.peer.drain();
      }
    };
    grow();
    const auto grown = talk.info().cwnd;
    REQUIRE(grown > 2 * 14600);
    for (int i = 0; i < 100; ++i) {
      talk.advance(100ms);
      if (!receiving) continue;
      REQUIRE(talk.peer.say({.payload = "xy"}));
      talk.advance(50ms);
      CHECK(talk.read() == "xy");
      (void)talk.peer.hear();
    }
    talk.write("x");
    (void)talk.peer.hear_one();
    CHECK(talk.info().cwnd == 14600);
  }
}

TEST_CASE("behind a closed window the restart window waits until there is something to send", "[tcp][RFC6928-2-4]") {
  Conversation talk{{.config = {.probe_with_data = false}}};
  for (int i = 0; i < 4; ++i) {
    talk.write(stream(talk.info().cwnd));
    (void)talk.peer.drain();
  }
  const auto grown = talk.info().cwnd;
  REQUIRE(grown > 2 * 14600);
  REQUIRE(talk.peer.say({.window = std::uint16_t{0}}));
  talk.write(stream(20'000));
  for (int i = 0; i < 10; ++i) {
    talk.advance(1s);
    if (!talk.peer.hear().empty()) REQUIRE(talk.peer.say({.ack = talk.info().snd_una, .window = std::uint16_t{0}}));
    CHECK(talk.info().cwnd == grown);
  }
  REQUIRE(talk.peer.say({.ack = talk.info().snd_una, .window = std::uint16_t{65535}}));
  (void)talk.peer.hear();
  CHECK(talk.info().cwnd < grown);
}
