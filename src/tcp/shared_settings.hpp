#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <tapir/tcp/settings.hpp>

namespace tapir::tcp {

/// The settings of a connection. Those that have the same share them, as most connections of one listener do: they are large, and little of them is looked at.
class SharedSettings {
 public:
  explicit SharedSettings(Settings settings) : settings_{std::make_shared<Settings>(std::move(settings))} {}

  [[nodiscard]] const Settings& operator*() const noexcept { return *settings_; }
  [[nodiscard]] const Settings* operator->() const noexcept { return settings_.get(); }
  /// To be changed: those of nobody else.
  [[nodiscard]] Settings& own() {
    if (settings_.use_count() > 1) settings_ = std::make_shared<Settings>(*settings_);
    return *settings_;
  }
  friend bool operator==(const SharedSettings& one, const SharedSettings& other) noexcept {
    return one.settings_ == other.settings_ || *one.settings_ == *other.settings_;
  }

 private:
  std::shared_ptr<Settings> settings_;
};

/// The latest settings that connections began with.
class SettingsCache {
 public:
  [[nodiscard]] SharedSettings share(const Settings& settings) {
    for (const SharedSettings& known : known_) {
      if (*known == settings) return known;
    }
    SharedSettings fresh{settings};
    if (known_.size() < kMost) {
      known_.push_back(fresh);
    } else {
      known_[next_++ % kMost] = fresh;
    }
    return fresh;
  }

 private:
  static constexpr std::size_t kMost = 4;

  std::vector<SharedSettings> known_;
  std::size_t next_ = 0;  ///< of them: the one that goes first
};

}  // namespace tapir::tcp
