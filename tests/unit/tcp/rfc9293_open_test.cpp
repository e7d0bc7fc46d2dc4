#include <catch2/catch.hpp>

#include <support/lab.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr Endpoint kRemote{kPeerAddress, kPeerPort};
}

TEST_CASE("an active open sends one SYN with ISS", "[tcp][RFC9293-3.10.1-1]") {
  Wire wire;
  auto connection = wire.tcp.connect(kRemote);
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  const auto syn = peer.hear_one();
  CHECK(syn.flags == kSyn);
  CHECK(syn.payload.empty());
  CHECK(connection->state() == State::syn_sent);
  CHECK(connection->info().snd_una == syn.seq);
  CHECK(connection->info().snd_nxt == syn.seq + 1U);
  CHECK(wire.tcp.stats().active_opens == 1);
}

TEST_CASE("an active open without a remote socket is an error", "[tcp][RFC9293-3.10.1-2]") {
  Wire wire;
  for (const Endpoint& remote : {Endpoint{{}, kPeerPort}, Endpoint{kPeerAddress, Port{}}, Endpoint{}}) {
    const auto refused = wire.tcp.connect(remote);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == Error::invalid_argument);
  }
  CHECK(wire.hear().empty());
  const auto good = wire.tcp.connect(kRemote);
  CHECK(good);
  CHECK(wire.hear().size() == 1);
}

TEST_CASE("the same two endpoints are connected once", "[tcp][RFC9293-3.10.1-3]") {
  Wire wire;
  const auto first = wire.tcp.connect(kRemote, {.local = {{}, Port{6000}}});
  REQUIRE(first);
  const auto second = wire.tcp.connect(kRemote, {.local = {{}, Port{6000}}});
  REQUIRE_FALSE(second);
  CHECK(second.error() == Error::address_in_use);
  CHECK(wire.tcp.connect(kRemote, {.local = {{}, Port{6001}}}));
  CHECK(wire.tcp.connect({kPeerAddress, Port{5001}}, {.local = {{}, Port{6000}}}));
}

TEST_CASE("a full table refuses an open and harms nobody", "[tcp][RFC9293-3.10.1-4]") {
  Wire wire{{.max_connections = 2}};
  const auto one = wire.tcp.connect(kRemote);
  auto two = wire.tcp.connect(kRemote);
  REQUIRE(one);
  REQUIRE(two);
  const auto three = wire.tcp.connect(kRemote);
  REQUIRE_FALSE(three);
  CHECK(three.error() == Error::no_buffer_space);
  CHECK(one->state() == State::syn_sent);
  two->abort();
  CHECK(wire.tcp.connect(kRemote));
}

TEST_CASE("group addresses are refused locally", "[tcp][RFC9293-MUST-46]") {
  Wire wire;
  for (const auto address : {"224.0.0.1"_ipv4, "255.255.255.255"_ipv4, "192.0.2.255"_ipv4}) {
    const auto refused = wire.tcp.connect({address, kPeerPort});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == Error::invalid_argument);
  }
  CHECK(wire.hear().empty());
  CHECK(wire.tcp.connect(kRemote));
}

TEST_CASE("an open may name its local address", "[tcp][RFC9293-MUST-43]") {
  Wire wire;
  wire.network.addresses.push_back("198.51.100.2/24"_prefix);
  const auto bound = wire.tcp.connect(kRemote, {.local = {"198.51.100.2"_ipv4, {}}});
  REQUIRE(bound);
  auto heard = wire.hear();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].ip.source == IpAddress{"198.51.100.2"_ipv4});
  const auto foreign = wire.tcp.connect(kRemote, {.local = {"198.51.100.9"_ipv4, {}}});
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error() == Error::address_not_available);

  const auto listener = wire.tcp.listen({"198.51.100.2"_ipv4, kService});
  REQUIRE(listener);
  Peer wrong{wire, kService};
  (void)wrong.say({.flags = kSyn});
  CHECK(wrong.hear_one().has(kRst));
  Peer right{wire, kService};
  right.us.address = "198.51.100.2"_ipv4;
  CHECK(right.say({.flags = kSyn}));
  CHECK(right.hear_one().flags == kSynAck);
}

