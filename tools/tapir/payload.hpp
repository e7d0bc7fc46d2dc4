#pragma once

#include <expected>
#include <string>

#include <tapir/mqtt/payload.hpp>

#include "command_options.hpp"

namespace tool {

/// The message of -m, -f, -s or -n; empty without any of them. One that is longer than 1 MiB is not held in memory: it is read from its file
/// when it is sent, or, from a pipe, from a temporary one. What is wrong otherwise.
[[nodiscard]] std::expected<tapir::mqtt::Payload, std::string> read_payload(const PayloadOptions& options);

}  // namespace tool
