#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::EcnMode;

namespace {
constexpr std::uint32_t kMss = 1000;
constexpr std::uint8_t kCe = 3;
constexpr std::uint8_t kEct0 = 2;
constexpr Flags kSetup = Flags::syn | Flags::ece | Flags::cwr;
constexpr Flags kSetupAck = Flags::syn | Flags::ack | Flags::ece;

std::uint8_t ecn(const Heard& heard) { return heard.ip.tos & 3U; }

struct EcnOptions {
  tcp::Config config{.congestion_control = "newreno", .ecn = EcnMode::on};
  tcp::Settings settings{.send_buffer = 1'000'000};
};

/// A handshake that says of ECN what a test wants.
struct EcnWire : Wire {
  explicit EcnWire(const EcnOptions& given = {}) : Wire{given.config}, options{given}, peer{*this, kService} {}

  /// Our SYN.
  Heard open() {
    auto opened = tcp.connect(peer.them, {.settings = options.settings});
    REQUIRE(opened);
    connection = std::move(*opened);
    peer.us.port = connection.local().port;
    return peer.hear_one();
  }
  /// An active open whose SYN,ACK has these flags.
  void open_with(Flags syn_ack = kSetupAck) {
    (void)open();
    REQUIRE(peer.say({.flags = syn_ack, .options = mss_option(kMss)}));
    CHECK(peer.hear_one().pure_ack());
  }
  /// Our SYN,ACK to a SYN with these flags.
  Heard listen(Flags syn) {
    auto opened = tcp.listen(kService, {}, {.settings = options.settings});
    REQUIRE(opened);
    listener = std::move(*opened);
    REQUIRE(peer.say({.flags = syn, .options = mss_option(kMss)}));
    return peer.hear_one();
  }
  void accept() {
    REQUIRE(peer.say({}));
    auto accepted = listener.accept();
    REQUIRE(accepted);
    connection = std::move(*accepted);
  }
  /// As Peer::say(), with an ECN field.
  Accepted say(const Say& what, std::uint8_t field) {
    auto from = FakeNetwork::received(network::Protocol::tcp, peer.them.address, peer.us.address);
    from.tos = field;
    const Bytes segment = peer.bytes(what);
    if (!what.seq) peer.nxt += static_cast<std::uint32_t>(what.payload.size());
    return network.inject(segment, from);
  }
  void write(std::size_t size) {
    const std::string text = stream(size);
    const auto sent = connection.send(std::as_bytes(std::span{text}));
    REQUIRE(sent);
    REQUIRE(*sent == size);
  }
  [[nodiscard]] tcp::Info info() const { return connection.info(); }

