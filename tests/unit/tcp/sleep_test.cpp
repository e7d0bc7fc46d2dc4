// Config::sleep_after: a connection with nothing to do is packed, and is as it was when something happens.

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "fixed_window.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

std::uint64_t sleeping(const Wire& wire) { return wire.tcp.stats().sleeps - wire.tcp.stats().wakes; }

/// What an Info says, times that pass by themselves left out.
auto lasting(const tcp::Info& info) {
  return std::tuple{info.state,
                    info.snd_una,
                    info.snd_nxt,
                    info.snd_wnd,
                    info.rcv_nxt,
                    info.rcv_wnd,
                    info.timestamps,
                    info.sack,
                    info.snd_wind_shift,
                    info.rcv_wind_shift,
                    info.mss,
                    info.cwnd,
                    info.ssthresh,
                    info.congestion_control,
                    info.delivered,
                    info.rto,
                    info.srtt,
                    info.rttvar,
                    info.min_rtt,
                    info.send_buffer,
                    info.receive_buffer,
                    info.bytes_sent,
                    info.bytes_acked,
                    info.bytes_received,
                    info.segments_sent,
                    info.segments_received,
                    info.receive_mss,
                    info.busy,
                    info.user_timeout};
}

/// Some data went both ways, and a second and a half have passed.
struct Slept : Conversation {
  explicit Slept(const ConversationOptions& options = {}) : Conversation{options} {
    write("21.5");
    CHECK(text_of(peer.hear_one().payload) == "21.5");
    CHECK(peer.say({.payload = "ok"}));
    CHECK(read() == "ok");
    advance(500ms);
    (void)peer.hear();
    before = lasting(info());
    app = {};
    advance(1000ms);
    CHECK(sleeping(*this) == 1);
  }
  decltype(lasting(tcp::Info{})) before;
};

}  // namespace

TEST_CASE("a connection sleeps after a second without anything to do, and no timer runs then", "[tcp]") {
  Conversation talk;
  talk.write("21.5");
  (void)talk.peer.hear_one();
  talk.advance(500ms);
  CHECK(talk.peer.say({}));
  talk.advance(999ms);
  CHECK(sleeping(talk) == 0);
  CHECK(talk.lab.scheduler.armed_timers() == 1);
  talk.advance(1ms);
  CHECK(sleeping(talk) == 1);
  CHECK(talk.lab.scheduler.armed_timers() == 0);
  talk.advance(24h);
  CHECK(talk.tcp.stats().sleeps == 1);
  CHECK(talk.tcp.stats().wakes == 0);
  CHECK(talk.peer.quiet());
}

TEST_CASE("one that is told never to sleep does not", "[tcp]") {
  Conversation talk{{.config = {.quick_acks = 0, .sleep_after = 0s}}};
  talk.advance(24h);
  CHECK(talk.tcp.stats().sleeps == 0);
}

TEST_CASE("who only looks at a sleeping connection sees what was there, and it sleeps on", "[tcp]") {
  Slept talk;
  CHECK(lasting(talk.info()) == talk.before);
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.connection.unread() == 0);
  CHECK(talk.connection.unacknowledged() == 0);
  CHECK(talk.connection.unsent() == 0);
  CHECK(talk.connection.worth_writing());
  CHECK_FALSE(talk.connection.peer_closed());
  CHECK_FALSE(talk.connection.error());
  CHECK(talk.connection.local() == talk.peer.us);
  CHECK(talk.connection.remote() == talk.peer.them);
  CHECK(talk.tcp.connections().size() == 1);
  CHECK(lasting(talk.tcp.connections().front()) == talk.before);
  CHECK(sleeping(talk) == 1);
  CHECK(talk.lab.scheduler.armed_timers() == 0);
}

TEST_CASE("data for a sleeping connection wakes it, and its handlers", "[tcp]") {
  Slept talk;
  CHECK(talk.peer.say({.payload = "on"}));
  talk.advance(1ms);
  CHECK(talk.app.readable == 1);
  CHECK(talk.read() == "on");
  CHECK(sleeping(talk) == 0);
  talk.advance(200ms);
  CHECK(talk.peer.hear_one().pure_ack());
  talk.advance(2s);
  CHECK(sleeping(talk) == 1);
}

