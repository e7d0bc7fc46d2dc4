#include <catch2/catch.hpp>

#include "option_talk.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
std::size_t bytes_in(const std::vector<Heard>& all) {
  std::size_t sum = 0;
  for (const auto& heard : all) sum += heard.payload.size();
  return sum;
}
/// Fills the receive buffer and hears the answers.
void fill(Conversation& talk) {
  while (talk.info().rcv_wnd > 0) {
    REQUIRE(talk.peer.say({.payload = stream(std::min<std::size_t>(talk.info().rcv_wnd, 1000))}));
    talk.advance(500ms);
    (void)talk.peer.hear();
  }
}
/// Reads `count` bytes.
void read(Conversation& talk, std::size_t count) {
  Bytes buffer(count);
  REQUIRE(talk.connection.receive(buffer).value_or(0) == count);
}
/// A connection that sees a zero window with `queued` bytes to send.
Conversation& closed_window(Conversation& talk, std::size_t queued) {
  REQUIRE(talk.peer.say({.window = std::uint16_t{0}}));
  talk.write(stream(queued));
  CHECK(talk.peer.quiet());
  return talk;
}
}  // namespace

TEST_CASE("a window above 32767 is an unsigned number", "[tcp][RFC9293-MUST-1]") {
  Conversation talk{{.window = 65535}};
  talk.write(stream(200'000));
  std::uint32_t most = 0;
  for (int i = 0; i < 20; ++i) {
    (void)talk.peer.hear();
    most = std::max(most, talk.info().in_flight);
    CHECK(talk.info().in_flight <= 65535);
    (void)talk.peer.say({.ack = talk.info().snd_una + 1460U});
    for (int k = 0; k < 30 && talk.info().snd_una != talk.peer.rcv; ++k) {
      const SeqNum next = tcp::earlier(talk.info().snd_una + 1460U, talk.peer.rcv);
      (void)talk.peer.say({.ack = next});
      (void)talk.peer.hear();
      most = std::max(most, talk.info().in_flight);
    }
  }
  CHECK(most > 32767);
}

TEST_CASE("a right edge that moves left is survived", "[tcp][RFC9293-MUST-34][RFC9293-SHLD-15]") {
  Conversation talk{{.window = 8000}};
  talk.write(stream(6000));
  auto flight = bytes_in(talk.peer.hear());
  if (flight < 6000) {  // the small rest waits for Nagle
    REQUIRE(flight == 5840);
  }
  const SeqNum una = talk.info().snd_una;
  (void)talk.peer.say({.ack = una, .window = std::uint16_t{2000}});
  talk.write(stream(5000, 6000));
  CHECK(talk.peer.quiet());  // the usable window is negative
  (void)talk.peer.say({.ack = una, .window = std::uint16_t{60000}});
  CHECK(bytes_in(talk.peer.hear()) > 0);
  const auto sent_before = talk.peer.rcv;
  CHECK(sent_before > una);
  talk.peer.acknowledge();
  (void)talk.peer.drain();
  CHECK(talk.info().unacknowledged == 0);
  CHECK(talk.info().bytes_acked == 11'000);
}

TEST_CASE("a window shrunk to zero is probed", "[tcp][RFC9293-MUST-35]") {
  Conversation talk{{.window = 8000}};
  talk.write(stream(4000));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() >= 2);
  REQUIRE(talk.peer.say({.ack = sent[0].end(), .window = std::uint16_t{0}}));
  int probes = 0;
  for (int i = 0; i < 120; ++i) {
    talk.advance(1s);
    const auto heard = talk.peer.hear();
    probes += heard.empty() ? 0 : 1;
    if (!heard.empty()) (void)talk.peer.say({.ack = sent[0].end()});
  }
  CHECK(probes >= 4);
  CHECK(talk.connection.state() == State::established);
}

TEST_CASE("a zero window is probed with at least an octet", "[tcp][RFC9293-MUST-36][RFC9293-3.8.6.1-2]") {
  Conversation talk;
  closed_window(talk, 5000);
  talk.advance(10s);
  const auto probes = talk.peer.hear();
  REQUIRE_FALSE(probes.empty());
  CHECK(probes[0].seq == talk.info().snd_una);
  CHECK(probes[0].payload.size() == 1);
  // The window opened long ago, the update was lost: the answer to the next probe says so.
  talk.peer.window = 60000;
  talk.peer.rcv = talk.info().snd_una;
  talk.advance(60s);
  REQUIRE_FALSE(talk.peer.hear().empty());
  talk.peer.acknowledge();
  (void)talk.peer.drain();
  CHECK(talk.info().unacknowledged == 0);
}

TEST_CASE("a connection stays open while its probes are answered", "[tcp][RFC9293-MUST-37]") {
  Conversation talk;
  closed_window(talk, 5000);
  const SeqNum una = talk.info().snd_una;
  int probes = 0;
  for (int i = 0; i < 3600 + 600; ++i) {
    talk.advance(1s);
    if (talk.peer.hear().empty()) continue;
    ++probes;
    REQUIRE(talk.peer.say({.ack = una, .window = std::uint16_t{0}}));
  }
  CHECK(probes > 30);
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.app.closed == 0);
}

TEST_CASE("a connection whose probes nobody answers times out", "[tcp]") {
  Conversation talk;
  closed_window(talk, 5000);
  talk.advance(1h);
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.error == Error::timed_out);
}

