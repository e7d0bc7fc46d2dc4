#include "goodput_table.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "bottleneck.hpp"

namespace tapir::test {

namespace {
constexpr double kSegment = 1448;                             // payload with timestamps at an MTU of 1500
constexpr double kLineOctets = 8 + 14 + 20 + 32 + 1448 + 4 + 12;  // preamble, Ethernet, IPv4, TCP with timestamps, payload, FCS, gap

double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }

/// Segments in flight on average, RFC 9438 section 5.1: AIMD with alpha 1 and beta 0.5, the formula of Mathis et al.
double reno_window(double loss) { return std::sqrt(1.5 / loss); }

/// RFC 9438 section 5.1 with C = 0.4 and beta = 0.7; where AIMD would have more the window is that (section 4.3).
double cubic_window(double loss, double round_trip) {
  constexpr double kC = 0.4;
  constexpr double kBeta = 0.7;
  const double cubic = std::pow(kC * (3 + kBeta) / (4 * (1 - kBeta)), 0.25) * std::pow(round_trip / loss, 0.75);
  return std::max(cubic, reno_window(loss));
}

double measure(std::string_view algorithm, const GoodputPath& path) {
  tcp::Config sender;
  sender.congestion_control = algorithm;
  // Long enough for 100 MB at the limit, between eight seconds and a minute.
  const auto time = std::chrono::milliseconds{static_cast<long>(std::clamp(8e11 / theoretical_limit(algorithm, path), 8e3, 6e4))};
  Bottleneck bottleneck{{.round_trip = path.round_trip, .rate = path.rate, .loss = path.loss, .sender = sender}};
  (void)bottleneck.run(time / 2);  // begin and first losses
  return bottleneck.run(time);
}

std::string row(const Goodput& result) {
  return fmt::format("| {} | {:g} % | {} ms | {} Mbit/s | {:.2f} | {:.2f} | {:.2f} |\n", result.algorithm, result.path.loss * 100,
                     std::chrono::duration_cast<std::chrono::milliseconds>(result.path.round_trip).count(), result.path.rate / 1'000'000,
                     result.measured / 1e6, result.limit / 1e6, result.share());
}
}  // namespace

double line_limit(const GoodputPath& path) { return static_cast<double>(path.rate) * kSegment / kLineOctets * (1 - path.loss); }

double theoretical_limit(std::string_view algorithm, const GoodputPath& path) {
  const double line = line_limit(path);
  if (algorithm == "bbr" ) return line;
  const double round_trip = seconds(path.round_trip);
  const double window = algorithm == "cubic" ? cubic_window(path.loss, round_trip) : reno_window(path.loss);
  return std::min(line, window * kSegment * 8 / round_trip);
}

std::vector<Goodput> measure_goodput() {
  std::vector<Goodput> results;
  for (const std::string_view algorithm : kGoodputAlgorithms) {
    for (const double loss : {0.001, 0.01, 0.05}) {
      for (const int milliseconds : {10, 100}) {
        for (const std::uint64_t rate : {10'000'000U, 100'000'000U}) {
          const GoodputPath path{loss, std::chrono::milliseconds{milliseconds}, rate};
          results.push_back({algorithm, path, measure(algorithm, path), theoretical_limit(algorithm, path)});
        }
      }
    }
  }
  return results;
}

std::string goodput_page(const std::vector<Goodput>& results) {
  std::string page = "| algorithm | loss | round trip | line | goodput, Mbit/s | limit, Mbit/s | share |\n|---|---|---|---|---|---|---|\n";
  for (const Goodput& result : results) page += row(result);
  return page;
}

}  // namespace tapir::test
