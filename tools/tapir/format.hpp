#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include <tapir/mqtt/types.hpp>

namespace tool {

/// What is wrong with a format for -F; empty: nothing.
[[nodiscard]] std::string format_problem(std::string_view format);

/// A message as -F wants it: mosquitto's % fields, strftime's behind @, and backslash escapes. `at`: when it was received.
[[nodiscard]] std::string formatted(std::string_view format, const tapir::mqtt::Message& message, std::timespec at);

}  // namespace tool
