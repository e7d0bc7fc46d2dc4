#include "console.hpp"

#include <cstdio>

#include <fmt/format.h>

#include <tapir/core/observer.hpp>
#include <tapir/mqtt/error.hpp>

namespace tool {

bool Console::print(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0;
}

void Console::note(std::string_view text) const {
  if (!quiet_) show(text);
}

void Console::show(std::string_view text) const { std::fputs(fmt::format("{}: {}\n", name_, text).c_str(), stderr); }

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