  EcnOptions options;
  tcp::Listener listener;
  tcp::Connection connection;
  Peer peer;
};

/// Ten segments outstanding, ECN agreed on.
struct Flight : EcnWire {
  explicit Flight(const EcnOptions& options = {}) : EcnWire{options} {
    open_with();
    write(900'000);
    first = peer.hear();
    REQUIRE(first.size() == 10);
  }
  std::vector<Heard> first;
};
}  // namespace

TEST_CASE("an ECN-setup SYN has ECE and CWR, its answer ECE", "[tcp][ecn][RFC3168-6.1.1-1][RFC3168-6.1.1-9]") {
  EcnWire active;
  const auto syn = active.open();
  CHECK(syn.flags == kSetup);
  CHECK(ecn(syn) == 0);
  for (const EcnMode mode : {EcnMode::on, EcnMode::passive}) {
    EcnWire passive{{.config = {.ecn = mode}}};
    const auto syn_ack = passive.listen(kSetup);
    CHECK(syn_ack.flags == kSetupAck);
    CHECK(ecn(syn_ack) == 0);
  }
  CHECK(EcnWire{{.config = {}}}.listen(kSetup).flags == kSetupAck);  // passive is the default
}

TEST_CASE("whoever wants no ECN says nothing of it", "[tcp][ecn][RFC3168-6.1.1-7]") {
  CHECK(EcnWire{{.config = {.ecn = EcnMode::off}}}.open().flags == kSyn);
  CHECK(EcnWire{{.config = {.ecn = EcnMode::passive}}}.open().flags == kSyn);
  CHECK(EcnWire{{.config = {.ecn = EcnMode::off}}}.listen(kSetup).flags == kSynAck);
  CHECK(EcnWire{{.settings = {.ecn = EcnMode::off}}}.open().flags == kSyn);  // a connection's own choice
  CHECK(EcnWire{{.config = {}, .settings = {.ecn = EcnMode::on}}}.open().flags == kSetup);
}

TEST_CASE("only an ECN-setup SYN is answered as one", "[tcp][ecn][RFC3168-6.1.1-2][RFC3168-6.1.1-8]") {
  for (const Flags syn : {kSyn, kSyn | Flags::ece, kSyn | Flags::cwr}) {
    EcnWire wire;
    CHECK(wire.listen(syn).flags == kSynAck);
    wire.accept();
    wire.write(3000);
    const auto sent = wire.peer.hear();
    CHECK(sent.size() == 3);
    for (const auto& heard : sent) CHECK(ecn(heard) == 0);
  }
}

TEST_CASE("without an ECN-setup SYN,ACK nothing is ECN-capable", "[tcp][ecn][RFC3168-6.1.1-3][RFC3168-6.1.1-8]") {
  for (const Flags flags : {kSynAck, kSynAck | Flags::cwr, kSynAck | Flags::ece | Flags::cwr}) {
    EcnWire wire;
    wire.open_with(flags);
    wire.write(5000);
    const auto sent = wire.peer.hear();
    CHECK(sent.size() == 5);
    for (const auto& heard : sent) CHECK(ecn(heard) == 0);
    REQUIRE(wire.peer.say({.flags = kAck | Flags::ece}));  // and an echo says nothing
    CHECK(wire.info().cwnd >= 10 * kMss);
  }
}

TEST_CASE("data is ECN-capable by the codepoint ECT(0)", "[tcp][ecn][RFC3168-6.1.2-1]") {
  const Flight talk;
  CHECK(talk.first.size() == 10);
  for (const auto& heard : talk.first) CHECK(ecn(heard) == kEct0);
  EcnWire passive;
  (void)passive.listen(kSetup);
  passive.accept();
  passive.write(5000);
  const auto sent = passive.peer.hear();
  CHECK(sent.size() == 5);
  for (const auto& heard : sent) CHECK(ecn(heard) == kEct0);
}

TEST_CASE("a plain SYN takes an ECN-setup SYN back", "[tcp][ecn][RFC3168-6.1.1-4]") {
  for (const Flags again : {kSyn, kSetup}) {
    EcnWire wire;
    CHECK(wire.listen(kSetup).flags == kSetupAck);
    (void)wire.say({.flags = again, .seq = wire.peer.nxt - 1U, .options = mss_option(kMss)}, 0);
    CHECK(wire.peer.hear_one().flags == (again == kSyn ? kSynAck : kSetupAck));
    wire.accept();
    wire.write(3000);
    const auto sent = wire.peer.hear();
    CHECK(sent.size() == 3);
    for (const auto& heard : sent) CHECK(ecn(heard) == (again == kSyn ? 0 : kEct0));
  }
}

TEST_CASE("a SYN that is sent again is a plain one", "[tcp][ecn][RFC3168-6.1.1.1-2]") {
  EcnWire wire;
  CHECK(wire.open().flags == kSetup);
  wire.advance(1s);
  CHECK(wire.peer.hear_one().flags == kSyn);
  REQUIRE(wire.peer.say({.flags = kSetupAck, .options = mss_option(kMss)}));  // whichever it answers
  (void)wire.peer.hear();
  wire.write(3000);
  const auto sent = wire.peer.hear();
  CHECK(sent.size() == 3);
  for (const auto& heard : sent) CHECK(ecn(heard) == 0);
}

TEST_CASE("a mark is echoed until the sender has reduced", "[tcp][ecn][RFC3168-6.1.3-1][RFC3168-6.1.1-6][RFC3168-6.1.1-5]") {
  EcnWire wire;
  wire.open_with();
  wire.write(1000);  // ECT has been set
  REQUIRE(ecn(wire.peer.hear_one()) == kEct0);
  const auto answer = [&wire](const Say& data, std::uint8_t field) {
    REQUIRE(wire.say(data, field));
    wire.advance(500ms);
    return wire.peer.hear_one();
  };
  CHECK(answer({.payload = "none"}, kEct0).pure_ack());
  CHECK(answer({.payload = "marked"}, kCe).flags == (kAck | Flags::ece));
  for (int i = 0; i < 5; ++i) CHECK(answer({.payload = "after it"}, kEct0).flags == (kAck | Flags::ece));
  CHECK(answer({.flags = kAck | Flags::cwr, .payload = "reduced"}, kEct0).pure_ack());
  CHECK(answer({.payload = "then"}, kEct0).pure_ack());
  CHECK(answer({.flags = kAck | Flags::cwr, .payload = "reduced and marked"}, kCe).flags == (kAck | Flags::ece));
}

TEST_CASE("without ECN a mark says nothing", "[tcp][ecn]") {
  EcnWire wire{{.config = {.ecn = EcnMode::off}}};
  wire.open_with(kSynAck);
  REQUIRE(wire.say({.payload = "marked"}, kCe));
  wire.advance(500ms);
  CHECK(wire.peer.hear_one().pure_ack());
}

TEST_CASE("an ACK for two segments echoes the mark of one", "[tcp][ecn][RFC3168-6.1.3-2]") {
  for (const bool first : {true, false}) {
    EcnWire wire;
    wire.open_with();
    REQUIRE(wire.say({.payload = stream(kMss)}, first ? kCe : kEct0));
    REQUIRE(wire.say({.payload = stream(kMss)}, first ? kEct0 : kCe));
    const auto ack = wire.peer.hear_one();
    CHECK(ack.flags == (kAck | Flags::ece));
    CHECK(ack.ack == wire.peer.nxt);
  }
}

TEST_CASE("acknowledgments are not ECN-capable", "[tcp][ecn][RFC3168-6.1.4-1]") {
  EcnWire wire;
  wire.open_with();
  for (int i = 0; i < 6; ++i) {
    REQUIRE(wire.say({.payload = stream(kMss)}, kEct0));
    wire.advance(500ms);
    CHECK(ecn(wire.peer.hear_one()) == 0);
  }
}

TEST_CASE("an echo halves the window, and nothing is sent again", "[tcp][ecn][RFC3168-6.1.2-2][RFC3168-6.1.2-3][RFC3168-5-1]") {
  Flight talk;
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[0].end()}));
  CHECK(talk.info().cwnd == 5 * kMss);
  CHECK(talk.info().ssthresh == 5 * kMss);
  CHECK(talk.peer.quiet());
  CHECK(talk.info().retransmissions == 0);
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().delivered_ce_segments == 1);
  Flight loss;  // the same flight, a loss instead
  for (int i = 0; i < 3; ++i) REQUIRE(loss.peer.say({.ack = loss.first[0].seq}));
  CHECK(loss.info().ssthresh == 5 * kMss);
  CHECK(loss.info().delivered_ce_segments == 0);

  Flight cubic{{.config = {.congestion_control = "cubic", .ecn = EcnMode::on}}};
  REQUIRE(cubic.peer.say({.flags = kAck | Flags::ece, .ack = cubic.first[0].end()}));
  CHECK(cubic.info().cwnd == 7 * kMss);
  CHECK(cubic.info().ssthresh == 7 * kMss);
}

