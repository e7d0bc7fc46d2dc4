#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include <tapir/mqtt/types.hpp>

namespace tool {

struct PrintOptions;

/// What is wrong with a format for -F; empty: nothing.
[[nodiscard]] std::string format_problem(std::string_view format);

/// A message as -F wants it: mosquitto's % fields, strftime's behind @, and backslash escapes, in a format that
/// format_problem() finds nothing wrong with. `at`: when it was received; `pretty`: JSON in
/// lines.
[[nodiscard]] std::string formatted(std::string_view format, const tapir::mqtt::Message& message, std::timespec at, bool pretty = false);

/// Why the format shows less of this message than it says; empty: it shows all. %J stays empty for a payload that is not JSON.
[[nodiscard]] std::string payload_problem(const PrintOptions& options, const tapir::mqtt::Message& message);

/// A message whose payload is printed as it comes: what stands around it.
struct Frame {
  std::string before;
  std::string behind;
  bool has_payload = true;
};
/// Whether the format needs no more of the payload than its bytes, once and as they are.
[[nodiscard]] bool prints_in_parts(const PrintOptions& options);
/// What stands around a payload of `size` bytes, which comes in parts, with the end of line.
[[nodiscard]] Frame frame_of(const PrintOptions& options, const tapir::mqtt::Message& message, std::size_t size);

/// A message as it is printed now, with its end of line.
[[nodiscard]] std::string text_of(const PrintOptions& options, const tapir::mqtt::Message& message);

}  // namespace tool
