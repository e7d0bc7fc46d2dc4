#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>

namespace tapir::posix::detail {

/// What an address argument says. EFAULT for a null pointer, EINVAL for too few bytes.
[[nodiscard]] Result<sa_family_t> family_of(const sockaddr* address, socklen_t size);
/// Which families an address argument may name beside AF_INET.
enum class OtherFamilies : std::uint8_t { none, unspecified, any };
/// EFAULT, EINVAL for less than a sockaddr_in, EAFNOSUPPORT for another family.
[[nodiscard]] Result<Endpoint> endpoint_of(const sockaddr* address, socklen_t size, OtherFamilies others = OtherFamilies::none);
[[nodiscard]] sockaddr_in to_sockaddr(const Endpoint& endpoint) noexcept;
/// Fills an address result as the kernel does: cut to *size, which then says how long it is uncut. EFAULT, EINVAL for a negative size.
[[nodiscard]] Result<> write_address(const Endpoint& endpoint, sockaddr* address, socklen_t* size);

}  // namespace tapir::posix::detail
