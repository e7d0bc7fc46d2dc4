#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "commands.hpp"
#include "connection.hpp"
#include "line_reader.hpp"

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

/// Lines given to the client and not delivered: more stay in the pipe.
constexpr std::size_t kMostUnderWay = 200;

std::string all_of(std::istream& stream) { return {std::istreambuf_iterator<char>{stream}, {}}; }

/// The message of -m, -f, -s or -n.
std::expected<mqtt::Payload, std::string> read_message(const PublishOptions& options) {
  if (options.message) return mqtt::Payload{std::string_view{*options.message}};
  if (options.whole_input) return mqtt::Payload{std::string_view{all_of(std::cin)}};
  if (options.null) return mqtt::Payload{};
  errno = 0;
  std::ifstream file{options.file, std::ios::binary};
  if (!file) return std::unexpected{fmt::format("{}: {}", options.file, std::generic_category().message(errno))};
  auto text = all_of(file);
  if (file.bad() || (text.empty() && file.fail() && !file.eof())) return std::unexpected{options.file + ": cannot be read"};
  return mqtt::Payload{std::string_view{text}};
}

/// Publishes what it is told to, once connected, and stops the loop when all of it is delivered.
class Publisher {
 public:
  Publisher(Connection& connection, const PublishOptions& options, const Console& console, mqtt::Payload message)
      : connection_{connection},
        client_{connection.client()},
        options_{options},
        console_{console},
        message_{std::move(message)},
        repeat_timer_{tapir::Timer::calling<&Publisher::on_repeat>(connection.runtime().scheduler(), *this)} {
    if (options.lines) lines_.emplace(connection.runtime(), [this] { publish_lines(); });
    client_.on_connected([this](bool) {
      if (!std::exchange(connected_, true)) start();
    });
    client_.on_disconnected([this](const mqtt::Disconnection& why) { disconnected(why); });
  }

 private:
  void start() {
    if (lines_) return publish_lines();
    on_repeat();
  }
  void on_repeat() {
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
    if (!connected_) return;
    while (!waiting_for_room()) {
      const auto line = lines_->next();
      if (!line) break;
      publish(mqtt::Payload{std::string_view{*line}});
    }
    finish_when_done();
  }
  void publish(mqtt::Payload payload) {
    ++under_way_;
    client_.publish({.topic = options_.topics[0],
                     .payload = std::move(payload),
                     .qos = static_cast<mqtt::QoS>(options_.qos),
                     .retain = options_.retain},
                    [this](tapir::Result<> outcome) { delivered(outcome); });
  }
  void delivered(const tapir::Result<>& outcome) {
    if (stopped_) return;
    if (!outcome) return stop(console_.fail(Exit::failure, "the message was not delivered: " + outcome.error().message()));
    const bool was_full = waiting_for_room();
    --under_way_;
    if (was_full && lines_) return publish_lines();
    if (was_full && options_.repeat_delay == 0) on_repeat();
    finish_when_done();
  }
  void finish_when_done() {
    const bool all_given = lines_ ? lines_->at_end() : left_ == 0;
    if (stopped_ || finishing_ || !all_given || under_way_ > 0) return;
    finishing_ = true;
    client_.disconnect([this](tapir::Result<>) { stop(static_cast<int>(Exit::ok)); });
  }
  void disconnected(const mqtt::Disconnection& why) {
    if (stopped_ || finishing_) return;
    const auto text = fmt::format("{}: {}", layer_of(why), why.text);
    if (!connected_ || !why.will_retry) return stop(console_.fail(connected_ ? Exit::failure : exit_code_for(why), text));
    console_.note(text + "; connecting again");
  }
  void stop(int code) {
    if (!std::exchange(stopped_, true)) connection_.runtime().stop(code);
  }
  [[nodiscard]] bool waiting_for_room() const { return under_way_ >= kMostUnderWay; }

  Connection& connection_;
  mqtt::Client& client_;
  const PublishOptions& options_;
  const Console& console_;
  mqtt::Payload message_;
  std::optional<LineReader> lines_;
  tapir::Timer repeat_timer_;
  unsigned left_ = options_.repeat;
  std::size_t under_way_ = 0;
  bool connected_ = false;
  bool finishing_ = false;
  bool stopped_ = false;
};

}  // namespace

int publish(const NetworkOptions& network, const BrokerOptions& broker, const PublishOptions& options) {
  const Console console{"tapir pub", broker.quiet};
  mqtt::Payload message;
  if (!options.lines) {
    auto read = read_message(options);
    if (!read) return console.fail(Exit::failure, read.error());
    message = std::move(*read);
  }
  const auto id = broker.client_id("pub");
  Connection connection{network, broker, console, id};
  if (const auto up = connection.set_up(client_config(broker, id)); !up) return console.fail(Exit::failure, up.error());
  const Publisher publisher{connection, options, console, std::move(message)};
  return connection.run();
}

}  // namespace tool
