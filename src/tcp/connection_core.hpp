#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <tapir/core/branch.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/network/network.hpp>
#include <tapir/tcp/congestion_control.hpp>
#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/tcp.hpp>

#include "arrival.hpp"
#include "connection_parts.hpp"
#include "fast_open.hpp"
#include "four_tuple.hpp"
#include "half_open.hpp"
#include "held.hpp"
#include "loss_recovery.hpp"
#include "mtu_probing.hpp"
#include "options.hpp"
#include "send_policy.hpp"
#include "tcb.hpp"
#include "time_wait.hpp"
#include "timestamps.hpp"
#include "write_chunks.hpp"

namespace tapir::tcp::detail {

class ConnectionRecord;
class Engine;
class ListenerCore;
struct IdleState;

/// One connection: state, buffers, timers. [[gnu::noinline]] marks what a segment's way rarely needs: it stays out of the functions that are compiled as one
/// (docs/architecture.md, "The short way"). Its ConnectionRecord owns it; that the user's handle keeps, with what there is to read when the connection is over.
class ConnectionCore final : public ReadySource, public Notifier, private ConnectionParts, public Counted<ConnectionCore> {
 public:
  ConnectionCore(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, SeqNum iss);
  /// Without congestion control: it gets its own back.
  struct Restored {
    SeqNum iss{};
  };
  ConnectionCore(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, Restored restored);
  ConnectionCore(const ConnectionCore&) = delete;
  ConnectionCore& operator=(const ConnectionCore&) = delete;
  ~ConnectionCore() override;
  /// In one of the engine's blocks, zeroed.
  [[nodiscard]] static void* operator new(std::size_t size, Engine& engine);
  static void operator delete(void* memory) noexcept;
  static void operator delete(void* memory, Engine&) noexcept { operator delete(memory); }

  // Opening: connection_open.cpp
  void open_active(std::vector<std::byte> ip_options);
  void open_passive(Arrival& syn, std::weak_ptr<ListenerCore> listener, std::optional<TimeWaitRecord> former,
                    const FastOpenAnswer& fast_open = {});
  /// After open_passive(): what its handshake has in common with others. With HandshakeKind::defer_accept it is not complete before the peer has sent data, or
  /// the time is over.
  void began_as(std::shared_ptr<const HandshakeKind> kind);
  /// Before open_active(): connection_fast_open.cpp
  void plan_fast_open(bool cookie_needed);
  // The same without a half-open connection, for a SYN with number iss: connection_cookies.cpp
  void answer_with_cookie(const Arrival& syn);
  [[nodiscard]] Accepted open_by_cookie(Arrival arrival, std::uint16_t mss, std::weak_ptr<ListenerCore> listener);