TEST_CASE("data to send wakes it, and goes on where the stream stood", "[tcp]") {
  Slept talk;
  talk.write("22.0");
  const auto heard = talk.peer.hear_one();
  CHECK(heard.seq == std::get<2>(talk.before));
  CHECK(text_of(heard.payload) == "22.0");
  talk.advance(10s);
  CHECK(sleeping(talk) == 0);  // nobody acknowledges it
}

TEST_CASE("the peer's end, a reset and an attack find a sleeping connection as any other", "[tcp]") {
  SECTION("FIN") {
    Slept talk;
    CHECK(talk.peer.say({.flags = kFinAck}));
    talk.advance(1ms);
    CHECK(talk.app.peer_closed == 1);
    CHECK(talk.at_end());
    CHECK(talk.connection.state() == State::close_wait);
  }
  SECTION("RST") {
    Slept talk;
    CHECK(talk.peer.say({.flags = kRst}));
    talk.advance(1ms);
    CHECK(talk.app.closed == 1);
    CHECK(talk.app.error == Error::connection_reset);
    CHECK(talk.connection.error() == Error::connection_reset);
  }
  SECTION("a RST that is not at RCV.NXT") {
    Slept talk;
    CHECK_FALSE(talk.peer.say({.flags = kRst, .seq = talk.peer.nxt + 100}));
    CHECK(talk.peer.hear_one().pure_ack());
    CHECK(talk.connection.state() == State::established);
  }
}

TEST_CASE("closing, aborting and forgetting a sleeping connection", "[tcp]") {
  Slept talk;
  SECTION("close") {
    talk.connection.close();
    CHECK(talk.peer.hear_one().flags == kFinAck);
  }
  SECTION("abort") {
    talk.connection.abort();
    CHECK(talk.peer.hear_one().flags == kRstAck);
  }
  SECTION("the handle goes") {
    talk.connection = {};
    CHECK(talk.peer.hear_one().flags == kFinAck);
    CHECK(talk.tcp.connections().front().state == State::fin_wait_1);
  }
}

TEST_CASE("handlers given to a sleeping connection are the ones that are called", "[tcp]") {
  Slept talk;
  int readable = 0;
  talk.connection.handle({.readable = [&] { ++readable; }});
  talk.advance(5s);
  CHECK(sleeping(talk) == 1);
  CHECK(talk.peer.say({.payload = "x"}));
  talk.advance(1ms);
  CHECK(readable == 1);
  CHECK(talk.app.readable == 0);
}

TEST_CASE("what is not read keeps a connection awake, and reading lets it sleep", "[tcp]") {
  Conversation talk;
  CHECK(talk.peer.say({.payload = "21.5"}));
  talk.advance(1h);
  CHECK(sleeping(talk) == 0);
  CHECK(talk.read() == "21.5");
  talk.advance(1s);
  CHECK(sleeping(talk) == 1);
}

TEST_CASE("a gap keeps it awake, and so does what is not acknowledged", "[tcp]") {
  Conversation talk;
  SECTION("a gap") { CHECK(talk.peer.say({.seq = talk.peer.nxt + 10, .payload = "x"})); }
  SECTION("data") { talk.write("x"); }
  (void)talk.peer.hear();
  talk.advance(5s);
  CHECK(sleeping(talk) == 0);
}

TEST_CASE("keep-alive keeps it awake, and works; without it, it sleeps", "[tcp]") {
  Slept talk;
  CHECK(talk.connection.set_keepalive({.on = true, .idle = 10s, .interval = 5s, .probes = 2}));
  talk.advance(9s);
  CHECK(sleeping(talk) == 0);
  talk.advance(1s);
  CHECK_FALSE(talk.peer.quiet());
  CHECK(talk.peer.say({}));
  CHECK(talk.connection.set_keepalive({.on = false}));
  talk.advance(2s);
  CHECK(sleeping(talk) == 1);
}

TEST_CASE("settings made before it slept are those that it wakes with", "[tcp]") {
  Slept talk{{.config = {.quick_acks = 0}, .settings = {.tos = 0x20, .congestion_control = "newreno"}}};
  talk.connection.set_ttl(7);
  talk.connection.set_nagle(false);
  talk.advance(5s);
  CHECK(sleeping(talk) == 1);
  CHECK(talk.info().congestion_control == "newreno");
  talk.write("a");
  const auto heard = talk.peer.hear_one();
  CHECK(heard.ip.ttl == 7);
  CHECK(heard.ip.tos == 0x20);
  talk.write("b");
  CHECK(text_of(talk.peer.hear_one().payload) == "b");  // without Nagle
}

