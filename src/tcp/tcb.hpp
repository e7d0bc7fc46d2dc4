#pragma once

#include <cstdint>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>
#include <tapir/tcp/state.hpp>

#include "deadline.hpp"

namespace tapir::tcp {

/// What the two SYN segments agreed on.
struct Negotiated {
  bool window_scaling = false;  ///< Snd.WS.OK (RFC 7323 section 2.3)
  bool timestamps = false;      ///< Snd.TS.OK (RFC 7323 section 3.2)
  bool sack = false;            ///< both ends permitted SACK (RFC 2018 section 2)
  bool ecn = false;             ///< RFC 3168 section 6.1.1
};

/// The variables of one connection under their names in RFC 9293 section 3.3.1. Plain state: who changes it keeps it consistent.
struct Tcb {
  State state = State::closed;
  bool passive = false;    ///< came from LISTEN: a reset in SYN-RECEIVED goes back there (MUST-11)
  bool syn_sent = false;   ///< our SYN has left. No comparison with iss says it, since that number comes round again after 2^32 octets
  bool syn_acked = false;  ///< and was acknowledged; likewise

  SeqNum iss;
  SeqNum snd_una;
  SeqNum snd_nxt;  ///< one past the highest octet ever sent; retransmissions do not move it back
  SeqNum snd_up;   ///< one past the last urgent octet; meaningful while urgent_out
  SeqNum snd_wl1;
  SeqNum snd_wl2;
  std::uint32_t snd_wnd = 0;        ///< bytes
  std::uint8_t snd_wind_shift = 0;  ///< Snd.Wind.Shift: of the windows that the peer offers (RFC 7323 section 2.3)
  std::uint32_t max_snd_wnd = 0;    ///< MAX.SND.WND (RFC 5961 section 5)
  bool urgent_out = false;          ///< octets before snd_up were not acknowledged yet

  SeqNum irs;
  SeqNum rcv_nxt;
  SeqNum rcv_up;                    ///< meaningful while urgent_in
  std::uint32_t rcv_wnd = 0;        ///< from rcv_nxt to the right edge offered last
  std::uint8_t rcv_wind_shift = 0;  ///< Rcv.Wind.Shift: of the windows that we offer
  bool urgent_in = false;           ///< octets before rcv_up were not read yet

  Negotiated negotiated;

  [[nodiscard]] std::uint32_t flight_size() const noexcept { return distance(snd_una, snd_nxt); }
  [[nodiscard]] SeqNum receive_edge() const noexcept { return rcv_nxt + rcv_wnd; }
};

/// What a connection waits for. One timer serves the earliest.
struct Deadlines {
  Deadline retransmit;
  Deadline persist;
  Deadline send_override;  ///< of sender's silly window avoidance
  Deadline pacing;
  Deadline auto_cork;
  Deadline keepalive;
  Deadline user_timeout;
  Deadline linger;  ///< of FIN-WAIT-2 without a reader
  Deadline idle;    ///< whether there was nothing to do since
};

[[nodiscard]] constexpr bool is_synchronized(State state) noexcept { return state >= State::established; }
/// Whether the peer may still send data that has not been received.
[[nodiscard]] constexpr bool receives_text(State state) noexcept {
  return state == State::established || state == State::fin_wait_1 || state == State::fin_wait_2;
}

}  // namespace tapir::tcp
