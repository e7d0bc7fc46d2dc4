// Super-segments down and up, shared payload, and links that do not take everything.

#include <catch2/catch.hpp>

#include <tapir/link/segmentation.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A connection whose cwnd has grown beyond 64 KiB.
void grow(Conversation& talk) {
  talk.connection.set_send_buffer(1'000'000);
  talk.write(stream(200'000));
  while (talk.info().unacknowledged > 0) {
    for (const auto& heard : talk.peer.hear()) (void)talk.peer.say({.ack = heard.end()});
  }
  REQUIRE(talk.info().cwnd > 65535);
}
}  // namespace

TEST_CASE("a link that cuts segments gets them in one piece", "[tcp]") {
  Conversation talk;
  grow(talk);
  talk.network.super_segment = 65535;
  (void)talk.network.take();
  const std::string text = stream(30'000);
  talk.write(text);
  talk.advance(0s);
  const auto sent = talk.network.take();
  // 20 full segments in one packet; what is left of the 30000 waits for Nagle.
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].meta.gso == GsoKind::tcp4);
  CHECK(sent[0].meta.gso_size == 1460);
  CHECK(sent[0].packet.size() == 20 + 20 * 1460);
  CHECK(sent[0].meta.checksum == ChecksumState::partial);
  CHECK(sent[0].meta.checksum_offset == 16);
  CHECK(talk.info().in_flight == 20 * 1460);
}

