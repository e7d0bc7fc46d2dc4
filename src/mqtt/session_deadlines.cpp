#include <algorithm>
#include <utility>

#include <tapir/mqtt/session.hpp>

/// What a Session waits for, how long, and what it does then.
namespace tapir::mqtt {

/// A tenth earlier than promised to the server: the limit is for packets as they are sent [MQTT-3.1.2-23], and a real timer is late.
Duration Session::ping_interval() const noexcept { return Duration{keep_alive_} * 9 / 10; }

/// A server that is silent for long is asked too, even if we keep sending: this finds a connection that is dead in one direction.
TimePoint Session::ping_due() const noexcept { return (ping_sent_ ? last_sent_ : std::min(last_sent_, last_received_)) + ping_interval(); }

std::optional<TimePoint> Session::next_deadline() const noexcept {
  std::optional<TimePoint> deadline;
  const auto sooner = [&deadline](TimePoint other) { deadline = deadline ? std::min(*deadline, other) : other; };
  if (!work().queue.empty() && work().next_expiry != TimePoint::max()) sooner(work().next_expiry);
  if (state_ == State::connecting) sooner(connect_sent_ + limits().connack_timeout);
  if (state_ != State::connecting && state_ != State::connected && session_expires_) sooner(*session_expires_);
  if (state_ != State::connected) return deadline;
  if (const auto due = ack_due()) sooner(*due);
  if (keep_alive_.count() != 0) sooner(ping_due());
  if (ping_sent_) sooner(std::max(*ping_sent_, last_progress_) + limits().ping_timeout);
  return deadline;
}

void Session::transport_progress(TimePoint now, std::uint64_t bytes) {
  last_progress_ = now;
  if (work_ != nullptr) work_->waits.arrived(bytes, now);
}

/// When the acknowledgment that is missing longest is overdue.
std::optional<TimePoint> Session::ack_due() const noexcept {
  const Duration patience = limits().ack_timeout;
  if (patience <= Duration::zero()) return std::nullopt;
  const auto since = work().waits.since();
  return since ? std::optional{deadline_after(*since, patience)} : std::nullopt;
}

/// From now on the acknowledgment of this exchange's packet, which was just put into the output, is missing.
void Session::await(PacketId id, TimePoint now) {
  const auto exchange = work().exchanges.find(id);
  if (exchange == work().exchanges.end()) return;
  auto* releasing = std::get_if<Releasing>(&exchange->second.stage);
  if (releasing != nullptr && std::exchange(releasing->awaited_on, connection_) == connection_) return;
  work().waits.add({.id = id, .order = exchange->second.order, .end = work().output.total(), .since = now});
}

/// The same of AUTH. It belongs to no exchange, and so has no packet identifier.
void Session::await_auth(TimePoint now) {
  work().auth_order = ++work().last_order;
  acknowledged();
  work().waits.add({.id = PacketId{}, .order = work().auth_order, .end = work().output.total(), .since = now});
}

/// An exchange, or an authentication, has gone on.
void Session::acknowledged() {
  const auto& exchanges = work().exchanges;
  const std::uint64_t auth_order = work().auth_order;
  work().waits.drop(exchanges.size() + (auth_order != 0 ? 1 : 0), [&exchanges, auth_order](PacketId id, std::uint64_t order) {
    if (id == PacketId{}) return order != auth_order;
    const auto exchange = exchanges.find(id);
    return exchange == exchanges.end() || exchange->second.order != order;
  });
}

void Session::tick(TimePoint now) {
  const auto deadline = next_deadline();
  if (!deadline || now < *deadline) return;
  drop_expired(now);
  if (state_ == State::connecting) {
    if (now >= connect_sent_ + limits().connack_timeout) break_off(Error::connack_timeout, now);
  } else if (state_ != State::connected) {
    if (session_expires_ && now >= *session_expires_) expire_session();
  } else if (const auto due = ack_due(); due && now >= *due) {
    break_off(Error::ack_timeout, now);
  } else if (ping_sent_ && now >= std::max(*ping_sent_, last_progress_) + limits().ping_timeout) {
    break_off(Error::keep_alive_timeout, now);
  } else if (keep_alive_.count() != 0 && now >= ping_due()) {
    if (!ping_sent_) ping_sent_ = now;
    send_checked(Pingreq{}, now);
  }
}

}  // namespace tapir::mqtt
