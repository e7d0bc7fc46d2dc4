#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>
#include <tapir/network/network.hpp>
#include <tapir/tcp/seq_num.hpp>
#include <tapir/tcp/state.hpp>

namespace tapir::tcp {

/// An error that the network reported and the connection survived (RFC 9293 section 3.9.2.2).
struct SoftError {
  network::ErrorKind kind{};
  std::uint8_t type = 0;  ///< ICMP type and code
  std::uint8_t code = 0;
  IpAddress reporter;
};

/// An error that the network reported about the SYN of an open.
struct HandshakeError {
  network::ErrorReport report;    ///< its `transport` is `quoted`, its `datagram` empty
  std::vector<std::byte> quoted;  ///< the segment, as far as the report quotes it
};

/// The part of Info that a connection keeps as it stands there. Sizes in bytes.
struct Counters {
  std::uint64_t bytes_sent = 0;  ///< payload, retransmissions counted
  std::uint64_t bytes_acked = 0;
  std::uint64_t bytes_received = 0;  ///< in order
  std::uint64_t segments_sent = 0;
  std::uint64_t segments_received = 0;
  std::uint64_t delivered_segments = 0;     ///< known to have arrived, as Info::delivered; a SYN and its data are one
  std::uint64_t delivered_ce_segments = 0;  ///< of these, what acknowledgments with the ECN echo told of (RFC 3168 section 6.1)
  std::uint8_t received_tos = 0;            ///< of the latest segment
  bool syn_data = false;                    ///< the SYN carried data, and its receiver took all of it (RFC 7413)
  std::uint32_t mss = 0;                    ///< payload of a full segment now
  std::uint32_t advertised_mss = 0;         ///< that our SYN offers: what the peer may send at most
  std::uint32_t path_mtu = 0;  ///< bytes, network header included: the largest datagram that is sent now, probes of the path aside
  std::uint64_t bytes_retransmitted = 0;  ///< payload
  std::uint64_t retransmissions = 0;      ///< segments
  std::uint64_t timeouts = 0;             ///< expiries of the retransmission timer
  std::uint64_t fast_retransmits = 0;
  std::uint64_t duplicate_acks = 0;      ///< received
  std::uint64_t tail_probes = 0;         ///< tail loss probes sent (RFC 8985)
  std::uint64_t mtu_probes = 0;          ///< larger segments sent to find out whether they arrive (RFC 4821)
  std::uint64_t mtu_probes_arrived = 0;  ///< acknowledged
  std::uint64_t mtu_probes_lost = 0;     ///< the others were undecided, or one is under way
  std::optional<SoftError> soft_error;   ///< the latest
};

/// A snapshot of one connection. Sizes in bytes.
struct Info : Counters {
  State state = State::closed;
  Endpoint local;
  Endpoint remote;

  SeqNum snd_una;  ///< RFC 9293 section 3.3.1
  SeqNum snd_nxt;
  std::uint32_t snd_wnd = 0;
  SeqNum rcv_nxt;
  std::uint32_t rcv_wnd = 0;

  bool timestamps = false;  ///< agreed on in the handshake (RFC 7323 section 3)
  bool sack = false;        ///< likewise (RFC 2018)
  bool window_scaling = false;
  std::uint8_t snd_wind_shift = 0;  ///< of the windows that the peer offers (RFC 7323 section 2)
  std::uint8_t rcv_wind_shift = 0;  ///< of those that we offer

  std::uint32_t cwnd = 0;
  std::uint32_t ssthresh = 0;
  std::string_view congestion_control;
  bool in_recovery = false;  ///< fast recovery is under way
  CaState ca_state = CaState::open;
  std::uint32_t sacked = 0;         ///< sent, and acknowledged selectively
  std::uint32_t lost = 0;           ///< sent, considered lost and not sent again yet
  std::uint32_t retransmitted = 0;  ///< sent again and neither acknowledged nor lost again
  std::uint32_t reordering = 0;     ///< how far, at most, a segment arrived behind one sent later; 0: none did
  std::uint64_t reorderings = 0;    ///< acknowledgments that told of such segments
  std::uint64_t delivered = 0;      ///< sequence space known to have arrived
  /// Bytes per second (draft-ietf-ccwg-bbr section 4.1): the latest sample that the application did not limit, or one that is no slower; empty before one.
  std::optional<std::uint64_t> delivery_rate{};
  bool delivery_rate_app_limited = false;  ///< the application set the pace of that sample: the path may carry more
  std::uint64_t dsacks = 0;                ///< duplicates that the peer reported (RFC 2883)
  std::uint64_t undos = 0;                 ///< recoveries that turned out to be unnecessary

  bool ecn = false;                            ///< agreed on in the handshake (RFC 3168)
  std::optional<std::uint64_t> pacing_rate{};  ///< bytes per second; empty: as fast as the windows allow

  std::optional<Duration> since_data_sent{};  ///< empty: none was
  Duration since_data_received{};             ///< or since the end of the handshake
  Duration since_ack_received{};

  Duration rto{};
  std::optional<Duration> srtt;
  std::optional<Duration> rttvar;
  std::optional<Duration> min_rtt;
  std::uint32_t backoffs = 0;  ///< expiries of the retransmission timer since the last valid sample

  std::size_t unacknowledged = 0;  ///< written and not acknowledged, sent or not
  std::size_t unsent = 0;
  std::size_t send_buffer = 0;             ///< its size now: it grows unless it was set
  std::size_t receive_buffer = 0;          ///< likewise
  std::uint32_t window_limit = 0;          ///< the window offered opens no further now: see Settings::gradual_window and window_clamp
  std::optional<Duration> receiver_rtt{};  ///< the round trip as the receiver sees it; empty before a measurement
  std::uint32_t in_flight = 0;             ///< sent and not acknowledged, SYN and FIN counted
  std::size_t unread = 0;                  ///< received in order and not read
  std::size_t out_of_order = 0;            ///< received beyond a gap
  std::uint32_t urgent_unread = 0;         ///< up to the urgent pointer, from the next octet to be read; 0: no urgent data is left

  std::uint32_t receive_mss = 0;     ///< the peer's largest segment so far
  std::uint32_t probes = 0;          ///< of a closed window, or a device that takes nothing, in a row
  std::uint32_t probe_backoffs = 0;  ///< by how many of them the time to the next was doubled

  // What held the sender back, as Linux' tcp_info has it.
  Duration busy{};            ///< something was sent and not acknowledged, or waited to be sent
  Duration window_limited{};  ///< of that: the peer's window had no room for what waited
  Duration buffer_limited{};  ///< of that: all was sent, and the user had more to write than the send buffer took

  Duration user_timeout{};                      ///< that applies now: see Settings::user_timeout, RFC 5482
  std::optional<Duration> peer_user_timeout{};  ///< the latest that the peer advertised
};

}  // namespace tapir::tcp
