#pragma once

#include <cstdint>

#include <tapir/tcp/seq_num.hpp>

#include "ring_queue.hpp"

namespace tapir::tcp {

/// Where the chunks end that writes were taken in (Settings::chunked_writes), as far as they are not sent, and up to where what was written is to be pushed.
class WrittenChunks {
 public:
  struct End {
    SeqNum at{};
    bool push = false;  ///< a lot was written since the last push
  };

  explicit WrittenChunks(SeqNum iss) noexcept : pushed_{iss}, begin_{iss} {}

  /// A chunk begins at `at`, behind octets that are not sent yet (`unsent`) or all are.
  void begin(SeqNum at, bool unsent, std::uint32_t max_window) {
    begin_ = at;
    if (!unsent) return;
    const bool much = distance(pushed_, at) > max_window / 2;  // as Linux' forced_push()
    if (much) pushed_ = at;
    ends_.push_back({.at = at, .push = much});
  }
  /// A write is complete, up to `end`.
  void on_written(SeqNum end) noexcept { pushed_ = end; }
  /// Of the last chunk.
  [[nodiscard]] SeqNum begin() const noexcept { return begin_; }
  /// The first end behind `from`, nullptr when there is none. Those before it are forgotten.
  [[nodiscard]] const End* next_end(SeqNum from) noexcept {
    while (!ends_.empty() && ends_.front().at <= from) ends_.pop_front();
    return ends_.empty() ? nullptr : &ends_.front();
  }
  /// Shows `visit` what matters while all is sent.
  template <class Visit>
  void each_lasting(Visit& visit) {
    visit(pushed_);
    visit(begin_);
  }

 private:
  RingQueue<End> ends_;
  SeqNum pushed_;
  SeqNum begin_;
};

}  // namespace tapir::tcp
