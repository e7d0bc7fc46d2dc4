#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace tapir::tcp {

/// The states of a connection (RFC 9293 section 3.3.2).
enum class State : std::uint8_t {
  closed,
  listen,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};

/// As the RFC writes it: "SYN-RECEIVED".
[[nodiscard]] std::string_view name(State state) noexcept;
std::ostream& operator<<(std::ostream& out, State state);

/// Where a sender's loss recovery stands, by the names that Linux has for it.
enum class CaState : std::uint8_t {
  open,      ///< nothing out of the ordinary
  disorder,  ///< something arrived out of order
  cwr,       ///< cwnd was reduced without a loss: the peer echoed a congestion mark
  recovery,  ///< fast recovery
  loss       ///< recovery after a timeout
};
[[nodiscard]] std::string_view name(CaState state) noexcept;

}  // namespace tapir::tcp
