#include "task.hpp"

#include <utility>

#include <fmt/format.h>

namespace tool {

Task::Task(Connection& connection, const BrokerOptions& broker, const Console& console)
    : connection_{connection},
      broker_{broker},
      console_{console},
      leave_timer_{tapir::Timer::calling<&Task::on_leave>(connection.runtime().scheduler(), *this)},
      wait_timer_{tapir::Timer::calling<&Task::on_wait_over>(connection.runtime().scheduler(), *this)} {
  client().on_connected([this](const auto&) {
    if (!std::exchange(connected_, true)) start();
  });
  client().on_disconnected([this](const tapir::mqtt::Disconnection& why) { disconnected(why); });
}

void Task::leave() {
  if (!std::exchange(leaving_, true)) leave_timer_.arm_at(runtime().scheduler().now());
}

void Task::on_leave() {
  client().disconnect(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect,
                      [this](tapir::Result<>) { stop(static_cast<int>(Exit::ok)); });
}

void Task::stop(int code) {
  if (!std::exchange(stopped_, true)) runtime().stop(code);
}

void Task::give_up_after(unsigned seconds) {
  wait_ = seconds;
  if (seconds > 0) wait_timer_.arm_after(std::chrono::seconds{seconds});
}

void Task::on_wait_over() { fail(Exit::failure, fmt::format("timed out after {} s", wait_)); }

void Task::disconnected(const tapir::mqtt::Disconnection& why) {
  if (is_over()) return;
  const auto text = fmt::format("{}: {}", layer_of(why), why.text);
  const bool is_hopeless = why.error == tapir::mqtt::Error::payload_source_failed;  // the file: it would fail again
  if (!connected_ || !why.will_retry || is_hopeless) return fail(connected_ ? exit_code_for(why.error) : exit_code_for(why), text);
  console_.note(text + "; connecting again");
}

}  // namespace tool
