#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <tapir/mqtt/topic.hpp>

#include "commands.hpp"
#include "format.hpp"
#include "task.hpp"

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

/// Messages that are longer, in bytes, are not held: they are printed as they come.
constexpr std::size_t kLong = std::size_t{64} << 10U;
/// Deletions that may wait: the broker acknowledges them behind all that it had to send first.
constexpr std::size_t kMostDeletions = 1'000'000;

/// Subscribes once connected, prints what comes, and leaves when that is enough.
class Subscriber final : public Task {
 public:
  Subscriber(Connection& connection, const BrokerOptions& broker, const SubscribeOptions& options, const Console& console)
      : Task{connection, broker, console}, options_{options} {
    // One place for all messages: those of a stored session would not be printed otherwise.
    client().on_unmatched([this](const mqtt::Message& message) { received(message); });
    client().on_stream([this](const mqtt::StreamEvent& event) { std::visit([this](const auto& happened) { handle(happened); }, event); });
    client().on_subscription_lost([this](const mqtt::SubscriptionLost& lost) { subscription_lost(lost); });
    give_up_after(options.wait);
  }

 private:
  void start() override {
    for (const auto& filter : options_.unsubscribed)
      client().unsubscribe(filter, properties().unsubscribe, [this](tapir::Result<> done) { unsubscribed(done); });
    for (const auto& filter : options_.topics) {
      client().subscribe(
          options_.subscription.to(filter, options_.qos), properties().subscribe,
          [this, filter](const mqtt::Message& message) { matched(filter, message); },
          [this, filter](tapir::Result<mqtt::QoS> granted) { subscribed(filter, granted); });
    }
  }
  void subscribed(const std::string& filter, const tapir::Result<mqtt::QoS>& granted) {
    if (is_over()) return;
    if (granted) {
      refused_.erase(filter);
      return answered();
    }
    if_refused([this, filter, words = words_for(granted.error())] {
      refused_.insert(filter);
      console().note(fmt::format("mqtt: subscription to {} refused: {}", filter, words));
      answered();
    });
  }
  /// One more filter is granted or refused.
  void answered() {
    ++answered_;
    if (answered_ < options_.topics.size()) return;
    if (refused_ == filters_) return stop(static_cast<int>(Exit::refused));
    if (options_.exit_when_subscribed) leave();
  }
  void connected_again(bool /*kept*/) override { lost_.clear(); }  // all are asked for anew, or the broker still has them
  void subscription_lost(const mqtt::SubscriptionLost& lost) {
    if (is_over()) return;
    console().note("mqtt: " + in_words(lost));
    lost_.insert(lost.subscription.filter);
    if (lost_.size() + refused_.size() == filters_.size()) stop(static_cast<int>(Exit::refused));
  }
  int interrupted() override { return static_cast<int>(Exit::ok); }
  void unsubscribed(const tapir::Result<>& done) {
    if (is_over()) return;
    if (!done) {
      console().note("mqtt: unsubscribe: " + words_for(done.error()));
      end_with(exit_code_for(done.error()));
    }
    if (options_.topics.empty() && ++unsubscribed_ == options_.unsubscribed.size()) leave();
  }
  /// The client calls the handler of each filter that matches and that the broker has not refused; the message is printed for the first.
  void matched(const std::string& filter, const mqtt::Message& message) {
    for (const auto& other : options_.topics) {
      if (other == filter) return received(message);
      if (refused_.contains(other)) continue;
      if (mqtt::matches(mqtt::without_share(other), message.topic)) return;
    }
  }
  void received(const mqtt::Message& message) {
    if (!takes(message)) return;
    const bool shown = is_shown(message);
    if (shown) {
      if (const auto wrong = payload_problem(options_.print, message); !wrong.empty()) console().note(wrong);
      if (!print(text_of(options_.print, message))) return;  // then it is not deleted either
    }
    if (is_to_delete(message, message.payload.size())) remove_retained(message.topic);
    if (shown) count();
  }
  /// Whether anything is to be done with the message.
  bool takes(const mqtt::Message& message) {
    if (is_over()) return false;
    if (options_.retained_only && !message.retain) end_of_retained_ = true;
    if (end_of_retained_) {
      if (deleting_ == 0) {
        leave_message();
      } else {
        (void)client().hold_acknowledgment();  // it stays with the broker, and so does what follows until all is deleted
      }
      return false;
    }
    for (const auto& filter : options_.filtered_out) {
      if (mqtt::matches(filter, message.topic)) return false;
    }
    return true;
  }
  [[nodiscard]] bool is_to_delete(const mqtt::Message& message, std::size_t size) const {
    return message.retain && options_.remove_retained && size > 0;
  }
  bool is_shown(const mqtt::Message& message) {
    if (message.retain && options_.print.no_retained) return false;
    return options_.random_filter >= 100 || runtime().random().fraction() * 100 < options_.random_filter;
  }
  /// leave() waits for all of them.
  void remove_retained(const std::string& topic) {
    ++deleting_;
    client().publish({.topic = topic, .qos = mqtt::QoS::at_least_once, .retain = true}, [this, topic](tapir::Result<> done) {
      --deleting_;
      if (!done) {
        console().note(fmt::format("mqtt: the retained message of {} was not deleted: {}", topic, words_for(done.error())));
        end_with(exit_code_for(done.error()));
      }
      if (end_of_retained_ && deleting_ == 0) leave_message();
    });
  }
  void count() {
    if (!is_over() && options_.count > 0 && ++printed_ == options_.count) leave();
  }

