// What writing and reading of MQTT packets cost.

#include <array>
#include <vector>

#include <benchmark/benchmark.h>

#include <tapir/mqtt/codec.hpp>

namespace {

using namespace tapir::mqtt;

constexpr auto kOld = ProtocolVersion::v3_1_1;
constexpr auto kNew = ProtocolVersion::v5_0;

Publish publish(ProtocolVersion version, QoS qos) {
  Publish packet{.qos = qos, .topic = "bench/room/temperature", .payload = std::string(64, 'x').c_str()};
  if (qos != QoS::at_most_once) packet.id = PacketId{77};
  if (version == kNew) {
    packet.properties = {{property::payload_format_indicator, true},
                         {property::message_expiry_interval, 60},
                         {property::user_property, {"unit", "celsius"}}};
  }
  return packet;
}

ControlPacket example(const std::string& name, ProtocolVersion version) {
  if (name == "puback") return Puback{.id = PacketId{77}};
  if (name == "connect")
    return Connect{
        .version = version, .keep_alive = std::chrono::seconds{60}, .client_id = "sensor-1", .user_name = "user", .password = "password"};
  return publish(version, name == "publish0" ? QoS::at_most_once : QoS::at_least_once);
}

void encoding(benchmark::State& state, const char* name, ProtocolVersion version) {
  const ControlPacket packet = example(name, version);
  std::vector<std::byte> out;
  std::size_t bytes = 0;
  for (auto _ : state) {
    out.clear();
    if (!encode(packet, out, version)) state.SkipWithError("encode");
    benchmark::DoNotOptimize(out.data());
    bytes += out.size();
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

/// Packets as a connection brings them: many in one piece of 4 KiB, the last one cut.
void decoding(benchmark::State& state, const char* name, ProtocolVersion version) {
  std::vector<std::byte> stream;
  while (stream.size() < 64 << 10) {
    if (!encode(example(name, version), stream, version)) state.SkipWithError("encode");
  }
  constexpr std::size_t kPiece = 4096;
  std::int64_t packets = 0;
  for (auto _ : state) {
    Decoder decoder{kMaxPacketSize, version};
    for (std::size_t at = 0; at < stream.size(); at += kPiece) {
      auto piece = std::span<const std::byte>{stream}.subspan(at, std::min(kPiece, stream.size() - at));
      for (;;) {
        auto packet = decoder.next(piece);
        if (!packet) state.SkipWithError("decode");
        if (!packet || !*packet) break;
        benchmark::DoNotOptimize(**packet);
        ++packets;
      }
    }
  }
  state.SetItemsProcessed(packets);
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * stream.size()));
}

#define BOTH(name, version)                                         \
  BENCHMARK_CAPTURE(encoding, name##_##version, #name, k##version); \
  BENCHMARK_CAPTURE(decoding, name##_##version, #name, k##version)
BOTH(publish0, Old);
BOTH(publish1, Old);
BOTH(publish1, New);
BOTH(puback, Old);
BOTH(connect, Old);

}  // namespace

BENCHMARK_MAIN();
