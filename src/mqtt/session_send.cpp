#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <utility>

#include <tapir/mqtt/property_table.hpp>
#include <tapir/mqtt/topic.hpp>

/// What a Session sends: messages and requests, their identifiers, their order.
namespace tapir::mqtt {

namespace {

constexpr std::size_t kPacketIds = 65535;
/// Acknowledgments, PINGREQ and DISCONNECT cannot be shorter than they are: a server that announced less could not take part at all.
constexpr std::size_t kSmallestMaximum = 4;

/// The message's properties with the expiry interval shortened by the time that it waited here (5.0 section 3.3.2.3.3).
Properties counted_down(const Message& message, Duration waited) {
  Properties properties = message.properties;
  if (const auto interval = properties.get(property::message_expiry_interval)) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
    const auto left = *interval - std::min<std::int64_t>(*interval, std::max<std::int64_t>(seconds, 0));
    if (left != *interval) properties.set(property::message_expiry_interval, static_cast<std::uint32_t>(left));
  }
  return properties;
}

std::error_code subscription_problem(const Subscription& subscription, bool v5) {
  if (!is_valid_topic_filter(subscription.filter)) return Error::invalid_filter;
  const bool plain =
      !subscription.no_local && !subscription.retain_as_published && subscription.retain_handling == RetainHandling::at_subscribe;
  if (!v5 && !plain) return Error::not_in_this_version;
  if (subscription.qos > QoS::exactly_once || subscription.retain_handling > RetainHandling::never) return tapir::Error::invalid_argument;
  if (!v5 || !subscription.filter.starts_with(kSharedPrefix)) return {};
  if (!is_valid_shared_filter(subscription.filter)) return Error::invalid_filter;
  if (subscription.no_local) return tapir::Error::invalid_argument;  // [MQTT-3.8.3-4]
  return {};
}

/// What the server said that it does not have (5.0 sections 3.2.2.3.11 to 3.2.2.3.13).
std::error_code beyond(const ServerLimits& server, const std::string& filter) {
  if (!server.shared_subscriptions && filter.starts_with(kSharedPrefix)) return ReasonCode::shared_subscriptions_not_supported;
  if (!server.wildcard_subscriptions && filter.find_first_of("+#") != std::string::npos) {
    return ReasonCode::wildcard_subscriptions_not_supported;
  }
  return {};
}

}  // namespace

Result<> Session::send(const ControlPacket& packet, TimePoint now) {
  auto& tail = work().output.tail();
  const std::size_t start = tail.size();
  if (const auto encoded = encode_without_payload(packet, tail, options_.version); !encoded) return encoded;
  const auto* publish = std::get_if<Publish>(&packet);
  const PacketObserver::Size size{tail.size() - start, publish != nullptr ? publish->payload.size() : 0};
  if (size.header + size.payload > std::max(server().maximum_packet_size, kSmallestMaximum)) {
    work().output.undo();
    return fail(Error::packet_too_large);  // [MQTT-3.2.2-15]
  }
  work().output.appended(publish != nullptr);
  if (publish != nullptr) work().output.append(publish->payload);
  last_sent_ = now;
  if (observer_ != nullptr) observer_->packet(Direction::down, packet, size, now);
  return {};
}

/// Sends a packet whose fields were checked before.
void Session::send_checked(const ControlPacket& packet, TimePoint now) {
  if (const auto sent = send(packet, now); !sent) break_off(sent.error(), now);
}

std::optional<PacketId> Session::unused_id() noexcept {
  if (work().exchanges.size() >= kPacketIds) return std::nullopt;
  do {
    last_id_ = PacketId{last_id_.value() == kPacketIds ? std::uint16_t{1} : static_cast<std::uint16_t>(last_id_.value() + 1)};
  } while (work().exchanges.contains(last_id_));
  return last_id_;
}

/// The identifiers of all exchanges, in the order in which their packets were first sent.
std::vector<PacketId> Session::in_order() const {
  std::vector<PacketId> ids;
  ids.reserve(work().exchanges.size());
  for (const auto& [id, exchange] : work().exchanges) ids.push_back(id);
  std::ranges::sort(ids, {}, [this](PacketId id) { return work().exchanges.at(id).order; });
  return ids;
}

