#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace tapir::test {

/// `address` and `port` are numbers, not in network byte order.
[[nodiscard]] inline sockaddr_in socket_address(std::uint32_t address, std::uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  in.sin_port = htons(port);
  return in;
}
[[nodiscard]] inline const sockaddr* generic(const sockaddr_in& in) { return reinterpret_cast<const sockaddr*>(&in); }
[[nodiscard]] inline sockaddr* generic(sockaddr_in& in) { return reinterpret_cast<sockaddr*>(&in); }

}  // namespace tapir::test