TEST_CASE("a link that cuts nothing gets single segments, unless it is asked otherwise", "[tcp]") {
  const bool split_below = GENERATE(false, true);
  Conversation talk{{.config = {.split_below = split_below}}};
  talk.write(stream(14'600));
  talk.advance(0s);
  const auto sent = talk.network.take();
  CHECK(sent.size() == (split_below ? 2U : 10U));  // a burst is half of cwnd at most
  CHECK(sent[0].meta.gso == (split_below ? GsoKind::tcp4 : GsoKind::none));
}

TEST_CASE("a super-segment stays inside the peer's window, cwnd and the link's bound", "[tcp]") {
  SECTION("window") {
    Conversation talk{{.window = 10'000}};
    talk.network.super_segment = 65535;
    talk.write(stream(50'000));
    talk.advance(0s);
    CHECK(talk.info().in_flight == 6 * 1460);
  }
  SECTION("cwnd") {
    Conversation talk;
    talk.network.super_segment = 65535;
    talk.write(stream(50'000));
    talk.advance(0s);
    CHECK(talk.info().in_flight == talk.info().cwnd);
  }
  SECTION("link") {
    Conversation talk;
    talk.network.super_segment = 40 + 4 * 1460 + 100;
    talk.write(stream(50'000));
    talk.advance(0s);
    std::size_t largest = 0;
    for (const auto& sent : talk.network.take()) largest = std::max(largest, sent.packet.size());
    CHECK(largest == 20 + 4 * 1460);
  }
}

TEST_CASE("a super-segment, cut, is what single segments would have been", "[tcp]") {
  Conversation whole;
  Conversation parts;
  whole.network.super_segment = 65535;
  const std::string text = stream(7'300);  // half of cwnd, as much as leaves in one
  for (Conversation* talk : {&whole, &parts}) {
    talk->write(text);
    REQUIRE(talk->connection.shutdown());
    talk->advance(0s);
  }
  const auto segments = parts.network.take();
  const auto super = whole.network.take();
  REQUIRE(super.size() == 1);
  REQUIRE(segments.size() == 5);
  CHECK((std::to_integer<unsigned>(super[0].packet[13]) & 0x09U) == 0x09U);  // PSH and FIN, for the last one
  std::size_t at = 20;
  for (const auto& segment : segments) {
    const Bytes payload{segment.packet.begin() + 20, segment.packet.end()};
    CHECK(std::equal(payload.begin(), payload.end(), super[0].packet.begin() + static_cast<std::ptrdiff_t>(at)));
    at += payload.size();
  }
  CHECK(at == super[0].packet.size());
}

TEST_CASE("a received super-segment counts as the segments it was merged from", "[tcp]") {
  Conversation talk;
  const auto inject = [&](std::size_t payload, std::uint16_t gso_size) {
    Packet packet = talk.lab.packet(talk.peer.bytes({.payload = stream(payload)}));
    packet.meta().checksum = ChecksumState::verified;
    if (gso_size > 0) {
      packet.meta().gso = GsoKind::tcp4;
      packet.meta().gso_size = gso_size;
    }
    talk.peer.nxt += static_cast<std::uint32_t>(payload);
    REQUIRE(talk.network.inject(std::move(packet), FakeNetwork::received(network::Protocol::tcp, kPeerAddress, kOurAddress)));
  };
  inject(1000, 0);
  CHECK(talk.peer.quiet());  // one segment: the ACK waits
  talk.advance(500ms);
  CHECK(talk.peer.hear_one().pure_ack());
  inject(2000, 1000);  // two segments in one: at once
  CHECK(talk.peer.hear_one().pure_ack());
  CHECK(talk.read().size() == 3000);
}

TEST_CASE("a checksum that the device vouches for is not computed again, any other is", "[tcp]") {
  Conversation talk;
  Bytes bytes = talk.peer.bytes({.payload = "data"});
  bytes[16] ^= std::byte{0xff};
  const auto from = FakeNetwork::received(network::Protocol::tcp, kPeerAddress, kOurAddress);
  CHECK(talk.network.inject(bytes, from) == std::unexpected{Drop::bad_checksum});
  for (const auto state : {ChecksumState::verified, ChecksumState::partial}) {
    Packet packet = talk.lab.packet(bytes);
    packet.meta().checksum = state;
    const auto accepted = talk.network.inject(std::move(packet), from);
    CHECK((accepted || accepted.error() == Drop::duplicate));
  }
  CHECK(talk.read() == "data");
}

TEST_CASE("payload is shared with the send buffer at every transmission", "[tcp]") {
  Conversation talk;
  const Bytes data = bytes_of(stream(1000));
  Slice slice = talk.lab.pool.copy(data);
  const auto where = reinterpret_cast<std::uintptr_t>(slice.bytes().data());
  REQUIRE(talk.connection.send(slice) == std::size_t{1000});
  talk.advance(0s);
  talk.advance(1s);  // and once more by timeout
  const auto sent = talk.network.take();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].last_run == where);
  CHECK(sent[1].last_run == where);
}

TEST_CASE("a link that is full blocks the connection and loses nothing", "[tcp]") {
  Conversation talk;
  talk.network.accepts = false;
  talk.write("waiting");
  talk.advance(100ms);
  CHECK(talk.network.take().empty());
  CHECK(talk.info().in_flight == 0);
  talk.network.accepts = true;
  talk.lab.scheduler.unblock();
  CHECK(text_of(talk.peer.hear_one().payload) == "waiting");
}

TEST_CASE("connections that are ready take turns", "[tcp]") {
  Wire wire;
  std::vector<tcp::Connection> connections;
  std::vector<Peer> peers;
  for (std::uint16_t i = 0; i < 2; ++i) {
    auto opened = wire.tcp.connect({kPeerAddress, Port{static_cast<std::uint16_t>(5000 + i)}});
    REQUIRE(opened);
    connections.push_back(std::move(*opened));
    Peer& peer = peers.emplace_back(wire, connections[i].local().port, connections[i].remote());
    (void)peer.hear();
    REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1460)}));
    (void)peer.hear();
  }
  for (auto& connection : connections) REQUIRE(connection.send(bytes_of(stream(5840))));
  const auto heard = wire.hear();
  REQUIRE(heard.size() == 8);
  for (std::size_t i = 0; i + 1 < heard.size(); ++i) CHECK(heard[i].to.port != heard[i + 1].to.port);
}
