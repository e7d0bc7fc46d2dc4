#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A passive connection that our side closed first: in TIME-WAIT, its listener still there.
struct Waiting : Conversation {
  Waiting() : Conversation{{.passive = true}, State::time_wait} {}
};
}  // namespace

TEST_CASE("a new SYN beyond the old numbers reopens a TIME-WAIT tuple", "[tcp][RFC9293-MAY-2]") {
  Waiting talk;
  const SeqNum old_end = talk.info().snd_nxt;
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = talk.peer.nxt + 1000U}));
  const auto answer = talk.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.seq > old_end);
  CHECK(talk.connection.state() == State::closed);  // the old connection is over
  SECTION("and the handshake completes") {
    REQUIRE(talk.peer.say({.seq = talk.peer.nxt + 1001U}));
    CHECK(talk.listener.accept());
  }
  SECTION("and a RST, which says that the SYN was an old duplicate, restores TIME-WAIT") {
    REQUIRE(talk.peer.say({.flags = kRst, .seq = talk.peer.nxt + 1001U}));
    CHECK(talk.listener.half_open() == 0);
    CHECK(talk.peer.state() == State::time_wait);
  }
}

TEST_CASE("an old SYN does not disturb TIME-WAIT", "[tcp]") {
  Waiting talk;
  CHECK(talk.peer.say({.flags = kSyn, .seq = talk.peer.nxt - 1000U}) == std::unexpected{Drop::blind_attack});
  CHECK(talk.peer.hear_one().pure_ack());
  CHECK(talk.connection.state() == State::time_wait);
}

TEST_CASE("abort takes a connection out of TIME-WAIT", "[tcp]") {
  Waiting talk;
  CHECK(talk.tcp.connection_count() == 1);
  talk.connection.abort();
  CHECK(talk.tcp.connection_count() == 0);
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.peer.quiet());
}

TEST_CASE("the table of waiting connections is bounded: the oldest goes early", "[tcp]") {
  Wire wire{{.max_time_wait = 2}};
  for (std::uint16_t i = 0; i < 3; ++i) {
    auto connection = wire.tcp.connect({kPeerAddress, Port{static_cast<std::uint16_t>(5000 + i)}});
    REQUIRE(connection);
    Peer peer{wire, connection->local().port, connection->remote()};
    (void)peer.hear();
    REQUIRE(peer.say({.flags = kSynAck}));
    (void)peer.hear();
    connection->close();
    (void)peer.hear();
    REQUIRE(peer.say({.flags = kFinAck}));
    (void)peer.hear();
    CHECK(connection->state() == State::time_wait);
  }
  CHECK(wire.tcp.connection_count() == 2);
  wire.advance(240s);
  CHECK(wire.tcp.connection_count() == 0);
}

TEST_CASE("an ephemeral port in TIME-WAIT is not chosen again for the same peer", "[tcp][RFC6056-3.1-1]") {
  Wire wire{{.first_ephemeral = Port{2000}, .last_ephemeral = Port{2001}}};
  auto first = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(first);
  Peer peer{wire, first->local().port};
  (void)peer.hear();
  REQUIRE(peer.say({.flags = kSynAck}));
  (void)peer.hear();
  first->close();
  (void)peer.hear();
  REQUIRE(peer.say({.flags = kFinAck}));
  (void)peer.hear();
  REQUIRE(first->state() == State::time_wait);
  auto second = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(second);
  CHECK(second->local().port != first->local().port);
  const auto third = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE_FALSE(third);
  CHECK(third.error() == Error::address_not_available);
}

TEST_CASE("what TIME-WAIT answers is limited, but for the peer's FIN", "[tcp][RFC5961-7-1]") {
  Wire wire{{.all_challenge_acks = 10}};
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  (void)peer.hear();
  REQUIRE(peer.say({.flags = kSynAck}));
  (void)peer.hear();
  connection->close();
  (void)peer.hear();
  REQUIRE(peer.say({.flags = kFinAck}));
  (void)peer.hear();
  REQUIRE(peer.state() == State::time_wait);
  std::size_t answers = 0;
  for (int i = 0; i < 100; ++i) {
    CHECK(peer.say({.seq = peer.nxt - 1000U, .payload = "old"}) == std::unexpected{Drop::after_close});
    answers += peer.hear().size();
  }
  CHECK(answers >= 5);
  CHECK(answers <= 15);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(peer.say({.flags = kFinAck, .seq = peer.nxt - 1U}));
    CHECK(peer.hear_one().pure_ack());
  }
}
