#pragma once

#include <string_view>

namespace tapir::mqtt {

/// Whether `text` may stand in a packet as a string (section 1.5.3): well-formed UTF-8 of at most 65535 bytes, no surrogate, no U+0000.
[[nodiscard]] bool is_valid_string(std::string_view text) noexcept;

/// Whether `topic` may be published to (section 4.7): a valid string of at least one byte without '+' and '#'.
[[nodiscard]] bool is_valid_topic_name(std::string_view topic) noexcept;

/// Whether `filter` may be subscribed to: '#' only as the whole last level, '+' only as a whole level.
[[nodiscard]] bool is_valid_topic_filter(std::string_view filter) noexcept;

/// Whether a valid `filter` selects a valid `topic`. Bytes are compared as they are, without Unicode normalization; a leading wildcard
/// does not select a topic that starts with '$' (section 4.7.2).
[[nodiscard]] bool matches(std::string_view filter, std::string_view topic) noexcept;

}  // namespace tapir::mqtt
