#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <tapir/tcp/settings.hpp>

namespace tapir::tcp {

/// Settings of which many connections have the same: those of one listener, or of one program. Nobody changes them.
class SharedSettings {
 public:
  static constexpr std::size_t kKinds = 16;  ///< more are not looked for: connections then have their own

  [[nodiscard]] std::shared_ptr<const Settings> find(const Settings& settings) {
    std::erase_if(kinds_, [](const auto& kind) { return kind.expired(); });
    for (const auto& kind : kinds_) {
      if (auto known = kind.lock(); *known == settings) return known;
    }
    auto own = std::make_shared<const Settings>(settings);
    if (kinds_.size() < kKinds) kinds_.push_back(own);
    return own;
  }

 private:
  std::vector<std::weak_ptr<const Settings>> kinds_;
};

}  // namespace tapir::tcp
