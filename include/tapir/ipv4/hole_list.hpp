#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tapir::ipv4 {

/// What is still missing of a datagram: RFC 815's hole descriptors, in ascending order. Positions are bytes of data.
class HoleList {
 public:
  static constexpr std::size_t infinity = static_cast<std::size_t>(-1);
  struct Hole {
    std::size_t begin = 0;
    std::size_t end = infinity;  ///< one past the last byte

    friend constexpr bool operator==(const Hole&, const Hole&) noexcept = default;
  };
  /// How a fragment lies to what is missing.
  enum class Fit { missing, partly_missing, present };

  /// Everything is missing.
  HoleList() : holes_{Hole{}} {}

  [[nodiscard]] Fit fit(std::size_t begin, std::size_t end) const noexcept;
  /// [begin, end) has come; `last`: nothing follows it. Holes that it overlaps shrink, split or go (RFC 815 section 3).
  void fill(std::size_t begin, std::size_t end, bool last);
  /// Nothing is missing.
  [[nodiscard]] bool complete() const noexcept { return holes_.empty(); }
  [[nodiscard]] std::span<const Hole> holes() const noexcept { return holes_; }

 private:
  std::vector<Hole> holes_;
};

}  // namespace tapir::ipv4
