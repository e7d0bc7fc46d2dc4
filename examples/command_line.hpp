#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <tapir/stack/stack.hpp>

/// What the command lines of the examples have in common: the options of the network interface, their exit codes (0: done, 1: failed,
/// 2: used wrongly), and one line "program: what went wrong" for each that is not 0.
namespace example {

/// Standard output, which may be a full disk, and the one line on standard error that says why a program ends.
class Console {
 public:
  explicit Console(std::string program);

  /// Prints on standard output. That it could not is remembered for end().
  template <class... Arguments>
  void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  /// Prints a line on standard error; the program goes on.
  void note(std::string_view text) const;
  /// Prints why the program ends, the first time it is called. 1, so that one can `return console.fail(…)`.
  int fail(std::string_view why);
  /// Whether standard output has taken everything so far.
  [[nodiscard]] bool ok() const noexcept { return output_error_ == 0; }
  /// The exit code of a program that would end with `code`: 1 when standard output could not take everything.
  int end(int code);
  [[nodiscard]] const std::string& program() const noexcept { return program_; }

 private:
  void write(std::string_view text);

  std::string program_;
  int output_error_ = 0;  // errno
  bool failed_ = false;
};

/// The network interface as the command line names it.
struct Interface {
  std::string tap;
  std::string address;
  std::string gateway;
  std::string mac;

  void add_options(CLI::App& app);
  /// What is wrong with the options together; empty: nothing.
  [[nodiscard]] std::string problem() const;
  /// Own address and network, once the options were checked.
  [[nodiscard]] tapir::Ipv4Prefix prefix() const;
  [[nodiscard]] tapir::StackConfig config() const;
};

/// Whether a host that we talk to can have the address, seen from a host with address and network `own`.
[[nodiscard]] bool is_host(tapir::Ipv4Address address, tapir::Ipv4Prefix own);

/// Reads the command line; then asks `problem` what is wrong with the options together. The exit code, when the program ends here.
[[nodiscard]] std::optional<int> parse(CLI::App& app, int argc, char** argv, const Console& console,
                                       const std::function<std::string()>& problem);

}  // namespace example
