#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <tapir/core/context.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "four_tuple.hpp"

namespace tapir::tcp {

namespace detail {
class ConnectionCore;
}

/// All that is left of a connection in TIME-WAIT (RFC 9293 section 3.3.2).
struct TimeWaitRecord {
  FourTuple tuple;
  SeqNum snd_nxt;
  SeqNum rcv_nxt;
  std::uint16_t rcv_wnd = 0;  ///< as it stands in the header
  std::optional<std::uint8_t> ttl;
  std::uint8_t tos = 0;
  bool timestamps = false;      ///< the connection used them
  std::uint32_t ts_recent = 0;  ///< TS.Recent
  std::uint32_t ts_offset = 0;  ///< of the TimestampClock
};

/// A SYN that may open a new incarnation.
struct ReopeningSyn {
  SeqNum seq;
  std::optional<std::uint32_t> timestamp;  ///< TSval
};

/// Whether the SYN is certainly newer than all of the old connection, by its timestamp or by its number (RFC 6191 section 2).
[[nodiscard]] constexpr bool may_reopen(const TimeWaitRecord& record, const ReopeningSyn& syn) noexcept {
  const bool larger_seq = syn.seq > record.rcv_nxt;
  if (!syn.timestamp) return larger_seq;
  if (!record.timestamps) return true;
  const auto newer = static_cast<std::int32_t>(*syn.timestamp - record.ts_recent);
  return newer > 0 || (newer == 0 && larger_seq);
}

/// Connections in TIME-WAIT: a small record each, one timer for all, since all wait equally long. Thousands of them may wait.
class TimeWaitTable {
 public:
  /// `length` is twice the maximum segment lifetime; `capacity` at least 1.
  TimeWaitTable(Context& context, const SipKey& key, Duration length, std::size_t capacity);
  /// For those that wait already, too; of those beyond the new capacity the oldest go at once.
  void set_limits(Duration length, std::size_t capacity);
  TimeWaitTable(const TimeWaitTable&) = delete;
  TimeWaitTable& operator=(const TimeWaitTable&) = delete;
  ~TimeWaitTable() = default;

  /// The wait begins, or begins again. Beyond the capacity the oldest record goes early. `connection`, whose handle shows the state, is told when the wait is
  /// over; nullptr: nobody looks.
  void insert(const TimeWaitRecord& record, detail::ConnectionCore* connection);
  /// `connection` is not there any more.
  void forget(const detail::ConnectionCore& connection) noexcept;
  void restart(const FourTuple& tuple);
  /// TS.Recent moves on.
  void note_timestamp(const FourTuple& tuple, std::uint32_t value);
  /// Ends the wait at once.
  void erase(const FourTuple& tuple);
  [[nodiscard]] const TimeWaitRecord* find(const FourTuple& tuple) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  template <class Visitor>
  void for_each(const Visitor& visit) const {
    for (const Entry* entry = oldest_; entry != nullptr; entry = entry->newer) visit(entry->record);
  }
  /// Those that are to be told.
  template <class Visitor>
  void for_each_connection(const Visitor& visit) const {
    for (const auto& [tuple, connection] : watchers_) visit(*connection);
  }

 private:
  /// An element of the set and of the list of all by age. What changes does not count for the place in the set.
  struct Entry {
    mutable TimeWaitRecord record;
    mutable TimePoint since;
    mutable const Entry* older;
    mutable const Entry* newer;
  };
  struct Hash {
    using is_transparent = void;
    FourTupleHash of_tuple;
    std::size_t operator()(const FourTuple& tuple) const noexcept { return of_tuple(tuple); }
    std::size_t operator()(const Entry& entry) const noexcept { return of_tuple(entry.record.tuple); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Entry& a, const Entry& b) const noexcept { return a.record.tuple == b.record.tuple; }
    bool operator()(const FourTuple& a, const Entry& b) const noexcept { return a == b.record.tuple; }
    bool operator()(const Entry& a, const FourTuple& b) const noexcept { return a.record.tuple == b; }
  };

  void expire();
  [[nodiscard]] TimePoint end_of(const Entry& entry) const noexcept { return deadline_after(entry.since, length_); }
  void drop(const FourTuple& tuple);
  void link_newest(const Entry& entry) noexcept;
  void unlink(const Entry& entry) noexcept;
  void arm();

  Context& context_;
  Duration length_;
  std::size_t capacity_;
  std::unordered_set<Entry, Hash, Same> entries_;
  const Entry* oldest_ = nullptr;
  const Entry* newest_ = nullptr;
  std::unordered_map<FourTuple, detail::ConnectionCore*, FourTupleHash> watchers_;
  Timer timer_;
};

}  // namespace tapir::tcp
