// A full run of the client against a broker that judges it: paho.mqtt.testing's startbroker.py (docs/mqtt-conformance.md says how).
//
// usage: mqtt_strict_broker PORT
//
// Every quality of service in both directions, subscriptions, wills, retained messages and sessions that outlive connections and broken
// exchanges, in 3.1.1 and 5.0; then what 5.0 alone has. Prints each step. 0: everything came out as it should; what the broker thinks of
// it stands in the broker's log.

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/host_transport.hpp>
#include <tapir/mqtt/reason_code.hpp>

#include "driven_session.hpp"

namespace {

using namespace tapir;
using namespace tapir::mqtt;
using namespace std::chrono_literals;

constexpr QoS kLevels[] = {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once};
constexpr Duration kPatience = 10s;

bool failed = false;
void demand(bool holds, std::string_view what) {
  if (holds) return;
  failed = true;
  std::cerr << "mqtt_strict_broker: not as it should be: " << what << '\n';
}

/// A client that does one thing at a time.
class Client {
 public:
  Client(Runtime& runtime, Port port, ConnectOptions options, SessionLimits limits = {})
      : runtime_{runtime},
        driven_{runtime, std::make_unique<HostTransport>(runtime, "127.0.0.1", port), limits,
                test::DrivenSession::Handlers{.event = [this](const Event& event) { events_.push_back(event); },
                                              .closed = [this](std::error_code) { closed_ = true; },
                                              .output =
                                                  [this](std::vector<std::byte>& output) {
                                                    if (silent_) output.clear();
                                                  }}} {
    demand(session().configure(std::move(options)).has_value(), "options");
  }

  [[nodiscard]] Session& session() { return driven_.session(); }

  /// Connects; whether the broker has kept the session.
  bool connect() {
    closed_ = false;
    demand(driven_.open().has_value(), "open");
    const auto connected = take<event::Connected>("CONNACK");
    return connected && connected->session_present;
  }
  /// Ends the connection in order.
  void disconnect(ReasonCode reason = ReasonCode::normal_disconnection) {
    demand(session().disconnect(driven_.now(), reason).has_value(), "disconnect");
    send();
    wait_closed();
  }
  /// Ends it without DISCONNECT.
  void vanish() {
    driven_.close();
    wait_closed();
  }
  void wait_closed() {
    demand(runtime_.run_until([this] { return closed_; }, kPatience), "end of the connection");
  }

  Token publish(Message message) {
    const auto token = session().publish(std::move(message), driven_.now());
    demand(token.has_value(), "publish");
    send();
    return token.value_or(Token{});
  }
  /// Publishes, and waits until the broker has the message.
  void deliver(const Message& message) {
    publish(message);
    message.qos == QoS::at_most_once ? (void)take<event::Sent>("QoS 0 out") : (void)take<event::Delivered>("acknowledgment");
  }
  /// What the broker granted.
  std::vector<SubscribeCode> subscribe(std::vector<Subscription> subscriptions, Properties properties = {}) {
    demand(session().subscribe(std::move(subscriptions), driven_.now(), std::move(properties)).has_value(), "subscribe");
    send();
    const auto answer = take<event::Subscribed>("SUBACK");
    return answer ? answer->codes : std::vector<SubscribeCode>{};
  }
  void unsubscribe(std::vector<std::string> filters) {
    demand(session().unsubscribe(std::move(filters), driven_.now()).has_value(), "unsubscribe");
    send();
    (void)take<event::Unsubscribed>("UNSUBACK");
  }
  std::optional<Message> message(std::string_view what) {
    auto received = take<event::MessageReceived>(what);
    return received ? std::optional{std::move(received->message)} : std::nullopt;
  }
  /// Waits for an event of this kind, and takes the first.
  template <class Wanted>
  std::optional<Wanted> take(std::string_view what) {
    const auto is_wanted = [](const Event& event) { return std::holds_alternative<Wanted>(event); };
    runtime_.run_until([&] { return std::ranges::any_of(events_, is_wanted); }, kPatience);
    const auto place = std::ranges::find_if(events_, is_wanted);
    demand(place != events_.end(), what);
    if (place == events_.end()) return std::nullopt;
    auto wanted = std::get<Wanted>(std::move(*place));
    events_.erase(place);
    return wanted;
  }
  /// Lets time pass, and demands that no message has come.
  void expect_no_message(std::string_view what, Duration time = 300ms) {
    runtime_.run_until([] { return false; }, time);
    demand(std::ranges::none_of(events_, [](const Event& event) { return std::holds_alternative<event::MessageReceived>(event); }), what);
  }
  void send() { driven_.send(); }
  /// What the session says from now on is lost.
  void lose_output(bool lost) { silent_ = lost; }

