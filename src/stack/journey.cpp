#include <tapir/stack/journey.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace tapir {

namespace {

/// The header's fields one after another, for a layer that has no words of its own for them.
std::string in_words(std::span<const Field> fields) {
  std::string text;
  for (const Field& field : fields) text += fmt::format("{}{} {}", text.empty() ? "" : " ", field.name, field.value);
  return text;
}

bool continues_character(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

/// A line for a terminal: no control characters (a topic comes from outside), no longer than the limit, cut between characters (UTF-8).
std::string fit(std::string text) {
  std::ranges::replace_if(text, [](char byte) { return static_cast<unsigned char>(byte) < ' ' || byte == '\x7f'; }, '?');
  std::size_t columns = 0;
  std::size_t end = 0;  // behind the last character that leaves room for the dots
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (continues_character(text[i])) continue;
    if (columns == Journey::max_columns - 3) end = i;
    if (++columns > Journey::max_columns) return text.substr(0, end) + "...";
  }
  return text;
}

}  // namespace

void Journey::tell(TimePoint at, std::string_view text) {
  if (!start_) start_ = at;
  if (paused_) {
    ++untold_;
    return;
  }
  const double seconds = std::chrono::duration<double>(at - *start_).count();
  line_(fit(fmt::format("{:8.6f} {}", seconds, text)));
}

void Journey::crossed(const Crossing& crossing) {
  const std::string fields = crossing.brief.empty() ? in_words(crossing.fields) : std::string{crossing.brief};
  const std::string size = fmt::format("{} + {} bytes", crossing.header_size, crossing.payload_size);
  tell(crossing.at, fmt::format("{:<4} {:<8} {:<10} {:<15} {}", crossing.direction == Direction::down ? "down" : "up", name(crossing.layer),
                                crossing.summary, size, fields));
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
