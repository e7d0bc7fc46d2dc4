#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
std::error_code sending_fails(tcp::Connection& connection) {
  const auto sent = connection.send(std::as_bytes(std::span{"x", 1}));
  REQUIRE_FALSE(sent);
  return sent.error();
}
}  // namespace

TEST_CASE("after close nothing more is taken, and all before it is delivered", "[tcp][RFC9293-3.6-1]") {
  Conversation talk;
  const std::string text = stream(50'000);
  talk.write(text);
  REQUIRE(talk.connection.shutdown());
  CHECK(sending_fails(talk.connection) == Error::connection_closed);
  CHECK((talk.peer.drain() == text));
  CHECK(talk.connection.state() == State::fin_wait_2);
}

TEST_CASE("after a half-close receiving goes on until the peer closes", "[tcp][RFC9293-3.6-2]") {
  Conversation talk{{}, State::fin_wait_2};
  const std::string text = stream(10'000);
  std::string received;
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    REQUIRE(talk.peer.say({.payload = text.substr(at, 1000)}));
    received += talk.read();
  }
  CHECK((received == text));
  CHECK_FALSE(talk.at_end());
  REQUIRE(talk.peer.say({.flags = kFinAck}));
  (void)talk.peer.hear();
  CHECK(talk.at_end());
  CHECK(talk.app.peer_closed == 1);
}

TEST_CASE("the FIN is repeated until it is acknowledged", "[tcp][RFC9293-3.6-3]") {
  Conversation talk;
  REQUIRE(talk.connection.shutdown());
  const auto fin = talk.peer.hear_one();
  CHECK(fin.has(Flags::fin));
  for (const auto wait : {1s, 2s, 4s}) {
    talk.advance(wait - 1ms);
    CHECK(talk.peer.quiet());
    talk.advance(1ms);
    const auto again = talk.peer.hear_one();
    CHECK(again.has(Flags::fin));
    CHECK(again.seq == fin.seq);
  }
  talk.peer.acknowledge();
  CHECK(talk.connection.state() == State::fin_wait_2);
  talk.advance(5min);
  CHECK(talk.peer.quiet());
}

TEST_CASE("crossing FINs pass through CLOSING", "[tcp][RFC9293-3.6-4][RFC9293-3.10.7.4-21]") {
  Conversation talk;
  REQUIRE(talk.connection.shutdown());
  const auto fin = talk.peer.hear_one();
  CHECK(talk.connection.state() == State::fin_wait_1);
  REQUIRE(talk.peer.say({.flags = kFinAck, .ack = fin.seq}));
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.connection.state() == State::closing);
  REQUIRE(talk.peer.say({}));
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::time_wait);
}

TEST_CASE("the application hears of the peer's close at once", "[tcp][RFC9293-3.6-5][RFC9293-3.10.7.4-29]") {
  Conversation talk;
  const SeqNum before = talk.peer.nxt;
  REQUIRE(talk.peer.say({.flags = kFinAck}));
  const auto answer = talk.peer.hear_one();
  CHECK(answer.ack == before + 1U);
  CHECK(talk.app.peer_closed == 1);
  CHECK(talk.connection.state() == State::close_wait);
  CHECK(talk.at_end());
}

TEST_CASE("a FIN in SYN-RECEIVED leads to CLOSE-WAIT", "[tcp][RFC9293-3.10.7.4-29]") {
  Conversation talk{{.passive = true}, State::syn_received};
  REQUIRE(talk.peer.say({.flags = kFinAck}));
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.peer.state() == State::close_wait);
}

TEST_CASE("sending fails on what is not open", "[tcp][RFC9293-3.9.1.2-1]") {
  tcp::Connection fresh;
  CHECK(sending_fails(fresh) == Error::not_connected);
  CHECK(fresh.shutdown().error() == Error::not_connected);
  Conversation talk{{}, State::syn_sent};
  talk.connection.abort();
  CHECK_FALSE(talk.connection.send(std::as_bytes(std::span{"x", 1})));
}

TEST_CASE("sending after close says that it is closing", "[tcp][RFC9293-3.10.2-2]") {
  for (const auto state : {State::fin_wait_1, State::fin_wait_2, State::closing, State::last_ack, State::time_wait}) {
    Conversation talk{{}, state};
    INFO(name(state));
    CHECK(sending_fails(talk.connection) == Error::connection_closed);
  }
  Conversation open{{}, State::close_wait};
  CHECK(open.connection.send(std::as_bytes(std::span{"x", 1})));
}

TEST_CASE("what came before the FIN is read before the end", "[tcp][RFC9293-3.10.3-1]") {
  Conversation talk;
  REQUIRE(talk.peer.say({.flags = kFinAck, .payload = stream(1000)}));
  (void)talk.peer.hear();
  CHECK(talk.connection.state() == State::close_wait);
  CHECK(talk.info().unread == 1000);
  CHECK((talk.read() == stream(1000)));
  CHECK(talk.at_end());
}

