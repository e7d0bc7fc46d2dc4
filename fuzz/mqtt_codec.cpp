// MQTT's decoder in each version: any bytes in any pieces; what decodes must encode to bytes that decode to the same. A second decoder
// takes payloads in parts and must find the same packets.

#include <cstdlib>
#include <string>

#include <tapir/mqtt/codec.hpp>

namespace {

using namespace tapir::mqtt;

void check_round_trip(const ControlPacket& packet, ProtocolVersion version) {
  std::vector<std::byte> bytes;
  if (!encode(packet, bytes, version)) std::abort();
  Decoder again{kMaxPacketSize, version};
  std::span<const std::byte> input{bytes};
  const auto same = again.next(input);
  if (!same || !*same || !(**same == packet) || !input.empty()) std::abort();
}

/// The packets of a stream until its end or its first error. `part` bytes of a PUBLISH make it come in parts, which are put together.
std::vector<ControlPacket> decode(std::span<const std::byte> rest, std::size_t step, ProtocolVersion version, std::size_t part) {
  Decoder decoder{1U << 20U, version};
  decoder.stream_above(part);
  std::vector<ControlPacket> packets;
  std::vector<std::byte> payload;
  while (!rest.empty()) {
    auto piece = rest.first(std::min(step, rest.size()));
    rest = rest.subspan(piece.size());
    while (!piece.empty()) {
      if (decoder.payload_left() > 0) {
        const auto taken = decoder.take_payload(piece);
        payload.insert(payload.end(), taken.begin(), taken.end());
        if (decoder.payload_left() == 0) std::get<Publish>(packets.back()).payload = Payload{std::move(payload)};
        if (decoder.payload_left() == 0) payload = {};
        continue;
      }
      auto packet = decoder.next(piece);
      if (!packet) return packets;
      if (*packet) packets.push_back(std::move(**packet));
    }
  }
  if (decoder.payload_left() > 0) packets.pop_back();  // its payload has not come
  return packets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] == 0 ? size : data[0];
  const auto bytes = std::as_bytes(std::span{data + 1, size - 1});
  for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0}) {
    const auto packets = decode(bytes, step, version, kMaxPacketSize);
    for (const auto& packet : packets) {
      if (std::holds_alternative<Connect>(packet)) return 0;  // another version from here on
      check_round_trip(packet, version);
    }
    if (decode(bytes, step, version, 16) != packets) std::abort();
  }
  return 0;
}
