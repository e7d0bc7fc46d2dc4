#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

#include "fast_open_talk.hpp"
#include "option_talk.hpp"
#include "sack_flight.hpp"

// Every member of tcp::Config that is a sysctl on Linux is one here, too: what is set while the stack runs has effect, at once or for connections that begin
// later. Each is set on a stack that runs, and looked for on that stack and on one where it was not. tcp_probe_interval and tcp_probe_threshold are given to
// MtuSearch with every question (mtu_search_test.cpp).
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::Config;

namespace {
template <class Talk>
void set(Talk& talk, const std::function<void(Config&)>& change) {
  Config config = talk.tcp.config();
  change(config);
  talk.tcp.set_config(std::move(config));
}

// ---- for connections that begin later

struct Later {
  const char* sysctl;
  std::function<void(Config&)> change;
  std::function<bool(Wire&)> shows;
};

/// What the SYN of a new connection looks like.
Heard syn_of(Wire& wire, bool fast_open = false) {
  tcp::ConnectOptions options;
  options.fast_open = fast_open;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, options);
  REQUIRE(connection);
  auto syn = Peer{wire, connection->local().port}.hear_one();
  connection->abort();
  return syn;
}
tcp::Info info_of(Wire& wire) {
  const auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  auto info = connection->info();
  (void)wire.hear();
  return info;
}
/// A connection that is open on both sides.
struct Open {
  explicit Open(Wire& wire, bool sack = false)
      : connection{*wire.tcp.connect({kPeerAddress, kPeerPort})}, peer{wire, connection.local().port} {
    connection.handle(app.events());
    (void)peer.hear_one();
    wire.advance(40ms);
    REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1000, sack)}));
    (void)peer.hear();
    una = connection.info().snd_una;
  }
  void write(std::size_t size) {
    const std::string text = stream(size);
    REQUIRE(connection.send(std::as_bytes(std::span{text})) == size);
  }
  App app;
  tcp::Connection connection;
  Peer peer;
  SeqNum una;
};
std::size_t retransmissions_of_syn(Wire& wire) {
  App app;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  connection->handle(app.events());
  std::size_t count = 0;
  for (int i = 0; i < 240 && app.closed == 0; ++i) {
    wire.advance(1s);
    count += wire.hear().size();
  }
  return count - 1;
}
/// The cookie that a listener with Fast Open gives.
std::string cookie_of(Wire& wire) {
  const auto listener = wire.tcp.listen(kService, {}, {.fast_open_backlog = 8});
  REQUIRE(listener);
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn, .options = fast_open_options(1460, "")}));
  return cookie_in(peer.hear_one()).value_or("none");
}
constexpr tcp::FastOpenKeys kKeys{.primary = {std::byte{1}, std::byte{2}, std::byte{3}}};
std::string cookie_by_key() {
  Wire wire{{.fast_open = tcp::FastOpenUse::server, .fast_open_keys = kKeys}};
  return cookie_of(wire);
}
/// The window of a connection that was silent for a minute, in segments.
std::size_t burst_after_idle(Wire& wire) {
  Open open{wire};
  for (int i = 0; i < 4; ++i) {
    open.write(open.connection.info().cwnd);
    (void)open.peer.hear();
    wire.advance(40ms);
    open.peer.acknowledge();
  }
  (void)open.peer.drain();
  wire.advance(1min);
  open.write(40'000);
  return open.peer.hear().size();
}

const std::vector<Later>& later() {
  using tcp::EcnMode;
  static const std::vector<Later> rows{
      {"tcp_wmem[1]", [](Config& c) { c.send_buffer = 5000; }, [](Wire& w) { return info_of(w).send_buffer == 5000; }},
      {"tcp_rmem[1]", [](Config& c) { c.receive_buffer = 5000; }, [](Wire& w) { return info_of(w).receive_buffer == 5000; }},
      {"tcp_rmem[2]", [](Config& c) { c.max_receive_buffer = 60'000, c.receive_buffer = 50'000; },
       [](Wire& w) { return options_of(syn_of(w)).window_scale == std::uint8_t{0}; }},
      {"tcp_window_scaling", [](Config& c) { c.window_scaling = false; }, [](Wire& w) { return !options_of(syn_of(w)).window_scale; }},
      {"tcp_timestamps", [](Config& c) { c.timestamps = false; }, [](Wire& w) { return !options_of(syn_of(w)).timestamps; }},
      {"tcp_sack", [](Config& c) { c.sack = false; }, [](Wire& w) { return !options_of(syn_of(w)).sack_permitted; }},
      {"tcp_mem", [](Config& c) { c.memory_limit = 0; },
       [](Wire& w) {
         const auto opened = w.tcp.connect({kPeerAddress, kPeerPort});
         return !opened && opened.error() == Error::no_buffer_space;
       }},
      {"tcp_syn_retries", [](Config& c) { c.syn_retries = 2; }, [](Wire& w) { return retransmissions_of_syn(w) == 2; }},
      {"tcp_congestion_control", [](Config& c) { c.congestion_control = "newreno"; },
       [](Wire& w) { return info_of(w).congestion_control == "newreno"; }},
      {"tcp_slow_start_after_idle", [](Config& c) { c.window_validation = tcp::WindowValidation::off; },
       [](Wire& w) { return burst_after_idle(w) > 10; }},
      {"tcp_ecn", [](Config& c) { c.ecn = EcnMode::on; }, [](Wire& w) { return syn_of(w).has(Flags::ece); }},
      {"tcp_mtu_probing", [](Config& c) { c.mtu_probing.mode = tcp::MtuProbingMode::always; },
       [](Wire& w) { return Open{w}.connection.info().mss == 1024 - 40; }},
      {"tcp_base_mss", [](Config& c) { c.mtu_probing = {.mode = tcp::MtuProbingMode::always, .base = 800}; },
       [](Wire& w) { return Open{w}.connection.info().mss == 760; }},
      {"ip_no_pmtu_disc", [](Config& c) { c.path_mtu_discovery = false; }, [](Wire& w) { return !syn_of(w).ip.dont_fragment; }},
      {"tcp_syncookies", [](Config& c) { c.syn_cookies = tcp::SynCookiePolicy::always; },
       [](Wire& w) {
         const auto listener = w.tcp.listen(kService);
         Peer peer{w, kService};
         REQUIRE(peer.say({.flags = kSyn}));
         (void)peer.hear_one();
         return w.tcp.stats().cookies_sent == 1;
       }},
      {"tcp_fastopen (client)", [](Config& c) { c.fast_open = 0; }, [](Wire& w) { return !cookie_in(syn_of(w, true)); }},
      {"tcp_fastopen (server)", [](Config& c) { c.fast_open = tcp::FastOpenUse::server; }, [](Wire& w) { return cookie_of(w) != "none"; }},
      {"tcp_fastopen_key", [](Config& c) { c.fast_open = tcp::FastOpenUse::server, c.fast_open_keys = kKeys; },
       [](Wire& w) { return cookie_of(w) == cookie_by_key(); }},
      {"ip_local_port_range", [](Config& c) { c.first_ephemeral = c.last_ephemeral = Port{30000}; },
       [](Wire& w) { return syn_of(w).from.port == Port{30000}; }},
      {"ip_local_reserved_ports",
       [](Config& c) {
         c.first_ephemeral = Port{30000}, c.last_ephemeral = Port{30001};
         c.reserved_ports = {Port{30000}};
       },
       [](Wire& w) { return syn_of(w).from.port == Port{30001} && syn_of(w).from.port == Port{30001}; }},
      {"tcp_rto_min_us", [](Config& c) { c.min_rto = 3s; }, [](Wire& w) { return Open{w}.connection.info().rto == 3s; }},
      {"tcp_rto_max_ms", [](Config& c) { c.max_rto = 1h, c.min_rto = 30min; },
       [](Wire& w) { return Open{w}.connection.info().rto == 30min; }},
      {"tcp_min_tso_segs", [](Config& c) { c.min_burst_segments = 5; },
       [](Wire& w) {
         w.network.super_segment = 65535;
         Open open{w};
         open.write(10'000);
         return open.peer.hear().at(0).payload.size() == 5 * 1000;
       }},
      {"tcp_reordering", [](Config& c) { c.recovery.reordering = 2; },
       [](Wire& w) {
         Open open{w};
         open.write(5000);
         (void)open.peer.hear();
         for (int i = 0; i < 2; ++i) REQUIRE(open.peer.say({.ack = open.una}));
         (void)open.peer.hear();
         return open.connection.info().retransmissions == 1;
       }},
  };
  return rows;
}

// ---- for connections that are there

struct Now {
  const char* sysctl;
  ConversationOptions options;
  State state;
  std::function<void(Config&)> change;
  std::function<bool(Conversation&)> shows;
};

/// Challenge ACKs for so many resets that are not quite right.
std::size_t challenges(Conversation& talk, std::uint32_t resets) {
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < resets; ++i) {
    (void)talk.peer.say({.flags = kRst, .seq = talk.peer.nxt + 1U + i});
    count += talk.peer.hear().size();
  }
  return count;
}
/// Timeouts of a segment that is never acknowledged, until the connection is over or stalls.
std::size_t timeouts_until(Conversation& talk, const std::function<bool()>& done) {
  talk.write("x");
  for (int i = 0; i < 600 && !done(); ++i) talk.advance(1s);
  return talk.info().timeouts;
}
void bulk(Conversation& talk, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const std::string text = stream(talk.info().cwnd);
    (void)talk.connection.send(std::as_bytes(std::span{text}));
    (void)talk.peer.hear();
    talk.advance(10ms);
    talk.peer.acknowledge();
  }
}
constexpr tcp::Settings kKeepAlive{.keepalive = {.on = true}};

