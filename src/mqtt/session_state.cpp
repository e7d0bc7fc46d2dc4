#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

/// A Session's state as bytes: a header, then records of one byte for their kind and one control packet of MQTT 5.0, which says all that
/// a message has.
namespace tapir::mqtt {

namespace {

constexpr std::array kMagic{std::byte{'t'}, std::byte{'a'}, std::byte{'p'}, std::byte{'i'}, std::byte{'r'}, std::byte{1}};

enum class Record : std::uint8_t {
  identity = 1,    ///< CONNECT: client identifier; session_expiry_interval: the seconds that are left, if they are counted
  publishing = 2,  ///< PUBLISH without acknowledgment
  releasing = 3,   ///< PUBREL without PUBCOMP
  received = 4,    ///< PUBREC that was answered by no PUBREL
  queued = 5,      ///< PUBLISH that was never sent; its identifier means nothing
  end = 6,         ///< PINGREQ
  announced = 7,   ///< PUBREC of a received message that the user may not have; kDelivery: its number
};

// User properties, of what the standard has no property for.
constexpr std::string_view kDelivery = "delivery";      ///< Message::delivery
constexpr std::string_view kDeliveries = "deliveries";  ///< the last one that was given

void append(std::vector<std::byte>& out, Record record, const ControlPacket& packet) {
  out.push_back(static_cast<std::byte>(record));
  if (!encode(packet, out, ProtocolVersion::v5_0)) out.pop_back();  // a payload from a source, which does not outlive the process
}

std::vector<std::byte> state_header() { return {kMagic.begin(), kMagic.end()}; }

void set_number(Properties& properties, std::string_view name, std::uint64_t value) {
  properties.add({property::user_property, {std::string{name}, std::to_string(value)}});
}

/// nullopt: there is none, or it is no number.
std::optional<std::uint64_t> number(const Properties& properties, std::string_view name) {
  const auto pair = properties.get(property::user_property);
  if (!pair || pair->first != name) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = pair->second.data() + pair->second.size();
  const auto [stopped, error] = std::from_chars(pair->second.data(), end, value);
  return error == std::errc{} && stopped == end ? std::optional{value} : std::nullopt;
}

std::uint32_t seconds_left(TimePoint deadline, TimePoint now) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - now).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, 0xffff'fffe));
}

Publish stored(const Message& message, PacketId id, TimePoint accepted, TimePoint now) {
  Properties properties = message.properties;
  if (const auto interval = properties.get(property::message_expiry_interval)) {
    properties.set(property::message_expiry_interval, seconds_left(accepted + std::chrono::seconds{*interval}, now));
  }
  properties.erase(PropertyId::topic_alias);  // of a connection that is over by then
  return {.qos = message.qos,
          .retain = message.retain,
          .topic = message.topic,
          .id = message.qos == QoS::at_most_once ? PacketId{} : id,
          .payload = message.payload,
          .properties = std::move(properties)};
}

Message restored(const Publish& packet) {
  return {.topic = packet.topic, .payload = packet.payload, .qos = packet.qos, .retain = packet.retain, .properties = packet.properties};
}

}  // namespace

std::vector<std::byte> Session::no_state() const {
  std::vector<std::byte> out = state_header();
  append_identity(out, Connect{.version = ProtocolVersion::v5_0, .clean_session = true, .client_id = options_.client_id});
  append(out, Record::end, Pingreq{});
  return out;
}

void Session::append_identity(std::vector<std::byte>& out, Connect identity) const {
  if (last_delivery_ > 0) set_number(identity.properties, kDeliveries, last_delivery_);
  append(out, Record::identity, identity);
}

std::vector<Session::Outstanding> Session::outstanding() const {
  std::vector<Outstanding> messages;
  for (const PacketId id : in_order()) {
    const Exchange& exchange = work().exchanges.at(id);
    if (const auto* publishing = std::get_if<Publishing>(&exchange.stage)) {
      messages.push_back({exchange.token, &publishing->message});
    } else if (std::holds_alternative<Releasing>(exchange.stage)) {
      messages.push_back({exchange.token, nullptr});
    }
  }
  for (const Queued& queued : work().queue) messages.push_back({queued.token, &queued.message});
  return messages;
}

std::vector<std::byte> Session::export_state(TimePoint now) const {
  std::vector<std::byte> out = state_header();
  Connect identity{.version = ProtocolVersion::v5_0, .clean_session = !has_session_, .client_id = options_.client_id};
  if (session_expires_) identity.properties.set(property::session_expiry_interval, seconds_left(*session_expires_, now));
  append_identity(out, std::move(identity));
  for (const PacketId id : in_order()) {
    const auto& stage = work().exchanges.at(id).stage;
    if (const auto* publishing = std::get_if<Publishing>(&stage)) {
      append(out, Record::publishing, stored(publishing->message, id, publishing->accepted, now));
    } else if (std::holds_alternative<Releasing>(stage)) {
      append(out, Record::releasing, Pubrel{.id = id});
    }
  }
  std::vector<PacketId> received;
  for (const auto& [id, receipt] : work().unreleased) {
    if (receipt.stage == Receipt::Stage::taken || receipt.delivery > 0) received.push_back(id);
  }
  std::ranges::sort(received);  // the same session has the same bytes
  for (const PacketId id : received) {
    const Receipt& receipt = work().unreleased.at(id);
    const bool taken = receipt.stage == Receipt::Stage::taken;
    Pubrec packet{.id = id};
    if (!taken) set_number(packet.properties, kDelivery, receipt.delivery);
    append(out, taken ? Record::received : Record::announced, packet);
  }
  for (const Queued& queued : work().queue) append(out, Record::queued, stored(queued.message, PacketId{1}, queued.accepted, now));
  append(out, Record::end, Pingreq{});
  return out;
}

