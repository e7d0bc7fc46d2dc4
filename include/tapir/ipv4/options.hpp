#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>

#include <tapir/core/addresses.hpp>
#include <tapir/ipv4/header.hpp>

/// The options of the IPv4 header (RFC 791 section 3.1). Every function takes the option bytes as they stand behind the fixed header and
/// counts positions from their front. Wire input of any kind is safe: nothing is read or written outside the span.
namespace tapir::ipv4 {

/// IANA "IP Option Numbers", those that this host knows.
enum class OptionType : std::uint8_t {
  end_of_list = 0,
  no_operation = 1,
  record_route = 7,
  timestamp = 68,
  loose_source_route = 131,
  stream_identifier = 136,
  strict_source_route = 137,
};

/// Whether the option stands in every fragment, or in the first only: bit 7 of the type.
[[nodiscard]] constexpr bool is_copied(std::uint8_t type) noexcept { return (type & 0x80U) != 0; }

/// An option that breaks its own rules: the octet at fault, as the Pointer of a Parameter Problem message counts, from the front of the
/// header (RFC 792). 20 is the first option octet.
struct OptionProblem {
  std::uint8_t pointer = 0;
};

/// Where the options that this host acts on stand.
struct OptionSummary {
  struct SourceRoute {
    std::size_t offset = 0;
    bool strict = false;
    bool complete = false;  ///< the pointer is past the end: the destination is the last one
  };
  std::optional<SourceRoute> source_route;
  std::optional<std::size_t> record_route;
  std::optional<std::size_t> timestamp;
  bool stream_identifier = false;
};

/// Walks the list up to its end or End of Option List. Options that are not known are passed over (RFC 1122 section 3.2.1.8).
/// A problem is a length of 0, 1 or past the end, a pointer before the first slot, or a second source route.
[[nodiscard]] std::expected<OptionSummary, OptionProblem> parse_options(std::span<const std::byte> options);

/// What this host writes into Record Route and Timestamp options.
struct Passage {
  Ipv4Address address;                      ///< one of ours: the destination, or that of the interface by which the datagram leaves
  std::uint32_t time = 0;                   ///< milliseconds since midnight UT, or any number with the top bit set
  std::function<bool(Ipv4Address)> is_own;  ///< for timestamps at prespecified addresses
};

/// Adds an entry where there is room; a full Record Route stays as it is, a full Timestamp counts its overflow. A problem when the
/// overflow itself overflows, or part of a slot remains.
[[nodiscard]] std::expected<void, OptionProblem> record_passage(std::span<std::byte> options, const OptionSummary& summary,
                                                                const Passage& passage);

/// The next address of an incomplete source route.
[[nodiscard]] std::optional<Ipv4Address> next_of_route(std::span<const std::byte> options, const OptionSummary::SourceRoute& route);
/// Replaces that address by `own` and moves the pointer past it (RFC 791: "the recorded route").
void advance_route(std::span<std::byte> options, const OptionSummary::SourceRoute& route, Ipv4Address own);

/// A list of options in a buffer of its own, padded with zeros to a multiple of four bytes.
class OptionBytes {
 public:
  OptionBytes() noexcept = default;
  /// Copies `options`, at most 40 bytes of them.
  explicit OptionBytes(std::span<const std::byte> options) noexcept { append(options); }

  /// Adds bytes as they are; false, and nothing added, beyond 40.
  bool append(std::span<const std::byte> bytes) noexcept;
  /// The bytes with their padding.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return std::span{bytes_}.first((size_ + 3) / 4 * 4); }
  [[nodiscard]] std::span<std::byte> writable() noexcept { return std::span{bytes_}.first((size_ + 3) / 4 * 4); }
  [[nodiscard]] std::size_t size() const noexcept { return (size_ + 3) / 4 * 4; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<std::byte, max_options_size> bytes_{};
  std::size_t size_ = 0;
};

/// Those options of a datagram that all its fragments carry.
[[nodiscard]] OptionBytes copied_options(std::span<const std::byte> options);

/// A source route as a user gives it (all hops in order, the pointer at the first, the final destination outside) turned into what the
/// wire carries: the first hop becomes the destination and is returned, the final destination becomes the last entry. `destination`
/// itself, and the options unchanged, when there is no route or an empty one.
[[nodiscard]] Ipv4Address start_route(std::span<std::byte> options, const OptionSummary& summary, Ipv4Address destination);

/// Whether a source route or Record Route holds a multicast address: a group is no hop, and no sender may say so (RFC 1112 section 6.2).
[[nodiscard]] bool names_group(std::span<const std::byte> options, const OptionSummary& summary);

/// The options that answer a datagram with these: a completed source route reversed, in the form that network::Send takes, without the
/// source host should it stand at the route's beginning (RFC 1122 section 3.2.1.8 (c)), and Record Route and Timestamp as they are
/// (RFC 1122 section 3.2.2.6).
[[nodiscard]] OptionBytes reply_options(std::span<const std::byte> received, Ipv4Address source);

}  // namespace tapir::ipv4
