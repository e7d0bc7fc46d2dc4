// Handshakes of which nothing is kept between the SYN and the ACK (RFC 4987 section 3.6).

#include <utility>

#include "connection_core.hpp"
#include "connection_record.hpp"
#include "engine.hpp"
#include "listener_core.hpp"

namespace tapir::tcp::detail {

namespace {
/// What of a SYN's options survives the way to the peer and back: without timestamps the segment size alone.
Options kept(const Options& options) {
  if (!options.timestamps) return {.mss = options.mss};
  return options;
}
}  // namespace

Accepted Engine::answer_with_cookie(const Arrival& syn, ListenerCore& listener) {
  const std::uint16_t mss = syn.options.mss.value_or(kDefaultMss);
  const SeqNum iss = cookies_.make(syn.tuple, syn.segment.seq, mss, context_.now());
  listener.cookie_sent(context_.now());
  ++stats_.cookies_sent;
  ConnectionCore{*this, syn.tuple, listener.handshake_kind()->settings, iss}.answer_with_cookie(syn);
  return {};
}

/// The segment may be the third of a handshake. What a guess would have to hit is known to nobody.
Accepted Engine::cookie_arrives(Arrival& arrival, ListenerCore& listener) {
  const Segment& segment = arrival.segment;
  const auto mss = cookies_.check(arrival.tuple, segment.seq - 1, segment.ack - 1, context_.now());
  if (!mss) {
    reset_stranger(segment, arrival.tuple, listener.settings().tos);
    return drop(Drop::bad_cookie);
  }
  if (!listener.may_establish()) return drop(Drop::backlog_full);
  if (open_connections() >= config_.max_connections || memory_.exhausted()) return drop(Drop::memory_limit);
  const auto connection = add(arrival.tuple, listener.handshake_kind()->settings, segment.ack - 1)->core();
  ++stats_.cookies_accepted;
  return connection->open_by_cookie(std::move(arrival), *mss, listener.weak_from_this());
}

/// Says what a connection would say, and is forgotten.
void ConnectionCore::answer_with_cookie(const Arrival& syn) {
  tcb_.state = State::syn_received;
  negotiate(kept(syn.options));
  Options options = syn_options();
  if (options.timestamps) {
    ecn_.on_syn(syn.segment.flags);
    const CookieOptions agreed{.window_scale = tcb_.negotiated.window_scaling ? syn.options.window_scale : std::nullopt,
                               .sack = tcb_.negotiated.sack,
                               .ecn = ecn_.negotiated()};
    options.timestamps->value = agreed.stamp(options.timestamps->value);
  }
  ++engine_->stats().out_segs;
  (void)engine_->send(Send{.local = tuple_.local,
                           .remote = tuple_.remote,
                           .seq = tcb_.iss,
                           .ack = syn.segment.seq + 1,
                           .flags = Flags::syn | Flags::ack | ecn_.syn_ack_flags(),
                           .window = static_cast<std::uint16_t>(tcb_.rcv_wnd),
                           .ttl = settings_->ttl,
                           .tos = settings_->tos,
                           .dont_fragment = engine_->config().path_mtu_discovery,
                           .ip_options = syn.ip_options},
                      options);
}

/// The ACK is there: so was the SYN, with what the cookie and the timestamp say.
Accepted ConnectionCore::open_by_cookie(Arrival arrival, std::uint16_t mss, std::weak_ptr<ListenerCore> listener) {
  Packet no_text{context_.pool};
  Arrival syn{{.seq = arrival.segment.seq - 1, .flags = Flags::syn}, {.mss = mss}, tuple_, arrival.tos, no_text};
  syn.ip_options = arrival.ip_options;
  if (arrival.options.timestamps) {
    const auto agreed = CookieOptions::from(arrival.options.timestamps->echo_reply);
    syn.options.timestamps = arrival.options.timestamps;
    syn.options.window_scale = agreed.window_scale;
    syn.options.sack_permitted = agreed.sack;
    if (agreed.ecn) syn.segment.flags |= Ecn::kSetup;
  }
  tcb_.snd_nxt = tcb_.iss + 1;
  tcb_.syn_sent = true;
  open_passive(syn, std::move(listener), std::nullopt);
  return segment_arrives(std::move(arrival));
}

}  // namespace tapir::tcp::detail
