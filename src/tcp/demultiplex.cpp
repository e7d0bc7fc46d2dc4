// A segment on its way from the network layer to its connection, listener, or to nobody (RFC 9293 section 3.10.7.1-2).

#include <array>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/checksum.hpp>

#include "connection_core.hpp"
#include "connection_record.hpp"
#include "engine.hpp"
#include "listener_core.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::uint32_t kReopenGap = 65536;  // what the new incarnation's first number lies ahead of the old one's last, at least

/// Those of a segment whose header of `header_size` bytes is in front.
Accepted read_options_of(const Packet& segment, std::size_t header_size, Options& options) {
  if (const auto front = segment.front(); likely(front.size() >= header_size)) {
    return read_options(front.subspan(sizeof(Header), header_size - sizeof(Header)), options);
  }
  std::array<std::byte, kMaxOptionsSize> bytes{};
  const auto option_bytes = std::span{bytes}.first(header_size - sizeof(Header));
  (void)segment.copy_out(sizeof(Header), option_bytes);
  return read_options(option_bytes, options);
}
}  // namespace

std::unexpected<Drop> Engine::malformed(Drop reason) {
  ++stats_.in_errs;
  return drop(reason);
}

[[gnu::flatten, gnu::hot]] Accepted Engine::demultiplex(Packet&& packet, const network::Received& from) {
  ++stats_.in_segs;
  // RFC 9293 section 3.9.2.3: TCP speaks with single hosts only (MUST-57, MUST-63).
  if (unlikely(from.to_group) || unlikely(from.cast != LinkCast::unicast)) return drop(Drop::not_for_us);
  Arrival arrival{packet, from};
  if (const auto sound = read(arrival, from); unlikely(!sound)) return malformed(sound.error());
  return dispatch(std::move(arrival));
}

/// Checks the header of what is the payload so far, and takes it off.
Accepted Engine::read(Arrival& arrival, const network::Received& from) {
  Packet& packet = arrival.payload;
  Header header;
  if (unlikely(!packet.peek_into(header))) return std::unexpected{Drop::truncated};
  Segment& segment = arrival.segment;
  if (const auto sound = parse(header, packet.size(), segment); unlikely(!sound)) return sound;
  arrival.tuple = {.local = {from.destination, header.destination_port}, .remote = {from.source, header.source_port}};
  if (unlikely(!checksum_ok(packet, from))) {
    if (config_.acknowledge_bad_checksums) acknowledge_damaged(arrival.tuple);
    return std::unexpected{Drop::bad_checksum};
  }
  if (unlikely(header.source_port.get() == Port{}) || unlikely(header.destination_port.get() == Port{}))
    return std::unexpected{Drop::bad_port};
  const std::size_t header_size = header.header_size();
  if (likely(header_size > sizeof(Header))) {
    if (const auto sound = read_options_of(packet, header_size, arrival.options); unlikely(!sound)) return sound;
  }
  if (unlikely(context_.observer != nullptr)) observe(Direction::up, packet, header, arrival.tuple);
  packet.trim_front(header_size);
  const std::uint32_t each = packet.meta().gso_size;
  if (unlikely(each > 0) && segment.payload_size > each) arrival.segments = (segment.payload_size + each - 1) / each;
  if (unlikely(!from.options.empty())) arrival.ip_options = network_.return_route(from.options, from.source);
  return {};
}

void Engine::acknowledge_damaged(const FourTuple& tuple) {
  const auto record = connections_.find(tuple);
  if (record != nullptr) record->core()->damaged_segment_arrives();
}

/// What a device vouches for, or has yet to compute, is not summed again.
bool Engine::checksum_ok(const Packet& packet, const network::Received& from) const {
  if (likely(packet.meta().checksum != ChecksumState::unverified)) return true;
  InternetChecksum sum;
  sum.add_word(network_.pseudo_header_sum(from.source, from.destination, network::Protocol::tcp, packet.size()));
  add_packet(sum, packet);
  return sum.value() == 0;
}

