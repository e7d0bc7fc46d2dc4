#include <tapir/mqtt/topic.hpp>

#include <cstddef>
#include <cstdint>

namespace tapir::mqtt {

namespace {

constexpr std::size_t kMaxString = 65535;

/// The well-formed byte sequences of Unicode 3.9 table 3-7: what the second byte may be depends on the first, which excludes overlong
/// forms, surrogates (ED A0..BF) and everything above U+10FFFF.
struct Sequence {
  std::size_t continuation;  ///< bytes after the first
  std::uint8_t low;          ///< bounds of the second byte
  std::uint8_t high;
};

constexpr Sequence kIllFormed{.continuation = 1, .low = 1, .high = 0};  // no second byte lies between these

constexpr Sequence sequence_after(std::uint8_t first) noexcept {
  if (first <= 0x7f) return {.continuation = 0, .low = 0, .high = 0};
  if (first < 0xc2) return kIllFormed;
  if (first <= 0xdf) return {.continuation = 1, .low = 0x80, .high = 0xbf};
  if (first == 0xe0) return {.continuation = 2, .low = 0xa0, .high = 0xbf};
  if (first == 0xed) return {.continuation = 2, .low = 0x80, .high = 0x9f};
  if (first <= 0xef) return {.continuation = 2, .low = 0x80, .high = 0xbf};
  if (first == 0xf0) return {.continuation = 3, .low = 0x90, .high = 0xbf};
  if (first <= 0xf3) return {.continuation = 3, .low = 0x80, .high = 0xbf};
  if (first == 0xf4) return {.continuation = 3, .low = 0x80, .high = 0x8f};
  return kIllFormed;
}

constexpr bool within(char c, std::uint8_t low, std::uint8_t high) noexcept {
  const auto byte = static_cast<std::uint8_t>(c);
  return byte >= low && byte <= high;
}

/// Takes the first level off; `last` tells that no '/' follows it.
struct Level {
  std::string_view text;
  bool last;
};
constexpr Level take_level(std::string_view& text) noexcept {
  const auto slash = text.find('/');
  const Level level{.text = text.substr(0, slash), .last = slash == std::string_view::npos};
  text.remove_prefix(level.last ? text.size() : slash + 1);
  return level;
}

}  // namespace

bool is_valid_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\0') {
      ++i;
      continue;
    }
    const Sequence sequence = sequence_after(static_cast<std::uint8_t>(text[i]));
    if (sequence.continuation >= text.size() - i) return false;
    for (std::size_t k = 1; k <= sequence.continuation; ++k) {
      if (!within(text[i + k], k == 1 ? sequence.low : 0x80, k == 1 ? sequence.high : 0xbf)) return false;
    }
    i += 1 + sequence.continuation;
  }
  return true;
}

bool is_valid_string(std::string_view text) noexcept {
  return text.size() <= kMaxString && text.find('\0') == std::string_view::npos && is_valid_utf8(text);
}

bool has_no_control_characters(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<std::uint8_t>(text[i]);
    const std::size_t continuation = sequence_after(first).continuation;
    if (continuation >= text.size() - i) return false;  // not a valid string at all
    if (first < 0x20 || first == 0x7f) return false;
    if (first == 0xc2 && within(text[i + 1], 0x80, 0x9f)) return false;  // U+0080-U+009F
    std::uint32_t point = first & (continuation == 0 ? 0x7fU : 0x3fU >> continuation);
    for (std::size_t k = 1; k <= continuation; ++k) point = point << 6U | (static_cast<std::uint8_t>(text[i + k]) & 0x3fU);
    if ((point & 0xfffeU) == 0xfffeU || (point >= 0xfdd0 && point <= 0xfdef)) return false;  // Unicode's non-characters
    i += 1 + continuation;
  }
  return true;
}

bool is_valid_topic_name(std::string_view topic) noexcept {
  return !topic.empty() && topic.find_first_of("+#") == std::string_view::npos && is_valid_string(topic) &&
         has_no_control_characters(topic);
}

bool is_valid_topic_filter(std::string_view filter) noexcept {
  if (filter.empty() || !is_valid_string(filter) || !has_no_control_characters(filter)) return false;
  for (bool last = false; !last;) {
    const Level level = take_level(filter);
    last = level.last;
    if (level.text.size() > 1 && level.text.find_first_of("+#") != std::string_view::npos) return false;
    if (level.text == "#" && !last) return false;
  }
  return true;
}

bool is_valid_shared_filter(std::string_view filter) noexcept {
  if (!filter.starts_with(kSharedPrefix)) return false;
  filter.remove_prefix(kSharedPrefix.size());
  const Level share = take_level(filter);
  return !share.text.empty() && share.text.find_first_of("+#") == std::string_view::npos && !share.last && is_valid_topic_filter(filter);
}

std::string_view without_share(std::string_view filter) noexcept {
  if (!is_valid_shared_filter(filter)) return filter;
  filter.remove_prefix(kSharedPrefix.size());
  (void)take_level(filter);
  return filter;
}

bool matches(std::string_view filter, std::string_view topic) noexcept {
  if (filter.empty() || topic.empty()) return false;
  if (topic.front() == '$' && (filter.front() == '+' || filter.front() == '#')) return false;
  for (;;) {
    const Level wanted = take_level(filter);
    if (wanted.text == "#") return true;
    const Level present = take_level(topic);
    if (wanted.text != "+" && wanted.text != present.text) return false;
    if (wanted.last || present.last) {
      // "a/#" selects "a" too: '#' includes the parent level (section 4.7.1.2).
      return wanted.last ? present.last : filter == "#";
    }
  }
}

}  // namespace tapir::mqtt