TEST_CASE("one window of data is answered once", "[tcp][ecn][RFC3168-6.1.2-4][RFC3168-6.1.2-3]") {
  Flight talk;
  std::uint32_t cwnd = talk.info().cwnd;
  for (std::size_t i = 0; i < 10; ++i) {
    REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[i].end()}));
    CHECK(talk.info().cwnd <= cwnd);
    cwnd = talk.info().cwnd;
  }
  CHECK(cwnd == 5 * kMss);
  const auto next = talk.peer.hear();
  REQUIRE(next.size() == 5);
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = next[0].end()}));  // of the next window
  CHECK(talk.info().cwnd == 2500);
}

TEST_CASE("the first new segment after a reduction says so", "[tcp][ecn][RFC3168-6.1.2-6]") {
  Flight talk;
  for (const auto& heard : talk.first) CHECK_FALSE(heard.has(Flags::cwr));
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[9].end()}));
  const auto next = talk.peer.hear();
  REQUIRE(next.size() == 5);
  CHECK(next[0].has(Flags::cwr));
  CHECK(ecn(next[0]) == kEct0);
  for (std::size_t i = 1; i < next.size(); ++i) CHECK_FALSE(next[i].has(Flags::cwr));
  REQUIRE(talk.peer.say({.ack = next[4].end()}));
  const auto later = talk.peer.hear();
  CHECK_FALSE(later.empty());
  for (const auto& heard : later) CHECK_FALSE(heard.has(Flags::cwr));
}

