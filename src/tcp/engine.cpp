#include "engine.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <tapir/core/branch.hpp>
#include <tapir/core/checksum.hpp>

#include "congestion_registry.hpp"
#include "connection_core.hpp"
#include "connection_record.hpp"
#include "listener_core.hpp"
#include "user_timeout.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::size_t kMaxTransportSize = 65535 - 20;  // bytes in one IPv4 datagram

constexpr std::uint16_t kLeastMaxSegment = 48;

bool in_range(const Settings& settings) {
  return settings.ttl != 0 && settings.send_buffer != 0U && settings.receive_buffer != 0U && settings.max_pacing_rate != 0U &&
         settings.window_clamp != 0U && (!settings.user_timeout || *settings.user_timeout > Duration::zero()) &&
         detail::in_range(settings.keepalive) && settings.max_segment.value_or(kLeastMaxSegment) >= kLeastMaxSegment &&
         (!settings.mtu_probing || tcp::in_range(*settings.mtu_probing)) &&
         (!settings.user_timeout_option || tcp::in_range(*settings.user_timeout_option));
}

/// Twice as long, or for ever: Duration::max() means that.
constexpr Duration twice(Duration time) noexcept { return time > Duration::max() / 2 ? Duration::max() : 2 * time; }
}  // namespace

bool in_range(const Keepalive& keepalive) {
  constexpr std::chrono::seconds kLeast{1};
  return keepalive.idle.value_or(kLeast) >= kLeast && keepalive.interval.value_or(kLeast) >= kLeast && keepalive.probes.value_or(2) >= 2;
}

bool in_range(const ListenOptions& options) { return options.backlog > 0 && options.max_half_open > 0 && in_range(options.settings); }

Engine::Engine(Context& context, network::Network& network, Config config)
    : context_{context},
      network_{network},
      config_{std::move(config)},
      part_configs_{config_},
      hash_key_{SipKey::generate(context.random)},
      isn_{SipKey::generate(context.random)},
      ports_{SipKey::generate(context.random),
             {.first = config_.first_ephemeral, .last = config_.last_ephemeral, .reserved = config_.reserved_ports}},
      timestamp_offsets_{SipKey::generate(context.random)},
      cookies_{SipKey::generate(context.random)},
      challenges_{context.random},
      events_{Held<EventQueue>::of_new(new EventQueue{context.scheduler})},
      memory_{config_.memory_limit},
      resets_{*this},
      core_memory_{sizeof(ConnectionCore)},
      time_wait_{context, hash_key_, twice(config_.msl), config_.max_time_wait},
      half_open_{context, hash_key_, [this](const HalfOpen& kept) { handshake_due(kept); }},
      connections_{FourTupleHash{hash_key_}} {
  for (std::byte& byte : fast_open_key_) byte = static_cast<std::byte>(context.random.next() & 0xffU);
}

Engine::~Engine() {
  events_->close();
  for (const auto& [local, sharing] : listeners_) {
    for (const auto& listener : sharing) listener->stack_gone();
  }
  connections_.for_each([](ConnectionRecord& record) { record.core()->stack_gone(); });
  time_wait_.for_each_connection([](ConnectionCore& connection) { connection.stack_gone(); });
}

void Engine::set_config(Config config) {
  make_handshakes_whole(nullptr);
  config_ = std::move(config);
  part_configs_ = PartConfigs{config_};
  connections_.for_each([](ConnectionRecord& record) {
    if (!record.asleep()) record.core()->config_changed();
  });
  for (const auto& [local, sharing] : listeners_) {
    for (const auto& listener : sharing) listener->config_changed();
  }
  ports_.set_config({.first = config_.first_ephemeral, .last = config_.last_ephemeral, .reserved = config_.reserved_ports});
  memory_.set_limit(config_.memory_limit);
  time_wait_.set_limits(twice(config_.msl), config_.max_time_wait);
}

void Engine::drop_out_of_order() noexcept {
  if (memory_.out_of_order() == 0) return;
  connections_.for_each([](ConnectionRecord& record) {
    if (!record.asleep()) record.core()->drop_out_of_order();
  });
}

