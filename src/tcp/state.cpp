#include <tapir/tcp/state.hpp>

#include <ostream>

namespace tapir::tcp {

std::string_view name(CaState state) noexcept {
  switch (state) {
    case CaState::open: return "open";
    case CaState::disorder: return "disorder";
    case CaState::cwr: return "cwr";
    case CaState::recovery: return "recovery";
    case CaState::loss: return "loss";
  }
  return "?";
}

std::string_view name(State state) noexcept {
  switch (state) {
    case State::closed: return "CLOSED";
    case State::listen: return "LISTEN";
    case State::syn_sent: return "SYN-SENT";
    case State::syn_received: return "SYN-RECEIVED";
    case State::established: return "ESTABLISHED";
    case State::fin_wait_1: return "FIN-WAIT-1";
    case State::fin_wait_2: return "FIN-WAIT-2";
    case State::close_wait: return "CLOSE-WAIT";
    case State::closing: return "CLOSING";
    case State::last_ack: return "LAST-ACK";
    case State::time_wait: return "TIME-WAIT";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, State state) { return out << name(state); }

}  // namespace tapir::tcp
