// Any bytes as a TCP segment with its checksum made right.

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  victim.ipv4(6, {data, size}, 16, true);
  victim.wait(std::chrono::seconds{1});
  return 0;
}
