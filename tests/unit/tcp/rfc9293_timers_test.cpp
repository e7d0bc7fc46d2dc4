#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// When something is heard in the next `time`, by a clock that begins now; looked at every 10 ms. `answer` is called for each time.
template <class Answer>
std::vector<Duration> listen(Conversation& talk, Duration time, Answer&& answer) {
  std::vector<Duration> at;
  for (Duration passed{}; passed < time;) {
    talk.advance(10ms);
    passed += 10ms;
    const auto heard = talk.peer.hear();
    if (heard.empty()) continue;
    at.push_back(passed);
    answer(heard);
  }
  return at;
}
std::vector<Duration> listen(Conversation& talk, Duration time) {
  return listen(talk, time, [](const auto&) {});
}
ConversationOptions with_keepalive(Duration idle) { return {.settings = {.keepalive = {.on = true, .idle = idle}}}; }
/// It gives up then, and not a second earlier.
void check_gives_up_in(Conversation& talk, Duration time) {
  talk.advance(time - 1s);
  CHECK(talk.connection.state() == State::established);
  talk.advance(2s);
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.error == Error::timed_out);
}
}  // namespace

TEST_CASE("an unacknowledged segment is sent again with growing gaps",
          "[tcp][RFC9293-MUST-19][RFC6298-5-6][RFC6298-5-7][RFC9293-3.10.8-2]") {
  Conversation talk;
  talk.write(stream(2000));
  const auto sent = talk.peer.hear();
  REQUIRE_FALSE(sent.empty());
  std::size_t segments = 0;
  const auto at = listen(talk, 16s, [&](const std::vector<Heard>& heard) {
    segments += heard.size();
    for (const auto& again : heard) {
      CHECK(again.seq == sent[0].seq);  // always the front of the queue
      CHECK_FALSE(again.payload.empty());
    }
  });
  REQUIRE(at.size() == 4);
  CHECK(segments == 4);
  CHECK(at == std::vector<Duration>{1s, 3s, 7s, 15s});
}

TEST_CASE("a timeout begins with the oldest unacknowledged segment", "[tcp][RFC9293-3.8.1-1][RFC6298-5-5]") {
  Conversation talk;
  talk.write(stream(4380));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() == 3);
  talk.advance(1s);
  const auto again = talk.peer.hear_one();
  CHECK(again.seq == sent[0].seq);
  CHECK(again.seq == talk.info().snd_una);
}

TEST_CASE("R1 asks for another path, R2 closes", "[tcp][RFC9293-MUST-20][RFC9293-SHLD-9][RFC9293-SHLD-10][RFC9293-SHLD-11]") {
  Conversation talk{{.config = {.r1 = 3}}};
  talk.write("anybody?");
  (void)talk.peer.hear();
  talk.network.advices.clear();
  int retransmissions = 0;
  bool advised = false;
  (void)listen(talk, 299s, [&](const auto&) {
    ++retransmissions;
    if (talk.app.stalled.empty()) return;
    if (!advised) CHECK(retransmissions >= 3);
    advised = true;
  });
  REQUIRE_FALSE(talk.app.stalled.empty());
  CHECK(talk.app.stalled.front() >= 3);
  CHECK(std::ranges::any_of(talk.network.advices, [](const auto& advice) { return !advice.progress; }));
  CHECK(talk.connection.state() == State::established);  // R2 is more than 100 s
  (void)listen(talk, 2s);
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.error == Error::timed_out);
}

TEST_CASE("reports of delivery trouble can be switched off", "[tcp][RFC9293-SHLD-9]") {
  Conversation talk{{.settings = {.report_soft_errors = false}}};
  talk.write("anybody?");
  talk.advance(1min);
  CHECK(talk.app.stalled.empty());
}

