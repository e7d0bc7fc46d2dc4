#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

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
  std::uint16_t rcv_wnd = 0;
  std::optional<std::uint8_t> ttl;
  std::uint8_t tos = 0;
  std::weak_ptr<detail::ConnectionCore> connection;  ///< whose handle shows the state
};

/// Connections in TIME-WAIT: a small record each, one timer for all, since all wait equally long.
class TimeWaitTable {
 public:
  /// `length` is twice the maximum segment lifetime; `capacity` at least 1.
  TimeWaitTable(Context& context, const SipKey& key, Duration length, std::size_t capacity);

  /// The wait begins, or begins again. Beyond the capacity the oldest record goes early.
  void insert(TimeWaitRecord record);
  void restart(const FourTuple& tuple);
  /// Ends the wait at once.
  void erase(const FourTuple& tuple);
  [[nodiscard]] const TimeWaitRecord* find(const FourTuple& tuple) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (const Entry& entry : entries_) visit(entry.record);
  }

 private:
  struct Entry {
    TimeWaitRecord record;
    TimePoint expires;
  };
  using Entries = std::list<Entry>;

  void expire();
  void drop(Entries::iterator entry);
  void arm();

  Context& context_;
  Duration length_;
  std::size_t capacity_;
  Entries entries_;  ///< oldest first
  std::unordered_map<FourTuple, Entries::iterator, FourTupleHash> index_;
  Timer timer_;
};

}  // namespace tapir::tcp
