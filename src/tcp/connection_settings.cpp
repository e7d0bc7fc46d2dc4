// What can be changed while a connection lives.

#include <algorithm>

#include "congestion_registry.hpp"
#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

void ConnectionCore::config_changed() {
  kind_.reset();
  recovery_.set_config(engine_->part_configs().recovery);
}

/// With what the connection has for itself.
Settings ConnectionCore::settings() const {
  Settings now = *settings_;
  now.nagle = nagle_;
  return now;
}

void ConnectionCore::set_nagle(bool on) {
  nagle_ = on;
  wants_to_send();
}

Result<> ConnectionCore::set_keepalive(const Keepalive& keepalive) {
  if (!in_range(keepalive)) return fail(Error::invalid_argument);
  settings_.own().keepalive = keepalive;
  keepalive_unanswered_ = 0;
  restart_keepalive();
  if (tcb_.state != State::closed && tcb_.state != State::time_wait) update_timers();
  return {};
}

Result<> ConnectionCore::set_congestion_control(std::string_view name) {
  if (engine_ == nullptr) return why_over();
  const bool known = make_congestion_control(name, engine_->config().congestion_controls, congestion_parameters(), congestion_);
  if (!known) return fail(Error::invalid_argument);
  settings_.own().congestion_control = name;
  wants_to_send();
  return {};
}

void ConnectionCore::set_send_buffer(std::size_t bytes) {
  settings_.own().send_buffer = std::max<std::size_t>(bytes, 1);
  send_buffer_.set_limit(*settings_->send_buffer);
  if (wants_room_ && send_buffer_.room() > 0) {
    wants_room_ = false;
    tell(kWritable);
  }
}

void ConnectionCore::set_receive_buffer(std::size_t bytes) {
  settings_.own().receive_buffer = std::max<std::size_t>(bytes, 1);
  receive_buffer_.set_limit(*settings_->receive_buffer);
  after_read();
}

void ConnectionCore::set_max_pacing_rate(std::optional<std::uint64_t> bytes_per_second) {
  settings_.own().max_pacing_rate = bytes_per_second;
  if (bytes_per_second == 0U) settings_.own().max_pacing_rate = 1;
  wants_to_send();  // what waits for its time may wait too long now
}

void ConnectionCore::set_window_clamp(std::optional<std::uint32_t> bytes) {
  settings_.own().window_clamp = bytes;
  if (bytes == 0U) settings_.own().window_clamp = 1;
  after_read();
}

void ConnectionCore::set_cork(bool on) {
  settings_.own().cork = on;
  if (!on) more_follows_ = false;
  wants_to_send();
}

void ConnectionCore::push() {
  if (unsent() == 0) return;
  let_go_ = true;
  wants_to_send();
}

void ConnectionCore::set_max_segment(std::optional<std::uint16_t> bytes) {
  settings_.own().max_segment = bytes;
  if (engine_ != nullptr && is_synchronized(tcb_.state)) update_mss();
}

void ConnectionCore::set_time_arrivals(bool on) {
  settings_.own().time_arrivals = on;
  if (!on) arrivals_.reset();
}

void ConnectionCore::set_quick_ack(bool on) {
  ack_.set_quick(on);
  if (on && ack_.pending() && engine_ != nullptr) wants_to_send();
}

Duration ConnectionCore::fin_wait_2_timeout() const noexcept {
  return settings_->fin_wait_2_timeout.value_or(engine_->config().fin_wait_2_timeout);
}

}  // namespace tapir::tcp::detail
