#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include "option_talk.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A listener with room for two handshakes, both under way and never to be completed.
struct FullListener : Wire {
  explicit FullListener(tcp::Config config = {}, std::size_t backlog = 128) : Wire{std::move(config)} {
    listener = *tcp.listen(kService, [this](tcp::Connection accepted) { connections.push_back(std::move(accepted)); },
                           {.backlog = backlog, .max_half_open = 2});
    for (const auto port : {Port{1}, Port{2}}) {
      Peer stranger{*this, kService, {kPeerAddress, port}};
      REQUIRE(stranger.say({.flags = kSyn, .options = mss_option(1460)}));
      REQUIRE(stranger.hear_one().flags == kSynAck);
    }
    REQUIRE(listener.half_open() == 2);
  }
  /// The text that the only accepted connection has received.
  std::string read() {
    lab.advance(0s);
    REQUIRE(connections.size() == 1);
    std::vector<std::byte> bytes(1000);
    const auto count = connections.front().receive(bytes);
    REQUIRE(count);
    bytes.resize(*count);
    return text_of(bytes);
  }

  std::vector<tcp::Connection> connections;
  tcp::Listener listener;
  Peer peer{*this, kService};
};
}  // namespace

TEST_CASE("a full listener answers a SYN, keeps nothing, and opens by the ACK", "[tcp][cookies]") {
  FullListener wire;
  REQUIRE(wire.peer.say({.flags = kSyn, .options = mss_option(1000)}));
  const auto answer = wire.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.ack == wire.peer.nxt);
  CHECK(answer.options == mss_option(1460));
  CHECK(wire.tcp.connection_count() == 2);
  CHECK(wire.listener.half_open() == 2);
  wire.advance(30s);
  CHECK(wire.peer.state() == State::closed);
  (void)wire.hear();

  REQUIRE(wire.peer.say({.payload = "hello"}));
  CHECK(wire.peer.state() == State::established);
  CHECK(wire.read() == "hello");
  CHECK(wire.connections.front().info().mss == 536);  // the largest of the eight sizes that 1000 bytes hold
  CHECK(wire.tcp.stats().cookies_sent == 1);
  CHECK(wire.tcp.stats().cookies_accepted == 1);
  REQUIRE(wire.connections.front().send(std::as_bytes(std::span{"world", 5})));
  bool heard = false;
  for (const auto& segment : wire.peer.hear()) heard = heard || text_of(segment.payload) == "world";
  CHECK(heard);
  CHECK(wire.listener.half_open() == 2);  // the two that are under way: this one never was
  wire.connections.front().abort();
  CHECK(wire.listener.half_open() == 2);
}

TEST_CASE("a connection that a cookie opened and that ends before it is accepted leaves the handshakes under way as they are",
          "[tcp][cookies]") {
  FullListener wire;
  wire.listener.handle({});
  REQUIRE(wire.peer.say({.flags = kSyn}));
  (void)wire.peer.hear_one();
  REQUIRE(wire.peer.say({}));
  CHECK(wire.peer.state() == State::established);
  CHECK(wire.listener.half_open() == 2);
  REQUIRE(wire.peer.say({.flags = kRst}));
  CHECK(wire.peer.state() == State::closed);
  CHECK(wire.listener.half_open() == 2);
  wire.listener = {};
  CHECK(wire.tcp.connection_count() == 0);
}

TEST_CASE("below the limit a handshake is kept as always", "[tcp][cookies]") {
  Wire wire;
  const auto listener = *wire.tcp.listen(kService, {}, {.max_half_open = 2});
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn}));
  (void)peer.hear_one();
  CHECK(peer.state() == State::syn_received);
  CHECK(wire.tcp.stats().cookies_sent == 0);
}