TEST_CASE("another configuration of the stack leaves a sleeping connection what it had, and lets it sleep", "[tcp]") {
  Slept talk;
  tcp::Config config = talk.tcp.config();
  config.send_buffer = 1000;
  config.receive_buffer = 1000;
  config.min_rto = 7s;
  config.congestion_control = "bbr";
  config.quick_acks = 5;
  talk.tcp.set_config(config);
  CHECK(sleeping(talk) == 1);
  CHECK(lasting(talk.info()) == talk.before);
  CHECK(sleeping(talk) == 1);
  talk.write("22.0");
  CHECK(text_of(talk.peer.hear_one().payload) == "22.0");
}

TEST_CASE("an algorithm that is not packed sleeps as it is", "[tcp]") {
  Slept talk{{.config = {.quick_acks = 0, .congestion_control = "bbr"}}};
  CHECK(lasting(talk.info()) == talk.before);
  CHECK(talk.info().congestion_control == "bbr");
  CHECK(lasting(talk.info()) == talk.before);
  talk.write("22.0");
  CHECK(text_of(talk.peer.hear_one().payload) == "22.0");
}

TEST_CASE("an error report is about nothing that a sleeping connection has in flight", "[tcp]") {
  Slept talk;
  const auto quote = [&talk](SeqNum sequence) {
    Bytes quoted(8);
    const std::array<BigEndian<std::uint16_t>, 2> ports{BigEndian<std::uint16_t>{talk.peer.us.port.value()},
                                                        BigEndian<std::uint16_t>{talk.peer.them.port.value()}};
    const BigEndian<std::uint32_t> number{sequence.value()};
    std::memcpy(quoted.data(), ports.data(), sizeof(ports));
    std::memcpy(quoted.data() + sizeof(ports), &number, sizeof(number));
    return quoted;
  };
  const auto report = [&talk](const Bytes& quoted) {
    network::ErrorReport error;
    error.kind = network::ErrorKind::fragmentation_needed;
    error.type = 3;
    error.code = 4;
    error.source = kOurAddress;
    error.destination = kPeerAddress;
    error.next_hop_mtu = 576;
    error.transport = quoted;
    talk.network.report(network::Protocol::tcp, error);
  };
  const SeqNum next = talk.info().snd_nxt;
  const auto old = quote(next - 4);
  report(old);
  CHECK(talk.drops(Drop::unrelated_error) == 1);
  CHECK(talk.info().mss == std::get<10>(talk.before));
  talk.write(std::string(1000, 'x'));
  (void)talk.peer.hear_one();
  const auto now = quote(next);
  report(now);
  CHECK(talk.info().mss < std::get<10>(talk.before));
}

TEST_CASE("a stack that goes ends the connections that sleep", "[tcp]") {
  auto talk = std::make_unique<Slept>();
  tcp::Connection connection = std::move(talk->connection);
  talk.reset();
  CHECK(connection.state() == State::closed);
  CHECK(connection.error() == Error::connection_aborted);
  CHECK(connection.info().bytes_received == 2);
}

TEST_CASE("while a handler of its own runs a connection does not sleep, though time goes on", "[tcp]") {
  Conversation talk;
  int calls = 0;
  talk.connection.handle({.readable =
                              [&] {
                                ++calls;
                                (void)talk.read();
                                talk.advance(10s);  // it waits for something else
                                CHECK(sleeping(talk) == 0);
                              },
                          .acknowledged = [&] { calls += 10; }});
  talk.write("x");
  (void)talk.peer.hear_one();
  CHECK(talk.peer.say({.payload = "y"}));  // acknowledges, too
  talk.advance(1ms);
  CHECK(calls == 11);
  talk.advance(2s);
  CHECK(sleeping(talk) == 1);
}

