#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "connection_core.hpp"
#include "engine.hpp"
#include "listener_core.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::uint16_t kLeastPeerMss = 48;  // smaller ones serve only to make a host send many packets

std::size_t send_limit(const Settings& settings, const Config& config) { return settings.send_buffer.value_or(config.send_buffer); }
std::size_t receive_limit(const Settings& settings, const Config& config) {
  return settings.receive_buffer.value_or(config.receive_buffer);
}
}  // namespace

std::string to_string(const FourTuple& tuple) { return fmt::format("{} > {}", to_string(tuple.local), to_string(tuple.remote)); }

ConnectionCore::ConnectionCore(Engine& engine, const FourTuple& tuple, const Settings& settings, SeqNum iss)
    : engine_{&engine},
      context_{engine.context()},
      tuple_{tuple},
      settings_{settings},
      send_buffer_{context_.pool, send_limit(settings, engine.config())},
      send_base_{iss + 1},
      rtt_{RttEstimator::Config{
          .initial_rto = engine.config().initial_rto, .min_rto = engine.config().min_rto, .max_rto = engine.config().max_rto}},
      congestion_{NewReno::Config{.initial_window_segments = engine.config().initial_window_segments}},
      challenges_{engine.config().challenge_acks, engine.config().challenge_period},
      receive_buffer_{context_.pool, receive_limit(settings, engine.config())},
      reassembly_{context_.pool},
      ack_{DelayedAck::Config{.delay = engine.config().ack_delay, .quick_acks = engine.config().quick_acks}},
      timer_{Timer::calling<&ConnectionCore::on_timer>(context_.scheduler, *this)},
      queue_{engine.events()} {
  set_tos(settings.tos);
  tcb_.iss = tcb_.snd_una = tcb_.snd_nxt = tcb_.snd_up = iss;
  tcb_.rcv_wnd = static_cast<std::uint32_t>(std::min<std::size_t>(receive_buffer_.limit(), 65535));
  recovery_.recover = iss;
}

ConnectionCore::~ConnectionCore() = default;

/// RFC 9293 section 3.10.1: an active OPEN.
void ConnectionCore::open_active(std::vector<std::byte> ip_options) {
  ip_options_ = std::move(ip_options);
  ++engine_->stats().active_opens;
  set_state(State::syn_sent);
  start_handshake();
}

/// RFC 9293 section 3.10.7.2, third step: a SYN for a listener.
void ConnectionCore::open_passive(const Arrival& syn, std::weak_ptr<ListenerCore> listener, std::optional<TimeWaitRecord> former) {
  tcb_.passive = true;
  listener_ = std::move(listener);
  former_ = std::move(former);
  ip_options_ = syn.ip_options;
  ++engine_->stats().passive_opens;
  take_syn(syn);
  tcb_.state = State::listen;
  set_state(State::syn_received);
  start_handshake();
}

void ConnectionCore::start_handshake() {
  last_received_ = context_.now();
  deadlines_.user_timeout = deadline_after(context_.now(), user_timeout());
  update_timers();
  wants_to_send();
}

/// What a SYN, with or without ACK, says about the peer.
void ConnectionCore::take_syn(const Arrival& syn) {
  const Segment& segment = syn.segment;
  tcb_.irs = segment.seq;
  tcb_.rcv_nxt = segment.seq + 1;
  tcb_.snd_wnd = tcb_.max_snd_wnd = segment.window;
  tcb_.snd_wl1 = segment.seq;
  tcb_.snd_wl2 = segment.has(Flags::ack) ? segment.ack : tcb_.iss;
  if (syn.options.mss) peer_mss_ = std::max(*syn.options.mss, kLeastPeerMss);
  counters_.received_tos = syn.tos;
  update_mss();
}

/// Our SYN has been acknowledged.
void ConnectionCore::handshake_complete() {
  former_.reset();
  congestion_.on_established(syn_retransmissions_);
  rtt_.on_established(syn_retransmissions_ > 0);
  front_retransmissions_ = 0;
  deadlines_.user_timeout.reset();
  restart_keepalive();
}

void ConnectionCore::become_established() {
  set_state(State::established);
  if (fin_queued_) set_state(State::fin_wait_1);
  if (deadlines_.user_timeout) restart_user_timeout();
  if (const auto listener = listener_.lock()) {
    listener->established(shared_from_this());
  } else {
    tell(kConnected);
  }
}

/// The size of a full segment now (RFC 9293 section 3.7.1): Eff.snd.MSS, less the IP options that every segment carries.
void ConnectionCore::update_mss() {
  const network::Network& network = engine_->network();
  const IpAddress peer = tuple_.remote.address;
  const std::size_t padded_options = (ip_options_.size() + 3) / 4 * 4;
  const std::size_t headers = network.header_size(peer) + sizeof(Header);
  const std::size_t path = network.path_mtu(peer);
  const std::size_t fits = std::min<std::size_t>(path > headers ? path - headers : 1, peer_mss_);
  const auto mss = static_cast<std::uint32_t>(fits > padded_options ? fits - padded_options : 1);
  if (mss == mss_ && counters_.mss != 0) return;
  mss_ = counters_.mss = mss;
  congestion_.on_mss_change({.now = context_.now(), .mss = mss});
}

/// The MSS option to send: no more than reassembly can take (RFC 9293 section 3.7.1, MUST-67).
std::uint16_t ConnectionCore::mss_to_offer() const {
  const network::Network& network = engine_->network();
  const IpAddress peer = tuple_.remote.address;
  const std::size_t headers = network.header_size(peer) + sizeof(Header);
  const std::size_t largest = std::min(network.path_mtu(peer), network.reassembly_limit());
  return static_cast<std::uint16_t>(std::clamp<std::size_t>(largest > headers ? largest - headers : 1, 1, 65535));
}

}  // namespace tapir::tcp::detail
