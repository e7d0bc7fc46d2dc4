#include "task.hpp"

#include <utility>

#include <fmt/format.h>

namespace tool {

Task::Task(Connection& connection, const BrokerOptions& broker, const Console& console)
    : connection_{connection},
      broker_{broker},
      console_{console},
      wait_timer_{tapir::Timer::calling<&Task::on_wait_over>(connection.runtime().scheduler(), *this)} {
  client().on_connected([this](const auto&) {
    if (!std::exchange(connected_, true)) return start();
    connected_again();
  });
  client().on_disconnected([this](const tapir::mqtt::Disconnection& why) { disconnected(why); });
}

int Task::run() {
  const int code = connection_.run();
  if (code != Connection::kInterrupted) return code;
  return is_over() ? static_cast<int>(Exit::ok) : interrupted();
}

void Task::leave() {
  if (std::exchange(leaving_, true)) return;
  client().drain(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect, [this](tapir::Result<>) { left(); });
}

void Task::leave_message() {
  if (std::exchange(leaving_, true)) return;
  client().disconnect(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect, [this](tapir::Result<>) { left(); });
}

void Task::left() { stop(static_cast<int>(Exit::ok)); }

void Task::stop(int code) {
  if (std::exchange(stopped_, true)) return;
  client().disconnect(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect);
  runtime().stop(code);
}

void Task::give_up_after(unsigned seconds) {
  wait_ = seconds;
  if (seconds > 0) wait_timer_.arm_after(std::chrono::seconds{seconds});
}

void Task::on_wait_over() {
  if (leaving_) return left();
  fail(Exit::failure, fmt::format("timed out after {} s", wait_));
}

std::string Task::words_for(std::error_code error) {
  const auto said = client().answer_properties().get(tapir::mqtt::property::reason_string);
  return said ? fmt::format("{}: {}", error.message(), *said) : error.message();
}

void Task::disconnected(const tapir::mqtt::Disconnection& why) {
  if (is_over()) return;
  const auto text = fmt::format("{}: {}", layer_of(why), why.text);
  const bool is_hopeless = why.error == tapir::mqtt::Error::payload_source_failed;  // the file: it would fail again
  if (!connected_ || !why.will_retry || is_hopeless) return fail(connected_ ? exit_code_for(why.error) : exit_code_for(why), text);
  console_.note(text + "; connecting again");
}

}  // namespace tool
