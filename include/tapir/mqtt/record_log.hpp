#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace tapir::mqtt {

/// For a transport that carries its bytes in records of another one (TLS, WebSocket): how many of its own bytes the peer has, when the one
/// below tells only how many of its bytes it has. A record arrives whole or not at all.
class RecordLog {
 public:
  void clear() noexcept {
    records_.clear();
    payload_ = 0;
  }
  /// A record with `payload` bytes of ours ends before byte `end` of the stream below.
  void add(std::size_t payload, std::uint64_t end) {
    records_.push_back({payload, end});
    payload_ += payload;
  }
  /// The peer has the first `bytes` of the stream below.
  void acknowledge(std::uint64_t bytes) {
    for (; !records_.empty() && records_.front().end <= bytes; records_.pop_front()) payload_ -= records_.front().payload;
  }
  /// Bytes in records that the peer does not have.
  [[nodiscard]] std::size_t unacknowledged() const noexcept { return payload_; }

 private:
  struct Record {
    std::size_t payload;
    std::uint64_t end;
  };
  std::deque<Record> records_;
  std::size_t payload_ = 0;
};

}  // namespace tapir::mqtt
