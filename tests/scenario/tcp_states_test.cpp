// Every transition of RFC 9293 figure 5, and those that section 3.10 adds, as an Observer sees them. Each row of the tables is a story and the way that a
// connection goes in it, written from the RFC; at the end every transition of the figure has been seen, and none that the RFC does not know.

#include <catch2/catch.hpp>

#include <set>

#include "scripted_host.hpp"
#include "state_log.hpp"
#include "state_stories.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using stories::kPairRows;
using stories::PairRow;
using tcp::State;

namespace {

/// One stack and a peer that does what no stack would. The stack's end is 192.0.2.1.
class Scripted {
 public:
  Scripted() : peer{&log} {}

  void listen() {
    auto listening = peer.stack->tcp().listen(kService, [this](tcp::Connection accepted) { connection = std::move(accepted); });
    REQUIRE(listening);
    listener = std::move(*listening);
  }
  void call() {
    auto opened = peer.stack->tcp().connect({kRightAddress, Port{peer.port}});
    REQUIRE(opened);
    connection = std::move(*opened);
    run(1ms);
  }
  void run(Duration time) { peer.world.run_for(time); }
  void say(const ScriptedHost::Say& say) { peer.say(say); }
  /// Brings a connection into `state`; with `passive` the peer opens.
  void reach(State state, bool passive);

