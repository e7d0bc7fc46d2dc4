#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A connection whose receive buffer is full.
Conversation& fill(Conversation& talk) {
  while (talk.info().rcv_wnd > 0) {
    REQUIRE(talk.peer.say({.payload = stream(std::min<std::size_t>(talk.info().rcv_wnd, 1000))}));
    (void)talk.peer.hear();
  }
  talk.advance(1s);
  (void)talk.peer.hear();
  REQUIRE(talk.info().rcv_wnd == 0);
  return talk;
}
const ConversationOptions kSmallBuffer{.settings = {.receive_buffer = 4000}};
}  // namespace

TEST_CASE("an empty segment at a zero window must stand at RCV.NXT", "[tcp][RFC9293-3.10.7.4-1]") {
  Conversation talk{kSmallBuffer};
  fill(talk);
  talk.write("data");
  (void)talk.peer.hear_one();
  REQUIRE(talk.info().unacknowledged == 4);
  CHECK_FALSE(talk.peer.say({.seq = talk.peer.nxt + 1U}));
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.info().unacknowledged == 4);
  CHECK(talk.peer.say({}));
  CHECK(talk.info().unacknowledged == 0);
}

TEST_CASE("an empty segment at an open window must begin inside it", "[tcp][RFC9293-3.10.7.4-2]") {
  const auto accepted = [](std::int64_t offset, bool from_edge) {
    Conversation talk;
    talk.write("data");
    (void)talk.peer.hear_one();
    const auto at = talk.peer.nxt + (from_edge ? talk.info().rcv_wnd : 0U) + static_cast<std::uint32_t>(offset);
    (void)talk.peer.say({.seq = at});
    const bool taken = talk.info().unacknowledged == 0;
    if (taken) {
      CHECK(talk.peer.quiet());
    } else {
      CHECK(talk.peer.hear_one().pure_ack());
    }
    return taken;
  };
  CHECK_FALSE(accepted(-1, false));
  CHECK(accepted(0, false));
  CHECK(accepted(1, false));
  CHECK(accepted(-1, true));
  CHECK_FALSE(accepted(0, true));
}

TEST_CASE("data at a zero window is not accepted", "[tcp][RFC9293-3.10.7.4-3][RFC9293-3.8.6.1-1]") {
  Conversation talk{kSmallBuffer};
  fill(talk);
  (void)talk.peer.say({.seq = talk.peer.nxt, .payload = "x"});
  const auto answer = talk.peer.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.ack == talk.peer.nxt);
  CHECK(answer.window == 0);
  CHECK(talk.read().size() == 4000);
}

TEST_CASE("data at an open window is accepted where it overlaps it", "[tcp][RFC9293-3.10.7.4-4]") {
  SECTION("the left edge") {
    Conversation talk;
    REQUIRE(talk.peer.say({.payload = "0123456789"}));
    CHECK(talk.peer.say({.seq = talk.peer.nxt - 5U, .payload = "56789abcde"}));
    talk.peer.nxt += 5;
    CHECK(talk.read() == "0123456789abcde");
  }
  SECTION("the right edge") {
    Conversation talk{kSmallBuffer};
    const std::string text = stream(4100);
    REQUIRE(talk.peer.say({.payload = text.substr(0, 3000)}));
    REQUIRE(talk.peer.say({.seq = talk.peer.nxt, .payload = text.substr(3000)}));
    CHECK((talk.read() == text.substr(0, 4000)));
  }
  SECTION("outside") {
    Conversation talk{kSmallBuffer};
    CHECK_FALSE(talk.peer.say({.seq = talk.peer.nxt - 10U, .payload = "0123456789"}));
    CHECK(talk.peer.hear_one().pure_ack());
    CHECK_FALSE(talk.peer.say({.seq = talk.peer.nxt + 4000U, .payload = "0123456789"}));
    CHECK(talk.peer.hear_one().pure_ack());
    CHECK(talk.drops(Drop::out_of_window) + talk.drops(Drop::duplicate) == 2);
    CHECK(talk.read().empty());
  }
}

