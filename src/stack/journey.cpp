#include <tapir/stack/journey.hpp>

#include <fmt/format.h>

namespace tapir {

void Journey::tell(TimePoint at, std::string_view text) {
  if (!start_) start_ = at;
  if (paused_) {
    ++untold_;
    return;
  }
  const double seconds = std::chrono::duration<double>(at - *start_).count();
  line_(fmt::format("{:10.6f} {}", seconds, text));
}

void Journey::crossed(const Crossing& crossing) {
  std::string text = fmt::format("{:<4} {:<8} {:<18} {:>3} + {:<5} bytes ", crossing.direction == Direction::down ? "down" : "up",
                                 name(crossing.layer), crossing.summary, crossing.header_size, crossing.payload_size);
  for (const Field& field : crossing.fields) text += fmt::format(" {} {}", field.name, field.value);
  tell(crossing.at, text);
}

void Journey::dropped(const DropEvent& drop) { tell(drop.at, fmt::format("drop {:<8} {}", name(drop.layer), name(drop.reason))); }

void Journey::changed_state(const StateChange& change) {
  tell(change.at, fmt::format("     tcp      {} is {}, was {}", change.connection, change.to, change.from));
}

void Journey::expired(const TimerEvent& timer) {
  tell(timer.at, fmt::format("     {:<8} timer expired: {}", name(timer.layer), timer.timer));
}

void Journey::congested(const CongestionEvent& event) {
  const std::string ssthresh = event.ssthresh == no_ssthresh ? "none yet" : fmt::format("{}", event.ssthresh);
  tell(event.at, fmt::format("     tcp      {}: {}, cwnd {} ssthresh {}", event.connection, event.cause, event.cwnd, ssthresh));
}

}  // namespace tapir
