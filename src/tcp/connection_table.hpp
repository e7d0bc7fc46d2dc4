#pragma once

#include <cstddef>
#include <memory>
#include <unordered_set>
#include <utility>

#include "connection_record.hpp"
#include "four_tuple.hpp"

namespace tapir::tcp::detail {

/// The connections of a stack by their two ends. A record says itself which they are, so an entry is no more than a pointer.
class ConnectionTable {
 public:
  explicit ConnectionTable(const FourTupleHash& hash) : records_{0, Hash{hash}} {}

  void insert(std::shared_ptr<ConnectionRecord> record) { records_.insert(std::move(record)); }
  void erase(const FourTuple& tuple) {
    if (const auto found = records_.find(tuple); found != records_.end()) records_.erase(found);
  }
  [[nodiscard]] std::shared_ptr<ConnectionRecord> find(const FourTuple& tuple) const {
    const auto found = records_.find(tuple);
    return found == records_.end() ? nullptr : *found;
  }
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }
  /// `visit` must not add or erase any.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& record : records_) visit(*record);
  }
  [[nodiscard]] std::size_t hash(const FourTuple& tuple) const noexcept { return records_.hash_function()(tuple); }

 private:
  static const FourTuple& tuple_of(const FourTuple& tuple) noexcept { return tuple; }
  static const FourTuple& tuple_of(const std::shared_ptr<ConnectionRecord>& record) noexcept { return record->tuple(); }
  struct Hash {
    using is_transparent = void;
    FourTupleHash of_tuple;
    std::size_t operator()(const auto& named) const noexcept { return of_tuple(tuple_of(named)); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const noexcept { return tuple_of(a) == tuple_of(b); }
  };

  std::unordered_set<std::shared_ptr<ConnectionRecord>, Hash, Same> records_;
};

}  // namespace tapir::tcp::detail
