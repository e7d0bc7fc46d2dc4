#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("a closed port answers everything but RST", "[tcp][RFC9293-3.5.2-1][RFC9293-3.10.7.1-1]") {
  Wire wire;
  Peer peer{wire, Port{99}};
  for (const auto& say : {Say{.flags = kSyn}, Say{.flags = kAck}, Say{.flags = kFinAck}, Say{.flags = kAck, .payload = "data"},
                          Say{.flags = Flags::none}, Say{.flags = Flags::fin}}) {
    CHECK_FALSE(peer.say(say));
    CHECK(peer.hear_one().has(kRst));
  }
  for (const auto flags : {kRst, kRstAck, kRst | kSyn}) {
    CHECK_FALSE(peer.say({.flags = flags}));
    CHECK(peer.quiet());
  }
  CHECK(wire.tcp.connection_count() == 0);
  CHECK(wire.tcp.stats().out_rsts == 6);
}

TEST_CASE("a reset that answers an ACK takes its number from there", "[tcp][RFC9293-3.5.2-2]") {
  Wire wire;
  Peer peer{wire, Port{99}};
  (void)peer.say({.flags = kAck, .ack = SeqNum{777}});
  const auto reset = peer.hear_one();
  CHECK(reset.flags == kRst);
  CHECK(reset.seq == SeqNum{777});
  CHECK(reset.payload.empty());
}

