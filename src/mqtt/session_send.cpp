#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <utility>

#include <tapir/mqtt/topic.hpp>

/// What a Session sends: messages and requests, their identifiers, their order.
namespace tapir::mqtt {

namespace {

constexpr std::size_t kPacketIds = 65535;

}  // namespace

Result<> Session::send(const ControlPacket& packet, TimePoint now) {
  const auto before = output_.total();
  if (const auto encoded = encode_without_payload(packet, output_.tail()); !encoded) return encoded;
  output_.appended();
  if (const auto* publish = std::get_if<Publish>(&packet)) output_.append(publish->payload);
  last_sent_ = now;
  if (observer_ != nullptr) observer_->packet(Direction::down, packet, static_cast<std::size_t>(output_.total() - before), now);
  return {};
}

/// Sends a packet whose fields were checked before.
void Session::send_checked(const ControlPacket& packet, TimePoint now) {
  if (const auto sent = send(packet, now); !sent) break_off(sent.error(), now);
}

std::optional<PacketId> Session::unused_id() noexcept {
  if (exchanges_.size() >= kPacketIds) return std::nullopt;
  do {
    last_id_ = PacketId{last_id_.value() == kPacketIds ? std::uint16_t{1} : static_cast<std::uint16_t>(last_id_.value() + 1)};
  } while (exchanges_.contains(last_id_));
  return last_id_;
}

/// The identifiers of all exchanges, in the order in which their packets were first sent.
std::vector<PacketId> Session::in_order() const {
  std::vector<PacketId> ids;
  ids.reserve(exchanges_.size());
  for (const auto& [id, exchange] : exchanges_) ids.push_back(id);
  std::ranges::sort(ids, {}, [this](PacketId id) { return exchanges_.at(id).order; });
  return ids;
}

Result<> Session::admissible(const Message& message) const {
  if (state_ == State::finished) return fail(tapir::Error::not_connected);
  if (!is_valid_topic_name(message.topic)) return fail(Error::invalid_topic);
  if (message.qos > QoS::exactly_once) return fail(tapir::Error::invalid_argument);
  const std::size_t around = sizeof(std::uint16_t) + message.topic.size() + (message.qos == QoS::at_most_once ? 0 : sizeof(std::uint16_t));
  if (message.payload.size() > kMaxRemainingLength - around) return fail(tapir::Error::message_too_large);
  return {};
}

bool Session::may_send(QoS qos) const noexcept {
  if (state_ != State::connected && !(state_ == State::connecting && limits_.send_before_connack)) return false;
  if (output_.size() >= limits_.output_high_water) return false;
  return qos == QoS::at_most_once || (messages_in_flight_ < limits_.max_in_flight && exchanges_.size() < kPacketIds);
}

Result<Token> Session::publish(Message message, TimePoint now) {
  if (const auto allowed = admissible(message); !allowed) return fail(allowed.error());
  const bool direct = queue_.empty() && may_send(message.qos);
  if (!direct && !queue_.empty()) {
    const bool full = queue_.size() >= limits_.max_queued || queued_bytes_ + message.payload.size() > limits_.max_queued_bytes;
    if (full) return fail(tapir::Error::no_buffer_space);
  } else if (!direct && limits_.max_queued == 0) {
    return fail(tapir::Error::no_buffer_space);
  }
  const Token token = next_token();
  if (direct) {
    send_message({token, std::move(message)}, now);
  } else {
    queued_bytes_ += message.payload.size();
    queue_.push_back({token, std::move(message)});
  }
  return token;
}

void Session::send_queued(TimePoint now) {
  while (!queue_.empty() && may_send(queue_.front().message.qos)) {
    Queued queued = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= queued.message.payload.size();
    send_message(std::move(queued), now);
  }
}

/// Sends a message for the first time; may_send() held.
void Session::send_message(Queued queued, TimePoint now) {
  Message& message = queued.message;
  Publish packet{.duplicate = false, .qos = message.qos, .retain = message.retain, .topic = message.topic, .payload = message.payload};
  if (message.qos == QoS::at_most_once) {
    send_checked(packet, now);
    put(event::Sent{queued.token, output_.total()});
    return;
  }
  const auto id = unused_id();
  if (!id) return;  // may_send() counted
  packet.id = *id;
  exchanges_[*id] = {.token = queued.token, .order = ++last_order_, .stage = Publishing{std::move(message)}};
  ++messages_in_flight_;
  send_checked(packet, now);
}

void Session::put(event::Sent sent) {
  if (state_ == State::connecting) {
    early_.push_back(sent);
  } else {
    emit(sent);
  }
}

/// Sends what the last connection left unacknowledged, with the same identifiers and in the same order [MQTT-4.4.0-1, 4.6.0-1].
void Session::send_again(TimePoint now) {
  for (const PacketId id : in_order()) {
    const auto& stage = exchanges_.at(id).stage;
    if (const auto* publishing = std::get_if<Publishing>(&stage)) {
      const Message& message = publishing->message;
      send_checked(Publish{.duplicate = true,
                           .qos = message.qos,
                           .retain = message.retain,
                           .topic = message.topic,
                           .id = id,
                           .payload = message.payload},
                   now);
    } else if (std::holds_alternative<Releasing>(stage)) {
      send_checked(Pubrel{id}, now);
    }
  }
}

template <class Packet, class Stage>
Result<Token> Session::start_exchange(Packet packet, Stage stage, TimePoint now) {
  const auto id = unused_id();
  if (!id) return fail(Error::session_full);
  packet.id = *id;
  if (const auto sent = send(packet, now); !sent) return fail(sent.error());
  const Token token = next_token();
  exchanges_[*id] = {.token = token, .order = ++last_order_, .stage = stage};
  return token;
}

Result<Token> Session::subscribe(std::vector<Subscription> subscriptions, TimePoint now) {
  if (subscriptions.empty()) return fail(tapir::Error::invalid_argument);
  for (const auto& subscription : subscriptions) {
    if (!is_valid_topic_filter(subscription.filter)) return fail(Error::invalid_filter);
    if (subscription.qos > QoS::exactly_once) return fail(tapir::Error::invalid_argument);
  }
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  const Subscribing stage{subscriptions.size()};
  return start_exchange(Subscribe{.subscriptions = std::move(subscriptions)}, stage, now);
}

Result<Token> Session::unsubscribe(std::vector<std::string> filters, TimePoint now) {
  if (filters.empty()) return fail(tapir::Error::invalid_argument);
  if (!std::ranges::all_of(filters, is_valid_topic_filter)) return fail(Error::invalid_filter);
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  return start_exchange(Unsubscribe{.filters = std::move(filters)}, Unsubscribing{}, now);
}

}  // namespace tapir::mqtt