TEST_CASE("R2 is chosen per connection", "[tcp][RFC9293-MUST-21]") {
  Conversation patient;
  Conversation hasty{{.settings = {.user_timeout = 10s}}};
  for (auto* talk : {&patient, &hasty}) {
    talk->write("anybody?");
    talk->advance(9s);
    CHECK(talk->connection.state() == State::established);
    talk->advance(2s);
    (void)talk->hear();
  }
  CHECK(patient.connection.state() == State::established);
  CHECK(hasty.connection.state() == State::closed);
  CHECK(hasty.app.error == Error::timed_out);
  Conversation later;
  REQUIRE(later.connection.set_user_timeout(20s));
  later.write("anybody?");
  later.advance(21s);
  CHECK(later.connection.state() == State::closed);
}

TEST_CASE("who has waited for ever gives up when told to, though the peer stays silent", "[tcp][RFC9293-MUST-21]") {
  Conversation talk{{.settings = {.user_timeout = Duration::max()}}};
  talk.write("anybody?");
  talk.advance(24h);
  CHECK(talk.connection.state() == State::established);
  REQUIRE(talk.connection.set_user_timeout(10s));
  check_gives_up_in(talk, 10s);
}

TEST_CASE("to wait for ever for a connection is not to wait for ever on it", "[tcp][RFC9293-3.9.1.1-1]") {
  Conversation talk{{.config = {.connect_timeout = Duration::max()}}, State::syn_sent};
  talk.write("anybody?");
  REQUIRE(talk.peer.say({.flags = kSynAck}));
  REQUIRE(talk.connection.state() == State::established);
  check_gives_up_in(talk, 5min);
}