TEST_CASE("closing in LISTEN and SYN-SENT sends nothing", "[tcp][RFC9293-3.10.4-1]") {
  Conversation listening{{.passive = true}, State::listen};
  listening.listener = {};
  CHECK(listening.hear().empty());
  (void)listening.peer.say({.flags = kSyn});
  CHECK(listening.peer.hear_one().has(kRst));
  Conversation talk{{}, State::syn_sent};
  talk.connection.close();
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.tcp.connection_count() == 0);
  talk.advance(1min);
  CHECK(talk.peer.quiet());
}

TEST_CASE("closing in SYN-RECEIVED sends FIN", "[tcp][RFC9293-3.10.4-2]") {
  Conversation talk{{}, State::syn_received};
  REQUIRE(talk.connection.shutdown());
  bool fin = false;
  for (const auto& heard : talk.peer.hear()) fin = fin || heard.has(Flags::fin);
  CHECK(fin);
  CHECK(talk.connection.state() == State::fin_wait_1);
  REQUIRE(talk.peer.say({}));
  CHECK(talk.connection.state() == State::fin_wait_2);
}

TEST_CASE("the FIN stands behind all data", "[tcp][RFC9293-3.10.4-3]") {
  Conversation talk;
  const SeqNum begin = talk.info().snd_nxt;
  talk.write(stream(20'000));
  REQUIRE(talk.connection.shutdown());
  CHECK(talk.connection.state() == State::fin_wait_1);
  std::optional<Heard> fin;
  for (int i = 0; i < 20 && !fin; ++i) {
    for (auto& heard : talk.peer.hear()) {
      CHECK_FALSE(fin);
      if (heard.has(Flags::fin)) fin = heard;
    }
    talk.peer.acknowledge();
  }
  REQUIRE(fin);
  CHECK(fin->end() == begin + 20'001U);
}

TEST_CASE("closing twice sends one FIN", "[tcp][RFC9293-3.10.4-4]") {
  for (const auto state : {State::fin_wait_1, State::fin_wait_2}) {
    Conversation talk{{}, state};
    const auto snd_nxt = talk.info().snd_nxt;
    CHECK(talk.connection.shutdown().error() == Error::connection_closed);
    talk.connection.close();
    CHECK(talk.peer.quiet());
    CHECK(talk.info().snd_nxt == snd_nxt);
    talk.advance(10s);
    const auto again = talk.peer.hear();
    CHECK(again.empty() == (state == State::fin_wait_2));  // in FIN-WAIT-1 nobody has acknowledged the first
    for (const auto& heard : again) CHECK(heard.end() == snd_nxt);
  }
}

TEST_CASE("closing in CLOSE-WAIT leads to LAST-ACK", "[tcp][RFC9293-3.10.4-5][RFC9293-3.10.7.4-22]") {
  Conversation talk{{}, State::close_wait};
  talk.write("the rest");
  REQUIRE(talk.connection.shutdown());
  CHECK(talk.connection.state() == State::last_ack);
  std::string text;
  bool fin = false;
  for (const auto& heard : talk.peer.hear()) {
    text += text_of(heard.payload);
    fin = heard.has(Flags::fin);
  }
  CHECK(text == "the rest");
  CHECK(fin);
  REQUIRE(talk.peer.say({}));
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.tcp.connection_count() == 0);
  CHECK(talk.app.closed == 0);
  CHECK(talk.peer.quiet());
  CHECK(talk.app.closed == 1);
  CHECK_FALSE(talk.app.error);
  (void)talk.peer.say({});
  CHECK(talk.peer.hear_one().flags == kRst);
}

TEST_CASE("closing pushes what is queued", "[tcp][RFC9293-3.9.1.4-1]") {
  Conversation talk;
  talk.write("outstanding");
  (void)talk.peer.hear_one();
  talk.write("0123456789");  // held back by Nagle
  REQUIRE(talk.connection.shutdown());
  auto all = talk.peer.hear();
  talk.peer.acknowledge();
  for (auto& heard : talk.peer.hear()) all.push_back(std::move(heard));
  std::string text;
  bool pushed = false;
  for (const auto& heard : all) {
    text += text_of(heard.payload);
    if (!heard.payload.empty()) pushed = heard.has(Flags::psh);
  }
  CHECK(text == "0123456789");
  CHECK(pushed);
  REQUIRE_FALSE(all.empty());
  CHECK(all.back().has(Flags::fin));
}

TEST_CASE("FIN-WAIT-1 with its FIN acknowledged is FIN-WAIT-2", "[tcp][RFC9293-3.10.7.4-20]") {
  Conversation talk{{}, State::fin_wait_1};
  REQUIRE(talk.peer.say({.ack = talk.peer.rcv - 1U}));
  CHECK(talk.connection.state() == State::fin_wait_1);
  REQUIRE(talk.peer.say({}));
  CHECK(talk.connection.state() == State::fin_wait_2);
  talk.advance(1min);
  CHECK(talk.peer.quiet());
}

TEST_CASE("a FIN in FIN-WAIT-1 leads to TIME-WAIT or CLOSING", "[tcp][RFC9293-3.10.7.4-30]") {
  Conversation acknowledged{{}, State::fin_wait_1};
  REQUIRE(acknowledged.peer.say({.flags = kFinAck}));
  CHECK(acknowledged.peer.hear_one().ack == acknowledged.peer.nxt);
  CHECK(acknowledged.connection.state() == State::time_wait);
  Conversation crossing{{}, State::fin_wait_1};
  REQUIRE(crossing.peer.say({.flags = kFinAck, .ack = crossing.peer.rcv - 1U}));
  CHECK(crossing.peer.hear_one().ack == crossing.peer.nxt);
  CHECK(crossing.connection.state() == State::closing);
}

TEST_CASE("a FIN in FIN-WAIT-2 leads to TIME-WAIT and stops the timers", "[tcp][RFC9293-3.10.7.4-31]") {
  Conversation talk{{}, State::fin_wait_2};
  REQUIRE(talk.peer.say({.flags = kFinAck}));
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.connection.state() == State::time_wait);
  talk.advance(239s);
  CHECK(talk.peer.quiet());
}

TEST_CASE("a FIN beyond a gap takes effect when the gap is closed", "[tcp][RFC9293-3.10.7.4-32]") {
  Conversation talk;
  const SeqNum begin = talk.peer.nxt;
  REQUIRE(talk.peer.say({.flags = kFinAck, .seq = begin + 5U, .payload = "world"}));
  CHECK(talk.peer.hear_one().ack == begin);
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.app.peer_closed == 0);
  REQUIRE(talk.peer.say({.flags = kFinAck, .seq = begin + 10U}));  // repeated without its data: answered at once, too
  CHECK(talk.peer.hear_one().ack == begin);
  REQUIRE(talk.peer.say({.seq = begin, .payload = "hello"}));
  CHECK(talk.peer.hear_one().ack == begin + 11U);
  CHECK(talk.connection.state() == State::close_wait);
  CHECK(talk.read() == "helloworld");
  CHECK(talk.at_end());
  CHECK(talk.app.peer_closed == 1);
}

