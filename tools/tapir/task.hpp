#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

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

  /// Runs until the command is done. The exit code.
  [[nodiscard]] int run();

 protected:
  /// The broker has accepted for the first time.
  virtual void start() = 0;
  /// It has accepted again, after a loss; `kept`: with the session.
  virtual void connected_again(bool /*kept*/) {}

  /// What a signal before the end means: exit code 1, unless the command has no end.
  [[nodiscard]] virtual int interrupted() { return console_.fail(Exit::failure, "interrupted before it was done"); }

  /// Takes no more messages, disconnects in order, and ends with success. The message that is being handled is acknowledged to the end.
  void leave();
  /// The same, but the message that is being handled stays with the broker.
  void leave_message();
  /// Disconnects at once, and ends with this code: no message is acknowledged any more, nor the one that is being handled.
  void stop(int code);
  void fail(Exit code, std::string_view why) { stop(console_.fail(code, why)); }
  /// Fails because an operation has, `what`. When that was by the loss of the connection, what ended the connection is the reason.
  void fail_with(std::string what, std::error_code error);
  /// The broker has refused something, or the connection is over for good: `refused` is called once it is known to be the former, at once while connected.
  void if_refused(std::function<void()> refused);
  /// Goes on, and ends with this code in the place of success.
  void end_with(Exit code) { code_ = code_ == 0 ? static_cast<int>(code) : code_; }
  /// Gives up after so many seconds; 0: never.
  void give_up_after(unsigned seconds);
  /// Writes to standard output. False when not all of it could be written: then it leaves, and the message that is being handled stays with the broker.
  bool print(std::string_view bytes);

  /// An error, and what the broker has said of it.
  [[nodiscard]] std::string words_for(std::error_code error);
  [[nodiscard]] bool is_connected() const { return connected_; }
  /// It leaves, or has stopped.
  [[nodiscard]] bool is_over() const { return leaving_ || stopped_; }
  [[nodiscard]] tapir::Runtime& runtime() { return connection_.runtime(); }
  [[nodiscard]] tapir::mqtt::Client& client() { return connection_.client(); }
  [[nodiscard]] const PropertyOptions& properties() const { return broker_.properties; }
  [[nodiscard]] const Console& console() const { return console_; }

 private:
  void disconnected(const tapir::mqtt::Disconnection& why);
  void end();
  void on_wait_over();
  void on_unexplained();

  Connection& connection_;
  const BrokerOptions& broker_;
  const Console& console_;
  /// An operation that failed without a connection, until it is known why there is none.
  struct Unexplained {
    std::string what;
    std::string words;
    std::error_code error;
  };
  void refuse();

  tapir::Timer wait_timer_;
  tapir::Timer unexplained_timer_;
  std::optional<Unexplained> unexplained_;
  std::vector<std::function<void()>> refusals_;
  unsigned wait_ = 0;  ///< seconds
  Console::Patience patience_;
  bool connected_ = false;
  bool leaving_ = false;
  bool stopped_ = false;
  int code_ = static_cast<int>(Exit::ok);  ///< to end with
};

}  // namespace tool
