#include "goodput_table.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "bottleneck.hpp"

namespace tapir::test {

namespace {
constexpr double kSegment = 1448;                                 // payload with timestamps at an MTU of 1500
constexpr double kLineOctets = 8 + 14 + 20 + 32 + 1448 + 4 + 12;  // preamble, Ethernet, IPv4, TCP with timestamps, payload, FCS, gap

constexpr const char* kIntroduction = R"(# Goodput under loss

One sender without end, one receiver that reads all at once, in virtual time: `sim::Cable` loses the given share of the data frames at random, and in
front of it a switch has a queue of one bandwidth-delay product. Both ends have the default configuration but for the algorithm. Payload that the
receiver read is counted after a time in which the flow settles. One seed, so the numbers are the same in every run; `tests/scenario/goodput_test.cpp`
holds this page against the code, and `cmake --build build/debug --target goodput_page` writes it anew.

The limit is the least of

- the line: rate x 1448 / 1538 x (1 - loss). A full segment with timestamps has 1448 bytes and takes 1538 octets of line: preamble 8, Ethernet 14,
  IPv4 20, TCP 32, FCS 4 and gap 12 beside them. For BBR, which takes no single loss for congestion, it is that alone;
- for NewReno MSS / RTT x sqrt(1.5 / loss), the formula of Mathis et al. (RFC 9438 section 5.1 with alpha 1 and beta 0.5);
- for CUBIC MSS / RTT x the larger of that (its Reno-friendly region, RFC 9438 section 4.3) and of (0.4 x 3.7 / 1.2)^(1/4) x (RTT / loss)^(3/4) segments
  (section 5.1).

The formulas know neither timeouts nor a retransmission that is lost as well. At 5 % the window is five segments, a loss often leaves too few
acknowledgments behind it, and the timer, whose least is a second (RFC 6298), costs the rest. Shares above 1 come of the loss that happened in the time
measured, and of the queue's delay, which the formulas do not count.

BBR (draft-ietf-ccwg-bbr) bounds what it has in flight when more than 2 % (LossThresh, section 2.5) of what it had in flight when probing is lost. At 5 %
every probe says so, and the bound goes down until so little is in flight that a round trip often passes without a loss. That is what the draft asks for.

| algorithm | loss | round trip | line | goodput, Mbit/s | limit, Mbit/s | share |
|---|---|---|---|---|---|---|
)";

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
  if (algorithm == "bbr") return line;
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
  std::string page = kIntroduction;
  for (const Goodput& result : results) page += row(result);
  return page;
}

}  // namespace tapir::test
