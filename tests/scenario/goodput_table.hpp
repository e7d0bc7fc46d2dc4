#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/time.hpp>

namespace tapir::test {

/// One path of the table: a bottleneck with a queue of one bandwidth-delay product, and random loss on it.
struct GoodputPath {
  double loss = 0;  ///< of the data frames
  Duration round_trip{};
  std::uint64_t rate = 0;  ///< bits per second on the line

  friend bool operator==(const GoodputPath&, const GoodputPath&) = default;
};

/// What one algorithm made of one path, in bits per second of payload.
struct Goodput {
  std::string_view algorithm;
  GoodputPath path;
  double measured = 0;
  double limit = 0;
  [[nodiscard]] double share() const noexcept { return measured / limit; }
};

inline constexpr std::array<std::string_view, 3> kGoodputAlgorithms{"cubic", "newreno", "bbr"};

/// Payload of full segments that a line carries when nothing is lost but `loss` of the frames.
[[nodiscard]] double line_limit(const GoodputPath& path);
/// What theory says of `algorithm` on `path`: the least of line and response function.
[[nodiscard]] double theoretical_limit(std::string_view algorithm, const GoodputPath& path);
/// Every algorithm on every path, each in a world of its own: the same numbers in every run.
[[nodiscard]] std::vector<Goodput> measure_goodput();
/// docs/goodput.md.
[[nodiscard]] std::string goodput_page(const std::vector<Goodput>& results);

}  // namespace tapir::test
