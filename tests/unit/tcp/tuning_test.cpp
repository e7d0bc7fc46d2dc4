// Buffers that grow, memory that runs short, acknowledgments that wait as long as is good.

#include <catch2/catch.hpp>

#include "option_talk.hpp"
#include "tcp/delayed_ack.hpp"
#include "tcp/memory_budget.hpp"
#include "tcp/receive_tuning.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("the receive buffer follows what is read in a round trip", "[tcp]") {
  tcp::ReceiveTuning tuning{{.max_buffer = 1'000'000, .initial_window = 14600}};
  const TimePoint start{};
  SECTION("nothing is known before a round trip has been measured") {
    CHECK_FALSE(tuning.on_read(start, 0, 100'000, 1460));
    CHECK_FALSE(tuning.on_read(start + 1s, 900'000, 100'000, 1460));
  }
  SECTION("twice as much as was read, and more while reads grow") {
    tuning.on_echo(1, 100ms);
    CHECK(tuning.rtt() == 100ms);
    CHECK_FALSE(tuning.on_read(start, 0, 100'000, 1000));
    CHECK_FALSE(tuning.on_read(start + 99ms, 29'000, 10'000, 1000));  // not a round trip yet
    // 2 * 29200 + 16 * 1000 = 74400; reads doubled since the initial window: twice that on top.
    CHECK(tuning.on_read(start + 100ms, 29'200, 100'000, 1000) == 3 * 74'400U);
    CHECK_FALSE(tuning.on_read(start + 200ms, 58'400, 200'000, 1000));             // the same pace
    CHECK(tuning.on_read(start + 300ms, 1'058'400, 200'000, 1000) == 1'000'000U);  // the bound
    CHECK_FALSE(tuning.on_read(start + 400ms, 5'058'400, 1'000'000, 1000));
  }
  SECTION("an echo counts once, later ones are smoothed") {
    tuning.on_echo(1, 80ms);
    tuning.on_echo(1, 800ms);
    CHECK(tuning.rtt() == 80ms);
    tuning.on_echo(2, 160ms);
    CHECK(tuning.rtt() == 90ms);
    tuning.on_echo(3, 0ms);
    CHECK(*tuning.rtt() >= 1ms);
  }
  SECTION("without timestamps the fastest window is taken for a round trip") {
    tuning.on_data(start, SeqNum{1000}, 10'000);
    tuning.on_data(start + 20ms, SeqNum{10'999}, 10'000);
    CHECK_FALSE(tuning.rtt());
    tuning.on_data(start + 30ms, SeqNum{11'000}, 10'000);
    CHECK(tuning.rtt() == 30ms);
    tuning.on_data(start + 90ms, SeqNum{21'000}, 10'000);
    CHECK(tuning.rtt() == 30ms);
    tuning.on_data(start + 95ms, SeqNum{31'000}, 10'000);
    CHECK(tuning.rtt() == 5ms);
  }
}

namespace {
/// Lets the peer send `bytes` in each of `rounds` round trips of 100 ms, which the application reads if `reads`.
void receive(OptionTalk& talk, std::uint32_t bytes, int rounds, bool reads = true) {
  for (int round = 0; round < rounds; ++round) {
    for (std::uint32_t sent = 0; sent + 1448 <= bytes; sent += 1448) {
      if (talk.info().rcv_wnd < 1448) break;
      REQUIRE(talk.say({.payload = std::string(1448, 'x')}));
      if (reads) (void)talk.read();
    }
    (void)talk.hear();
    talk.advance(100ms);
    ++talk.ts;
  }
}
}  // namespace

TEST_CASE("a connection whose application reads fast gets a larger window", "[tcp]") {
  OptionTalk talk;
  CHECK(talk.info().receive_buffer == 131072);
  receive(talk, 100'000, 5);
  CHECK(talk.info().receive_buffer > 2 * 100'000);
  CHECK(talk.info().rcv_wnd > 2 * 100'000);
  CHECK(talk.info().receiver_rtt > 30ms);  // 100 ms, smoothed from the handshake's none
  CHECK(talk.info().receiver_rtt <= 100ms);
  CHECK(talk.info().receive_buffer <= talk.tcp.config().max_receive_buffer);
}

TEST_CASE("the receive buffer does not grow", "[tcp]") {
  SECTION("when nobody reads") {
    OptionTalk talk;
    receive(talk, 100'000, 5, false);
    CHECK(talk.info().receive_buffer == 131072);
  }
  SECTION("when the user has set it") {
    OptionTalk talk{{}, {.settings = {.receive_buffer = 150'000}}};
    receive(talk, 100'000, 5);
    CHECK(talk.info().receive_buffer == 150'000);
  }
  SECTION("beyond its bound") {
    OptionTalk talk{{}, {.config = {.max_receive_buffer = 140'000}}};
    receive(talk, 100'000, 5);
    CHECK(talk.info().receive_buffer == 140'000);
  }
  SECTION("beyond what the window can say") {
    OptionTalk talk{{.window_scale = {}}};
    receive(talk, 60'000, 5);
    CHECK(talk.info().receive_buffer == 131072);
  }
  SECTION("when memory is scarce") {
    OptionTalk talk{{}, {.config = {.memory_limit = 8'000}}};
    auto hog = talk.tcp.connect({kPeerAddress, Port{99}}, {});
    REQUIRE(hog);
    const std::string text = stream(7'000);
    REQUIRE(hog->send(std::as_bytes(std::span{text})));
    talk.advance(0s);
    (void)talk.network.take();
    receive(talk, 100'000, 5);
    CHECK(talk.info().receive_buffer == 131072);
  }
}

TEST_CASE("the send buffer grows with cwnd unless it was set", "[tcp]") {
  const bool set = GENERATE(false, true);
  ConversationOptions options{
      .config = {.send_buffer = 20'000, .max_send_buffer = 100'000, .congestion_control = "newreno", .slow_start_limit = 8},
      .window = 65535};
  if (set) options.settings.send_buffer = 20'000;
  OptionTalk talk{{}, options};
  for (int round = 0; round < 8; ++round) {
    const std::string text = stream(150'000);
    (void)talk.connection.send(std::as_bytes(std::span{text}));
    for (const auto& heard : talk.hear()) REQUIRE(talk.say({.ack = heard.end()}));
    talk.advance(10ms);
    (void)talk.hear();
    REQUIRE(talk.say({}));
  }
  if (set) {
    CHECK(talk.info().send_buffer == 20'000);
    return;
  }
  CHECK(talk.info().send_buffer > 50'000);
  CHECK(talk.info().send_buffer <= 100'000);
  CHECK(talk.app.writable > 0);
}

TEST_CASE("a budget counts what its members hold", "[tcp]") {
  tcp::MemoryBudget budget{1000};
  {
    tcp::MemoryShare first{budget};
    tcp::MemoryShare second{budget};
    first.update(500, 100);
    second.update(249, 0);
    CHECK(budget.used() == 749);
    CHECK(budget.out_of_order() == 100);
    CHECK_FALSE(budget.scarce());
    second.update(250, 0);
    CHECK(budget.scarce());
    CHECK_FALSE(second.exhausted());
    second.update(500, 0);
    CHECK(first.exhausted());
    first.leave();
    CHECK(budget.used() == 500);
    CHECK(budget.out_of_order() == 0);
    first.update(5000, 0);  // has left
    CHECK(budget.used() == 500);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("without memory nothing new begins, what is established goes on", "[tcp]") {
  OptionTalk talk{{}, {.config = {.memory_limit = 10'000}}};
  const std::string more = stream(10);
  talk.write(stream(10'000));
  (void)talk.hear();
  CHECK(talk.tcp.connect({kPeerAddress, Port{99}}).error() == Error::no_buffer_space);
  Peer stranger{talk, kService, {kPeerAddress, Port{77}}};
  CHECK(stranger.say({.flags = kSyn}) == std::unexpected{Drop::memory_limit});
  CHECK(talk.connection.send(std::as_bytes(std::span{more})).error() == Error::would_block);
  REQUIRE(talk.say({.payload = stream(1000)}));
  CHECK(talk.read() == stream(1000));
  // Once the peer has acknowledged, all goes again.
  talk.peer.rcv = talk.info().snd_nxt;
  REQUIRE(talk.say({}));
  (void)talk.hear();
  talk.peer.rcv = talk.info().snd_nxt;
  REQUIRE(talk.say({}));
  CHECK(talk.connection.send(std::as_bytes(std::span{more})) == 10U);
  CHECK(talk.tcp.connect({kPeerAddress, Port{99}}));
}

TEST_CASE("without memory every connection gives up what lies beyond its gaps", "[tcp][RFC2018-8-2]") {
  OptionTalk talk{{}, {.config = {.memory_limit = 8'000}}};
  REQUIRE(talk.say_stream(2000, 4000));
  CHECK(options_of(talk.hear_one()).sack.size() == 1);
  CHECK(talk.info().out_of_order == 2000);
  auto other = talk.tcp.connect({kPeerAddress, Port{99}});
  REQUIRE(other);
  const std::string text = stream(7'000);
  REQUIRE(other->send(std::as_bytes(std::span{text})));
  talk.advance(0s);
  (void)talk.network.take();
  CHECK(talk.info().out_of_order == 2000);  // nothing needs the room yet
  REQUIRE(talk.say_stream(0, 1000));        // this does
  CHECK(talk.info().out_of_order == 0);
  const auto answer = talk.hear_one();
  CHECK(answer.ack == talk.at(1000));
  CHECK(options_of(answer).sack.empty());
}

TEST_CASE("without memory the window stays, and opens again with it", "[tcp]") {
  OptionTalk talk{{}, {.config = {.memory_limit = 50'000}, .settings = {.receive_buffer = 60'000}}};
  for (std::uint32_t i = 0; i < 40; ++i) REQUIRE(talk.say_stream(i * 1448, (i + 1) * 1448));
  (void)talk.hear();
  CHECK(talk.info().unread == 40 * 1448);
  const SeqNum edge = talk.info().rcv_nxt + talk.info().rcv_wnd;
  CHECK(edge == talk.at(60'000));
  CHECK(talk.read() == stream(40 * 1448));
  (void)talk.hear();
  CHECK(talk.info().rcv_wnd > 50'000);
}

TEST_CASE("without memory a closed window opens as far as every connection may, though that is less than a large segment", "[tcp]") {
  Conversation talk{
      {.config = {.memory_limit = 60'000}, .settings = {.send_buffer = 200'000, .receive_buffer = 600}, .peer_mss = 8960, .mtu = 9000}};
  talk.write(stream(60'000));  // nobody acknowledges it
  (void)talk.peer.hear();
  REQUIRE(talk.peer.say({.ack = talk.info().snd_una, .payload = stream(600)}));
  CHECK(talk.info().rcv_wnd == 0);
  talk.connection.set_receive_buffer(131'072);
  CHECK(talk.read() == stream(600));
  (void)talk.peer.hear();
  CHECK(talk.info().rcv_wnd == tcp::MemoryShare::kAlways);
}

TEST_CASE("the stack's defaults can be changed for connections to come", "[tcp]") {
  OptionTalk talk;
  auto config = talk.tcp.config();
  config.timestamps = false;
  config.sack = false;
  talk.tcp.set_config(config);
  CHECK_FALSE(talk.tcp.config().sack);
  auto opened = talk.tcp.connect({kPeerAddress, Port{99}});
  REQUIRE(opened);
  const auto all = talk.Wire::hear();
  REQUIRE(all.size() == 1);
  CHECK(all[0].options == hex("020405b4 01 030307"));
  talk.write("as before");
  const auto data = talk.hear_one();
  CHECK(options_of(data).timestamps);
}

TEST_CASE("the first segments are acknowledged at once, later ones in pairs", "[tcp]") {
  OptionTalk talk{{}, {.config = tcp::Config{}}};
  std::uint32_t at_once = 0;
  for (std::uint32_t i = 0; i < 20; ++i) {
    REQUIRE(talk.say_stream(i * 1448, (i + 1) * 1448));
    if (!talk.quiet()) ++at_once;
  }
  CHECK(at_once == 16 + 2);
}

TEST_CASE("how long an acknowledgment waits", "[tcp]") {
  const TimePoint start{};
  tcp::DelayedAck ack{{.delay = 40ms, .max_delay = 200ms}};
  const auto arrives = [&](Duration at) {
    ack.on_data({.now = start + at, .bytes = 10, .mss = 1460, .window = 65535, .rto = 1s});
    const auto deadline = ack.deadline();
    REQUIRE(deadline);
    return *deadline - (start + at);
  };
  CHECK(arrives(0ms) == 40ms);
  SECTION("longer each time that nothing comes meanwhile, up to the bound") {
    ack.on_ack_sent(start + 40ms);
    CHECK(arrives(500ms) == 80ms);
    ack.on_ack_sent(start + 580ms);
    CHECK(arrives(1000ms) == 160ms);
    ack.on_ack_sent(start + 1160ms);
    CHECK(arrives(1500ms) == 200ms);
  }
  SECTION("no longer than a round trip") {
    ack.on_ack_sent(start + 40ms);
    ack.on_data({.now = start + 500ms, .bytes = 10, .mss = 1460, .window = 65535, .rto = 1s, .srtt = 60ms});
    CHECK(ack.deadline() == start + 560ms);
  }
  SECTION("as long as the data's pace suggests") {
    ack.on_ack_sent(start + 40ms);  // 80 ms
    CHECK(arrives(70ms) == 110ms);  // half of 80, and 70
    ack.on_ack_sent(start + 71ms);
    CHECK(arrives(75ms) == 75ms);  // half of 110, and half the least
  }
}

TEST_CASE("quick acknowledgments come again after a pause, and not in a dialogue", "[tcp]") {
  const TimePoint start{};
  tcp::DelayedAck ack{{.quick_acks = 3}};
  const auto at_once = [&](Duration at) {
    ack.on_data({.now = start + at, .bytes = 10, .mss = 1460, .window = 65535, .rto = 1s});
    const bool due = ack.due(start + at);
    if (due) ack.on_ack_sent(start + at);
    return due;
  };
  for (int i = 0; i < 3; ++i) CHECK(at_once(0ms));
  CHECK_FALSE(at_once(0ms));
  ack.on_ack_sent(start + 40ms);
  CHECK(at_once(2s));
  // What we send right after takes the next ones along.
  ack.on_data_sent(start + 2s);
  CHECK_FALSE(at_once(2s + 5ms));
  // Until once nothing comes to take it along.
  ack.on_ack_sent(*ack.deadline());
  CHECK(at_once(2s + 70ms));
}

TEST_CASE("in Linux' way the send buffer grows for a writer who waits", "[tcp]") {
  const bool waits = GENERATE(false, true);
  Conversation talk{{.config = {.send_buffer = 50'000}, .settings = {.chunked_writes = true}, .peer_mss = 1000}};
  const std::string bytes = stream(waits ? 100'000 : 20'000);
  const auto taken = talk.connection.send(std::as_bytes(std::span{bytes}));
  REQUIRE(taken);
  CHECK((*taken < bytes.size()) == waits);
  for (int i = 0; i < 6; ++i) {
    (void)talk.peer.hear();
    talk.peer.acknowledge();
  }
  CHECK((talk.info().send_buffer > 50'000) == waits);
}