TEST_CASE("a reset that answers no ACK acknowledges all of the segment", "[tcp][RFC9293-3.5.2-3]") {
  Wire wire;
  Peer peer{wire, Port{99}};
  (void)peer.say({.flags = kSyn, .seq = SeqNum{100}, .payload = "12345"});
  auto reset = peer.hear_one();
  CHECK(reset.flags == kRstAck);
  CHECK(reset.seq == SeqNum{0});
  CHECK(reset.ack == SeqNum{106});
  (void)peer.say({.flags = Flags::fin, .seq = SeqNum{0xffff'ffffU}, .payload = "12"});
  reset = peer.hear_one();
  CHECK(reset.flags == kRstAck);
  CHECK(reset.ack == SeqNum{2});
}

TEST_CASE("a peer that lost its state resets the connection", "[tcp][RFC9293-3.5.1-1]") {
  Conversation talk;
  talk.write("anybody there?");
  const auto data = talk.peer.hear_one();
  (void)talk.peer.say({.flags = kRst, .seq = data.ack});
  CHECK(talk.peer.quiet());
  CHECK(talk.app.error == Error::connection_reset);
  CHECK(talk.connection.state() == State::closed);
  talk.advance(10min);
  CHECK(talk.peer.quiet());
}

TEST_CASE("an orderly close and a reset are told apart", "[tcp][RFC9293-MUST-12]") {
  Conversation orderly;
  REQUIRE(orderly.peer.say({.flags = kFinAck}));
  (void)orderly.peer.hear();
  CHECK(orderly.app.peer_closed == 1);
  CHECK(orderly.app.closed == 0);
  CHECK(orderly.at_end());
  Conversation reset;
  (void)reset.peer.say({.flags = kRst});
  (void)reset.peer.hear();
  CHECK(reset.app.peer_closed == 0);
  CHECK(reset.app.closed == 1);
  CHECK(reset.app.error == Error::connection_reset);
  std::array<std::byte, 1> one{};
  CHECK(reset.connection.receive(one).error() == Error::connection_reset);
}

TEST_CASE("a reset counts only inside the window", "[tcp][RFC9293-3.5.3-1][RFC9293-3.10.7.4-6]") {
  Conversation talk;
  const SeqNum rcv_nxt = talk.peer.nxt;
  const auto window = talk.info().rcv_wnd;
  for (const auto seq : {rcv_nxt - 1U, rcv_nxt - 10U, rcv_nxt + window, rcv_nxt + window + 1000U}) {
    CHECK_FALSE(talk.peer.say({.flags = kRst, .seq = seq}));
    CHECK_FALSE(talk.peer.say({.flags = kRstAck, .seq = seq}));
    CHECK(talk.peer.quiet());
    CHECK(talk.connection.state() == State::established);
  }
  CHECK(talk.app.closed == 0);
  (void)talk.peer.say({.flags = kRst, .seq = rcv_nxt});
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::closed);
}

TEST_CASE("a reset with data is a reset", "[tcp][RFC9293-SHLD-2]") {
  Conversation talk;
  (void)talk.peer.say({.flags = kRst, .payload = "twenty bytes of text"});
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.error == Error::connection_reset);
}

TEST_CASE("a reset ends a synchronized connection and its queues", "[tcp][RFC9293-3.10.7.4-10]") {
  for (const auto state : {State::established, State::fin_wait_1, State::fin_wait_2, State::close_wait}) {
    Conversation talk{{}, state};
    INFO(name(state));
    (void)talk.peer.say({.flags = kRst});
    CHECK(talk.peer.quiet());
    CHECK(talk.app.closed == 1);
    CHECK(talk.app.error == Error::connection_reset);
    CHECK(talk.tcp.connection_count() == 0);
    CHECK(talk.connection.unacknowledged() == 0);
    talk.advance(5min);
    CHECK(talk.peer.quiet());
  }
}

TEST_CASE("a reset in CLOSING or LAST-ACK removes the record", "[tcp][RFC9293-3.10.7.4-11]") {
  for (const auto state : {State::closing, State::last_ack}) {
    Conversation talk{{}, state};
    INFO(name(state));
    (void)talk.peer.say({.flags = kRst});
    CHECK(talk.peer.quiet());
    CHECK(talk.connection.state() == State::closed);
    CHECK(talk.tcp.connection_count() == 0);
  }
}

TEST_CASE("a reset does not cut TIME-WAIT short", "[tcp][RFC1337-3-1]") {
  Conversation talk{{}, State::time_wait};
  for (const auto flags : {kRst, kRstAck}) {
    for (const auto seq : {talk.peer.nxt, talk.peer.nxt + 5U}) {
      CHECK_FALSE(talk.peer.say({.flags = flags, .seq = seq}));
      CHECK(talk.peer.quiet());
    }
  }
  CHECK(talk.peer.state() == State::time_wait);
  talk.advance(239s);
  CHECK(talk.peer.state() == State::time_wait);
  talk.advance(2s);
  CHECK(talk.peer.state() == State::closed);
}

TEST_CASE("abort discards what is queued and resets the peer", "[tcp][RFC9293-3.9.1.6-1]") {
  Conversation talk{{.window = 1000}};
  talk.write(stream(10'000));
  const auto sent = talk.peer.hear();
  REQUIRE_FALSE(sent.empty());
  talk.connection.abort();
  const auto reset = talk.peer.hear_one();
  CHECK(reset.has(kRst));
  CHECK(reset.seq == sent.back().end());
  CHECK(reset.payload.empty());
  CHECK(talk.tcp.connection_count() == 0);
  CHECK_FALSE(talk.connection.send(std::as_bytes(std::span{"x", 1})));
  std::array<std::byte, 1> one{};
  CHECK_FALSE(talk.connection.receive(one));
  talk.advance(10min);
  CHECK(talk.peer.quiet());
}

TEST_CASE("abort sends RST at SND.NXT where the peer has a connection", "[tcp][RFC9293-3.10.5-1]") {
  for (const auto state : {State::syn_received, State::established, State::fin_wait_1, State::fin_wait_2, State::close_wait}) {
    Conversation talk{{}, state};
    INFO(name(state));
    const SeqNum snd_nxt = talk.info().snd_nxt;
    talk.connection.abort();
    const auto reset = talk.peer.hear_one();
    CHECK(reset.has(kRst));
    CHECK(reset.seq == snd_nxt);
    CHECK(talk.tcp.connection_count() == 0);
    talk.advance(5min);
    CHECK(talk.peer.quiet());
  }
}

TEST_CASE("abort is silent where the peer has none, or has closed", "[tcp][RFC9293-3.10.5-2]") {
  for (const auto state : {State::syn_sent, State::closing, State::last_ack, State::time_wait}) {
    Conversation talk{{}, state};
    INFO(name(state));
    talk.connection.abort();
    CHECK(talk.peer.quiet());
    CHECK(talk.tcp.connection_count() == 0);
    talk.advance(5min);
    CHECK(talk.peer.quiet());
  }
}

TEST_CASE("a full close with unread data resets the peer", "[tcp][RFC9293-SHLD-3]") {
  SECTION("data that was there") {
    Conversation talk;
    REQUIRE(talk.peer.say({.payload = stream(100)}));
    (void)talk.peer.hear();
    talk.connection.close();
    const auto heard = talk.peer.hear();
    REQUIRE_FALSE(heard.empty());
    CHECK(heard.back().has(kRst));
  }
  SECTION("data that comes later") {
    Conversation talk;
    talk.connection.close();
    CHECK(talk.peer.hear_one().has(Flags::fin));
    REQUIRE(talk.peer.say({}));
    REQUIRE(talk.connection.state() == State::fin_wait_2);
    (void)talk.peer.say({.payload = "too late"});
    const auto heard = talk.peer.hear();
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].has(kRst));
    CHECK(talk.peer.state() == State::closed);
  }
  SECTION("none: the close is orderly") {
    Conversation talk;
    REQUIRE(talk.peer.say({.payload = stream(100)}));
    CHECK(talk.read() == stream(100));
    talk.connection.close();
    const auto sent = talk.peer.hear();
    REQUIRE_FALSE(sent.empty());
    CHECK(sent.back().has(Flags::fin));
    for (const auto& heard : sent) CHECK_FALSE(heard.has(kRst));
    CHECK(talk.connection.state() == State::fin_wait_1);
  }
}

TEST_CASE("resets come only where the RFC says so", "[tcp][RFC9293-3.5.2-6]") {
  sim::SeededRandom random{99};
  for (const auto state :
       {State::established, State::fin_wait_1, State::fin_wait_2, State::close_wait, State::closing, State::last_ack, State::time_wait}) {
    Conversation talk{{}, state};
    INFO(name(state));
    std::size_t answers = 0;
    for (int i = 0; i < 400; ++i) {
      const auto near = [&](SeqNum base) {
        static constexpr std::array<std::int64_t, 8> kSteps{0, 0, 0, 1, -1, 100, -100, 100'000};
        return base + static_cast<std::uint32_t>(kSteps[random.below(8)]);
      };
      auto flags = static_cast<Flags>(random.below(64)) & ~kRst;
      if (has(flags, Flags::fin)) flags &= ~Flags::fin;  // the state is to stay
      (void)talk.peer.say(
          {.flags = flags, .seq = near(talk.peer.nxt), .ack = near(talk.info().snd_una), .payload = stream(random.below(3) * 10)});
      const auto all = talk.hear();
      for (const auto& heard : all) CHECK_FALSE(heard.has(kRst));
      answers += all.size();
      if (talk.peer.state() != state) break;  // an acceptable ACK ended it
      talk.advance(100ms);
      (void)talk.hear();
    }
    CHECK(answers > 0);
  }
}