TEST_CASE("the first probe comes after one timeout, later ones with growing gaps", "[tcp][RFC9293-SHLD-29][RFC9293-SHLD-30]") {
  Conversation talk;
  closed_window(talk, 5000);
  const auto start = talk.lab.scheduler.now();
  const SeqNum una = talk.info().snd_una;
  std::vector<Duration> at;
  for (int i = 0; i < 4000; ++i) {
    talk.advance(100ms);
    if (talk.peer.hear().empty()) continue;
    at.push_back(talk.lab.scheduler.now() - start);
    (void)talk.peer.say({.ack = una});
  }
  REQUIRE(at.size() >= 7);
  CHECK(at[0] >= 900ms);
  CHECK(at[0] <= 1200ms);
  for (std::size_t i = 1; i < at.size(); ++i) {
    const Duration gap = at[i] - at[i - 1];
    const Duration before = i == 1 ? at[0] : at[i - 1] - at[i - 2];
    if (before >= 50s) {
      CHECK(gap >= 59s);  // the cap
    } else {
      CHECK(gap >= std::min<Duration>(2 * before - 300ms, 59s));
      CHECK(gap <= 2 * before + 300ms);
    }
  }
}

TEST_CASE("the sender sends no silly segments", "[tcp][RFC9293-MUST-38]") {
  Conversation talk{{.window = 8000}};
  closed_window(talk, 5000);
  for (std::uint16_t window = 10; window < 1400; window = static_cast<std::uint16_t>(window + 10)) {
    (void)talk.peer.say({.window = window});
    CHECK(talk.peer.quiet());
  }
  (void)talk.peer.say({.window = std::uint16_t{1460}});
  CHECK(talk.peer.hear_one().payload.size() == 1460);
}