  // The user's calls (RFC 9293 section 3.10.1-6): connection_calls.cpp
  void handle(Events events);
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes, bool urgent);
  [[nodiscard]] Result<std::size_t> send(Slice slice);
  [[nodiscard]] Result<std::size_t> send_more(std::span<const std::byte> bytes);
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into);
  [[nodiscard]] Result<Slice> receive_slice();
  [[nodiscard]] std::size_t peek(std::span<std::byte> into, std::size_t offset) const noexcept;
  std::size_t discard(std::size_t count);
  [[nodiscard]] Result<> shutdown();
  void close();
  void abort();
  /// The handle is gone.
  void release();
  // The options of a connection that lives: connection_settings.cpp
  void set_nagle(bool on);
  void set_cork(bool on);
  void push();
  void end_record() { send_buffer_.end_record(); }
  void set_ttl(std::optional<std::uint8_t> ttl) { settings_.own().ttl = ttl; }
  void set_dont_fragment(std::optional<bool> on) { settings_.own().dont_fragment = on; }
  void set_max_pacing_rate(std::optional<std::uint64_t> bytes_per_second);
  void set_window_clamp(std::optional<std::uint32_t> bytes);
  void set_minimum_ttl(std::uint8_t ttl) { settings_.own().minimum_ttl = ttl; }
  void set_time_arrivals(bool on);
  void set_max_segment(std::optional<std::uint16_t> bytes);
  void set_syn_retries(std::optional<std::uint32_t> retries) { settings_.own().syn_retries = retries; }
  void set_fin_wait_2_timeout(std::optional<Duration> timeout) { settings_.own().fin_wait_2_timeout = timeout; }
  void set_quick_ack(bool on);
  void await_room() noexcept { wants_room_ = true; }
  void report_sent(bool on) noexcept { report_sent_ = on; }
  [[nodiscard]] Result<> set_keepalive(const Keepalive& keepalive);
  [[nodiscard]] Result<> set_user_timeout(std::optional<Duration> timeout);
  [[nodiscard]] Result<> set_user_timeout_option(const UserTimeoutOption& option);
  [[nodiscard]] Result<> set_mtu_probing(const std::optional<MtuProbing>& probing);
  [[nodiscard]] Result<> set_congestion_control(std::string_view name);
  void set_tos(std::uint8_t tos) { settings_.own().tos = static_cast<std::uint8_t>(tos & 0xfcU); }
  void set_send_buffer(std::size_t bytes);
  void set_receive_buffer(std::size_t bytes);
  [[nodiscard]] Info info() const;
  [[nodiscard]] State state() const noexcept { return tcb_.state; }
  [[nodiscard]] const Tcb& tcb() const noexcept { return tcb_; }
  [[nodiscard]] Settings settings() const;
  [[nodiscard]] std::uint8_t minimum_ttl() const noexcept { return settings_->minimum_ttl; }
  [[nodiscard]] const FourTuple& tuple() const noexcept { return tuple_; }
  [[nodiscard]] std::size_t unacknowledged() const noexcept { return send_buffer_.size(); }
  [[nodiscard]] std::size_t waiting_to_leave() const noexcept { return unsent(); }
  [[nodiscard, gnu::noinline]] std::size_t send_room() const noexcept;
  [[nodiscard]] std::size_t fast_open_room() const noexcept { return fast_open_.room; }
  [[nodiscard, gnu::noinline]] bool worth_writing() const noexcept;
  void set_not_sent_low(std::optional<std::uint32_t> bytes) { settings_.own().not_sent_low = bytes; }
  [[nodiscard]] std::size_t unread() const noexcept { return receive_buffer_.size(); }
  [[nodiscard]] std::uint32_t urgent_unread() const noexcept {
    return tcb_.urgent_in && tcb_.rcv_up > next_read() ? distance(next_read(), tcb_.rcv_up) : 0;
  }
  [[nodiscard]] std::optional<TimePoint> arrived_at(std::size_t offset) const noexcept;
  [[nodiscard]] bool peer_closed() const noexcept { return fin_received_; }
  [[nodiscard]] std::error_code error() const noexcept { return error_; }
  [[nodiscard]] const HandshakeError* handshake_error() const noexcept { return handshake_error_.get(); }

  // What the Engine calls.
  [[nodiscard, gnu::noinline]] Accepted segment_arrives(Arrival&& arrival);
  void damaged_segment_arrives();
  void error_arrives(const network::ErrorReport& report, SeqNum quoted);
  /// Whether octet `sequence` was sent and is not acknowledged.
  [[nodiscard]] bool in_flight(SeqNum sequence) const noexcept { return tcb_.snd_una <= sequence && sequence < tcb_.snd_nxt; }
  [[nodiscard]] bool believes(const network::ErrorReport& report, SeqNum quoted) const;
  void on_timer();
  [[nodiscard]] Pulled pull() override;
  void dispatch() override;
  void call_handlers();
  void time_wait_over();
  /// The stack goes: nothing is sent any more.
  void stack_gone();
  /// Whether the listener counts it among the handshakes under way from now on; whether it did.
  bool set_handshaking(bool on) noexcept { return std::exchange(handshaking_, on); }
  /// The listener counts it so.
  [[nodiscard]] bool is_handshake_of(const ListenerCore& listener) const noexcept {
    return handshaking_ && listener_.lock().get() == &listener;
  }
  /// It is given to a user: the listener has no more to do with it.
  void leave_listener() {
    listener_.reset();
    if (tcb_.state == State::established) update_timers();  // now it may sleep
  }
  /// The stack needs the memory.
  void drop_out_of_order() noexcept;

  // Sleep: connection_idle.cpp
  /// Leaves in `idle` what a quiet one needs to go on. Nothing is to be done with it afterwards.
  void pack(IdleState& idle);
  /// The one that `idle` was made of, which is as it was when this throws.
  [[nodiscard]] static Held<ConnectionCore> unpack(Engine& engine, const FourTuple& tuple, IdleState& idle);
  /// What its info() would say.
  [[nodiscard]] static Info look(Engine& engine, const FourTuple& tuple, IdleState& idle);

  // A handshake that waits for its ACK: connection_half_open.cpp
  [[nodiscard]] HalfOpen to_half_open() const;
  /// The connection that it was made of.
  [[nodiscard]] static Held<ConnectionCore> of(Engine& engine, const HalfOpen& kept);
  /// What its info() would say.
  [[nodiscard]] static Info look(Engine& engine, const HalfOpen& kept);
  /// The stack's. What it asks for of loss recovery counts at once; and what the handshake would be made of again is not what it began with, so it is not
  /// put away any more.
  void config_changed();

 private:
  static constexpr std::uint32_t kAnswersPerPeriod = 10;
  static constexpr Duration kAnswersPeriod = std::chrono::seconds{1};

  /// What a check leaves to do with the segment.
  enum class Verdict : std::uint8_t { go_on, stop };
  using Checked = std::expected<Verdict, Drop>;
  enum News : std::uint32_t {
    kConnected = 1U << 0U,
    kReadable = 1U << 1U,
    kWritable = 1U << 2U,
    kAcknowledged = 1U << 3U,
    kPeerClosed = 1U << 4U,
    kUrgent = 1U << 5U,
    kClosed = 1U << 6U,
    kSoftError = 1U << 7U,
    kStalled = 1U << 8U,
    kPeerUserTimeout = 1U << 9U,
    kSent = 1U << 10U,
    kSeldom = kConnected | kSoftError | kStalled | kPeerUserTimeout | kUrgent,  ///< which is told before the rest
  };

  // The state machine's steps: connection_open.cpp, connection_states.cpp
  void set_state(State next);
  void start_handshake();
  void limit_handshake(TimePoint began);
  void take_syn(const Arrival& syn);
  void become_established();
  [[gnu::noinline]] void handshake_complete();
  void close_sending();
  void own_fin_acknowledged();
  void peer_fin_arrived();
  void enter_time_wait();
  void end(std::error_code error, bool tell, State next = State::closed);
  void reset_peer();
  void return_to_listen();
  void stop_reading();
  void tell(std::uint32_t news);
  [[nodiscard]] bool due(News bit) noexcept;
  [[gnu::noinline]] void call_seldom_handlers();
  void forget_queues() noexcept;
  void after_read();
  [[nodiscard]] std::unexpected<std::error_code> why_over() const noexcept;
  [[nodiscard]] Result<> may_queue() const noexcept;
  void data_queued();
  void written();
  std::size_t take(std::span<const std::byte> bytes);

  // Fast Open: connection_fast_open.cpp
  [[nodiscard]] std::uint32_t take_syn_data();
  void fast_open_answered(const Arrival& syn_ack);
  void fast_open_unanswered(bool given_up);
  void fast_open_reset_early();
  void fast_open_over();
  void fast_open_swallowed();
  [[nodiscard]] bool anything_received() const noexcept;
  void accept_early(Arrival& syn);
  /// Back to LISTEN, as if nothing had been, goes a connection that nobody has seen yet.
  [[nodiscard]] bool unseen() const noexcept { return tcb_.passive && !fast_open_.early; }
  /// A user has it: the listener is done with it.
  [[nodiscard]] bool accepted() const noexcept { return listener_.expired(); }
  [[nodiscard]] bool transfers() const noexcept {
    return is_synchronized(tcb_.state) || (tcb_.state == State::syn_received && fast_open_.early);
  }
  /// Octets of what is outstanding that are our SYN: no window counts it.
  [[nodiscard]] std::uint32_t syn_outstanding() const noexcept { return tcb_.syn_sent && !tcb_.syn_acked ? 1 : 0; }

  // Options: connection_options.cpp
  void negotiate(const Options& theirs);
  [[nodiscard]] Options syn_options() const;
  [[nodiscard]] Options segment_options(Flags flags, std::uint32_t payload_size) const;
  [[nodiscard]] Timestamps timestamps_to_send(bool with_ack) const noexcept;
  [[nodiscard]] SackBlocks sack_to_send(std::size_t room) const;
  [[nodiscard]] std::uint32_t fixed_options_size() const noexcept;
  [[nodiscard, gnu::noinline]] std::uint32_t current_mss() const;
  /// Whether a segment that leaves now may carry more options than every one does.
  [[nodiscard]] bool tells_more() const noexcept {
    return unlikely(!reassembly_.empty()) || unlikely(sack_report_.pending()) || unlikely(user_timeout_to_send().has_value());
  }

  // Memory: connection_memory.cpp
  void account_memory() noexcept;
  [[nodiscard]] std::size_t receive_room() const noexcept;
  [[nodiscard]] std::uint32_t not_sent_low() const noexcept;
  [[nodiscard, gnu::noinline]] std::uint32_t leaving_at_once() const noexcept;
  [[nodiscard, gnu::noinline]] chunks::Decision write_decision() const noexcept;
  void tune_send_buffer();
  void tune_receive_buffer();

  // Segment arrives, in the RFC's order: input_syn_sent.cpp, input.cpp, input_timestamps.cpp, input_ack.cpp, input_text.cpp,
  // header_prediction.cpp
  [[nodiscard, gnu::noinline]] Accepted syn_sent_arrives(Arrival& arrival);
  [[nodiscard]] bool echoes_syn(const Options& theirs) const;
  [[nodiscard]] bool is_predicted(const Arrival& arrival) const noexcept;
  [[gnu::noinline]] void accept_predicted(Arrival& arrival);
  void note_peer_alive(std::uint8_t tos);
  void after_input();
  [[nodiscard, gnu::noinline]] Accepted checks(Arrival& arrival);
  [[nodiscard]] Checked check_timestamps(Arrival& arrival);
  [[nodiscard]] Checked check_sequence(Arrival& arrival);
  [[nodiscard]] Checked check_reset(Arrival& arrival);
  [[nodiscard]] Checked check_syn(Arrival& arrival);
  [[nodiscard]] Checked check_ack(Arrival& arrival);
  [[nodiscard]] bool acceptable(const Segment& segment) const noexcept;
  [[nodiscard]] Checked repeated_syn(Arrival& arrival);
  [[nodiscard]] std::unexpected<Drop> answer_unacceptable(const Segment& segment, Drop reason);
  void cut_to_window(Arrival& arrival);
  [[nodiscard]] Accepted process_rest(Arrival& arrival);
  [[gnu::cold, gnu::noinline]] void challenge();
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> drop(Drop reason);
  void process_ack(const Arrival& arrival);
  void new_ack(const Arrival& arrival);
  [[nodiscard]] AckReport report_of(const Arrival& arrival) const;
  [[nodiscard]] bool echoes_last_syn(const AckReport& report) const noexcept;
  void respond(const AckOutcome& outcome, std::uint32_t bytes);
  [[gnu::noinline]] void tell_of_loss(const AckOutcome& outcome);
  void note_timestamp(const Arrival& arrival) noexcept;
  void ack_made_progress(std::uint32_t bytes);
  void count_delivered(std::uint32_t segments) noexcept;
  void congestion_echoed();
  [[nodiscard]] CaState ca_state() const noexcept;
  void take_window(const Segment& segment);
  void update_send_window(const Segment& segment);
  [[nodiscard]] bool repeats_ack(const Segment& segment) const noexcept;
  [[nodiscard]] bool is_over() const noexcept { return tcb_.state == State::closed || tcb_.state == State::time_wait; }
  /// The number of the next octet that the user will read.
  [[nodiscard]] SeqNum next_read() const noexcept {
    return tcb_.rcv_nxt - static_cast<std::uint32_t>(receive_buffer_.size()) - (fin_received_ ? 1U : 0U);
  }
  void process_urgent(const Segment& segment);
  [[nodiscard]] Accepted process_text(Arrival& arrival);
  void accept_in_order(const Packet& payload);
  [[gnu::noinline]] void accept_reassembled();
  void advance_received(std::size_t bytes) noexcept;
  [[gnu::noinline]] void time_arrival(SeqNum begin, std::uint32_t size, TimePoint ingress);
  [[nodiscard]] Accepted take_text(Arrival& arrival);
  [[gnu::noinline]] void note_overlap(const Segment& segment);
  void text_in_order(Arrival& arrival);
  [[nodiscard, gnu::noinline]] Accepted text_beyond_gap(Arrival& arrival);
  void acknowledge_later(const Segment& segment);
  void note_fin(const Arrival& arrival);

  // Probing the path MTU: connection_mtu.cpp
  enum class MtuProbe : std::uint8_t { none, wait, sent };
  [[nodiscard]] MtuProbe send_mtu_probe();
  [[nodiscard]] bool may_probe_mtu() const;
  [[nodiscard]] const MtuProbing& mtu_probing() const noexcept;
  [[nodiscard]] std::uint32_t network_mtu() const noexcept;
  /// Bytes of network and TCP header, without options.
  [[nodiscard]] std::uint32_t bare_headers_size() const noexcept;
  /// Bytes of the IP and the TCP options that every segment carries.
  [[nodiscard]] std::uint32_t options_size() const noexcept;
  void begin_mtu_search();
  [[gnu::noinline]] void mtu_probe_settled(MtuProbeFate fate);
  void path_is_black_hole();
  void look_at_path(std::size_t path_mtu);
  void reconsider_mtu_report();

  // The user timeout and its option: connection_user_timeout.cpp
  void take_user_timeout(const Options& theirs);
  template <class Change>
  void change_user_timeout(const Change& change);
  void user_timeout_changed();
  [[nodiscard]] std::optional<UserTimeoutValue> advertised_user_timeout() const noexcept;
  void restart_user_timeout();
  [[nodiscard]] bool kept_back_by_pace() const noexcept;
  [[nodiscard]] Duration user_timeout() const noexcept;
  [[nodiscard]] Duration own_user_timeout() const noexcept;
  [[nodiscard]] const UserTimeoutOption& user_timeout_option() const noexcept;
  [[nodiscard]] std::optional<UserTimeoutValue> user_timeout_to_send() const noexcept;

  // Output: output.cpp, output_plain.cpp, output_segment.cpp
  [[nodiscard]] std::uint32_t plain_segment() const noexcept;
  [[nodiscard, gnu::noinline]] bool send_plain(std::uint32_t count);
  [[nodiscard, gnu::noinline]] bool send_next();
  [[nodiscard]] bool may_send_more() const;
  [[nodiscard]] bool send_syn();
  [[nodiscard]] bool retransmit();
  [[nodiscard]] bool send_tail_probe();
  [[nodiscard]] bool send_guess();
  [[nodiscard]] bool send_probe();
  [[nodiscard, gnu::noinline]] bool send_new();
  void new_data_left();
  [[nodiscard]] bool send_ack();
  [[nodiscard]] std::uint32_t record_left(SeqNum begin) const noexcept;
  [[nodiscard]] SeqNum record_begin(SeqNum end) const noexcept;
  [[nodiscard]] std::uint32_t retransmission_size(SeqNum begin) const;
  [[nodiscard]] std::uint32_t super_segment_limit() const;
  [[nodiscard]] std::uint64_t sending_rate() const noexcept;
  [[nodiscard]] std::uint32_t peer_window_left() const noexcept;
  [[nodiscard]] std::uint32_t usable_window() const noexcept;
  [[nodiscard]] std::uint32_t offered_window() const noexcept;
  [[nodiscard]] std::uint32_t unsent() const noexcept;
  [[nodiscard]] SeqNum data_end() const noexcept { return send_base_ + static_cast<std::uint32_t>(send_buffer_.size()); }
  [[nodiscard]] bool fin_unsent() const noexcept { return fin_queued_ && !fin_sent_; }
  [[nodiscard]] Result<> transmit(SeqNum seq, std::uint32_t payload_size, Flags flags, bool whole = false);
  [[nodiscard]] bool send_octets(SeqNum begin, std::uint32_t payload_size, Flags flags, bool tail_probe = false);
  void device_refused() noexcept;
  void note_sent(SeqNum begin, SeqNum end, bool tail_probe = false);
  /// How many segments so many octets are, cut as usual.
  [[nodiscard]] std::uint32_t segments_of(std::uint32_t bytes) const noexcept;
  void count_sent(std::uint32_t payload_size, bool again);
  void count_segments(std::uint32_t segments, std::uint32_t payload_size, bool again);
  void note_app_limit() noexcept;
  void note_what_limits() noexcept;
  [[nodiscard]] bool send_keepalive();
  [[nodiscard]] SendDecision new_data_decision() const;
  [[nodiscard]] bool waits_for_device(const SendDecision& decision);
  [[nodiscard]] bool cwnd_limited() const noexcept { return cwnd_usage_.limited(congestion_.cwnd(), congestion_.in_slow_start()); }
  /// `whole`: it is not cut, by nobody on the way either.
  [[nodiscard]] Result<> emit(Packet&& packet, SeqNum seq, Flags flags, bool whole = false);
  [[nodiscard]] std::size_t put_options(Flags flags, std::uint32_t payload_size, std::span<std::byte, kMaxOptionsSize> into);
  [[nodiscard, gnu::noinline]] std::size_t put_all_options(Flags flags, std::uint32_t payload_size,
                                                           std::span<std::byte, kMaxOptionsSize> into);
  [[nodiscard]] std::uint16_t window_field(Flags flags);
  [[nodiscard]] bool paced_out();
  [[nodiscard]] std::optional<std::uint64_t> pacing_rate() const noexcept;
  void wants_to_send();
  [[gnu::noinline]] void update_mss();
  [[gnu::noinline]] void path_narrowed();
  [[nodiscard]] std::uint16_t mss_to_offer() const;
  [[nodiscard]] std::uint32_t window_clamp() const noexcept { return settings_->window_clamp.value_or(UINT32_MAX); }
  [[nodiscard]] CongestionParameters congestion_parameters() const;

  // Sleep: connection_idle.cpp
  /// It has nothing to do, as far as can be seen: only then each_lasting() shows all that matters of it.
  [[nodiscard]] bool quiet() const noexcept;
  void watch_quiet() noexcept;
  [[nodiscard]] bool falls_asleep();
  template <class Visit>
  void each_lasting(Visit& visit);
  void restore(const IdleState& idle);
  [[nodiscard]] bool awaits_ack() const noexcept;
  [[nodiscard]] bool becomes_half_open();
  [[nodiscard]] TimePoint handshake_due() const noexcept;
  void take_up(const HalfOpen& kept);

  // Timers: timers.cpp
  void on_retransmit_timer();
  void on_tail_probe_timer();
  void on_persist_timer();
  [[nodiscard]] bool out_of_retries() const;
  void on_keepalive_timer();
  [[nodiscard]] bool expired(Deadline& deadline, std::string_view timer) const;
  void on_user_timeout();
  [[nodiscard]] TimePoint earliest_deadline() const noexcept;
  [[gnu::noinline]] void update_timers();
  void restart_keepalive();
  [[nodiscard]] Duration keepalive_idle() const noexcept;
  [[nodiscard]] bool keepalive_in_vain() const noexcept;
  [[nodiscard]] bool persisting() const noexcept;
  [[nodiscard]] Duration fin_wait_2_timeout() const noexcept;
  void observe_congestion(std::string_view cause) const {
    if (context_.observer != nullptr) show_congestion(cause);
  }
  [[gnu::cold, gnu::noinline]] void show_congestion(std::string_view cause) const;
  void observe_timer(std::string_view timer) const;

  Timer timer_;
};

[[nodiscard]] std::string to_string(const FourTuple& tuple);

}  // namespace tapir::tcp::detail
