// Any bytes as an IPv4 datagram: header, options, fragments. The header checksum is made right.

#include <algorithm>

#include <tapir/core/checksum.hpp>

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tapir::fuzz::Victim victim;
  std::vector<std::uint8_t> datagram(data, data + size);
  const std::size_t header = size > 0 ? std::min<std::size_t>((datagram[0] & 0x0fU) * 4U, size) : 0;
  if (header >= 20) {
    datagram[10] = datagram[11] = 0;
    tapir::InternetChecksum sum;
    sum.add(std::as_bytes(std::span{datagram}).first(header));
    datagram[10] = static_cast<std::uint8_t>(sum.value() >> 8U);
    datagram[11] = static_cast<std::uint8_t>(sum.value() & 0xffU);
  }
  victim.ethernet(0x0800, datagram);
  victim.wait(std::chrono::seconds{1});
  return 0;
}
