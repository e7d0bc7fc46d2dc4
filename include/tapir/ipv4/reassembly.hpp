#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <optional>

#include <tapir/core/context.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/ipv4/header.hpp>
#include <tapir/ipv4/hole_list.hpp>

namespace tapir::ipv4 {

/// The bounds of reassembly. Memory is counted as what the kept fragments keep alive, not as their size.
struct ReassemblyLimits {
  Duration timeout = std::chrono::seconds{30};  ///< from the first fragment, whichever it is; RFC 1122 section 3.3.2 asks for 60-120 s
  std::size_t max_datagram = 65535;             ///< bytes with header, at least 576
  std::size_t max_memory = 4U << 20U;           ///< bytes, of all datagrams; the oldest goes when it is reached
  std::size_t max_memory_per_source = 1U << 20U;
  std::size_t max_datagrams = 1024;
  std::size_t max_datagrams_per_source = 64;
};

/// Puts fragments together (RFC 791 section 3.2 with the hole list of RFC 815). Fragments that overlap spoil their datagram: it is dropped
/// whole and the rest of it ignored until its time is over, because overlaps are only ever made to deceive (RFC 1858, RFC 3128, RFC 5722).
/// One thread.
class Reassembly {
 public:
  /// A datagram was given up: why, and its first fragment as it was received, if that came and the sender is to be told (timeout).
  using GivenUp = std::function<void(Drop why, std::optional<Packet> first, LinkCast cast)>;

  Reassembly(Context& context, const ReassemblyLimits& limits, GivenUp given_up);

  /// Takes a fragment whose front is its header (checked already). The whole datagram when this was the last missing piece: its header is the first
  /// fragment's with total length, flags, offset, ECN and checksum as if it had never been cut. nullopt: some are missing.
  /// A Drop: the fragment was dropped, and perhaps its datagram with it.
  [[nodiscard]] std::expected<std::optional<Packet>, Drop> add(Packet fragment, const Header& header, LinkCast cast);

  [[nodiscard]] const ReassemblyLimits& limits() const noexcept { return limits_; }
  /// Datagrams under way, and those that are spoiled and wait for their end.
  [[nodiscard]] std::size_t datagrams() const noexcept { return datagrams_.size(); }
  /// Bytes that the kept fragments keep alive.
  [[nodiscard]] std::size_t memory() const noexcept { return memory_; }
  /// Datagrams given up so far.
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }

 private:
  struct Key {
    Ipv4Address source;
    Ipv4Address destination;
    network::Protocol protocol{};
    std::uint16_t identification = 0;
    friend constexpr auto operator<=>(const Key&, const Key&) noexcept = default;
  };
  struct Datagram {
    TimePoint deadline;
    std::list<Key>::iterator age;  ///< its place in by_age_
    HoleList missing;
    std::map<std::size_t, Slice> data;  ///< by offset; one slice for each fragment
    std::optional<std::size_t> end;     ///< bytes of data in the whole datagram, once the last fragment has come
    std::array<std::byte, max_header_size> first_header{};
    std::size_t first_header_size = 0;  ///< 0: fragment zero has not come
    TimePoint ingress;                  ///< of the fragment that has come last, as Linux has it
    LinkCast cast = LinkCast::unicast;
    std::uint8_t ecn_seen = 0;  ///< a bit for each ECN codepoint
    std::size_t memory = 0;
    bool spoiled = false;
  };
  struct Source {
    std::size_t datagrams = 0;
    std::size_t memory = 0;
  };
  using Datagrams = std::map<Key, Datagram>;

  [[nodiscard]] std::optional<Drop> unacceptable(const Header& header, std::size_t data_size) const noexcept;
  [[nodiscard]] Datagrams::iterator find_or_start(const Key& key);
  [[nodiscard]] static std::optional<Drop> contradiction(const Datagram& datagram, std::size_t begin, const Packet& fragment,
                                                         std::size_t header_size, bool last);
  void keep(const Key& key, Datagram& datagram, std::size_t begin, const Packet& fragment, const Header& header);
  [[nodiscard]] std::expected<std::optional<Packet>, Drop> finish(Datagrams::iterator done);
  void spoil(const Key& key, Datagram& datagram);
  void release_data(const Key& key, Datagram& datagram);
  void remove(Datagrams::iterator gone);
  void make_room(const Key& newcomer);
  void evict(Datagrams::iterator victim);
  [[nodiscard]] Datagrams::iterator oldest_of(Ipv4Address source);
  [[nodiscard]] Packet first_fragment(const Datagram& datagram) const;
  void expire();

  Context& context_;
  ReassemblyLimits limits_;
  GivenUp given_up_;
  Datagrams datagrams_;
  std::map<Ipv4Address, Source> sources_;
  std::list<Key> by_age_;  ///< oldest first; the timeout is the same for all, so this is the order of deadlines
  std::size_t memory_ = 0;
  std::uint64_t failures_ = 0;
  Timer timer_;
};

}  // namespace tapir::ipv4