TEST_CASE("with data in flight a window that opens bit by bit is left alone until a segment fits", "[tcp][RFC9293-MUST-38]") {
  // Nagle would hold small segments back by itself.
  Conversation talk{{.settings = {.nagle = false, .send_buffer = 100'000}, .window = 4096}};
  talk.write(stream(50'000));
  CHECK(bytes_in(talk.peer.hear()) == 2 * 1460);
  const SeqNum una = talk.info().snd_una;
  std::uint16_t window = 4096;
  for (; window - 2 * 1460 + 10 < 1460; window = static_cast<std::uint16_t>(window + 10)) {
    REQUIRE(talk.peer.say({.ack = una, .window = window}));
    CHECK(talk.peer.quiet());
  }
  REQUIRE(talk.peer.say({.ack = una, .window = std::uint16_t{3 * 1460}}));
  CHECK(talk.peer.hear_one().payload.size() == 1460);
}

TEST_CASE("where no window ever took a segment, half of the largest is worth sending", "[tcp][RFC9293-MUST-38]") {
  Conversation talk{{.settings = {.nagle = false}, .window = 1000}};
  closed_window(talk, 5000);
  for (std::uint16_t window = 10; window < 500; window = static_cast<std::uint16_t>(window + 10)) {
    REQUIRE(talk.peer.say({.window = window}));
    CHECK(talk.peer.quiet());
  }
  talk.advance(90ms);  // less than the override timer takes
  CHECK(talk.peer.quiet());
  REQUIRE(talk.peer.say({.window = std::uint16_t{500}}));
  CHECK(talk.peer.hear_one().payload.size() == 500);
}

TEST_CASE("a small segment held back leaves by the override timer", "[tcp][RFC9293-3.8.6.2.1-4]") {
  Conversation talk{{.window = 8000}};
  closed_window(talk, 5000);
  (void)talk.peer.say({.window = std::uint16_t{10}});
  const auto start = talk.lab.scheduler.now();
  Duration waited{};
  for (int i = 0; i < 200 && waited == Duration{}; ++i) {
    talk.advance(10ms);
    const auto heard = talk.peer.hear();
    if (heard.empty()) continue;
    waited = talk.lab.scheduler.now() - start;
    CHECK(heard[0].payload.size() == 10);
  }
  CHECK(waited >= 100ms);
  CHECK(waited <= 1s);
}

TEST_CASE("a full segment leaves when it fits", "[tcp][RFC9293-3.8.6.2.1-1]") {
  Conversation talk{{.window = 8000}};
  closed_window(talk, 3000);
  (void)talk.peer.say({.window = std::uint16_t{1460}});
  CHECK(talk.peer.hear_one().payload.size() == 1460);
}

TEST_CASE("pushed data that fits leaves", "[tcp][RFC9293-3.8.6.2.1-2]") {
  Conversation talk{{.window = 200}};
  talk.write(stream(100));
  CHECK(talk.peer.hear_one().payload.size() == 100);
}

TEST_CASE("half of the largest window is worth a segment", "[tcp][RFC9293-3.8.6.2.1-3]") {
  for (const std::uint16_t window : std::initializer_list<std::uint16_t>{500, 499}) {
    Conversation talk{{.window = 1000}};
    closed_window(talk, 5000);
    (void)talk.peer.say({.window = window});
    const auto heard = talk.peer.hear();
    if (window == 500) {
      REQUIRE(heard.size() == 1);
      CHECK(heard[0].payload.size() == 500);
    } else {
      CHECK(heard.empty());
      talk.advance(1s);
      CHECK_FALSE(talk.peer.hear().empty());
    }
  }
}

TEST_CASE("the receiver offers no silly windows", "[tcp][RFC9293-MUST-39][RFC9293-3.8.6.2.2-1]") {
  Conversation talk{{.settings = {.receive_buffer = 4000}}};
  REQUIRE(talk.info().mss == 1460);
  fill(talk);
  for (int i = 0; i < 1459; ++i) {
    read(talk, 1);
    if (i % 100 == 0) talk.advance(1s);
    REQUIRE(talk.peer.quiet());
  }
  read(talk, 1);
  const auto update = talk.peer.hear_one();
  CHECK(update.pure_ack());
  CHECK(update.window == 1460);
}

TEST_CASE("the right edge never moves left", "[tcp][RFC9293-SHLD-14]") {
  Conversation talk{{.settings = {.receive_buffer = 20000}}};
  SeqNum edge = talk.info().rcv_nxt + talk.info().rcv_wnd;
  sim::SeededRandom random{3};
  for (int i = 0; i < 200; ++i) {
    if (i == 20) talk.connection.set_receive_buffer(3000);
    const auto room = talk.info().rcv_wnd;
    if (room > 0) REQUIRE(talk.peer.say({.payload = stream(1 + random.below(std::min<std::uint32_t>(room, 1460)))}));
    if (random.below(2) == 0) (void)talk.read();
    talk.advance(100ms);
    for (const auto& heard : talk.peer.hear()) {
      CHECK(heard.ack + heard.window >= edge);
      edge = heard.ack + heard.window;
    }
  }
  CHECK(talk.info().rcv_wnd <= 3000);
}

TEST_CASE("old data inside a shrunk window is retransmitted", "[tcp][RFC9293-SHLD-16]") {
  Conversation talk;
  talk.write(stream(10'000));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() >= 6);
  (void)talk.peer.say({.ack = sent[0].seq, .window = std::uint16_t{2000}});
  (void)talk.peer.hear();
  talk.advance(2s);
  const auto again = talk.peer.hear();
  REQUIRE_FALSE(again.empty());
  CHECK(again[0].seq == sent[0].seq);
  CHECK_FALSE(again[0].payload.empty());
}

TEST_CASE("beyond a shrunk edge nothing new is sent", "[tcp][RFC9293-MAY-7]") {
  Conversation talk{{.config = {.recovery = {.frto = false}}}};  // this peer keeps nothing that comes out of order
  talk.write(stream(100'000));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() >= 6);
  (void)talk.peer.say({.ack = sent[0].seq, .window = std::uint16_t{2000}});
  std::size_t again = 0;
  for (int i = 0; i < 60; ++i) {
    for (const auto& heard : talk.peer.hear()) {
      ++again;
      CHECK(heard.end() <= sent.back().end());  // beyond the edge, if at all, goes what went before
    }
    talk.advance(1s);
  }
  CHECK(again >= 3);
  // The window is there again: so is all of the stream.
  talk.peer.rcv = sent[0].seq;
  (void)talk.peer.say({.ack = sent[0].seq, .window = std::uint16_t{65535}});
  talk.advance(1min);  // the retransmission timer has backed off
  CHECK((talk.peer.drain() == stream(100'000)));
}

TEST_CASE("data beyond a shrunk edge does not time the connection out", "[tcp][RFC9293-SHLD-17]") {
  Conversation talk;
  talk.write(stream(10'000));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() >= 6);
  const SeqNum inside = sent[0].end();
  for (int i = 0; i < 900; ++i) {
    (void)talk.peer.say({.ack = inside, .window = std::uint16_t{0}});
    talk.advance(1s);
    (void)talk.peer.hear();
  }
  CHECK(talk.connection.state() == State::established);
}

TEST_CASE("a receiver may keep its window closed without limit", "[tcp][RFC9293-MAY-8]") {
  Conversation talk{{.settings = {.receive_buffer = 2000}}};
  fill(talk);
  for (int i = 0; i < 60; ++i) {
    talk.advance(10s);
    (void)talk.peer.say({.seq = talk.peer.nxt, .payload = "x"});
    const auto answer = talk.peer.hear_one();
    CHECK(answer.window == 0);
    CHECK(answer.ack == talk.peer.nxt);
  }
  CHECK(talk.read().size() == 2000);
}

TEST_CASE("a zero window is probed without data where Linux' way is asked for", "[tcp]") {
  Conversation talk{{.config = {.probe_with_data = false}}};
  closed_window(talk, 5000);
  talk.advance(10s);
  const auto probes = talk.peer.hear();
  REQUIRE(probes.size() >= 2);
  for (const auto& probe : probes) {
    CHECK(probe.pure_ack());
    CHECK(probe.seq == talk.info().snd_una - 1U);  // out of the peer's window: it has to answer
  }
  CHECK(talk.info().probes == probes.size());
  CHECK(talk.info().in_flight == 0);
  talk.peer.window = 60000;
  talk.peer.acknowledge();
  CHECK(talk.peer.drain().size() == 5000);
  CHECK(talk.info().retransmissions == 0);
}

TEST_CASE("a window that is to open gradually follows what arrives", "[tcp]") {
  // tcp_grow_window() of Linux: two segments more for each that arrives in order, from what an unscaled window can say.
  constexpr std::size_t kBuffer = 1'000'000;
  OptionTalk talk{{}, {.settings = {.receive_buffer = kBuffer, .gradual_window = true}}};
  CHECK(talk.info().rcv_wnd >= 65535);
  CHECK(talk.info().rcv_wnd < 65535 + 32);  // as its scale can say it
  const auto edge = [&] { return talk.info().rcv_nxt + talk.info().rcv_wnd; };
  std::uint32_t from = 0;
  const auto segment = [&](std::uint32_t size) {
    REQUIRE(talk.say_stream(from, from + size));
    from += size;
    Bytes buffer(size);
    REQUIRE(talk.connection.receive(buffer).value_or(0) == size);
    talk.advance(500ms);
    (void)talk.hear();
  };
  segment(1448);
  segment(1448);
  CHECK(talk.info().rcv_wnd >= 65535 + 2 * 2 * 1448 - 1448);
  CHECK(talk.info().rcv_wnd <= 65535 + 2 * 2 * 1448 + 1448);
  const std::uint32_t before = talk.info().rcv_wnd;
  segment(100);  // hardly worth its memory: the window moves on, and no further
  CHECK(talk.info().rcv_wnd <= before + 1448);
  for (int i = 0; i < 400; ++i) segment(1448);
  CHECK(talk.info().rcv_wnd > 900'000);
  const SeqNum last = edge();
  segment(1448);
  CHECK(edge() >= last);

  OptionTalk all{{}, {.settings = {.receive_buffer = kBuffer}}};
  REQUIRE(all.say_stream(0, 1000));
  all.advance(500ms);
  (void)all.hear();
  CHECK(all.info().rcv_wnd > 900'000);
}

TEST_CASE("a closed window does not keep a connection that nobody has any more", "[tcp]") {
  // RFC 6429 section 3: who lets a peer hold its memory for ever can be robbed of all of it. While there is a handle its owner may give up (MUST-37).
  for (const bool owned : {false, true}) {
    INFO(owned);
    Conversation talk;
    closed_window(talk, 5000);
    const SeqNum una = talk.info().snd_una;
    if (!owned) talk.connection = {};
    for (int i = 0; i < 1200; ++i) {
      talk.advance(1s);
      if (!talk.peer.hear().empty()) (void)talk.peer.say({.ack = una, .window = std::uint16_t{0}});
    }
    CHECK(talk.tcp.connection_count() == (owned ? 1 : 0));
  }
}
