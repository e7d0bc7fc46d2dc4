#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tapir/core/observer.hpp>

namespace tapir::test {

using Transition = std::pair<std::string, std::string>;

/// Keeps every state change that a stack reports.
class StateLog final : public Observer {
 public:
  struct Change {
    TimePoint at;
    std::string from;
    std::string to;
  };

  void changed_state(const StateChange& change) override {
    auto& changes = change.connection.ends_with('*') ? listeners_ : connections_;
    changes.push_back({change.at, std::string{change.from}, std::string{change.to}});
  }

  /// "CLOSED SYN-SENT ESTABLISHED": where the connection went. A change that does not begin where the one before ended follows a bar.
  [[nodiscard]] std::string path() const { return path_of(connections_); }
  [[nodiscard]] std::string listener_path() const { return path_of(listeners_); }
  [[nodiscard]] const std::vector<Change>& changes() const { return connections_; }
  [[nodiscard]] std::set<Transition> transitions() const {
    std::set<Transition> all;
    for (const auto* changes : {&connections_, &listeners_}) {
      for (const Change& change : *changes) all.emplace(change.from, change.to);
    }
    return all;
  }
  void forget() {
    connections_.clear();
    listeners_.clear();
  }

 private:
  static std::string path_of(const std::vector<Change>& changes) {
    std::string path;
    const std::string* last = nullptr;
    for (const Change& change : changes) {
      if (last == nullptr || *last != change.from) path += (last == nullptr ? "" : " | ") + change.from;
      path += " " + change.to;
      last = &change.to;
    }
    return path;
  }

  std::vector<Change> connections_;
  std::vector<Change> listeners_;
};

}  // namespace tapir::test
