#pragma once

#include <linux/net_tstamp.h>

#include <cstdint>

namespace tapir::posix::detail {

// SOF_TIMESTAMPING_* of Linux 6.18, which headers may be older than.
inline constexpr std::uint32_t kTimestampingOptIdTcp = 1U << 16U;     ///< octets count from the one that is written next
inline constexpr std::uint32_t kTimestampingOptRxFilter = 1U << 17U;  ///< of arrivals the times alone that the socket has asked for itself
inline constexpr std::uint32_t kTimestampingTxCompletion = 1U << 18U;
inline constexpr std::uint32_t kTimestampingMask = (kTimestampingTxCompletion << 1U) - 1;

/// What a send call may ask for by itself: Linux' SOF_TIMESTAMPING_TX_RECORD_MASK.
inline constexpr std::uint32_t kTimestampingStages = SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
                                                     SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK | kTimestampingTxCompletion;

}  // namespace tapir::posix::detail
