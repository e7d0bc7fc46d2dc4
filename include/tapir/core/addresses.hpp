#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace tapir {

/// An Ethernet hardware address (IEEE 802 EUI-48): six octets in wire order, alignment 1, fit to stand in a header.
class MacAddress {
 public:
  constexpr MacAddress() noexcept = default;
  constexpr explicit MacAddress(std::array<std::uint8_t, 6> octets) noexcept : octets_{octets} {}

  /// Reads "02:00:5e:10:00:01" (hexadecimal digits of either case, ':' or '-' between); nullopt for anything else.
  [[nodiscard]] static constexpr std::optional<MacAddress> parse(std::string_view text) noexcept;
  [[nodiscard]] static constexpr MacAddress broadcast() noexcept { return MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }

  [[nodiscard]] constexpr const std::array<std::uint8_t, 6>& octets() const noexcept { return octets_; }
  /// The group bit: true for multicast and for broadcast.
  [[nodiscard]] constexpr bool is_group() const noexcept { return (octets_[0] & 1U) != 0; }
  [[nodiscard]] constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }
  [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }

  friend constexpr bool operator==(const MacAddress&, const MacAddress&) noexcept = default;
  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) noexcept = default;

 private:
  std::array<std::uint8_t, 6> octets_{};
};
static_assert(sizeof(MacAddress) == 6 && alignof(MacAddress) == 1);

/// An IPv4 address, held as the host's 32-bit number (192.0.2.1 is 0xc0000201). On the wire: BigEndian<Ipv4Address>.
class Ipv4Address {
 public:
  using wire_type = std::uint32_t;

  constexpr Ipv4Address() noexcept = default;
  constexpr explicit Ipv4Address(std::uint32_t value) noexcept : value_{value} {}

