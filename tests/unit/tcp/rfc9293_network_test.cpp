#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
struct Icmp {
  network::ErrorKind kind;
  std::uint8_t type;
  std::uint8_t code;
};
constexpr std::array kSoft{Icmp{network::ErrorKind::network_unreachable, 3, 0},       Icmp{network::ErrorKind::host_unreachable, 3, 1},
                           Icmp{network::ErrorKind::source_route_failed, 3, 5},       Icmp{network::ErrorKind::ttl_exceeded, 11, 0},
                           Icmp{network::ErrorKind::reassembly_time_exceeded, 11, 1}, Icmp{network::ErrorKind::parameter_problem, 12, 0}};
constexpr std::array kHard{Icmp{network::ErrorKind::protocol_unreachable, 3, 2}, Icmp{network::ErrorKind::port_unreachable, 3, 3}};

/// An ICMP error that quotes a segment of the connection's with number `seq`.
void report(Conversation& talk, const Icmp& icmp, SeqNum seq, std::uint16_t mtu = 0) {
  Bytes quoted(8);
  const auto put = [&](std::size_t at, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) quoted[at + i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)) & 0xffU);
  };
  put(0, talk.peer.us.port.value(), 2);
  put(2, talk.peer.them.port.value(), 2);
  put(4, seq.value(), 4);
  network::ErrorReport error;
  error.kind = icmp.kind;
  error.type = icmp.type;
  error.code = icmp.code;
  error.reporter = "198.51.100.1"_ipv4;
  error.source = talk.peer.us.address;
  error.destination = talk.peer.them.address;
  error.next_hop_mtu = mtu;
  error.transport = quoted;
  talk.network.report(network::Protocol::tcp, error);
}
}  // namespace

TEST_CASE("soft errors are reported and survived", "[tcp][RFC9293-MUST-47][RFC9293-MUST-56][RFC9293-SHLD-25][RFC1122-3.2.2.1-6]") {
  for (const auto state : {State::established, State::syn_sent}) {
    for (const auto& icmp : kSoft) {
      Conversation talk{{}, state};
      if (state == State::established) {
        talk.write("data");
        (void)talk.peer.hear();
      }
      INFO(name(state) << ' ' << int{icmp.type} << '/' << int{icmp.code});
      report(talk, icmp, talk.info().snd_una);
      (void)talk.peer.hear();
      CHECK(talk.connection.state() == state);
      REQUIRE(talk.app.soft_errors.size() == 1);
      CHECK(talk.app.soft_errors[0].type == icmp.type);
      CHECK(talk.app.soft_errors[0].code == icmp.code);
      REQUIRE(talk.info().soft_error);
      CHECK(talk.info().soft_error->type == icmp.type);
      CHECK(talk.info().soft_error->reporter == IpAddress{"198.51.100.1"_ipv4});
      if (state == State::syn_sent) {
        REQUIRE(talk.peer.say({.flags = kSynAck}));
        (void)talk.peer.hear();
      }
      CHECK(talk.connection.state() == State::established);
      talk.peer.acknowledge();
      REQUIRE(talk.peer.say({.payload = "still alive"}));
      CHECK(talk.read() == "still alive");
    }
  }
}

TEST_CASE("soft-error reports can be disabled", "[tcp][RFC9293-SHLD-20]") {
  Conversation talk{{.settings = {.report_soft_errors = false}}};
  talk.write("data");
  (void)talk.peer.hear();
  report(talk, kSoft[1], talk.info().snd_una);
  (void)talk.peer.hear();
  CHECK(talk.app.soft_errors.empty());
  CHECK(talk.info().soft_error);
}

TEST_CASE("hard errors fail an open at once", "[tcp][RFC9293-SHLD-26][RFC1122-3.2.2.1-5]") {
  for (const auto& icmp : kHard) {
    Conversation talk{{}, State::syn_sent};
    report(talk, icmp, talk.peer.rcv - 1U);
    CHECK(talk.peer.quiet());
    CHECK(talk.connection.state() == State::closed);
    CHECK(talk.app.closed == 1);
    CHECK(talk.app.error == make_error_code(icmp.code == 3 ? Error::connection_refused : Error::protocol_unreachable));
  }
  Conversation talk;  // code 4 is for path-MTU discovery
  talk.write(stream(1460));
  (void)talk.peer.hear();
  talk.network.mtu = 576;
  report(talk, {network::ErrorKind::fragmentation_needed, 3, 4}, talk.info().snd_una, 576);
  (void)talk.peer.hear();
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.info().mss == 536);
}

TEST_CASE("an error reaches the connection that it quotes", "[tcp][RFC9293-MUST-54]") {
  Conversation talk;
  App other_app;
  auto other = talk.tcp.connect({kPeerAddress, Port{5001}});
  REQUIRE(other);
  other->handle(other_app.events());
  (void)talk.hear();
  talk.write("data");
  (void)talk.peer.hear();
  report(talk, kSoft[1], talk.info().snd_una);
  (void)talk.hear();
  CHECK(talk.app.soft_errors.size() == 1);
  CHECK(other_app.soft_errors.empty());
  CHECK_FALSE(other->info().soft_error);
}

