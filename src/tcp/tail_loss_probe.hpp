#pragma once

#include <algorithm>
#include <optional>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "deadline.hpp"
#include "rack_tlp.hpp"

namespace tapir::tcp {

/// State of tail loss probes (RFC 8985 section 7).
class TailLossProbe {
 public:
  /// What an acknowledgment says of a probe that is out.
  struct Evidence {
    SeqNum ack{};
    bool duplicate_of_probe = false;  ///< a DSACK of the probe
    bool plain_duplicate = false;     ///< a duplicate ACK without any SACK block
  };

  /// New data left, or an acknowledgment moved SND.UNA: the timer starts anew at the next schedule().
  void rearm() noexcept { rearm_ = true; }
  void cancel() noexcept { deadline_.reset(); }
  void schedule(TimePoint now, Duration timeout, Deadline rto_deadline) noexcept {
    if (unlikely(!rearm_)) return;
    rearm_ = false;
    deadline_ = std::min(now + timeout, *rto_deadline);
  }
  [[nodiscard]] Deadline deadline() const noexcept { return deadline_; }

  void on_rtt_sample() noexcept { sampled_ = true; }
  /// Section 7.3: one at a time, and a round trip measured in between.
  [[nodiscard]] bool may_probe() const noexcept { return !end_ && sampled_; }
  [[nodiscard]] bool outstanding() const noexcept { return end_.has_value(); }
  [[nodiscard]] std::optional<SeqNum> end() const noexcept { return end_; }
  /// `end`: SND.NXT after the probe.
  void on_sent(SeqNum end, bool retransmission) noexcept {
    end_ = end;
    retransmission_ = retransmission;
    sampled_ = false;
  }
  /// A timeout makes the probe meaningless.
  void forget() noexcept {
    end_.reset();
    deadline_.reset();
  }
  /// Section 7.4.2. True: the probe repaired a loss that nothing else has told of.
  [[nodiscard]] bool on_ack(const Evidence& evidence) noexcept {
    if (!end_ || evidence.ack < *end_) return false;
    const bool repaired = retransmission_ && !evidence.duplicate_of_probe && evidence.ack > *end_;
    const bool settled = !retransmission_ || evidence.duplicate_of_probe || evidence.plain_duplicate || repaired;
    if (settled) end_.reset();
    return repaired;
  }

 private:
  std::optional<SeqNum> end_;  ///< TLP.end_seq
  bool retransmission_ = false;
  bool sampled_ = false;  ///< a round trip was measured since the last probe
  bool rearm_ = false;
  Deadline deadline_;
};

}  // namespace tapir::tcp
