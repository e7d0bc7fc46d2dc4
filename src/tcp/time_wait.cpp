#include "time_wait.hpp"

#include <algorithm>
#include <utility>

#include "connection_core.hpp"

namespace tapir::tcp {

TimeWaitTable::TimeWaitTable(Context& context, const SipKey& key, Duration length, std::size_t capacity)
    : context_{context},
      length_{length},
      capacity_{std::max<std::size_t>(capacity, 1)},
      index_{0, FourTupleHash{key}},
      timer_{Timer::calling<&TimeWaitTable::expire>(context.scheduler, *this)} {}

void TimeWaitTable::insert(TimeWaitRecord record) {
  erase(record.tuple);
  if (index_.size() >= capacity_) drop(entries_.begin());
  const FourTuple tuple = record.tuple;
  index_.emplace(tuple, entries_.insert(entries_.end(), Entry{std::move(record), deadline_after(context_.now(), length_)}));
  arm();
}

void TimeWaitTable::restart(const FourTuple& tuple) {
  const auto found = index_.find(tuple);
  if (found == index_.end()) return;
  found->second->expires = deadline_after(context_.now(), length_);
  entries_.splice(entries_.end(), entries_, found->second);
  arm();
}

void TimeWaitTable::note_timestamp(const FourTuple& tuple, std::uint32_t value) {
  if (const auto found = index_.find(tuple); found != index_.end()) found->second->record.ts_recent = value;
}

void TimeWaitTable::erase(const FourTuple& tuple) {
  if (const auto found = index_.find(tuple); found != index_.end()) drop(found->second);
}

const TimeWaitRecord* TimeWaitTable::find(const FourTuple& tuple) const noexcept {
  const auto found = index_.find(tuple);
  return found == index_.end() ? nullptr : &found->second->record;
}

void TimeWaitTable::expire() {
  while (!entries_.empty() && entries_.front().expires <= context_.now()) drop(entries_.begin());
  arm();
}

void TimeWaitTable::drop(Entries::iterator entry) {
  if (context_.observer != nullptr) {
    const auto former = detail::to_string(entry->record.tuple);
    context_.observer->changed_state({context_.now(), former, name(State::time_wait), name(State::closed)});
  }
  if (const auto connection = entry->record.connection.lock()) connection->time_wait_over();
  index_.erase(entry->record.tuple);
  entries_.erase(entry);
}

void TimeWaitTable::arm() {
  if (entries_.empty()) {
    timer_.cancel();
  } else if (!timer_.armed() || timer_.deadline() != entries_.front().expires) {
    timer_.arm_at(entries_.front().expires);
  }
}

}  // namespace tapir::tcp
