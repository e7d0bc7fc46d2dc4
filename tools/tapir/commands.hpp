#pragma once

#include "console.hpp"
#include "options.hpp"

namespace tool {

/// `tapir pub` and `tapir sub`, once their options are complete. The exit code.
[[nodiscard]] int publish(const NetworkOptions& network, const BrokerOptions& broker, const PublishOptions& options);
[[nodiscard]] int subscribe(const NetworkOptions& network, const BrokerOptions& broker, const SubscribeOptions& options);

}  // namespace tool
