// A whole stack fed with [kind][delay][length: 2][bytes]*: frames and segments of every kind, errors, calls and socket calls, on a virtual clock.

#include <algorithm>

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  std::span<const std::uint8_t> input{data, size};
  for (int events = 0; input.size() >= 4 && events < 64; ++events) {
    const std::uint8_t kind = input[0];
    const unsigned delay = input[1];
    const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(input[2]) << 8U | input[3], input.size() - 4);
    const auto bytes = input.subspan(4, length);
    input = input.subspan(4 + length);
    victim.wait(std::chrono::milliseconds{delay * delay});  // 0 to 65 s
    switch (kind % 10) {
      case 0: victim.frame(bytes); break;
      case 1: victim.ethernet(0x0806, bytes); break;
      case 2: victim.datagram(bytes); break;
      case 3: victim.ipv4(1, bytes, 2, false); break;
      case 4: victim.ipv4(17, bytes, 6, true); break;
      case 5: victim.ipv4(6, bytes, 16, true); break;
      case 6: victim.error(bytes); break;
      case 7: victim.call(bytes); break;
      case 9: victim.socket_call(bytes); break;
      default: victim.segment(bytes); break;
    }
  }
  victim.wait(std::chrono::minutes{1});  // longer than any timer of the victim runs
  return 0;
}
