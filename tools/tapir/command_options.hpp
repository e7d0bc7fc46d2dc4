#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <tapir/mqtt/types.hpp>

#include "options.hpp"

/// What each command has of its own on the command line. problem() says what is wrong with the options together; empty: nothing.
namespace tool {

/// Where the message comes from: of these one.
struct PayloadOptions {
  std::optional<std::string> message;
  std::string file;
  bool null = false;
  bool whole_input = false;

  void add_to(CLI::App& app);
  [[nodiscard]] int given() const { return (message ? 1 : 0) + (file.empty() ? 0 : 1) + (whole_input ? 1 : 0) + (null ? 1 : 0); }
};

/// How messages are printed.
struct PrintOptions {
  std::string format;
  bool pretty = false;
  bool no_newline = false;
  bool verbose = false;
  bool no_retained = false;

  void add_to(CLI::App& app);
};

/// The options of a subscription in MQTT 5.0.
struct SubscriptionOptions {
  bool retain_as_published = false;
  std::string retain_handling = "always";

  void add_to(CLI::App& app);
  [[nodiscard]] tapir::mqtt::Subscription to(std::string filter, int qos) const;
  [[nodiscard]] std::string problem(const BrokerOptions& broker) const;
};

struct PublishOptions {
  static inline const std::vector<std::string> kPackets{"connect", "publish", "disconnect", "will"};  ///< for -D

  std::vector<std::string> topics;
  PayloadOptions payload;
  bool lines = false;
  int qos = 0;
  bool retain = false;
  unsigned repeat = 1;
  double repeat_delay = 0;  // seconds

  void add_to(CLI::App& app);
  [[nodiscard]] std::string problem(const BrokerOptions& broker) const;

 private:
  const CLI::Option* delay_given_ = nullptr;
};

struct SubscribeOptions {
  static inline const std::vector<std::string> kPackets{"connect", "subscribe", "unsubscribe", "disconnect", "will"};

  std::vector<std::string> topics;
  std::vector<std::string> filtered_out;
  std::vector<std::string> unsubscribed;
  SubscriptionOptions subscription;
  PrintOptions print;
  int qos = 0;
  unsigned count = 0;  // 0: no end
  unsigned wait = 0;   // seconds; 0: no end
  double random_filter = 100;
  bool retained_only = false;
  bool remove_retained = false;
  bool exit_when_subscribed = false;

  void add_to(CLI::App& app);
  [[nodiscard]] std::string problem(const BrokerOptions& broker) const;
};

struct RequestOptions {
  static inline const std::vector<std::string> kPackets{"connect", "publish", "subscribe", "disconnect", "will"};

  std::vector<std::string> topics;
  std::string response_topic;
  PayloadOptions payload;
  SubscriptionOptions subscription;
  PrintOptions print;
  int qos = 0;
  unsigned wait = 0;  // seconds; 0: no end
  bool latency = false;

  void add_to(CLI::App& app);
  [[nodiscard]] std::string problem(const BrokerOptions& broker) const;
};

}  // namespace tool