 private:
  Runtime& runtime_;
  std::vector<Event> events_;
  bool closed_ = false;
  bool silent_ = false;
  test::DrivenSession driven_;
};

/// The run in one version.
class Run {
 public:
  Run(Port port, ProtocolVersion version) : port_{port}, version_{version} {}

  void all() {
    for (const auto& [name, step] : std::initializer_list<std::pair<const char*, void (Run::*)()>>{
             {"every quality of service, both ways", &Run::every_qos},
             {"grants below what was asked for", &Run::lower_grants},
             {"retained messages", &Run::retained},
             {"a will", &Run::will},
             {"a session that the broker keeps", &Run::kept_session},
             {"exchanges over lost connections", &Run::lost_connections},
             {"keep alive", &Run::keep_alive},
         })
      tell(name, step);
    if (version_ != ProtocolVersion::v5_0) return;
    for (const auto& [name, step] : std::initializer_list<std::pair<const char*, void (Run::*)()>>{
             {"the broker's limits", &Run::limits},
             {"topic aliases", &Run::topic_aliases},
             {"subscription options", &Run::subscription_options},
             {"shared subscriptions", &Run::shared_subscriptions},
             {"properties of messages", &Run::message_properties},
             {"refusals", &Run::refusals},
             {"a will with a delay, and one that DISCONNECT asks for", &Run::later_wills},
             {"an identifier by the broker", &Run::assigned_identifier},
         })
      tell(name, step);
  }

 private:
  void tell(const char* name, void (Run::*step)()) {
    std::cout << (version_ == ProtocolVersion::v5_0 ? "5.0:   " : "3.1.1: ") << name << std::endl;
    (this->*step)();
  }
  [[nodiscard]] ConnectOptions options(std::string id, bool kept = false) const {
    ConnectOptions options{.client_id = std::move(id), .clean_session = !kept, .version = version_};
    if (kept && version_ == ProtocolVersion::v5_0) options.properties = {{property::session_expiry_interval, 100}};
    return options;
  }
  /// Takes what an earlier run has left.
  void forget(const std::string& id) {
    Client client{runtime_, port_, options(id)};
    client.connect();
    client.disconnect();
  }

  void every_qos() {
    Client client{runtime_, port_, options("everything")};
    demand(!client.connect(), "a clean session");
    for (const QoS granted : kLevels) {
      const auto codes = client.subscribe({{.filter = "run/+", .qos = granted}, {.filter = "other", .qos = QoS::at_most_once}});
      demand(codes == std::vector{static_cast<SubscribeCode>(granted), SubscribeCode::granted_qos_0}, "grants");
      for (const QoS qos : kLevels) {
        client.deliver({.topic = "run/a", .payload = "text", .qos = qos});
        const auto message = client.message("the message");
        demand(message && message->qos == std::min(qos, granted) && message->payload.text() == "text" && !message->retain, "the message");
      }
    }
    for (int i = 0; i < 10; ++i) client.publish({.topic = "run/many", .payload = std::to_string(i).c_str(), .qos = QoS::exactly_once});
    for (int i = 0; i < 10; ++i) {
      (void)client.take<event::Delivered>("acknowledgment");
      const auto message = client.message("one of many");
      demand(message && message->payload.text() == std::to_string(i), "order");
    }
    client.deliver({.topic = "run/empty", .qos = QoS::at_least_once});
    const auto empty = client.message("an empty message");
    demand(empty && empty->payload.empty(), "an empty message");
    client.unsubscribe({"run/+", "other"});
    client.deliver({.topic = "run/a", .payload = "text", .qos = QoS::exactly_once});
    client.expect_no_message("after UNSUBSCRIBE");
    client.disconnect();
  }

