#pragma once

#include <cstddef>
#include <memory>

#include <tapir/tcp/congestion_control.hpp>

#include "idle_kinds.hpp"
#include "packed_events.hpp"
#include "packed_image.hpp"

namespace tapir::tcp::detail {

/// What an idle connection needs to go on as if it had never slept.
struct IdleState {
  std::shared_ptr<const IdleKind> kind;
  PackedImage packed;  ///< its plain state, against that of its kind
  PackedEvents events;
  std::unique_ptr<CongestionControl> congestion;  ///< nullptr: it is among the packed
};

}  // namespace tapir::tcp::detail
