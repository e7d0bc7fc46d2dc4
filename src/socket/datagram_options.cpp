// IPPROTO_UDP (man 7 udp).

#include <netinet/udp.h>

#include <cstdint>
#include <cstring>

#include "datagram_socket.hpp"
#include "error_number.hpp"
#include "option_table.hpp"

namespace tapir::posix::detail {

namespace {

constexpr int kSegment = 103;  // UDP_SEGMENT of <linux/udp.h>

DatagramSocket& datagram(Socket& socket) { return static_cast<DatagramSocket&>(socket); }

template <auto Member>
Result<OptionValue> get(Socket& socket) {
  return OptionValue{static_cast<int>(datagram(socket).udp().*Member)};
}

Result<> set_cork(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  datagram(socket).udp().cork = *value != 0;
  if (*value == 0) datagram(socket).uncork();
  return {};
}

Result<> set_segment(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value < 0 || *value > UINT16_MAX) return error(EINVAL);
  datagram(socket).udp().segment = *value;
  return {};
}

constexpr Option kRows[] = {
    {IPPROTO_UDP, UDP_CORK, get<&UdpOptions::cork>, set_cork},
    {IPPROTO_UDP, kSegment, get<&UdpOptions::segment>, set_segment},
};

}  // namespace

std::span<const Option> udp_level_options() noexcept { return kRows; }

/// UDP_SEGMENT of one message.
Result<> DatagramSocket::take_own_control(const cmsghdr& header, std::span<const std::byte> data, Departure& way) const {
  if (header.cmsg_level != IPPROTO_UDP) return {};
  std::uint16_t segment = 0;
  if (header.cmsg_type != kSegment || data.size() != sizeof(segment)) return error(EINVAL);
  std::memcpy(&segment, data.data(), sizeof(segment));
  way.segment = segment;
  return {};
}

}  // namespace tapir::posix::detail
