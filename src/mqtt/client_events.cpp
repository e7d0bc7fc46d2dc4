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

/// The name under which the packet that ended the connection is dropped; nullopt: no packet did.
std::optional<Drop> drop_for(const event::Disconnected& event) {
  if (event.by_server || event.error.category() != error_category()) return std::nullopt;
  if (event.error == std::errc::bad_message) return Drop::bad_header;
  if (event.error == std::errc::protocol_error) return Drop::protocol_violation;
  if (event.error == std::errc::message_size) return Drop::oversized;
  return std::nullopt;
}

}  // namespace

Client::Operation Client::Core::publish(Message message, Completion done) {
  const auto token = [&]() -> Result<Token> {
    if (!configured_) return fail(configured_.error());
    if (phase_ == Phase::idle || phase_ == Phase::closing) return fail(tapir::Error::not_connected);
    return session_.publish(std::move(message), context_.now());
  }();
  if (!token) {
    complete_later(std::move(done), token.error());
    return {};
  }
  // What waits for a connection has to be durable now. What is in the output already stays in the session, saved or not.
  if (const auto saved = session_.save(context_.now()); !saved && session_.cancel(*token)) {
    complete_later(std::move(done), saved.error());
    settle();
    return {};
  }
  publishing_.emplace(*token, std::move(done));
  write();
  settle();
  return operation(Operation::Kind::publish, static_cast<std::uint64_t>(*token));
}

Client::Operation Client::Core::subscribe(Subscription subscription, Properties properties, Handler handler, Granted done) {
  const std::string filter = subscription.filter;
  const auto problem = [&]() -> std::error_code {
    if (!is_valid_topic_filter(filter)) return Error::invalid_filter;
    if (subscription.qos > QoS::exactly_once) return tapir::Error::invalid_argument;
    if (phase_ == Phase::idle || phase_ == Phase::closing) return tapir::Error::not_connected;
    return {};
  }();
  if (problem) {
    complete_later(std::move(done), problem);
    return {};
  }
  for (auto& request : unwanted_) {
    if (request.filter == filter) complete_later(std::move(request.done), tapir::Error::operation_canceled);
  }
  std::erase_if(unwanted_, [&](const Unsubscribing& request) { return request.filter == filter; });
  auto& waiting = wanted_[filter].waiting;
  waiting.push_back({.number = ++last_number_,
                     .subscription = std::move(subscription),
                     .properties = std::move(properties),
                     .handler = std::make_shared<const Handler>(std::move(handler)),
                     .done = std::move(done)});
  want(waiting.back());
  const auto handle = operation(Operation::Kind::subscribe, last_number_);
  if (phase_ == Phase::connected) send_subscriptions(std::span{&filter, 1});
  return handle;
}

/// From now on its subscription is as this call wants it.
void Client::Core::want(const Subscriber& subscriber) {
  Wanted& wanted = wanted_.at(subscriber.subscription.filter);
  wanted.subscription = subscriber.subscription;
  wanted.properties = subscriber.properties;
  wanted.handler = subscriber.handler;
  wanted.confirmed = false;
  if (const auto given = wanted.properties.get(property::subscription_identifier)) {
    wanted.identifier = 0;
    take_identifier(*given);
  } else if (wanted.identifier == 0) {
    wanted.identifier = unused_identifier();
  }
}

Client::Operation Client::Core::unsubscribe(const std::string& filter, Properties properties, Completion done) {
  if (!is_valid_topic_filter(filter)) {
    complete_later(std::move(done), Error::invalid_filter);
    return {};
  }
  end_subscription(filter, tapir::Error::operation_canceled);
  const auto handle = operation(Operation::Kind::unsubscribe, ++last_number_);
  ask_to_unsubscribe({.filter = filter, .properties = std::move(properties), .done = std::move(done), .number = last_number_});
  return handle;
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
  const auto properties = properties_of(wanted_.at(filters[0]));
  const auto token = session_.subscribe(std::move(subscriptions), context_.now(), properties);
  if (token) {
    for (const auto& filter : filters) {
      Wanted& wanted = wanted_.at(filter);
      wanted.request = *token;
      wanted.sent = properties.get(property::subscription_identifier).value_or(0);
      for (auto& subscriber : wanted.waiting) {
        if (subscriber.request == Token{}) subscriber.request = *token;
      }
    }
    subscribing_.emplace(*token, std::vector<std::string>{filters.begin(), filters.end()});
    return;
  }
  if (token.error() == tapir::Error::not_connected) return;  // the session has given up just now: the next connection asks
  if (filters.size() > 1) {
    send_subscribe(filters.first(filters.size() / 2));
    send_subscribe(filters.subspan(filters.size() / 2));
    return;
  }
  cannot_subscribe(filters[0], token.error());
}

