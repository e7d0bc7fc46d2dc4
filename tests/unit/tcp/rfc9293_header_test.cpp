#include <catch2/catch.hpp>

#include <tins/ip.h>
#include <tins/tcp.h>

#include <set>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// The kinds of the options in `bytes`, each with a legal length up to its end; the test fails otherwise.
std::vector<unsigned> walk(const Bytes& bytes) {
  std::vector<unsigned> kinds;
  for (std::size_t i = 0; i < bytes.size();) {
    const auto kind = std::to_integer<unsigned>(bytes[i]);
    kinds.push_back(kind);
    if (kind == 0) {
      for (; i < bytes.size(); ++i) CHECK(bytes[i] == std::byte{0});  // MUST-69
      return kinds;
    }
    if (kind == 1) {
      ++i;
      continue;
    }
    REQUIRE(i + 1 < bytes.size());
    const auto length = std::to_integer<std::size_t>(bytes[i + 1]);
    REQUIRE(length >= 2);
    REQUIRE(i + length <= bytes.size());
    i += length;
  }
  return kinds;
}
std::size_t largest_payload(const std::vector<Heard>& all) {
  std::size_t largest = 0;
  for (const auto& heard : all) largest = std::max(largest, heard.payload.size());
  return largest;
}
/// A whole life: handshake, data both ways, a retransmission, the close. Everything that the stack sent.
std::vector<Heard> whole_life() {
  std::vector<Heard> all;
  Wire wire;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  const auto listen = [&] {
    for (auto& heard : peer.hear()) all.push_back(std::move(heard));
  };
  listen();
  REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1460)}));
  listen();
  for (const std::size_t size : {1U, 2U, 3U, 1459U, 5000U}) {
    const std::string text = stream(size);
    REQUIRE(connection->send(std::as_bytes(std::span{text})));
    listen();
    wire.advance(1s);
    listen();
    peer.acknowledge();
    listen();
    peer.acknowledge();
    REQUIRE(peer.say({.payload = text.substr(0, 1000)}));
    wire.advance(500ms);
    listen();
    peer.acknowledge();
  }
  REQUIRE(connection->shutdown());
  listen();
  REQUIRE(peer.say({.flags = kFinAck}));
  listen();
  return all;
}
}  // namespace

TEST_CASE("every segment has the right checksum, whatever its length", "[tcp][RFC9293-MUST-2][RFC9293-3.1-3]") {
  Conversation talk{{.settings = {.nagle = false}}};
  for (std::size_t size = 1; size <= 9; ++size) {
    talk.write(stream(size, size));
    const auto heard = talk.peer.hear_one();  // Wire verifies the checksum of all it hears
    CHECK(text_of(heard.payload) == stream(size, size));
    talk.peer.acknowledge();
  }
  CHECK_FALSE(whole_life().empty());
}

TEST_CASE("a wrong checksum is refused, wherever the flipped bit is", "[tcp][RFC9293-MUST-3]") {
  Conversation talk{{.passive = true}, State::listen};
  const Bytes syn = talk.peer.bytes({.flags = kSyn, .options = mss_option(1460)});
  std::uint64_t refused = 0;
  for (std::size_t bit = 0; bit < syn.size() * 8; ++bit) {
    const std::size_t byte = bit / 8;
    if (byte == 2 || byte == 3 || byte == 12) continue;  // another port; another length: dropped or refused by other names
    Bytes flipped = syn;
    flipped[byte] ^= static_cast<std::byte>(1U << bit % 8);
    const auto accepted = talk.inject(flipped, kPeerAddress);
    REQUIRE_FALSE(accepted);
    CHECK(accepted.error() == Drop::bad_checksum);
    CHECK(talk.drops(Drop::bad_checksum) == ++refused);
  }
  CHECK(talk.hear().empty());
  CHECK(talk.listener.half_open() == 0);
  CHECK(talk.tcp.stats().in_errs == refused);
  CHECK(talk.inject(syn, kPeerAddress));
  CHECK(talk.peer.hear_one().flags == kSynAck);
}

TEST_CASE("data with a wrong checksum is not delivered", "[tcp][RFC9293-MUST-3]") {
  Conversation talk;
  Bytes data = talk.peer.bytes({.payload = "data"});
  data.back() ^= std::byte{1};
  CHECK(talk.inject(data, kPeerAddress).error() == Drop::bad_checksum);
  talk.advance(1s);
  CHECK(talk.peer.quiet());
  CHECK(talk.read().empty());
  data.back() ^= std::byte{1};
  CHECK(talk.inject(data, kPeerAddress));
  CHECK(talk.read() == "data");
}