  StateLog log;
  ScriptedHost peer;
  tcp::Listener listener;
  tcp::Connection connection;
};

void Scripted::reach(State state, bool passive) {
  if (passive) {
    listen();
    say({.flags = kSyn});
    if (state == State::syn_received) return;
    say({});
  } else {
    call();
    if (state == State::syn_sent) return;
    say({.flags = state == State::syn_received ? kSyn : kSyn | kAck});
    if (state == State::syn_received) return;
  }
  if (state == State::close_wait || state == State::last_ack) say({.flags = kFin | kAck});
  if (state != State::established && state != State::close_wait) {
    REQUIRE(connection.shutdown());
    run(1ms);
  }
  if (state == State::closing) say({.flags = kFin | kAck, .ack = peer.rcv - 1});
  if (state == State::fin_wait_2) say({});
  if (state == State::time_wait) say({.flags = kFin | kAck});
  run(1s);
  REQUIRE(connection.state() == state);
}

struct ScriptedRow {
  std::string_view story;
  void (*act)(Scripted& scene);
  std::string_view path;
};

const ScriptedRow kScriptedRows[] = {
    {"the peer's SYN,ACK brings a FIN, too",
     [](Scripted& scene) {
       scene.call();
       scene.say({.flags = kSyn | kAck | kFin});
     },
     "CLOSED SYN-SENT ESTABLISHED CLOSE-WAIT"},
    {"the last ACK of the handshake brings data and FIN",
     [](Scripted& scene) {
       scene.listen();
       scene.say({.flags = kSyn});
       scene.say({.flags = kFin | kAck, .payload = "all of it"});
       CHECK(TwoHosts::read(scene.connection) == "all of it");
     },
     "LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT"},
    {"FIN-WAIT-1 straight to TIME-WAIT: the peer's FIN acknowledges ours (figure 5, note 2)",
     [](Scripted& scene) {
       scene.reach(State::fin_wait_1, false);
       scene.say({.flags = kFin | kAck});
     },
     "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"},
    {"CLOSING waits for the ACK of our FIN, not for the peer's FIN again",
     [](Scripted& scene) {
       scene.reach(State::closing, false);
       scene.say({.flags = kFin | kAck, .seq = scene.peer.nxt - 1, .ack = scene.peer.rcv - 1});
       CHECK(scene.connection.state() == State::closing);
       scene.say({});
     },
     "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"},
    {"a FIN behind a gap counts when the gap is closed",
     [](Scripted& scene) {
       scene.reach(State::established, true);
       scene.say({.flags = kFin | kAck, .payload = "last", .seq = scene.peer.nxt + 5});
       scene.run(1s);
       CHECK(scene.connection.state() == State::established);
       scene.say({.payload = "first"});
     },
     "LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT"},
    {"an ACK and a RST find LISTEN and leave it",
     [](Scripted& scene) {
       scene.listen();
       scene.say({.flags = kRst});
       CHECK(scene.peer.hear().empty());
       scene.say({.flags = kAck, .ack = 77});
       const auto heard = scene.peer.hear();
       REQUIRE(heard.size() == 1);
       CHECK(heard[0].flags == kRst);
       CHECK(heard[0].seq == 77);
     },
     ""},
    {"in SYN-SENT an ACK of what was not sent is answered with RST, and its own RST is not believed",
     [](Scripted& scene) {
       scene.call();
       scene.say({.flags = kSyn | kAck, .seq = 5, .ack = scene.peer.rcv + 1});
       scene.say({.flags = kRst | kAck, .ack = scene.peer.rcv + 1});
       scene.say({.flags = kRst});
     },
     "CLOSED SYN-SENT"},
    {"a RST beside RCV.NXT is challenged",
     [](Scripted& scene) {
       scene.reach(State::established, false);
       (void)scene.peer.hear();
       scene.say({.flags = kRst, .seq = scene.peer.nxt + 1});
       REQUIRE(scene.peer.hear().size() == 1);
       scene.say({.flags = kRst, .seq = scene.peer.nxt - 1});
       CHECK(scene.peer.hear().empty());
     },
     "CLOSED SYN-SENT ESTABLISHED"},
    {"a repeated FIN does not leave CLOSE-WAIT",
     [](Scripted& scene) {
       scene.reach(State::close_wait, true);
       scene.say({.flags = kFin | kAck, .seq = scene.peer.nxt - 1});
     },
     "LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT"},
    {"SYN, SYN,ACK once more in SYN-RECEIVED: the simultaneous opener's answer",
     [](Scripted& scene) {
       scene.reach(State::syn_received, false);
       scene.say({.flags = kSyn | kAck, .seq = scene.peer.nxt - 1});
     },
     "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED"},
};

/// What RFC 9293 sections 3.10.5, 3.10.7.4 (with RFC 5961 and RFC 1337) and 3.10.8 say of a connection in one state; "" where it stays.
struct StateRow {
  State state;
  bool passive;
  std::string_view reset;         ///< the peer sends RST with the number expected
  std::string_view abort;         ///< the user calls ABORT; for a handshake that no user has yet, the listener is closed
  std::string_view user_timeout;  ///< the peer is not heard of for an hour
  std::string_view syn;           ///< a SYN with a number in the window
};

const StateRow kStateRows[] = {
    {State::syn_sent, false, "CLOSED", "CLOSED", "CLOSED", "SYN-RECEIVED"},
    {State::syn_received, true, "LISTEN", "CLOSED", "LISTEN", "LISTEN"},
    {State::syn_received, false, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::established, true, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::established, false, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::fin_wait_1, true, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::fin_wait_2, false, "CLOSED", "CLOSED", "", ""},  // nothing is outstanding, and the user may read
    {State::close_wait, true, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::closing, false, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::last_ack, true, "CLOSED", "CLOSED", "CLOSED", ""},
    {State::time_wait, false, "", "CLOSED", "CLOSED", ""},  // RST: RFC 1337; the hour: 2 MSL
};

/// RFC 9293 figure 5, but for LISTEN to SYN-SENT: a listener here has no SEND.
const std::set<Transition> kFigure{
    {"CLOSED", "LISTEN"},           {"CLOSED", "SYN-SENT"},        {"LISTEN", "CLOSED"},
    {"LISTEN", "SYN-RECEIVED"},     {"SYN-SENT", "CLOSED"},        {"SYN-SENT", "SYN-RECEIVED"},
    {"SYN-SENT", "ESTABLISHED"},    {"SYN-RECEIVED", "LISTEN"},    {"SYN-RECEIVED", "ESTABLISHED"},
    {"SYN-RECEIVED", "FIN-WAIT-1"}, {"ESTABLISHED", "FIN-WAIT-1"}, {"ESTABLISHED", "CLOSE-WAIT"},
    {"FIN-WAIT-1", "FIN-WAIT-2"},   {"FIN-WAIT-1", "CLOSING"},     {"FIN-WAIT-2", "TIME-WAIT"},
    {"CLOSING", "TIME-WAIT"},       {"CLOSE-WAIT", "LAST-ACK"},    {"LAST-ACK", "CLOSED"},
    {"TIME-WAIT", "CLOSED"},
};
/// Section 3.10 lets RST, ABORT and the user timeout end a connection in these, too.
const std::set<Transition> kEnds{{"SYN-RECEIVED", "CLOSED"}, {"ESTABLISHED", "CLOSED"}, {"FIN-WAIT-1", "CLOSED"},
                                 {"FIN-WAIT-2", "CLOSED"},   {"CLOSE-WAIT", "CLOSED"},  {"CLOSING", "CLOSED"}};

using Seen = std::set<Transition>;

void play(const PairRow& row, Seen& seen) {
  INFO(row.story);
  TwoHosts hosts;
  row.act(hosts);
  hosts.run(10min);
  CHECK(hosts.left_log.path() == row.left);
  CHECK(hosts.right_log.path() == row.right);
  CHECK(hosts.all_lost());
  CHECK(hosts.pair.left->tcp().connection_count() == 0);
  CHECK(hosts.pair.right->tcp().connection_count() == 0);
  hosts.listener = {};
  CHECK(hosts.right_log.listener_path() == "CLOSED LISTEN CLOSED");
  seen.merge(hosts.left_log.transitions());
  seen.merge(hosts.right_log.transitions());
}

void play(const ScriptedRow& row, Seen& seen) {
  INFO(row.story);
  Scripted scene;
  row.act(scene);
  CHECK(scene.log.path() == row.path);
  seen.merge(scene.log.transitions());
}

void play(const StateRow& row, std::string_view event, void (*act)(Scripted&), std::string_view next, Seen& seen) {
  INFO(event << " in " << row.state << (row.passive ? ", opened by the peer" : ""));
  Scripted scene;
  scene.reach(row.state, row.passive);
  seen.merge(scene.log.transitions());
  scene.log.forget();
  (void)scene.peer.hear();
  act(scene);
  const std::string expected = next.empty() ? "" : std::string{name(row.state)} + " " + std::string{next};
  const std::string path = scene.log.path();
  CHECK(path == expected);
  seen.merge(scene.log.transitions());
}

void reset(Scripted& scene) {
  const bool opening = scene.connection.state() == State::syn_sent;
  scene.say({.flags = opening ? kRst | kAck : kRst});
  CHECK(scene.peer.hear().empty());
}
void abort(Scripted& scene) {
  if (scene.connection) {
    scene.connection.abort();
  } else {
    scene.listener = {};
  }
}
void silence(Scripted& scene) {
  if (scene.connection.state() == State::established || scene.connection.state() == State::close_wait) {
    TwoHosts::say(scene.connection, "anybody?");
  }
  scene.run(1h);
}
void syn(Scripted& scene) {
  const State state = scene.connection.state();
  const std::uint32_t expected = scene.peer.nxt;
  scene.say({.flags = kSyn, .seq = expected + (state == State::syn_sent ? 0U : 10U)});
  const auto heard = scene.peer.hear();
  if (!scene.connection) {  // back to LISTEN
    CHECK(heard.empty());
    return;
  }
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].flags == (state == State::syn_sent ? kSyn | kAck : kAck));  // RFC 5961 section 4: a challenge ACK
  CHECK(heard[0].ack == expected + (state == State::syn_sent ? 1U : 0U));
}

}  // namespace

TEST_CASE("every state transition of RFC 9293, and no other",
          "[scenario][tcp][RFC9293-MUST-10][RFC9293-MUST-11][RFC9293-MUST-12][RFC9293-MUST-13][RFC9293-MAY-2]") {
  Seen seen;
  for (const PairRow& row : kPairRows) play(row, seen);
  for (const ScriptedRow& row : kScriptedRows) play(row, seen);
  for (const StateRow& row : kStateRows) {
    play(row, "RST", reset, row.reset, seen);
    play(row, "ABORT", abort, row.abort, seen);
    play(row, "silence", silence, row.user_timeout, seen);
    play(row, "SYN", syn, row.syn, seen);
  }
  Seen allowed = kFigure;
  allowed.insert(kEnds.begin(), kEnds.end());
  for (const auto& [from, to] : allowed) {
    INFO(from << " to " << to);
    CHECK(seen.contains({from, to}));
  }
  for (const auto& [from, to] : seen) {
    INFO(from << " to " << to);
    CHECK(allowed.contains({from, to}));
  }
}
