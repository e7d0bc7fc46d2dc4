#include "time_wait.hpp"

#include <algorithm>
#include <utility>

#include "connection_core.hpp"

namespace tapir::tcp {

TimeWaitTable::TimeWaitTable(Context& context, const SipKey& key, Duration length, std::size_t capacity)
    : context_{context},
      length_{length},
      capacity_{std::max<std::size_t>(capacity, 1)},
      entries_{0, Hash{FourTupleHash{key}}},
      watchers_{0, FourTupleHash{key}},
      timer_{Timer::calling<&TimeWaitTable::expire>(context.scheduler, *this)} {}

void TimeWaitTable::set_limits(Duration length, std::size_t capacity) {
  length_ = length;
  capacity_ = std::max<std::size_t>(capacity, 1);
  while (entries_.size() > capacity_) drop(FourTuple{oldest_->record.tuple});
  arm();
}

void TimeWaitTable::insert(const TimeWaitRecord& record, detail::ConnectionCore* connection) {
  erase(record.tuple);
  if (entries_.size() >= capacity_) drop(FourTuple{oldest_->record.tuple});
  const auto entry = entries_.insert({record, context_.now(), nullptr, nullptr}).first;
  link_newest(*entry);
  if (connection != nullptr) watchers_.emplace(record.tuple, connection);
  arm();
}

void TimeWaitTable::forget(const detail::ConnectionCore& connection) noexcept {
  if (watchers_.empty()) return;
  const auto found = watchers_.find(connection.tuple());
  if (found != watchers_.end() && found->second == &connection) watchers_.erase(found);
}

void TimeWaitTable::restart(const FourTuple& tuple) {
  const auto found = entries_.find(tuple);
  if (found == entries_.end()) return;
  found->since = context_.now();
  unlink(*found);
  link_newest(*found);
  arm();
}

void TimeWaitTable::note_timestamp(const FourTuple& tuple, std::uint32_t value) {
  if (const auto found = entries_.find(tuple); found != entries_.end()) found->record.ts_recent = value;
}

void TimeWaitTable::erase(const FourTuple& tuple) {
  if (entries_.contains(tuple)) drop(FourTuple{tuple});
}

const TimeWaitRecord* TimeWaitTable::find(const FourTuple& tuple) const noexcept {
  if (entries_.empty()) return nullptr;
  const auto found = entries_.find(tuple);
  return found == entries_.end() ? nullptr : &found->record;
}

void TimeWaitTable::expire() {
  while (oldest_ != nullptr && end_of(*oldest_) <= context_.now()) drop(FourTuple{oldest_->record.tuple});
  arm();
}

/// `tuple` is not that of the entry itself, which goes.
void TimeWaitTable::drop(const FourTuple& tuple) {
  if (context_.observer != nullptr) {
    context_.observer->changed_state({context_.now(), detail::to_string(tuple), name(State::time_wait), name(State::closed)});
  }
  if (const auto watcher = watchers_.find(tuple); watcher != watchers_.end()) {
    watcher->second->time_wait_over();
    watchers_.erase(watcher);
  }
  const auto found = entries_.find(tuple);
  unlink(*found);
  entries_.erase(found);
}

void TimeWaitTable::link_newest(const Entry& entry) noexcept {
  entry.older = std::exchange(newest_, &entry);
  entry.newer = nullptr;
  (entry.older == nullptr ? oldest_ : entry.older->newer) = &entry;
}

void TimeWaitTable::unlink(const Entry& entry) noexcept {
  (entry.older == nullptr ? oldest_ : entry.older->newer) = entry.newer;
  (entry.newer == nullptr ? newest_ : entry.newer->older) = entry.older;
}

void TimeWaitTable::arm() {
  if (oldest_ == nullptr) {
    timer_.cancel();
  } else if (!timer_.armed() || timer_.deadline() != end_of(*oldest_)) {
    timer_.arm_at(end_of(*oldest_));
  }
}

}  // namespace tapir::tcp
