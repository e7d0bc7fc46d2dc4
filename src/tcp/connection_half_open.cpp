// A handshake that a peer began takes little memory while its ACK is awaited (the SYN cache of RFC 4987 section 3.3): the connection is put away, and
// made again when there is something to do. So there is one place for the rules of SYN-RECEIVED, whoever remembers it.

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "connection_record.hpp"
#include "engine.hpp"
#include "half_open.hpp"
#include "listener_core.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr Duration kNextLook = std::chrono::milliseconds{10};  // whoever waits for a link that takes nothing
constexpr std::uint64_t kMostCounted = std::numeric_limits<std::uint8_t>::max();

template <class Small>
Small small(std::uint64_t count) noexcept {
  return static_cast<Small>(std::min<std::uint64_t>(count, std::numeric_limits<Small>::max()));
}
}  // namespace

/// Nothing is to be done but to wait for the ACK, and a HalfOpen says all there is to know. What is out of the ordinary stays as it is: Fast Open, a source
/// route, an earlier incarnation, trouble that the network reported.
bool ConnectionCore::awaits_ack() const noexcept {
  if (likely(tcb_.state != State::syn_received)) return false;
  if (!unseen() || kind_ == nullptr || listener_.expired() || fin_queued_ || reading_over_) return false;
  const RetransmitQueue::Range* answer = recovery_.queue().front();
  const bool answered = answer != nullptr && !answer->lost && tcb_.snd_nxt == tcb_.iss + 1;
  const bool ordinary = !former_ && ip_options_.empty() && !fast_open_.option && !counters_.soft_error;
  const bool owes = ack_.pending() || refused_ || probe_due_ || tail_probe_due_ || keepalive_due_;
  const TimePoint now = context_.now();
  const bool waits = deadlines_.retransmit && handshake_due() > now;
  const bool quiet = !challenges_.counting(now, engine_->config().challenge_period) && !answers_.counting(now, kAnswersPeriod);
  const bool countable = counters_.retransmissions <= kMostCounted && counters_.timeouts <= counters_.retransmissions;
  return answered && ordinary && !owes && waits && quiet && countable;
}

/// When the SYN,ACK goes again, or the handshake has lasted too long.
TimePoint ConnectionCore::handshake_due() const noexcept { return std::min(*deadlines_.retransmit, *deadlines_.user_timeout); }

bool ConnectionCore::becomes_half_open() {
  const auto listener = listener_.lock();
  if (is_listed() || listener == nullptr) {
    deadlines_.idle = deadline_after(context_.now(), kNextLook);
    return false;
  }
  engine_->put_away(*this, *listener);
  return true;
}

HalfOpen ConnectionCore::to_half_open() const {
  const auto& negotiated = tcb_.negotiated;
  return {.tuple = tuple_,
          .kind = kind_,
          .began = last_received_,
          .sent = recovery_.queue().front()->last_sent,
          .due = handshake_due(),
          .iss = tcb_.iss,
          .irs = tcb_.irs,
          .ts_recent = recent_timestamp_.value(),
          .snd_wnd = small<std::uint16_t>(tcb_.snd_wnd),
          .rcv_wnd = small<std::uint16_t>(tcb_.rcv_wnd),
          .peer_mss = peer_mss_,
          .offered_mss = small<std::uint16_t>(counters_.advertised_mss),
          .user_timeout = peer_user_timeout_ ? UserTimeoutValue::of(*peer_user_timeout_).to_wire() : std::uint16_t{0},
          .news = static_cast<std::uint16_t>(news_),
          .segments_sent = small<std::uint16_t>(counters_.segments_sent),
          .segments_received = small<std::uint16_t>(counters_.segments_received),
          .timeouts = small<std::uint8_t>(counters_.timeouts),
          .repeats = small<std::uint8_t>(counters_.retransmissions - counters_.timeouts),
          .received_tos = counters_.received_tos,
          .window_scale = negotiated.window_scaling ? tcb_.snd_wind_shift : HalfOpen::kNoScale,
          .timestamps = negotiated.timestamps,
          .sack = negotiated.sack,
          .ecn = negotiated.ecn};
}

