// How large the buffers may get.

#include <algorithm>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// Tells the stack what this connection holds.
void ConnectionCore::account_memory() noexcept {
  memory_.update(send_buffer_.size() + receive_buffer_.size() + reassembly_.size(), reassembly_.size());
}

/// Room to queue data to be sent. When the stack has no memory left each connection keeps a little, to make progress.
std::size_t ConnectionCore::send_room() const noexcept {
  const std::size_t room = send_buffer_.room();
  if (!memory_.exhausted()) return room;
  return std::min(room, send_buffer_.size() < MemoryShare::kAlways ? MemoryShare::kAlways - send_buffer_.size() : 0);
}

/// Room beyond RCV.NXT for the window to offer. Without memory left the window does not open further.
std::size_t ConnectionCore::receive_room() const noexcept {
  const std::size_t room = receive_buffer_.room();
  return memory_.exhausted() ? std::min(room, MemoryShare::kAlways) : room;
}

/// A round trip's worth of data must stay in the buffer until it is acknowledged, and as much again keeps the sender busy when cwnd doubles. A size that
/// the user has set stays.
void ConnectionCore::tune_send_buffer() {
  if (settings_.send_buffer || memory_.scarce()) return;
  const std::size_t wanted = std::min(2 * std::size_t{congestion_->cwnd()}, engine_->config().max_send_buffer);
  if (wanted <= send_buffer_.limit()) return;
  send_buffer_.set_limit(wanted);
  if (wants_room_ && send_room() > 0) {
    wants_room_ = false;
    tell(kWritable);
  }
}

/// The user has read.
void ConnectionCore::tune_receive_buffer() {
  const std::uint64_t read = counters_.bytes_received - receive_buffer_.size();
  const auto wanted = receive_tuning_.on_read(context_.now(), read, receive_buffer_.limit(), receive_mss_);
  if (!wanted || settings_.receive_buffer || memory_.scarce()) return;
  receive_buffer_.set_limit(std::max(receive_buffer_.limit(), std::min<std::size_t>(*wanted, max_window(tcb_.rcv_wind_shift))));
}

/// Gives up what waits beyond a gap.
void ConnectionCore::drop_out_of_order() noexcept {
  reassembly_.clear();
  account_memory();
}

}  // namespace tapir::tcp::detail