TEST_CASE("the user timeout is five minutes", "[tcp][RFC9293-3.9.1.1-1][RFC9293-3.10.8-1]") {
  Conversation talk;
  talk.write(stream(20'000));
  talk.advance(299s);
  CHECK(talk.connection.state() == State::established);
  talk.advance(2s);
  CHECK(talk.connection.state() == State::closed);
  (void)talk.hear();
  CHECK(talk.app.closed == 1);
  CHECK(talk.app.error == Error::timed_out);
  CHECK(talk.tcp.connection_count() == 0);
  CHECK(talk.connection.unacknowledged() == 0);
  talk.advance(10min);
  CHECK(talk.hear().empty());
}

TEST_CASE("a SYN is repeated for at least three minutes, then the open fails", "[tcp][RFC9293-MUST-22][RFC9293-MUST-23]") {
  Conversation talk{{}, State::syn_sent};
  talk.network.advices.clear();
  Duration last{};
  const auto at = listen(talk, 180s, [&](const std::vector<Heard>& heard) {
    for (const auto& syn : heard) {
      CHECK(syn.flags == kSyn);
      CHECK(syn.end() == talk.peer.rcv);
    }
  });
  REQUIRE(at.size() >= 5);
  last = at.back();
  CHECK(last > 90s);
  CHECK(talk.connection.state() == State::syn_sent);
  CHECK_FALSE(talk.app.stalled.empty());
  CHECK(std::ranges::any_of(talk.network.advices, [](const auto& advice) { return !advice.progress; }));
  (void)listen(talk, 120s);
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.error == Error::timed_out);
  CHECK(talk.app.connected == 0);
}

TEST_CASE("keep-alive is on where it was asked for", "[tcp][RFC9293-MUST-24][RFC9293-MUST-25][RFC9293-MAY-5]") {
  Conversation off;
  CHECK(listen(off, 1h).empty());
  off.advance(23h);
  CHECK(off.peer.quiet());
  Conversation on{with_keepalive(2h)};
  on.advance(2h + 1s);
  CHECK_FALSE(on.peer.quiet());
  Conversation again_off{with_keepalive(60s)};
  REQUIRE(again_off.connection.set_keepalive({.on = false}));
  again_off.advance(1h);
  CHECK(again_off.peer.quiet());
  REQUIRE(again_off.connection.set_keepalive({.on = true, .idle = 60s}));
  again_off.advance(61s);
  CHECK_FALSE(again_off.peer.quiet());
}

TEST_CASE("a keep-alive waits for silence with nothing outstanding", "[tcp][RFC9293-MUST-26]") {
  Conversation talk{with_keepalive(60s)};
  talk.advance(59s);
  REQUIRE(talk.peer.say({.payload = "x"}));
  const auto at = listen(talk, 59s);
  CHECK(at.size() == 1);  // the delayed ACK
  talk.advance(2s);
  CHECK_FALSE(talk.peer.quiet());
  Conversation busy{with_keepalive(60s)};
  busy.write("unacknowledged");
  const SeqNum begin = busy.peer.hear_one().seq;
  const auto sent = listen(busy, 200s, [&](const std::vector<Heard>& heard) {
    for (const auto& again : heard) CHECK(again.seq == begin);  // retransmissions, no probe
  });
  CHECK(sent.size() > 3);
}

TEST_CASE("the keep-alive interval is configurable", "[tcp][RFC9293-MUST-27][RFC9293-SHLD-12][RFC9293-3.8.4-1]") {
  Conversation talk{with_keepalive(60s)};
  talk.advance(10s);
  REQUIRE(talk.peer.say({.payload = "x"}));
  talk.advance(1s);
  (void)talk.peer.hear();
  const auto before = talk.info();
  talk.advance(58s);
  CHECK(talk.peer.quiet());
  talk.advance(2s);
  const auto probe = talk.peer.hear_one();
  CHECK(probe.seq == before.snd_nxt - 1U);
  CHECK(probe.payload.empty());
  CHECK(probe.flags == kAck);
  talk.peer.acknowledge();
  CHECK(talk.info().snd_una == before.snd_una);
  CHECK(talk.info().snd_nxt == before.snd_nxt);
  CHECK(talk.info().rcv_nxt == before.rcv_nxt);
  CHECK(talk.connection.state() == State::established);
}

TEST_CASE("the default keep-alive interval is two hours", "[tcp][RFC9293-MUST-28]") {
  Conversation talk{{.settings = {.keepalive = {.on = true}}}};
  talk.advance(7199s);
  CHECK(talk.peer.quiet());
  talk.advance(2s);
  CHECK_FALSE(talk.peer.quiet());
}

TEST_CASE("one unanswered probe does not kill a connection, many do", "[tcp][RFC9293-MUST-29]") {
  Conversation talk{with_keepalive(60s)};
  talk.advance(61s);
  CHECK_FALSE(talk.peer.quiet());  // ignored
  talk.advance(75s);
  CHECK_FALSE(talk.peer.quiet());
  talk.peer.acknowledge();
  CHECK(talk.connection.state() == State::established);
  Conversation dead{{.settings = {.keepalive = {.on = true, .idle = 60s, .interval = 10s, .probes = 3}}}};
  dead.advance(60s + 25s);
  CHECK(dead.connection.state() == State::established);
  dead.advance(60s);
  CHECK(dead.connection.state() == State::closed);
  (void)dead.hear();
  CHECK(dead.app.error == Error::timed_out);
}

TEST_CASE("a user timeout bounds the silence instead of the number of probes", "[tcp][RFC9293-MUST-29]") {
  // As on Linux, where it is looked at when a probe is due: here after 2, 4, 6 and 8 s.
  const tcp::Keepalive often{.on = true, .idle = 2s, .interval = 2s, .probes = 50};
  Conversation talk{{.settings = {.user_timeout = 7s, .keepalive = often}}};
  talk.advance(7900ms);
  CHECK(talk.peer.hear().size() == 3);
  CHECK(talk.connection.state() == State::established);
  talk.advance(200ms);
  CHECK(talk.app.error == Error::timed_out);
  Conversation patient{{.settings = {.user_timeout = 300s, .keepalive = {.on = true, .idle = 2s, .interval = 2s, .probes = 3}}}};
  patient.advance(20s);
  CHECK(patient.connection.state() == State::established);
  Conversation for_ever{
      {.settings = {.user_timeout = Duration::max(), .keepalive = {.on = true, .idle = 2s, .interval = 2s, .probes = 3}}}};
  for_ever.advance(20s);
  CHECK(for_ever.app.error == Error::timed_out);
  Conversation without{{.settings = {.keepalive = often}}};
  without.advance(20s);
  CHECK(without.connection.state() == State::established);
}
