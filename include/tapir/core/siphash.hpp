#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tapir {

class Random;

/// A 128-bit secret for keyed hashes.
struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;

  /// A new key from two numbers of `random`.
  [[nodiscard]] static SipKey generate(Random& random);
};

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for short inputs. Used where an outsider must not predict a choice:
/// initial sequence numbers (RFC 6528), ephemeral ports (RFC 6056), hash tables keyed by a peer's addresses.
[[nodiscard]] std::uint64_t siphash(const SipKey& key, std::span<const std::byte> bytes) noexcept;

}  // namespace tapir
