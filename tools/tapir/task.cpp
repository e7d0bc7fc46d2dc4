#include "task.hpp"

#include <csignal>
#include <utility>

#include <fmt/format.h>

namespace tool {

namespace {

bool refuses_version(std::error_code error) {
  return error == tapir::mqtt::Error::unsupported_protocol_version || error == tapir::mqtt::ReasonCode::unsupported_protocol_version;
}

/// An acknowledgment's, and not that the connection has ended.
bool answers(std::error_code error) { return error.category() == make_error_code(tapir::mqtt::ReasonCode::not_authorized).category(); }

}  // namespace

Task::Task(Connection& connection, const BrokerOptions& broker, const Console& console)
    : connection_{connection},
      broker_{broker},
      console_{console},
      wait_timer_{tapir::Timer::calling<&Task::on_wait_over>(connection.runtime().scheduler(), *this)},
      unexplained_timer_{tapir::Timer::calling<&Task::on_unexplained>(connection.runtime().scheduler(), *this)} {
  client().on_connected([this](const tapir::mqtt::event::Connected& event) {
    if (!std::exchange(connected_, true)) return start();
    connected_again(event.session_present);
  });
  client().on_disconnected([this](const tapir::mqtt::Disconnection& why) { disconnected(why); });
}

int Task::run() {
  int code = connection_.run();
  if (code == Connection::kInterrupted) {
    Console::hurry(std::chrono::steady_clock::now());
    stop(is_over() ? code_ : interrupted());
    code = connection_.run();  // until the broker has DISCONNECT: it would publish the will otherwise
  }
  // A signal that comes now has nothing left to end.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  return connection_.finish(code == Connection::kInterrupted ? code_ : code);
}

void Task::leave() {
  if (is_over()) return;
  leaving_ = true;
  client().drain(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect, [this](tapir::Result<>) { end(); });
}

void Task::leave_message() {
  if (is_over()) return;
  leaving_ = true;
  client().disconnect(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect, [this](tapir::Result<>) { end(); });
}

void Task::stop(int code) {
  if (std::exchange(stopped_, true)) return;
  if (code_ == 0) code_ = code;
  if (leaving_ && !client().is_connected()) return;  // DISCONNECT is out: end() follows
  client().disconnect(tapir::mqtt::ReasonCode::normal_disconnection, properties().disconnect, [this](tapir::Result<>) { end(); });
}

/// The client is closed.
void Task::end() {
  stopped_ = true;
  runtime().stop(code_);
}

void Task::give_up_after(unsigned seconds) {
  wait_ = seconds;
  if (seconds == 0) return;
  wait_timer_.arm_after(std::chrono::seconds{seconds});
  patience_ = std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
  Console::hurry(*patience_);
}

bool Task::print(std::string_view bytes) {
  switch (Console::print(bytes, patience_)) {
    case Console::Printed::all: return true;
    case Console::Printed::refused: fail(Exit::failure, "cannot write to standard output"); break;
    case Console::Printed::interrupted: stop(interrupted()); break;
    case Console::Printed::late: on_wait_over(); break;
  }
  return false;
}

void Task::on_wait_over() {
  if (leaving_) return stop(code_);
  if (!stopped_) fail(Exit::failure, fmt::format("timed out after {} s", wait_));
}

void Task::fail_with(std::string what, std::error_code error) {
  if (is_over()) return;
  if (client().is_connected()) return fail(exit_code_for(error), fmt::format("{}: {}", what, words_for(error)));
  if (!unexplained_) unexplained_ = {std::move(what), words_for(error), error};
  unexplained_timer_.arm_after({});  // disconnected() comes before that, if it comes
}

void Task::if_refused(std::function<void()> refused) {
  if (client().is_connected()) return refused();
  refusals_.push_back(std::move(refused));
  unexplained_timer_.arm_after({});
}

void Task::refuse() {
  for (const auto& refused : std::exchange(refusals_, {})) {
    if (!is_over()) refused();
  }
}

/// No connection was lost: the client could not take the operation, or the session has expired.
void Task::on_unexplained() {
  refuse();
  if (!is_over() && unexplained_) fail(exit_code_for(unexplained_->error), unexplained_->what + ": " + unexplained_->words);
}

std::string Task::words_for(std::error_code error) {
  const auto said = client().answer_properties().get(tapir::mqtt::property::reason_string);
  return said ? fmt::format("{}: {}", error.message(), *said) : error.message();
}

void Task::disconnected(const tapir::mqtt::Disconnection& why) {
  if (why.will_retry) refuse();
  if (is_over()) return;
  auto text = fmt::format("{}: {}", layer_of(why), why.text);
  const bool is_answer = unexplained_ && answers(unexplained_->error) && unexplained_->error != why.error;
  if (is_answer) return fail(exit_code_for(unexplained_->error), unexplained_->what + ": " + unexplained_->words);
  if (unexplained_) return fail(exit_code_for(why.error), unexplained_->what + ": " + text);
  const bool is_hopeless = why.error == tapir::mqtt::Error::payload_source_failed;  // the file: it would fail again
  if (!connected_ && refuses_version(why.error) && broker_.protocol() == tapir::mqtt::ProtocolVersion::v5_0)
    text += "; -V mqttv311 may help";
  if (!connected_ || !why.will_retry || is_hopeless) return fail(connected_ ? exit_code_for(why.error) : exit_code_for(why), text);
  console_.note(text + "; connecting again");
}

}  // namespace tool
