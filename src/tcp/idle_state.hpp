#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <tapir/tcp/congestion_control.hpp>
#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/settings.hpp>

namespace tapir::tcp::detail {

/// What an idle connection needs to go on as if it had never slept.
struct IdleState {
  std::vector<std::byte> packed;                       ///< its plain state, against that of a new connection
  std::shared_ptr<const Settings> settings;            ///< shared with others that have the same
  std::shared_ptr<Events> events;                      ///< nullptr: nobody listens
  std::unique_ptr<CongestionControl> congestion = {};  ///< nullptr: it is among the packed
};

}  // namespace tapir::tcp::detail
