#pragma once

#include <algorithm>
#include <chrono>

#include <tapir/core/time.hpp>
#include <tapir/tcp/settings.hpp>

namespace tapir::tcp {

/// What the two ends' advertisements make of the user timeout.
struct AdvertisedTimeouts {
  Duration own{};   ///< ADV_UTO
  Duration peer{};  ///< REMOTE_UTO
  Duration rto{};   ///< the retransmission timeout now
};

/// USER_TIMEOUT of RFC 5482 section 3.1: the longer of the two within the limits, though in any case longer than the retransmission timeout.
[[nodiscard]] constexpr Duration adopted_user_timeout(const AdvertisedTimeouts& advertised, const UserTimeoutOption& limits) noexcept {
  const Duration longer = std::max({advertised.own, advertised.peer, limits.lower});
  return std::max(std::min(limits.upper, longer), advertised.rto + std::chrono::seconds{1});
}

/// Whether every member is inside its documented range.
[[nodiscard]] constexpr bool in_range(const UserTimeoutOption& option) noexcept {
  return option.lower > Duration::zero() && option.upper >= option.lower && (!option.advertised || *option.advertised > Duration::zero());
}

}  // namespace tapir::tcp
