#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/observer.hpp>

#include "header.hpp"

namespace tapir::icmp {

/// What the message is in a word or two: "echo request".
[[nodiscard]] std::string_view summary_of(Type type) noexcept;
/// The header's fields for people.
[[nodiscard]] std::vector<Field> fields_of(const Header& header);

/// The header in a line: "id 0x1234 seq 1", "host unreachable".
[[nodiscard]] std::string in_words(const Header& header);

}  // namespace tapir::icmp