  /// Reads dotted decimal "192.0.2.1", four numbers of 0-255 without leading zeros; nullopt for anything else.
  [[nodiscard]] static constexpr std::optional<Ipv4Address> parse(std::string_view text) noexcept;
  [[nodiscard]] static constexpr Ipv4Address any() noexcept { return Ipv4Address{}; }
  /// 255.255.255.255, the limited broadcast (RFC 919 section 7).
  [[nodiscard]] static constexpr Ipv4Address broadcast() noexcept { return Ipv4Address{0xffff'ffffU}; }

  [[nodiscard]] constexpr std::uint32_t value() const noexcept { return value_; }
  [[nodiscard]] constexpr bool is_unspecified() const noexcept { return value_ == 0; }
  [[nodiscard]] constexpr bool is_limited_broadcast() const noexcept { return value_ == 0xffff'ffffU; }
  /// 224.0.0.0/4 (RFC 1112 section 4).
  [[nodiscard]] constexpr bool is_multicast() const noexcept { return value_ >> 28U == 0xeU; }
  /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3 (g)).
  [[nodiscard]] constexpr bool is_loopback() const noexcept { return value_ >> 24U == 127U; }
  /// 240.0.0.0/4 without the limited broadcast: reserved, never a host.
  [[nodiscard]] constexpr bool is_reserved() const noexcept { return value_ >> 28U == 0xfU && !is_limited_broadcast(); }
  /// 169.254.0.0/16 (RFC 3927).
  [[nodiscard]] constexpr bool is_link_local() const noexcept { return value_ >> 16U == 0xa9feU; }

  friend constexpr bool operator==(const Ipv4Address&, const Ipv4Address&) noexcept = default;
  friend constexpr auto operator<=>(const Ipv4Address&, const Ipv4Address&) noexcept = default;

 private:
  std::uint32_t value_ = 0;
};

/// An address and the number of leading bits that name its network, 0-32: "192.0.2.2/24". The host bits are kept, so one value
/// says both an interface's own address and its network.
class Ipv4Prefix {
 public:
  constexpr Ipv4Prefix() noexcept = default;
  /// `length` above 32 is taken as 32.
  constexpr Ipv4Prefix(Ipv4Address address, std::uint8_t length) noexcept
      : address_{address}, length_{length > 32 ? std::uint8_t{32} : length} {}

  /// Reads "192.0.2.2/24"; without "/n" the length is 32. nullopt for anything else.
  [[nodiscard]] static constexpr std::optional<Ipv4Prefix> parse(std::string_view text) noexcept;

  [[nodiscard]] constexpr Ipv4Address address() const noexcept { return address_; }
  [[nodiscard]] constexpr std::uint8_t length() const noexcept { return length_; }
  [[nodiscard]] constexpr Ipv4Address mask() const noexcept { return Ipv4Address{length_ == 0 ? 0U : 0xffff'ffffU << (32U - length_)}; }
  /// The address with all host bits zero.
  [[nodiscard]] constexpr Ipv4Address network() const noexcept { return Ipv4Address{address_.value() & mask().value()}; }
  /// The address with all host bits one: the directed broadcast. A /31 (RFC 3021) and a /32 have none.
  [[nodiscard]] constexpr std::optional<Ipv4Address> broadcast() const noexcept {
    if (length_ >= 31) return std::nullopt;
    return Ipv4Address{address_.value() | ~mask().value()};
  }
  [[nodiscard]] constexpr bool contains(Ipv4Address other) const noexcept { return (other.value() & mask().value()) == network().value(); }

  friend constexpr bool operator==(const Ipv4Prefix&, const Ipv4Prefix&) noexcept = default;

 private:
  Ipv4Address address_;
  std::uint8_t length_ = 32;
};

/// A UDP or TCP port number. Port 0 means "any" where a local port is chosen.
class Port {
 public:
  using wire_type = std::uint16_t;

  constexpr Port() noexcept = default;
  constexpr explicit Port(std::uint16_t value) noexcept : value_{value} {}
  [[nodiscard]] constexpr std::uint16_t value() const noexcept { return value_; }

  friend constexpr bool operator==(const Port&, const Port&) noexcept = default;
  friend constexpr auto operator<=>(const Port&, const Port&) noexcept = default;

 private:
  std::uint16_t value_ = 0;
};

/// Which network layer an address belongs to.
enum class Family : std::uint8_t { ipv4 };

/// The address by which transports name an endpoint, whatever the family. IPv4 is the one family there is today; a second one
/// widens the inside of this class, not its users.
class IpAddress {
 public:
  constexpr IpAddress() noexcept = default;
  constexpr IpAddress(Ipv4Address address) noexcept : v4_{address} {}  // NOLINT(google-explicit-constructor): widening

  [[nodiscard]] constexpr Family family() const noexcept { return Family::ipv4; }
  /// The IPv4 address; call only when family() is Family::ipv4.
  [[nodiscard]] constexpr Ipv4Address v4() const noexcept { return v4_; }
  [[nodiscard]] constexpr bool is_unspecified() const noexcept { return v4_.is_unspecified(); }
  [[nodiscard]] constexpr bool is_multicast() const noexcept { return v4_.is_multicast(); }
  /// An address that never leaves its host.
  [[nodiscard]] constexpr bool is_loopback() const noexcept { return v4_.is_loopback(); }

  /// Room for an address of the largest family there is.
  using Octets = std::array<std::byte, 4>;
  /// The address in wire order, filled up with zeros: what hashes that must not depend on the family are computed from.
  [[nodiscard]] constexpr Octets octets() const noexcept {
    Octets octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<std::byte>(v4_.value() >> (24 - 8 * i) & 0xffU);
    return octets;
  }

  friend constexpr bool operator==(const IpAddress&, const IpAddress&) noexcept = default;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

 private:
  Ipv4Address v4_;
};

/// One end of a transport association.
struct Endpoint {
  IpAddress address;
  Port port;

  friend constexpr bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) noexcept = default;
};

/// The number of a stack's interface, 0 for the first. Interfaces are never renumbered while the stack lives.
enum class InterfaceIndex : std::uint16_t {};

/// How a frame was addressed (RFC 1122 section 2.4).
enum class LinkCast : std::uint8_t { unicast, multicast, broadcast };

/// "02:00:5e:10:00:01"
[[nodiscard]] std::string to_string(const MacAddress& address);
/// "192.0.2.1"
[[nodiscard]] std::string to_string(Ipv4Address address);
/// "192.0.2.2/24"
[[nodiscard]] std::string to_string(Ipv4Prefix prefix);
[[nodiscard]] std::string to_string(IpAddress address);
/// "192.0.2.1:1883"
[[nodiscard]] std::string to_string(const Endpoint& endpoint);
std::ostream& operator<<(std::ostream& out, const MacAddress& address);
std::ostream& operator<<(std::ostream& out, Ipv4Address address);
std::ostream& operator<<(std::ostream& out, Ipv4Prefix prefix);
std::ostream& operator<<(std::ostream& out, IpAddress address);
std::ostream& operator<<(std::ostream& out, Port port);
std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint);

namespace detail {
/// Reads a decimal number of at most `max` from the front of `text` and takes it off; no sign, no leading zero.
constexpr std::optional<std::uint32_t> take_decimal(std::string_view& text, std::uint32_t max) noexcept {
  std::size_t digits = 0;
  std::uint32_t value = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (digits == 1 && text[0] == '0') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(text[digits] - '0');
    if (value > max) return std::nullopt;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}
constexpr std::optional<std::uint8_t> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}
}  // namespace detail

constexpr std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
  if (text.size() != 17) return std::nullopt;
  std::array<std::uint8_t, 6> octets{};
  for (std::size_t i = 0; i < 6; ++i) {
    const auto high = detail::hex_digit(text[3 * i]);
    const auto low = detail::hex_digit(text[3 * i + 1]);
    if (!high || !low) return std::nullopt;
    if (i < 5 && (text[3 * i + 2] != text[2] || (text[2] != ':' && text[2] != '-'))) return std::nullopt;
    octets[i] = static_cast<std::uint8_t>(*high << 4U | *low);
  }
  return MacAddress{octets};
}

