// The size of full segments, and the search for a larger one (RFC 4821).

#include <algorithm>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

const MtuProbing& ConnectionCore::mtu_probing() const noexcept {
  return settings_->mtu_probing ? *settings_->mtu_probing : engine_->config().mtu_probing;
}

std::uint32_t ConnectionCore::network_mtu() const noexcept {
  return static_cast<std::uint32_t>(engine_->network().path_mtu(tuple_.remote.address));
}

std::uint32_t ConnectionCore::bare_headers_size() const noexcept {
  return static_cast<std::uint32_t>(engine_->network().header_size(tuple_.remote.address) + sizeof(Header));
}

std::uint32_t ConnectionCore::options_size() const noexcept {
  return static_cast<std::uint32_t>((ip_options_.size() + 3) / 4 * 4) + fixed_options_size();
}

/// The size of a full segment now (RFC 9293 section 3.7.1): Eff.snd.MSS, less the IP and the TCP options that every segment
/// carries.
void ConnectionCore::update_mss() {
  const std::size_t options = options_size();
  const std::size_t headers = bare_headers_size();
  network_mtu_ = network_mtu();
  const std::size_t path = counters_.path_mtu = mtu_search_.effective(network_mtu_);
  const std::size_t on_the_path = path > headers ? path - headers : 1;
  const auto fits = std::min({on_the_path, std::size_t{peer_mss_}, std::size_t{settings_->max_segment.value_or(65535)}});
  const auto mss = static_cast<std::uint32_t>(fits > options ? fits - options : 1);
  if (mss == mss_ && counters_.mss != 0) return;
  if (mss < mss_) mtu_reports_.on_narrowed(mss);
  mss_ = counters_.mss = mss;
  recovery_.on_mss_change(mss);
  congestion_->on_mss_change({.now = context_.now(), .mss = mss});
}

/// A route, or what is known of the path, may have changed since the user wrote last, as in Linux' tcp_current_mss().
void ConnectionCore::look_at_path(std::size_t path_mtu) {
  if (unlikely(path_mtu != network_mtu_) && is_synchronized(tcb_.state)) update_mss();
}

/// No datagram is larger than what the peer's MSS allows, whatever the path carries.
void ConnectionCore::begin_mtu_search() {
  const std::uint32_t headers = bare_headers_size();
  const std::uint32_t segment = std::min(peer_mss_, settings_->max_segment.value_or(65535));
  mtu_search_.begin(mtu_probing(), std::min(segment + headers, 65535U), context_.now());
  update_mss();
}

Result<> ConnectionCore::set_mtu_probing(const std::optional<MtuProbing>& probing) {
  if (probing && !in_range(*probing)) return fail(Error::invalid_argument);
  settings_.own().mtu_probing = probing;
  if (engine_ == nullptr || !is_synchronized(tcb_.state)) return {};
  mtu_search_.change(mtu_probing(), context_.now());
  update_mss();
  wants_to_send();
  return {};
}

/// RFC 4821 section 7.4: nothing under way or missing could be mistaken for the probe, and the segment is nothing but a probe.
bool ConnectionCore::may_probe_mtu() const {
  if (mtu_probing().mode == MtuProbingMode::off || !is_synchronized(tcb_.state) || fin_sent_ || mtu_search_.outstanding()) return false;
  const RetransmitQueue& sent = recovery_.queue();
  const bool all_is_well = ca_state() == CaState::open && sent.lost_bytes() == 0 && sent.sacked_bytes() == 0;
  return all_is_well && !tcb_.urgent_out && sack_to_send(kMaxOptionsSize).empty() && !user_timeout_to_send();
}

/// A segment larger than the others, when there is enough behind it to show by its arrival that the probe was lost. What it may not leave for now, it waits
/// for, and what follows with it: a window that is always full would never let it go.
ConnectionCore::MtuProbe ConnectionCore::send_mtu_probe() {
  if (!may_probe_mtu()) return MtuProbe::none;
  const auto size = mtu_search_.next(mtu_probing(), network_mtu(), context_.now());
  const std::uint32_t headers = bare_headers_size() + options_size();
  if (!size || *size <= headers + mss_) return MtuProbe::none;
  const std::uint32_t payload = *size - headers;
  const std::uint32_t needed = payload + (engine_->config().recovery.reordering + 1) * mss_;
  if (unsent() < needed || record_left(tcb_.snd_nxt) < needed) return MtuProbe::none;
  if (tcb_.snd_wnd < needed || congestion_.cwnd() < needed) return MtuProbe::none;
  if (peer_window_left() < needed || usable_window() < payload) {
    return recovery_.queue().in_network() > 0 ? MtuProbe::wait : MtuProbe::none;
  }
  const SeqNum begin = tcb_.snd_nxt;
  const Result<> sent = transmit(begin, payload, Flags::ack | ecn_.on_new_data(payload), true);
  if (is_over()) return MtuProbe::sent;  // over a loopback the answer may have come already
  if (!sent && sent.error() == Error::no_buffer_space) {
    device_refused();
    return MtuProbe::wait;
  }
  refused_ = false;
  if (report_sent_) tell(kSent);
  note_sent(begin, begin + payload);
  recovery_.on_mtu_probe_sent(begin, begin + payload);
  mtu_search_.on_sent(*size);
  ++counters_.mtu_probes;
  count_segments(1, payload, false);
  if (!sent && sent.error() == Error::message_too_large) path_narrowed();
  return MtuProbe::sent;
}

void ConnectionCore::mtu_probe_settled(MtuProbeFate fate) {
  switch (fate) {
    case MtuProbeFate::unknown: return;
    case MtuProbeFate::arrived:
      if (!mtu_search_.outstanding()) return;
      ++counters_.mtu_probes_arrived;
      mtu_search_.on_arrived(context_.now());
      update_mss();
      mtu_reports_.on_arrived(mss_);
      break;
    case MtuProbeFate::lost:
      ++counters_.mtu_probes_lost;
      mtu_search_.on_lost(context_.now());
      break;
    case MtuProbeFate::undecided: mtu_search_.on_undecided(); break;
  }
}

/// RFC 4821 section 7.7: a full-stop timeout. Smaller segments may get through.
void ConnectionCore::path_is_black_hole() { mtu_search_.on_full_stop(mtu_probing(), network_mtu(), context_.now()); }

}  // namespace tapir::tcp::detail