Result<std::shared_ptr<ListenerCore>> Engine::listen(const Endpoint& local, AcceptHandler handler, const ListenOptions& options) {
  if (local.port == Port{} || !in_range(options) || !may_use(options.settings)) return fail(Error::invalid_argument);
  if (!local.address.is_unspecified() && !network_.is_own(local.address)) return fail(Error::address_not_available);
  if (const auto found = listeners_.find(local); found != listeners_.end()) {
    const bool all_share = options.share_port && std::ranges::all_of(found->second, &ListenerCore::shares_port);
    if (!all_share) return fail(Error::address_in_use);
  }
  auto listener = std::make_shared<ListenerCore>(*this, local, std::move(handler), options);
  listeners_[local].push_back(listener);
  observe(local, State::closed, State::listen);
  return listener;
}

bool Engine::fast_open_ready(IpAddress server) {
  if ((config_.fast_open & FastOpenUse::client) == 0) return false;
  return fast_open_cache_.plan(server, (config_.fast_open & FastOpenUse::client_without_cookie) == 0, context_.now()).with_data;
}

Result<std::shared_ptr<ConnectionRecord>> Engine::connect(const Endpoint& remote, const ConnectOptions& options) {
  if (!network_.can_be_host(remote.address) || remote.port == Port{}) return fail(Error::invalid_argument);  // RFC 9293 section 3.9.2.3
  if (!may_use(options.settings)) return fail(Error::invalid_argument);
  auto route = network_.source_route(options.source_route);
  if (!route) return fail(route.error());
  if (open_connections() >= config_.max_connections || memory_.exhausted()) return fail(Error::no_buffer_space);
  const auto tuple = choose_ends(remote, options.local);
  if (!tuple) return fail(tuple.error());
  auto record = add(*tuple, share(options.settings), isn_.next(tuple->local, tuple->remote, context_.now()));
  const auto& connection = record->core();
  if (options.fast_open && (config_.fast_open & FastOpenUse::client) != 0) {
    connection->plan_fast_open((config_.fast_open & FastOpenUse::client_without_cookie) == 0 && !options.fast_open_without_cookie);
  }
  connection->open_active(std::move(*route));
  return record;
}

SharedSettings Engine::share(Settings settings) {
  settings.tos &= 0xfcU;
  if (settings.congestion_control.empty()) settings.congestion_control = config_.congestion_control;
  return settings_.share(settings);
}

/// A new connection in the table.
std::shared_ptr<ConnectionRecord> Engine::add(const FourTuple& tuple, const SharedSettings& settings, SeqNum iss) {
  auto record =
      std::make_shared<ConnectionRecord>(*this, Held<ConnectionCore>::of_new(new (*this) ConnectionCore{*this, tuple, settings, iss}));
  connections_.insert(record);
  return record;
}

std::vector<Held<ConnectionCore>> Engine::handshakes_of(const ListenerCore& listener) const {
  std::vector<Held<ConnectionCore>> handshakes;
  connections_.for_each([&](ConnectionRecord& record) {
    if (!record.asleep() && record.core()->is_handshake_of(listener)) handshakes.push_back(record.core());
  });
  return handshakes;
}

/// The local end, chosen where the user left it open (RFC 9293 MUST-43, MUST-44).
Result<FourTuple> Engine::choose_ends(const Endpoint& remote, const Endpoint& local) {
  FourTuple tuple{local, remote};
  if (local.address.is_unspecified()) {
    const auto source = network_.select_source(remote.address);
    if (!source) return fail(source.error());
    tuple.local.address = *source;
  } else if (!network_.is_own(local.address)) {
    return fail(Error::address_not_available);
  }
  if (local.port == Port{}) {
    const auto usable = [&](Port port) {
      tuple.local.port = port;
      return tuple.local != remote && !is_taken(tuple) && !is_listening(port);
    };
    if (!ports_.choose(tuple.local.address, remote, usable)) return fail(Error::address_not_available);
    return tuple;
  }
  if (is_taken(tuple)) return fail(Error::address_in_use);
  return tuple;
}

