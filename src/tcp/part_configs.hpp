#pragma once

#include <tapir/tcp/settings.hpp>

#include "delayed_ack.hpp"
#include "loss_recovery.hpp"
#include "receive_tuning.hpp"
#include "rtt_estimator.hpp"

namespace tapir::tcp::detail {

/// What the stack's Config says of the parts of every connection. It is put together once: made anew for each connection, its small fields would still be on
/// their way to memory when the part copies it whole, and the processor would wait for all that was written before, the connection's cleared memory.
struct PartConfigs {
  RttEstimator::Config rtt;
  LossRecovery::Config recovery;
  DelayedAck::Config ack;
  ReceiveTuning::Config receive_tuning;

  explicit PartConfigs(const Config& all) noexcept
      : rtt{.initial_rto = all.initial_rto, .min_rto = all.min_rto, .max_rto = all.max_rto, .granularity = all.rto_granularity},
        recovery{.duplicate_threshold = all.recovery.reordering,
                 .rack = all.recovery.rack,
                 .tail_loss_probe = all.recovery.tail_loss_probe,
                 .frto = all.recovery.frto,
                 .limited_transmit = all.recovery.limited_transmit,
                 .shortcut = all.header_prediction,
                 .max_ack_delay = all.recovery.probe_ack_delay},
        ack{.delay = all.ack_delay, .max_delay = all.max_ack_delay, .quick_acks = all.quick_acks},
        receive_tuning{.max_buffer = all.max_receive_buffer} {}
};

}  // namespace tapir::tcp::detail
