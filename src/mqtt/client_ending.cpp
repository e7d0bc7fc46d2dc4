#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include <tapir/mqtt/error.hpp>

#include "client_core.hpp"

/// How a connection of a Client ends, what becomes of what waits, and where the next one goes.
namespace tapir::mqtt {

namespace {

/// Whether a refusal by CONNACK is one that passes by itself.
bool is_temporary(std::error_code error) {
  using enum ReasonCode;
  return error == Error::server_unavailable || error == server_unavailable || error == server_busy || error == quota_exceeded ||
         error == connection_rate_exceeded;
}

}  // namespace

void Client::Core::fail_unconfirmed(const Result<>& outcome) {
  for (auto lost = std::exchange(unconfirmed_, {}); !lost.empty(); lost.pop_front()) call(lost.front().done, outcome);
}

std::string Client::Core::words_for(std::error_code error) const {
  const auto peer = transport_->peer();
  if (error == std::errc::connection_refused) return fmt::format("connection refused by {}", peer);
  if (phase_ == Phase::opening) return fmt::format("cannot connect to {}: {}", peer, error.message());
  if (error == tapir::Error::connection_closed) return fmt::format("connection closed by {}", peer);
  return fmt::format("connection to {} lost: {}", peer, error.message());
}

/// The transport could not connect, or broke.
void Client::Core::connection_failed(std::error_code error) {
  connection_over(
      {.error = error, .layer = transport_->failed_layer(error), .text = words_for(error), .will_retry = config_.reconnect.enabled}, false);
}

/// The broker refused, or one side broke the protocol, or silence lasted too long. `why` has the error, and what the broker said of it.
void Client::Core::session_failed(Disconnection why, bool refused, bool in_order) {
  write();  // in 5.0 the reason, before the transport ends
  why.layer = LayerId::mqtt;
  why.text = fmt::format("{}: {}", refused ? "broker refused" : transport_->peer(), why.error.message());
  if (const auto words = why.properties.get(property::reason_string)) why.text += ": " + *words;
  if (const auto server = why.properties.get(property::server_reference)) why.text += fmt::format(" ({})", *server);
  why.redirected = why.by_server && follow(why.reason, why.properties);
  why.will_retry =
      why.redirected || (config_.reconnect.enabled && (!refused || config_.reconnect.after_refusal || is_temporary(why.error)));
  connection_over(std::move(why), in_order);
}

/// Whether the next connection is to a server that the broker has named (5.0 section 4.11).
bool Client::Core::follow(ReasonCode reason, const Properties& properties) {
  const bool moved = reason == ReasonCode::server_moved;
  if (!moved && reason != ReasonCode::use_another_server) return false;
  if (draining_ || hops_ >= config_.redirection.max_hops || !config_.redirection.transport) return false;
  for (const auto& server : server_references(properties.get(property::server_reference).value_or(""))) {
    try {
      next_ = config_.redirection.transport(server);
    } catch (...) {
      defer([thrown = std::current_exception()] { std::rethrow_exception(thrown); });  // what ends here ends first
    }
    if (next_ == nullptr) continue;
    next_server_ = server;
    next_is_home_ = moved;
    ++hops_;
    return true;
  }
  return false;
}

void Client::Core::connection_over(Disconnection why, bool in_order) {
  const auto drained = std::exchange(draining_, std::nullopt);
  if (drained) why.will_retry = false;
  hold_calls();
  if (in_order) {
    transport_->close();
  } else {
    transport_->abort();
  }
  session_.transport_lost(context_.now());
  if (const auto since = std::exchange(connected_at_, std::nullopt); since && context_.now() - *since >= config_.reconnect.max_delay)
    failures_ = hops_ = redirections_ = 0;
  phase_ = why.will_retry ? Phase::waiting : Phase::idle;
  if (why.redirected) {
    phase_timer_.arm_after(redirections_++ == 0 ? Duration::zero() : next_delay());  // servers can send it to and fro for ever
  } else {
    hops_ = redirections_ = 0;
    phase_timer_.arm_after(why.will_retry ? next_delay() : config_.close_timeout);
  }
  process_events();
  fail_unconfirmed(fail(why.error));
  if (const auto waiting = std::exchange(reauthenticated_, std::nullopt)) call(*waiting, Result<>{fail(why.error)});
  if (!why.will_retry) end(why.error);
  if (drained) call(drained->done, Result<>{fail(why.error)});
  settle();
  tell_disconnected(std::move(why));
  release_calls();
}

/// Behind the completions that are held, of which one may set another handler.
void Client::Core::tell_disconnected(Disconnection why) {
  hold([this, why = std::move(why)] {
    const auto handler = disconnected_handler;
    call(handler, why);
  });
}

/// No connection will follow: nothing may wait for one.
void Client::Core::end(std::error_code error) {
  session_.fail_queued(error);
  process_events();
  for (auto left = std::exchange(publishing_, {}); const auto& [token, done] : left) {
    call(done, Result<>{fail(error)});
  }
  for (const auto& request : std::exchange(unwanted_, {})) call(request.done, Result<>{fail(error)});
  std::vector<std::string> unanswered;
  for (const auto& [filter, wanted] : wanted_) {
    if (!wanted.waiting.empty()) unanswered.push_back(filter);
  }
  for (const auto& filter : unanswered) {
    for (const auto& subscriber : take_subscribers(filter)) call(subscriber.done, Result<QoS>{fail(error)});
  }
}

void Client::Core::finish_closing(Result<> outcome) {
  if (phase_ != Phase::closing) return;
  hold_calls();
  phase_timer_.cancel();
  phase_ = Phase::idle;
  session_.transport_lost(context_.now());
  process_events();
  fail_unconfirmed(outcome);
  if (const auto waiting = std::exchange(reauthenticated_, std::nullopt)) call(*waiting, Result<>{fail(tapir::Error::operation_canceled)});
  end(tapir::Error::operation_canceled);
  settle();
  for (const auto& done : std::exchange(closed_, {})) call(done, outcome);
  tell_disconnected({.error = outcome ? std::error_code{} : outcome.error(), .layer = LayerId::mqtt, .text = "disconnected"});
  release_calls();
}

/// Doubled for each failure in a row, and somewhere in the upper half of that, so that many clients do not return in step.
Duration Client::Core::next_delay() {
  const auto shift = std::min(failures_, 20U);
  ++failures_;
  const auto whole = std::max(config_.reconnect.min_delay, Reconnect::shortest_delay).count();
  const auto longest = std::max(whole, config_.reconnect.max_delay.count());
  const auto delay = whole > longest >> shift ? longest : whole << shift;
  const auto half = static_cast<std::uint64_t>(delay / 2);
  return Duration{delay - static_cast<Duration::rep>(context_.random.below(half + 1))};
}

}  // namespace tapir::mqtt
