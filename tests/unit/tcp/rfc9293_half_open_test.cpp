#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("SYN-RECEIVED remembers how it was opened", "[tcp][RFC9293-MUST-11][RFC9293-3.10.7.4-8][RFC9293-3.10.7.4-9]") {
  SECTION("by the peer: back to LISTEN, silently") {
    Conversation talk{{.passive = true}, State::syn_received};
    (void)talk.peer.say({.flags = kRst});
    CHECK(talk.peer.quiet());
    CHECK(talk.listener.half_open() == 0);
    CHECK(talk.tcp.connection_count() == 0);
    talk.advance(1min);
    CHECK(talk.peer.quiet());
    Peer next{talk, kService, {kPeerAddress, Port{5001}}};
    REQUIRE(next.say({.flags = kSyn}));
    CHECK(next.hear_one().flags == kSynAck);
  }
  SECTION("by us: the open is refused") {
    Conversation talk{{}, State::syn_received};
    (void)talk.peer.say({.flags = kRst});
    CHECK(talk.peer.quiet());
    CHECK(talk.connection.state() == State::closed);
    CHECK(talk.app.closed == 1);
    CHECK(talk.app.error == Error::connection_refused);
  }
}

TEST_CASE("an old duplicate SYN is recovered from by the peer's reset", "[tcp][RFC9293-3.5-2]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = SeqNum{90}}));
  const auto answer = talk.peer.hear_one();
  CHECK(answer.ack == SeqNum{91});
  (void)talk.peer.say({.flags = kRst, .seq = SeqNum{91}});
  CHECK(talk.peer.state() == State::closed);
  CHECK(talk.listener.half_open() == 0);
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = SeqNum{100}}));
  CHECK(talk.peer.hear_one().ack == SeqNum{101});
}

TEST_CASE("a second SYN sends the child of a passive open back to LISTEN", "[tcp][RFC9293-3.10.7.4-12]") {
  Conversation talk{{.passive = true}, State::syn_received};
  (void)talk.peer.say({.flags = kSyn, .seq = talk.peer.nxt + 5U});
  (void)talk.peer.hear();
  CHECK(talk.listener.half_open() == 0);
  CHECK(talk.listener.local().port == kService);
  Peer next{talk, kService, {kPeerAddress, Port{5001}}};
  REQUIRE(next.say({.flags = kSyn}));
  CHECK(next.hear_one().flags == kSynAck);
}

TEST_CASE("the final ACK brings the send window", "[tcp][RFC9293-3.10.7.4-14]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.peer.say({.flags = kSyn, .window = std::uint16_t{8000}, .options = mss_option(1000)}));
  REQUIRE(talk.peer.hear_one().flags == kSynAck);
  REQUIRE(talk.peer.say({.window = std::uint16_t{3000}}));
  talk.connection = std::move(*talk.listener.accept());
  CHECK(talk.info().snd_wnd == 3000);
  talk.write(stream(9000));
  std::size_t flight = 0;
  for (const auto& heard : talk.peer.hear()) flight += heard.payload.size();
  CHECK(flight == 3000);
}

TEST_CASE("SYN-RECEIVED answers an unacceptable ACK with RST", "[tcp][RFC9293-3.10.7.4-15][RFC9293-3.5.2-4]") {
  for (const bool passive : {true, false}) {
    Conversation talk{{.passive = passive}, State::syn_received};
    const SeqNum iss = talk.peer.rcv - 1U;
    for (const auto ack : {iss + 50U, iss + 100U, iss}) {
      (void)talk.peer.say({.ack = ack});
      const auto reset = talk.peer.hear_one();
      CHECK(reset.flags == kRst);
      CHECK(reset.seq == ack);
      CHECK(talk.peer.state() == State::syn_received);
    }
    REQUIRE(talk.peer.say({}));
    CHECK(talk.peer.state() == State::established);
  }
}

TEST_CASE("a SYN to a group address is dropped without a word", "[tcp][RFC9293-MUST-57]") {
  Conversation talk{{.passive = true}, State::listen};
  for (const auto group : {"224.0.0.1"_ipv4, "192.0.2.255"_ipv4}) {
    Peer peer{talk, kService};
    peer.us.address = group;
    auto from = FakeNetwork::received(network::Protocol::tcp, kPeerAddress, group);
    from.to_group = true;
    CHECK_FALSE(talk.network.inject(peer.bytes({.flags = kSyn}), from));
    CHECK(talk.hear().empty());
  }
  auto from = FakeNetwork::received(network::Protocol::tcp, kPeerAddress, kOurAddress);
  from.cast = LinkCast::broadcast;  // the frame was a broadcast
  (void)talk.network.inject(talk.peer.bytes({.flags = kSyn}), from);
  CHECK(talk.hear().empty());
  CHECK(talk.listener.half_open() == 0);
  REQUIRE(talk.peer.say({.flags = kSyn}));
  CHECK(talk.peer.hear_one().flags == kSynAck);
}

