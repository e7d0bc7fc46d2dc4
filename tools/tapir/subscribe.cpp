#include <ctime>
#include <optional>

#include <fmt/format.h>

#include <tapir/mqtt/topic.hpp>

#include "commands.hpp"
#include "connection.hpp"
#include "format.hpp"

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

/// Subscribes once connected, prints what comes, and stops the loop when that is enough.
class Subscriber {
 public:
  Subscriber(Connection& connection, const SubscribeOptions& options, Console& console)
      : connection_{connection},
        client_{connection.client()},
        options_{options},
        console_{console},
        wait_timer_{tapir::Timer::calling<&Subscriber::on_wait_over>(connection.runtime().scheduler(), *this)},
        leave_timer_{tapir::Timer::calling<&Subscriber::on_leave>(connection.runtime().scheduler(), *this)} {
    client_.on_connected([this](bool) {
      if (!std::exchange(connected_, true)) start();
    });
    client_.on_disconnected([this](const mqtt::Disconnection& why) { disconnected(why); });
    // One place for all messages: overlapping filters would otherwise print a message once for each, and those of a stored session not at all.
    client_.on_unmatched([this](const mqtt::Message& message) { received(message); });
    if (options.wait > 0) wait_timer_.arm_after(std::chrono::seconds{options.wait});
  }

 private:
  void start() {
    for (const auto& filter : options_.unsubscribed) client_.unsubscribe(filter, [this](tapir::Result<> done) { unsubscribed(done); });
    for (const auto& filter : options_.topics)
      client_.subscribe(
          filter, static_cast<mqtt::QoS>(options_.qos), [this, filter](const mqtt::Message& message) { matched(filter, message); },
          [this, filter](tapir::Result<mqtt::QoS> granted) { subscribed(filter, granted); });
  }
  void subscribed(const std::string& filter, const tapir::Result<mqtt::QoS>& granted) {
    if (stopped_ || leaving_) return;
    ++answered_;
    if (!granted) {
      ++refused_;
      console_.note(fmt::format("mqtt: subscription to {} refused: {}", filter, granted.error().message()));
    }
    if (answered_ < options_.topics.size()) return;
    if (refused_ == answered_) return stop(static_cast<int>(Exit::refused));
    if (options_.exit_when_subscribed) leave();
  }
  void unsubscribed(const tapir::Result<>& done) {
    if (!done && !stopped_) console_.note("mqtt: unsubscribe: " + done.error().message());
    if (options_.topics.empty() && ++unsubscribed_ == options_.unsubscribed.size()) leave();
  }
  /// The client calls the handler of each filter that matches; the message is printed for the first.
  void matched(const std::string& filter, const mqtt::Message& message) {
    for (const auto& other : options_.topics) {
      if (other == filter) return received(message);
      if (mqtt::matches(other, message.topic)) return;
    }
  }
  void received(const mqtt::Message& message) {
    if (stopped_ || leaving_) return;
    if (options_.retained_only && !message.retain) return leave();
    for (const auto& filter : options_.filtered_out) {
      if (mqtt::matches(filter, message.topic)) return;
    }
    if (message.retain && options_.remove_retained && !message.payload.empty())
      client_.publish({.topic = message.topic, .qos = mqtt::QoS::at_least_once, .retain = true});
    if (message.retain && options_.no_retained) return;
    if (options_.random_filter < 100 && connection_.runtime().random().fraction() * 100 >= options_.random_filter) return;
    if (!console_.print(text_of(message))) return stop(console_.fail(Exit::failure, "cannot write to standard output"));
    if (options_.count > 0 && ++printed_ == options_.count) leave();
  }
  [[nodiscard]] std::string text_of(const mqtt::Message& message) const {
    const char* const end = options_.no_newline ? "" : "\n";
    if (options_.format.empty()) return fmt::format("{}{}{}", options_.verbose ? message.topic + " " : "", message.payload.text(), end);
    std::timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return formatted(options_.format, message, now) + end;
  }
  /// Ends in order, in the next turn: the message that is being handled is acknowledged behind its handler.
  void leave() {
    if (!std::exchange(leaving_, true)) leave_timer_.arm_at(connection_.runtime().scheduler().now());
  }
  void on_leave() {
    client_.disconnect([this](tapir::Result<>) { stop(static_cast<int>(Exit::ok)); });
  }
  void on_wait_over() { stop(console_.fail(Exit::failure, fmt::format("timed out after {} s", options_.wait))); }
  void disconnected(const mqtt::Disconnection& why) {
    if (stopped_ || leaving_) return;
    const auto text = fmt::format("{}: {}", layer_of(why), why.text);
    if (!connected_ || !why.will_retry) return stop(console_.fail(connected_ ? Exit::failure : exit_code_for(why), text));
    console_.note(text + "; connecting again");
  }
  void stop(int code) {
    if (!std::exchange(stopped_, true)) connection_.runtime().stop(code);
  }

  Connection& connection_;
  mqtt::Client& client_;
  const SubscribeOptions& options_;
  Console& console_;
  tapir::Timer wait_timer_;
  tapir::Timer leave_timer_;
  std::size_t answered_ = 0;
  std::size_t refused_ = 0;
  std::size_t unsubscribed_ = 0;
  unsigned printed_ = 0;
  bool connected_ = false;
  bool leaving_ = false;
  bool stopped_ = false;
};

}  // namespace

int subscribe(const NetworkOptions& network, const BrokerOptions& broker, const SubscribeOptions& options) {
  Console console{"tapir sub", broker.quiet};
  const auto id = broker.client_id("sub");
  Connection connection{network, broker, console, id};
  if (const auto up = connection.set_up(client_config(broker, id)); !up) return console.fail(Exit::failure, up.error());
  const Subscriber subscriber{connection, options, console};
  return connection.run();
}

}  // namespace tool
