#include <optional>

#include <fmt/format.h>

#include "commands.hpp"
#include "line_reader.hpp"
#include "payload.hpp"
#include "task.hpp"

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

/// Messages given to the client and not delivered: further lines stay in the pipe.
constexpr std::size_t kMostUnderWay = 200;
constexpr std::size_t kMostBytesUnderWay = std::size_t{8} << 20U;  ///< of a message that is repeated

/// Publishes what it is told to, once connected, and leaves when all of it is delivered.
class Publisher final : public Task {
 public:
  Publisher(Connection& connection, const BrokerOptions& broker, const PublishOptions& options, const Console& console,
            mqtt::Payload message)
      : Task{connection, broker, console},
        options_{options},
        message_{std::move(message)},
        repeat_timer_{tapir::Timer::calling<&Publisher::on_repeat>(connection.runtime().scheduler(), *this)} {
    if (options.lines) lines_.emplace(connection.runtime(), [this] { publish_lines(); });
  }

 private:
  void start() override {
    if (lines_) return publish_lines();
    on_repeat();
  }
  void on_repeat() {
    if (is_over()) return;
    do {
      if (!waiting_for_room() && left_ > 0) {
        --left_;
        publish(message_);
      }
    } while (left_ > 0 && options_.repeat_delay == 0 && !waiting_for_room());
    if (left_ > 0 && options_.repeat_delay > 0)
      repeat_timer_.arm_after(std::chrono::nanoseconds{static_cast<std::int64_t>(options_.repeat_delay * 1e9)});
  }
  void publish_lines() {
    if (!is_connected() || is_over()) return;
    while (!waiting_for_room()) {
      const auto line = lines_->next();
      if (!line) break;
      publish(mqtt::Payload{std::string_view{*line}});
    }
    leave_when_done();
  }
  void publish(mqtt::Payload payload) {
    ++under_way_;
    client().publish({.topic = options_.topics[0],
                      .payload = std::move(payload),
                      .qos = static_cast<mqtt::QoS>(options_.qos),
                      .retain = options_.retain,
                      .properties = properties().publish},
                     [this](tapir::Result<> outcome) { delivered(outcome); });
  }
  void delivered(const tapir::Result<>& outcome) {
    if (is_over()) return;
    if (!outcome) return fail_with("the message was not delivered", outcome.error());
    const bool was_full = waiting_for_room();
    --under_way_;
    if (was_full && lines_) return publish_lines();
    if (was_full && options_.repeat_delay == 0) on_repeat();
    leave_when_done();
  }
  void leave_when_done() {
    const bool all_given = lines_ ? lines_->at_end() : left_ == 0;
    if (!all_given || under_way_ > 0) return;
    if (lines_ && lines_->error() != 0) return fail(Exit::failure, "standard input: " + std::generic_category().message(lines_->error()));
    leave();
  }
  [[nodiscard]] bool waiting_for_room() const {
    return under_way_ >= kMostUnderWay || (under_way_ > 0 && under_way_ * message_.size() >= kMostBytesUnderWay);
  }

  const PublishOptions& options_;
  mqtt::Payload message_;
  std::optional<LineReader> lines_;
  tapir::Timer repeat_timer_;
  unsigned left_ = options_.repeat;
  std::size_t under_way_ = 0;
};

}  // namespace

int publish(const NetworkOptions& network, const BrokerOptions& broker, const PublishOptions& options) {
  const Console console{"tapir pub", broker.quiet};
  auto message = read_payload(options.payload);
  if (!message) return console.fail(Exit::failure, message.error());
  Connection connection{network, broker, console, "pub"};
  if (const auto up = connection.set_up(connection.client_config()); !up) return up.error();
  Publisher publisher{connection, broker, options, console, std::move(*message)};
  return publisher.run();
}

}  // namespace tool
