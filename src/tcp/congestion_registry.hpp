#pragma once

#include <memory>
#include <string_view>

#include <tapir/tcp/congestion_control.hpp>

namespace tapir::tcp {

/// The algorithm of that name, the user's before the built-in ones; nullptr for a name that nobody has given.
[[nodiscard]] std::unique_ptr<CongestionControl> make_congestion_control(std::string_view name, const CongestionControls& of_user,
                                                                         const CongestionParameters& parameters);
/// Whether there is one.
[[nodiscard]] bool has_congestion_control(std::string_view name, const CongestionControls& of_user);

}  // namespace tapir::tcp
