#pragma once

#include "command_options.hpp"
#include "connection.hpp"

namespace tool {

/// What a command does with its connection: it starts when the broker has accepted, leaves in order, and ends the loop with an exit code.
class Task {
 public:
  Task(Connection& connection, const BrokerOptions& broker, const Console& console);
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

 protected:
  /// The broker has accepted for the first time.
  virtual void start() = 0;

  /// Disconnects in order and ends with success, in the next turn: the message that is being handled is acknowledged behind its handler.
  void leave();
  /// Ends the loop at once.
  void stop(int code);
  void fail(Exit code, std::string_view why) { stop(console_.fail(code, why)); }
  /// Gives up after so many seconds; 0: never.
  void give_up_after(unsigned seconds);

  [[nodiscard]] bool is_connected() const { return connected_; }
  /// It leaves, or has stopped.
  [[nodiscard]] bool is_over() const { return leaving_ || stopped_; }
  [[nodiscard]] tapir::Runtime& runtime() { return connection_.runtime(); }
  [[nodiscard]] tapir::mqtt::Client& client() { return connection_.client(); }
  [[nodiscard]] const PropertyOptions& properties() const { return broker_.properties; }
  [[nodiscard]] const Console& console() const { return console_; }

 private:
  void disconnected(const tapir::mqtt::Disconnection& why);
  void on_leave();
  void on_wait_over();

  Connection& connection_;
  const BrokerOptions& broker_;
  const Console& console_;
  tapir::Timer leave_timer_;
  tapir::Timer wait_timer_;
  unsigned wait_ = 0;  ///< seconds
  bool connected_ = false;
  bool leaving_ = false;
  bool stopped_ = false;
};

}  // namespace tool
