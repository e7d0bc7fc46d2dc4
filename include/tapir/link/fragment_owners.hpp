#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include <tapir/core/drop.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/core/time.hpp>
#include <tapir/link/steering.hpp>

namespace tapir::link {

/// Finds out whose the fragments of IPv4 datagrams are: the first fragment shows the ports, the others follow it (RFC 791 section 3.2 says by what
/// they belong together). Those that come before their first one wait, a bounded number of them. One thread.
class FragmentOwners {
 public:
  using Pass = std::function<void(std::size_t shard, Packet frame)>;
  static constexpr std::size_t most_datagrams = 256;  ///< remembered; the oldest is forgotten
  static constexpr std::size_t most_waiting = 64;     ///< frames; the oldest gives way, as Drop::queue_full
  /// After that nobody puts the datagram together any more (RFC 1122 section 3.3.2), and its identification may be another's: nothing is remembered, and nothing waits
  /// (Drop::reassembly_timeout).
  static constexpr Duration longest = std::chrono::seconds{60};

  explicit FragmentOwners(const Steering& steering) noexcept : steering_{steering} {}

  /// Hands the frame, for which Steering said Kind::fragment, to `pass`, now or when its datagram's first fragment comes.
  void take(Packet frame, TimePoint now, const Pass& pass);

  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  struct Datagram {
    std::uint32_t source = 0;
    std::uint32_t destination = 0;
    std::uint16_t identification = 0;
    std::uint8_t protocol = 0;
    std::uint8_t owner = 0;
    TimePoint seen{};  ///< the first of its fragments here
    friend bool operator==(const Datagram& a, const Datagram& b) noexcept {
      return a.source == b.source && a.destination == b.destination && a.identification == b.identification && a.protocol == b.protocol;
    }
  };
  struct Waiting {
    Datagram of;
    Packet frame;
  };

  void give_up(TimePoint now);
  [[nodiscard]] const Datagram* find(const Datagram& key) const noexcept;
  void remember(const Datagram& datagram) noexcept;

  Steering steering_;
  std::array<Datagram, most_datagrams> known_{};
  std::size_t remembered_ = 0;  ///< ever; the newest is before known_[remembered_ % most_datagrams]
  std::deque<Waiting> waiting_;
  DropCounters drops_;
};

}  // namespace tapir::link