/// The broker has said in CONNACK that it does not take the filter.
void Client::Core::cannot_subscribe(const std::string& filter, std::error_code error) {
  Wanted& wanted = wanted_.at(filter);
  if (!wanted.waiting.empty()) return end_subscription(filter, error);
  wanted.confirmed = false;
  defer([this, lost = SubscriptionLost{.subscription = wanted.subscription, .error = error}] {
    const auto handler = subscription_lost_handler;
    call(handler, lost);
  });
}

/// Tells those who wait for this SUBACK. A subscription that the last one refuses is wanted no more, unless it had been granted: then nobody
/// waits, and a broker that refuses today may grant it to the next connection.
void Client::Core::answer_subscription(const std::string& filter, const event::Subscribed& event, Result<QoS> outcome) {
  const auto wanted = wanted_.find(filter);
  if (wanted == wanted_.end()) return;
  const Token request = event.token;
  auto& waiting = wanted->second.waiting;
  const bool is_last = wanted->second.request == request;
  if (is_last && !outcome && waiting.empty()) {
    wanted->second.confirmed = false;
    const auto handler = subscription_lost_handler;
    return call(handler, SubscriptionLost{wanted->second.subscription, outcome.error(), event.properties});
  }
  const bool is_over = is_last && !outcome;
  std::vector<Subscriber> told, left;
  for (auto& subscriber : waiting) (!is_over && subscriber.request != request ? left : told).push_back(std::move(subscriber));
  waiting = std::move(left);
  if (is_last) wanted->second.confirmed = outcome.has_value();
  if (is_over) wanted_.erase(wanted);
  for (const auto& subscriber : told) call(subscriber.done, outcome);
}

/// The subscription is wanted no more; these wait for it still.
std::vector<Client::Core::Subscriber> Client::Core::take_subscribers(const std::string& filter) {
  auto wanted = wanted_.extract(filter);
  return wanted.empty() ? std::vector<Subscriber>{} : std::move(wanted.mapped().waiting);
}

/// The subscription is wanted no more; those who wait for it hear why in the next turn.
void Client::Core::end_subscription(const std::string& filter, std::error_code error) {
  for (auto& subscriber : take_subscribers(filter)) complete_later(std::move(subscriber.done), error);
}

/// A SUBSCRIBE was lost with its connection: the next one asks again.
void Client::Core::stop_asking(const std::string& filter, Token request) {
  const auto wanted = wanted_.find(filter);
  if (wanted == wanted_.end()) return;
  for (auto& subscriber : wanted->second.waiting) {
    if (subscriber.request == request) subscriber.request = {};
  }
}

/// Has the broker end a subscription that is wanted no more, on the next connection if there is none now.
void Client::Core::ask_to_unsubscribe(Unsubscribing request) {
  if (phase_ == Phase::connected) return send_unsubscribe(std::move(request));
  if (phase_ == Phase::idle || phase_ == Phase::closing) return complete_later(std::move(request.done), tapir::Error::not_connected);
  if (config_.clean_session) {
    defer([done = std::move(request.done)] {
      if (done) done({});
    });
    return;
  }
  unwanted_.push_back(std::move(request));  // the broker's stored session may have it
}

