#pragma once

#include <array>
#include <cstddef>
#include <cstring>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/core/siphash.hpp>

namespace tapir::tcp {

/// What names a connection: its two ends.
struct FourTuple {
  Endpoint local;
  Endpoint remote;

  /// Most comparisons find them equal: all parts at once, with one branch.
  friend constexpr bool operator==(const FourTuple& a, const FourTuple& b) noexcept {
    return static_cast<unsigned>(a.local.address == b.local.address) & static_cast<unsigned>(a.remote.address == b.remote.address) &
           static_cast<unsigned>(a.local.port == b.local.port) & static_cast<unsigned>(a.remote.port == b.remote.port);
  }
};

/// Keyed, so that nobody outside can choose 4-tuples that fall into one bucket.
class FourTupleHash {
 public:
  explicit FourTupleHash(const SipKey& key) noexcept : key_{key} {}
  [[nodiscard]] std::size_t operator()(const FourTuple& tuple) const noexcept {
    struct Image {
      IpAddress::Octets local_address;
      IpAddress::Octets remote_address;
      BigEndian<Port> local_port;
      BigEndian<Port> remote_port;
    };
    const Image image{tuple.local.address.octets(), tuple.remote.address.octets(), tuple.local.port, tuple.remote.port};
    return static_cast<std::size_t>(siphash(key_, std::as_bytes(std::span{&image, 1})));
  }

 private:
  SipKey key_;
};

}  // namespace tapir::tcp
