// Data in the SYN (RFC 7413 section 4.2).

#include <algorithm>
#include <utility>

#include "connection_core.hpp"
#include "engine.hpp"
#include "listener_core.hpp"

namespace tapir::tcp::detail {

/// The client's SYN may carry a cookie, and data with it. Hosts on the way add options of their own to a SYN: room for all there can be is left.
void ConnectionCore::plan_fast_open(bool cookie_needed) {
  const auto plan = engine_->fast_open_cache().plan(tuple_.remote.address, cookie_needed, context_.now());
  fast_open_.option = plan.option;
  fast_open_.trial = plan.trial;
  if (!plan.with_data) return;
  const network::Network& network = engine_->network();
  const std::size_t headers = network.header_size(tuple_.remote.address) + sizeof(Header) + kMaxOptionsSize;
  const std::size_t path = network.path_mtu(tuple_.remote.address);
  const std::size_t segment = std::min(plan.mss.value_or(65535), settings_->max_segment.value_or(65535));
  const std::size_t fits = path > headers ? path - headers : 0;
  fast_open_.room = static_cast<std::uint32_t>(std::min(fits, segment > kMaxOptionsSize ? segment - kMaxOptionsSize : 0));
}

/// What of the option and the data the SYN, or SYN,ACK, that leaves now carries: the first alone, and the client's alone has data. Middleboxes that
/// dislike one of them are the likeliest reason for a second. Returns the bytes of data.
std::uint32_t ConnectionCore::take_syn_data() {
  if (tcb_.state != State::syn_sent || tcb_.syn_sent) return 0;
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(fast_open_.room, send_buffer_.size()));
  fast_open_.attempt = {.option = fast_open_.option, .data = size};
  fast_open_.tried = fast_open_.option || size > 0;
  fast_open_.room = 0;
  return size;
}

/// The SYN,ACK of an open with Fast Open. What it does not acknowledge of the SYN's data goes again at once (RFC 7413 section 4.2.2).
void ConnectionCore::fast_open_answered(const Arrival& syn_ack) {
  FastOpenCache::Attempt& attempt = fast_open_.attempt;
  attempt.repeated = syn_retransmissions_ > 0;
  const std::uint32_t acked = distance(tcb_.iss, syn_ack.segment.ack) - 1;
  engine_->fast_open_cache().on_answer(
      tuple_.remote.address, attempt,
      {.option = syn_ack.options.fast_open, .mss = syn_ack.options.mss.value_or(kDefaultMss), .data_acked = std::min(acked, attempt.data)},
      context_.now());
  counters_.syn_data = attempt.data > 0 && acked >= attempt.data;
  if (attempt.data > 0 && tcb_.snd_una < tcb_.snd_nxt) recovery_.all_lost(context_.now());
  if (unsent() > 0) ack_.set_quick(false);  // an exchange has begun: what the peer answers is answered in turn
}

/// Segments stay without an answer: a timeout, or for good. Hosts on the way swallow SYN segments, or all that comes behind one with data.
void ConnectionCore::fast_open_unanswered(bool given_up) {
  const auto& attempt = fast_open_.attempt;
  const bool of_syn = tcb_.state == State::syn_sent;
  if (tcb_.passive || (attempt.data == 0 && !(of_syn && attempt.option))) return;
  if (counters_.bytes_acked > attempt.data) return;  // what came behind the SYN has got through
  constexpr std::uint32_t kSuspicious = 2;
  const std::uint32_t timeouts = of_syn ? syn_retransmissions_ : front_retransmissions_;
  if (timeouts == kSuspicious || (given_up && timeouts < kSuspicious && (of_syn || timeouts > 0))) fast_open_swallowed();
  if (given_up && of_syn) engine_->fast_open_cache().on_silence(tuple_.remote.address, attempt, context_.now());
}

/// A RST with a number beyond the next one: the server has sent data before it, and none has come. As Linux (tcp_validate_incoming()).
void ConnectionCore::fast_open_reset_early() {
  if (tcb_.state == State::established && !anything_received()) fast_open_swallowed();
}

/// The connection is over, so that data which the peer's FIN has overtaken would be here: where none is, it was swallowed. As Linux
/// (tcp_fastopen_active_disable_ofo_check()).
void ConnectionCore::fast_open_over() {
  if (!fast_open_.tried) return;
  if (!anything_received()) {
    if (peer_fin_ && !fin_received_) fast_open_swallowed();
  } else if (fast_open_.trial && tuple_.local.address != tuple_.remote.address) {  // there is nothing on the way to oneself
    engine_->fast_open_cache().on_exchange();
  }
}

/// One connection tells of it once.
void ConnectionCore::fast_open_swallowed() {
  if (std::exchange(fast_open_.tried, false)) {
    engine_->fast_open_cache().on_blackhole(engine_->config().fast_open_blackhole_timeout, context_.now());
  }
}

/// Octets of the peer's have come, in order or not.
bool ConnectionCore::anything_received() const noexcept { return counters_.bytes_received > 0 || !reassembly_.empty(); }

/// The server's side: the application gets the connection, and the data that came with the SYN, before the client's address is proved. A FIN would
/// end the handshake before it is complete; the client sends it again.
void ConnectionCore::accept_early(Arrival& syn) {
  const auto listener = listener_.lock();
  if (tcb_.negotiated.sack) recovery_.permit_sack();
  fast_open_.early = true;
  fast_open_.listener = listener_;
  congestion_->on_established(0);  // data may follow the SYN,ACK at once, as much as an initial window holds
  syn.payload.truncate(std::min<std::size_t>(syn.payload.size(), tcb_.rcv_wnd));
  fast_open_.taken = static_cast<std::uint32_t>(syn.payload.size());
  counters_.syn_data = fast_open_.taken > 0;
  time_arrival(tcb_.rcv_nxt, fast_open_.taken, syn.ingress);
  if (counters_.syn_data) accept_in_order(syn.payload);
  listener->opened_early(engine_->record_of(tuple_));
}

}  // namespace tapir::tcp::detail
