#pragma once

#include <cstddef>
#include <memory>

#include <tapir/tcp/congestion_control.hpp>

#include "handlers.hpp"
#include "idle_kinds.hpp"
#include "packed_image.hpp"

namespace tapir::tcp::detail {

/// What an idle connection needs to go on as if it had never slept.
struct IdleState {
  std::shared_ptr<const IdleKind> kind;
  PackedImage packed;  ///< its plain state, against that of its kind
  Handlers handlers;
  std::unique_ptr<CongestionControl> congestion;  ///< nullptr: it is among the packed

  /// It is looked at soon: what it consists of is mostly not in the processor's caches.
  void announce() const noexcept {
    packed.announce();
    handlers.announce();
  }
};

}  // namespace tapir::tcp::detail