const std::vector<Now>& now() {
  constexpr auto open = State::established;
  static const std::vector<Now> rows{
      {"tcp_wmem[2]",
       {.config = {.send_buffer = 10'000}},
       open,
       [](Config& c) { c.max_send_buffer = 10'000; },
       [](Conversation& t) {
         const auto before = t.info().send_buffer;
         bulk(t, 10);
         return t.info().send_buffer == before;
       }},
      {"tcp_notsent_lowat",
       {.window = 1000},
       open,
       [](Config& c) { c.not_sent_low = 1000; },
       [](Conversation& t) {
         t.write(stream(5000));
         return !t.connection.send(std::as_bytes(std::span{"more"}));
       }},
      {"tcp_retries1",
       {},
       open,
       [](Config& c) { c.r1 = 5; },
       [](Conversation& t) { return timeouts_until(t, [&t] { return !t.app.stalled.empty(); }) == 5; }},
      {"tcp_retries2",
       {},
       open,
       [](Config& c) { c.data_retries = 2; },
       [](Conversation& t) { return timeouts_until(t, [&t] { return t.app.closed > 0; }) == 2; }},
      {"tcp_fin_timeout",
       {},
       State::fin_wait_2,
       [](Config& c) { c.fin_wait_2_timeout = 5s; },
       [](Conversation& t) {
         t.connection.close();
         t.advance(6s);
         return t.connection.state() == State::closed;
       }},
      {"tcp_challenge_ack_limit",
       {},
       open,
       [](Config& c) { c.all_challenge_acks = 0; },
       [](Conversation& t) { return challenges(t, 5) == 0; }},
      {"tcp_invalid_ratelimit",
       {},
       open,
       [](Config& c) { c.challenge_acks = 2; },
       [](Conversation& t) {
         const auto count = challenges(t, 20);
         return count >= 1 && count <= 2;
       }},
      {"tcp_invalid_ratelimit (period)",
       {.config = {.quick_acks = 0, .challenge_acks = 1}},
       open,
       [](Config& c) { c.challenge_period = 1s; },
       [](Conversation& t) {
         REQUIRE(challenges(t, 3) == 1);
         t.advance(1s);
         return challenges(t, 3) == 1;
       }},
      {"ip_no_pmtu_disc",
       {},
       open,
       [](Config& c) { c.path_mtu_discovery = false; },
       [](Conversation& t) {
         t.write("x");
         return !t.peer.hear_one().ip.dont_fragment;
       }},
      {"tcp_mtu_probe_floor",
       {.config = {.mtu_probing = {.mode = tcp::MtuProbingMode::after_black_hole}}},
       open,
       [](Config& c) { c.mtu_probing.floor = c.mtu_probing.base = 700; },
       [](Conversation& t) {
         t.write(stream(1460));
         t.advance(4min);
         return t.info().mss == 660;
       }},
      {"tcp_autocorking",
       {.settings = {.nagle = false}},
       open,
       [](Config& c) { c.auto_cork = false; },
       [](Conversation& t) {
         t.network.busy_until = t.lab.scheduler.now() + 1s;
         t.write("a");
         (void)t.peer.hear_one();
         t.write("b");
         return t.peer.hear().size() == 1;
       }},
      {"tcp_keepalive_time",
       {.settings = kKeepAlive},
       open,
       [](Config& c) { c.keepalive_idle = 3h; },
       [](Conversation& t) {
         t.advance(2h + 1min);
         const bool silent = t.peer.quiet();
         t.advance(59min);
         return silent && !t.peer.quiet();
       }},
      {"tcp_keepalive_intvl",
       {.settings = kKeepAlive},
       open,
       [](Config& c) { c.keepalive_interval = 10s; },
       [](Conversation& t) {
         t.advance(2h);
         REQUIRE(t.peer.hear().size() == 1);
         t.advance(10s);
         return t.peer.hear().size() == 1;
       }},
      {"tcp_keepalive_probes",
       {.settings = kKeepAlive},
       open,
       [](Config& c) { c.keepalive_probes = 3; },
       [](Conversation& t) {
         t.advance(2h + 3 * 75s);
         return t.app.error == Error::timed_out;
       }},
      {"tcp_max_tw_buckets",
       {},
       State::time_wait,
       [](Config& c) { c.max_time_wait = 1; },
       [](Conversation& t) {
         Open other{t};
         other.connection.close();
         (void)other.peer.hear();
         REQUIRE(other.peer.say({.flags = kFinAck}));
         (void)other.peer.hear();
         return t.tcp.connection_count() == 1;
       }},
      {"TCP_TIMEWAIT_LEN, which is none on Linux",
       {},
       State::time_wait,
       [](Config& c) { c.msl = 1s; },
       [](Conversation& t) {
         t.advance(2s);
         return t.tcp.connection_count() == 0;
       }},
  };
  return rows;
}
}  // namespace

TEST_CASE("what is set while the stack runs has effect on connections that begin later", "[tcp][run-time]") {
  for (const Later& row : later()) {
    INFO(row.sysctl);
    Wire as_before{{.quick_acks = 0}};
    CHECK_FALSE(row.shows(as_before));
    Wire wire{{.quick_acks = 0}};
    (void)wire.hear();
    set(wire, row.change);
    CHECK(row.shows(wire));
  }
}

TEST_CASE("what is set while the stack runs has effect on connections that are there", "[tcp][run-time]") {
  for (const Now& row : now()) {
    INFO(row.sysctl);
    Conversation as_before{row.options, row.state};
    CHECK_FALSE(row.shows(as_before));
    Conversation talk{row.options, row.state};
    set(talk, row.change);
    CHECK(row.shows(talk));
  }
}

TEST_CASE("tcp_dsack is set while the stack runs", "[tcp][run-time]") {
  const auto reports_duplicate = [](OptionTalk& talk) {
    REQUIRE(talk.say_stream(0, 100));
    (void)talk.hear();
    (void)talk.say_stream(0, 100);
    return !options_of(talk.hear_one()).sack.empty();
  };
  OptionTalk as_before;
  CHECK(reports_duplicate(as_before));
  OptionTalk talk;
  set(talk, [](Config& config) { config.dsack = false; });
  CHECK_FALSE(reports_duplicate(talk));
}

TEST_CASE("tcp_fastopen_blackhole_timeout is set while the stack runs", "[tcp][run-time]") {
  // A SYN with data stays without an answer twice: the way is taken to swallow those.
  const auto asks_again = [](bool change) {
    FastOpenClient client;
    if (change) set(client, [](Config& config) { config.fast_open_blackhole_timeout = 1h; });
    client.learn("cookie01");
    (void)client.open("data");
    client.advance(10s);
    client.finish();
    return cookie_in(client.open("data")).has_value();
  };
  CHECK(asks_again(false));
  CHECK_FALSE(asks_again(true));
}

TEST_CASE("a smaller table of waiting connections lets the oldest go at once", "[tcp][run-time]") {
  Wire wire;
  for (std::uint16_t i = 0; i < 5; ++i) {
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
    wire.advance(1s);
  }
  REQUIRE(wire.tcp.connection_count() == 5);
  set(wire, [](Config& config) { config.max_time_wait = 2; });
  const auto left = wire.tcp.connections();
  REQUIRE(left.size() == 2);
  for (const auto& info : left) CHECK(info.remote.port >= Port{5003});
  // And when they go changes for those that wait.
  set(wire, [](Config& config) { config.msl = 1s; });
  wire.advance(0s);
  CHECK(wire.tcp.connection_count() == 1);  // two seconds ago, and one
  set(wire, [](Config& config) { config.msl = 10min; });
  wire.advance(19min);
  CHECK(wire.tcp.connection_count() == 1);
  wire.advance(1min);
  CHECK(wire.tcp.connection_count() == 0);
}