TEST_CASE("a super-segment does not spread the word of a reduction", "[tcp][ecn][RFC3168-6.1.2-6]") {
  EcnOptions options;
  options.config.split_below = true;
  EcnWire wire{options};
  wire.open_with();
  wire.write(100'000);
  const auto first = wire.peer.hear();
  REQUIRE(first.size() < 10);
  REQUIRE(wire.peer.say({.flags = kAck | Flags::ece}));
  const auto next = wire.peer.hear();
  REQUIRE(next.size() >= 2);
  CHECK(next[0].has(Flags::cwr));
  CHECK(next[0].payload.size() == kMss);
  CHECK_FALSE(next[1].has(Flags::cwr));
}

TEST_CASE("a loss is told of by CWR, too, and not by what is sent again", "[tcp][ecn][RFC3168-6.1.2-7][RFC3168-6.1.5-1][RFC3168-6.1.1-5]") {
  Flight talk;
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[9].end()}));
  const auto next = talk.peer.hear();
  REQUIRE(next.size() == 5);
  REQUIRE(next[0].has(Flags::cwr));
  // It is lost.
  for (int i = 0; i < 3; ++i) REQUIRE(talk.peer.say({.ack = next[0].seq}));
  const auto again = talk.peer.hear();
  REQUIRE_FALSE(again.empty());
  REQUIRE(again[0].seq == next[0].seq);
  CHECK_FALSE(again[0].has(Flags::cwr));
  CHECK(ecn(again[0]) == 0);
  REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
  const auto fresh = talk.peer.hear();
  REQUIRE_FALSE(fresh.empty());
  CHECK(ecn(fresh.back()) == kEct0);

  Flight timeout;
  timeout.advance(1s);
  const auto resent = timeout.peer.hear_one();
  CHECK(resent.seq == timeout.first[0].seq);
  CHECK(ecn(resent) == 0);
  CHECK_FALSE(resent.has(Flags::cwr));
}

TEST_CASE("CWR tells of every reduction, once and with new data, whatever leaves without ECT meanwhile", "[tcp][ecn][RFC3168-6.1.1-5]") {
  Flight talk;
  SeqNum highest = talk.first.back().end();
  bool due = false;
  const auto look = [&] {
    for (const auto& heard : talk.peer.hear()) {
      const bool fresh = !heard.payload.empty() && heard.seq >= highest;
      CHECK(ecn(heard) == (fresh ? kEct0 : 0));
      CHECK(heard.has(Flags::cwr) == (fresh && due));
      if (!fresh) continue;
      due = false;
      highest = heard.end();
    }
  };
  const auto acknowledged = [&](Flags flags = kAck) {
    REQUIRE(talk.peer.say({.flags = flags, .ack = highest}));
    look();
  };
  const auto marked = [&] {
    due = true;
    acknowledged(kAck | Flags::ece);
    CHECK_FALSE(due);
    acknowledged();
  };
  marked();
  // A loss: the retransmission is not ECN-capable.
  const SeqNum una = talk.info().snd_una;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(talk.peer.say({.ack = una}));
    look();
  }
  due = true;
  REQUIRE(talk.peer.say({.ack = una}));
  look();
  REQUIRE(talk.info().fast_retransmits == 1);
  acknowledged();
  CHECK_FALSE(due);
  acknowledged();
  // A timeout, after which all that is outstanding goes again.
  due = true;
  talk.advance(1s);
  REQUIRE(talk.info().timeouts == 1);
  look();
  CHECK(due);
  acknowledged();
  CHECK_FALSE(due);
  // The stack has no use for ECN any more: that is for connections to come.
  auto config = talk.options.config;
  config.ecn = EcnMode::off;
  talk.tcp.set_config(config);
  marked();
  acknowledged();
}

