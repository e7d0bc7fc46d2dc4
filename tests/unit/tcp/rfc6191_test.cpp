#include <catch2/catch.hpp>

#include "option_talk.hpp"
#include "tcp/time_wait.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("which SYN may reopen a TIME-WAIT", "[tcp][RFC6191-2-1][RFC6191-2-2][RFC6191-2-3][RFC6191-2-4][RFC6191-2-5]") {
  struct Row {
    bool before;
    std::optional<std::uint32_t> timestamp;
    SeqNum seq;
    bool accepted;
  };
  constexpr SeqNum higher{1001};
  constexpr SeqNum lower{999};
  const Row rows[] = {
      {true, 501, lower, true}, {true, 501, higher, true}, {true, 500, higher, true}, {true, 500, lower, false}, {true, 499, higher, false},
      {true, {}, higher, true}, {true, {}, lower, false},  {false, 1, lower, true},   {false, {}, higher, true}, {false, {}, lower, false},
  };
  for (const auto& row : rows) {
    tcp::TimeWaitRecord record;
    record.rcv_nxt = SeqNum{1000};
    record.timestamps = row.before;
    record.ts_recent = 500;
    CHECK(tcp::may_reopen(record, {.seq = row.seq, .timestamp = row.timestamp}) == row.accepted);
  }
}

namespace {
/// A passive connection with timestamps that we closed first.
struct Waiting : OptionTalk {
  Waiting() : OptionTalk{{}, {.passive = true}} {
    connection.close();
    REQUIRE(hear_one().flags == kFinAck);
    ts = 2000;
    REQUIRE(say({.flags = kFinAck}));
    REQUIRE(hear_one().pure_ack());
    REQUIRE(connection.state() == State::time_wait);
  }
  Accepted knock(std::uint32_t timestamp, SeqNum seq) {
    return peer.say({.flags = kSyn, .seq = seq, .options = syn_options(1460, {.timestamp = timestamp}, 0)});
  }
};
}  // namespace

TEST_CASE("a SYN with a larger timestamp opens a new incarnation, whatever its number", "[tcp][RFC6191-2-1][RFC9293-SHLD-4]") {
  Waiting talk;
  REQUIRE(talk.knock(2001, talk.peer.nxt - 5000U));
  const auto answer = talk.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(options_of(answer).timestamps->second == 2001);
}

TEST_CASE("a SYN with an older timestamp does not, and the wait goes on", "[tcp][RFC6191-2-6]") {
  Waiting talk;
  talk.advance(200s);
  CHECK(talk.knock(1999, talk.peer.nxt + 5000U) == std::unexpected{Drop::blind_attack});
  CHECK(talk.hear_one().pure_ack());  // RFC 5961 section 4: a challenge
  CHECK(talk.peer.state() == State::time_wait);
  talk.advance(39s);
  CHECK(talk.peer.state() == State::time_wait);  // not shortened ...
  talk.advance(2s);
  CHECK(talk.peer.state() == State::closed);  // ... nor lengthened
}

TEST_CASE("a repeated FIN is acknowledged from TIME-WAIT with its timestamp", "[tcp][RFC7323-3.2-3]") {
  Waiting talk;
  talk.ts = 2500;
  REQUIRE(talk.say({.flags = kFinAck, .seq = talk.peer.nxt - 1U}));
  const auto answer = talk.hear_one();
  CHECK(answer.pure_ack());
  REQUIRE(options_of(answer).timestamps);
  CHECK(options_of(answer).timestamps->second == 2500);
  talk.ts = 2499;
  CHECK(talk.say({.flags = kFinAck, .seq = talk.peer.nxt - 1U}) == std::unexpected{Drop::old_timestamp});
}
