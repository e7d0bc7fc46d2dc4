#include "command_options.hpp"

#include <cmath>

#include <tapir/mqtt/topic.hpp>

#include "format.hpp"

namespace tool {

namespace {

std::string check_filter(const std::string& text) {
  return tapir::mqtt::is_valid_topic_filter(text) ? std::string{}
                                                  : "not a topic filter: a wildcard in a wrong place, or it is empty, or not UTF-8";
}

/// What -t and -L have to give to a command that publishes.
std::string topic_problem(const std::vector<std::string>& topics) {
  if (topics.size() != 1) return topics.empty() ? "no topic: give -t, or -L with one" : "more than one topic";
  return check_topic(topics[0]);
}

void add_topic(CLI::App& app, std::vector<std::string>& topics) {
  app.add_option("-t,--topic", topics, "topic to publish to")->allow_extra_args(false)->check(check_topic);
}

void add_qos(CLI::App& app, int& qos, const std::string& what) {
  app.add_option("-q,--qos", qos, what)->check(CLI::Range(0, 2))->capture_default_str();
}

void add_wait(CLI::App& app, unsigned& seconds) {
  app.add_option("-W", seconds, "give up after this many seconds, with exit code 1")->check(CLI::Range(1U, 2'000'000U));
}

}  // namespace

void PayloadOptions::add_to(CLI::App& app) {
  app.add_option("-m,--message", message, "the message");
  app.add_option("-f,--file", file, "the message is what this file contains");
  app.add_flag("-s,--stdin-file", whole_input, "the message is all of standard input");
  app.add_flag("-n,--null-message", null, "an empty message");
}

void PrintOptions::add_to(CLI::App& app) {
  app.add_option("-F", format, "how a message is printed; see below")->check([](const std::string& text) { return format_problem(text); });
  app.add_flag("--pretty", pretty, "lay out the JSON of %j and %J in lines");
  app.add_flag("-N", no_newline, "no end of line behind a payload");
  app.add_flag("-R", no_retained, "do not print messages that the broker had kept");
  app.add_flag("-v,--verbose", verbose, "print the topic before the payload");
}

void SubscriptionOptions::add_to(CLI::App& app) {
  app.add_option("--retain-handling", retain_handling,
                 "when the broker sends the messages it has kept: always, new (subscriptions), never (mqttv5)")
      ->check(CLI::IsMember({"always", "new", "never"}))
      ->capture_default_str();
  app.add_flag("--retain-as-published", retain_as_published, "messages keep the retain flag they were published with (mqttv5)");
}

tapir::mqtt::Subscription SubscriptionOptions::to(std::string filter, int qos) const {
  using enum tapir::mqtt::RetainHandling;
  return {.filter = std::move(filter),
          .qos = static_cast<tapir::mqtt::QoS>(qos),
          .retain_as_published = retain_as_published,
          .retain_handling = retain_handling == "never" ? never
                             : retain_handling == "new" ? at_new_subscription
                                                        : at_subscribe};
}

std::string SubscriptionOptions::problem(const BrokerOptions& broker) const {
  if (broker.protocol() == tapir::mqtt::ProtocolVersion::v5_0) return {};
  if (retain_as_published) return "--retain-as-published: needs MQTT 5.0 (-V mqttv5)";
  return retain_handling == "always" ? "" : "--retain-handling: needs MQTT 5.0 (-V mqttv5)";
}

void PublishOptions::add_to(CLI::App& app) {
  add_topic(app, topics);
  payload.add_to(app);
  app.add_flag("-l,--stdin-line", lines, "each line of standard input is a message");
  add_qos(app, qos, "quality of service");
  app.add_flag("-r,--retain", retain, "the broker keeps the message for later subscribers");
  app.add_option("--repeat", repeat, "publish the message this often")->check(CLI::Range(1U, 1'000'000'000U))->capture_default_str();
  delay_given_ =
      app.add_option("--repeat-delay", repeat_delay, "seconds in between")->check(CLI::Range(0.0, 86'400.0))->capture_default_str();
}

std::string PublishOptions::problem(const BrokerOptions& /*broker*/) const {
  if (auto wrong = topic_problem(topics); !wrong.empty()) return wrong;
  const int kinds = payload.given() + (lines ? 1 : 0);
  if (kinds != 1) return kinds == 0 ? "no message: give one of -m, -f, -l, -s, -n" : "only one of -m, -f, -l, -s, -n can be used";
  if (lines && repeat > 1) return "--repeat cannot be used with -l";
  if (lines && delay_given_ != nullptr && delay_given_->count() > 0) return "--repeat-delay cannot be used with -l";
  if (std::isnan(repeat_delay)) return "--repeat-delay: not a number";
  return {};
}

void SubscribeOptions::add_to(CLI::App& app) {
  app.add_option("-t,--topic", topics, "topic filter to subscribe to; may be given several times")
      ->allow_extra_args(false)
      ->check(check_filter);
  add_qos(app, qos, "highest quality of service");
  subscription.add_to(app);
  app.add_option("-T,--filter-out", filtered_out, "do not print messages whose topic matches; may be given several times")
      ->allow_extra_args(false)
      ->check(check_filter);
  app.add_option("-U,--unsubscribe", unsubscribed, "unsubscribe from this filter; may be given several times")
      ->allow_extra_args(false)
      ->check(check_filter);
  app.add_option("-C", count, "end after this many messages")->check(CLI::Range(1U, 2'000'000'000U));
  add_wait(app, wait);
  app.add_flag("-E", exit_when_subscribed, "end when the broker has taken the subscriptions");
  print.add_to(app);
  app.add_flag("--retained-only", retained_only, "print only messages that the broker had kept, and end at the first other");
  app.add_flag("--remove-retained", remove_retained, "delete those at the broker, except what -T filters out");
  app.add_option("--random-filter", random_filter, "print this percentage of the messages, by chance")->check(CLI::Range(0.1, 100.0));
}

std::string SubscribeOptions::problem(const BrokerOptions& broker) const {
  if (topics.empty() && unsubscribed.empty()) return "no topic: give -t, or -L with one, or -U";
  for (const auto& topic : topics) {
    if (auto wrong = check_filter(topic); !wrong.empty()) return wrong;
  }
  if (print.no_retained && retained_only) return "-R and --retained-only leave nothing";
  return subscription.problem(broker);
}

void RequestOptions::add_to(CLI::App& app) {
  add_topic(app, topics);
  app.add_option("-e,--response-topic", response_topic, "topic on which the response is waited for")->check(check_topic);
  payload.add_to(app);
  add_qos(app, qos, "quality of service of the request, and the highest of the response");
  subscription.add_to(app);
  add_wait(app, wait);
  print.add_to(app);
  app.add_flag("--latency", latency, "print the time from the request to the response behind it");
}

std::string RequestOptions::problem(const BrokerOptions& broker) const {
  if (auto wrong = topic_problem(topics); !wrong.empty()) return wrong;
  if (response_topic.empty()) return "no topic for the response: give -e";
  if (payload.given() != 1)
    return payload.given() == 0 ? "no message: give one of -m, -f, -s, -n" : "only one of -m, -f, -s, -n can be used";
  if (broker.properties.publish.contains(tapir::mqtt::PropertyId::response_topic)) return "-D publish response-topic: that is what -e says";
  return subscription.problem(broker);
}

}  // namespace tool
