#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <typeinfo>
#include <utility>
#include <vector>

#include "congestion_slot.hpp"
#include "loss_based.hpp"
#include "shared_settings.hpp"

namespace tapir::tcp {

/// What idle connections have in common that have the same settings, such as those of one listener.
struct IdleKind {
  explicit IdleKind(SharedSettings with) noexcept : settings{std::move(with)} {}

  SharedSettings settings;
  CongestionSlot algorithm;      ///< their congestion control; empty: each keeps its own
  std::vector<std::byte> image;  ///< of one of them: the others are packed against it
};

/// The kinds that there are connections of.
class IdleKinds {
 public:
  static constexpr std::size_t kMost = 16;  ///< more are not looked for: connections then have one each

  /// That of a connection with these settings, this congestion control and this image, which is the one to compare with when it is the first of its kind.
  [[nodiscard]] std::shared_ptr<const IdleKind> find(const SharedSettings& settings, const LossBased* algorithm,
                                                     std::span<const std::byte> image) {
    std::erase_if(kinds_, [](const auto& kind) { return kind.expired(); });
    for (const auto& kind : kinds_) {
      if (auto known = kind.lock(); same(known->algorithm.loss_based(), algorithm) && known->settings == settings) return known;
    }
    auto first = std::make_shared<IdleKind>(settings);
    if (algorithm != nullptr) first->algorithm.copy(*algorithm);
    first->image.assign(image.begin(), image.end());
    if (kinds_.size() < kMost) kinds_.push_back(first);
    return first;
  }

 private:
  static bool same(const LossBased* a, const LossBased* b) noexcept {
    if (a == nullptr || b == nullptr) return a == b;
    return typeid(*a) == typeid(*b);
  }

  std::vector<std::weak_ptr<const IdleKind>> kinds_;
};

}  // namespace tapir::tcp
