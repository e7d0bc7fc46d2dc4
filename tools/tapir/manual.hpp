#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace tool {

/// What follows the options in --help, and a section of its own in the man page. `packets`: those that -D may name.
[[nodiscard]] std::string notes_of(const std::string& command, const std::vector<std::string>& packets);

/// The man page (man(7)) of a subcommand, made of the same options as its --help.
[[nodiscard]] std::string man_page(const CLI::App& root, const CLI::App& command, const std::vector<std::string>& packets);

}  // namespace tool
