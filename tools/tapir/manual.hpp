#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace tool {

/// What follows the options in --help, and a section of its own in the man page.
[[nodiscard]] std::string notes_of(const std::string& command);

/// The man page (man(7)) of a subcommand, made of the same options as its --help.
[[nodiscard]] std::string man_page(const CLI::App& root, const CLI::App& command);

}  // namespace tool
