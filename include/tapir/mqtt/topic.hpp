#pragma once

#include <string_view>

namespace tapir::mqtt {

/// Whether `text` may stand in a packet as a string (section 1.5.3): well-formed UTF-8 of at most 65535 bytes, no surrogate, no U+0000.
[[nodiscard]] bool is_valid_string(std::string_view text) noexcept;

/// Whether `text` is well-formed UTF-8, of any length and with U+0000: what a payload of text may be (5.0 section 3.3.2.3.2).
[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;

/// Whether a valid string has no control characters (U+0001-U+001F, U+007F-U+009F) and no non-characters, which MQTT 5.0 section 1.5.4
/// advises against and brokers refuse in topics.
[[nodiscard]] bool has_no_control_characters(std::string_view text) noexcept;

/// Whether `topic` may be published to (section 4.7): a valid string of at least one byte without '+', '#' and control characters.
[[nodiscard]] bool is_valid_topic_name(std::string_view topic) noexcept;

/// Whether `filter` may be subscribed to: '#' only as the whole last level, '+' only as a whole level.
[[nodiscard]] bool is_valid_topic_filter(std::string_view filter) noexcept;

/// What the filter of a shared subscription begins with (5.0 section 4.8.2).
inline constexpr std::string_view kSharedPrefix = "$share/";
/// Whether `filter` is "$share/NAME/FILTER": a name of at least one byte without '+', '#' and '/', and a valid filter.
[[nodiscard]] bool is_valid_shared_filter(std::string_view filter) noexcept;
/// The filter inside a shared one, other filters as they are.
[[nodiscard]] std::string_view without_share(std::string_view filter) noexcept;

/// Whether a valid `filter` selects a valid `topic`. Bytes are compared as they are, without Unicode normalization; a leading wildcard
/// does not select a topic that starts with '$' (section 4.7.2).
[[nodiscard]] bool matches(std::string_view filter, std::string_view topic) noexcept;

}  // namespace tapir::mqtt
