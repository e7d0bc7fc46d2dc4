#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "client_core.hpp"

/// How the operations of a Client are called off.
namespace tapir::mqtt {

bool Client::Core::cancel(const Operation& operation, bool only_unsent) {
  if (gone_) return false;
  switch (operation.kind_) {
    case Operation::Kind::publish: return cancel_publish(Token{operation.number_}, only_unsent);
    case Operation::Kind::subscribe: return cancel_subscribe(operation.number_, only_unsent);
    case Operation::Kind::unsubscribe: return cancel_unsubscribe(operation.number_, only_unsent);
  }
  return false;
}

bool Client::Core::cancel_publish(Token token, bool only_unsent) {
  const bool was_queued = session_.cancel(token).has_value();
  if (only_unsent && !was_queued) return false;
  if (auto place = publishing_.extract(token); !place.empty()) {
    complete_later(std::move(place.mapped()), tapir::Error::operation_canceled);
    settle();
    return true;
  }
  const auto unconfirmed = std::ranges::find(unconfirmed_, token, &Unconfirmed::token);
  if (unconfirmed == unconfirmed_.end()) return false;
  complete_later(std::move(unconfirmed->done), tapir::Error::operation_canceled);
  unconfirmed_.erase(unconfirmed);
  return true;
}

bool Client::Core::cancel_subscribe(std::uint64_t number, bool only_unsent) {
  for (auto& [filter, wanted] : wanted_) {
    const auto subscriber = std::ranges::find(wanted.waiting, number, &Subscriber::number);
    if (subscriber == wanted.waiting.end()) continue;
    const bool was_asked_for = wanted.request != Token{};
    if (only_unsent && was_asked_for) return false;
    complete_later(std::move(subscriber->done), tapir::Error::operation_canceled);
    const bool was_last = std::next(subscriber) == wanted.waiting.end();
    wanted.waiting.erase(subscriber);
    const std::string ended = filter;
    if (!wanted.waiting.empty()) {
      if (was_last) want(wanted.waiting.back());
      if (was_last && was_asked_for && phase_ == Phase::connected) send_subscriptions(std::span{&ended, 1});
      return true;
    }
    end_subscription(ended, tapir::Error::operation_canceled);
    if (was_asked_for) ask_to_unsubscribe({.filter = ended, .properties = {}, .done = {}});
    return true;
  }
  return false;
}

bool Client::Core::cancel_unsubscribe(std::uint64_t number, bool only_unsent) {
  if (const auto request = std::ranges::find(unwanted_, number, &Unsubscribing::number); request != unwanted_.end()) {
    complete_later(std::move(request->done), tapir::Error::operation_canceled);
    unwanted_.erase(request);
    return true;
  }
  if (only_unsent) return false;
  const auto request = std::ranges::find(unsubscribing_, number, [](const auto& underway) { return underway.second.number; });
  if (request == unsubscribing_.end()) return false;
  complete_later(std::exchange(request->second.done, {}), tapir::Error::operation_canceled);
  request->second.number = 0;
  return true;
}

}  // namespace tapir::mqtt
