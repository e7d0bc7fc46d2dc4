#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <tapir/core/branch.hpp>

#include "four_tuple.hpp"

namespace tapir::tcp {

/// Connections by their two ends. `Connection` has tuple(), which stays the same while it is here. Open addressing with linear probing: a slot holds 32 bits of
/// the hash beside the connection, so that a lookup among a million costs one cache miss here, and the next is that of the connection itself. One thread.
template <class Connection>
class ConnectionTable {
 public:
  explicit ConnectionTable(const FourTupleHash& hash) : hash_{hash} {}
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t hash(const FourTuple& tuple) const noexcept { return hash_(tuple); }

  /// nullptr when there is none; valid until it is erased.
  [[nodiscard]] Connection* look(const FourTuple& tuple) const noexcept {
    const Slot* const slot = slot_of(tuple);
    return slot == nullptr ? nullptr : slot->connection.get();
  }
  /// Empty when there is none.
  [[nodiscard]] std::shared_ptr<Connection> find(const FourTuple& tuple) const noexcept {
    const Slot* const slot = slot_of(tuple);
    return slot == nullptr ? nullptr : slot->connection;
  }
  [[nodiscard]] bool contains(const FourTuple& tuple) const noexcept { return slot_of(tuple) != nullptr; }

  /// Of one tuple there is one connection at a time: the caller has seen to that.
  void insert(std::shared_ptr<Connection> connection) {
    if ((size_ + 1) * 4 > slots_.size() * 3) resize(std::max(least_slots, slots_.size() * 2));
    const std::uint32_t tag = tag_of(connection->tuple());
    place({std::move(connection), tag});
    ++size_;
  }

  void erase(const FourTuple& tuple) {
    const Slot* const found = slot_of(tuple);
    if (found == nullptr) return;
    last_found_ = nullptr;
    auto gap = static_cast<std::size_t>(found - slots_.data());
    const std::shared_ptr<Connection> gone =
        std::exchange(slots_[gap].connection, nullptr);  // its end may ask the table: after all is in order
    --size_;
    // What was pushed past the gap by it moves back, so that no search ends too early.
    for (std::size_t at = next(gap); slots_[at].connection != nullptr; at = next(at)) {
      const std::size_t home = slots_[at].tag & mask();
      if (((at - home) & mask()) < ((at - gap) & mask())) continue;
      slots_[gap] = std::exchange(slots_[at], {});
      gap = at;
    }
    if (slots_.size() > least_slots && size_ * 8 < slots_.size()) resize(slots_.size() / 2);
  }

  /// Visits every connection, in no particular order. The visitor must not add or remove any.
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.connection != nullptr) visit(*slot.connection);
    }
  }

 private:
  static constexpr std::size_t least_slots = 16;
  struct Slot {
    std::shared_ptr<Connection> connection;  ///< empty: a free slot
    std::uint32_t tag = 0;                   ///< of its tuple: where its search begins, and which slots need no second look
  };

  [[nodiscard]] std::uint32_t tag_of(const FourTuple& tuple) const noexcept {
    if (unlikely(tuple != hashed_.tuple)) hashed_ = {tuple, static_cast<std::uint32_t>(hash_(tuple))};
    return hashed_.tag;
  }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }

  [[nodiscard]] const Slot* slot_of(const FourTuple& tuple) const noexcept {
    if (likely(last_found_ != nullptr) && likely(last_found_->connection->tuple() == tuple)) return last_found_;
    if (slots_.empty()) return nullptr;
    const std::uint32_t tag = tag_of(tuple);
    for (std::size_t at = tag & mask(); slots_[at].connection != nullptr; at = next(at)) {
      if (slots_[at].tag == tag && slots_[at].connection->tuple() == tuple) return last_found_ = &slots_[at];
    }
    return nullptr;
  }
  void place(Slot slot) noexcept {
    last_found_ = nullptr;
    std::size_t at = slot.tag & mask();
    while (slots_[at].connection != nullptr) at = next(at);
    slots_[at] = std::move(slot);
  }
  /// `count` is a power of two.
  void resize(std::size_t count) {
    std::vector<Slot> before(count);
    before.swap(slots_);
    for (Slot& slot : before) {
      if (slot.connection != nullptr) place(std::move(slot));
    }
  }

  struct Hashed {
    FourTuple tuple;
    std::uint32_t tag;
  };

  FourTupleHash hash_;
  mutable Hashed hashed_{{}, static_cast<std::uint32_t>(hash_({}))};  ///< the last one: what is not found is mostly inserted next
  std::vector<Slot> slots_;                   ///< none, or a power of two of them, a quarter of which is free at least
  mutable const Slot* last_found_ = nullptr;  ///< the next segment is mostly of the same connection; nullptr once the slots have changed
  std::size_t size_ = 0;
};

}  // namespace tapir::tcp