TEST_CASE("a window of one segment waits for the timer", "[tcp][ecn][RFC3168-6.1.2-5][RFC9438-4.6-5]") {
  for (const char* algorithm : {"newreno", "cubic"}) {
    EcnOptions options;
    options.config.congestion_control = algorithm;
    options.config.initial_window_segments = 1;
    EcnWire wire{options};
    wire.open_with();
    wire.write(100'000);
    const auto first = wire.peer.hear_one();
    REQUIRE(wire.info().cwnd == kMss);
    wire.advance(100ms);
    REQUIRE(wire.peer.say({.flags = kAck | Flags::ece, .ack = first.end()}));
    CHECK(wire.info().cwnd == kMss);
    const Duration rto = wire.info().rto;
    CHECK(rto >= 1s);
    wire.advance(rto - 110ms);
    CHECK(wire.peer.quiet());
    wire.advance(200ms);
    const auto next = wire.peer.hear_one();
    CHECK(next.seq == first.end());
    CHECK(next.has(Flags::cwr));
  }
}

TEST_CASE("a mark outside the window is ignored", "[tcp][ecn][RFC3168-6.1.5-2]") {
  EcnWire wire;
  wire.open_with();
  CHECK_FALSE(wire.say({.seq = wire.peer.nxt - 2000U, .payload = stream(kMss)}, kCe));
  CHECK(wire.peer.hear_one().pure_ack());
  CHECK_FALSE(wire.say({.seq = wire.peer.nxt + 70'000U, .payload = stream(kMss)}, kCe));
  CHECK(wire.peer.hear_one().pure_ack());
  REQUIRE(wire.say({.seq = wire.peer.nxt + 1000U, .payload = stream(kMss)}, kCe));  // within it, although not in order
  CHECK(wire.peer.hear_one().flags == (kAck | Flags::ece));
}

TEST_CASE("window probes carry neither ECT nor CWR", "[tcp][ecn][RFC3168-6.1.6-1]") {
  Flight talk;
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .window = std::uint16_t{0}}));
  CHECK(talk.peer.quiet());
  talk.advance(talk.info().rto + 100ms);
  const auto probe = talk.peer.hear_one();
  REQUIRE(probe.payload.size() == 1);
  CHECK(ecn(probe) == 0);
  CHECK_FALSE(probe.has(Flags::cwr));
}

TEST_CASE("a mark on a window probe counts", "[tcp][ecn][RFC3168-6.1.6-2]") {
  EcnOptions options;
  options.settings.receive_buffer = kMss;
  EcnWire wire{options};
  wire.open_with();
  REQUIRE(wire.say({.payload = stream(kMss)}, kEct0));
  wire.advance(500ms);
  REQUIRE(wire.peer.hear_one().window == 0);
  (void)wire.say({.seq = wire.peer.nxt, .payload = "x"}, kCe);
  CHECK(wire.peer.hear_one().flags == (kAck | Flags::ece));
}

TEST_CASE("an answer to marks shows as the state CWR, until what was sent after it is acknowledged", "[tcp][ecn][RFC9293-SHLD-8]") {
  Flight talk;
  CHECK(talk.info().ecn);
  CHECK(talk.info().ca_state == tcp::CaState::open);
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[0].end()}));
  CHECK(talk.info().ca_state == tcp::CaState::cwr);
  CHECK(talk.info().cwnd == 5 * kMss);
  REQUIRE(talk.peer.say({.ack = talk.first[9].end()}));
  CHECK(talk.info().ca_state == tcp::CaState::cwr);
  const auto next = talk.peer.hear();
  REQUIRE(next.size() > 1);
  CHECK(next[0].has(Flags::cwr));
  REQUIRE(talk.peer.say({.ack = next[0].end()}));
  CHECK(talk.info().ca_state == tcp::CaState::open);
  Flight loss;  // which is a recovery
  for (int i = 0; i < 3; ++i) REQUIRE(loss.peer.say({.ack = loss.first[0].seq}));
  CHECK(loss.info().ca_state == tcp::CaState::recovery);
}

TEST_CASE("a reduction spread over a round trip, where Linux' way is asked for", "[tcp][ecn]") {
  // With the rules of RFC 9937: what is delivered may be replaced while less is in flight than the goal, the goal itself comes at the end.
  Flight talk{{.config = {.congestion_control = "cubic", .gradual_ecn = true, .ecn = EcnMode::on}}};
  const std::size_t sent = talk.first.size();
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[6].end()}));  // three are left in the network
  CHECK(talk.info().ssthresh == 7 * kMss);
  CHECK(talk.info().ca_state == tcp::CaState::cwr);
  CHECK(talk.info().cwnd == 7 * kMss);  // three and what was delivered, the goal at most
  REQUIRE(talk.peer.say({.ack = talk.first[sent - 1].end()}));
  CHECK(talk.info().cwnd == 7 * kMss);

  Flight one{{.config = {.congestion_control = "cubic", .gradual_ecn = true, .ecn = EcnMode::on}}};
  REQUIRE(one.peer.say({.flags = kAck | Flags::ece, .ack = one.first[0].end()}));
  CHECK(one.info().cwnd ==
        9 * kMss + kMss * 7 / 10);  // nine in the network, and of the one that was delivered as much as the goal is of the window
  for (std::size_t i = 1; i < 9; ++i) {
    REQUIRE(one.peer.say({.flags = kAck | Flags::ece, .ack = one.first[i].end()}));
    CHECK(one.info().cwnd >= 7 * kMss);
    CHECK(one.info().cwnd <= 10 * kMss);
  }
  REQUIRE(one.peer.say({.ack = one.first[9].end()}));
  CHECK(one.info().cwnd == 7 * kMss);
}