Result<> Session::admissible(const Message& message) const {
  if (state_ == State::finished) return fail(tapir::Error::not_connected);
  if (!is_valid_topic_name(message.topic)) return fail(Error::invalid_topic);
  if (message.qos > QoS::exactly_once) return fail(tapir::Error::invalid_argument);
  if (!v5() && !message.properties.empty()) return fail(Error::not_in_this_version);
  if (const auto problem = mqtt::problem_of(message.properties, place_of(PacketType::publish))) return fail(problem);
  const bool gives_aliases = limits().topic_aliases > 0 && !limits().lenient;
  if ((gives_aliases && message.properties.contains(PropertyId::topic_alias)) ||
      message.properties.contains(PropertyId::subscription_identifier)) {
    return fail(Error::property_not_allowed);  // [MQTT-3.3.4-6]
  }
  const bool would_be_lost = store_ != nullptr && message.payload.source() != nullptr && message.qos != QoS::at_most_once;
  if (would_be_lost) return fail(tapir::Error::invalid_argument);
  const std::size_t around = sizeof(std::uint16_t) + message.topic.size() + (message.qos == QoS::at_most_once ? 0 : sizeof(std::uint16_t));
  if (message.payload.size() > kMaxRemainingLength - around) return fail(tapir::Error::message_too_large);
  if (const auto error = beyond_server(message); error && state_ == State::connected) return fail(error);
  return {};
}

/// Why the server of this connection does not take the message (5.0 sections 3.2.2.3.4, 3.2.2.3.5 and 3.2.2.3.8).
std::error_code Session::beyond_server(const Message& message) const {
  const auto alias = message.properties.get(property::topic_alias);
  if (alias && *alias > server().topic_alias_maximum && !limits().lenient) return Error::topic_alias_invalid;  // [MQTT-3.2.2-17]
  if (message.qos > server().maximum_qos) return ReasonCode::qos_not_supported;                                // [MQTT-3.2.2-11]
  if (message.retain && !server().retain_available) return ReasonCode::retain_not_supported;                   // [MQTT-3.2.2-14]
  return {};
}

bool Session::may_send(QoS qos) const noexcept {
  if (state_ != State::connected && !(state_ == State::connecting && sends_early())) return false;
  if (work().output.size() >= limits().output_high_water) return false;
  if (qos == QoS::at_most_once) return true;
  const std::size_t quota = work_ != nullptr ? work_->quota : whole_quota();
  return work().again.empty() && quota > 0 && work().messages_in_flight < limits().max_in_flight && work().exchanges.size() < kPacketIds;
}

/// From when on a message that waits must not be sent any more. With an interval of 0 it may go out at once only.
TimePoint Session::expiry_of(const Queued& queued) {
  const auto interval = queued.message.properties.get(property::message_expiry_interval);
  if (!interval) return TimePoint::max();
  return deadline_after(queued.accepted, std::max(Duration{std::chrono::seconds{*interval}}, Duration{1}));
}

void Session::drop_expired(TimePoint now) {
  if (work_ == nullptr || now < work_->next_expiry) return;
  work_->next_expiry = TimePoint::max();
  for (auto place = work_->queue.begin(); place != work_->queue.end();) {
    const auto message = place++;
    if (const auto expiry = expiry_of(*message); expiry > now) {
      work_->next_expiry = std::min(work_->next_expiry, expiry);
    } else {
      drop_queued(message, Error::message_expired);
    }
  }
}