TEST_CASE("an error that quotes nothing in flight is ignored", "[tcp][RFC5927-4.1-1]") {
  Conversation talk;
  talk.write("data");
  (void)talk.peer.hear();
  for (const auto seq : {talk.info().snd_una - 1U, talk.info().snd_nxt, talk.info().snd_nxt + 1000U}) {
    for (const auto& icmp : kHard) report(talk, icmp, seq);
    report(talk, kSoft[0], seq);
  }
  (void)talk.peer.hear();
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.app.soft_errors.empty());
  CHECK(talk.drops(Drop::unrelated_error) == 9);
}

TEST_CASE("an established connection survives hard errors, which it reports", "[tcp][RFC5927-5.2-1]") {
  for (const auto& icmp : kHard) {
    Conversation talk;
    talk.write("data");
    (void)talk.peer.hear();
    report(talk, icmp, talk.info().snd_una);
    CHECK(talk.peer.quiet());
    CHECK(talk.connection.state() == State::established);
    REQUIRE(talk.app.soft_errors.size() == 1);
    CHECK(talk.app.soft_errors[0].code == icmp.code);
    talk.peer.acknowledge();
    REQUIRE(talk.peer.say({.payload = "still alive"}));
    CHECK(talk.read() == "still alive");
  }
}

TEST_CASE("the Diffserv field is the application's, on every segment", "[tcp][RFC9293-MUST-48][RFC9293-SHLD-22]") {
  Conversation talk{{.settings = {.tos = 34U << 2U}}};
  talk.write("data");
  CHECK(talk.peer.hear_one().ip.tos == 34U << 2U);
  talk.advance(1s);
  CHECK(talk.peer.hear_one().ip.tos == 34U << 2U);  // a retransmission
  REQUIRE(talk.peer.say({.payload = "data"}));
  talk.advance(500ms);
  CHECK(talk.peer.hear_one().ip.tos == 34U << 2U);  // a pure ACK
  REQUIRE(talk.connection.shutdown());
  CHECK(talk.peer.hear_one().ip.tos == 34U << 2U);
  Wire wire;
  const auto expedited = wire.tcp.connect({kPeerAddress, kPeerPort}, {.settings = {.tos = 0xb8}});
  REQUIRE(expedited);
  CHECK(wire.hear().at(0).ip.tos == 0xb8);
}

TEST_CASE("the Diffserv field can be changed", "[tcp][RFC9293-SHLD-21]") {
  Conversation talk{{.settings = {.tos = 10U << 2U}}};
  talk.write("before");
  CHECK(talk.peer.hear_one().ip.tos == 10U << 2U);
  talk.peer.acknowledge();
  talk.connection.set_tos(46U << 2U);
  talk.write("after");
  CHECK(talk.peer.hear_one().ip.tos == 46U << 2U);
}

TEST_CASE("the Diffserv value received is shown", "[tcp][RFC9293-MAY-9]") {
  Conversation talk;
  auto from = FakeNetwork::received(network::Protocol::tcp, kPeerAddress, kOurAddress);
  from.tos = 10U << 2U;
  REQUIRE(talk.network.inject(talk.peer.bytes({.payload = "x"}), from));
  CHECK(talk.info().received_tos == 10U << 2U);
}

TEST_CASE("the TTL is configurable", "[tcp][RFC9293-MUST-49]") {
  Conversation talk{{.settings = {.ttl = std::uint8_t{3}}}};
  talk.write("data");
  CHECK(talk.peer.hear_one().ip.ttl == 3);
  Conversation standard;
  standard.write("data");
  CHECK_FALSE(standard.peer.hear_one().ip.ttl);  // the stack's default
  Wire wire;
  CHECK(wire.tcp.connect({kPeerAddress, kPeerPort}, {.settings = {.ttl = std::uint8_t{0}}}).error() == Error::invalid_argument);
}

TEST_CASE("IP options that TCP does not understand are ignored", "[tcp][RFC9293-MUST-50]") {
  Conversation talk{{.passive = true}, State::listen};
  auto from = FakeNetwork::received(network::Protocol::tcp, kPeerAddress, kOurAddress);
  const Bytes unknown = hex("9e 04 0000");
  from.options = unknown;
  from.header_size = 24;
  REQUIRE(talk.network.inject(talk.peer.bytes({.flags = kSyn}), from));
  talk.peer.nxt += 1;
  const auto answer = talk.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.ip_options.empty());
  REQUIRE(talk.peer.say({}));
  CHECK(talk.peer.state() == State::established);
}

TEST_CASE("a handshake of the peer's ends for want of a way to it where Linux' way is asked for", "[tcp]") {
  // RFC 5461 section 4.1
  const bool asked = GENERATE(false, true);
  Conversation talk{{.settings = {.unreachable_ends_handshake = asked}, .passive = true}, State::listen};
  REQUIRE(talk.peer.say({.flags = kSyn}));
  const auto answer = talk.peer.hear_one();
  report(talk, kSoft[1], answer.seq + 77U);  // not about what is outstanding
  CHECK(talk.listener.half_open() == 1);
  report(talk, kSoft[3], answer.seq);  // TTL exceeded: a loop may be gone in a moment
  CHECK(talk.listener.half_open() == 1);
  report(talk, kSoft[1], answer.seq);
  CHECK(talk.listener.half_open() == (asked ? 0 : 1));
  (void)talk.peer.say({});
  const auto last = talk.peer.hear();
  if (asked) {
    REQUIRE(last.size() == 1);
    CHECK(last[0].flags == kRst);
  } else {
    CHECK(last.empty());
    CHECK(talk.peer.state() == State::established);
  }
}