TEST_CASE("a header that its segment cannot hold is refused", "[tcp][RFC9293-3.1-1]") {
  Conversation talk{{.passive = true}, State::listen};
  std::uint64_t errors = 0;
  for (const unsigned words : {0U, 1U, 2U, 3U, 4U, 6U, 15U}) {
    Bytes bad = talk.peer.bytes({.flags = kSyn});
    bad[12] = static_cast<std::byte>(words << 4U);
    fix_checksum(bad, kPeerAddress, kOurAddress);
    const auto refused = talk.inject(bad, kPeerAddress);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == (words < 5 ? Drop::bad_header : Drop::bad_length));
    CHECK(talk.tcp.stats().in_errs == ++errors);
  }
  for (std::size_t size = 0; size < 20; ++size) {
    Bytes cut = talk.peer.bytes({.flags = kSyn});
    cut.resize(size);
    CHECK(talk.inject(cut, kPeerAddress).error() == Drop::truncated);
  }
  CHECK(talk.hear().empty());
  CHECK(talk.peer.say({.flags = kSyn}));
  CHECK(talk.peer.hear_one().flags == kSynAck);
}

TEST_CASE("reserved bits are sent as zero and ignored", "[tcp][RFC9293-3.1-2]") {
  const auto all = whole_life();
  CHECK(all.size() > 5);
  for (const auto& heard : all) CHECK(heard.reserved == 0);
  Conversation talk{{.passive = true}, State::listen};
  Bytes syn = talk.peer.bytes({.flags = kSyn});
  syn[12] |= std::byte{0x0f};
  fix_checksum(syn, kPeerAddress, kOurAddress);
  CHECK(talk.inject(syn, kPeerAddress));
  CHECK(talk.peer.hear_one().flags == kSynAck);
}

TEST_CASE("NOP, MSS and End-of-List are understood", "[tcp][RFC9293-MUST-4][RFC9293-MUST-64]") {
  for (const auto* digits : {"01 01 020403e8 00 00", "01 020403e8 00 00 00", "020403e8"}) {
    Conversation talk{{.passive = true}, State::listen};
    REQUIRE(talk.peer.say({.flags = kSyn, .options = hex(digits)}));
    REQUIRE(talk.peer.hear_one().flags == kSynAck);
    REQUIRE(talk.peer.say({}));
    talk.connection = std::move(*talk.listener.accept());
    talk.write(stream(5000));
    CHECK(largest_payload(talk.peer.hear()) == 1000);
  }
}

TEST_CASE("options are accepted in any segment, unknown ones skipped", "[tcp][RFC9293-MUST-5]") {
  Conversation talk;
  REQUIRE(talk.peer.say({.payload = "data", .options = hex("fd 0a 0102030405060708")}));
  talk.advance(500ms);
  CHECK(talk.peer.hear_one().ack == talk.peer.nxt);
  CHECK(talk.read() == "data");
}

TEST_CASE("an unknown option before MSS does no harm", "[tcp][RFC9293-MUST-6]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.peer.say({.flags = kSyn, .options = hex("fd 06 01020304 020402bc")}));
  REQUIRE(talk.peer.hear_one().flags == kSynAck);
  REQUIRE(talk.peer.say({}));
  talk.connection = std::move(*talk.listener.accept());
  talk.write(stream(5000));
  CHECK(largest_payload(talk.peer.hear()) == 700);
}

TEST_CASE("an illegal option length is survived", "[tcp][RFC9293-MUST-7]") {
  for (const auto* digits : {"fd 00 0000", "fd 01 0000", "fd 28 0000", "02 00 0000", "02 01 0000", "02 28 05b4", "01 01 01 02"}) {
    Conversation listening{{.passive = true}, State::listen};
    CHECK(listening.peer.say({.flags = kSyn, .options = hex(digits)}).error() == Drop::bad_option);
    CHECK(listening.drops(Drop::bad_option) == 1);
    CHECK(listening.listener.half_open() == 0);
    Conversation talk;
    CHECK(talk.peer.say({.seq = talk.peer.nxt, .payload = "data", .options = hex(digits)}).error() == Drop::bad_option);
    CHECK(talk.read().empty());
    CHECK(talk.connection.state() == State::established);
    CHECK(talk.peer.say({.payload = "data", .options = hex("fd 02 0000")}));
    CHECK(talk.read() == "data");
  }
}

TEST_CASE("the MSS option is sent and honoured", "[tcp][RFC9293-MUST-14][RFC9293-SHLD-5]") {
  Wire wire;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  CHECK(tcp::parse_options(peer.hear_one().options)->mss == 1460);
  REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(600)}));
  (void)peer.hear();
  const std::string text = stream(3000);
  REQUIRE(connection->send(std::as_bytes(std::span{text})));
  CHECK(largest_payload(peer.hear()) == 600);

  Conversation passive{{.passive = true}, State::listen};
  REQUIRE(passive.peer.say({.flags = kSyn}));
  CHECK(tcp::parse_options(passive.peer.hear_one().options)->mss == 1460);
}

