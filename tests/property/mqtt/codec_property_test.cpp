#include <catch2/catch.hpp>

#include <algorithm>
#include <span>
#include <vector>

#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/session.hpp>
#include <tapir/sim/seeded_random.hpp>

#include "random_packet.hpp"

using namespace tapir;
using namespace tapir::mqtt;

namespace {

using Bytes = std::vector<std::byte>;

/// All packets of a stream that arrives in pieces of a size that `piece` chooses.
template <class Piece>
std::vector<ControlPacket> decode_in_pieces(std::span<const std::byte> stream, ProtocolVersion version, Piece piece) {
  Decoder decoder{kMaxPacketSize, version};
  std::vector<ControlPacket> packets;
  while (!stream.empty()) {
    const auto size = std::min<std::size_t>(piece(), stream.size());
    auto input = stream.first(size);
    stream = stream.subspan(size);
    for (;;) {
      auto packet = decoder.next(input);
      REQUIRE(packet);
      if (!*packet) break;
      packets.push_back(std::move(**packet));
    }
    REQUIRE(input.empty());
  }
  CHECK(decoder.buffered() == 0);
  return packets;
}

/// Everything that a session does with a stream from the server, for comparison.
struct Trace {
  std::vector<std::size_t> kinds;
  std::vector<Message> messages;
  Bytes sent;
  friend bool operator==(const Trace&, const Trace&) = default;
};

template <class Piece>
Trace run_session(std::span<const std::byte> stream, ProtocolVersion version, Piece piece) {
  Session session;
  REQUIRE(session.configure({.client_id = "c", .version = version}));
  Trace trace;
  const TimePoint now{};
  REQUIRE(session.connected(now));
  while (!stream.empty()) {
    const auto size = std::min<std::size_t>(piece(), stream.size());
    session.input(stream.first(size), now);
    stream = stream.subspan(size);
    while (const auto event = session.next_event()) {
      trace.kinds.push_back(event->index());
      if (const auto* received = std::get_if<event::MessageReceived>(&*event)) trace.messages.push_back(received->message);
    }
    while (const auto slice = session.take_output(now)) trace.sent.insert(trace.sent.end(), slice->bytes().begin(), slice->bytes().end());
  }
  if (!session.is_connected()) trace.sent.clear();  // how much of the answers had left when it ended is a matter of time
  return trace;
}

}  // namespace

TEST_CASE("decode(encode(x)) == x, and any chunking of a stream gives the same packets", "[mqtt][MQTT311-2.2.3-N2]") {
  for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0}) {
    sim::SeededRandom random{42};
    test::RandomPackets source{random, version};
    for (int round = 0; round < 60; ++round) {
      std::vector<ControlPacket> packets;
      Bytes stream;
      for (int i = 0; i < 12; ++i) {
        packets.push_back(source.any());
        REQUIRE(encode(packets.back(), stream, version));
      }
      CHECK(decode_in_pieces(stream, version, [&] { return stream.size(); }) == packets);
      CHECK(decode_in_pieces(stream, version, [] { return 1; }) == packets);
      CHECK(decode_in_pieces(stream, version, [&] { return 1 + random.below(7); }) == packets);
      CHECK(decode_in_pieces(stream, version, [&] { return 1 + random.below(5000); }) == packets);
    }
  }
}

TEST_CASE("any chunking of a stream gives a session the same events and the same answers", "[mqtt][MQTT311-2.2.3-N2]") {
  for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0}) {
    sim::SeededRandom random{7};
    test::RandomPackets source{random, version};
    for (int round = 0; round < 20; ++round) {
      Bytes stream;
      REQUIRE(encode(Connack{}, stream, version));
      for (int i = 0; i < 20; ++i) REQUIRE(encode(source.from_server(), stream, version));
      if (round % 4 == 0) REQUIRE(encode(Pingreq{}, stream, version));  // which ends it
      const auto whole = run_session(stream, version, [&] { return stream.size(); });
      CHECK(whole.kinds.size() > 1);
      CHECK(run_session(stream, version, [] { return 1; }) == whole);
      for (int i = 0; i < 3; ++i) CHECK(run_session(stream, version, [&] { return 1 + random.below(300); }) == whole);
    }
  }
}

TEST_CASE("random bytes never do more than end in a named error", "[mqtt]") {
  sim::SeededRandom random{3};
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes(1 + random.below(60));
    for (auto& byte : bytes) byte = static_cast<std::byte>(random.below(256));
    if (round % 2 == 0) bytes[0] = static_cast<std::byte>(0x10U * (1 + random.below(15)));
    if (bytes.size() > 1 && round % 3 == 0) bytes[1] = static_cast<std::byte>(bytes.size() - 2);
    const auto version = round % 5 < 2 ? ProtocolVersion::v5_0 : round % 5 < 4 ? ProtocolVersion::v3_1_1 : ProtocolVersion::v3_1;
    Decoder decoder{1000, version};
    std::span<const std::byte> input{bytes};
    for (;;) {
      const auto packet = decoder.next(input);
      if (!packet) {
        ++refused;
        CHECK(packet.error().category() == mqtt::error_category());
        break;
      }
      if (!*packet) break;
      Bytes again;
      CHECK(encode(**packet, again, version));  // whatever is accepted is a packet that may be sent
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("every packet cut short waits for the rest", "[mqtt]") {
  const auto version = GENERATE(ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0);
  sim::SeededRandom random{5};
  test::RandomPackets source{random, version};
  for (int round = 0; round < 100; ++round) {
    Bytes bytes;
    REQUIRE(encode(source.any(), bytes, version));
    Decoder decoder{kMaxPacketSize, version};
    const std::size_t cut = random.below(bytes.size());
    auto input = std::span<const std::byte>{bytes}.first(cut);
    const auto packet = decoder.next(input);
    REQUIRE(packet);
    CHECK_FALSE(*packet);
    CHECK(decoder.buffered() == cut);
  }
}