TEST_CASE("a repeated FIN is acknowledged and changes nothing", "[tcp][RFC9293-3.10.7.4-33]") {
  for (const auto state : {State::close_wait, State::closing, State::last_ack}) {
    Conversation talk{{}, state};
    INFO(name(state));
    (void)talk.peer.say({.flags = kFinAck, .seq = talk.peer.nxt - 1U, .ack = talk.info().snd_una});
    CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
    CHECK(talk.connection.state() == state);
    CHECK(talk.app.peer_closed <= 1);
  }
}

TEST_CASE("TIME-WAIT lasts twice the MSL", "[tcp][RFC9293-MUST-13][RFC9293-3.10.8-3]") {
  Conversation early{{}, State::time_wait};
  early.advance(239s);
  (void)early.peer.say({.flags = kFinAck, .seq = early.peer.nxt - 1U});
  CHECK(early.peer.hear_one().pure_ack());
  CHECK(early.peer.state() == State::time_wait);
  early.advance(239s);
  CHECK(early.peer.state() == State::time_wait);  // restarted
  Conversation late{{}, State::time_wait};
  late.advance(241s);
  CHECK(late.tcp.connection_count() == 0);
  (void)late.peer.say({.flags = kFinAck, .seq = late.peer.nxt - 1U});
  CHECK(late.peer.hear_one().has(kRst));
}

TEST_CASE("a repeated FIN restarts TIME-WAIT", "[tcp][RFC9293-3.10.7.4-23]") {
  Conversation talk{{}, State::time_wait};
  talk.advance(200s);
  (void)talk.peer.say({.flags = kFinAck, .seq = talk.peer.nxt - 1U});
  const auto answer = talk.peer.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.ack == talk.peer.nxt);
  talk.advance(200s);
  CHECK(talk.peer.state() == State::time_wait);
  talk.advance(41s);
  CHECK(talk.peer.state() == State::closed);
}

TEST_CASE("after a full close nothing is read any more", "[tcp][RFC9293-MAY-1]") {
  Conversation talk;
  talk.connection.close();
  std::array<std::byte, 1> one{};
  CHECK(talk.connection.receive(one).error() == Error::connection_closed);
  Conversation half;
  REQUIRE(half.connection.shutdown());
  CHECK(half.connection.receive(one).error() == Error::would_block);
}

TEST_CASE("data that nobody reads any more is answered as in CLOSED", "[tcp]") {
  // <SEQ=SEG.ACK><CTL=RST>: what the peer expects next, whatever of ours it has missed.
  Conversation talk;
  talk.write("unanswered");
  (void)talk.peer.hear();
  const SeqNum acknowledged = talk.info().snd_una;
  talk.connection.close();
  (void)talk.peer.hear();
  CHECK_FALSE(talk.peer.say({.ack = acknowledged, .payload = "late"}));
  const auto reset = talk.peer.hear_one();
  CHECK(reset.flags == kRst);
  CHECK(reset.seq == acknowledged);
  CHECK(talk.connection.state() == State::closed);
}