bool Engine::may_use(const Settings& settings) const {
  const std::string& algorithm = settings.congestion_control.empty() ? config_.congestion_control : settings.congestion_control;
  return in_range(settings) && has_congestion_control(algorithm, config_.congestion_controls);
}

bool Engine::is_listening(Port port) const {
  return std::ranges::any_of(listeners_, [port](const auto& entry) { return entry.first.port == port; });
}

/// A specific address comes before any. Of those who share an endpoint the two ends choose one, always the same while nobody joins or leaves.
std::shared_ptr<ListenerCore> Engine::find_listener(const FourTuple& tuple) const {
  auto found = listeners_.find(tuple.local);
  if (found == listeners_.end()) found = listeners_.find({IpAddress{}, tuple.local.port});
  if (found == listeners_.end()) return nullptr;
  const auto& sharing = found->second;
  return sharing.size() == 1 ? sharing.front() : sharing[connections_.hash(tuple) % sharing.size()];
}

void Engine::forget(const ListenerCore& listener) {
  const auto found = listeners_.find(listener.local());
  if (found == listeners_.end()) return;
  const auto erased = std::erase_if(found->second, [&](const auto& other) { return other.get() == &listener; });
  if (found->second.empty()) listeners_.erase(found);
  if (erased > 0) observe(listener.local(), State::listen, State::closed);
}

/// The network layer's: only the size is another for each segment of a connection.
std::uint16_t Engine::pseudo_header_sum(IpAddress local, IpAddress remote, std::size_t size) noexcept {
  auto& known = known_pseudo_header_;
  const unsigned same =
      static_cast<unsigned>(known.sum != 0) & static_cast<unsigned>(local == known.local) & static_cast<unsigned>(remote == known.remote);
  if (unlikely(same == 0)) {
    known = {local, remote, network_.pseudo_header_sum(local, remote, network::Protocol::tcp, 0)};
  }
  const std::size_t sum = known.sum + size;
  return static_cast<std::uint16_t>((sum & 0xffffU) + (sum >> 16U));
}

Result<> Engine::send(Packet&& packet, const Send& to) {
  if (unlikely(to.options.size() > kMaxOptionsSize) || unlikely(to.options.size() % 4 != 0)) return fail(Error::invalid_argument);
  const std::size_t payload_size = packet.size();
  const std::size_t size = payload_size + to.options.size() + sizeof(Header);
  if (unlikely(size > kMaxTransportSize)) return fail(Error::message_too_large);
  if (likely(!to.options.empty())) packet.prepend_bytes(to.options);
  auto& header = packet.prepend<Header>();
  header.source_port = to.local.port;
  header.destination_port = to.remote.port;
  header.sequence = to.seq;
  if (likely(has(to.flags, Flags::ack))) header.acknowledgment = to.ack;
  header.set_header_size(sizeof(Header) + to.options.size());
  header.flags = to.flags;
  header.window = to.window;
  header.checksum = pseudo_header_sum(to.local.address, to.remote.address, size);
  if (unlikely(has(to.flags, Flags::urg))) header.urgent_pointer = to.urgent;
  packet.mark_transport();
  packet.meta().checksum = ChecksumState::partial;
  packet.meta().checksum_offset = kChecksumOffset;
  if (unlikely(payload_size > to.mss) && to.mss > 0) {
    packet.meta().gso = GsoKind::tcp4;
    packet.meta().gso_size = to.mss;
  }
  if (unlikely(has(to.flags, Flags::rst))) ++stats_.out_rsts;
  if (unlikely(context_.observer != nullptr)) observe(Direction::down, packet, header, {to.local, to.remote});
  return network_.encapsulate(std::move(packet), {.source = to.local.address,
                                                  .destination = to.remote.address,
                                                  .protocol = network::Protocol::tcp,
                                                  .ttl = to.ttl,
                                                  .tos = to.tos,
                                                  .dont_fragment = to.dont_fragment,
                                                  .options = to.ip_options});
}

