#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

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
  };

  [[nodiscard]] bool full() const noexcept { return ends_.size() >= kMostWaiting; }
  /// A send has queued octets up to `end` of the stream.
  void on_sent(std::uint64_t end) { ends_.push_back(end); }
  /// The first `octets` of the stream are acknowledged. Whether a send is newly done.
  bool on_acknowledged(std::uint64_t octets) noexcept {
    bool news = false;
    for (; !ends_.empty() && ends_.front() <= octets; ends_.pop_front(), news = true) {
      if (!done_) done_ = Range{next_, next_};
      done_->last = next_++;
    }
    return news;
  }
  /// The connection is over: nothing is waited for any more.
  bool on_over() noexcept { return on_acknowledged(UINT64_MAX); }
  [[nodiscard]] bool done() const noexcept { return done_.has_value(); }
  [[nodiscard]] std::optional<Range> take() noexcept { return std::exchange(done_, std::nullopt); }

 private:
  std::deque<std::uint64_t> ends_;  ///< of sends that are not done
  std::optional<Range> done_;
  std::uint32_t next_ = 0;  ///< the number of the oldest send not done
};

}  // namespace tapir::posix::detail