TEST_CASE("a SYN from an address that no host can have is ignored", "[tcp][RFC9293-MUST-63][RFC9293-3.9.2.3-1]") {
  Conversation talk{{.passive = true}, State::listen};
  for (const auto source : {"224.0.0.5"_ipv4, "255.255.255.255"_ipv4, "192.0.2.255"_ipv4, "0.0.0.0"_ipv4, "224.0.0.1"_ipv4}) {
    INFO(to_string(source));
    for (const auto port : {kService, Port{99}}) {  // with and without a listener
      Peer peer{talk, port, {source, kPeerPort}};
      CHECK_FALSE(peer.say({.flags = kSyn}));
      CHECK_FALSE(peer.say({.flags = kAck, .ack = SeqNum{1}}));
      CHECK(talk.hear().empty());
    }
  }
  CHECK(talk.listener.half_open() == 0);
  REQUIRE(talk.peer.say({.flags = kSyn}));
  CHECK(talk.peer.hear_one().flags == kSynAck);
}

TEST_CASE("the backlog bounds what waits, and frees as it is accepted", "[tcp]") {
  Wire wire{{.syn_cookies = tcp::SynCookiePolicy::never}};
  auto listener = wire.tcp.listen(kService, {}, {.backlog = 2, .max_half_open = 3});
  REQUIRE(listener);
  std::vector<Peer> peers;
  for (std::uint16_t i = 0; i < 4; ++i)
    peers.emplace_back(wire, kService, Endpoint{kPeerAddress, Port{static_cast<std::uint16_t>(5000 + i)}});
  for (std::size_t i = 0; i < 3; ++i) CHECK(peers[i].say({.flags = kSyn}));
  const auto before = wire.drops(Drop::backlog_full);
  CHECK_FALSE(peers[3].say({.flags = kSyn}));
  CHECK(wire.drops(Drop::backlog_full) == before + 1);
  const auto answers = wire.hear();
  REQUIRE(answers.size() == 3);
  for (std::size_t i = 0; i < 2; ++i) {
    peers[i].rcv = answers[i].seq + 1U;
    CHECK(peers[i].say({}));
  }
  CHECK(listener->waiting() == 2);
  CHECK(listener->accept());
  CHECK(listener->waiting() == 1);
}

TEST_CASE("the initial sequence number advances with the clock", "[tcp][RFC9293-MUST-8]") {
  Wire wire;
  std::vector<SeqNum> isns;
  for (int i = 0; i < 3; ++i) {
    auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, {.local = {{}, Port{6000}}});
    REQUIRE(connection);
    const auto heard = wire.hear();
    REQUIRE(heard.size() == 1);
    isns.push_back(heard[0].seq);
    connection->abort();
    wire.advance(1s);
  }
  CHECK(isns[1] - isns[0] == 250000);
  CHECK(isns[2] - isns[1] == 250000);
}

TEST_CASE("a stream crosses the wrap of both directions' numbers", "[tcp][RFC9293-3.4-1]") {
  // ISS depends on the clock: the open waits until 256 numbers before the wrap.
  Wire probe;
  const auto first = probe.tcp.connect({kPeerAddress, kPeerPort}, {.local = {{}, Port{6000}}});
  REQUIRE(first);
  const SeqNum now = probe.hear().at(0).seq;
  Wire wire;  // the same seed, so the same key
  wire.advance(std::chrono::microseconds{4} * (0xffff'ff00U - now.value()));
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, {.local = {{}, Port{6000}}});
  REQUIRE(connection);
  Peer peer{wire, Port{6000}};
  const auto syn = peer.hear_one();
  REQUIRE(syn.seq == SeqNum{0xffff'ff00U});
  REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1460)}));
  (void)peer.hear();
  const std::string text = stream(100'000);
  REQUIRE(connection->send(std::as_bytes(std::span{text})).value_or(0) == text.size());
  CHECK((peer.drain() == text));
  CHECK(connection->info().snd_una == SeqNum{0xffff'ff00U} + 100'001U);
  std::string received;
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    REQUIRE(peer.say({.payload = text.substr(at, 1000)}));
    (void)peer.hear();
    std::array<std::byte, 2000> buffer{};
    const auto count = connection->receive(buffer);
    REQUIRE(count);
    received.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
  CHECK((received == text));
}
