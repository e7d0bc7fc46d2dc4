#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include <tapir/mqtt/topic.hpp>

#include "client_core.hpp"

/// What a Client does with the calls of its user and the events of its session.
namespace tapir::mqtt {

namespace {

constexpr std::size_t kFiltersPerPacket = 32;
constexpr std::uint32_t kLastIdentifier = 268'435'455;  // 5.0 section 3.8.2.1.2

/// The name under which the packet that ended the connection is dropped; nullopt: no packet did.
std::optional<Drop> drop_for(const event::Disconnected& event) {
  if (event.by_server || event.error.category() != error_category()) return std::nullopt;
  if (event.error == std::errc::bad_message) return Drop::bad_header;
  if (event.error == std::errc::protocol_error) return Drop::protocol_violation;
  if (event.error == std::errc::message_size) return Drop::oversized;
  return std::nullopt;
}

}  // namespace

void Client::Core::publish(Message message, Completion done) {
  const auto token = [&]() -> Result<Token> {
    if (!configured_) return fail(configured_.error());
    if (phase_ == Phase::idle || phase_ == Phase::closing) return fail(tapir::Error::not_connected);
    return session_.publish(std::move(message), context_.now());
  }();
  if (!token) {
    defer([done = std::move(done), error = token.error()] {
      if (done) done(fail(error));
    });
    return;
  }
  // What waits for a connection has to be durable now. What is in the output already stays in the session, saved or not.
  if (const auto saved = session_.save(context_.now()); !saved && session_.cancel(*token)) {
    defer([done = std::move(done), error = saved.error()] {
      if (done) done(fail(error));
    });
    return settle();
  }
  publishing_.emplace(*token, std::move(done));
  write();
  settle();
}

void Client::Core::subscribe(Subscription subscription, Properties properties, Handler handler, Granted done) {
  const auto refuse = [&](std::error_code error) {
    defer([done = std::move(done), error] {
      if (done) done(fail(error));
    });
  };
  const std::string filter = subscription.filter;
  if (!is_valid_topic_filter(filter)) return refuse(Error::invalid_filter);
  if (subscription.qos > QoS::exactly_once) return refuse(tapir::Error::invalid_argument);
  if (phase_ == Phase::idle || phase_ == Phase::closing) return refuse(tapir::Error::not_connected);
  for (auto& request : unwanted_) {
    if (request.filter == filter && request.done) {
      defer([done = std::move(request.done)] { done(fail(tapir::Error::operation_canceled)); });
    }
  }
  std::erase_if(unwanted_, [&](const Unsubscribing& request) { return request.filter == filter; });
  Wanted& wanted = wanted_[filter];
  wanted.subscription = std::move(subscription);
  wanted.properties = std::move(properties);
  wanted.handler = std::make_shared<const Handler>(std::move(handler));
  wanted.confirmed = false;
  if (wanted.properties.contains(PropertyId::subscription_identifier)) {
    wanted.identifier = 0;
  } else if (wanted.identifier == 0) {
    wanted.identifier = unused_identifier();
  }
  wanted.waiting.push_back(std::move(done));
  if (phase_ == Phase::connected) send_subscriptions(std::span{&filter, 1});
}

void Client::Core::unsubscribe(const std::string& filter, Properties properties, Completion done) {
  const auto finish = [&](Result<> outcome) {
    defer([done = std::move(done), outcome] {
      if (done) done(outcome);
    });
  };
  if (!is_valid_topic_filter(filter)) return finish(fail(Error::invalid_filter));
  if (const auto place = wanted_.find(filter); place != wanted_.end()) {
    for (auto& waiting : place->second.waiting) {
      defer([waiting = std::move(waiting)] {
        if (waiting) waiting(fail(tapir::Error::operation_canceled));
      });
    }
    wanted_.erase(place);
  }
  if (phase_ == Phase::connected) return send_unsubscribe({filter, std::move(properties), std::move(done)});
  if (phase_ == Phase::idle || phase_ == Phase::closing) return finish(fail(tapir::Error::not_connected));
  if (config_.clean_session) return finish({});
  unwanted_.push_back({filter, std::move(properties), std::move(done)});  // the broker's stored session may have it
}

/// Those with the same properties share a packet.
void Client::Core::send_subscriptions(std::span<const std::string> filters) {
  while (!filters.empty()) {
    const auto most = std::min(kFiltersPerPacket, filters.size());
    const auto properties = properties_of(wanted_.at(filters[0]));
    std::size_t count = 1;
    while (count < most && properties_of(wanted_.at(filters[count])) == properties) ++count;
    send_subscribe(filters.first(count));
    filters = filters.subspan(count);
  }
  write();
  settle();
}

/// One SUBSCRIBE; when it cannot be sent, two with a half of the filters each, so that only those fail that are to blame.
void Client::Core::send_subscribe(std::span<const std::string> filters) {
  std::vector<Subscription> subscriptions;
  subscriptions.reserve(filters.size());
  for (const auto& filter : filters) subscriptions.push_back(wanted_.at(filter).subscription);
  const auto token = session_.subscribe(std::move(subscriptions), context_.now(), properties_of(wanted_.at(filters[0])));
  if (token) {
    subscribing_.emplace(*token, std::vector<std::string>{filters.begin(), filters.end()});
    return;
  }
  if (filters.size() > 1) {
    send_subscribe(filters.first(filters.size() / 2));
    send_subscribe(filters.subspan(filters.size() / 2));
    return;
  }
  defer([this, filter = filters[0], error = token.error()] { answer_subscription(filter, fail(error)); });
}

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
    const auto identifier = wanted.properties.get(property::subscription_identifier).value_or(wanted.identifier);
    if (std::ranges::find(identifiers, identifier) != identifiers.end()) named.push_back(wanted.handler);
  }
  return named.empty() ? matching : named;
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

