// MQTT's decoder: any bytes in any pieces; what decodes must encode to bytes that decode to the same.

#include <cstdlib>

#include <tapir/mqtt/codec.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] == 0 ? size : data[0];
  tapir::mqtt::Decoder decoder{1U << 20U};
  std::span<const std::byte> rest = std::as_bytes(std::span{data + 1, size - 1});
  while (!rest.empty()) {
    auto piece = rest.first(std::min(step, rest.size()));
    rest = rest.subspan(piece.size());
    while (!piece.empty()) {
      const auto packet = decoder.next(piece);
      if (!packet) return 0;
      if (!*packet) continue;
      std::vector<std::byte> bytes;
      if (!tapir::mqtt::encode(**packet, bytes)) std::abort();
      tapir::mqtt::Decoder again;
      std::span<const std::byte> input{bytes};
      const auto same = again.next(input);
      if (!same || !*same || !(**same == **packet) || !input.empty()) std::abort();
    }
  }
  return 0;
}
