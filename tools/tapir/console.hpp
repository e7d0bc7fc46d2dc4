#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include <tapir/mqtt/client.hpp>

namespace tool {

/// What the program can end with.
enum class Exit : int {
  ok = 0,
  failure = 1,
  usage = 2,
  refused = 3,      ///< by the broker
  unreachable = 4,  ///< no connection to the broker could be made
};

/// Data on standard output, diagnostics on standard error.
class Console {
 public:
  Console(std::string name, bool quiet) : name_{std::move(name)}, quiet_{quiet} {}

  /// Writes to standard output at once. False when it takes no more: a full disk, or a pipe that nobody reads.
  [[nodiscard]] bool print(std::string_view bytes);
  /// A line on standard error, unless --quiet.
  void note(std::string_view text) const;
  /// A line on standard error that was asked for (-d), --quiet or not.
  void show(std::string_view text) const;
  /// note(), and the exit code to end with.
  int fail(Exit code, std::string_view why) const {
    note(why);
    return static_cast<int>(code);
  }

 private:
  std::string name_;
  bool quiet_;
};

/// Which layer a connection failed in: "arp", "tcp", "tls", "websocket", "name lookup".
[[nodiscard]] std::string layer_of(const tapir::mqtt::Disconnection& why);
/// What has become of a subscription that the broker had granted.
[[nodiscard]] std::string in_words(const tapir::mqtt::SubscriptionLost& lost);
/// What a failure with a broker that was reached is for the program: Exit::refused when the broker said no, otherwise Exit::failure.
[[nodiscard]] Exit exit_code_for(std::error_code error);
/// The exit code for a connection that could not be made.
[[nodiscard]] Exit exit_code_for(const tapir::mqtt::Disconnection& why);

}  // namespace tool
