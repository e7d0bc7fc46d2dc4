#include "half_open.hpp"

namespace tapir::tcp {

namespace {
constexpr std::size_t kKept = 256;  // places for so many are not worth giving back
}

HalfOpenTable::HalfOpenTable(Context& context, const SipKey& key, std::move_only_function<void(const HalfOpen&)> due)
    : context_{context},
      due_{std::move(due)},
      entries_{0, Hash{FourTupleHash{key}}},
      timer_{Timer::calling<&HalfOpenTable::expire>(context.scheduler, *this)} {}

void HalfOpenTable::insert(HalfOpen handshake) {
  const Entry& entry = *entries_.insert({.handshake = std::move(handshake), .order = order_++, .place = 0}).first;
  heap_.push_back(&entry);
  rise(entry, heap_.size() - 1);
  arm();
}

std::optional<HalfOpen> HalfOpenTable::take(const FourTuple& tuple) {
  const auto found = entries_.find(tuple);
  if (found == entries_.end()) return std::nullopt;
  const std::size_t place = found->place;
  const Entry& last = *heap_.back();
  heap_.pop_back();
  if (place < heap_.size()) {
    rise(last, place);
    sink(last, last.place);
  }
  HalfOpen handshake = std::move(found->handshake);
  entries_.erase(found);
  if (entries_.empty() && heap_.capacity() > kKept) {  // many came at once: what they took is given back
    entries_.rehash(0);
    std::vector<const Entry*>{}.swap(heap_);
  }
  arm();
  return handshake;
}

const HalfOpen* HalfOpenTable::find(const FourTuple& tuple) const noexcept {
  const auto found = entries_.find(tuple);
  return found == entries_.end() ? nullptr : &found->handshake;
}

void HalfOpenTable::expire() {
  while (!heap_.empty() && heap_.front()->handshake.due <= context_.now()) due_(*take(FourTuple{heap_.front()->handshake.tuple}));
  arm();
}

bool HalfOpenTable::earlier(const Entry& a, const Entry& b) noexcept {
  if (a.handshake.due != b.handshake.due) return a.handshake.due < b.handshake.due;
  return static_cast<std::int32_t>(a.order - b.order) < 0;
}

void HalfOpenTable::put(const Entry& entry, std::size_t place) noexcept {
  heap_[place] = &entry;
  entry.place = static_cast<std::uint32_t>(place);
}

void HalfOpenTable::rise(const Entry& entry, std::size_t place) noexcept {
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (!earlier(entry, *heap_[parent])) break;
    put(*heap_[parent], place);
    place = parent;
  }
  put(entry, place);
}

void HalfOpenTable::sink(const Entry& entry, std::size_t place) noexcept {
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && earlier(*heap_[child + 1], *heap_[child])) ++child;
    if (!earlier(*heap_[child], entry)) break;
    put(*heap_[child], place);
    place = child;
  }
  put(entry, place);
}

void HalfOpenTable::arm() {
  if (heap_.empty()) {
    timer_.cancel();
  } else if (!timer_.armed() || timer_.deadline() != heap_.front()->handshake.due) {
    timer_.arm_at(heap_.front()->handshake.due);
  }
}

}  // namespace tapir::tcp