/// Whether the queue takes one more message, after what the policy allows to be dropped for it. When that is not enough nothing is dropped.
bool Session::make_room(const Message& message) {
  auto& queue = work().queue;
  std::size_t count = queue.size();
  std::size_t bytes = work().queued_bytes;
  std::vector<std::list<Queued>::iterator> victims;
  const auto fits = [&] {
    if (count == 0) return limits().max_queued > 0;
    return count < limits().max_queued && bytes + message.payload.size() <= limits().max_queued_bytes;
  };
  const auto sacrifice = [&](std::list<Queued>::iterator place) {
    victims.push_back(place);
    --count;
    bytes -= place->message.payload.size();
  };
  if (limits().when_full == QueuePolicy::drop_oldest) {
    for (auto place = queue.begin(); place != queue.end() && !fits(); ++place) sacrifice(place);
  }
  if (limits().when_full == QueuePolicy::drop_newest_qos_0 && message.qos != QoS::at_most_once) {
    for (auto place = queue.end(); place != queue.begin() && !fits();) {
      if ((--place)->message.qos == QoS::at_most_once) sacrifice(place);
    }
  }
  if (!fits()) return false;
  for (const auto place : victims) drop_queued(place, tapir::Error::no_buffer_space);
  return true;
}

Result<Token> Session::publish(Message message, TimePoint now) {
  if (const auto allowed = admissible(message); !allowed) return fail(allowed.error());
  drop_expired(now);
  const bool direct = work().queue.empty() && may_send(message.qos);
  if (!direct && !make_room(message)) return fail(tapir::Error::no_buffer_space);
  Queued queued{.token = next_token(), .message = std::move(message), .accepted = now};
  const Token token = queued.token;
  if (direct) {
    if (const auto sent = send_message(queued, now); !sent) return fail(sent.error());
  } else {
    work().queued_bytes += queued.message.payload.size();
    work().next_expiry = std::min(work().next_expiry, expiry_of(queued));
    work().queue.push_back(std::move(queued));
    changed_ = true;
  }
  return token;
}

void Session::send_queued(TimePoint now) {
  while (!work().queue.empty() && may_send(work().queue.front().message.qos)) {
    Queued queued = std::move(work().queue.front());
    work().queue.pop_front();
    work().queued_bytes -= queued.message.payload.size();
    changed_ = true;
    std::error_code error = beyond_server(queued.message);
    if (now >= expiry_of(queued)) error = Error::message_expired;
    if (!error) {
      if (const auto sent = send_message(queued, now); !sent) error = sent.error();
    }
    if (error) emit(event::Failed{queued.token, error});
  }
}

/// Puts a PUBLISH into the output, its topic replaced by an alias if the server knows one; without, if only the alias makes it too large.
Result<> Session::send_publish(const Message& message, PacketId id, bool duplicate, TimePoint accepted, TimePoint now) {
  Publish packet{.duplicate = duplicate,
                 .qos = message.qos,
                 .retain = message.retain,
                 .topic = message.topic,
                 .id = id,
                 .payload = message.payload,
                 .properties = counted_down(message, now - accepted)};
  const auto choice = aliases_ == nullptr || packet.properties.contains(PropertyId::topic_alias) ? OutgoingAliases::Choice{}
                                                                                                 : aliases_->outgoing.choose(message.topic);
  if (choice.alias != 0) packet.properties.add({property::topic_alias, choice.alias});
  if (choice.known) packet.topic.clear();
  const auto sent = send(packet, now);
  if (sent || choice.alias == 0) return sent;
  if (!choice.known) aliases_->outgoing.forget(message.topic);
  packet.properties.erase(PropertyId::topic_alias);
  packet.topic = message.topic;
  return send(packet, now);
}

/// Sends a message for the first time; may_send() held.
Result<> Session::send_message(Queued& queued, TimePoint now) {
  if (queued.message.qos == QoS::at_most_once) {
    if (const auto sent = send_publish(queued.message, {}, false, queued.accepted, now); !sent) return sent;
    put(event::Sent{queued.token, work().output.total()});
    return {};
  }
  const auto id = unused_id();
  if (!id) return fail(Error::session_full);  // may_send() counted
  if (const auto sent = send_publish(queued.message, *id, false, queued.accepted, now); !sent) return sent;
  queued.message.properties.erase(PropertyId::topic_alias);  // one of the user's is for this connection alone
  work().exchanges[*id] = {.token = queued.token,
                           .order = ++work().last_order,
                           .published_on = connection_,
                           .stage = Publishing{std::move(queued.message), queued.accepted}};
  await(*id, now);
  ++work().messages_in_flight;
  --work().quota;
  changed_ = true;
  return {};
}

