#include "cubic.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tapir::tcp {

namespace {
double in_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
}  // namespace

std::uint64_t Cubic::reduced(std::uint32_t flight_size) const noexcept { return std::uint64_t{flight_size} * 7 / 10; }
static_assert(Cubic::kBeta == 0.7);

/// RFC 9438 sections 4.6 and 4.7.
void Cubic::congested(bool timeout) {
  const double window = segments();
  // Fast convergence: a flow that lost at a lower window than before makes room for the others.
  state_.w_max = window < state_.w_max ? window * (1 + kBeta) / 2 : window;
  state_.cwnd_prior = window;
  state_.epoch_start.reset();
  state_.fraction = 0;
  state_.after_timeout = timeout;
}

void Cubic::slow_started() {
  state_.epoch_start.reset();
  state_.fraction = 0;
}

/// A stage of congestion avoidance begins.
void Cubic::begin_epoch(TimePoint now) noexcept {
  const double window = segments();
  state_.epoch_start = now;
  state_.w_est = window;
  if (state_.cwnd_prior == 0) state_.cwnd_prior = window;  // slow start ended without a loss (RFC 9438 section 4.10)
  if (state_.after_timeout || state_.w_max <= window) {
    state_.w_max = window;
    state_.k = 0;
  } else {
    state_.k = std::cbrt((state_.w_max - window) / kC);
  }
  state_.after_timeout = false;
}

double Cubic::w_cubic(double time) const noexcept {
  const double distance = time - state_.k;
  return kC * distance * distance * distance + state_.w_max;
}

void Cubic::note_rtt(std::optional<Duration> rtt) noexcept {
  if (rtt) srtt_ = srtt_ ? *srtt_ + (*rtt - *srtt_) / 8 : *rtt;
}

void Cubic::avoid(const AckEvent& event, std::uint32_t acked_bytes) {
  note_rtt(event.rtt);
  if (!state_.epoch_start) begin_epoch(event.now);
  // The clock stands still while the application is what limits the window (RFC 9438 section 4.2).
  if (take_unfilled() && grown_at_) *state_.epoch_start += event.now - std::max(*grown_at_, *state_.epoch_start);
  grown_at_ = event.now;

  const double window = segments();
  const double acked = static_cast<double>(acked_bytes) / mss();
  const double time = in_seconds(event.now - *state_.epoch_start);
  // Section 4.3: Reno's increase by a smaller step, since the reduction is smaller, until what was lost is made up for.
  state_.w_est += (state_.w_est < state_.cwnd_prior ? kAlpha : 1.0) * acked / window;

  double next = 0;
  if (w_cubic(time) < state_.w_est) {
    next = std::max(window, state_.w_est);
  } else {
    const double target = std::clamp(w_cubic(time + in_seconds(srtt_.value_or(Duration::zero()))), window, 1.5 * window);
    next = std::min(target, window + (target - window) / window * acked);
  }
  state_.fraction += (next - window) * mss();
  const double whole = std::floor(state_.fraction);
  state_.fraction -= whole;
  set_cwnd(cwnd() + static_cast<std::uint64_t>(whole));
}

}  // namespace tapir::tcp