Result<> Session::import_state(std::span<const std::byte> bytes, TimePoint now, Duration down_time) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  if (bytes.size() < kMagic.size() || !std::ranges::equal(bytes.first(kMagic.size()), kMagic)) return fail(Error::invalid_state);
  bytes = bytes.subspan(kMagic.size());
  const TimePoint then = now - down_time;

  Connect identity;
  std::unordered_map<PacketId, Exchange> exchanges;
  std::unordered_map<PacketId, Receipt> unreleased;
  std::uint64_t last_delivery = 0;
  std::list<Queued> queue;
  std::uint64_t order = 0;
  Decoder decoder{kMaxPacketSize, ProtocolVersion::v5_0};
  for (bool ended = false; !ended;) {
    if (bytes.empty()) return fail(Error::invalid_state);
    const auto record = static_cast<Record>(bytes.front());
    bytes = bytes.subspan(1);
    const auto decoded = decoder.next(bytes);
    if (!decoded || !*decoded) return fail(Error::invalid_state);
    const ControlPacket& packet = **decoded;
    const auto* connect = std::get_if<Connect>(&packet);
    const auto* publish = std::get_if<Publish>(&packet);
    if (publish != nullptr && publish->topic.empty()) return fail(Error::invalid_state);
    if (record == Record::identity && connect != nullptr) {
      identity = *connect;
      last_delivery = std::max(last_delivery, number(connect->properties, kDeliveries).value_or(0));
    } else if (record == Record::publishing && publish != nullptr && publish->qos != QoS::at_most_once) {
      exchanges[publish->id] = {.token = next_token(), .order = ++order, .stage = Publishing{restored(*publish), then}};
    } else if (const auto* pubrel = std::get_if<Pubrel>(&packet); record == Record::releasing && pubrel != nullptr) {
      exchanges[pubrel->id] = {.token = next_token(), .order = ++order, .stage = Releasing{}};
    } else if (const auto* pubrec = std::get_if<Pubrec>(&packet); record == Record::received && pubrec != nullptr) {
      unreleased[pubrec->id] = {.stage = Receipt::Stage::taken};
    } else if (const auto delivery = pubrec != nullptr ? number(pubrec->properties, kDelivery) : std::nullopt;
               record == Record::announced && delivery && *delivery > 0) {
      unreleased[pubrec->id] = {.stage = Receipt::Stage::announced, .delivery = *delivery};
      last_delivery = std::max(last_delivery, *delivery);
    } else if (record == Record::queued && publish != nullptr) {
      queue.push_back({.token = next_token(), .message = restored(*publish), .accepted = then});
    } else if (record == Record::end) {
      ended = true;
    } else {
      return fail(Error::invalid_state);
    }
  }
  const bool same_client = options_.client_id == identity.client_id || options_.client_id.empty();
  if (!bytes.empty() || !same_client) return fail(Error::invalid_state);

  fail_queued(Error::session_lost);
  discard_session(Error::session_lost);
  options_.client_id = identity.client_id;
  has_session_ = !identity.clean_session;
  start_clean_ = false;
  work().exchanges = std::move(exchanges);
  work().messages_in_flight = work().exchanges.size();
  work().unreleased = std::move(unreleased);
  work().queue = std::move(queue);
  for (const Queued& queued : work().queue) {
    work().queued_bytes += queued.message.payload.size();
    work().next_expiry = std::min(work().next_expiry, expiry_of(queued));
  }
  work().last_order = order;
  last_delivery_ = last_delivery;
  if (has_session_ && v5() && kept_for() != Duration::max()) {
    // A process that died had no time to note when its connection ended: at the latest it was just now. The server knows.
    const auto left = identity.properties.get(property::session_expiry_interval);
    session_expires_ = deadline_after(now, left ? Duration{std::chrono::seconds{*left}} - down_time : kept_for());
  }
  changed_ = false;
  stored_ = true;
  return {};
}

Result<> Session::restore(TimePoint now) {
  if (store_ == nullptr) return {};
  const auto bytes = store_->load();
  if (!bytes) return fail(bytes.error());
  return *bytes ? import_state(**bytes, now, std::max(store_->age(), Duration::zero())) : Result<>{};
}

/// Of a session that is not kept any more it saves that there is none. When it fails the connection is given up before anything depends on
/// what was not saved.
Result<> Session::save(TimePoint now) {
  const bool kept = kept_for() != Duration::zero();
  if (!changed_ || store_ == nullptr || (!kept && !stored_)) return {};
  if (store_->save(kept ? export_state(now) : no_state())) {
    changed_ = false;
    stored_ = kept;
    return {};
  }
  work().output.clear();
  if (state_ == State::connecting || state_ == State::connected) {
    leave(State::offline, Error::session_lost, now);
    emit(event::Disconnected{.error = Error::storage_failed});
  }
  return fail(Error::storage_failed);
}

}  // namespace tapir::mqtt