Accepted Engine::dispatch(Arrival&& arrival) {
  if (ConnectionRecord* const record = find(arrival.tuple); likely(record != nullptr)) {
    const auto connection = record->core();  // stays alive while it ends
    if (unlikely(arrival.ttl < connection->minimum_ttl())) return drop(Drop::ttl_too_low);
    return connection->segment_arrives(std::move(arrival));
  }
  return stranger_arrives(arrival);
}

/// Those that we have a connection with have been looked at.
Accepted Engine::stranger_arrives(Arrival& arrival) {
  const IpAddress source = arrival.tuple.remote.address;
  const bool strange_loop = source.is_loopback() && !arrival.tuple.local.address.is_loopback();
  if (!network_.can_be_host(source) || strange_loop) return drop(Drop::martian_source);
  if (const TimeWaitRecord* record = time_wait_.find(arrival.tuple)) return time_wait_arrives(arrival, *record);
  if (const auto listener = find_listener(arrival.tuple)) return listen_arrives(arrival, *listener, std::nullopt);
  reset_stranger(arrival.segment, arrival.tuple, 0);
  return drop(arrival.segment.has(Flags::syn) && !arrival.segment.has(Flags::ack) ? Drop::no_listener : Drop::no_connection);
}

/// RFC 9293 section 3.10.7.2.
Accepted Engine::listen_arrives(Arrival& arrival, ListenerCore& listener, std::optional<TimeWaitRecord> former) {
  const Segment& segment = arrival.segment;
  if (arrival.ttl < listener.settings().minimum_ttl) return drop(Drop::ttl_too_low);
  if (segment.has(Flags::rst)) return drop(Drop::no_connection);
  if (segment.has(Flags::ack)) {
    if (!segment.has(Flags::syn) && listener.expects_cookie(context_.now())) return cookie_arrives(arrival, listener);
    reset_stranger(segment, arrival.tuple, listener.settings().tos);
    return drop(Drop::no_connection);
  }
  if (!segment.has(Flags::syn)) return drop(Drop::bad_flags);
  if (!listener.may_establish()) return drop(Drop::backlog_full);
  // A new incarnation needs its number beyond the old one's, which a cookie cannot promise.
  const bool cookies = !former && (config_.syn_cookies == SynCookiePolicy::always ||
                                   (config_.syn_cookies == SynCookiePolicy::when_full && !listener.may_begin()));
  if (cookies) return answer_with_cookie(arrival, listener);
  if (!listener.may_begin()) return drop(Drop::backlog_full);
  return open(arrival, listener, former);
}

/// RFC 7413 section 4.2.2. An old duplicate SYN must not bring data: it is not taken while an earlier incarnation is remembered.
FastOpenAnswer Engine::answer_fast_open(const Arrival& syn, ListenerCore& listener) {
  const auto allows = [this](std::uint32_t bit) { return (config_.fast_open & bit) != 0; };
  if (!allows(FastOpenUse::server) || !listener.may_open_early(allows(FastOpenUse::any_listener), context_.now())) return {};
  const FastOpenKeys own{.primary = fast_open_key_};
  const FastOpenKeys& keys = listener.fast_open_keys() ? *listener.fast_open_keys()
                             : config_.fast_open_keys  ? *config_.fast_open_keys
                                                       : own;
  return tcp::answer_fast_open({.client = syn.tuple.remote.address,
                                .server = syn.tuple.local.address,
                                .option = syn.options.fast_open,
                                .has_data = syn.segment.payload_size > 0,
                                .cookie_needed = !allows(FastOpenUse::server_without_cookie) && !listener.fast_open_without_cookie()},
                               keys);
}