TEST_CASE("an unacceptable segment draws one ACK and is dropped", "[tcp][RFC9293-3.10.7.4-5][RFC9293-3.5.2-5]") {
  for (const auto state : {State::established, State::fin_wait_1, State::fin_wait_2, State::close_wait, State::closing, State::last_ack}) {
    Conversation talk{{}, state};
    INFO(name(state));
    const auto before = talk.info();
    CHECK_FALSE(talk.peer.say({.seq = before.rcv_nxt - 100U, .payload = stream(50)}));
    const auto answer = talk.peer.hear_one();
    CHECK(answer.pure_ack());
    CHECK(answer.ack == before.rcv_nxt);
    CHECK(answer.seq == before.snd_nxt);
    CHECK(talk.connection.state() == state);
    CHECK(talk.read().empty());
  }
}

TEST_CASE("only what is new in an overlapping segment is delivered", "[tcp][RFC9293-3.10.7.4-7]") {
  Conversation talk;
  const SeqNum begin = talk.peer.nxt;
  REQUIRE(talk.peer.say({.payload = std::string(100, 'a')}));
  REQUIRE(talk.peer.say({.seq = begin + 50U, .payload = std::string(100, 'b')}));
  CHECK(talk.read() == std::string(100, 'a') + std::string(50, 'b'));
}

TEST_CASE("segments beyond a gap are kept", "[tcp][RFC9293-SHLD-31][RFC9293-MAY-13][RFC5681-3.2-1][RFC5681-3.2-2]") {
  Conversation talk;
  const SeqNum begin = talk.peer.nxt;
  REQUIRE(talk.peer.say({.seq = begin + 5U, .payload = "world"}));
  const auto duplicate = talk.peer.hear_one();  // at once
  CHECK(duplicate.pure_ack());
  CHECK(duplicate.ack == begin);
  CHECK(talk.info().out_of_order == 5);
  REQUIRE(talk.peer.say({.seq = begin, .payload = "hello"}));
  const auto both = talk.peer.hear_one();
  CHECK(both.ack == begin + 10U);
  CHECK(talk.read() == "helloworld");
}

TEST_CASE("a segment without ACK is dropped once synchronized", "[tcp][RFC9293-3.10.7.4-13]") {
  for (const auto state : {State::syn_received, State::established, State::fin_wait_1, State::fin_wait_2}) {
    Conversation talk{{}, state};
    INFO(name(state));
    CHECK_FALSE(talk.peer.say({.flags = Flags::none, .seq = talk.peer.nxt, .payload = "data"}));
    CHECK_FALSE(talk.peer.say({.flags = Flags::fin | Flags::psh, .seq = talk.peer.nxt}));
    talk.advance(500ms);
    CHECK(talk.peer.quiet());
    CHECK(talk.connection.state() == state);
    CHECK(talk.info().unread == 0);
  }
}

TEST_CASE("an ACK frees what it acknowledges", "[tcp][RFC9293-3.10.7.4-16]") {
  Conversation talk;
  talk.write(stream(2920));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() == 2);
  REQUIRE(talk.peer.say({.ack = sent[0].end()}));
  CHECK(talk.info().unacknowledged == 1460);
  CHECK(talk.info().snd_una == sent[0].end());
  talk.advance(2s);
  const auto resent = talk.peer.hear();
  CHECK_FALSE(resent.empty());
  for (const auto& again : resent) CHECK(again.seq == sent[1].seq);
  REQUIRE(talk.peer.say({.ack = sent[1].end()}));
  CHECK(talk.info().unacknowledged == 0);
}

TEST_CASE("an old acknowledgment changes nothing", "[tcp][RFC9293-3.10.7.4-17]") {
  Conversation talk;
  for (int i = 0; i < 2; ++i) {
    talk.write("some data");
    (void)talk.peer.hear_one();
    talk.peer.acknowledge();
  }
  const auto una = talk.info().snd_una;
  REQUIRE(talk.peer.say({.ack = una - 1U}));
  REQUIRE(talk.peer.say({.ack = una - 9U}));
  CHECK(talk.peer.quiet());
  CHECK(talk.info().snd_una == una);
}

TEST_CASE("an ACK of the unsent draws an ACK, and the segment is dropped", "[tcp][RFC9293-3.10.7.4-18]") {
  Conversation talk;
  const auto snd_nxt = talk.info().snd_nxt;
  CHECK(talk.peer.say({.seq = talk.peer.nxt, .ack = snd_nxt + 1U, .payload = "0123456789"}).error() == Drop::bad_ack);
  const auto answer = talk.peer.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.seq == snd_nxt);
  CHECK(answer.ack == talk.peer.nxt);
  CHECK(talk.read().empty());
  CHECK(talk.peer.say({.payload = "0123456789"}));
  CHECK(talk.read() == "0123456789");
}

