#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tapir/core/context.hpp>
#include <tapir/core/siphash.hpp>
#include <tapir/ipv4/header.hpp>

namespace tapir::ipv4 {

/// The identification of datagrams that may be fragmented: a counter for each (source, destination, protocol), or rather for each of a fixed number
/// of keyed hashes of these, from an unpredictable start. No number comes twice within the longest time that a datagram lives
/// (RFC 6864 section 4.3).
class IdentificationCounters {
 public:
  /// The maximum datagram lifetime (RFC 6864 section 4.3 takes RFC 793's 2 minutes).
  static constexpr Duration max_datagram_lifetime = std::chrono::minutes{2};

  explicit IdentificationCounters(Context& context) : context_{context} {}

  /// The next number; nullopt when all 65536 have been used too recently.
  [[nodiscard]] std::optional<std::uint16_t> next(Ipv4Address source, Ipv4Address destination, network::Protocol protocol);

 private:
  static constexpr std::size_t bucket_count = 256;
  static constexpr std::size_t parts = 8;  ///< of the number space: the time of last use is kept for each
  struct Bucket {
    std::uint16_t start = 0;
    std::uint16_t count = 0;
    std::array<std::optional<TimePoint>, parts> last_use;
  };

  Context& context_;
  SipKey key_;
  std::vector<Bucket> buckets_;  ///< made at first use: hosts that send only unfragmentable datagrams need none
};

}  // namespace tapir::ipv4
