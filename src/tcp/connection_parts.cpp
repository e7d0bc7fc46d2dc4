#include "connection_parts.hpp"

#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
std::size_t send_limit(const Settings& settings, const Config& config) { return settings.send_buffer.value_or(config.send_buffer); }
std::size_t receive_limit(const Settings& settings, const Config& config) {
  return settings.receive_buffer.value_or(config.receive_buffer);
}
}  // namespace

ConnectionParts::ConnectionParts(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, SeqNum iss)
    : engine_{&engine},
      context_{engine.context()},
      tuple_{tuple},
      settings_{settings},
      send_buffer_{context_.pool, send_limit(*settings, engine.config())},
      send_base_{iss + 1},
      rtt_{engine.part_configs().rtt},
      recovery_{engine.part_configs().recovery, rtt_, iss},
      pacer_{engine.config().pacing_burst},
      ecn_{settings->ecn.value_or(engine.config().ecn)},
      chunks_{iss},
      small_end_{iss},
      nagle_{settings->nagle},
      receive_buffer_{context_.pool, receive_limit(*settings, engine.config())},
      reassembly_{context_.pool},
      ack_{engine.part_configs().ack},
      receive_tuning_{engine.part_configs().receive_tuning},
      window_growth_{settings->gradual_window},
      memory_{engine.memory()},
      timestamp_clock_{engine.timestamp_offset(tuple)},
      queue_{engine.events()} {}

}  // namespace tapir::tcp::detail
