#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>

namespace tapir::ipv4 {

/// What a "datagram too big" message says (RFC 1191 section 4).
struct TooBig {
  std::size_t next_hop_mtu = 0;        ///< bytes; 0: an old router that does not say
  std::size_t quoted_size = 0;         ///< total length of the datagram it quotes, bytes; 0: not known
  std::size_t quoted_header_size = 0;  ///< of that datagram, bytes
};

/// The path MTU estimates of a host (RFC 1191). An estimate only ever goes down, to no less than 68 bytes, and is forgotten a while after
/// its last decrease, so that the link's own MTU is tried again. Bounded: the least recently lowered goes first. One thread.
class PathMtuCache {
 public:
  struct Limits {
    Duration lifetime = std::chrono::minutes{10};  ///< RFC 1191 section 6.3; never less than 5 minutes
    std::size_t max_entries = 4096;
  };
  PathMtuCache() noexcept : PathMtuCache(Limits{}) {}
  explicit PathMtuCache(Limits limits) noexcept;

  /// Bytes that reach `destination` in one piece as far as is known; `link_mtu` is that of the first hop.
  [[nodiscard]] std::size_t estimate(Ipv4Address destination, std::size_t link_mtu, TimePoint now) const noexcept;
  /// A router could not forward a datagram to `destination`. The new estimate, or nullopt when the message changes nothing.
  std::optional<std::size_t> too_big(Ipv4Address destination, std::size_t link_mtu, const TooBig& message, TimePoint now);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::size_t mtu = 0;
    TimePoint lowered;
  };
  void make_room(TimePoint now);

  Limits limits_;
  std::map<Ipv4Address, Entry> entries_;
};

/// The greatest common MTU below `size`: 65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68 (RFC 1191 section 7).
[[nodiscard]] std::size_t plateau_below(std::size_t size) noexcept;

}  // namespace tapir::ipv4