/// A connection in SYN-RECEIVED.
Accepted Engine::open(Arrival& syn, ListenerCore& listener, std::optional<TimeWaitRecord> former) {
  if (open_connections() >= config_.max_connections || memory_.exhausted()) return drop(Drop::memory_limit);
  SeqNum iss = isn_.next(syn.tuple.local, syn.tuple.remote, context_.now());
  if (former && iss <= former->snd_nxt + kReopenGap) iss = former->snd_nxt + kReopenGap;
  auto kind = listener.handshake_kind();
  const auto connection = add(syn.tuple, kind->settings, iss)->core();
  const FastOpenAnswer fast_open = former ? FastOpenAnswer{} : answer_fast_open(syn, listener);
  if (!fast_open.accept) listener.handshake_begun(*connection);
  // Without Fast Open data that came with the SYN is not acknowledged: the peer sends it again after the handshake.
  connection->open_passive(syn, listener.weak_from_this(), former, fast_open);
  if (!fast_open.accept) connection->began_as(std::move(kind));
  return {};
}

/// RFC 9293 section 3.10.7.4 in TIME-WAIT. A RST does not end the wait (RFC 1337 section 3, fix 1).
Accepted Engine::time_wait_arrives(Arrival& arrival, const TimeWaitRecord& record) {
  const Segment& segment = arrival.segment;
  const auto& timestamps = arrival.options.timestamps;
  if (segment.has(Flags::rst)) return drop(Drop::not_handled);
  if (segment.has(Flags::syn)) {
    const auto listener = find_listener(record.tuple);
    const ReopeningSyn syn{.seq = segment.seq, .timestamp = timestamps ? std::optional{timestamps->value} : std::nullopt};
    if (!segment.has(Flags::ack) && listener != nullptr && may_reopen(record, syn) && listener->may_establish() && listener->may_begin()) {
      // MAY-2: what is newer than the old connection cannot be confused with it.
      TimeWaitRecord former = record;
      time_wait_.erase(former.tuple);
      return listen_arrives(arrival, *listener, former);
    }
    // RFC 6191 would say nothing, but RFC 9293 section 3.10.7.4 has the challenge ACK of RFC 5961 for all that is not accepted.
    if (may_challenge()) acknowledge_from_time_wait(record);
    return drop(Drop::blind_attack);
  }
  if (!segment.has(Flags::ack)) return drop(Drop::bad_flags);
  if (record.timestamps) {
    if (!timestamps && config_.require_timestamps) return drop(Drop::no_timestamp);
    const bool old = timestamps && static_cast<std::int32_t>(timestamps->value - record.ts_recent) < 0;
    if (old) {
      if (may_challenge()) acknowledge_from_time_wait(record);
      return drop(Drop::old_timestamp);
    }
    if (timestamps && segment.seq <= record.rcv_nxt) time_wait_.note_timestamp(record.tuple, timestamps->value);
  }
  if (segment.seg_len() == 0 && segment.seq == record.rcv_nxt) return {};
  const bool fin_again = segment.has(Flags::fin) && segment.end() == record.rcv_nxt;
  if (fin_again || may_challenge()) acknowledge_from_time_wait(record);
  if (!fin_again) return drop(Drop::after_close);
  time_wait_.restart(record.tuple);
  return {};
}

void Engine::acknowledge_from_time_wait(const TimeWaitRecord& record) {
  Options options;
  if (record.timestamps) {
    options.timestamps = Timestamps{.value = TimestampClock{record.ts_offset}.value(context_.now()), .echo_reply = record.ts_recent};
  }
  ++stats_.out_segs;
  (void)send(Send{.local = record.tuple.local,
                  .remote = record.tuple.remote,
                  .seq = record.snd_nxt,
                  .ack = record.rcv_nxt,
                  .flags = Flags::ack,
                  .window = record.rcv_wnd,
                  .ttl = record.ttl,
                  .tos = record.tos,
                  .dont_fragment = config_.path_mtu_discovery},
             options);
}

}  // namespace tapir::tcp::detail
