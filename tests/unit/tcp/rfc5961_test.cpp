#include <catch2/catch.hpp>

#include <set>
#include <vector>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("a reset outside the window is dropped silently", "[tcp][RFC5961-3.2-1]") {
  Conversation talk;
  CHECK_FALSE(talk.peer.say({.flags = kRst, .seq = talk.info().rcv_nxt + talk.info().rcv_wnd}));
  CHECK_FALSE(talk.peer.say({.flags = kRst, .seq = talk.info().rcv_nxt - 1U}));
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::established);
}

TEST_CASE("a reset at RCV.NXT resets", "[tcp][RFC5961-3.2-2]") {
  Conversation talk;
  (void)talk.peer.say({.flags = kRst});
  CHECK(talk.peer.quiet());
  CHECK(talk.app.error == Error::connection_reset);
}

TEST_CASE("a reset elsewhere in the window draws a challenge", "[tcp][RFC5961-3.2-3]") {
  Conversation talk;
  const auto before = talk.info();
  for (const auto seq : {before.rcv_nxt + 1U, before.rcv_nxt + before.rcv_wnd - 1U}) {
    const auto dropped = talk.peer.say({.flags = kRst, .seq = seq});
    REQUIRE_FALSE(dropped);
    CHECK(dropped.error() == Drop::blind_attack);
    const auto challenge = talk.peer.hear_one();
    CHECK(challenge.pure_ack());
    CHECK(challenge.seq == before.snd_nxt);
    CHECK(challenge.ack == before.rcv_nxt);
    CHECK(talk.connection.state() == State::established);
  }
  // A peer that did reset answers the challenge with the right number.
  (void)talk.peer.say({.flags = kRst, .seq = before.rcv_nxt});
  CHECK(talk.connection.state() == State::closed);
}

TEST_CASE("in SYN-SENT a reset that acknowledges something else is dropped silently", "[tcp][RFC5961-3.2-4]") {
  Conversation talk{{}, State::syn_sent};
  for (const auto ack : {talk.peer.rcv - 1U, talk.peer.rcv + 1U, SeqNum{0}}) {
    CHECK_FALSE(talk.peer.say({.flags = kRstAck, .ack = ack}));
    CHECK(talk.peer.quiet());
  }
  CHECK(talk.connection.state() == State::syn_sent);
}

TEST_CASE("a SYN in a synchronized state draws a challenge and is dropped", "[tcp][RFC5961-4.2-1][RFC5961-4.2-2]") {
  for (const auto state : {State::established, State::fin_wait_1, State::fin_wait_2, State::close_wait, State::closing, State::last_ack}) {
    Conversation talk{{}, state};
    INFO(name(state));
    const auto before = talk.info();
    for (const auto seq : {before.rcv_nxt, before.rcv_nxt + 10U, before.rcv_nxt - 1000U, before.rcv_nxt + 1'000'000U}) {
      CHECK_FALSE(talk.peer.say({.flags = kSyn, .seq = seq, .payload = "inject"}));
      const auto challenge = talk.peer.hear_one();
      CHECK(challenge.pure_ack());
      CHECK(challenge.seq == before.snd_nxt);
      CHECK(challenge.ack == before.rcv_nxt);
      CHECK(talk.connection.state() == state);
    }
    CHECK(talk.info().unread == 0);
    CHECK(talk.info().out_of_order == 0);
    CHECK(talk.info().rcv_nxt == before.rcv_nxt);
  }
}

