// The clients of the scripts, each in the words of this library.

#include <map>

#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/reason_code.hpp>

#include "mqtt_script.hpp"

namespace tapir::test {

namespace {

using namespace mqtt;
using Make = Script (*)(const Arguments&);
using Table = std::map<std::string_view, Make>;

constexpr auto kOld = ProtocolVersion::v3_1_1;
constexpr auto kNew = ProtocolVersion::v5_0;
constexpr QoS kQos0 = QoS::at_most_once, kQos1 = QoS::at_least_once, kQos2 = QoS::exactly_once;

/// libmosquitto announces a Receive Maximum of 20 in 5.0.
ConnectOptions client(std::string id, ProtocolVersion version = kOld) {
  ConnectOptions options{.client_id = std::move(id), .version = version};
  if (version == kNew) options.properties = {{property::receive_maximum, 20}};
  return options;
}

ConnectOptions with_will(ConnectOptions options, Will will) {
  options.will = std::move(will);
  return options;
}

ConnectOptions with_keep_alive(ConnectOptions options, std::chrono::seconds keep_alive) {
  options.keep_alive = keep_alive;
  return options;
}

ConnectOptions with_user(ConnectOptions options, std::string name, std::string password) {
  options.user_name = std::move(name);
  options.password = std::move(password);
  return options;
}

void leave(Player& player) { player.disconnect(); }
void wait(Player& /*player*/) {}

Step publishes(Message message) {
  return [message](Player& player) { player.publish(message); };
}

Step leaves_after(unsigned messages) {
  return [messages](Player& player) {
    if (player.done() == messages) player.disconnect();
  };
}

Table connecting() {
  static const Will kWill{.topic = "will/topic", .payload = "will-payload", .qos = kQos1, .retain = true};
  return {
      {"01-con-discon-success", [](const Arguments&) { return Script{.options = client("01-con-discon-success")}; }},
      {"01-con-discon-success-v5",
       [](const Arguments&) {
         auto options = client("01-con-discon-success-v5", kNew);
         options.properties = {{property::maximum_packet_size, 1000}, {property::receive_maximum, 20}};
         return Script{.options = options};
       }},
      {"01-con-discon-will", [](const Arguments&) { return Script{.options = with_will(client("01-con-discon-will"), kWill)}; }},
      {"01-con-discon-will-clear", [](const Arguments&) { return Script{.options = client("01-con-discon-will")}; }},
      {"01-con-discon-will-v5",
       [](const Arguments&) {
         Will will = kWill;
         will.properties = {{property::payload_format_indicator, true}};
         return Script{.options = with_will(client("01-con-discon-will", kNew), will)};
       }},
      {"01-keepalive-pingreq",
       [](const Arguments&) {
         return Script{
             .options = with_keep_alive(client("01-keepalive-pingreq"), std::chrono::seconds{2}), .connected = wait, .end = End::by_server};
       }},
      {"01-server-keepalive-pingreq",
       [](const Arguments&) {
         return Script{.options = client("01-server-keepalive-pingreq", kNew), .connected = wait, .end = End::by_server};
       }},
      {"01-no-clean-session",
       [](const Arguments&) {
         auto options = client("01-no-clean-session");
         options.clean_session = false;
         return Script{.options = options, .end = End::by_server};
       }},
      {"01-pre-connect-callback",
       [](const Arguments&) {
         return Script{.options = with_user(client("01-pre-connect"), "uname", ";'[08gn=#"), .end = End::by_server};
       }},
      {"01-unpwd-set",
       [](const Arguments&) { return Script{.options = with_user(client("01-unpwd-set"), "uname", ";'[08gn=#"), .end = End::by_server}; }},
      {"01-will-set",
       [](const Arguments&) {
         const Will will{.topic = "topic/on/unexpected/disconnect", .payload = "will message", .qos = kQos1, .retain = true};
         return Script{.options = with_will(client("01-will-set"), will), .end = End::by_server};
       }},
      {"01-will-unpwd-set",
       [](const Arguments&) {
         const Will will{.topic = "will-topic", .payload = "will message", .qos = kQos2};
         return Script{.options = with_user(with_will(client("01-will-unpwd-set"), will), "oibvvwqw", "#'^2hg9a&nm38*us"),
                       .end = End::by_server};
       }},
  };
}

/// The scripts' server starts an authentication that the client has not asked for, which [MQTT-4.12.0-6] forbids, and the library gives such
/// a connection up. As libmosquitto: the library is told of the method, but CONNECT is sent without it.
Script authenticating(const Arguments& arguments) {
  Script script{.options = client("01-extended-auth", kNew)};
  script.options.properties = {{property::maximum_packet_size, 1000}, {property::receive_maximum, 20}};
  if (!arguments.as_libmosquitto) return script;
  script.options.properties.add({property::authentication_method, "test-method"});
  script.alteration = [](Connect& connect) { connect.properties.erase(PropertyId::authentication_method); };
  return script;
}

Table authentication() {
  return {
      {"01-extended-auth-continue",
       [](const Arguments& arguments) {
         Script script = authenticating(arguments);
         script.authentication = [](Player& player, const event::Authentication& step) {
           player.demand(step.properties.get(property::authentication_data) == "test-request", "authentication data");
           player.authenticate("test-reply");
         };
         return script;
       }},
      {"01-extended-auth-failure",
       [](const Arguments& arguments) {
         Script script = authenticating(arguments);
         script.authentication = [](Player& player, const event::Authentication&) { player.close(); };
         return script;
       }},
  };
}

Script subscribing(const char* id, const char* filter, QoS qos) {
  return {.options = client(id),
          .connected = [=](Player& player) { player.subscribe(filter, qos); },
          .subscribed =
              [=](Player& player, const event::Subscribed& answer) {
                player.demand(answer.codes == std::vector{static_cast<SubscribeCode>(qos)}, "granted quality of service");
                player.disconnect();
              }};
}

Script subscribing_for_a_message() {
  Script script = subscribing("subscribe-qos2-test", "qos2/test", kQos2);
  script.subscribed = {};
  script.message = [](Player& player, const Message& message) {
    player.demand(message.topic == "qos2/test", "topic");
    player.disconnect();
  };
  return script;
}

Script unsubscribing(ProtocolVersion version, Properties properties = {}) {
  return {.options = client("unsubscribe-test", version),
          .connected = [=](Player& player) { player.unsubscribe({"unsubscribe/test"}, properties); },
          .unsubscribed = leave};
}

Table subscriptions() {
  const Make qos1 = [](const Arguments&) { return subscribing("subscribe-qos1-test", "qos1/test", kQos1); };
  const Make helper = [](const Arguments&) { return subscribing_for_a_message(); };
  const Make unsubscribe_v5 = [](const Arguments&) { return unsubscribing(kNew, {{property::user_property, {"key", "value"}}}); };
  return {
      {"02-subscribe-qos0", [](const Arguments&) { return subscribing("subscribe-qos0-test", "qos0/test", kQos0); }},
      {"02-subscribe-qos1", qos1},
      {"02-subscribe-qos1-async1", qos1},
      {"02-subscribe-qos1-async2", qos1},
      {"02-subscribe-qos2", [](const Arguments&) { return subscribing("subscribe-qos2-test", "qos2/test", kQos2); }},
      {"02-subscribe-helper-simple-qos2", helper},
      {"02-subscribe-helper-callback-qos2", helper},
      {"02-unsubscribe", [](const Arguments&) { return unsubscribing(kOld); }},
      {"02-unsubscribe-v5", unsubscribe_v5},
      {"02-unsubscribe2-v5", unsubscribe_v5},
      {"02-unsubscribe-multiple-v5",
       [](const Arguments&) {
         Script script = unsubscribing(kNew);
         script.connected = [](Player& player) { player.subscribe("unsubscribe/test", kQos2); };
         script.subscribed = [](Player& player, const event::Subscribed&) { player.unsubscribe({"unsubscribe/test", "no-sub"}); };
         return script;
       }},
  };
}

/// Waits for one message, and looks at it.
Script receiving(ConnectOptions options, const char* topic, QoS qos) {
  return {.options = std::move(options), .connected = wait, .message = [=](Player& player, const Message& message) {
            const bool right = message.topic == topic && message.qos == qos && message.payload.text() == "message" && !message.retain;
            player.demand(right, "message");
            player.disconnect();
          }};
}

Table receiving() {
  const Make unexpected = [](const Arguments& arguments) {
    const auto* const id = arguments.name.contains("qos1") ? "publish-qos1-test" : "publish-qos2-test";
    return Script{.options = with_keep_alive(client(id), std::chrono::seconds{2}), .connected = wait, .end = End::by_server};
  };
  return {
      {"03-publish-b2c-qos1", [](const Arguments&) { return receiving(client("publish-qos1-test"), "pub/qos1/receive", kQos1); }},
      {"03-publish-b2c-qos1-unexpected-puback", unexpected},
      {"03-publish-b2c-qos2", [](const Arguments&) { return receiving(client("publish-qos2-test"), "pub/qos2/receive", kQos2); }},
      {"03-publish-b2c-qos2-len", [](const Arguments&) { return receiving(client("publish-qos2-test", kNew), "len/qos2/test", kQos2); }},
      {"03-publish-b2c-qos2-unexpected-pubcomp", unexpected},
      {"03-publish-b2c-qos2-unexpected-pubrel",
       [](const Arguments&) {
         Script script = receiving(client("publish-qos2-test"), "pub/qos2/receive", kQos2);
         script.message = [look = script.message](Player& player, const Message& message) {
           if (message.topic == "quit") return player.end();
           player.demand(message.topic == "pub/qos2/receive" && message.payload.text() == "message", "message");
         };
         return script;
       }},
      {"11-prop-recv",
       [](const Arguments& arguments) {
         const auto qos = static_cast<QoS>(std::stoi(arguments.argument));
         return Script{.options = client("prop-test", kNew),
                       .connected = wait,
                       .message =
                           [qos](Player& player, const Message& message) {
                             const bool right = message.properties.get(property::content_type) == "plain/text" &&
                                                message.properties.get(property::response_topic) == "msg/123" && message.qos == qos;
                             player.demand(right, "properties");
                             player.publish({.topic = "ok", .payload = "ok"});
                           },
                       .end = End::by_server};
       }},
  };
}

Script publishing(ConnectOptions options, const Message& message) {
  return {.options = std::move(options), .connected = publishes(message), .published = leave};
}

/// The scripts' server takes the connection away in the middle of an exchange, and expects it to go on in the next connection although that
/// has CleanSession 1, which [MQTT-3.1.2-6] forbids: the library gives the message up with its session. As libmosquitto: the library keeps
/// the session, but CONNECT says that it does not.
Script publishing_over_losses(const Arguments& arguments, const char* id, const Message& message) {
  Script script = publishing(client(id), message);
  script.connected = [message](Player& player) {
    if (player.connections() == 1) player.publish(message);
  };
  script.connects_again = true;
  if (!arguments.as_libmosquitto) return script;
  script.options.clean_session = false;
  script.alteration = [](Connect& connect) { connect.clean_session = true; };
  return script;
}

Script publishing_many(const char* id, QoS qos, unsigned count) {
  return {.options = client(id, kNew),
          .connected =
              [=](Player& player) {
                for (unsigned i = 0; i < count; ++i) player.publish({.topic = "topic", .payload = "12345", .qos = qos});
              },
          .published = leaves_after(count)};
}

/// Messages of every quality of service to a server that takes less than all.
Script publishing_at_most(QoS maximum) {
  return {.options = client("publish-qos2-test", kNew),
          .connected =
              [=](Player& player) {
                for (const QoS qos : {kQos2, kQos1, kQos0}) {
                  const auto topic = "maximum/qos/qos" + std::to_string(static_cast<int>(qos));
                  const auto published = player.try_publish({.topic = topic, .payload = "message", .qos = qos});
                  const bool right =
                      qos > maximum ? !published && published.error() == ReasonCode::qos_not_supported : published.has_value();
                  player.demand(right, "what the server does not take is refused");
                }
              },
          .published = leaves_after(maximum == kQos0 ? 1 : 2)};
}

Script publishing_a_refused_one() {
  Script script = publishing(client("publish-qos2-test", kNew), {});
  script.connected = [](Player& player) {
    for (const char* const payload : {"rejected", "accepted"}) player.publish({.topic = "topic", .payload = payload, .qos = kQos2});
  };
  script.refused = [](Player& player) { player.demand(player.done() == 0, "the first of the two is refused"); };
  return script;
}

Table publishing() {
  static const Message kQos1Message{.topic = "pub/qos1/test", .payload = "message", .qos = kQos1};
  static const Message kQos2Message{.topic = "pub/qos2/test", .payload = "message", .qos = kQos2};
  return {
      {"03-publish-c2b-qos1-disconnect", [](const Arguments& a) { return publishing_over_losses(a, "publish-qos1-test", kQos1Message); }},
      {"03-publish-c2b-qos1-len", [](const Arguments&) { return publishing(client("publish-qos1-test", kNew), kQos1Message); }},
      {"03-publish-c2b-qos1-receive-maximum", [](const Arguments&) { return publishing_many("publish-qos1-test", kQos1, 6); }},
      {"03-publish-c2b-qos2", [](const Arguments&) { return publishing(client("publish-qos2-test"), kQos2Message); }},
      {"03-publish-c2b-qos2-disconnect", [](const Arguments& a) { return publishing_over_losses(a, "publish-qos2-test", kQos2Message); }},
      {"03-publish-c2b-qos2-len", [](const Arguments&) { return publishing(client("publish-qos2-test", kNew), kQos2Message); }},
      {"03-publish-c2b-qos2-maximum-qos-0", [](const Arguments&) { return publishing_at_most(kQos0); }},
      {"03-publish-c2b-qos2-maximum-qos-1", [](const Arguments&) { return publishing_at_most(kQos1); }},
      {"03-publish-c2b-qos2-pubrec-error", [](const Arguments&) { return publishing_a_refused_one(); }},
      {"03-publish-c2b-qos2-receive-maximum", [](const Arguments&) { return publishing_many("publish-qos2-test", kQos2, 5); }},
      {"03-publish-qos0",
       [](const Arguments&) { return publishing(client("publish-qos0-test"), {.topic = "pub/qos0/test", .payload = "message"}); }},
      {"03-publish-qos0-no-payload",
       [](const Arguments&) { return publishing(client("publish-qos0-test-np"), {.topic = "pub/qos0/no-payload/test"}); }},
      {"04-retain-qos0",
       [](const Arguments&) {
         return publishing(client("retain-qos0-test"), {.topic = "retain/qos0/test", .payload = "retained message", .retain = true});
       }},
      {"11-prop-send-content-type",
       [](const Arguments&) {
         return publishing(client("prop-test", kNew),
                           {.topic = "prop/qos0", .payload = "message", .properties = {{property::content_type, "application/json"}}});
       }},
      {"11-prop-send-payload-format",
       [](const Arguments&) {
         return publishing(client("prop-test", kNew),
                           {.topic = "prop/qos0", .payload = "message", .properties = {{property::payload_format_indicator, true}}});
       }},
      {"11-prop-oversize-packet",
       [](const Arguments&) {
         Script script = publishing(client("publish-qos0-test", kNew), {});
         script.connected = [](Player& player) {  // the server takes 30 bytes
           const std::string filter = "0123456789012345678901234567890";
           const auto refused = [&](const auto& result, const char* what) {
             player.demand(!result && result.error() == mqtt::Error::packet_too_large, what);
           };
           refused(player.try_subscribe(filter, kQos0), "SUBSCRIBE is too long");
           refused(player.try_unsubscribe({filter}), "UNSUBSCRIBE is too long");
           refused(player.try_publish({.topic = "pub/test", .payload = "123456789012345678"}), "PUBLISH is too long");
           player.publish({.topic = "pub/test", .payload = "12345678901234567"});
         };
         return script;
       }},
  };
}

/// Subscribes, publishes, and waits for a message.
Script asking(ConnectOptions options, const char* filter, Message request) {
  return {.options = std::move(options),
          .connected = [=](Player& player) { player.subscribe(filter, kQos0); },
          .subscribed = [=](Player& player, const event::Subscribed&) { player.publish(request); },
          .message = [](Player& player, const Message&) { player.disconnect(); }};
}

Script requesting(Properties properties) {
  Script script = asking(client("request-test", kNew), "response/topic",
                         {.topic = "request/topic", .payload = "action", .properties = std::move(properties)});
  script.message = [](Player& player, const Message& message) {
    player.demand(message.payload.text() == "a response", "response");
    player.disconnect();
  };
  return script;
}

Script responding() {
  return {.options = client("response-test", kNew),
          .connected = [](Player& player) { player.subscribe("request/topic", kQos0); },
          .published = leave,
          .message =
              [](Player& player, const Message& request) {
                Message response{.topic = request.properties.get(property::response_topic).value_or(""), .payload = "a response"};
                if (const auto data = request.properties.get(property::correlation_data))
                  response.properties.add({property::correlation_data, *data});
                player.publish(response);
              }};
}

Table conversations() {
  const Make loop = [](const Arguments&) {
    return asking(client("loop-test", kNew), "loop/test", {.topic = "loop/test", .payload = "message"});
  };
  return {
      {"03-publish-loop", loop},
      {"03-publish-loop-forever", loop},
      {"03-publish-loop-manual", loop},
      {"03-publish-loop-start", loop},
      {"03-request-response-1", [](const Arguments&) { return requesting({{property::response_topic, "response/topic"}}); }},
      {"03-request-response-correlation-1",
       [](const Arguments&) {
         return requesting({{property::response_topic, "response/topic"}, {property::correlation_data, "corridor"}});
       }},
      {"03-request-response-2", [](const Arguments&) { return responding(); }},
  };
}

/// A client over TLS that trusts the authority in `authority` and shows the certificate in `own`.
Script secured(const Arguments& arguments, const char* id, const std::string& authority = "test-root-ca", const std::string& own = "") {
  const auto& folder = arguments.certificates;
  tls::ClientConfig config{.server_name = "localhost", .ca_file = folder + "/" + authority + ".crt"};
  if (!own.empty()) config.certificate_file = folder + "/" + own + ".crt";
  if (!own.empty()) config.key_file = folder + "/" + own + ".key";
  return {.options = client(id), .tls = config};
}

Table over_tls() {
  const Make own_certificate = [](const Arguments& a) { return secured(a, "08-ssl-connect-crt-auth", "test-root-ca", "client"); };
  return {
      {"08-ssl-bad-cacert",
       [](const Arguments& a) {
         Script script = secured(a, "08-ssl-bad-cacert", "this/file/doesnt/exist");
         script.end = End::tls_not_set_up;
         return script;
       }},
      {"08-ssl-connect-no-auth", [](const Arguments& a) { return secured(a, "08-ssl-connect-no-auth"); }},
      {"08-ssl-connect-cert-auth", own_certificate},
      {"08-ssl-connect-cert-auth-custom-ssl-ctx", own_certificate},
      {"08-ssl-connect-cert-auth-custom-ssl-ctx-default", own_certificate},
      {"08-ssl-connect-cert-auth-enc",
       [](const Arguments& a) {
         Script script = secured(a, "08-ssl-connect-crt-auth-enc", "test-root-ca", "client-encrypted");
         script.tls->key_password = "password";
         return script;
       }},
      {"08-ssl-connect-san",
       [](const Arguments& a) {
         Script script = secured(a, "08-ssl-connect-san");
         script.tls->server_name = a.argument;
         return script;
       }},
      {"08-ssl-fake-cacert",
       [](const Arguments& a) {
         Script script = secured(a, "08-ssl-connect-crt-auth", "test-fake-root-ca", "client");
         script.end = End::certificate_refused;
         return script;
       }},
  };
}

}  // namespace

std::optional<Script> script_for(const Arguments& arguments) {
  for (const auto& table : {connecting(), authentication(), subscriptions(), receiving(), publishing(), conversations(), over_tls()}) {
    const auto entry = table.find(arguments.name);
    if (entry != table.end()) return entry->second(arguments);
  }
  return std::nullopt;
}

}  // namespace tapir::test
