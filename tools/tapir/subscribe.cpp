#include <fmt/format.h>

#include <tapir/mqtt/topic.hpp>

#include "commands.hpp"
#include "format.hpp"
#include "task.hpp"

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

/// Subscribes once connected, prints what comes, and leaves when that is enough.
class Subscriber final : public Task {
 public:
  Subscriber(Connection& connection, const BrokerOptions& broker, const SubscribeOptions& options, Console& console)
      : Task{connection, broker, console}, options_{options}, out_{console} {
    // One place for all messages: those of a stored session would not be printed otherwise.
    client().on_unmatched([this](const mqtt::Message& message) { received(message); });
    give_up_after(options.wait);
  }

 private:
  void start() override {
    for (const auto& filter : options_.unsubscribed)
      client().unsubscribe(filter, properties().unsubscribe, [this](tapir::Result<> done) { unsubscribed(done); });
    for (const auto& filter : options_.topics)
      client().subscribe(
          options_.subscription.to(filter, options_.qos), properties().subscribe,
          [this, filter](const mqtt::Message& message) { matched(filter, message); },
          [this, filter](tapir::Result<mqtt::QoS> granted) { subscribed(filter, granted); });
  }
  void subscribed(const std::string& filter, const tapir::Result<mqtt::QoS>& granted) {
    if (is_over()) return;
    ++answered_;
    if (!granted) {
      ++refused_;
      console().note(fmt::format("mqtt: subscription to {} refused: {}", filter, granted.error().message()));
    }
    if (answered_ < options_.topics.size()) return;
    if (refused_ == answered_) return stop(static_cast<int>(Exit::refused));
    if (options_.exit_when_subscribed) leave();
  }
  void unsubscribed(const tapir::Result<>& done) {
    if (is_over()) return;
    if (!done) console().note("mqtt: unsubscribe: " + done.error().message());
    if (options_.topics.empty() && ++unsubscribed_ == options_.unsubscribed.size()) leave();
  }
  /// The client calls the handler of each filter that matches; the message is printed for the first.
  void matched(const std::string& filter, const mqtt::Message& message) {
    for (const auto& other : options_.topics) {
      if (other == filter) return received(message);
      if (mqtt::matches(mqtt::without_share(other), message.topic)) return;
    }
  }
  void received(const mqtt::Message& message) {
    if (is_over()) return;
    if (options_.retained_only && !message.retain) return leave();
    for (const auto& filter : options_.filtered_out) {
      if (mqtt::matches(filter, message.topic)) return;
    }
    if (message.retain && options_.remove_retained && !message.payload.empty())
      client().publish({.topic = message.topic, .qos = mqtt::QoS::at_least_once, .retain = true});
    if (message.retain && options_.print.no_retained) return;
    if (options_.random_filter < 100 && runtime().random().fraction() * 100 >= options_.random_filter) return;
    if (!out_.print(text_of(options_.print, message))) return fail(Exit::failure, "cannot write to standard output");
    if (options_.count > 0 && ++printed_ == options_.count) leave();
  }

  const SubscribeOptions& options_;
  Console& out_;
  std::size_t answered_ = 0;
  std::size_t refused_ = 0;
  std::size_t unsubscribed_ = 0;
  unsigned printed_ = 0;
};

}  // namespace

int subscribe(const NetworkOptions& network, const BrokerOptions& broker, const SubscribeOptions& options) {
  Console console{"tapir sub", broker.quiet};
  const auto id = broker.client_id("sub");
  Connection connection{network, broker, console, id};
  if (const auto up = connection.set_up(client_config(broker, id)); !up) return console.fail(Exit::failure, up.error());
  const Subscriber subscriber{connection, broker, options, console};
  return connection.run();
}

}  // namespace tool