TEST_CASE("without a local address the network layer selects one", "[tcp][RFC9293-MUST-44]") {
  Wire wire;
  wire.network.addresses.push_back("198.51.100.2/24"_prefix);
  const auto connection = wire.tcp.connect({"198.51.100.7"_ipv4, kPeerPort});
  REQUIRE(connection);
  CHECK(connection->local().address == IpAddress{"198.51.100.2"_ipv4});
  const auto heard = wire.hear();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].ip.source == IpAddress{"198.51.100.2"_ipv4});
}

TEST_CASE("the source address stays for the life of a connection", "[tcp][RFC9293-MUST-45]") {
  Conversation talk;
  talk.network.addresses.insert(talk.network.addresses.begin(), "192.0.2.77/24"_prefix);
  talk.write("after the change");
  CHECK(talk.peer.hear_one().ip.source == IpAddress{kOurAddress});
  talk.advance(1s);
  CHECK(talk.peer.hear_one().ip.source == IpAddress{kOurAddress});  // a retransmission
  // A new connection takes the new address.
  CHECK(talk.tcp.connect(kRemote)->local().address == IpAddress{"192.0.2.77"_ipv4});
}

TEST_CASE("a passive open answers SYN and is established by the final ACK", "[tcp][RFC9293-3.5-1][RFC9293-3.10.7.2-3]") {
  Wire wire;
  auto listener = wire.tcp.listen(kService);
  REQUIRE(listener);
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn, .seq = SeqNum{1000}}));
  peer.nxt = SeqNum{1001};
  const auto answer = peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.ack == SeqNum{1001});
  CHECK(peer.state() == State::syn_received);
  CHECK(listener->half_open() == 1);
  CHECK(listener->accept().error() == Error::would_block);
  REQUIRE(peer.say({}));
  CHECK(peer.quiet());
  CHECK(peer.state() == State::established);
  const auto accepted = listener->accept();
  REQUIRE(accepted);
  CHECK(accepted->state() == State::established);
  CHECK(accepted->remote() == peer.them);
  CHECK(accepted->info().rcv_nxt == SeqNum{1001});
  CHECK(wire.tcp.stats().passive_opens == 1);
}

TEST_CASE("a listener accepts on any address, and binds the child to the one used", "[tcp][RFC9293-3.9.1.1-2]") {
  Wire wire;
  wire.network.addresses.push_back("198.51.100.2/24"_prefix);
  auto listener = wire.tcp.listen(kService);
  REQUIRE(listener);
  Peer peer{wire, kService};
  peer.us.address = "198.51.100.2"_ipv4;
  REQUIRE(peer.say({.flags = kSyn}));
  CHECK(peer.hear_one().ip.source == IpAddress{"198.51.100.2"_ipv4});
  REQUIRE(peer.say({}));
  CHECK(listener->accept()->local() == Endpoint{"198.51.100.2"_ipv4, kService});
}

TEST_CASE("a listener bound to one address accepts no SYN to another", "[tcp][RFC9293-3.9.1.1-3]") {
  Wire wire;
  wire.network.addresses.push_back("198.51.100.2/24"_prefix);
  const auto listener = wire.tcp.listen({kOurAddress, kService});
  REQUIRE(listener);
  Peer other{wire, kService};
  other.us.address = "198.51.100.2"_ipv4;
  (void)other.say({.flags = kSyn});
  CHECK(other.hear_one().has(kRst));
  Peer peer{wire, kService};
  (void)peer.say({.flags = kSyn});
  CHECK(peer.hear_one().flags == kSynAck);
}

TEST_CASE("LISTEN ignores RST", "[tcp][RFC9293-3.10.7.2-1]") {
  Conversation talk{{.passive = true}, State::listen};
  (void)talk.peer.say({.flags = kRst});
  (void)talk.peer.say({.flags = kRstAck});
  CHECK(talk.peer.quiet());
  CHECK(talk.peer.say({.flags = kSyn}));
  CHECK(talk.peer.hear_one().flags == kSynAck);
}

TEST_CASE("LISTEN answers what bears an ACK with RST", "[tcp][RFC9293-3.10.7.2-2]") {
  Conversation talk{{.passive = true}, State::listen};
  for (const auto flags : {kAck, kSynAck, kFinAck}) {
    (void)talk.peer.say({.flags = flags, .ack = SeqNum{500}});
    const auto reset = talk.peer.hear_one();
    CHECK(reset.flags == kRst);
    CHECK(reset.seq == SeqNum{500});
  }
  CHECK(talk.listener.half_open() == 0);
}

