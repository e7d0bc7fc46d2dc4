// Any bytes as an ICMP message with its checksum made right.

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  victim.ipv4(1, {data, size}, 2, false);
  victim.wait(std::chrono::seconds{1});
  return 0;
}
