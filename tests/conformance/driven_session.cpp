#include "driven_session.hpp"

#include <array>
#include <utility>

namespace tapir::test {

DrivenSession::DrivenSession(Runtime& runtime, std::unique_ptr<mqtt::Transport> transport, mqtt::SessionLimits limits, Handlers handlers)
    : runtime_{runtime},
      transport_{std::move(transport)},
      session_{limits},
      handlers_{std::move(handlers)},
      deadline_{Timer::calling<&DrivenSession::on_deadline>(runtime.scheduler(), *this)} {
  transport_->attach(this);
}

void DrivenSession::close() {
  open_ = false;
  output_.clear();
  deadline_.cancel();
  transport_->close();
}

void DrivenSession::on_open() {
  open_ = true;
  ended_ = false;
  if (const auto connected = session_.connected(now()); !connected) return lose(connected.error());
  pump();
}

void DrivenSession::on_readable() {
  std::array<std::byte, 4096> buffer;
  while (open_) {
    const auto got = transport_->receive(buffer);
    if (!got && got.error() == tapir::Error::would_block) break;
    if (!got || *got == 0) return lose(got ? make_error_code(tapir::Error::connection_closed) : got.error());
    session_.input(std::span{buffer}.first(*got), now());
    pump();
  }
}

void DrivenSession::lose(std::error_code error) {
  transport_->abort();
  on_closed(error);
}

void DrivenSession::on_closed(std::error_code error) {
  open_ = false;
  output_.clear();
  deadline_.cancel();
  session_.transport_lost(now());
  while (const auto event = session_.next_event()) handlers_.event(*event);  // what ended with the connection
  if (handlers_.closed) handlers_.closed(error);
}

void DrivenSession::on_deadline() {
  session_.tick(now());
  pump();
}

void DrivenSession::pump() {
  do {
    while (const auto event = session_.next_event()) {
      ended_ = ended_ || std::holds_alternative<mqtt::event::Disconnected>(*event) || std::holds_alternative<mqtt::event::Refused>(*event);
      handlers_.event(*event);
    }
    if (handlers_.told) handlers_.told();
    if (!open_ || !write()) return;
  } while (session_.has_events());  // writing tells too: Sent
  if (const auto deadline = session_.next_deadline()) deadline_.arm_at(*deadline);
  if (ended_) close();
}

/// False when the transport takes no more for now.
bool DrivenSession::write() {
  for (;;) {
    if (output_.empty()) {
      while (const auto slice = session_.take_output(now())) output_.insert(output_.end(), slice->bytes().begin(), slice->bytes().end());
      if (handlers_.output) handlers_.output(output_);
      if (output_.empty()) return true;
    }
    const auto taken = transport_->send(output_);
    if (!taken) {
      lose(taken.error());
      return false;
    }
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(*taken));
    if (!output_.empty()) return false;
  }
}

}  // namespace tapir::test
