#include "isn.hpp"

#include <chrono>

#include <tapir/core/byte_order.hpp>

namespace tapir::tcp {

namespace {
struct HashedEnds {
  IpAddress::Octets local_address;
  BigEndian<Port> local_port;
  IpAddress::Octets remote_address;
  BigEndian<Port> remote_port;
};
static_assert(sizeof(HashedEnds) == 2 * sizeof(IpAddress::Octets) + 4 && alignof(HashedEnds) == 1);

constexpr std::chrono::microseconds kTick{4};  // RFC 9293 section 3.4.1
}  // namespace

SeqNum IsnGenerator::next(const Endpoint& local, const Endpoint& remote, TimePoint now) const noexcept {
  const HashedEnds hashed{.local_address = local.address.octets(),
                          .local_port = local.port,
                          .remote_address = remote.address.octets(),
                          .remote_port = remote.port};
  const auto ticks = static_cast<std::uint32_t>(now.time_since_epoch() / kTick);
  const auto offset = static_cast<std::uint32_t>(siphash(key_, std::as_bytes(std::span{&hashed, 1})));
  return SeqNum{ticks + offset};
}

}  // namespace tapir::tcp