  // A long message, part by part. One that is not printed has no frame.
  void handle(const mqtt::event::MessageBegan& event) {
    frame_.reset();
    doomed_.reset();
    if (!takes(event.message)) return;
    if (is_to_delete(event.message, event.size)) doomed_ = event.message.topic;
    if (!is_shown(event.message)) return;
    frame_ = frame_of(options_.print, event.message, event.size);
    print(frame_->before);
  }
  void handle(const mqtt::event::MessagePart& event) {
    if (!is_over() && frame_ && frame_->has_payload) print(event.bytes.text());
  }
  void handle(const mqtt::event::MessageEnded& /*event*/) {
    if (end_of_retained_) (void)client().hold_acknowledgment();
    const auto frame = std::exchange(frame_, std::nullopt);
    if (is_over() || (frame && !print(frame->behind))) return;
    if (const auto topic = std::exchange(doomed_, std::nullopt)) remove_retained(*topic);
    if (frame) count();
  }
  void handle(const mqtt::event::MessageAborted& /*event*/) {
    doomed_.reset();
    if (!frame_) return;
    frame_.reset();
    if (!is_over() && print("\n"))
      console().note("mqtt: the connection was lost in the middle of a message: what is printed of it is not all");
  }

  const SubscribeOptions& options_;
  std::optional<Frame> frame_;  ///< of the message that comes in parts
  std::size_t answered_ = 0;
  const std::set<std::string> filters_{options_.topics.begin(), options_.topics.end()};  ///< each once, however often it was given
  std::set<std::string> refused_;
  std::set<std::string> lost_;  ///< of those that were granted, refused on this connection
  std::size_t unsubscribed_ = 0;
  std::size_t deleting_ = 0;           ///< retained messages whose deletion the broker has not acknowledged
  bool end_of_retained_ = false;       ///< the first message has come that was not retained
  std::optional<std::string> doomed_;  ///< the topic of a retained message that comes in parts, to be deleted when it is here
  unsigned printed_ = 0;
};

}  // namespace

int subscribe(const NetworkOptions& network, const BrokerOptions& broker, const SubscribeOptions& options) {
  const Console console{"tapir sub", broker.quiet};
  Connection connection{network, broker, console, "sub"};
  auto config = connection.client_config();
  if (prints_in_parts(options.print)) config.limits.stream_above = kLong;
  if (options.remove_retained) config.limits.max_queued = kMostDeletions;
  if (const auto up = connection.set_up(std::move(config)); !up) return up.error();
  Subscriber subscriber{connection, broker, options, console};
  return subscriber.run();
}

}  // namespace tool