/// The SYN comes once more, as it were, and what was done since is done.
void ConnectionCore::take_up(const HalfOpen& kept) {
  Packet no_text{context_.pool};
  Arrival syn{{.seq = kept.irs, .flags = Flags::syn, .window = kept.snd_wnd},
              {.mss = kept.peer_mss, .sack_permitted = kept.sack},
              tuple_,
              kept.received_tos,
              no_text};
  if (kept.window_scale != HalfOpen::kNoScale) syn.options.window_scale = kept.window_scale;
  if (kept.timestamps) syn.options.timestamps = Timestamps{.value = kept.ts_recent, .echo_reply = 0};
  if (kept.user_timeout != 0) syn.options.user_timeout = UserTimeoutValue::from_wire(kept.user_timeout);
  if (kept.ecn) syn.segment.flags |= Ecn::kSetup;
  tcb_.passive = true;
  kind_ = kept.kind;
  listener_ = kept.kind->listener;
  take_syn(syn);
  tcb_.state = State::syn_received;
  tcb_.rcv_wnd = kept.rcv_wnd;
  recent_timestamp_.on_ack_sent(tcb_.rcv_nxt);
  news_ = kept.news;
  last_received_ = kept.began;
  last_sent_ = kept.sent;
  counters_.advertised_mss = kept.offered_mss;
  counters_.segments_sent = kept.segments_sent;
  counters_.segments_received = kept.segments_received;
  counters_.retransmissions = std::uint64_t{kept.timeouts} + kept.repeats;
  counters_.timeouts = syn_retransmissions_ = front_retransmissions_ = kept.timeouts;
  tcb_.snd_nxt = tcb_.iss + 1;
  tcb_.syn_sent = true;
  recovery_.on_sent(tcb_.iss, tcb_.snd_nxt, kept.sent);
  for (unsigned i = 0; i < kept.timeouts; ++i) {
    rtt_.back_off();
    recovery_.on_timeout(kept.sent);
    recovery_.on_sent(tcb_.iss, tcb_.snd_nxt, kept.sent);
  }
  for (unsigned i = 0; i < kept.repeats; ++i) {
    recovery_.all_lost(kept.sent);
    recovery_.on_sent(tcb_.iss, tcb_.snd_nxt, kept.sent);
  }
  if (kind_->defer_accept > Duration::zero()) deferred_until_ = deadline_after(kept.began, kind_->defer_accept);
  limit_handshake(kept.began);
  deadlines_.retransmit = kept.due;
}

Held<ConnectionCore> ConnectionCore::of(Engine& engine, const HalfOpen& kept) {
  auto core = Held<ConnectionCore>::of_new(new (engine) ConnectionCore{engine, kept.tuple, kept.kind->settings, kept.iss});
  core->take_up(kept);
  core->update_timers();
  return core;
}

Info ConnectionCore::look(Engine& engine, const HalfOpen& kept) {
  ConnectionCore core{engine, kept.tuple, kept.kind->settings, kept.iss};
  core.take_up(kept);
  return core.info();
}

/// The connection, a whole one in any case; nullptr when there is none. Valid until the connection is over.
ConnectionRecord* Engine::find(const FourTuple& tuple) {
  ConnectionRecord* const record = connections_.look(tuple);
  return record != nullptr || half_open_.size() == 0 ? record : find_half_open(tuple);
}

ConnectionRecord* Engine::find_half_open(const FourTuple& tuple) {
  const HalfOpen* const kept = half_open_.find(tuple);
  if (kept == nullptr) return nullptr;
  const auto whole = make_whole(*kept);  // without memory it stays what it is
  (void)half_open_.take(tuple);
  return whole.get();
}

std::shared_ptr<ConnectionRecord> Engine::make_whole(const HalfOpen& kept) {
  auto record = std::make_shared<ConnectionRecord>(*this, ConnectionCore::of(*this, kept));
  connections_.insert(record);
  if (const auto listener = kept.kind->listener.lock()) listener->handshake_taken_up(*record->core());
  return record;
}

void Engine::put_away(ConnectionCore& connection, ListenerCore& listener) {
  half_open_.insert(connection.to_half_open());
  listener.handshake_put_away(connection);
  connections_.erase(connection.tuple());
}

void Engine::handshake_due(const HalfOpen& kept) {
  const auto connection = make_whole(kept)->core();  // stays alive while it ends
  connection->on_timer();
}

void Engine::make_handshakes_whole(const ListenerCore* of_listener) {
  std::vector<FourTuple> all;
  half_open_.for_each([&](const HalfOpen& kept) {
    if (of_listener == nullptr || kept.kind->listener.lock().get() == of_listener) all.push_back(kept.tuple);
  });
  for (const FourTuple& tuple : all) (void)find(tuple);
}

}  // namespace tapir::tcp::detail
