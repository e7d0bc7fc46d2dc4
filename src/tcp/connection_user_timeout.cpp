// How long sent data may stay unacknowledged, and what the two ends tell each other of that (RFC 9293 section 3.9.1.1, RFC 5482).

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"
#include "user_timeout.hpp"

namespace tapir::tcp::detail {

const UserTimeoutOption& ConnectionCore::user_timeout_option() const noexcept {
  return settings_->user_timeout_option ? *settings_->user_timeout_option : engine_->config().user_timeout_option;
}

Duration ConnectionCore::own_user_timeout() const noexcept {
  if (unlikely(settings_->user_timeout.has_value())) return *settings_->user_timeout;
  return likely(is_synchronized(tcb_.state)) ? engine_->config().user_timeout : engine_->config().connect_timeout;
}

/// RFC 5482 section 3.1: what the application fixed is not for the peer to change.
Duration ConnectionCore::user_timeout() const noexcept {
  const UserTimeoutOption& option = user_timeout_option();
  const Duration own = own_user_timeout();
  const bool changeable = option.changeable.value_or(!settings_->user_timeout.has_value());
  if (likely(!option.enabled) || !changeable || !peer_user_timeout_ || !is_synchronized(tcb_.state)) return own;
  return adopted_user_timeout({.own = option.advertised.value_or(own), .peer = *peer_user_timeout_, .rto = rtt_.rto()}, option);
}

void ConnectionCore::restart_user_timeout() {
  if (!is_synchronized(tcb_.state) && deadlines_.user_timeout) return;  // the handshake's own runs
  deadlines_.user_timeout = deadline_after(context_.now(), user_timeout());
}

/// What our own pace keeps back is not late.
bool ConnectionCore::kept_back_by_pace() const noexcept { return deadlines_.pacing && recovery_.queue().empty(); }

/// Another user timeout applies now, if the old one was running.
void ConnectionCore::user_timeout_changed() {
  if (!deadlines_.user_timeout) return;
  restart_user_timeout();
  update_timers();
}

/// What is advertised is told again if `change` changes it.
template <class Change>
void ConnectionCore::change_user_timeout(const Change& change) {
  const auto former = advertised_user_timeout();
  change();
  if (advertised_user_timeout() != former) user_timeout_due_ = true;
  user_timeout_changed();
}

Result<> ConnectionCore::set_user_timeout(std::optional<Duration> timeout) {
  if (timeout && *timeout <= Duration::zero()) return fail(Error::invalid_argument);
  change_user_timeout([&] { settings_.own().user_timeout = timeout; });
  return {};
}

Result<> ConnectionCore::set_user_timeout_option(const UserTimeoutOption& option) {
  if (!in_range(option)) return fail(Error::invalid_argument);
  change_user_timeout([&] { settings_.own().user_timeout_option = option; });
  return {};
}

/// ADV_UTO; empty: the option is off.
std::optional<UserTimeoutValue> ConnectionCore::advertised_user_timeout() const noexcept {
  if (engine_ == nullptr || !user_timeout_option().enabled) return std::nullopt;
  const Duration own = settings_->user_timeout.value_or(engine_->config().user_timeout);
  return UserTimeoutValue::of(user_timeout_option().advertised.value_or(own));
}

/// What the peer advertises. A value of 0 is reserved, and says nothing (RFC 5482 section 3.3).
void ConnectionCore::take_user_timeout(const Options& theirs) {
  if (!theirs.user_timeout || theirs.user_timeout->count == 0 || !user_timeout_option().enabled) return;
  const Duration told = theirs.user_timeout->duration();
  if (peer_user_timeout_ == told) return;
  peer_user_timeout_ = told;
  if (deadlines_.user_timeout) restart_user_timeout();
  tell(kPeerUserTimeout);
}

/// What the next segment advertises; empty: nothing, or not again.
std::optional<UserTimeoutValue> ConnectionCore::user_timeout_to_send() const noexcept {
  return user_timeout_due_ && unlikely(user_timeout_option().enabled) ? advertised_user_timeout() : std::nullopt;
}

}  // namespace tapir::tcp::detail