  void lower_grants() {
    Client client{runtime_, port_, options("grants")};
    client.connect();
    std::vector<Subscription> wanted{{.filter = "granted", .qos = QoS::exactly_once},
                                     {.filter = "test/nosubscribe", .qos = QoS::exactly_once}};
    const bool lowers = version_ == ProtocolVersion::v5_0;  // in 3.1.1 the broker fails with a TypeError of its own
    if (lowers) wanted[0].filter = "test/QoS 1 only";
    const auto codes = client.subscribe(wanted);
    demand(codes.size() == 2 && codes[0] == (lowers ? SubscribeCode::granted_qos_1 : SubscribeCode::granted_qos_2), "what was granted");
    demand(codes.size() == 2 && is_failure(codes[1]), "a refusal");
    client.disconnect();
  }

  void retained() {
    Client client{runtime_, port_, options("retained")};
    client.connect();
    for (const QoS qos : kLevels) {
      client.deliver({.topic = "kept", .payload = "old", .qos = qos, .retain = true});
      client.subscribe({{.filter = "kept", .qos = QoS::exactly_once}});
      const auto message = client.message("a retained message");
      demand(message && message->retain && message->qos == qos, "a retained message");
      client.deliver({.topic = "kept", .qos = qos, .retain = true});  // empty: it is forgotten
      (void)client.message("the empty one");
      client.unsubscribe({"kept"});
      client.subscribe({{.filter = "kept", .qos = QoS::exactly_once}});
      client.expect_no_message("it was forgotten");
      client.unsubscribe({"kept"});
    }
    client.disconnect();
  }

  void will() {
    Client watcher{runtime_, port_, options("watcher")};
    watcher.connect();
    watcher.subscribe({{.filter = "will", .qos = QoS::exactly_once}});
    for (const QoS qos : kLevels) {
      auto wanted = options("mortal");
      wanted.will = Will{.topic = "will", .payload = "gone", .qos = qos};
      Client mortal{runtime_, port_, wanted};
      mortal.connect();
      mortal.disconnect();
      watcher.expect_no_message("a will after DISCONNECT");
      mortal.connect();
      mortal.vanish();
      const auto message = watcher.message("the will");
      demand(message && message->payload.text() == "gone" && message->qos == qos, "the will");
    }
    watcher.disconnect();
  }

