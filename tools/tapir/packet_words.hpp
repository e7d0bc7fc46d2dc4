#pragma once

#include <string>
#include <vector>

#include <tapir/core/observer.hpp>

namespace tool {

/// An MQTT packet as mosquitto's clients show it with -d: "sending PUBLISH (d0, q1, r0, m1, 'a/b', ... (5 bytes))". One line, of SUBSCRIBE and
/// UNSUBSCRIBE one for each filter.
[[nodiscard]] std::vector<std::string> debug_lines(const tapir::Crossing& packet);

}  // namespace tool
