#include "console.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include <fmt/format.h>

#include <tapir/core/observer.hpp>
#include <tapir/mqtt/error.hpp>

namespace tool {

namespace {

/// Readable while one of the signals waits that end the program. Not read here.
int signal_descriptor() {
  static const int descriptor = [] {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  }();
  return descriptor;
}

/// Waits until a piece of PIPE_BUF bytes can be written without waiting, or the writing fails. What came first otherwise.
Console::Printed wait_for_room(int descriptor, Console::Patience patience) {
  using namespace std::chrono;
  std::array waits{pollfd{.fd = descriptor, .events = POLLOUT, .revents = 0},
                   pollfd{.fd = signal_descriptor(), .events = POLLIN, .revents = 0}};
  for (;;) {
    const auto left = patience ? std::max(ceil<milliseconds>(*patience - steady_clock::now()), 0ms) : 0ms;
    const int timeout = patience ? static_cast<int>(std::min<milliseconds::rep>(left.count(), INT_MAX)) : -1;
    const int ready = ::poll(waits.data(), waits.size(), timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || waits[0].revents != 0) return Console::Printed::all;
    if (ready > 0) return Console::Printed::interrupted;
    if (left.count() <= INT_MAX) return Console::Printed::late;
  }
}

Console::Printed write(int descriptor, std::string_view bytes, Console::Patience patience) {
  while (!bytes.empty()) {
    if (const auto outcome = wait_for_room(descriptor, patience); outcome != Console::Printed::all) return outcome;
    const auto written = ::write(descriptor, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written <= 0) return Console::Printed::refused;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Console::Printed::all;
}

/// What a broker has written must not look like a line of ours, nor be one of the terminal's commands.
std::string without_control_characters(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    const bool is_c1 = byte == 0xc2 && next >= 0x80 && next <= 0x9f;  // U+0080 to U+009F
    plain += is_c1 || byte < 0x20 || byte == 0x7f ? '?' : text[i];
    if (is_c1) ++i;
  }
  return plain;
}

}  // namespace

Console::Printed Console::print(std::string_view bytes, Patience patience) { return write(STDOUT_FILENO, bytes, patience); }

void Console::note(std::string_view text) const {
  if (!quiet_) show(text);
}

void Console::show(std::string_view text) const {
  const auto line = fmt::format("{}: {}\n", name_, without_control_characters(text));
  (void)write(STDERR_FILENO, line, patience_for_lines_);  // there is nobody else to tell
}

std::string layer_of(const tapir::mqtt::Disconnection& why) {
  return why.layer == tapir::LayerId::dns ? "name lookup" : std::string{tapir::name(why.layer)};
}

std::string in_words(const tapir::mqtt::SubscriptionLost& lost) {
  const auto said = lost.properties.get(tapir::mqtt::property::reason_string);
  return fmt::format("subscription to {} refused after a new connection: {}{}{}", lost.subscription.filter, lost.error.message(),
                     said ? ": " : "", said.value_or(""));
}

Exit exit_code_for(std::error_code error) {
  if (error.category() == tapir::mqtt::reason_category()) return Exit::refused;
  if (error.category() != tapir::mqtt::error_category()) return Exit::failure;
  switch (static_cast<tapir::mqtt::Error>(error.value())) {
    case tapir::mqtt::Error::unsupported_protocol_version:
    case tapir::mqtt::Error::identifier_rejected:
    case tapir::mqtt::Error::server_unavailable:
    case tapir::mqtt::Error::bad_credentials:
    case tapir::mqtt::Error::not_authorized:
    case tapir::mqtt::Error::subscription_refused: return Exit::refused;
    default: return Exit::failure;
  }
}

Exit exit_code_for(const tapir::mqtt::Disconnection& why) {
  if (why.error == tapir::mqtt::Error::connack_timeout) return Exit::unreachable;  // whoever listens there, it is no broker that answers
  const bool is_mqtt = why.error.category() == tapir::mqtt::reason_category() || why.error.category() == tapir::mqtt::error_category();
  return is_mqtt ? exit_code_for(why.error) : Exit::unreachable;
}

}  // namespace tool
