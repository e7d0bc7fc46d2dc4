#include <catch2/catch.hpp>

#include "option_talk.hpp"
#include "tcp/rtt_estimator.hpp"
#include "tcp/timestamps.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr auto kDay = 24h;

std::uint32_t echoed_by(const Heard& heard) {
  const auto options = options_of(heard);
  REQUIRE(options.timestamps);
  return options.timestamps->second;
}
}  // namespace

TEST_CASE("a timestamp is old modulo 2^32, and TS.Recent grows old itself", "[tcp][RFC7323-5.3-1][RFC7323-5.3-2][RFC7323-5.5-1]") {
  struct Row {
    std::uint32_t recent;
    std::uint32_t value;
    Duration age;
    bool old;
  };
  const Row rows[] = {
      {100, 99, 1s, true},          {100, 100, 1s, false},       {100, 101, 1s, false},
      {0xffff'fff0U, 5, 1s, false}, {5, 0xffff'fff0U, 1s, true}, {0, 0x7fff'ffffU, 1s, false},
      {0, 0x8000'0001U, 1s, true},  {100, 99, 24 * kDay, true},  {100, 99, 24 * kDay + 1s, false},
  };
  for (const auto& row : rows) {
    INFO(row.recent << ' ' << row.value);
    tcp::RecentTimestamp recent;
    recent.start(row.recent, TimePoint{} + 1s);
    CHECK(recent.is_old(row.value, TimePoint{} + 1s + row.age) == row.old);
  }
}

TEST_CASE("TS.Recent follows what the last ACK did not cover", "[tcp][RFC7323-4.3-1]") {
  tcp::RecentTimestamp recent;
  recent.start(10, TimePoint{});
  recent.on_ack_sent(SeqNum{1000});
  recent.on_segment(SeqNum{1000}, 20, TimePoint{});
  CHECK(recent.value() == 20);
  recent.on_segment(SeqNum{2000}, 30, TimePoint{});  // beyond Last.ACK.sent
  CHECK(recent.value() == 20);
  recent.on_segment(SeqNum{900}, 19, TimePoint{});  // older
  CHECK(recent.value() == 20);
  recent.on_segment(SeqNum{900}, 19, TimePoint{} + 25 * kDay);  // older than a TS.Recent that is not valid any more
  CHECK(recent.value() == 19);
}

TEST_CASE("the timestamp clock ticks every millisecond and knows its own values", "[tcp][RFC7323-5.4-1][RFC7323-5.4-2]") {
  constexpr tcp::TimestampClock clock{0xffff'ff00U};
  CHECK(clock.value(TimePoint{}) == 0xffff'ff00U);
  CHECK(clock.value(TimePoint{} + 1s) - clock.value(TimePoint{}) == 1000);
  // At the fastest speed that a window below 2^30 allows on any path of a millisecond or more, 2^31 bytes take two ticks.
  CHECK(clock.value(TimePoint{} + 2ms) != clock.value(TimePoint{}));
  CHECK(clock.since(clock.value(TimePoint{} + 10ms), TimePoint{} + 250ms) == 240ms);
  CHECK(clock.since(clock.value(TimePoint{} + 10ms), TimePoint{} + 10ms) == 0ms);
  CHECK_FALSE(clock.since(clock.value(TimePoint{} + 11ms), TimePoint{} + 10ms));  // the future
  CHECK_FALSE(clock.since(0, TimePoint{} + 10ms));                                // nothing to echo
}

TEST_CASE("our timestamps advance with time", "[tcp][RFC7323-5.4-2]") {
  OptionTalk talk;
  talk.write("a");
  const auto first = options_of(talk.hear_one()).timestamps->first;
  REQUIRE(talk.say({}));
  talk.advance(1s);
  talk.write("b");
  CHECK(options_of(talk.hear_one()).timestamps->first - first == 1000);
}

TEST_CASE("the clocks of two connections are unrelated", "[tcp][RFC7323-7.1-1]") {
  Wire wire;
  std::vector<std::uint32_t> values;
  std::vector<tcp::Connection> open;
  for (std::uint16_t i = 0; i < 4; ++i) {
    auto opened = wire.tcp.connect({kPeerAddress, Port{static_cast<std::uint16_t>(5000 + i)}});
    REQUIRE(opened);
    open.push_back(std::move(*opened));
    const auto all = wire.hear();
    REQUIRE(all.size() == 1);
    values.push_back(options_of(all[0]).timestamps->first);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CHECK(std::abs(static_cast<std::int32_t>(values[i] - values[j])) > 1000);
  }
}

TEST_CASE("a segment with an old timestamp is acknowledged and dropped", "[tcp][RFC7323-5.3-1]") {
  OptionTalk talk;
  talk.ts = 999;
  CHECK(talk.say({.seq = talk.peer.nxt, .payload = "old"}) == std::unexpected{Drop::old_timestamp});
  const auto answer = talk.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.ack == talk.peer.nxt);
  CHECK(echoed_by(answer) == 1000);
  CHECK(talk.info().bytes_received == 0);
  talk.ts = 1000;  // the same one is not older
  REQUIRE(talk.say({.payload = "new"}));
  CHECK(talk.read() == "new");
}

TEST_CASE("timestamps compare across the wrap", "[tcp][RFC7323-5.3-2]") {
  OptionTalk talk{{.timestamp = 0xffff'fff0U}};
  talk.ts = 5;
  REQUIRE(talk.say({.payload = "after"}));
  CHECK(talk.read() == "after");
  talk.advance(500ms);
  CHECK(echoed_by(talk.hear_one()) == 5);
  talk.ts = 0xffff'fff0U;
  CHECK(talk.say({.payload = "before"}) == std::unexpected{Drop::old_timestamp});
}

TEST_CASE("data of an earlier round of the sequence numbers is not taken for new", "[tcp][RFC7323-5.3-1]") {
  // The window is open exactly where a segment of 2^32 octets ago had its place; only its timestamp tells.
  OptionTalk talk{{.timestamp = 0x7000'0000U}};
  talk.ts = 0x7000'0000U - 50'000;
  CHECK(talk.say({.seq = talk.peer.nxt, .payload = "garbage"}) == std::unexpected{Drop::old_timestamp});
  talk.ts = 0x7000'0001U;
  REQUIRE(talk.say({.payload = "genuine"}));
  CHECK(talk.read() == "genuine");
}

TEST_CASE("a RST needs no fresh timestamp, and no timestamp", "[tcp][RFC7323-5.2-1]") {
  OptionTalk talk;
  SECTION("old") {
    talk.ts = 1;
    REQUIRE(talk.say({.flags = kRst}));
  }
  SECTION("none") { REQUIRE(talk.peer.say({.flags = kRst})); }
  CHECK(talk.connection.state() == State::closed);
}

TEST_CASE("a segment without its timestamps is dropped in silence, and the connection goes on", "[tcp][RFC7323-3.2-5][RFC7323-3.2-6]") {
  OptionTalk talk;
  CHECK(talk.peer.say({.seq = talk.peer.nxt, .payload = "bare"}) == std::unexpected{Drop::no_timestamp});
  CHECK(talk.quiet());
  talk.advance(1s);
  CHECK(talk.quiet());
  CHECK(talk.info().bytes_received == 0);
  REQUIRE(talk.say({.payload = "dressed"}));
  CHECK(talk.read() == "dressed");
}

TEST_CASE("a segment without its timestamps is taken where Linux' way is asked for", "[tcp]") {
  OptionTalk talk{{}, {.config = {.require_timestamps = false}}};
  REQUIRE(talk.peer.say({.payload = "bare"}));
  CHECK(talk.read() == "bare");
}

TEST_CASE("a peer that lost its memory gets a challenge ACK for its SYN without timestamps", "[tcp]") {
  OptionTalk talk;
  CHECK(talk.peer.say({.flags = kSyn, .seq = SeqNum{0x4000'0000U}}) == std::unexpected{Drop::out_of_window});
  CHECK(talk.hear_one().pure_ack());
}

TEST_CASE("what is outside the window does not move TS.Recent", "[tcp][RFC7323-5.3-3]") {
  OptionTalk talk;
  talk.ts = 5000;
  CHECK_FALSE(talk.say({.seq = talk.peer.nxt - 5000U, .payload = "x"}));
  CHECK(echoed_by(talk.hear_one()) == 1000);
  REQUIRE(talk.say({.payload = "x"}));
  talk.advance(500ms);
  CHECK(echoed_by(talk.hear_one()) == 5000);
}

TEST_CASE("a delayed ACK echoes the first segment that it answers", "[tcp][RFC7323-4.3-2]") {
  OptionTalk talk{{}, {.config = {.quick_acks = 0}}};
  talk.ts = 2010;
  REQUIRE(talk.say({.payload = "one"}));
  talk.ts = 2020;
  REQUIRE(talk.say({.payload = "two"}));
  talk.advance(500ms);
  const auto answer = talk.hear_one();
  CHECK(answer.ack == talk.peer.nxt);
  CHECK(echoed_by(answer) == 2010);
}

TEST_CASE("with a gap the last segment that moved the window is echoed, then the one that fills it",
          "[tcp][RFC7323-4.3-1][RFC7323-4.3-3][RFC7323-4.3-4]") {
  OptionTalk talk;
  talk.ts = 2010;
  REQUIRE(talk.say_stream(0, 1000));
  talk.advance(500ms);
  CHECK(echoed_by(talk.hear_one()) == 2010);
  talk.ts = 2030;
  REQUIRE(talk.say_stream(2000, 3000));
  CHECK(echoed_by(talk.hear_one()) == 2010);
  talk.ts = 2040;
  REQUIRE(talk.say_stream(1000, 2000));
  const auto answer = talk.hear_one();
  CHECK(answer.ack == talk.at(3000));
  CHECK(echoed_by(answer) == 2040);
}

TEST_CASE("after 24 idle days any timestamp is taken", "[tcp][RFC7323-5.5-1]") {
  const bool long_enough = GENERATE(false, true);
  OptionTalk talk;
  talk.advance((long_enough ? 25 : 23) * kDay);
  talk.ts = 10;
  CHECK(talk.say({.payload = "x"}).has_value() == long_enough);
  CHECK(talk.info().bytes_received == (long_enough ? 1U : 0U));
  if (!long_enough) return;
  talk.advance(500ms);
  CHECK(echoed_by(talk.hear_one()) == 10);
}

TEST_CASE("a SYN's echo is no measurement", "[tcp][RFC7323-3.2-9]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.peer.say({.flags = kSyn, .options = syn_options(1460, {}, 0xdead'beefU)}));
  CHECK(talk.peer.hear_one().flags == kSynAck);
  const auto all = talk.tcp.connections();
  REQUIRE(all.size() == 1);
  CHECK_FALSE(all[0].srtt);
}

TEST_CASE("only an ACK of something new is a measurement", "[tcp][RFC7323-4.1-1]") {
  OptionTalk talk;
  const auto before = talk.info().srtt;
  talk.advance(300ms);
  talk.echo -= 100'000;
  REQUIRE(talk.say({}));
  talk.write("data");
  (void)talk.hear();
  talk.echo -= 100'000;
  REQUIRE(talk.say({.ack = talk.info().snd_una}));
  CHECK(talk.info().srtt == before);
  CHECK(talk.info().in_flight == 4);
}

TEST_CASE("a retransmission is measured by the echo, which says which one arrived", "[tcp][RFC7323-4.1-1]") {
  const bool first_arrived = GENERATE(false, true);
  OptionTalk talk{{}, {.config = {.recovery = {.tail_loss_probe = false}}}};
  const auto before = talk.info().srtt.value_or(0ms);
  talk.write("data");
  const auto first = options_of(talk.hear_one()).timestamps->first;
  talk.advance(1s);
  const auto second = options_of(talk.hear_one()).timestamps->first;
  REQUIRE(second - first == 1000);
  talk.advance(20ms);
  talk.echo = first_arrived ? first : second;
  REQUIRE(talk.say({}));
  const Duration sample = first_arrived ? 1020ms : 20ms;
  CHECK(talk.info().srtt == (7 * before + sample) / 8);
}

TEST_CASE("what was sent once is measured more finely than timestamps tell", "[tcp]") {
  OptionTalk talk;
  const auto before = talk.info().srtt.value_or(0ms);
  talk.write("data");
  (void)talk.hear();
  talk.advance(300us);
  REQUIRE(talk.say({}));
  CHECK(talk.info().srtt == (7 * before + 300us) / 8);
}

TEST_CASE("many measurements in a round trip do not shorten the estimator's memory", "[tcp][RFC7323-4.2-1]") {
  tcp::RttEstimator one;
  tcp::RttEstimator many;
  one.on_sample(100ms);
  many.on_sample(100ms);
  one.on_sample(200ms);
  for (int i = 0; i < 20; ++i) many.on_sample(200ms, 20);
  // One step of an eighth against twenty of an eighth of a twentieth.
  CHECK(one.srtt() == 112500us);
  CHECK(*many.srtt() > 111ms);
  CHECK(*many.srtt() < 113ms);
}

TEST_CASE("an RTT step moves SRTT by about an eighth within a round trip of many ACKs", "[tcp][RFC7323-4.2-1]") {
  OptionTalk talk{{}, {.settings = {.nagle = false}}};
  for (int round = 0; round < 40; ++round) {  // settles at 100 ms, with cwnd for 20 segments and more
    talk.write(stream(20 * 1448));
    auto all = talk.hear();
    talk.advance(100ms);
    for (const auto& heard : all) REQUIRE(talk.say({.ack = heard.end()}));
    REQUIRE(talk.say({}));
    (void)talk.hear();
  }
  const Duration before = *talk.info().srtt;
  talk.write(stream(20 * 1448));
  const auto all = talk.hear();
  REQUIRE(all.size() >= 20);
  talk.advance(200ms);
  for (const auto& heard : all) REQUIRE(talk.say({.ack = heard.end()}));
  const Duration moved = *talk.info().srtt - before;
  CHECK(moved > 5ms);
  CHECK(moved < 50ms);
}

TEST_CASE("a RST carries timestamps", "[tcp][RFC7323-3.2-4]") {
  OptionTalk talk;
  talk.connection.abort();
  const auto reset = talk.hear_one();
  CHECK(reset.has(kRst));
  CHECK(options_of(reset).timestamps);
}

TEST_CASE("every segment to the end carries timestamps", "[tcp][RFC7323-3.2-3]") {
  OptionTalk talk{{}, {.settings = {.keepalive = {.on = true, .idle = 1s, .interval = 1s}}, .passive = true}};
  std::vector<Heard> all;
  const auto listen = [&] {
    for (auto& heard : talk.hear()) all.push_back(std::move(heard));
  };
  talk.write(stream(5000));
  listen();
  talk.advance(3s);  // a retransmission
  listen();
  REQUIRE(talk.say({.window = 0}));
  talk.write("more");
  talk.advance(3s);  // a probe
  listen();
  REQUIRE(talk.say({.window = 1000}));
  listen();
  REQUIRE(talk.say({}));
  talk.advance(2s);  // a keep-alive
  listen();
  REQUIRE(talk.say({}));
  CHECK_FALSE(talk.say({.seq = talk.peer.nxt - 1U, .payload = "x"}));  // a duplicate
  listen();
  talk.connection.close();
  listen();
  REQUIRE(talk.say({.flags = kFinAck}));
  listen();
  REQUIRE(talk.connection.state() == State::time_wait);
  REQUIRE(talk.say({.flags = kFinAck, .seq = talk.peer.nxt - 1U}));
  listen();
  CHECK(all.size() > 8);
  for (const auto& heard : all) CHECK(options_of(heard).timestamps);
}

TEST_CASE("what lies in a window offered before is accepted, though rounding made it smaller", "[tcp][RFC7323-2.4-1]") {
  OptionTalk talk{{}, {.settings = {.receive_buffer = 1U << 20U}}};
  REQUIRE(talk.say_stream(0, 1000));
  talk.advance(500ms);
  const auto answer = talk.hear_one();
  const SeqNum edge = talk.info().rcv_nxt + talk.info().rcv_wnd;
  const SeqNum said = answer.ack + (answer.window << 5U);
  REQUIRE(said < edge);  // the field says less
  REQUIRE(edge - said < 32);
  REQUIRE(talk.say({.seq = edge - 1U, .payload = "x"}));
  CHECK(talk.info().out_of_order == 1);
  CHECK_FALSE(talk.say({.seq = edge, .payload = "x"}));
}

TEST_CASE("no new data goes beyond the latest window, if rounding shrank it", "[tcp][RFC7323-2.4-2]") {
  OptionTalk talk{{.timestamp = {}, .window_scale = 4}, {.settings = {.nagle = false}, .peer_mss = 100}};
  REQUIRE(talk.say({.window = 63}));  // 1008 bytes
  talk.write(stream(100));
  const auto first = talk.hear_one();
  REQUIRE(talk.say({.ack = first.end(), .window = 56}));  // 896: twelve fewer than the edge before
  talk.write(stream(2000));
  SeqNum end = first.end();
  for (const auto& heard : talk.hear()) end = tcp::later(end, heard.end());
  CHECK(end <= first.end() + 896U);
  CHECK(end > first.end() + 700U);
}

TEST_CASE("a SYN,ACK that echoes what no SYN of ours has said is refused", "[tcp]") {
  // Linux' PAWSActiveEstab: it belongs to an earlier connection of these ports.
  Conversation talk{{}, State::syn_sent};
  const auto answer = [&](std::uint32_t echo) {
    Bytes options = syn_options(1460, {}, echo);
    return talk.peer.say({.flags = kSynAck, .seq = SeqNum{5000}, .ack = talk.info().snd_nxt, .options = std::move(options)});
  };
  talk.advance(1100ms);
  const auto repeated = talk.peer.hear();
  REQUIRE(repeated.size() == 1);
  const std::uint32_t now = options_of(repeated[0]).timestamps->first;
  CHECK_FALSE(answer(now + 1000));  // not said yet
  CHECK(talk.peer.hear_one().flags == kRst);
  CHECK_FALSE(answer(now - 60'000));  // said before the first SYN, if ever
  CHECK(talk.peer.hear_one().flags == kRst);
  CHECK(talk.connection.state() == State::syn_sent);
  const std::uint32_t echo = GENERATE(0U, 1U, 2U);
  REQUIRE(answer(echo == 0 ? 0 : echo == 1 ? now : now - 1000));  // nothing to echo; the second SYN; the first
  CHECK(talk.connection.state() == State::established);
}

TEST_CASE("a SYN,ACK that echoes another SYN than the last says nothing of the round trip", "[tcp]") {
  Conversation talk{{}, State::syn_sent};
  talk.advance(1s);
  const auto repeated = talk.peer.hear();
  REQUIRE(repeated.size() == 1);
  const std::uint32_t second = options_of(repeated[0]).timestamps->first;
  talk.advance(50ms);
  // The answer may have been lost until now: a repeated one echoes the first SYN as well.
  const bool of_second = GENERATE(true, false);
  Bytes options = syn_options(1460, {}, of_second ? second : second - 1000);
  REQUIRE(talk.peer.say({.flags = kSynAck, .seq = SeqNum{5000}, .ack = talk.info().snd_nxt, .options = std::move(options)}));
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.info().srtt == (of_second ? std::optional<Duration>{50ms} : std::nullopt));
  if (!of_second) CHECK(talk.info().rto == 3s);  // RFC 6298 section 5.7
}
