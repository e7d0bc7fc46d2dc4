// What is kept of a handshake (RFC 4987 section 3.3) makes no difference but in memory.

#include <catch2/catch.hpp>

#include <array>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "option_talk.hpp"
#include "tcp/half_open.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr Flags kEcnSyn = Flags::syn | Flags::ece | Flags::cwr;

std::string in_words(const Heard& heard) {
  return fmt::format("{} ns, port {}: flags {:#x} seq {} ack {} win {} options {} payload {} tos {}", heard.at.time_since_epoch().count(),
                     heard.to.port.value(), static_cast<unsigned>(heard.flags), heard.seq.value(), heard.ack.value(), heard.window,
                     text_of(heard.options), text_of(heard.payload), heard.ip.tos);
}

/// What is told of a connection; but for cwnd before it is open, when it is set anew.
std::string in_words(const tcp::Info& info) {
  return fmt::format(
      "{} una {} nxt {} wnd {} rcv {} wnd {} ts {} sack {} ws {} {} {} mss {} {} mtu {} cwnd {} ecn {} rto {} backoffs {} sent {} received "
      "{} "
      "again {} timeouts {} tos {} stalled {} uto {} {} in flight {} retransmitted {} lost {} soft {}",
      static_cast<int>(info.state), info.snd_una.value(), info.snd_nxt.value(), info.snd_wnd, info.rcv_nxt.value(), info.rcv_wnd,
      info.timestamps, info.sack, info.window_scaling, info.snd_wind_shift, info.rcv_wind_shift, info.mss, info.advertised_mss,
      info.path_mtu, info.state == State::syn_received ? 0 : info.cwnd, info.ecn, info.rto.count(), info.backoffs, info.segments_sent,
      info.segments_received, info.retransmissions, info.timeouts, info.received_tos, info.probes, info.user_timeout.count(),
      info.peer_user_timeout.value_or(0s).count(), info.in_flight, info.retransmitted, info.lost, info.soft_error.has_value());
}

/// A listener, and peers who talk to it; all that can be seen from outside goes into a log.
struct Dialogue : Wire {
  Dialogue(const tcp::Config& config, const tcp::ListenOptions& options) : Wire{config} { listener = *tcp.listen(kService, {}, options); }
  /// Lets `time` pass, a quarter of a second at a time.
  void wait(Duration time) {
    note();
    for (Duration passed{}; passed < time; passed += 250ms) {
      advance(250ms);
      note();
    }
  }
  void note() {
    for (const Heard& heard : hear()) {
      log.push_back(in_words(heard));
      if (heard.to == peer.them) peer.rcv = heard.end();
    }
    std::map<Port, std::string> connections;
    for (const tcp::Info& info : tcp.connections()) connections[info.remote.port] = in_words(info);
    for (const auto& [port, words] : connections) log.push_back(fmt::format("port {}: {}", port.value(), words));
    const tcp::Stats& stats = tcp.stats();
    log.push_back(fmt::format("{} connections, {} half open, {} waiting; {} {} {} {} {} {} {} {} {} {}", tcp.connection_count(),
                              listener.half_open(), listener.waiting(), stats.passive_opens, stats.attempt_fails, stats.estab_resets,
                              stats.curr_estab, stats.in_segs, stats.out_segs, stats.retrans_segs, stats.out_rsts, stats.in_errs,
                              stats.large_window_scales));
  }
  void say(const Say& what) {
    const Accepted outcome = peer.say(what);
    log.push_back(outcome ? "accepted" : std::string{name(outcome.error())});
    note();
  }
  void report(network::ErrorKind kind, SeqNum quoted) {
    std::array<std::byte, 8> start{};
    const auto put = [&](std::size_t at, std::uint32_t value, int bytes) {
      for (int i = bytes; i-- > 0; value >>= 8U) start[at + static_cast<std::size_t>(i)] = static_cast<std::byte>(value & 0xffU);
    };
    put(0, peer.us.port.value(), 2);
    put(2, peer.them.port.value(), 2);
    put(4, quoted.value(), 4);
    network.report(network::Protocol::tcp, {.kind = kind,
                                            .type = 3,
                                            .code = 1,
                                            .reporter = peer.them.address,
                                            .source = peer.us.address,
                                            .destination = peer.them.address,
                                            .next_hop_mtu = 600,
                                            .transport = start});
    note();
  }
  void accept() {
    auto accepted = listener.accept();
    log.push_back(accepted ? "one accepted" : "none accepted");
    if (!accepted) return;
    connection = std::move(*accepted);
    connection.handle({.stalled = [this](std::uint32_t count) { log.push_back(fmt::format("stalled {}", count)); },
                       .peer_user_timeout = [this](Duration) { log.push_back("user timeout"); }});
    note();
  }
  void write(std::size_t size) {
    const std::string text = stream(size);
    REQUIRE(connection.send(std::as_bytes(std::span{text})).value_or(0) == size);
    note();
  }

