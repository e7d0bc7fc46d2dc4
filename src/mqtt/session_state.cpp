#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <array>
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
};

void append(std::vector<std::byte>& out, Record record, const ControlPacket& packet) {
  out.push_back(static_cast<std::byte>(record));
  if (!encode(packet, out, ProtocolVersion::v5_0)) out.pop_back();  // a payload from a source, which does not outlive the process
}

std::vector<std::byte> state_header() { return {kMagic.begin(), kMagic.end()}; }

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
  append(out, Record::identity, Connect{.version = ProtocolVersion::v5_0, .clean_session = true, .client_id = options_.client_id});
  append(out, Record::end, Pingreq{});
  return out;
}

std::vector<std::byte> Session::export_state(TimePoint now) const {
  std::vector<std::byte> out = state_header();
  Connect identity{.version = ProtocolVersion::v5_0, .clean_session = !has_session_, .client_id = options_.client_id};
  if (session_expires_) identity.properties.set(property::session_expiry_interval, seconds_left(*session_expires_, now));
  append(out, Record::identity, identity);
  for (const PacketId id : in_order()) {
    const auto& stage = work().exchanges.at(id).stage;
    if (const auto* publishing = std::get_if<Publishing>(&stage)) {
      append(out, Record::publishing, stored(publishing->message, id, publishing->accepted, now));
    } else if (std::holds_alternative<Releasing>(stage)) {
      append(out, Record::releasing, Pubrel{.id = id});
    }
  }
  std::vector<PacketId> received;
  for (const auto& [id, taken] : work().unreleased) {
    if (taken) received.push_back(id);
  }
  std::ranges::sort(received);  // the same session has the same bytes
  for (const PacketId id : received) append(out, Record::received, Pubrec{.id = id});
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
  std::unordered_map<PacketId, bool> unreleased;
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
    } else if (record == Record::publishing && publish != nullptr && publish->qos != QoS::at_most_once) {
      exchanges[publish->id] = {.token = next_token(), .order = ++order, .stage = Publishing{restored(*publish), then}};
    } else if (const auto* pubrel = std::get_if<Pubrel>(&packet); record == Record::releasing && pubrel != nullptr) {
      exchanges[pubrel->id] = {.token = next_token(), .order = ++order, .stage = Releasing{}};
    } else if (const auto* pubrec = std::get_if<Pubrec>(&packet); record == Record::received && pubrec != nullptr) {
      unreleased[pubrec->id] = true;
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
  work().exchanges = std::move(exchanges);
  work().messages_in_flight = work().exchanges.size();
  work().unreleased = std::move(unreleased);
  work().queue = std::move(queue);
  for (const Queued& queued : work().queue) work().queued_bytes += queued.message.payload.size();
  work().last_order = order;
  if (has_session_ && v5() && kept_for() != Duration::max()) {
    // A process that died had no time to note when its connection ended: at the latest it was at the last save.
    const auto left = identity.properties.get(property::session_expiry_interval);
    session_expires_ = deadline_after(now, (left ? Duration{std::chrono::seconds{*left}} : kept_for()) - down_time);
  }
  changed_ = false;
  stored_ = true;
  return {};
}

Result<> Session::restore(TimePoint now, Duration down_time) {
  if (store_ == nullptr) return {};
  const auto bytes = store_->load();
  if (!bytes) return fail(bytes.error());
  return *bytes ? import_state(**bytes, now, down_time) : Result<>{};
}

/// Saves what has changed; of a session that is not kept any more, that there is none. False: that failed, and the connection is given up
/// before anything depends on it.
bool Session::save(TimePoint now) {
  const bool kept = kept_for() != Duration::zero();
  if (!changed_ || store_ == nullptr || (!kept && !stored_)) return true;
  if (store_->save(kept ? export_state(now) : no_state())) {
    changed_ = false;
    stored_ = kept;
    return true;
  }
  work().output.clear();
  if (state_ == State::connecting || state_ == State::connected) {
    leave(State::offline, Error::session_lost, now);
    emit(event::Disconnected{.error = Error::storage_failed});
  }
  return false;
}

}  // namespace tapir::mqtt
