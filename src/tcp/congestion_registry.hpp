#pragma once

#include <string_view>

#include <tapir/tcp/congestion_control.hpp>

#include "congestion_slot.hpp"

namespace tapir::tcp {

/// Puts the algorithm of that name into `slot`, the user's before the built-in ones; false, and nothing done, for a name that nobody has given.
[[nodiscard]] bool make_congestion_control(std::string_view name, const CongestionControls& of_user, const CongestionParameters& parameters,
                                           CongestionSlot& slot);
/// Whether there is one.
[[nodiscard]] bool has_congestion_control(std::string_view name, const CongestionControls& of_user);

}  // namespace tapir::tcp
