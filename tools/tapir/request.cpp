#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "commands.hpp"
#include "format.hpp"
#include "payload.hpp"
#include "task.hpp"

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

std::string time_in_words(std::chrono::nanoseconds latency) {
  const auto count = latency.count();
  if (count >= 1'000'000'000) return fmt::format("{}.{:09}", count / 1'000'000'000, count % 1'000'000'000);
  if (count >= 1'000'000) return fmt::format("{:.6f}ms", static_cast<double>(count) / 1e6);
  return count >= 1000 ? fmt::format("{:.6f}µs", static_cast<double>(count) / 1e3) : fmt::format("{}ns", count);
}

/// Subscribes to the response's topic, publishes the request when the broker has taken that, and leaves with the first response.
class Requester final : public Task {
 public:
  Requester(Connection& connection, const BrokerOptions& broker, const RequestOptions& options, const Console& console,
            mqtt::Payload request)
      : Task{connection, broker, console}, options_{options}, v5_{broker.protocol() == mqtt::ProtocolVersion::v5_0} {
    request_ = {.topic = options.topics[0],
                .payload = std::move(request),
                .qos = static_cast<mqtt::QoS>(options.qos),
                .properties = broker.properties.publish};
    if (v5_) request_.properties.add({mqtt::property::response_topic, options.response_topic});
    client().on_subscription_lost([this](const mqtt::SubscriptionLost& lost) {
      if (!is_over()) fail(Exit::refused, "mqtt: " + in_words(lost));
    });
    give_up_after(options.wait);
  }

 private:
  void start() override {
    client().subscribe(
        options_.subscription.to(options_.response_topic, options_.qos), properties().subscribe,
        [this](const mqtt::Message& message) { received(message); }, [this](tapir::Result<mqtt::QoS> granted) { subscribed(granted); });
  }
  void subscribed(const tapir::Result<mqtt::QoS>& granted) {
    if (is_over()) return;
    if (!granted) {
      return if_refused([this, words = words_for(granted.error())] {
        fail(Exit::refused, fmt::format("mqtt: subscription to {} refused: {}", options_.response_topic, words));
      });
    }
    asked_ = true;
    asked_at_ = std::chrono::steady_clock::now();
    client().publish(request_, [this](const tapir::Result<>& outcome) {
      if (!outcome) return fail_with("the request was not delivered", outcome.error());
      delivered_ = true;
    });
  }
  /// A response that came in between would be waited for in vain, and to ask again may be to command again.
  void connected_again(bool kept) override {
    if (delivered_ && !kept && !is_over())
      fail(Exit::failure, "the connection was lost behind the request, and the response may have been lost with it");
  }
  void received(const mqtt::Message& message) {
    if (is_over() || !asked_) return;  // what came before the request is no response
    if (message.retain && options_.print.no_retained) return;
    const auto latency = std::chrono::steady_clock::now() - asked_at_;
    if (const auto wrong = payload_problem(options_.print, message); !wrong.empty()) console().note(wrong);
    auto text = text_of(options_.print, message);
    if (options_.latency) text += fmt::format("Latency: {}\n", time_in_words(latency));
    if (print(text)) leave();
  }

  const RequestOptions& options_;
  mqtt::Message request_;
  std::chrono::steady_clock::time_point asked_at_;
  bool v5_;
  bool asked_ = false;
  bool delivered_ = false;
};

}  // namespace

int request(const NetworkOptions& network, const BrokerOptions& broker, const RequestOptions& options) {
  const Console console{"tapir rr", broker.quiet};
  auto payload = read_payload(options.payload);
  if (!payload) return console.fail(Exit::failure, payload.error());
  Connection connection{network, broker, console, "rr"};
  if (const auto up = connection.set_up(connection.client_config()); !up) return up.error();
  Requester requester{connection, broker, options, console, std::move(*payload)};
  return requester.run();
}

}  // namespace tool