TEST_CASE("only a newer segment updates the send window", "[tcp][RFC9293-3.10.7.4-19]") {
  Conversation talk;
  const SeqNum old_seq = talk.peer.nxt;
  REQUIRE(talk.peer.say({.window = std::uint16_t{2000}, .payload = "newer"}));
  CHECK(talk.info().snd_wnd == 2000);
  (void)talk.peer.say({.seq = old_seq, .window = std::uint16_t{100}, .payload = "n"});
  CHECK(talk.info().snd_wnd == 2000);
  REQUIRE(talk.peer.say({.window = std::uint16_t{3000}}));
  CHECK(talk.info().snd_wnd == 3000);
}

TEST_CASE("the window falls by no more than what was taken", "[tcp][RFC9293-3.10.7.4-26][RFC9293-3.8.6-1]") {
  Conversation talk{{.settings = {.receive_buffer = 8000}}};
  SeqNum edge = talk.info().rcv_nxt + talk.info().rcv_wnd;
  for (const std::size_t size : {100U, 200U, 300U, 1460U, 1460U}) {
    const auto before = talk.info();
    REQUIRE(talk.peer.say({.payload = stream(size)}));
    talk.advance(500ms);
    const auto answer = talk.peer.hear_one();
    CHECK(answer.ack == before.rcv_nxt + static_cast<std::uint32_t>(size));
    CHECK(answer.ack + answer.window == edge);  // unread: the right edge stays
  }
  CHECK(talk.info().rcv_wnd == 8000 - 3520);
}

TEST_CASE("URG and text are ignored after a FIN", "[tcp][RFC9293-3.10.7.4-24][RFC9293-3.10.7.4-25]") {
  Conversation talk{{}, State::close_wait};
  (void)talk.peer.say({.flags = kAck | Flags::urg, .seq = talk.peer.nxt, .payload = "too late", .urgent = 3});
  talk.advance(500ms);
  (void)talk.peer.hear();
  CHECK(talk.app.urgent == 0);
  CHECK(talk.read().empty());
  CHECK(talk.at_end());
  CHECK(talk.connection.state() == State::close_wait);
  CHECK(talk.info().rcv_nxt == talk.peer.nxt);
}

TEST_CASE("RST and URG are processed at a zero window", "[tcp][RFC9293-MUST-66]") {
  SECTION("RST") {
    Conversation talk{kSmallBuffer};
    fill(talk);
    (void)talk.peer.say({.flags = kRst});
    (void)talk.peer.hear();
    CHECK(talk.connection.state() == State::closed);
    CHECK(talk.app.error == Error::connection_reset);
  }
  SECTION("URG") {
    Conversation talk{kSmallBuffer};
    fill(talk);
    (void)talk.peer.say({.flags = kAck | Flags::urg, .seq = talk.peer.nxt, .payload = "u", .urgent = 1});
    (void)talk.peer.hear();
    CHECK(talk.app.urgent == 1);
  }
  SECTION("URG without data") {
    Conversation talk{kSmallBuffer};
    fill(talk);
    REQUIRE(talk.peer.say({.flags = kAck | Flags::urg, .urgent = 10}));
    (void)talk.peer.hear();
    CHECK(talk.app.urgent == 1);
  }
}

TEST_CASE("random segments of a stream are assembled whole", "[tcp][RFC9293-3.4-1]") {
  sim::SeededRandom random{5};
  for (int run = 0; run < 5; ++run) {
    Conversation talk;
    const std::string text = stream(20'000, static_cast<std::size_t>(run));
    const SeqNum begin = talk.peer.nxt;
    std::string received;
    for (int i = 0; i < 3000 && received.size() < text.size(); ++i) {
      const std::size_t base = std::max<std::size_t>(received.size(), 200) - 200;
      const std::size_t somewhere = std::min<std::size_t>(base + random.below(4000), text.size() - 1);
      const std::size_t at = random.below(4) == 0 ? received.size() : somewhere;
      (void)talk.peer.say({.seq = begin + static_cast<std::uint32_t>(at), .payload = text.substr(at, 1 + random.below(1460))});
      received += talk.read();
      REQUIRE((received == text.substr(0, received.size())));
      (void)talk.peer.hear();
    }
    CHECK((received == text));
    CHECK(talk.info().out_of_order == 0);
  }
}
