// A connection with nothing to do is put away, and comes back when there is something, as if it had never slept.

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "connection_record.hpp"
#include "engine.hpp"
#include "loss_based.hpp"

namespace tapir::tcp::detail {

/// Nothing is outstanding, waits to be sent or read, is owed or timed. What only waits for its turn to be dispatched or pulled does not count.
bool ConnectionCore::quiet() const noexcept {
  if (likely(!recovery_.queue().empty()) || ack_.pending() || !recovery_.idle()) return false;
  if (tcb_.state != State::established || !accepted() || fin_queued_ || peer_fin_ || reading_over_) return false;
  const bool empty = send_buffer_.empty() && receive_buffer_.empty() && reassembly_.empty();
  const bool timed = deadlines_.retransmit || deadlines_.persist || deadlines_.send_override || deadlines_.pacing || deadlines_.keepalive ||
                     deadlines_.user_timeout;
  const bool due = probe_due_ || refused_ || tail_probe_due_ || keepalive_due_ || mtu_search_.outstanding();
  const bool urgent = tcb_.urgent_in || tcb_.urgent_out;
  const bool handshake = former_ || deferred_until_ || !fast_open_.listener.expired();
  return empty && !timed && !due && !urgent && !handshake && ip_options_.empty();
}

/// When it is to be looked at again.
void ConnectionCore::watch_quiet() noexcept {
  const Duration after = engine_ == nullptr ? Duration::zero() : engine_->config().sleep_after;
  const bool never = after <= Duration::zero() || after == Duration::max();
  if (unlikely(deadlines_.idle.is_set()) || unlikely(never)) return;
  if (quiet()) deadlines_.idle = deadline_after(context_.now(), after);
  if (unlikely(awaits_ack())) deadlines_.idle = context_.now();  // of these there may be many that nobody ever hears of again
}

/// The idle deadline has come.
bool ConnectionCore::falls_asleep() {
  deadlines_.idle.reset();
  if (engine_->config().sleep_after <= Duration::zero()) return false;
  if (awaits_ack()) return becomes_half_open();
  if (!quiet()) return false;
  const TimePoint last = std::max(last_received_, last_sent_.value_or(last_received_));
  if (const TimePoint until = deadline_after(last, engine_->config().sleep_after); until > context_.now()) {
    deadlines_.idle = until;
    return false;
  }
  const bool handler_runs = handlers_.running();  // and waits for something, while time goes on
  if (is_queued() || is_listed() || handler_runs) return false;
  engine_->record_of(tuple_)->sleep();
  return true;
}

/// Shows `visit` every part that matters of a quiet connection.
template <class Visit>
void ConnectionCore::each_lasting(Visit& visit) {
  const auto all = [&visit](auto&... parts) { (visit(parts), ...); };
  std::size_t send_limit = send_buffer_.limit();
  std::size_t receive_limit = receive_buffer_.limit();
  all(tcb_, send_base_, send_limit, receive_limit, rtt_, pacer_, cwnd_usage_, ecn_, mtu_search_, mtu_reports_, peer_mss_, mss_);
  all(syn_retransmissions_, front_retransmissions_, persist_backoff_, probes_, small_end_, sending_times_);
  chunks_.each_lasting(visit);
  all(last_sent_, last_data_sent_, last_advice_, probing_, nagle_, user_timeout_due_, override_expired_, let_go_, more_follows_,
      end_pushed_);
  all(report_sent_, keepalive_unanswered_, challenges_, answers_, sack_report_, ack_, receive_tuning_, window_growth_);
  all(timestamp_clock_, peer_user_timeout_, recent_timestamp_, receive_mss_, last_received_, last_data_received_, last_ack_received_);
  all(wants_room_, fast_open_.taken, fast_open_.attempt.data, fast_open_.tried, fast_open_.trial, news_, over_, counters_);
  send_buffer_.set_limit(send_limit);
  receive_buffer_.set_limit(receive_limit);
  recovery_.each_lasting(visit);
  if (auto* algorithm = congestion_.loss_based()) algorithm->each_lasting(visit);
}

void ConnectionCore::pack(IdleState& idle) {
  const LossBased* const algorithm = congestion_.loss_based();
  ImageTaker taker;
  each_lasting(taker);
  auto kind = engine_->idle_kinds().find(settings_, algorithm, taker.image());
  pack_image(taker.image(), kind->image, idle.packed);
  idle.kind = std::move(kind);
  idle.handlers = std::move(handlers_);
  if (algorithm == nullptr) idle.congestion = congestion_.take();
}

/// All but congestion control that is its own.
void ConnectionCore::restore(const IdleState& idle) {
  if (const LossBased* const algorithm = idle.kind->algorithm.loss_based()) congestion_.copy(*algorithm);
  std::array<std::byte, kLargestImage> room;
  const auto image = std::span{room}.first(idle.kind->image.size());
  std::memcpy(image.data(), idle.kind->image.data(), image.size());
  unpack_image(idle.packed, image);
  ImageSetter setter{image};
  each_lasting(setter);
}

Held<ConnectionCore> ConnectionCore::unpack(Engine& engine, const FourTuple& tuple, IdleState& idle) {
  auto core = Held<ConnectionCore>::of_new(new (engine) ConnectionCore{engine, tuple, idle.kind->settings, Restored{}});
  core->restore(idle);
  core->handlers_ = std::move(idle.handlers);
  if (core->congestion_.empty()) core->congestion_ = std::move(idle.congestion);
  core->recovery_.set_config(engine.part_configs().recovery);  // it may have changed meanwhile
  core->update_timers();
  return core;
}

Info ConnectionCore::look(Engine& engine, const FourTuple& tuple, IdleState& idle) {
  ConnectionCore core{engine, tuple, idle.kind->settings, Restored{}};
  core.restore(idle);
  const bool own = core.congestion_.empty();
  if (own) core.congestion_ = std::move(idle.congestion);
  Info info = core.info();
  if (own) idle.congestion = core.congestion_.take();
  return info;
}

}  // namespace tapir::tcp::detail
