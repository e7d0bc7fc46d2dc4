#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include <tapir/core/scheduler.hpp>
#include <tapir/network/network.hpp>
#include <tapir/tcp/congestion_control.hpp>
#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/tcp.hpp>

#include "arrival_times.hpp"
#include "congestion_slot.hpp"
#include "cwnd_usage.hpp"
#include "delayed_ack.hpp"
#include "ecn.hpp"
#include "event_queue.hpp"
#include "fast_open_state.hpp"
#include "four_tuple.hpp"
#include "half_open.hpp"
#include "handlers.hpp"
#include "held.hpp"
#include "loss_recovery.hpp"
#include "memory_budget.hpp"
#include "mtu_probing.hpp"
#include "mtu_reports.hpp"
#include "pacer.hpp"
#include "rate_limiter.hpp"
#include "reassembly.hpp"
#include "receive_buffer.hpp"
#include "receive_tuning.hpp"
#include "rtt_estimator.hpp"
#include "sack_report.hpp"
#include "send_buffer.hpp"
#include "sending_times.hpp"
#include "shared_settings.hpp"
#include "tcb.hpp"
#include "time_wait.hpp"
#include "timestamps.hpp"
#include "window_growth.hpp"
#include "written_chunks.hpp"

namespace tapir::tcp::detail {

class Engine;
class ListenerCore;

inline constexpr std::uint16_t kDefaultMss = 536;  // of a peer whose SYN does not say (RFC 9293 MUST-15)

/// What a connection consists of and knows. No logic: ConnectionCore has that.
class ConnectionParts {
 public:
  ConnectionParts(const ConnectionParts&) = delete;
  ConnectionParts& operator=(const ConnectionParts&) = delete;

 protected:
  /// As they are before the SYN, whose number is `iss`; without congestion control, which is made last.
  ConnectionParts(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, SeqNum iss);
  ~ConnectionParts() = default;

  Engine* engine_;                          ///< nullptr once the connection is over and out of TIME-WAIT
  Context& context_;                        ///< not to be used any more once ...
  std::optional<TimePoint> stack_gone_at_;  ///< ... the stack went, then
  FourTuple tuple_;
  SharedSettings settings_;
  Tcb tcb_;
  std::weak_ptr<ListenerCore> listener_;       ///< until the connection is accepted
  std::shared_ptr<const HandshakeKind> kind_;  ///< of a handshake that may be put away
  std::optional<TimeWaitRecord> former_;       ///< an earlier incarnation in TIME-WAIT, until the handshake proves the new one
  std::vector<std::byte> ip_options_;          ///< sent with every segment: a source route
  FastOpenState fast_open_;
  std::unique_ptr<HandshakeError> handshake_error_;
  std::optional<TimePoint> deferred_until_;

  // Sending
  SendBuffer send_buffer_;
  SeqNum send_base_;  ///< the number of the send buffer's first octet
  RttEstimator rtt_;
  LossRecovery recovery_;
  CongestionSlot congestion_;
  Pacer pacer_;
  CwndUsage cwnd_usage_;
  Ecn ecn_;
  MtuSearch mtu_search_;
  MtuReports mtu_reports_;
  std::uint32_t network_mtu_ = 0;  ///< as the network layer had it last
  bool path_due_ = false;          ///< the user has written since it was asked
  std::uint16_t peer_mss_ = kDefaultMss;
  std::uint32_t mss_ = 536;  ///< Eff.snd.MSS: payload beside the options that every segment carries
  std::uint32_t syn_retransmissions_ = 0;
  std::uint32_t front_retransmissions_ = 0;  ///< timeouts since SND.UNA moved: compared with R1
  std::uint32_t persist_backoff_ = 0;
  std::uint32_t probes_ = 0;  ///< of a closed window, or a device that takes nothing, in a row
  WrittenChunks chunks_;
  SeqNum small_end_;  ///< of the last small segment sent
  SendingTimes sending_times_;
  std::optional<TimePoint> queued_until_;  ///< when the device has sent all that we gave it, as far as is known
  bool tells_queue_ = true;                ///< whether that is known, where the last segment left
  std::optional<TimePoint> last_sent_;
  std::optional<TimePoint> last_data_sent_;
  std::optional<TimePoint> last_advice_;
  bool fin_queued_ = false;
  bool fin_sent_ = false;
  bool probing_ = false;  ///< a zero-window probe has been sent and the window is still closed
  bool probe_due_ = false;
  bool refused_ = false;  ///< the device took nothing of what was to be sent last, and nothing is outstanding
  bool tail_probe_due_ = false;
  bool keepalive_due_ = false;
  bool user_timeout_due_ =
      true;  ///< the next segment that has room says what we advertise: the first of all, and when it changes (RFC 5482)
  bool override_expired_ = false;
  bool let_go_ = false;        ///< the user wants to see leave what waits
  bool more_follows_ = false;  ///< the latest send was a send_more(), and no acknowledgment has come since
  bool end_pushed_ = true;     ///< the latest send was none: what was written last is to be pushed
  bool wants_room_ = false;    ///< a send() took less than given
  bool report_sent_ = false;   ///< the user wants to hear of octets that leave
  bool nagle_;                 ///< Nagle's algorithm, as set last: servers switch it off one by one, and the settings stay shared
  bool handshaking_ = false;   ///< the listener counts it among the handshakes under way
  std::uint32_t keepalive_unanswered_ = 0;
  RateLimiter challenges_;  ///< of this connection alone: a shared limit would tell an attacker about others (CVE-2016-5696)
  RateLimiter answers_;     ///< to unacceptable segments without octets

  // Receiving
  ReceiveBuffer receive_buffer_;
  Reassembly reassembly_;
  SackReport sack_report_;
  DelayedAck ack_;
  bool ack_waits_ = false;  ///< for the user, who is told of what it acknowledges: once
  ReceiveTuning receive_tuning_;
  WindowGrowth window_growth_;
  std::unique_ptr<ArrivalTimes> arrivals_;  ///< nullptr: nothing was noted yet
  MemoryShare memory_;
  TimestampClock timestamp_clock_;
  std::optional<Duration> peer_user_timeout_;  ///< REMOTE_UTO (RFC 5482)
  RecentTimestamp recent_timestamp_;           ///< meaningful once timestamps are agreed on
  std::optional<SeqNum> peer_fin_;             ///< the number of the peer's FIN, once known
  std::uint32_t receive_mss_ = 536;            ///< the peer's full segments, as far as seen
  bool fin_received_ = false;
  bool reading_over_ = false;  ///< close() or release(): nobody reads any more
  bool released_ = false;

  Deadlines deadlines_;
  TimePoint last_received_{};       ///< any segment
  TimePoint last_data_received_{};  ///< or the end of the handshake
  TimePoint last_ack_received_{};

  Held<EventQueue> queue_;
  Handlers handlers_;
  std::uint32_t news_ = 0;
  bool over_ = false;  ///< kClosed has been told or must not be
  std::error_code error_;
  Counters counters_;
};

}  // namespace tapir::tcp::detail
