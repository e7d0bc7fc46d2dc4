#include "address.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "error_number.hpp"

namespace tapir::posix::detail {

Result<sa_family_t> family_of(const sockaddr* address, socklen_t size) {
  if (address == nullptr) return error(EFAULT);
  if (size < sizeof(sa_family_t)) return error(EINVAL);
  return address->sa_family;
}

Result<Endpoint> endpoint_of(const sockaddr* address, socklen_t size, OtherFamilies others) {
  if (address == nullptr) return error(EFAULT);
  if (size < sizeof(sockaddr_in) || size > sizeof(sockaddr_storage)) return error(EINVAL);
  sockaddr_in in{};
  std::memcpy(&in, address, sizeof(in));
  const bool taken =
      in.sin_family == AF_INET || others == OtherFamilies::any || (others == OtherFamilies::unspecified && in.sin_family == AF_UNSPEC);
  if (!taken) return error(EAFNOSUPPORT);
  return Endpoint{Ipv4Address{ntohl(in.sin_addr.s_addr)}, Port{ntohs(in.sin_port)}};
}

sockaddr_in to_sockaddr(const Endpoint& endpoint) noexcept {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(endpoint.port.value());
  in.sin_addr.s_addr = htonl(endpoint.address.v4().value());
  return in;
}

Result<> write_address(const Endpoint& endpoint, sockaddr* address, socklen_t* size) {
  if (address == nullptr || size == nullptr) return error(EFAULT);
  if (static_cast<int>(*size) < 0) return error(EINVAL);
  const sockaddr_in in = to_sockaddr(endpoint);
  std::memcpy(address, &in, std::min<std::size_t>(*size, sizeof(in)));
  *size = sizeof(in);
  return {};
}

}  // namespace tapir::posix::detail