TEST_CASE("without an MSS option the send MSS is 536", "[tcp][RFC9293-MUST-15]") {
  for (const bool passive : {true, false}) {
    Conversation talk{{.passive = passive, .peer_mss = std::nullopt}};
    talk.write(stream(5000));
    CHECK(largest_payload(talk.peer.hear()) == 536);
  }
}

TEST_CASE("a segment fits the path as well as the peer", "[tcp]") {
  Conversation small_path{{.peer_mss = 1460, .mtu = 1280}};
  small_path.write(stream(5000));
  CHECK(largest_payload(small_path.peer.hear()) == 1240);
  Conversation large_path{{.peer_mss = 1460, .mtu = 9000}};
  large_path.write(stream(5000));
  CHECK(largest_payload(large_path.peer.hear()) == 1460);
}

TEST_CASE("an absurd MSS option neither stops nor floods a connection", "[tcp]") {
  for (const std::uint16_t mss : std::initializer_list<std::uint16_t>{0, 1, 40}) {
    Conversation talk{{.peer_mss = mss}};
    talk.write("some data");
    CHECK(text_of(talk.peer.hear_one().payload) == "some data");  // in one segment
    talk.peer.acknowledge();
    talk.write(stream(1000));
    CHECK(talk.peer.drain() == stream(1000));
  }
}

TEST_CASE("MSS is in SYN segments only, even when it is the default", "[tcp][RFC9293-MUST-65][RFC9293-MAY-3]") {
  int syns = 0;
  for (const auto& heard : whole_life()) {
    const auto options = tcp::parse_options(heard.options);
    REQUIRE(options);
    CHECK(options->mss.has_value() == heard.has(kSyn));
    syns += heard.has(kSyn) ? 1 : 0;
  }
  CHECK(syns == 1);
  Wire wire;
  wire.network.mtu = 576;
  const auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  CHECK(tcp::parse_options(wire.hear().at(0).options)->mss == 536);
}

TEST_CASE("the advertised MSS is no more than reassembly can hold", "[tcp][RFC9293-MUST-67]") {
  Wire wire;
  wire.network.reassembly = 1000;
  const auto connection = wire.tcp.connect({kPeerAddress, kPeerPort});
  REQUIRE(connection);
  CHECK(*tcp::parse_options(wire.hear().at(0).options)->mss <= 960);
}

TEST_CASE("options that are sent have lengths, and zeros behind End-of-List", "[tcp][RFC9293-MUST-68][RFC9293-MUST-69]") {
  std::set<unsigned> kinds;
  for (const auto& heard : whole_life()) {
    CHECK(heard.options.size() % 4 == 0);
    for (const auto kind : walk(heard.options)) kinds.insert(kind);
  }
  CHECK(kinds.contains(2));
}

TEST_CASE("port 0 is nobody's", "[tcp]") {
  Conversation talk{{.passive = true}, State::listen};
  Peer zero{talk, Port{0}};
  CHECK(zero.say({.flags = kSyn}).error() == Drop::bad_port);
  Peer from_zero{talk, kService, {kPeerAddress, Port{0}}};
  CHECK(from_zero.say({.flags = kSyn}).error() == Drop::bad_port);
  CHECK(talk.hear().empty());
}

TEST_CASE("a SYN that libtins builds opens a connection", "[tcp][RFC9293-MUST-14]") {
  Conversation talk{{.passive = true}, State::listen};
  Tins::TCP syn{kService.value(), kPeerPort.value()};
  syn.flags(Tins::TCP::SYN);
  syn.seq(0xffff'fffeU);
  syn.window(5000);
  syn.mss(900);
  syn.winscale(7);
  syn.sack_permitted();
  syn.timestamp(1, 0);
  Tins::IP datagram = Tins::IP{"192.0.2.2", "192.0.2.1"} / syn;
  const auto bytes = datagram.serialize();
  REQUIRE(talk.inject(bytes_of(std::span{bytes}.subspan(20)), kPeerAddress));
  const auto answer = talk.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.ack == SeqNum{0xffff'ffffU});
  talk.peer.nxt = SeqNum{0xffff'ffffU};
  REQUIRE(talk.peer.say({.options = hex("01 01 080a 00000002 00000000")}));
  talk.connection = std::move(*talk.listener.accept());
  talk.write(stream(3000));
  CHECK(largest_payload(talk.peer.hear()) == 900 - 12);  // beside the timestamps
}
