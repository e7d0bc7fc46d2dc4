#pragma once

#include <tapir/runtime/shards.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir {

/// `config` for the stack of one shard: the hardware address that all have, and local ports whose answers come to this one.
[[nodiscard]] inline StackConfig of_shard(StackConfig config, const Shard& shard) {
  const auto ports = shard.ports();
  config.mac = shard.mac();
  config.tcp.first_ephemeral = config.udp.first_ephemeral = ports.first;
  config.tcp.last_ephemeral = config.udp.last_ephemeral = ports.last;
  return config;
}

}  // namespace tapir