void Session::put(event::Sent sent) {
  if (state_ == State::connecting) {
    work().early.push_back(sent);
  } else {
    emit(sent);
  }
}

/// What earlier connections left unacknowledged has to be sent again, with the same identifiers and in the same order [MQTT-4.4.0-1,
/// 4.6.0-1].
void Session::resume_exchanges() {
  const auto ids = in_order();
  work().again.assign(ids.begin(), ids.end());
}

/// Sends it as far as the server takes it: its Receive Maximum holds for these too [MQTT-3.3.4-7].
void Session::send_again(TimePoint now) {
  if (state_ != State::connected && !(state_ == State::connecting && sends_early())) return;
  for (; !work().again.empty(); work().again.pop_front()) {
    const PacketId id = work().again.front();
    const auto exchange = work().exchanges.find(id);
    if (exchange == work().exchanges.end()) continue;
    if (std::holds_alternative<Releasing>(exchange->second.stage)) {
      send_checked(pubrel(id, true), now);
      await(id, now);
    } else if (const auto* publishing = std::get_if<Publishing>(&exchange->second.stage)) {
      if (work().quota == 0) return;
      auto error = beyond_server(publishing->message);
      if (!error) {
        if (const auto sent = send_publish(publishing->message, id, true, publishing->accepted, now); !sent) error = sent.error();
      }
      if (!error) {
        exchange->second.published_on = connection_;
        --work().quota;
        await(id, now);
        continue;
      }
      const Token token = exchange->second.token;  // this server can never take it: it is not sent again (5.0 section 3.1.2.11.4)
      work().exchanges.erase(exchange);
      --work().messages_in_flight;
      changed_ = true;
      emit(event::Failed{token, error});
    }
  }
}

template <class Packet, class Stage>
Result<Token> Session::start_exchange(Packet packet, Stage stage, TimePoint now) {
  const PacketId last = last_id_;
  const auto id = unused_id();
  if (!id) return fail(Error::session_full);
  packet.id = *id;
  if (const auto sent = send(packet, now); !sent) {
    last_id_ = last;  // nothing was sent with it
    return fail(sent.error());
  }
  const Token token = next_token();
  work().exchanges[*id] = {.token = token, .order = ++work().last_order, .stage = stage};
  await(*id, now);
  return token;
}

Result<Token> Session::subscribe(std::vector<Subscription> subscriptions, TimePoint now, Properties properties) {
  if (subscriptions.empty()) return fail(tapir::Error::invalid_argument);
  for (const auto& subscription : subscriptions) {
    if (const auto problem = subscription_problem(subscription, v5())) return fail(problem);
  }
  if (!v5() && !properties.empty()) return fail(Error::not_in_this_version);
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  for (const auto& subscription : subscriptions) {
    if (const auto problem = beyond(server(), subscription.filter); problem && v5()) return fail(problem);
  }
  if (!server().subscription_identifiers && properties.contains(PropertyId::subscription_identifier)) {
    return fail(ReasonCode::subscription_identifiers_not_supported);
  }
  const Subscribing stage{subscriptions.size()};
  return start_exchange(Subscribe{.subscriptions = std::move(subscriptions), .properties = std::move(properties)}, stage, now);
}

Result<Token> Session::unsubscribe(std::vector<std::string> filters, TimePoint now, Properties properties) {
  if (filters.empty()) return fail(tapir::Error::invalid_argument);
  if (!std::ranges::all_of(filters, is_valid_topic_filter)) return fail(Error::invalid_filter);
  if (!v5() && !properties.empty()) return fail(Error::not_in_this_version);
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  const Unsubscribing stage{filters.size()};
  return start_exchange(Unsubscribe{.filters = std::move(filters), .properties = std::move(properties)}, stage, now);
}

}  // namespace tapir::mqtt
