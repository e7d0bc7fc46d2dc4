#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include <tapir/core/time.hpp>

namespace tapir::posix::detail {

/// Which sends with MSG_ZEROCOPY the program is to be told of: each has a number, counted from 0, and is done when the peer has acknowledged its last octet.
/// What is sent is copied here, which the completions say (SO_EE_CODE_ZEROCOPY_COPIED).
class ZeroCopy {
 public:
  static constexpr std::size_t kMostWaiting = 4096;  ///< sends under way; Linux, too, bounds them (net.core.optmem_max)

  /// The numbers of sends that are done, first and last.
  struct Range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    TimePoint since{};  ///< when the first one was
  };

  [[nodiscard]] bool full() const noexcept { return ends_.size() >= kMostWaiting; }
  /// A send has queued octets up to `end` of the stream.
  void on_sent(std::uint64_t end) { ends_.push_back(end); }
  /// The first `octets` of the stream are acknowledged at `now`. Whether a send is newly done.
  bool on_acknowledged(std::uint64_t octets, TimePoint now) {
    bool news = false;
    for (; !ends_.empty() && ends_.front() <= octets; ends_.pop_front(), news = true) {
      if (std::exchange(range_over_, false) || done_.empty()) done_.push_back({.first = next_, .last = next_, .since = now});
      done_.back().last = next_++;
    }
    return news;
  }
  /// The connection is over: nothing is waited for any more.
  bool on_over(TimePoint now) { return on_acknowledged(UINT64_MAX, now); }
  /// Something else has come for MSG_ERRQUEUE: what is done from now on stands behind it.
  void end_range() noexcept { range_over_ = true; }
  [[nodiscard]] bool done() const noexcept { return !done_.empty(); }
  /// When the oldest that is done was; TimePoint::max(): none is.
  [[nodiscard]] TimePoint since() const noexcept { return done_.empty() ? TimePoint::max() : done_.front().since; }
  [[nodiscard]] std::optional<Range> take() {
    if (done_.empty()) return std::nullopt;
    const Range oldest = done_.front();
    done_.pop_front();
    return oldest;
  }

 private:
  std::deque<std::uint64_t> ends_;  ///< of sends that are not done
  std::deque<Range> done_;
  bool range_over_ = false;
  std::uint32_t next_ = 0;  ///< the number of the oldest send not done
};

}  // namespace tapir::posix::detail
