// Any bytes as a frame: framing, VLAN tags, LLC and SNAP.

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  victim.frame({data, size});
  victim.wait(std::chrono::seconds{1});
  return 0;
}