TEST_CASE("LISTEN drops what bears neither SYN, ACK nor RST", "[tcp][RFC9293-3.10.7.2-5]") {
  Conversation talk{{.passive = true}, State::listen};
  CHECK_FALSE(talk.peer.say({.flags = Flags::fin}));
  CHECK_FALSE(talk.peer.say({.flags = Flags::none, .payload = "data"}));
  CHECK_FALSE(talk.peer.say({.flags = Flags::none}));
  CHECK(talk.peer.quiet());
  CHECK(talk.listener.half_open() == 0);
}

TEST_CASE("data with the SYN reaches the application once", "[tcp][RFC9293-3.10.7.2-4]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = SeqNum{1000}, .payload = "0123456789"}));
  const auto answer = talk.peer.hear_one();
  CHECK((answer.ack == SeqNum{1001} || answer.ack == SeqNum{1011}));
  talk.peer.nxt = SeqNum{1001};
  REQUIRE(talk.peer.say({.payload = "0123456789"}));  // what a peer does whose data was not acknowledged
  talk.connection = std::move(*talk.listener.accept());
  CHECK(talk.read() == "0123456789");
  CHECK(talk.connection.info().rcv_nxt == SeqNum{1011});
}

TEST_CASE("SYN-SENT answers an unacceptable ACK with RST", "[tcp][RFC9293-3.10.7.3-1][RFC9293-3.5.2-4]") {
  Conversation talk{{}, State::syn_sent};
  const SeqNum iss = talk.peer.rcv - 1U;
  for (const auto flags : {kSynAck, kAck}) {
    for (const auto ack : {iss, iss + 2U, iss - 1000U}) {
      (void)talk.peer.say({.flags = flags, .ack = ack});
      const auto reset = talk.peer.hear_one();
      CHECK(reset.flags == kRst);
      CHECK(reset.seq == ack);
      CHECK(talk.connection.state() == State::syn_sent);
      (void)talk.peer.say({.flags = flags | kRst, .ack = ack});
      CHECK(talk.peer.quiet());
    }
  }
  CHECK(talk.connection.state() == State::syn_sent);
}

TEST_CASE("a reset that acknowledges the SYN fails the open", "[tcp][RFC9293-3.10.7.3-2][RFC9293-3.5.3-2]") {
  Conversation talk{{}, State::syn_sent};
  const SeqNum iss = talk.peer.rcv - 1U;
  (void)talk.peer.say({.flags = kRst, .seq = SeqNum{0}});
  (void)talk.peer.say({.flags = kRstAck, .seq = SeqNum{0}, .ack = iss});
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::syn_sent);
  (void)talk.peer.say({.flags = kRstAck, .seq = SeqNum{0}, .ack = iss + 1U});
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.closed == 1);
  CHECK(talk.app.error == Error::connection_refused);
  CHECK(talk.app.connected == 0);
  talk.advance(10min);
  CHECK(talk.peer.quiet());
}

TEST_CASE("SYN-SENT drops a RST without ACK", "[tcp][RFC9293-3.10.7.3-3]") {
  Conversation talk{{}, State::syn_sent};
  CHECK_FALSE(talk.peer.say({.flags = kRst}));
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::syn_sent);
  REQUIRE(talk.peer.say({.flags = kSynAck}));
  CHECK(talk.connection.state() == State::established);
}

TEST_CASE("SYN-SENT is established by SYN, ACK", "[tcp][RFC9293-3.10.7.3-4]") {
  Conversation talk{{}, State::syn_sent};
  const SeqNum iss = talk.peer.rcv - 1U;
  REQUIRE(talk.peer.say({.flags = kSynAck, .seq = SeqNum{300}}));
  const auto ack = talk.peer.hear_one();
  CHECK(ack.pure_ack());
  CHECK(ack.ack == SeqNum{301});
  CHECK(ack.seq == iss + 1U);
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.app.connected == 1);
}

