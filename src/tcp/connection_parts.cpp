#include "connection_parts.hpp"

#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
std::size_t send_limit(const Settings& settings, const Config& config) { return settings.send_buffer.value_or(config.send_buffer); }
std::size_t receive_limit(const Settings& settings, const Config& config) {
  return settings.receive_buffer.value_or(config.receive_buffer);
}
}  // namespace

LossRecovery::Config ConnectionParts::recovery_config(const Config& all) noexcept {
  const RecoveryConfig& config = all.recovery;
  return {.duplicate_threshold = config.reordering,
          .rack = config.rack,
          .tail_loss_probe = config.tail_loss_probe,
          .frto = config.frto,
          .limited_transmit = config.limited_transmit,
          .shortcut = all.header_prediction,
          .max_ack_delay = config.probe_ack_delay};
}

ConnectionParts::ConnectionParts(Engine& engine, const FourTuple& tuple, const SharedSettings& settings, SeqNum iss)
    : engine_{&engine},
      context_{engine.context()},
      tuple_{tuple},
      settings_{settings},
      send_buffer_{context_.pool, send_limit(*settings, engine.config())},
      send_base_{iss + 1},
      rtt_{RttEstimator::Config{.initial_rto = engine.config().initial_rto,
                                .min_rto = engine.config().min_rto,
                                .max_rto = engine.config().max_rto,
                                .granularity = engine.config().rto_granularity}},
      recovery_{recovery_config(engine.config()), rtt_, iss},
      pacer_{engine.config().pacing_burst},
      ecn_{settings->ecn.value_or(engine.config().ecn)},
      chunks_{iss},
      small_end_{iss},
      receive_buffer_{context_.pool, receive_limit(*settings, engine.config())},
      reassembly_{context_.pool},
      ack_{DelayedAck::Config{
          .delay = engine.config().ack_delay, .max_delay = engine.config().max_ack_delay, .quick_acks = engine.config().quick_acks}},
      receive_tuning_{ReceiveTuning::Config{.max_buffer = engine.config().max_receive_buffer}},
      window_growth_{settings->gradual_window},
      memory_{engine.memory()},
      timestamp_clock_{engine.timestamp_offset(tuple)},
      queue_{engine.events()} {}

}  // namespace tapir::tcp::detail
