#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

/// A segment of the peer's with one bit of its payload flipped on the way.
Accepted say_damaged(Conversation& talk, const Say& say = {.payload = "data"}) {
  Bytes bytes = talk.peer.bytes(say);
  bytes.back() ^= std::byte{1};
  return talk.inject(bytes, kPeerAddress);
}

}  // namespace

TEST_CASE("a segment with a bad checksum is dropped in silence", "[tcp][RFC9293-MUST-3]") {
  Conversation talk;
  CHECK(say_damaged(talk).error() == Drop::bad_checksum);
  talk.advance(1s);
  CHECK(talk.peer.quiet());
  CHECK(talk.drops(Drop::bad_checksum) == 1);
  CHECK(talk.read().empty());
  REQUIRE(talk.peer.say({.payload = "data"}));
  CHECK(talk.read() == "data");
}

TEST_CASE("with the option on it is acknowledged at once, and still dropped", "[tcp]") {
  Conversation talk{{.config = {.acknowledge_bad_checksums = true}}};
  CHECK(say_damaged(talk).error() == Drop::bad_checksum);
  const auto answer = talk.peer.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.ack == talk.peer.nxt);
  CHECK(talk.drops(Drop::bad_checksum) == 1);
  CHECK(talk.read().empty());
  REQUIRE(talk.peer.say({.payload = "data"}));
  CHECK(talk.read() == "data");
}

TEST_CASE("damaged segments draw no more acknowledgments than challenges may be sent", "[tcp]") {
  Conversation talk{{.config = {.challenge_acks = 3, .challenge_period = 5s, .acknowledge_bad_checksums = true}}};
  for (int i = 0; i < 20; ++i) {
    CHECK_FALSE(say_damaged(talk));
    talk.advance(1ms);
  }
  const auto answers = talk.peer.hear().size();
  CHECK(answers >= 2);
  CHECK(answers <= 3);
  talk.advance(5s);
  CHECK_FALSE(say_damaged(talk));
  CHECK(talk.peer.hear().size() == 1);
}

TEST_CASE("with the option on, what names no synchronized connection still draws nothing", "[tcp]") {
  Conversation talk{{.config = {.acknowledge_bad_checksums = true}}, State::syn_sent};
  CHECK(say_damaged(talk, {.flags = kSynAck, .payload = "x"}).error() == Drop::bad_checksum);
  CHECK(talk.peer.quiet());
  Peer stranger{talk, kService, {kPeerAddress, Port{7777}}};
  Bytes bytes = stranger.bytes({.payload = "data"});
  bytes.back() ^= std::byte{1};
  CHECK(talk.inject(bytes, kPeerAddress).error() == Drop::bad_checksum);
  CHECK(stranger.quiet());
  CHECK(talk.state(talk.peer.us, talk.peer.them) == State::syn_sent);
}