  std::vector<std::string> log;
  tcp::Listener listener;
  tcp::Connection connection;
  Peer peer{*this, kService};
};

/// Plays the script to a stack that puts handshakes away and to one that does not, and compares what can be seen.
template <class Script>
void twice(const Script& script, tcp::Config config = {}, const tcp::ListenOptions& options = {}) {
  std::vector<std::vector<std::string>> logs;
  for (const auto sleep_after : {Duration{1s}, Duration{}}) {
    config.sleep_after = sleep_after;
    Dialogue talk{config, options};
    script(talk);
    talk.note();
    logs.push_back(std::move(talk.log));
  }
  REQUIRE(logs[0].size() > 3);
  REQUIRE(logs[0].size() == logs[1].size());
  for (std::size_t i = 0; i < logs[0].size(); ++i) REQUIRE(logs[0][i] == logs[1][i]);
}

Bytes all_options() { return syn_options(1400, {.sack = true, .timestamp = 500, .window_scale = 5}, 0); }

}  // namespace

TEST_CASE("a handshake that is put away is repeated and given up as a whole one is", "[tcp][syn-cache][RFC9293-MUST-23]") {
  twice([](Dialogue& talk) {
    talk.say({.flags = kSyn, .window = std::uint16_t{3000}, .options = all_options()});
    talk.wait(5min);
    CHECK(talk.tcp.connection_count() == 0);
  });
  twice(
      [](Dialogue& talk) {
        talk.say({.flags = kSyn});
        talk.wait(20s);
        CHECK(talk.tcp.connection_count() == 0);
      },
      {.syn_retries = 3});
  twice(
      [](Dialogue& talk) {
        talk.say({.flags = kSyn});
        talk.wait(40s);
        CHECK(talk.tcp.connection_count() == 0);
      },
      {}, {.settings = {.user_timeout = 30s, .syn_retries = 9}});
}

TEST_CASE("it opens, late or at once, with what the SYN offered", "[tcp][syn-cache][RFC9293-3.10.7.4-14]") {
  for (const Duration late : {Duration{}, Duration{500ms}, Duration{20s}}) {
    for (const bool sack : {true, false}) {
      for (const auto& [scale, timestamp] : {std::pair{std::optional<std::uint8_t>{7}, std::optional<std::uint32_t>{900}},
                                             std::pair{std::optional<std::uint8_t>{0}, std::optional<std::uint32_t>{}},
                                             std::pair{std::optional<std::uint8_t>{}, std::optional<std::uint32_t>{77}}}) {
        twice(
            [&](Dialogue& talk) {
              talk.say({.flags = kEcnSyn, .options = syn_options(1400, {.sack = sack, .timestamp = timestamp, .window_scale = scale}, 0)});
              talk.wait(late);
              const auto stamps = [&] { return timestamp ? timestamp_option(*timestamp + 1, 0) : Bytes{}; };
              talk.say({.window = std::uint16_t{300}, .payload = "hello", .options = stamps()});
              CHECK(talk.listener.waiting() == 1);
              talk.accept();
              talk.write(5000);
              talk.say({.payload = "more", .options = stamps()});
              talk.wait(5s);
            },
            {.ecn = tcp::EcnMode::on});
      }
    }
  }
}

TEST_CASE("a SYN that comes again is answered again, and may take ECN back", "[tcp][syn-cache]") {
  twice(
      [](Dialogue& talk) {
        talk.say({.flags = kEcnSyn, .options = all_options()});
        for (const Flags flags : {kEcnSyn, kSyn, kEcnSyn}) {
          talk.wait(750ms);
          talk.say({.flags = flags, .seq = talk.peer.nxt - 1U, .options = all_options()});
        }
        talk.wait(3s);
        talk.say({.payload = "x", .options = timestamp_option(501, 0)});
        talk.accept();
        talk.write(3000);
        talk.wait(1s);
      },
      {.ecn = tcp::EcnMode::on});
}