TEST_CASE("an ACK that answers no cookie is reset", "[tcp][cookies]") {
  FullListener wire;
  SECTION("though cookies are about") {
    REQUIRE(wire.peer.say({.flags = kSyn}));
    const auto answer = wire.peer.hear_one();
    const auto outcome = wire.peer.say({.ack = answer.seq + 2});
    CHECK(outcome == std::unexpected{Drop::bad_cookie});
    const auto reset = wire.peer.hear_one();
    CHECK(reset.flags == kRst);
    CHECK(reset.seq == answer.seq + 2);
    CHECK(wire.drops(Drop::bad_cookie) == 1);
    CHECK(wire.peer.state() == State::closed);
    CHECK(wire.peer.say({.ack = answer.seq + 1}));  // and the right one still opens
    CHECK(wire.peer.state() == State::established);
  }
  SECTION("and when none was sent it is not even tried") {
    CHECK(wire.peer.say({.ack = SeqNum{1}}) == std::unexpected{Drop::no_connection});
    CHECK(wire.peer.hear_one().flags == kRst);
  }
  SECTION("or when it comes too late") {
    REQUIRE(wire.peer.say({.flags = kSyn}));
    (void)wire.peer.hear_one();
    wire.advance(200s);
    CHECK(wire.peer.say({}) == std::unexpected{Drop::no_connection});
    // The two handshakes under way are repeated meanwhile.
    const auto all = wire.hear();
    CHECK(std::ranges::count_if(all, [&](const Heard& heard) { return heard.to == wire.peer.them && heard.flags == kRst; }) == 1);
  }
}

TEST_CASE("options live on in the timestamp, and only there", "[tcp][cookies]") {
  FullListener wire;
  SECTION("with timestamps") {
    REQUIRE(wire.peer.say({.flags = kSyn, .options = syn_options(1460, {.sack = true, .timestamp = 500, .window_scale = 3}, 0)}));
    const auto options = options_of(wire.peer.hear_one());
    REQUIRE(options.timestamps);
    CHECK(options.timestamps->second == 500);
    CHECK(options.sack_permitted);
    CHECK(options.window_scale);
    REQUIRE(wire.peer.say({.window = 1000, .payload = "x", .options = timestamp_option(501, options.timestamps->first)}));
    CHECK(wire.read() == "x");
    const auto info = wire.connections.front().info();
    CHECK(info.snd_wnd == 1000U << 3U);
    CHECK(info.mss == 1448);
    (void)wire.peer.hear();
    // A hole in what arrives is reported, so SACK is on.
    const SeqNum beyond = wire.peer.nxt + 100;
    REQUIRE(wire.peer.say({.seq = beyond, .payload = "beyond", .options = timestamp_option(502, 0)}));
    const auto sack = options_of(wire.peer.hear_one()).sack;
    REQUIRE(sack.size() == 1);
    CHECK(sack.front() == std::pair{beyond, beyond + 6});
  }
  SECTION("without timestamps nothing else is agreed on") {
    REQUIRE(wire.peer.say({.flags = kSyn, .options = syn_options(1460, {.sack = true, .timestamp = {}, .window_scale = 3}, 0)}));
    const auto options = options_of(wire.peer.hear_one());
    CHECK(options.mss == 1460);
    CHECK_FALSE(options.timestamps);
    CHECK_FALSE(options.sack_permitted);
    CHECK_FALSE(options.window_scale);
    REQUIRE(wire.peer.say({.window = 1000, .payload = "x"}));
    CHECK(wire.read() == "x");
    CHECK(wire.connections.front().info().snd_wnd == 1000);
  }
}

