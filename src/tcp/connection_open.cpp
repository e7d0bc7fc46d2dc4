#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

#include "block_pool.hpp"
#include "congestion_registry.hpp"
#include "connection_core.hpp"
#include "engine.hpp"
#include "listener_core.hpp"
#include "new_reno.hpp"
#include "window_scale.hpp"
#include "zeroed_memory.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::uint16_t kLeastPeerMss = 48;  // smaller ones serve only to make a host send many packets
}  // namespace

std::string to_string(const FourTuple& tuple) { return fmt::format("{} > {}", to_string(tuple.local), to_string(tuple.remote)); }

ConnectionCore::ConnectionCore(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, SeqNum iss)
    : ConnectionCore{engine, tuple, settings, Restored{iss}} {
  const CongestionParameters parameters = congestion_parameters();
  // The name was good when it was set, but the stack's Config may have changed since.
  if (!make_congestion_control(settings_->congestion_control, engine.config().congestion_controls, parameters, congestion_)) {
    congestion_.emplace<NewReno>(parameters);
  }
}

ConnectionCore::ConnectionCore(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, Restored restored)
    : ConnectionParts{engine, tuple, settings, restored.iss}, timer_{Timer::calling<&ConnectionCore::on_timer>(context_.scheduler, *this)} {
  tcb_.iss = tcb_.snd_una = tcb_.snd_nxt = tcb_.snd_up = restored.iss;
  const std::initializer_list<std::size_t> windows{receive_buffer_.limit(), kMaxUnscaledWindow, window_clamp()};
  tcb_.rcv_wnd = static_cast<std::uint32_t>(std::ranges::min(windows));
  // It cannot be changed after the SYN, so it must do for every size that the buffer may grow to.
  const std::size_t largest = std::max(receive_buffer_.limit(), settings->receive_buffer.value_or(engine.config().max_receive_buffer));
  tcb_.rcv_wind_shift = window_shift_for(std::min<std::size_t>(largest, window_clamp()));
}

static_assert(alignof(ConnectionCore) <= alignof(std::max_align_t));  // as a block is aligned

void* ConnectionCore::operator new(std::size_t size, Engine& engine) { return zeroed_block(engine.core_memory(), size); }
void ConnectionCore::operator delete(void* memory) noexcept { BlockPool::deallocate(memory); }

ConnectionCore::~ConnectionCore() {
  if (engine_ != nullptr && tcb_.state == State::time_wait) engine_->time_wait().forget(*this);
}

/// RFC 9293 section 3.10.1: an active OPEN.
void ConnectionCore::open_active(std::vector<std::byte> ip_options) {
  ip_options_ = std::move(ip_options);
  ++engine_->stats().active_opens;
  set_state(State::syn_sent);
  start_handshake();
}

/// RFC 9293 section 3.10.7.2, third step: a SYN for a listener.
void ConnectionCore::open_passive(Arrival& syn, std::weak_ptr<ListenerCore> listener, std::optional<TimeWaitRecord> former,
                                  const FastOpenAnswer& fast_open) {
  tcb_.passive = true;
  listener_ = std::move(listener);
  former_ = former;
  ip_options_ = syn.ip_options;
  ++engine_->stats().passive_opens;
  take_syn(syn);
  tcb_.state = State::listen;
  set_state(State::syn_received);
  fast_open_.option = fast_open.option;
  if (fast_open.accept) accept_early(syn);
  start_handshake();
}

void ConnectionCore::began_as(std::shared_ptr<const HandshakeKind> kind) {
  if (kind->defer_accept > Duration::zero()) deferred_until_ = deadline_after(context_.now(), kind->defer_accept);
  kind_ = std::move(kind);
}

/// R2 of the SYN runs from then on.
void ConnectionCore::limit_handshake(TimePoint began) {
  if (!settings_->syn_retries || settings_->user_timeout) deadlines_.user_timeout = deadline_after(began, user_timeout());
}

void ConnectionCore::start_handshake() {
  last_received_ = context_.now();
  limit_handshake(context_.now());
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
  negotiate(syn.options);
  if (syn.options.mss) peer_mss_ = std::max(*syn.options.mss, kLeastPeerMss);
  if (segment.has(Flags::ack)) {
    ecn_.on_syn_ack(segment.flags);
  } else {
    ecn_.on_syn(segment.flags);
  }
  tcb_.negotiated.ecn = ecn_.negotiated();
  counters_.received_tos = syn.tos;
  take_user_timeout(syn.options);
  update_mss();
}

/// Our SYN has been acknowledged.
void ConnectionCore::handshake_complete() {
  former_.reset();
  kind_.reset();
  deferred_until_.reset();
  handshake_error_.reset();  // whatever was reported, it has not come true
  if (const auto listener = fast_open_.listener.lock()) listener->confirmed(*this);
  fast_open_.listener.reset();
  last_data_received_ = context_.now();
  begin_mtu_search();
  congestion_->on_established(syn_retransmissions_);
  rtt_.on_established(syn_retransmissions_ > 0);
  recovery_.on_established(tcb_.negotiated.sack);
  front_retransmissions_ = 0;
  deadlines_.user_timeout.reset();
  deadlines_.idle.reset();
  restart_keepalive();
}

void ConnectionCore::become_established() {
  set_state(State::established);
  if (fin_queued_) set_state(State::fin_wait_1);
  if (deadlines_.user_timeout) restart_user_timeout();
  if (fast_open_.early) return;
  if (const auto listener = listener_.lock()) {
    listener->established(engine_->record_of(tuple_));
  } else {
    tell(kConnected);
  }
}

/// What a congestion control algorithm starts with now.
CongestionParameters ConnectionCore::congestion_parameters() const {
  const Config& config = engine_->config();
  CongestionParameters parameters{.mss = mss_,
                                  .initial_window_segments = config.initial_window_segments,
                                  .slow_start_limit = config.slow_start_limit,
                                  .hystart = config.hystart,
                                  .window_validation = settings_->window_validation.value_or(config.window_validation),
                                  .reduce_from_cwnd = config.reduce_from_cwnd,
                                  .whole_segments = config.cubic_whole_segments,
                                  .gradual_ecn = config.gradual_ecn,
                                  .paced = settings_->pacing.value_or(config.pacing),
                                  .rtt = rtt_.srtt(),
                                  .seed = tcb_.iss.value()};
  if (is_synchronized(tcb_.state)) {
    parameters.cwnd = congestion_.cwnd();
    parameters.initial_ssthresh = congestion_.ssthresh();
  }
  return parameters;
}

/// The MSS option to send: what the route says, else what its MTU allows; no more than reassembly can take (RFC 9293 section 3.7.1, MUST-67).
std::uint16_t ConnectionCore::mss_to_offer() const {
  const network::Network& network = engine_->network();
  const IpAddress peer = tuple_.remote.address;
  const std::size_t headers = network.header_size(peer) + sizeof(Header);
  const auto advertised = network.advertised_segment(peer);
  const std::size_t largest = std::min(advertised ? *advertised + headers : network.path_mtu(peer), network.reassembly_limit());
  return static_cast<std::uint16_t>(
      std::clamp<std::size_t>(largest > headers ? largest - headers : 1, 1, settings_->max_segment.value_or(65535)));
}

}  // namespace tapir::tcp::detail
