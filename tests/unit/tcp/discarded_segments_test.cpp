// Segments that are discarded by name, at each place where the name is given, beside a segment there that is accepted.
#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("bad_flags: LISTEN takes a SYN and nothing without SYN, ACK or RST", "[tcp][RFC9293-3.10.7.2-5]") {
  Conversation talk{{.passive = true}, State::listen};
  CHECK(talk.peer.say({.flags = Flags::none, .seq = talk.peer.nxt}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.peer.say({.flags = Flags::fin, .seq = talk.peer.nxt}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.drops(Drop::bad_flags) == 2);
  CHECK(talk.peer.quiet());
  CHECK(talk.peer.say({.flags = kSyn}));
  CHECK(talk.peer.hear_one().flags == kSynAck);
  CHECK(talk.drops(Drop::bad_flags) == 2);
}

TEST_CASE("bad_flags: SYN-SENT takes a SYN, ACK and no ACK without SYN", "[tcp][RFC9293-3.10.7.3-6]") {
  Conversation talk{{}, State::syn_sent};
  CHECK(talk.peer.say({.seq = talk.peer.nxt}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.peer.say({.flags = kFinAck, .seq = talk.peer.nxt, .payload = "early"}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.drops(Drop::bad_flags) == 2);
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::syn_sent);
  CHECK(talk.peer.say({.flags = kSynAck}));
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.drops(Drop::bad_flags) == 2);
}

TEST_CASE("bad_flags: once synchronized text needs an ACK", "[tcp][RFC9293-3.10.7.4-13]") {
  const auto state = GENERATE(State::syn_received, State::established, State::fin_wait_1, State::fin_wait_2);
  Conversation talk{{}, state};
  INFO(name(state));
  CHECK(talk.peer.say({.flags = Flags::none, .seq = talk.peer.nxt, .payload = "data"}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.peer.say({.flags = Flags::fin, .seq = talk.peer.nxt}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.drops(Drop::bad_flags) == 2);
  CHECK(talk.info().unread == 0);
  CHECK(talk.peer.say({.payload = "data"}));
  CHECK(talk.read() == "data");
  CHECK(talk.drops(Drop::bad_flags) == 2);
}

TEST_CASE("bad_flags: TIME-WAIT hears an ACK and nothing without", "[tcp][RFC9293-3.10.7.4-13]") {
  Conversation talk{{}, State::time_wait};
  CHECK(talk.peer.say({.flags = Flags::none, .seq = talk.peer.nxt}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.peer.say({.flags = Flags::fin, .seq = talk.peer.nxt - 1U}) == std::unexpected{Drop::bad_flags});
  CHECK(talk.drops(Drop::bad_flags) == 2);
  CHECK(talk.peer.quiet());
  CHECK(talk.peer.say({}));
  CHECK(talk.drops(Drop::bad_flags) == 2);
}

TEST_CASE("after_close: in TIME-WAIT text is acknowledged and discarded, the peer's FIN once more is heard", "[tcp][RFC9293-3.10.7.4-23]") {
  Conversation talk{{}, State::time_wait};
  CHECK(talk.peer.say({.seq = talk.peer.nxt, .payload = "late"}) == std::unexpected{Drop::after_close});
  CHECK(talk.drops(Drop::after_close) == 1);
  const auto answer = talk.peer.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.ack == talk.peer.nxt);
  CHECK(talk.peer.say({.flags = kFinAck, .seq = talk.peer.nxt - 1U}));
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.drops(Drop::after_close) == 1);
}

TEST_CASE("after_close: nothing comes behind the peer's FIN", "[tcp][RFC9293-3.10.7.4-25]") {
  const auto state = GENERATE(State::close_wait, State::closing, State::last_ack);
  Conversation talk{{}, state};
  INFO(name(state));
  CHECK(talk.peer.say({.seq = talk.peer.nxt, .ack = talk.info().snd_una, .payload = "late"}) == std::unexpected{Drop::after_close});
  CHECK(talk.drops(Drop::after_close) == 1);
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.info().unread == 0);
  CHECK(talk.peer.say({.ack = talk.info().snd_una}));  // without text: there is nothing to discard
  CHECK(talk.drops(Drop::after_close) == 1);
  CHECK(talk.connection.state() == state);
}

TEST_CASE("after_close: text for a reader that has gone resets the connection", "[tcp]") {
  Conversation talk;
  talk.connection.close();
  (void)talk.peer.hear();
  CHECK(talk.peer.say({.payload = "anybody?"}) == std::unexpected{Drop::after_close});
  CHECK(talk.drops(Drop::after_close) == 1);
  CHECK(talk.peer.hear_one().has(Flags::rst));
  CHECK(talk.app.error == Error::connection_aborted);
}

TEST_CASE("after_close: text for a reader that has ended only its own stream is taken", "[tcp][RFC9293-3.6-2]") {
  Conversation talk;
  REQUIRE(talk.connection.shutdown());
  (void)talk.peer.hear();
  CHECK(talk.peer.say({.payload = "anybody?"}));
  CHECK(talk.read() == "anybody?");
  CHECK(talk.drops(Drop::after_close) == 0);
}
