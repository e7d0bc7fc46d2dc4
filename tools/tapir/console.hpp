#pragma once

#include <chrono>
#include <optional>
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

  enum class Printed {
    all,
    refused,      ///< standard output takes no more: a full disk, or a pipe that nobody has
    interrupted,  ///< a signal came while it had no room; the loop is to take it still
    late,         ///< as long as it had no room, until the end of the patience
  };
  using Patience = std::optional<std::chrono::steady_clock::time_point>;
  /// Writes to standard output at once. What has no room waits, but not beyond a signal or the end of `patience`.
  [[nodiscard]] static Printed print(std::string_view bytes, Patience patience);
  /// From `when` on, lines for which standard error has no room are left out: the program is to end.
  static void hurry(std::chrono::steady_clock::time_point when) { patience_for_lines_ = when; }
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
  static inline Patience patience_for_lines_;  ///< there is one standard error
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