/// Tells those who wait for the subscription. A failed one is wanted no more.
void Client::Core::answer_subscription(const std::string& filter, Result<QoS> outcome) {
  const auto wanted = wanted_.find(filter);
  if (wanted == wanted_.end()) return;
  const auto waiting = std::exchange(wanted->second.waiting, {});
  wanted->second.confirmed = outcome.has_value();
  if (!outcome) wanted_.erase(wanted);
  for (const auto& done : waiting) call(done, outcome);
}

void Client::Core::send_unsubscribe(Unsubscribing request) {
  const auto token = session_.unsubscribe({request.filter}, context_.now(), request.properties);
  if (token) {
    unsubscribing_.emplace(*token, std::move(request));
  } else {
    defer([done = std::move(request.done), error = token.error()] {
      if (done) done(fail(error));
    });
  }
  write();
  settle();
}

void Client::Core::process_events() {
  while (!gone_) {
    auto event = session_.next_event();
    if (!event) break;
    std::visit([this](auto& happened) { handle(happened); }, *event);
  }
}

void Client::Core::handle(event::Connected& event) {
  phase_ = Phase::connected;
  connected_at_ = context_.now();
  std::vector<std::string> filters;
  for (auto& [filter, wanted] : wanted_) {
    if (event.session_present && wanted.confirmed) continue;
    filters.push_back(filter);
  }
  send_subscriptions(filters);
  for (auto& request : std::exchange(unwanted_, {})) send_unsubscribe(std::move(request));
  const auto handler = connected_handler;
  call(handler, event);
}

void Client::Core::handle(event::Refused& event) {
  const bool said = config_.version == ProtocolVersion::v5_0;
  session_failed({.error = event.error, .by_server = said, .reason = event.reason, .properties = std::move(event.properties)}, true, true);
}