constexpr std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) noexcept {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) {
      if (text.empty() || text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    const auto octet = detail::take_decimal(text, 255);
    if (!octet) return std::nullopt;
    value = value << 8U | *octet;
  }
  if (!text.empty()) return std::nullopt;
  return Ipv4Address{value};
}

constexpr std::optional<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto address = Ipv4Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Ipv4Prefix{*address, 32};
  text.remove_prefix(slash + 1);
  const auto length = detail::take_decimal(text, 32);
  if (!length || !text.empty()) return std::nullopt;
  return Ipv4Prefix{*address, static_cast<std::uint8_t>(*length)};
}

/// Addresses written in the source are checked while it compiles.
namespace literals {
consteval MacAddress operator""_mac(const char* text, std::size_t size) { return MacAddress::parse({text, size}).value(); }
consteval Ipv4Address operator""_ipv4(const char* text, std::size_t size) { return Ipv4Address::parse({text, size}).value(); }
consteval Ipv4Prefix operator""_prefix(const char* text, std::size_t size) { return Ipv4Prefix::parse({text, size}).value(); }
}  // namespace literals

}  // namespace tapir

template <>
struct std::hash<tapir::Ipv4Address> {
  std::size_t operator()(tapir::Ipv4Address address) const noexcept { return std::hash<std::uint32_t>{}(address.value()); }
};
template <>
struct std::hash<tapir::IpAddress> {
  std::size_t operator()(tapir::IpAddress address) const noexcept { return std::hash<tapir::Ipv4Address>{}(address.v4()); }
};
template <>
struct std::hash<tapir::Port> {
  std::size_t operator()(tapir::Port port) const noexcept { return port.value(); }
};
template <>
struct std::hash<tapir::MacAddress> {
  std::size_t operator()(const tapir::MacAddress& address) const noexcept {
    std::uint64_t value = 0;
    for (const auto octet : address.octets()) value = value << 8U | octet;
    return std::hash<std::uint64_t>{}(value);
  }
};
