#include <catch2/catch.hpp>

#include <algorithm>

#include "option_talk.hpp"

// What a route says of segments (RFC 9293 section 3.7.1, RFC 6691, RFC 1191): how large the peer's are to be, and how large ours may be.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
struct Route {
  std::size_t mtu = 1500;
  std::optional<std::uint16_t> advmss = {};
};

Wire& on(Wire& wire, const Route& route) {
  wire.network.mtu = route.mtu;
  wire.network.advmss = route.advmss;
  return wire;
}

/// The MSS that the SYN of an active open offers.
std::optional<std::uint16_t> mss_of_syn(const Route& route, const tcp::Settings& settings = {}, std::size_t reassembly = 65535) {
  Wire wire;
  on(wire, route).network.reassembly = reassembly;
  const auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, {.settings = settings});
  REQUIRE(connection);
  return options_of(Peer{wire, connection->local().port}.hear_one()).mss;
}

/// The one of a SYN,ACK; with `cookie` of one that nothing is kept of.
std::optional<std::uint16_t> mss_of_syn_ack(const Route& route, bool cookie) {
  Wire wire{{.syn_cookies = cookie ? tcp::SynCookiePolicy::always : tcp::SynCookiePolicy::never}};
  on(wire, route);
  const auto listener = wire.tcp.listen(kService);
  REQUIRE(listener);
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn, .options = mss_option(1460)}));
  return options_of(peer.hear_one()).mss;
}

/// The largest payload that leaves when `size` bytes are written.
std::size_t largest(Conversation& talk, std::size_t size) {
  talk.write(stream(size));
  std::size_t most = 0;
  for (int idle = 0; idle < 2;) {
    const auto all = talk.peer.hear();
    idle = all.empty() ? idle + 1 : 0;
    for (const auto& heard : all) most = std::max(most, heard.payload.size());
    talk.peer.acknowledge();
  }
  REQUIRE(talk.info().unacknowledged == 0);
  return most;
}
}  // namespace

TEST_CASE("a route's MSS is what is announced there", "[tcp][route-mss][RFC9293-MUST-67]") {
  const auto announced = [](const Route& route) {
    const auto mss = mss_of_syn(route);
    CHECK(mss_of_syn_ack(route, false) == mss);
    CHECK(mss_of_syn_ack(route, true) == mss);
    return mss;
  };
  CHECK(announced({}) == std::uint16_t{1460});
  CHECK(announced({.advmss = 600}) == std::uint16_t{600});
  CHECK(announced({.mtu = 640}) == std::uint16_t{600});
  CHECK(announced({.mtu = 1000, .advmss = 500}) == std::uint16_t{500});
  CHECK(announced({.mtu = 1000, .advmss = 1460}) == std::uint16_t{1460});  // as Linux has it: the way back may be another
}

TEST_CASE("no more is announced than reassembly takes, or the connection wants", "[tcp][route-mss][RFC9293-MUST-67]") {
  CHECK(mss_of_syn({.advmss = 9000}, {}, 4000) == std::uint16_t{3960});
  CHECK(mss_of_syn({.advmss = 9000}, {}, 65535) == std::uint16_t{9000});
  CHECK(mss_of_syn({.advmss = 600}, {.max_segment = 500}) == std::uint16_t{500});
  CHECK(mss_of_syn({.advmss = 600}, {.max_segment = 700}) == std::uint16_t{600});
}

TEST_CASE("what is announced does not bound what is sent, and the MTU does", "[tcp][route-mss]") {
  Conversation narrow{{.peer_mss = 1460, .mtu = 1000}};
  CHECK(narrow.info().mss == 960);
  CHECK(largest(narrow, 10'000) == 960);
  Conversation peers{{.peer_mss = 500, .mtu = 1000}};
  CHECK(largest(peers, 10'000) == 500);
  Wire wire;
  on(wire, {.advmss = 600});
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  CHECK(options_of(peer.hear_one()).mss == std::uint16_t{600});
  REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1460)}));
  CHECK(connection->info().mss == 1460);
  CHECK(connection->info().advertised_mss == 600);
}

TEST_CASE("segments follow a route whose MTU changes", "[tcp][route-mss][RFC1191-3-1]") {
  const bool passive = GENERATE(false, true);
  Conversation talk{{.passive = passive, .peer_mss = 1460, .mtu = 1000}};
  CHECK(largest(talk, 10'000) == 960);
  talk.network.mtu = 700;
  CHECK(largest(talk, 10'000) == 660);
  CHECK(talk.info().path_mtu == 700);
  talk.network.mtu = 1500;
  CHECK(largest(talk, 10'000) == 1460);
  talk.network.mtu = 9000;
  CHECK(largest(talk, 10'000) == 1460);  // the peer's
  CHECK(talk.info().timeouts == 0);
  CHECK(talk.info().retransmissions == 0);
}

TEST_CASE("a change of the MTU while the connection sleeps is noticed", "[tcp][route-mss]") {
  Conversation talk{{.peer_mss = 1460, .mtu = 1000}};
  CHECK(largest(talk, 2000) == 960);
  talk.advance(1min);
  talk.network.mtu = 700;
  talk.advance(1min);
  CHECK(largest(talk, 10'000) == 660);
}