Result<> Engine::send(Send to, const Options& options) {
  std::array<std::byte, kMaxOptionsSize> bytes{};
  Writer writer{bytes};
  if (!encode_options(options, writer)) return fail(Error::invalid_argument);
  to.options = std::span{bytes}.first(writer.written());
  return send(Packet{context_.pool}, to);
}

/// RFC 9293 section 3.5.2, group 1: the answer to what belongs to no connection. It is such that the sender must accept it.
void Engine::reset_stranger(const Segment& segment, const FourTuple& tuple, std::uint8_t tos) {
  if (segment.has(Flags::rst)) return;
  Send reset{.local = tuple.local, .remote = tuple.remote, .tos = tos, .dont_fragment = config_.path_mtu_discovery};
  if (segment.has(Flags::ack)) {
    reset.seq = segment.ack;
    reset.flags = Flags::rst;
  } else {
    reset.ack = segment.end();
    reset.flags = Flags::rst | Flags::ack;
  }
  ++stats_.out_segs;
  (void)send(Packet{context_.pool}, reset);
}

std::vector<Info> Engine::connections() {
  std::vector<Info> all;
  all.reserve(connection_count());
  connections_.for_each([&all](ConnectionRecord& record) { all.push_back(record.info()); });
  half_open_.for_each([&](const HalfOpen& kept) { all.push_back(ConnectionCore::look(*this, kept)); });
  time_wait_.for_each([&all](const TimeWaitRecord& record) {
    Info info;
    info.state = State::time_wait;
    info.local = record.tuple.local;
    info.remote = record.tuple.remote;
    info.snd_una = info.snd_nxt = record.snd_nxt;
    info.rcv_nxt = record.rcv_nxt;
    all.push_back(info);
  });
  return all;
}

void Engine::observe(const Endpoint& listener, State from, State to) const {
  if (context_.observer == nullptr) return;
  context_.observer->changed_state({context_.now(), fmt::format("{} > *", to_string(listener)), name(from), name(to)});
}

/// "192.0.2.2:49152 > 192.0.2.1:1883 seq 1 ack 5 win 65535": numbers count from the first of their direction where that is known.
std::string Engine::in_words(Direction direction, const Header& header, const FourTuple& tuple) const {
  std::optional<SeqNum> first_sent;
  std::optional<SeqNum> first_received;
  if (const auto record = connections_.find(tuple); record != nullptr) {
    const Tcb& tcb = record->core()->tcb();
    first_sent = tcb.iss;
    if (tcb.state != State::syn_sent) first_received = tcb.irs;
  } else if (const HalfOpen* const kept = half_open_.find(tuple)) {
    first_sent = kept->iss;
    first_received = kept->irs;
  }
  const bool down = direction == Direction::down;
  std::string text = down ? to_string(tuple) : to_string(FourTuple{.local = tuple.remote, .remote = tuple.local});
  const SeqNum sequence = header.sequence;
  const auto first = down ? first_sent : first_received;
  text += fmt::format(" seq {}", has(header.flags, Flags::syn) ? 0 : distance(first.value_or(SeqNum{}), sequence));
  if (has(header.flags, Flags::ack)) {
    text += fmt::format(" ack {}", distance((down ? first_received : first_sent).value_or(SeqNum{}), header.acknowledgment));
  }
  return text + fmt::format(" win {}", header.window.get());
}

void Engine::observe(Direction direction, const Packet& packet, const Header& header, const FourTuple& tuple) const {
  const std::size_t header_size = header.header_size();
  const std::array fields{Field{"source port", fmt::format("{}", header.source_port.get().value())},
                          Field{"destination port", fmt::format("{}", header.destination_port.get().value())},
                          Field{"sequence", fmt::format("{}", header.sequence.get().value())},
                          Field{"acknowledgment", fmt::format("{}", header.acknowledgment.get().value())},
                          Field{"flags", to_string(header.flags)},
                          Field{"window", fmt::format("{}", header.window.get())}};
  context_.observer->crossed({LayerId::tcp, direction, context_.now(), &packet, header_size, packet.size() - header_size,
                              to_string(header.flags), fields, in_words(direction, header, tuple)});
}

}  // namespace tapir::tcp::detail
