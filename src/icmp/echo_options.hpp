#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tapir/core/addresses.hpp>

namespace tapir::icmp {

/// The IPv4 options of an echo reply.
class EchoOptions {
 public:
  /// What RFC 1122 section 3.2.2.6 wants returned of the `received` options of a request: Record Route and Internet Timestamp with this host
  /// (`own`, `milliseconds`) added, and a completed source route reversed, in the form that network::Send takes (the hops in order; the
  /// destination is the request's `source`). Other options, and what is malformed, are left out.
  EchoOptions(std::span<const std::byte> received, Ipv4Address source, Ipv4Address own, std::uint32_t milliseconds) noexcept;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return std::span{bytes_}.first(size_); }

 private:
  void add_record_route(std::span<const std::byte> option, Ipv4Address own) noexcept;
  void add_timestamp(std::span<const std::byte> option, Ipv4Address own, std::uint32_t milliseconds) noexcept;
  void add_reversed_route(std::span<const std::byte> option, Ipv4Address source) noexcept;
  [[nodiscard]] std::span<std::byte> add_copy(std::span<const std::byte> option) noexcept;

  std::array<std::byte, 40> bytes_{};
  std::size_t size_ = 0;
  bool routed_ = false;  ///< a source route is in: there is at most one
};

}  // namespace tapir::icmp