void Client::Core::send_unsubscribe(Unsubscribing request) {
  const auto token = session_.unsubscribe({request.filter}, context_.now(), request.properties);
  if (token) {
    unsubscribing_.emplace(*token, std::move(request));
  } else if (token.error() == tapir::Error::not_connected && !config_.clean_session) {
    unwanted_.push_back(std::move(request));  // the session has given up just now: the next connection asks
  } else {
    complete_later(std::move(request.done), token.error());
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
  accepted_by_ = server_;
  std::vector<std::string> filters;
  for (auto& [filter, wanted] : wanted_) {
    if (event.session_present && wanted.confirmed) continue;
    filters.push_back(filter);
  }
  for (auto& request : std::exchange(unwanted_, {})) send_unsubscribe(std::move(request));
  send_subscriptions(filters);
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
  if (phase_ == Phase::waiting) return;                           // the transport was faster: its end is told
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
  if (!begun) return complete_later(std::move(done), begun.error());
  reauthenticated_ = std::move(done);
  write();
  settle();
}

void Client::Core::handle(event::Authentication& event) {
  if (event.reason == ReasonCode::success) {
    if (const auto waiting = std::exchange(reauthenticated_, std::nullopt)) call(*waiting, Result<>{});
    return;
  }
  if (event.reason != ReasonCode::continue_authentication) return;
  const auto authenticate = config_.authenticate;
  if (!authenticate) return leave_unanswered();
  try {
    const auto answered = session_.authenticate(authenticate(event), context_.now());
    if (!answered && answered.error() != tapir::Error::not_connected)
      leave_unanswered();  // not_connected: the callback has ended the connection
  } catch (...) {
    leave_unanswered();
    throw;
  }
}

/// No answer will come: there is nothing to wait for, also before CONNACK.
void Client::Core::leave_unanswered() {
  if (!gone_ && (phase_ == Phase::connecting || phase_ == Phase::connected))
    session_.give_up(Error::authentication_unanswered, context_.now());
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
  for (auto next = handlers.begin(); next != handlers.end(); ++next) {
    try {
      call(**next, event.message);
    } catch (...) {
      for (++next; next != handlers.end(); ++next) hold([this, handler = *next, message = event.message] { call(*handler, message); });
      throw;
    }
  }
}

void Client::Core::handle(event::Sent& event) {
  auto place = publishing_.extract(event.token);
  if (place.empty()) return;
  unconfirmed_.push_back({event.token, event.output_end, std::move(place.mapped())});
  // A transport that is gone has nothing unacknowledged: that is no acknowledgment.
  if ((phase_ == Phase::connected || phase_ == Phase::closing) && !write_error_) confirm_acknowledged();
}

void Client::Core::handle(event::Delivered& event) {
  failures_ = hops_ = 0;
  if (draining_) phase_timer_.arm_after(config_.connect_timeout);
  const Telling telling{answer_properties_, event.properties};
  complete(event.token, {});
}

void Client::Core::handle(event::Subscribed& event) {
  failures_ = hops_ = 0;
  auto place = subscribing_.extract(event.token);
  if (place.empty()) return;
  const Telling telling{answer_properties_, event.properties};
  const bool has_reasons = config_.version == ProtocolVersion::v5_0;
  const bool held = std::exchange(holding_, true);  // first all of it is noted
  for (std::size_t i = 0; i < event.codes.size(); ++i) {
    const auto code = event.codes[i];
    const auto error = has_reasons ? make_error_code(code) : make_error_code(Error::subscription_refused);
    answer_subscription(place.mapped()[i], event, is_failure(code) ? Result<QoS>{fail(error)} : Result<QoS>{static_cast<QoS>(code)});
  }
  if (!held) release_calls();
}

void Client::Core::handle(event::Unsubscribed& event) {
  auto place = unsubscribing_.extract(event.token);
  if (place.empty()) return;
  const Telling telling{answer_properties_, event.properties};
  const auto refused = std::ranges::find_if(event.codes, is_failure);  // it may go on sending: 5.0 section 3.11.3
  call(place.mapped().done, refused == event.codes.end() ? Result<>{} : fail(make_error_code(*refused)));
}

void Client::Core::handle(event::Failed& event) {
  if (const auto place = subscribing_.extract(event.token); !place.empty()) {
    for (const auto& filter : place.mapped()) stop_asking(filter, event.token);
    return;
  }
  if (auto place = unsubscribing_.extract(event.token); !place.empty()) {
    if (config_.clean_session) {
      call(place.mapped().done, Result<>{});  // the session has gone, and the subscription with it
    } else if (wanted_.contains(place.mapped().filter)) {
      call(place.mapped().done, Result<>{fail(tapir::Error::operation_canceled)});  // it was made again: it must not end on the next one
    } else {
      unwanted_.push_back(std::move(place.mapped()));
    }
    return;
  }
  const Telling telling{answer_properties_, event.properties};
  complete(event.token, fail(event.error));
}

void Client::Core::complete(Token token, const Result<>& outcome) {
  auto place = publishing_.extract(token);
  if (!place.empty()) call(place.mapped(), outcome);
}

}  // namespace tapir::mqtt