TEST_CASE("what does not belong to it is answered by the rules of SYN-RECEIVED", "[tcp][syn-cache][RFC5961-3.2-1][RFC5961-3.2-3]") {
  twice([](Dialogue& talk) {
    talk.say({.flags = kSyn, .options = all_options()});
    talk.wait(250ms);
    const SeqNum right = talk.peer.nxt;
    for (int i = 0; i < 14; ++i) talk.say({.flags = kRst, .seq = right + 100U});  // more than may be challenged
    talk.say({.flags = kRst, .seq = right - 10U});
    talk.say({.ack = talk.peer.rcv + 50U, .options = timestamp_option(501, 0)});
    talk.say({.seq = right + 100'000U, .payload = "beyond", .options = timestamp_option(501, 0)});
    talk.say({.seq = right, .options = timestamp_option(3, 0)});  // older than the SYN
    talk.say({.flags = Flags::none, .seq = right, .payload = "no ACK", .options = timestamp_option(501, 0)});
    talk.say({.seq = right});  // without timestamp
    CHECK(talk.listener.half_open() == 1);
    talk.wait(30s);
    talk.say({.flags = kRst, .seq = right});
    CHECK(talk.listener.half_open() == 0);
    talk.peer.nxt = right + 500U;
    talk.say({.flags = kSyn});
    talk.wait(1s);
    talk.say({.flags = kSyn});  // another one: back to LISTEN
    CHECK(talk.listener.half_open() == 0);
    talk.wait(3s);
  });
}

TEST_CASE("errors of the network reach it", "[tcp][syn-cache][RFC9293-MUST-56]") {
  for (const bool ends : {false, true}) {
    twice(
        [&](Dialogue& talk) {
          talk.say({.flags = kSyn, .options = all_options()});
          talk.wait(500ms);
          const SeqNum iss = talk.peer.rcv - 1U;
          talk.report(network::ErrorKind::host_unreachable, iss + 1'000U);  // made up
          CHECK(talk.listener.half_open() == 1);
          talk.report(network::ErrorKind::fragmentation_needed, iss);
          talk.wait(2s);
          talk.report(network::ErrorKind::host_unreachable, iss);
          CHECK(talk.listener.half_open() == (ends ? 0 : 1));
          talk.wait(10s);
          talk.say({.payload = "x", .options = timestamp_option(501, 0)});
          talk.accept();
        },
        {}, {.settings = {.unreachable_ends_handshake = ends}});
  }
}

TEST_CASE("a deferred one waits for data, and answers once more", "[tcp][syn-cache]") {
  twice(
      [](Dialogue& talk) {
        talk.say({.flags = kSyn});
        talk.wait(500ms);
        talk.say({});
        talk.wait(3s);
        CHECK(talk.listener.waiting() == 0);
        talk.say({});
        talk.wait(1s);
        Peer other{talk, kService, {kPeerAddress, Port{6000}}};
        (void)other.say({.flags = kSyn});
        talk.wait(250ms);
        talk.accept();
        talk.wait(20s);
      },
      {}, {.defer_accept = 3s});
}

TEST_CASE("what a handshake began under stays, whatever the listener and the stack are told meanwhile", "[tcp][syn-cache]") {
  twice(
      [](Dialogue& talk) {
        talk.say({.flags = kSyn, .options = all_options()});
        talk.wait(500ms);
        REQUIRE(
            talk.listener.change({.settings = {.ttl = 9, .tos = 0x20, .receive_buffer = 5'000, .max_segment = 500}, .defer_accept = 1min}));
        talk.wait(1s);
        tcp::Config other = talk.tcp.config();
        other.initial_rto = 5s;
        other.timestamps = other.sack = other.window_scaling = false;
        other.receive_buffer = 10'000;
        other.max_receive_buffer = 60'000;
        talk.tcp.set_config(other);
        talk.wait(5s);
        talk.say({.window = std::uint16_t{3000}, .payload = "x", .options = timestamp_option(501, 0)});
        talk.accept();
        talk.write(3000);
        talk.wait(1s);
        talk.peer.them.port = Port{6000};
        talk.peer.nxt = SeqNum{77};
        talk.say({.flags = kSyn, .options = all_options()});  // this one is of the new kind
        talk.wait(10s);
      },
      {}, {.settings = {.ttl = 99, .tos = 0x40, .max_segment = 1000}});
}

TEST_CASE("the user timeout option is remembered, and so is what the user is to hear", "[tcp][syn-cache]") {
  tcp::Config config;
  config.user_timeout_option.enabled = true;
  twice(
      [](Dialogue& talk) {
        talk.say({.flags = kSyn, .options = hex("1c 04 80 05 01 01 01 01")});  // five minutes
        talk.wait(30s);                                                        // stalled: SYN,ACKs go unanswered
        talk.say({.payload = "x"});
        talk.accept();
        talk.wait(1s);
      },
      config);
}

TEST_CASE("a listener that goes resets its handshakes, and a stack that goes says nothing", "[tcp][syn-cache]") {
  twice([](Dialogue& talk) {
    for (std::uint16_t port = 1; port <= 5; ++port) {
      Peer one{talk, kService, {kPeerAddress, Port{port}}};
      REQUIRE(one.say({.flags = kSyn}));
    }
    auto second = talk.tcp.listen(Port{8});
    REQUIRE(second);
    Peer other{talk, Port{8}, {kPeerAddress, Port{9}}};
    REQUIRE(other.say({.flags = kSyn}));
    talk.wait(1s);
    CHECK(talk.listener.half_open() == 5);
    CHECK(talk.tcp.connection_count() == 6);
    talk.listener = {};
    CHECK(talk.tcp.connection_count() == 1);
    talk.wait(2s);
    CHECK(second->half_open() == 1);
  });
}

TEST_CASE("handshakes that are put away share one timer, whole ones have one each", "[tcp][syn-cache]") {
  for (const bool whole : {false, true}) {
    Wire wire{{.sleep_after = whole ? Duration{} : Duration{1s}}};
    const auto listener = *wire.tcp.listen(kService);
    const std::size_t before = wire.lab.scheduler.armed_timers();
    for (std::uint16_t port = 1; port <= 50; ++port) {
      Peer one{wire, kService, {kPeerAddress, Port{port}}};
      REQUIRE(one.say({.flags = kSyn}));
    }
    wire.advance(500ms);
    CHECK(listener.half_open() == 50);
    CHECK(wire.lab.scheduler.armed_timers() - before == (whole ? 50 : 1));
  }
}

TEST_CASE("the limits count what is put away", "[tcp][syn-cache]") {
  Wire wire{{.syn_cookies = tcp::SynCookiePolicy::never, .max_connections = 3}};
  const auto listener = *wire.tcp.listen(kService, {}, {.max_half_open = 2});
  const auto second = *wire.tcp.listen(Port{8});
  const auto knock = [&](std::uint16_t port, Port at = kService) {
    Peer peer{wire, at, {kPeerAddress, Port{port}}};
    const auto outcome = peer.say({.flags = kSyn});
    wire.advance(100ms);
    return outcome;
  };
  CHECK(knock(1));
  CHECK(knock(2));
  CHECK(knock(3) == std::unexpected{Drop::backlog_full});
  CHECK(knock(3, Port{8}));
  CHECK(knock(4, Port{8}) == std::unexpected{Drop::memory_limit});
  CHECK(wire.tcp.connect({kPeerAddress, Port{80}}).error() == Error::no_buffer_space);
  CHECK(listener.half_open() == 2);
}

TEST_CASE("an address in use by a handshake that is put away is in use", "[tcp][syn-cache]") {
  Wire wire;
  const auto listener = *wire.tcp.listen(kService);
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn}));
  wire.advance(1ms);
  const auto taken = wire.tcp.connect(peer.them, {.local = {kOurAddress, kService}});
  REQUIRE_FALSE(taken);
  CHECK(taken.error() == Error::address_in_use);
  CHECK(wire.tcp.connect(Endpoint{kPeerAddress, Port{5001}}, {.local = {kOurAddress, kService}}));
}

TEST_CASE("handshakes come due in the order of their times, then of their arrival", "[tcp][syn-cache]") {
  Lab lab;
  std::vector<std::pair<TimePoint, std::uint16_t>> due;
  std::multimap<std::pair<TimePoint, std::uint64_t>, std::uint16_t> expected;
  tcp::HalfOpenTable table{lab.context, SipKey::generate(lab.random),
                           [&](const tcp::HalfOpen& one) { due.emplace_back(lab.scheduler.now(), one.tuple.remote.port.value()); }};
  std::uint64_t order = 0;
  const auto tuple = [](std::uint16_t port) { return tcp::FourTuple{{kOurAddress, kService}, {kPeerAddress, Port{port}}}; };
  for (std::uint16_t i = 1; i <= 2'000; ++i) {
    const TimePoint when = lab.scheduler.now() + std::chrono::milliseconds{lab.random.next() % 100};
    tcp::HalfOpen one;
    one.tuple = tuple(i);
    one.due = when;
    table.insert(one);
    expected.emplace(std::pair{when, order++}, i);
  }
  for (std::uint16_t i = 3; i <= 2'000; i = static_cast<std::uint16_t>(i + 3)) {  // each third goes early
    const auto taken = table.take(tuple(i));
    REQUIRE(taken);
    CHECK(taken->tuple == tuple(i));
    CHECK_FALSE(table.take(tuple(i)));
    std::erase_if(expected, [&](const auto& entry) { return entry.second == i; });
  }
  CHECK(table.size() == expected.size());
  CHECK(table.find(tuple(1)) != nullptr);
  CHECK(table.find(tuple(3)) == nullptr);
  lab.advance(100ms);
  CHECK(table.size() == 0);
  REQUIRE(due.size() == expected.size());
  auto next = expected.begin();
  bool in_order = true;
  for (const auto& [when, port] : due) {
    in_order = in_order && when == next->first.first && port == next->second;
    ++next;
  }
  CHECK(in_order);
}
