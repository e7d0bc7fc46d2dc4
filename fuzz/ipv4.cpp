// Any bytes as an IPv4 datagram: header, options, fragments. The header checksum is made right.

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  victim.datagram({data, size});
  victim.wait(std::chrono::seconds{1});
  return 0;
}