TEST_CASE("data with an acknowledgment that cannot be is refused", "[tcp][RFC5961-5.2-2][RFC9293-MAY-12]") {
  Conversation talk{{.window = 1000}};
  const auto before = talk.info();
  for (const auto ack : {before.snd_una - 1001U, before.snd_una - 100'000U, before.snd_nxt + 1U}) {
    const auto refused = talk.peer.say({.seq = before.rcv_nxt, .ack = ack, .payload = "inject"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == Drop::bad_ack);
    CHECK(talk.peer.hear_one().pure_ack());
    CHECK(talk.read().empty());
  }
  REQUIRE(talk.peer.say({.seq = before.rcv_nxt, .ack = before.snd_una - 1000U, .payload = "old but possible"}));
  CHECK(talk.read() == "old but possible");
}

TEST_CASE("challenges are limited", "[tcp][RFC5961-7-1]") {
  Conversation talk{{.config = {.challenge_acks = 10, .challenge_period = 5s}}};
  std::set<std::size_t> counts;
  for (int period = 0; period < 20; ++period) {
    std::size_t challenges = 0;
    for (std::uint32_t i = 0; i < 100; ++i) {
      (void)talk.peer.say({.flags = kRst, .seq = talk.peer.nxt + 1U + i});
      challenges += talk.peer.hear().size();
    }
    CHECK(challenges >= 5);
    CHECK(challenges <= 10);
    counts.insert(challenges);
    talk.advance(6s);
  }
  CHECK(counts.size() > 1);  // nobody can reckon with a number
  CHECK(talk.drops(Drop::blind_attack) == 2000);
  (void)talk.peer.say({.flags = kRst, .seq = talk.peer.nxt + 1U});
  CHECK(talk.peer.hear().size() == 1);
}

TEST_CASE("one connection's flood does not silence another", "[tcp][POLICY-TCP-CHALLENGE-1]") {
  Conversation talk;
  auto opened = talk.tcp.connect({kPeerAddress, Port{5001}});
  REQUIRE(opened);
  Peer other{talk, opened->local().port, {kPeerAddress, Port{5001}}};
  (void)other.hear();
  REQUIRE(other.say({.flags = kSynAck}));
  (void)other.hear();
  for (std::uint32_t i = 0; i < 100; ++i) {
    (void)talk.peer.say({.flags = kRst, .seq = talk.peer.nxt + 1U + i});
    (void)talk.peer.hear();
  }
  (void)other.say({.flags = kRst, .seq = other.nxt + 1U});
  CHECK(other.hear().size() == 1);
}

TEST_CASE("all connections together have a budget of challenges that nobody can count on", "[tcp][RFC5961-7-1][POLICY-TCP-CHALLENGE-1]") {
  constexpr std::uint32_t kAbout = 20;
  constexpr Port kFirst{6000};
  Wire wire{{.challenge_acks = 5, .all_challenge_acks = kAbout}};
  auto listener = wire.tcp.listen(kService);
  REQUIRE(listener);
  std::vector<Peer> peers;
  for (std::uint16_t i = 0; i < 40; ++i) {
    auto& peer = peers.emplace_back(wire, kService, Endpoint{kPeerAddress, Port{static_cast<std::uint16_t>(kFirst.value() + i)}});
    REQUIRE(peer.say({.flags = kSyn}));
    REQUIRE(peer.hear_one().flags == kSynAck);
    REQUIRE(peer.say({}));
  }
  std::set<std::size_t> counts;
  for (int period = 0; period < 20; ++period) {
    std::size_t count = 0;
    for (auto& peer : peers) {
      (void)peer.say({.flags = kRst, .seq = peer.nxt + 1U});
      count += peer.hear().size();
    }
    CHECK(count >= kAbout / 2);
    CHECK(count <= kAbout + kAbout / 2);
    counts.insert(count);
    wire.advance(5s);
  }
  CHECK(counts.size() > 3);
}

TEST_CASE("a listening port is not chosen as ephemeral", "[tcp][RFC6056-3.1-2][RFC6056-3.1-1]") {
  Wire wire{{.first_ephemeral = Port{20000}, .last_ephemeral = Port{20003}, .reserved_ports = {Port{20001}}}};
  const auto listener = wire.tcp.listen(Port{20000});
  REQUIRE(listener);
  const auto one = wire.tcp.connect({kPeerAddress, kPeerPort});
  const auto two = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(one);
  REQUIRE(two);
  CHECK(one->local().port != two->local().port);
  for (const auto port : {one->local().port, two->local().port}) CHECK((port == Port{20002} || port == Port{20003}));
  const auto three = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE_FALSE(three);
  CHECK(three.error() == Error::address_not_available);
  CHECK(wire.tcp.connect({kPeerAddress, Port{5001}}));  // another 4-tuple
}

TEST_CASE("TIME-WAIT takes a SYN with a larger number, and no other", "[tcp][RFC6191-2-5][RFC9293-MAY-2]") {
  Conversation talk{{.passive = true}, State::time_wait};
  const SeqNum old_nxt = talk.info().snd_nxt;
  const SeqNum rcv_nxt = talk.peer.nxt;
  CHECK_FALSE(talk.peer.say({.flags = kSyn, .seq = rcv_nxt - 10U}));
  CHECK(talk.peer.hear_one().pure_ack());  // RFC 5961 section 4: a challenge
  CHECK(talk.peer.state() == State::time_wait);
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = rcv_nxt + 1000U}));
  const auto answer = talk.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.seq > old_nxt);
  CHECK(talk.peer.state() == State::syn_received);
  SECTION("an old duplicate: the peer's reset brings TIME-WAIT back") {
    (void)talk.peer.say({.flags = kRst, .seq = rcv_nxt + 1001U});
    CHECK(talk.peer.state() == State::time_wait);
  }
  SECTION("a real one: the connection is established") {
    REQUIRE(talk.peer.say({.seq = rcv_nxt + 1001U, .ack = answer.seq + 1U}));
    CHECK(talk.peer.state() == State::established);
  }
}
