// Any bytes as an ARP packet, then as a RARP packet.

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  victim.ethernet(0x0806, {data, size});
  victim.ethernet(0x8035, {data, size});
  victim.wait(std::chrono::seconds{1});
  return 0;
}