TEST_CASE("looking is no waking: neither is counted, and an algorithm of the user's is made once", "[tcp]") {
  int made = 0;
  tcp::Config config{.quick_acks = 0};
  config.congestion_controls["fixed"] = [&made](const tcp::CongestionParameters&) {
    ++made;
    return std::make_unique<FixedWindow>(10'000);
  };
  config.congestion_control = "fixed";
  Slept talk{{.config = config}};
  for (int i = 0; i < 5; ++i) CHECK(lasting(talk.info()) == talk.before);
  std::array<std::byte, 4> into{};
  CHECK(talk.connection.peek(into) == 0);
  CHECK(talk.connection.discard(1) == 0);
  CHECK(talk.connection.receive(into).error() == Error::would_block);
  CHECK(talk.connection.receive_slice().error() == Error::would_block);
  CHECK(talk.connection.urgent_unread() == 0);
  CHECK(talk.tcp.stats().sleeps == 1);
  CHECK(talk.tcp.stats().wakes == 0);
  talk.write("22.0");
  CHECK(text_of(talk.peer.hear_one().payload) == "22.0");
  CHECK(made == 1);
}

TEST_CASE("whoever is accepted late, was deferred, or asked for room sleeps, too", "[tcp]") {
  SECTION("accepted late") {
    Wire wire;
    auto listener = wire.tcp.listen(kService);
    REQUIRE(listener);
    Peer peer{wire, kService};
    CHECK(peer.say({.flags = kSyn}));
    (void)peer.hear_one();
    CHECK(peer.say({}));
    wire.advance(1h);
    CHECK(sleeping(wire) == 0);  // the listener knows it still
    const auto accepted = listener->accept();
    REQUIRE(accepted);
    wire.advance(1s);
    CHECK(sleeping(wire) == 1);
  }
  SECTION("deferred") {
    Wire wire;
    std::optional<tcp::Connection> accepted;
    auto listener = wire.tcp.listen(kService, [&](tcp::Connection connection) { accepted = std::move(connection); }, {.defer_accept = 3s});
    REQUIRE(listener);
    Peer peer{wire, kService};
    CHECK(peer.say({.flags = kSyn}));
    (void)peer.hear_one();
    CHECK(peer.say({.payload = "x"}));
    wire.advance(1s);
    REQUIRE(accepted);
    CHECK(accepted->discard(1) == 1);
    wire.advance(2s);
    CHECK(sleeping(wire) == 1);
  }
  SECTION("asked for room") {
    Conversation talk;
    talk.connection.await_room();
    talk.advance(2s);
    CHECK(sleeping(talk) == 1);
  }
  SECTION("urgent data read after it was acknowledged") {
    Conversation talk;
    CHECK(talk.peer.say({.flags = kAck | Flags::urg, .payload = "x", .urgent = 1}));
    talk.advance(1h);
    CHECK(sleeping(talk) == 0);
    CHECK(talk.read() == "x");
    talk.advance(1s);
    CHECK(sleeping(talk) == 1);
  }
}

TEST_CASE("a stack that is told that nobody sleeps any more puts nobody to sleep", "[tcp]") {
  Conversation talk;
  talk.write("x");
  (void)talk.peer.hear_one();
  CHECK(talk.peer.say({}));
  tcp::Config config = talk.tcp.config();
  config.sleep_after = 0s;
  talk.tcp.set_config(config);
  talk.advance(1h);
  CHECK(talk.tcp.stats().sleeps == 0);
}

TEST_CASE("looking whether there is nothing to do changes nothing: a closed window leaves cwnd as it is", "[tcp]") {
  const auto cwnd_behind_closed_window = [](Duration sleep_after) {
    tcp::Config config{.quick_acks = 0};
    config.sleep_after = sleep_after;
    config.min_rto = config.initial_rto = 200ms;
    config.probe_with_data = false;  // nothing is outstanding then
    Conversation talk{{.config = config}};
    talk.write(stream(14'600));
    talk.advance(10ms);
    (void)talk.peer.hear();
    CHECK(talk.peer.say({}));
    CHECK(talk.info().cwnd > 14'600);
    talk.advance(10ms);
    talk.write("x");
    (void)talk.peer.hear();
    CHECK(talk.peer.say({.window = std::uint16_t{0}}));
    talk.write(stream(1'000));
    talk.advance(550ms);  // between the first probe and the second, longer after that than a timeout
    return talk.info().cwnd;
  };
  CHECK(cwnd_behind_closed_window(450ms) == cwnd_behind_closed_window(0s));
  CHECK(cwnd_behind_closed_window(0s) > 14'600);
}
