#pragma once

#include "command_options.hpp"
#include "console.hpp"

namespace tool {

/// `tapir pub`, `tapir sub` and `tapir rr`, once their options are complete. The exit code.
[[nodiscard]] int publish(const NetworkOptions& network, const BrokerOptions& broker, const PublishOptions& options);
[[nodiscard]] int subscribe(const NetworkOptions& network, const BrokerOptions& broker, const SubscribeOptions& options);
[[nodiscard]] int request(const NetworkOptions& network, const BrokerOptions& broker, const RequestOptions& options);

}  // namespace tool
