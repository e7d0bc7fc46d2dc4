#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <tapir/mqtt/property.hpp>

namespace tool {

/// What -D says: properties of MQTT 5.0 for the packets that this program sends.
struct PropertyOptions {
  std::vector<std::string> words;  ///< from take_property_words(): a command, an identifier, a value (of user-property two), and so on
  tapir::mqtt::Properties connect;
  tapir::mqtt::Properties publish;
  tapir::mqtt::Properties subscribe;
  tapir::mqtt::Properties unsubscribe;
  tapir::mqtt::Properties disconnect;
  tapir::mqtt::Properties will;

  /// For the help and the man page: CLI11 does not see what is given.
  void add_to(CLI::App& app);
  /// Takes the words apart. What is wrong; empty: nothing. `commands`: the packets that the program sends, by -D's names for them.
  [[nodiscard]] std::string take(const std::vector<std::string>& commands);
};

/// The identifiers that -D takes for `command`, with the kind of value of each, for the help and the man page.
[[nodiscard]] std::string properties_of(const std::string& command);

}  // namespace tool
