#pragma once

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include <tapir/core/time.hpp>

namespace tapir::posix::detail {

/// SO_TIMESTAMPING of a stream (Linux' Documentation/networking/timestamping): when the last octet of each write was handed down, left, and was acknowledged.
class TransmitTimestamps {
 public:
  static constexpr std::size_t kMostWaiting = 4096;  ///< reports; Linux, too, bounds them (net.core.optmem_max)

  struct Report {
    std::uint32_t kind = SCM_TSTAMP_SND;  ///< ee_info
    std::uint32_t key = 0;                ///< ee_data: the octet's place in the stream with SOF_TIMESTAMPING_OPT_ID, else 0
    TimePoint at{};
  };

  /// SOF_TIMESTAMPING_*. With OPT_ID anew octets count from `origin` of the stream on.
  void set(std::uint32_t flags, std::uint64_t origin) noexcept {
    if (!has(SOF_TIMESTAMPING_OPT_ID) && (flags & SOF_TIMESTAMPING_OPT_ID) != 0) origin_ = origin;
    flags_ = flags;
  }
  [[nodiscard]] bool has(std::uint32_t flag) const noexcept { return (flags_ & flag) != 0; }
  /// Whether writes are to be reported at all; with SOF_TIMESTAMPING_SOFTWARE the reports say when.
  [[nodiscard]] bool wanted() const noexcept { return has(kStages) || !writes_.empty(); }

  /// A write has queued octets up to `end` of the stream; `stages` it has asked for by itself.
  void on_queued(std::uint64_t end, const std::optional<std::uint32_t>& stages = {}) {
    const std::uint32_t wishes = stages.value_or(flags_) & kStages;
    if (wishes == 0 || writes_.size() >= kMostWaiting) return;
    writes_.push_back(
        {.end = end, .key = has(SOF_TIMESTAMPING_OPT_ID) ? static_cast<std::uint32_t>(end - 1 - origin_) : 0, .wishes = wishes});
  }
  /// The first `octets` of the stream have left, the last of them at `at`. Whether there are new reports.
  bool on_left(std::uint64_t octets, TimePoint at) {
    bool news = false;
    for (Write& write : writes_) {
      if (write.end > octets) break;
      if (std::exchange(write.left, true)) continue;
      news = report(write, SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED, at) || news;
      news = report(write, SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND, at) || news;
    }
    return news;
  }
  /// The first `octets` of the stream are acknowledged since `at`.
  bool on_acknowledged(std::uint64_t octets, TimePoint at) {
    bool news = on_left(octets, at);
    for (; !writes_.empty() && writes_.front().end <= octets; writes_.pop_front()) {
      news = report(writes_.front(), SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK, at) || news;
    }
    return news;
  }
  /// A new connection begins.
  void restart() noexcept {
    writes_.clear();
    reports_.clear();
    origin_ = 0;
  }
  void forget_reports() noexcept { reports_.clear(); }
  [[nodiscard]] bool ready() const noexcept { return !reports_.empty(); }
  /// The time that the oldest report tells; TimePoint::max(): there is none.
  [[nodiscard]] TimePoint since() const noexcept { return reports_.empty() ? TimePoint::max() : reports_.front().at; }
  [[nodiscard]] std::optional<Report> take() {
    if (reports_.empty()) return std::nullopt;
    const Report first = reports_.front();
    reports_.pop_front();
    return first;
  }

 private:
  static constexpr std::uint32_t kStages = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK;

  struct Write {
    std::uint64_t end = 0;
    std::uint32_t key = 0;
    std::uint32_t wishes = 0;  ///< SOF_TIMESTAMPING_TX_*
    bool left = false;
  };

  bool report(const Write& write, std::uint32_t wish, std::uint32_t kind, TimePoint at) {
    if ((write.wishes & wish) == 0 || reports_.size() >= kMostWaiting) return false;
    reports_.push_back({.kind = kind, .key = write.key, .at = at});
    return true;
  }

  std::uint32_t flags_ = 0;
  std::uint64_t origin_ = 0;
  std::deque<Write> writes_;  ///< not acknowledged
  std::deque<Report> reports_;
};

}  // namespace tapir::posix::detail