TEST_CASE("ECN lives on in the timestamp, and only there", "[tcp][cookies][RFC3168-6.1.1-2][RFC3168-6.1.1-3]") {
  constexpr Flags kSetup = Flags::syn | Flags::ece | Flags::cwr;
  constexpr std::uint8_t kEct0 = 2;
  constexpr std::uint8_t kCe = 3;
  struct Case {
    const char* name;
    Flags syn;
    std::optional<std::uint32_t> timestamp;
    tcp::EcnMode mode;
    bool agreed;
  };
  for (const Case& one : {Case{"asked for, with a timestamp", kSetup, 500, tcp::EcnMode::passive, true},
                          Case{"not asked for", kSyn, 500, tcp::EcnMode::passive, false},
                          Case{"without a timestamp", kSetup, {}, tcp::EcnMode::passive, false},
                          Case{"of a stack that has none", kSetup, 500, tcp::EcnMode::off, false}}) {
    INFO(one.name);
    FullListener wire{{.ecn = one.mode}};
    Peer& peer = wire.peer;
    REQUIRE(peer.say({.flags = one.syn, .options = syn_options(1460, {.sack = true, .timestamp = one.timestamp, .window_scale = 7}, 0)}));
    const auto answer = peer.hear_one();
    CHECK(answer.flags == (one.agreed ? kSynAck | Flags::ece : kSynAck));
    CHECK(wire.tcp.connection_count() == 2);  // nothing is kept of it
    const auto stamps = [&] {
      return one.timestamp ? timestamp_option(*one.timestamp + 1, options_of(answer).timestamps->first) : Bytes{};
    };
    REQUIRE(peer.say({.payload = "x", .options = stamps()}));
    CHECK(wire.read() == "x");
    tcp::Connection& connection = wire.connections.front();
    CHECK(connection.info().ecn == one.agreed);
    (void)peer.hear();
    // Our data can be marked, and the peer is told of marks on its own.
    REQUIRE(connection.send(std::as_bytes(std::span{"data", 4})));
    const auto data = peer.hear_one();
    CHECK((data.ip.tos & 3U) == (one.agreed ? kEct0 : 0));
    auto marked = FakeNetwork::received(network::Protocol::tcp, peer.them.address, peer.us.address);
    marked.tos = kCe;
    REQUIRE(wire.network.inject(peer.bytes({.payload = "marked", .options = stamps()}), marked));
    peer.nxt += 6U;
    wire.advance(200ms);
    const auto heard = peer.hear();
    REQUIRE_FALSE(heard.empty());
    CHECK(heard.front().has(Flags::ece) == one.agreed);
  }
}

TEST_CASE("cookies can be forbidden, and asked for always", "[tcp][cookies]") {
  SECTION("never: what finds no room is dropped") {
    FullListener wire{{.syn_cookies = tcp::SynCookiePolicy::never}};
    CHECK(wire.peer.say({.flags = kSyn}) == std::unexpected{Drop::backlog_full});
    CHECK(wire.peer.quiet());
  }
  SECTION("always: no handshake is kept") {
    Wire wire{{.syn_cookies = tcp::SynCookiePolicy::always}};
    const auto listener = *wire.tcp.listen(kService);
    Peer peer{wire, kService};
    REQUIRE(peer.say({.flags = kSyn}));
    CHECK(peer.hear_one().flags == kSynAck);
    CHECK(wire.tcp.connection_count() == 0);
    REQUIRE(peer.say({}));
    CHECK(peer.state() == State::established);
  }
}

TEST_CASE("a full accept queue takes no cookie either", "[tcp][cookies]") {
  FullListener wire{{}, 1};
  wire.listener.handle({});  // nobody accepts
  REQUIRE(wire.peer.say({.flags = kSyn}));
  (void)wire.peer.hear_one();
  Peer other{wire, kService, {kPeerAddress, Port{6000}}};
  REQUIRE(other.say({.flags = kSyn}));
  (void)other.hear_one();
  REQUIRE(wire.peer.say({}));
  REQUIRE(wire.listener.waiting() == 1);
  CHECK(other.say({}) == std::unexpected{Drop::backlog_full});
  CHECK(other.quiet());  // its next segment tries again
  REQUIRE(wire.listener.accept());
  CHECK(other.say({.payload = "again"}));
  CHECK(other.state() == State::established);
}

TEST_CASE("ten thousand SYNs a second from nowhere do not keep an honest peer out", "[tcp][cookies]") {
  FullListener wire;
  std::uint32_t address = kPeerAddress.value() + 1;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 100; ++i) {
      Peer stranger{
          wire, kService, {Ipv4Address{0xc6336400U + (address++ & 0xffU)}, Port{static_cast<std::uint16_t>(1024 + (address & 0x3fffU))}}};
      (void)stranger.say({.flags = kSyn, .options = mss_option(1460)});
    }
    (void)wire.hear();
    wire.advance(10ms);
  }
  CHECK(wire.tcp.connection_count() == 2);
  CHECK(wire.tcp.stats().cookies_sent >= 9'000);
  REQUIRE(wire.peer.say({.flags = kSyn, .options = mss_option(1460)}));
  for (const auto& heard : wire.hear()) {  // the two handshakes under way are repeated meanwhile
    if (heard.to == wire.peer.them) wire.peer.rcv = heard.end();
  }
  REQUIRE(wire.peer.say({.payload = "served"}));
  CHECK(wire.read() == "served");
}