void Client::Core::handle(event::Disconnected& event) {
  if (!event.error) return;  // after disconnect(): what follows is the transport's close
  if (const auto reason = drop_for(event)) (void)reject(context_, drops_, LayerId::mqtt, *reason);
  if (phase_ == Phase::closing || phase_ == Phase::idle) return;  // the user has left: nothing is lost that would be taken up again
  const bool in_order = session_.pending_output() > 0 || event.by_server;
  session_failed({.error = event.error, .by_server = event.by_server, .reason = event.reason, .properties = std::move(event.properties)},
                 false, in_order);
}

void Client::Core::reauthenticate(std::string data, Completion done) {
  const auto begun = [&]() -> Result<> {
    if (reauthenticated_) return fail(tapir::Error::already_connected);
    if (phase_ != Phase::connected) return fail(tapir::Error::not_connected);
    return session_.reauthenticate(std::move(data), context_.now());
  }();
  if (!begun) {
    return defer([done = std::move(done), error = begun.error()] {
      if (done) done(fail(error));
    });
  }
  reauthenticated_ = std::move(done);
  write();
  settle();
}

void Client::Core::handle(event::Authentication& event) {
  if (event.reason == ReasonCode::success) {
    if (const auto waiting = std::exchange(reauthenticated_, std::nullopt)) call(*waiting, Result<>{});
    return;
  }
  if (event.reason != ReasonCode::continue_authentication || !config_.authenticate) return;
  const auto authenticate = config_.authenticate;
  (void)session_.authenticate(authenticate(event), context_.now());  // fails only if the callback has ended the connection
}

/// The events of a message that comes in parts.
template <class Part>
void Client::Core::handle(Part& event) {
  const auto handler = stream_handler;
  call(handler, StreamEvent{std::move(event)});
}

void Client::Core::handle(event::MessageReceived& event) {
  failures_ = hops_ = 0;
  auto handlers = handlers_for(event.message);  // shared: a handler may change the subscriptions
  hide_identifiers(event.message.properties);
  if (handlers.empty()) handlers.push_back(std::make_shared<const Handler>(unmatched_handler));
  for (const auto& handler : handlers) call(*handler, event.message);
}

void Client::Core::handle(event::Sent& event) {
  auto place = publishing_.extract(event.token);
  if (place.empty()) return;
  unconfirmed_.push_back({event.output_end, std::move(place.mapped())});
  confirm_acknowledged();
}

void Client::Core::handle(event::Delivered& event) {
  failures_ = hops_ = 0;
  complete(event.token, {});
}

void Client::Core::handle(event::Subscribed& event) {
  failures_ = hops_ = 0;
  auto place = subscribing_.extract(event.token);
  if (place.empty()) return;
  for (std::size_t i = 0; i < event.codes.size(); ++i) {
    const auto code = event.codes[i];
    answer_subscription(place.mapped()[i],
                        is_failure(code) ? Result<QoS>{fail(Error::subscription_refused)} : Result<QoS>{static_cast<QoS>(code)});
  }
}

void Client::Core::handle(event::Unsubscribed& event) {
  auto place = unsubscribing_.extract(event.token);
  if (place.empty()) return;
  const auto refused = std::ranges::find_if(event.codes, is_failure);  // it may go on sending: 5.0 section 3.11.3
  call(place.mapped().done, refused == event.codes.end() ? Result<>{} : fail(make_error_code(*refused)));
}

void Client::Core::handle(event::Failed& event) {
  subscribing_.erase(event.token);  // still wanted: the next connection asks again
  if (auto place = unsubscribing_.extract(event.token); !place.empty()) {
    if (config_.clean_session) {
      call(place.mapped().done, Result<>{});  // the session has gone, and the subscription with it
    } else {
      unwanted_.push_back(std::move(place.mapped()));
    }
    return;
  }
  complete(event.token, fail(event.error));
}

void Client::Core::complete(Token token, const Result<>& outcome) {
  auto place = publishing_.extract(token);
  if (!place.empty()) call(place.mapped(), outcome);
}

}  // namespace tapir::mqtt
