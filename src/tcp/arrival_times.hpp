#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// When the octets of a stream that wait to be read arrived. Octets count from the start of the stream.
class ArrivalTimes {
 public:
  static constexpr std::size_t kMost = 4096;  ///< runs told apart; beyond that the latest arrival stands for what came before it, too

  /// Octets [begin, end) have arrived. What was said of any of them before is forgotten.
  void note(std::uint64_t begin, std::uint64_t end, TimePoint at);
  /// Those before `octet` have been read.
  void forget_before(std::uint64_t octet) noexcept;
  /// nullopt: nothing was noted.
  [[nodiscard]] std::optional<TimePoint> of(std::uint64_t octet) const noexcept;

 private:
  struct Run {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    TimePoint at{};
  };
  void insert(const Run& run);

  std::deque<Run> runs_;  ///< in order, none overlapping
};

}  // namespace tapir::tcp