  void kept_session() {
    forget("kept");
    Client kept{runtime_, port_, options("kept", true)};
    Client sender{runtime_, port_, options("sender")};
    demand(!kept.connect(), "a new session");
    kept.subscribe({{.filter = "for/kept", .qos = QoS::exactly_once}});
    kept.disconnect();
    sender.connect();
    for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) sender.deliver({.topic = "for/kept", .payload = "later", .qos = qos});
    sender.disconnect();
    demand(kept.connect(), "the session is there");
    for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
      const auto message = kept.message("what came meanwhile");
      demand(message && message->qos == qos, "what came meanwhile");
    }
    kept.disconnect();
    forget("kept");
  }

  /// The connection is lost right behind PUBLISH, with the acknowledgment unread; and again behind PUBREC.
  void lost_connections() {
    forget("persistent");
    Client watcher{runtime_, port_, options("witness")};
    watcher.connect();
    watcher.subscribe({{.filter = "once", .qos = QoS::exactly_once}});
    Client client{runtime_, port_, options("persistent", true)};
    client.connect();
    for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
      client.publish({.topic = "once", .payload = "x", .qos = qos});
      client.vanish();
      (void)watcher.message("it arrived");
      demand(client.connect(), "the session is there");
      (void)client.take<event::Delivered>("acknowledgment in the second connection");
      if (qos == QoS::at_least_once) (void)watcher.message("QoS 1 arrives again");
    }
    watcher.expect_no_message("exactly once");
    // The other way: the broker's PUBLISH is received and not answered.
    client.subscribe({{.filter = "back", .qos = QoS::exactly_once}});
    for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
      client.lose_output(true);
      watcher.deliver({.topic = "back", .payload = "y", .qos = qos});
      (void)client.message("the broker's message");
      client.vanish();
      client.lose_output(false);
      demand(client.connect(), "the session is there");
      if (qos == QoS::at_least_once) {
        const auto again = client.message("the same again");
        demand(again && again->duplicate, "the same again");
      }
      client.expect_no_message("exactly once");
      demand(client.session().unreleased() == 0, "released");
    }
    client.disconnect();
    watcher.disconnect();
    forget("persistent");
  }

  void keep_alive() {
    auto wanted = options("quiet");
    wanted.keep_alive = 1s;
    Client client{runtime_, port_, wanted};
    client.connect();
    client.expect_no_message("nothing but PINGREQ and PINGRESP", 4s);
    demand(client.session().is_connected(), "the connection stands");
    client.disconnect();
  }

  void limits() {
    Client client{runtime_, port_, options("limits")};
    client.connect();
    const auto& server = client.session().server();
    std::cout << "       receive maximum " << server.receive_maximum << ", packets of " << server.maximum_packet_size << " bytes, "
              << server.topic_alias_maximum << " topic aliases, keep alive " << client.session().keep_alive().count() << " s" << std::endl;
    const auto refused = client.session().publish({.topic = "t", .payload = std::string(server.maximum_packet_size, 'x').c_str()}, {});
    demand(!refused && refused.error() == mqtt::Error::packet_too_large, "too large for the broker");
    for (int i = 0; i < 20; ++i) client.publish({.topic = "t", .payload = "x", .qos = i % 2 == 0 ? QoS::at_least_once : QoS::exactly_once});
    for (int i = 0; i < 20; ++i) (void)client.take<event::Delivered>("acknowledgment");
    client.disconnect();
  }

  void topic_aliases() {
    auto wanted = options("aliases");
    wanted.properties.set(property::topic_alias_maximum, 5);
    Client client{runtime_, port_, wanted};
    client.connect();
    client.subscribe({{.filter = "alias/#", .qos = QoS::exactly_once}});
    for (int i = 0; i < 12; ++i) {
      const std::string topic = "alias/" + std::to_string(i % 4);
      client.deliver({.topic = topic, .payload = "x", .qos = kLevels[i % 3]});
      const auto message = client.message("a message by alias");
      demand(message && message->topic == topic, "the topic behind the alias");
    }
    client.disconnect();
  }

  void subscription_options() {
    Client client{runtime_, port_, options("choosy")};
    client.connect();
    client.deliver({.topic = "choice", .payload = "kept", .qos = QoS::at_least_once, .retain = true});
    Subscription subscription{.filter = "choice", .qos = QoS::exactly_once, .no_local = true, .retain_handling = RetainHandling::never};
    client.subscribe({subscription}, {{property::subscription_identifier, 77}});
    client.deliver({.topic = "choice", .payload = "own", .qos = QoS::exactly_once});
    client.expect_no_message("neither its own nor the retained one");
    Client other{runtime_, port_, options("other")};
    other.connect();
    other.deliver({.topic = "choice", .payload = "another's", .qos = QoS::exactly_once});
    const auto message = client.message("another's message");
    demand(message && message->properties.all(property::subscription_identifier) == std::vector<std::uint32_t>{77},
           "its subscription identifier");
    subscription.retain_handling = RetainHandling::at_subscribe;
    subscription.retain_as_published = true;
    client.subscribe({subscription});
    demand(client.message("the retained one").value_or(Message{}).payload.text() == "kept", "the retained one");
    other.deliver({.topic = "choice", .qos = QoS::at_least_once, .retain = true});
    demand(client.message("the empty one").value_or(Message{}).retain, "retain as published");
    client.disconnect();
    other.disconnect();
  }

  void shared_subscriptions() {
    Client first{runtime_, port_, options("first")};
    Client second{runtime_, port_, options("second")};
    for (Client* client : {&first, &second}) {
      client->connect();
      client->subscribe({{.filter = "$share/group/work", .qos = QoS::exactly_once}});
    }
    Client sender{runtime_, port_, options("sender")};
    sender.connect();
    for (int i = 0; i < 6; ++i) sender.deliver({.topic = "work", .payload = "x", .qos = QoS::exactly_once});
    for (Client* client : {&first, &second}) client->unsubscribe({"$share/group/work"});
    for (Client* client : {&first, &second, &sender}) client->disconnect();
  }

  void message_properties() {
    Client client{runtime_, port_, options("properties")};
    client.connect();
    client.subscribe({{.filter = "request", .qos = QoS::exactly_once}});
    const Properties given{{property::payload_format_indicator, true},
                           {property::message_expiry_interval, 60},
                           {property::content_type, "text/plain"},
                           {property::response_topic, "response"},
                           {property::correlation_data, std::string{"\x00\x01\xff", 3}},
                           {property::user_property, {"a", "1"}},
                           {property::user_property, {"a", "2"}}};
    for (const QoS qos : kLevels) {
      client.deliver({.topic = "request", .payload = "x", .qos = qos, .properties = given});
      const auto message = client.message("a message with properties");
      if (!message) continue;
      const auto& got = message->properties;
      demand(got.get(property::response_topic) == "response" && got.get(property::correlation_data) == std::string("\x00\x01\xff", 3) &&
                 got.get(property::content_type) == "text/plain" && got.all(property::user_property).size() == 2,
             "the properties");
    }
    client.disconnect();
  }

  void refusals() {
    Client client{runtime_, port_, options("refused")};
    client.connect();
    for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
      client.publish({.topic = "test_qos_1_2_errors", .payload = "x", .qos = qos});
      const auto failure = client.take<event::Failed>("a refusal");
      demand(failure && failure->error == ReasonCode::not_authorized, "its reason");
    }
    client.publish({.topic = "test_qos_1_2_errors_pubcomp", .payload = "x", .qos = QoS::exactly_once});
    const auto delivered = client.take<event::Delivered>("PUBCOMP with a reason");
    demand(delivered && delivered->reason == ReasonCode::packet_identifier_not_found, "its reason");
    client.disconnect();
  }

  void later_wills() {
    Client watcher{runtime_, port_, options("watcher")};
    watcher.connect();
    watcher.subscribe({{.filter = "will", .qos = QoS::exactly_once}});
    auto wanted = options("mortal", true);
    wanted.will = Will{.topic = "will", .payload = "gone", .qos = QoS::at_least_once, .properties = {{property::will_delay_interval, 1}}};
    Client mortal{runtime_, port_, wanted};
    mortal.connect();
    mortal.vanish();
    (void)watcher.message("a delayed will");
    mortal.connect();
    mortal.disconnect(ReasonCode::disconnect_with_will);  // the broker accepts that and publishes no will
    watcher.disconnect();
    forget("mortal");
  }

  void assigned_identifier() {
    Client client{runtime_, port_, options("")};
    demand(client.session().configure(options("")).has_value(), "options");
    client.connect();
    client.disconnect();
  }

  Port port_;
  ProtocolVersion version_;
  Runtime runtime_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view word = argc == 2 ? argv[1] : "";
  std::uint16_t port = 0;
  if (std::from_chars(word.data(), word.data() + word.size(), port).ec != std::errc{}) {
    std::cerr << "usage: mqtt_strict_broker PORT\n";
    return 2;
  }
  for (const auto version : {ProtocolVersion::v3_1_1, ProtocolVersion::v5_0}) Run{Port{port}, version}.all();
  return failed ? 1 : 0;
}
