#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace tool {

/// Takes what belongs to -D out of a command line, before CLI11 sees it: for each one the command, the identifier and the value, of
/// user-property two, whatever they look like. CLI11 would take a value for an option when it begins with '-', and for a list when it stands in
/// brackets. `app` says which other options have values, and what its commands are: -D is an option of those only.
[[nodiscard]] std::vector<std::string> take_property_words(const CLI::App& app, std::vector<std::string>& line);

}  // namespace tool
