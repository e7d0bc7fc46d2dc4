#include <algorithm>
#include <span>

#include <tapir/mqtt/topic.hpp>

#include "client_core.hpp"

/// The subscription identifiers of a Client (5.0 section 3.8.2.1.2), and whom a message is for.
namespace tapir::mqtt {

namespace {

constexpr std::uint32_t kLastIdentifier = 268'435'455;

}  // namespace

bool Client::Core::is_given_by_user(std::uint32_t identifier) const {
  return std::ranges::any_of(
      wanted_, [identifier](const auto& entry) { return entry.second.properties.get(property::subscription_identifier) == identifier; });
}

std::uint32_t Client::Core::unused_identifier() {
  const auto is_used = [this](std::uint32_t identifier) {
    return is_given_by_user(identifier) ||
           std::ranges::any_of(wanted_, [identifier](const auto& entry) { return entry.second.identifier == identifier; });
  };
  do {
    last_identifier_ = last_identifier_ == kLastIdentifier ? 1 : last_identifier_ + 1;
  } while (is_used(last_identifier_));
  return last_identifier_;
}

/// The user gives one to a subscription: another that has it of the client gets a new one, and is asked for anew.
void Client::Core::take_identifier(std::uint32_t identifier) {
  const auto other = std::ranges::find(wanted_, identifier, [](const auto& entry) { return entry.second.identifier; });
  if (other == wanted_.end()) return;
  other->second.identifier = unused_identifier();
  if (other->second.sent != identifier) return;
  other->second.confirmed = false;
  const std::string filter = other->first;
  if (phase_ == Phase::connected) send_subscriptions(std::span{&filter, 1});
}

/// What SUBSCRIBE says of it on this connection.
Properties Client::Core::properties_of(const Wanted& wanted) const {
  Properties properties = wanted.properties;
  const bool identified = config_.subscription_identifiers && config_.version == ProtocolVersion::v5_0 && wanted.identifier != 0;
  if (identified && session_.server().subscription_identifiers) properties.set(property::subscription_identifier, wanted.identifier);
  return properties;
}

/// Those whom this copy of a message is for. A broker that has kept subscriptions of an earlier process may name identifiers that mean
/// another filter now, or none: then the topic decides alone.
std::vector<std::shared_ptr<const Client::Handler>> Client::Core::handlers_for(const Message& message) const {
  const auto identifiers = message.properties.all(property::subscription_identifier);
  std::vector<std::shared_ptr<const Handler>> matching;
  std::vector<std::shared_ptr<const Handler>> named;
  for (const auto& [filter, wanted] : wanted_) {
    if (!matches(without_share(filter), message.topic)) continue;
    matching.push_back(wanted.handler);
    if (std::ranges::find(identifiers, wanted.sent) != identifiers.end()) named.push_back(wanted.handler);
  }
  auto& chosen = named.empty() ? matching : named;
  std::erase_if(chosen, [](const auto& handler) { return !*handler; });  // theirs are for on_unmatched()
  return chosen;
}

/// Takes off the identifiers that are the client's own affair.
void Client::Core::hide_identifiers(Properties& properties) const {
  if (!properties.contains(PropertyId::subscription_identifier) || !config_.subscription_identifiers) return;
  const auto identifiers = properties.all(property::subscription_identifier);
  properties.erase(PropertyId::subscription_identifier);
  for (const std::uint32_t identifier : identifiers) {
    if (identifier > last_identifier_ || is_given_by_user(identifier)) properties.add({property::subscription_identifier, identifier});
  }
}

}  // namespace tapir::mqtt