TEST_CASE("a simultaneous open reaches one connection", "[tcp][RFC9293-MUST-10][RFC9293-3.10.7.3-5]") {
  Conversation talk{{}, State::syn_sent};
  const SeqNum iss = talk.peer.rcv - 1U;
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = SeqNum{700}}));
  const auto answer = talk.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.seq == iss);
  CHECK(answer.ack == SeqNum{701});
  CHECK(talk.connection.state() == State::syn_received);
  SECTION("the peer's SYN, ACK") { (void)talk.peer.say({.flags = kSynAck, .seq = SeqNum{700}, .ack = iss + 1U}); }
  SECTION("the peer's ACK") { REQUIRE(talk.peer.say({.seq = SeqNum{701}, .ack = iss + 1U})); }
  (void)talk.peer.hear();
  CHECK(talk.connection.state() == State::established);
  CHECK(talk.app.connected == 1);
  talk.peer.nxt = SeqNum{701};
  REQUIRE(talk.peer.say({.payload = "both"}));
  CHECK(talk.read() == "both");
  CHECK(talk.tcp.connection_count() == 1);
}

TEST_CASE("SYN-SENT drops what bears neither SYN nor RST", "[tcp][RFC9293-3.10.7.3-6][RFC9293-3.10.7.4-28]") {
  Conversation talk{{}, State::syn_sent};
  CHECK_FALSE(talk.peer.say({.payload = "early"}));
  CHECK_FALSE(talk.peer.say({.flags = kFinAck}));
  CHECK_FALSE(talk.peer.say({.flags = Flags::fin}));
  CHECK(talk.peer.quiet());
  CHECK(talk.connection.state() == State::syn_sent);
  CHECK(talk.app.peer_closed == 0);
}

TEST_CASE("data on the SYN, ACK is taken", "[tcp][RFC9293-3.10.7.3-7]") {
  Conversation talk{{}, State::syn_sent};
  REQUIRE(talk.peer.say({.flags = kSynAck, .payload = "data"}));
  talk.advance(500ms);
  const auto heard = talk.peer.hear();
  REQUIRE_FALSE(heard.empty());
  CHECK(heard.back().ack == talk.peer.nxt);
  CHECK(talk.read() == "data");
}

TEST_CASE("data written during the handshake waits for it", "[tcp][RFC9293-3.10.2-1]") {
  SECTION("in SYN-SENT") {
    Conversation talk{{}, State::syn_sent};
    talk.write("queued");
    CHECK(talk.peer.quiet());
    REQUIRE(talk.peer.say({.flags = kSynAck, .options = mss_option(1460)}));
    CHECK(talk.peer.drain() == "queued");
  }
  SECTION("in SYN-RECEIVED") {
    Conversation talk{{}, State::syn_received};
    talk.write("queued");
    CHECK(talk.peer.quiet());
    REQUIRE(talk.peer.say({}));
    CHECK(talk.peer.drain() == "queued");
  }
}

TEST_CASE("listening again leaves connections alone", "[tcp][RFC9293-MUST-41]") {
  Conversation talk{{.passive = true}};
  const auto again = talk.tcp.listen(kService);
  REQUIRE_FALSE(again);
  CHECK(again.error() == Error::address_in_use);
  talk.listener = {};
  auto anew = talk.tcp.listen(kService);
  REQUIRE(anew);
  REQUIRE(talk.peer.say({.payload = "still here"}));
  CHECK(talk.read() == "still here");
  Peer other{talk, kService, {kPeerAddress, Port{5001}}};
  REQUIRE(other.say({.flags = kSyn}));
  CHECK(talk.connection.state() == State::established);
  CHECK(anew->half_open() == 1);
}

TEST_CASE("a port can be listened on while a connection from it is being opened", "[tcp][RFC9293-MUST-42]") {
  Wire wire;
  const auto active = wire.tcp.connect(kRemote, {.local = {{}, Port{6000}}});
  REQUIRE(active);
  REQUIRE(wire.hear().size() == 1);
  const auto listener = wire.tcp.listen(Port{6000});
  REQUIRE(listener);
  Peer third{wire, Port{6000}, {"192.0.2.3"_ipv4, kPeerPort}};
  REQUIRE(third.say({.flags = kSyn}));
  CHECK(third.hear_one().flags == kSynAck);
  CHECK(active->state() == State::syn_sent);
}
