#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <tapir/tcp/seq_num.hpp>
#include <tapir/tcp/settings.hpp>

#include "header.hpp"

namespace tapir::tcp {

/// Explicit congestion notification of one connection (RFC 3168 section 6.1): who agreed on it, what the receiver owes the sender, what the sender owes the
/// receiver.
class Ecn {
 public:
  static constexpr std::uint8_t kMask = 0x03;  ///< the ECN field in the TOS octet (section 5)
  static constexpr std::uint8_t kEct0 = 0x02;
  static constexpr std::uint8_t kCe = 0x03;
  static constexpr Flags kSetup = Flags::ece | Flags::cwr;

  explicit Ecn(EcnMode mode) noexcept : mode_{mode} {}

  // The handshake (section 6.1.1).
  /// The ECN flags of our SYN; one that is sent again does without, for hosts in between that throw ECN-setup SYNs away (section 6.1.1.1).
  [[nodiscard]] Flags syn_flags(bool again) noexcept;
  /// The peer's SYN.
  void on_syn(Flags flags) noexcept { negotiated_ = mode_ != EcnMode::off && (flags & kSetup) == kSetup; }
  /// The ECN flags of our SYN,ACK.
  [[nodiscard]] Flags syn_ack_flags() const noexcept { return negotiated_ ? Flags::ece : Flags::none; }
  /// The peer's SYN once more: a plain one takes back what an ECN-setup SYN before it said.
  void on_syn_again(Flags flags) noexcept {
    if ((flags & kSetup) != kSetup) negotiated_ = false;
  }
  /// The peer's SYN,ACK to our SYN.
  void on_syn_ack(Flags flags) noexcept { negotiated_ = asked_ && (flags & kSetup) == Flags::ece; }
  [[nodiscard]] bool negotiated() const noexcept { return negotiated_; }

  // The receiver (section 6.1.3).
  /// A segment within the window.
  void on_segment(Flags flags, std::uint8_t tos) noexcept;
  /// The ECN flags of an acknowledgment.
  [[nodiscard]] Flags ack_flags() const noexcept { return echo_ ? Flags::ece : Flags::none; }

  // The sender (section 6.1.2).
  /// An acknowledgment of what lies before `ack`. Returns whether it asks for a reduction: once for each window of data.
  [[nodiscard]] bool on_ack(Flags flags, SeqNum ack) noexcept;
  /// Whether the latest one carried ECE.
  [[nodiscard]] bool echoed() const noexcept { return echoed_; }
  /// The window was reduced, for whatever reason: the receiver is to be told, and marks of what is outstanding tell nothing new.
  void on_reduced(SeqNum snd_nxt) noexcept;
  /// It was reduced because of the marks that on_ack() told of.
  void on_echo_answered(SeqNum snd_nxt) noexcept {
    on_reduced(snd_nxt);
    answered_until_ = snd_nxt;
  }
  /// Whether an answer to marks is under way: until something sent after it is acknowledged, and with that the CWR flag.
  [[nodiscard]] bool answering() const noexcept { return answered_until_.has_value(); }
  /// Whether the next new segment is to carry CWR.
  [[nodiscard]] bool cwr_due() const noexcept { return cwr_due_; }
  /// The next segment carries so much new data: only such ones are ECN-capable (sections 6.1.4-6). Returns its ECN flags.
  [[nodiscard]] Flags on_new_data(std::uint32_t bytes) noexcept;
  /// The ECN field of the segment that leaves now.
  [[nodiscard]] std::uint8_t take_field() noexcept { return std::exchange(field_, std::uint8_t{0}); }

 private:
  EcnMode mode_;
  bool asked_ = false;  ///< an ECN-setup SYN went out, and no plain one
  bool negotiated_ = false;
  bool echo_ = false;
  bool echoed_ = false;
  bool cwr_due_ = false;
  std::uint8_t field_ = 0;                ///< of the next segment
  std::optional<SeqNum> answered_until_;  ///< SND.NXT at the last answer to marks, until something sent after it is acknowledged
  std::optional<SeqNum> reduced_at_;      ///< SND.NXT at the last reduction, until something sent after it is acknowledged
};

}  // namespace tapir::tcp
