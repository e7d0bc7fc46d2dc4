#include "options.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <tapir/core/addresses.hpp>
#include <tapir/mqtt/topic.hpp>

#include "format.hpp"
#include "url.hpp"

namespace tool {

namespace {

std::string check(bool ok, const char* what) { return ok ? std::string{} : std::string{what}; }

bool is_hex(const std::string& text) {
  return text.size() % 2 == 0 && std::ranges::all_of(text, [](unsigned char digit) { return std::isxdigit(digit) != 0; });
}

std::string check_topic(const std::string& text) {
  return check(tapir::mqtt::is_valid_topic_name(text), "not a topic to publish to: it is empty, has a wildcard, or is not UTF-8");
}

std::string check_filter(const std::string& text) {
  return check(tapir::mqtt::is_valid_topic_filter(text), "not a topic filter: a wildcard in a wrong place, or it is empty, or not UTF-8");
}

}  // namespace

void NetworkOptions::add_to(CLI::App& app) {
  const auto group = "Network stack";
  app.add_option("--tap", tap, "TAP device to put tapir's own stack on, opened or created")->envname("TAPIR_TAP")->group(group);
  app.add_option("--ip", address, "the stack's address and network, such as 192.0.2.2/24")
      ->envname("TAPIR_IP")
      ->group(group)
      ->check([](const std::string& text) {
        return check(text.contains('/') && tapir::Ipv4Prefix::parse(text), "not an IPv4 address with prefix length, such as 192.0.2.2/24");
      });
  app.add_option("--gw", gateway, "the stack's default gateway")->envname("TAPIR_GW")->group(group)->check([](const std::string& text) {
    return check(tapir::Ipv4Address::parse(text).has_value(), "not an IPv4 address");
  });
  app.add_option("--mac", mac, "the stack's hardware address; random by default")->group(group)->check([](const std::string& text) {
    return check(tapir::MacAddress::parse(text).has_value(), "not a hardware address");
  });
  app.add_option("--mtu", mtu, "largest datagram in bytes, if less than the device's")->group(group)->check(CLI::Range(68U, 65535U));
  app.add_option("--seed", seed, "make the stack's random numbers repeat, for tests: they are no secret then")->group(group);
  app.add_option("--pcap", pcap, "record all frames to this pcapng file")->group(group);
  app.add_flag("--host-stack", host_stack, "use the kernel's sockets in the place of a stack of our own")->group(group);
}

std::string NetworkOptions::problem() const {
  const bool own = !tap.empty() || !address.empty();
  if (host_stack) return {};
  if (!own) return "no network stack: give --tap and --ip, or --host-stack";
  if (tap.empty() || address.empty()) return "--tap and --ip are needed together";
  return {};
}

void TlsOptions::add_to(CLI::App& app) {
  const auto group = "TLS";
  app.add_option("--cafile", ca_file, "file of trusted certificates; turns TLS on")->group(group);
  app.add_option("--capath", ca_directory, "directory of trusted certificates, named by hash; turns TLS on")->group(group);
  app.add_flag("--tls-use-os-certs", system_trust, "trust what the system trusts; turns TLS on")->group(group);
  app.add_option("--cert", certificate, "client certificate")->group(group);
  app.add_option("--key", key, "key of the client certificate")->group(group);
  app.add_option("--ciphers", ciphers, "ciphers of TLS 1.2, in OpenSSL's notation")->group(group);
  app.add_option("--tls-version", version, "tlsv1.3 or tlsv1.2; both by default")
      ->group(group)
      ->check(CLI::IsMember({"tlsv1.2", "tlsv1.3"}));
  app.add_option("--tls-alpn", alpn, "protocol to offer by ALPN")->group(group);
  app.add_option("--tls-keylog", key_log, "write the connection's keys to this file, for Wireshark")->group(group);
  app.add_flag("--insecure", insecure, "accept a certificate for another name than the host's")->group(group);
  app.add_option("--psk", psk, "pre-shared key in hexadecimal; turns TLS on")->group(group)->check([](const std::string& text) {
    return check(!text.empty() && is_hex(text), "not a key in hexadecimal");
  });
  app.add_option("--psk-identity", psk_identity, "our name for the pre-shared key")->group(group);
}

bool TlsOptions::wanted() const { return !ca_file.empty() || !ca_directory.empty() || !psk.empty() || system_trust; }

std::string TlsOptions::problem() const {
  if (certificate.empty() != key.empty()) return "--cert and --key are needed together";
  if (psk.empty() != psk_identity.empty()) return "--psk and --psk-identity are needed together";
  if (!psk.empty() && (!ca_file.empty() || !ca_directory.empty())) return "--psk cannot be used with --cafile or --capath";
  return {};
}

void WillOptions::add_to(CLI::App& app) {
  const auto group = "Will";
  app.add_option("--will-topic", topic, "what the broker publishes to when this client vanishes")->group(group)->check(check_topic);
  app.add_option("--will-payload", payload, "the will's payload; empty by default")->group(group);
  app.add_option("--will-qos", qos, "the will's quality of service")->group(group)->check(CLI::Range(0, 2));
  app.add_flag("--will-retain", retain, "the broker retains the will")->group(group);
}

std::string WillOptions::problem() const {
  if (topic.empty() && (!payload.empty() || qos != 0 || retain)) return "a will needs --will-topic";
  return {};
}

void BrokerOptions::add_to(CLI::App& app) {
  app.add_option("-h,--host", host, "broker, by name or address")->capture_default_str();
  app.add_option("-p,--port", port, "its port; 1883, with TLS 8883, WebSocket 80 and 443 by default")->check(CLI::Range(1, 65535));
  app.add_option("-L,--url", url,
                 "[mqtt|mqtts|ws|wss]://[user[:password]@]host[:port]/topic, for ws and wss /path; in the place of -h, -p, -u, -P, -t");
  app.add_option("-i,--id", id, "client identifier; named after the process by default")->check([](const std::string& text) {
    return check(tapir::mqtt::is_valid_string(text), "not UTF-8, or longer than 65535 bytes");
  });
  app.add_option("-I,--id-prefix", id_prefix, "client identifier of this and the process's number");
  app.add_option("-k,--keepalive", keep_alive, "seconds between signs of life, 0 for none")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_flag("-c,--disable-clean-session", keep_session, "the broker keeps the session under the client identifier (-i)");
  app.add_option("-x,--session-expiry-interval", session_expiry,
                 "seconds that the broker keeps the session (mqttv5); with -c for ever by default");
  app.add_option("-u,--username", user_name, "user name");
  app.add_option("-P,--pw", password, "password, which needs a user name");
  app.add_option("-V,--protocol-version", version, "mqttv5, mqttv311 or mqttv31")
      ->check(CLI::IsMember({"mqttv5", "mqttv311", "mqttv31", "5", "311", "31"}))
      ->capture_default_str();
  app.add_option("-M,--max-inflight", max_in_flight, "messages of QoS 1 and 2 sent and not acknowledged, at most")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  app.add_flag("-d,--debug", debug, "show every packet on standard error");
  app.add_flag("--quiet", quiet, "do not say on standard error what went wrong");
  app.add_flag("--ws", websocket, "speak MQTT over WebSocket");
  app.add_option("--ws-path", websocket_path, "path of the WebSocket")->capture_default_str();
  will.add_to(app);
  tls.add_to(app);
}

std::string BrokerOptions::complete(std::vector<std::string>& topics) {
  if (auto wrong = take_url(topics); !wrong.empty()) return wrong;
  if (auto wrong = problem(); !wrong.empty()) return wrong;
  if (port != 0) return {};
  port = websocket ? (uses_tls() ? 443 : 80) : (uses_tls() ? 8883 : 1883);
  return {};
}

std::string BrokerOptions::take_url(std::vector<std::string>& topics) {
  if (url.empty()) return {};
  auto parsed = parse_url(url);
  if (!parsed) return "-L: " + parsed.error();
  host = parsed->host;
  if (parsed->port) port = *parsed->port;
  if (parsed->user_name) user_name = *parsed->user_name;
  if (parsed->password) password = *parsed->password;
  tls_by_url_ = parsed->tls;
  websocket = websocket || parsed->websocket;
  if (parsed->websocket) {
    if (!parsed->path.empty()) websocket_path = "/" + parsed->path;
  } else if (!parsed->path.empty()) {
    topics.push_back(parsed->path);
  }
  return {};
}

std::string BrokerOptions::problem() const {
  if (session_expiry && protocol() != tapir::mqtt::ProtocolVersion::v5_0) return "-x: needs MQTT 5.0 (-V mqttv5)";
  if (!password.empty() && user_name.empty()) return "-P: a password needs a user name (-u)";
  if (keep_session && id.empty()) return "-c: the broker keeps a session under a client identifier, which must be given (-i)";
  if (!id.empty() && !id_prefix.empty()) return "-i and -I cannot be used together";
  if (auto wrong = will.problem(); !wrong.empty()) return wrong;
  return tls.problem();
}

tapir::mqtt::ProtocolVersion BrokerOptions::protocol() const {
  if (version.ends_with("311")) return tapir::mqtt::ProtocolVersion::v3_1_1;
  if (version.ends_with("31")) return tapir::mqtt::ProtocolVersion::v3_1;
  return tapir::mqtt::ProtocolVersion::v5_0;
}

std::string BrokerOptions::client_id(const std::string& command) const {
  if (!id.empty()) return id;
  return fmt::format("{}{}", id_prefix.empty() ? "tapir-" + command + "-" : id_prefix, ::getpid());
}

void PublishOptions::add_to(CLI::App& app) {
  app.add_option("-t,--topic", topics, "topic to publish to")->allow_extra_args(false)->check(check_topic);
  app.add_option("-m,--message", message, "the message");
  app.add_option("-f,--file", file, "the message is what this file contains");
  app.add_flag("-l,--stdin-line", lines, "each line of standard input is a message");
  app.add_flag("-s,--stdin-file", whole_input, "the message is all of standard input");
  app.add_flag("-n,--null-message", null, "an empty message");
  app.add_option("-q,--qos", qos, "quality of service")->check(CLI::Range(0, 2))->capture_default_str();
  app.add_flag("-r,--retain", retain, "the broker keeps the message for later subscribers");
  app.add_option("--repeat", repeat, "publish the message this often")->check(CLI::Range(1U, 1'000'000'000U))->capture_default_str();
  app.add_option("--repeat-delay", repeat_delay, "seconds in between")->check(CLI::Range(0.0, 86'400.0))->capture_default_str();
}

std::string PublishOptions::problem() const {
  if (topics.size() != 1) return topics.empty() ? "no topic: give -t, or -L with one" : "more than one topic";
  if (auto wrong = check_topic(topics[0]); !wrong.empty()) return wrong;
  const int kinds = (message ? 1 : 0) + (file.empty() ? 0 : 1) + (lines ? 1 : 0) + (whole_input ? 1 : 0) + (null ? 1 : 0);
  if (kinds != 1) return kinds == 0 ? "no message: give one of -m, -f, -l, -s, -n" : "only one of -m, -f, -l, -s, -n can be used";
  if (lines && repeat > 1) return "--repeat cannot be used with -l";
  if (std::isnan(repeat_delay)) return "--repeat-delay: not a number";
  return {};
}

void SubscribeOptions::add_to(CLI::App& app) {
  app.add_option("-t,--topic", topics, "topic filter to subscribe to; may be given several times")
      ->allow_extra_args(false)
      ->check(check_filter);
  app.add_option("-q,--qos", qos, "highest quality of service")->check(CLI::Range(0, 2))->capture_default_str();
  app.add_option("-T,--filter-out", filtered_out, "do not print messages whose topic matches; may be given several times")
      ->allow_extra_args(false)
      ->check(check_filter);
  app.add_option("-U,--unsubscribe", unsubscribed, "unsubscribe from this filter; may be given several times")
      ->allow_extra_args(false)
      ->check(check_filter);
  app.add_option("-C", count, "end after this many messages")->check(CLI::Range(1U, 2'000'000'000U));
  app.add_option("-W", wait, "give up after this many seconds, with exit code 1")->check(CLI::Range(1U, 2'000'000U));
  app.add_flag("-E", exit_when_subscribed, "end when the broker has taken the subscriptions");
  app.add_option("-F", format, "how a message is printed; see below")->check([](const std::string& text) { return format_problem(text); });
  app.add_flag("-N", no_newline, "no end of line behind a payload");
  app.add_flag("-R", no_retained, "do not print messages that the broker had kept");
  app.add_flag("--retained-only", retained_only, "print only those, and end at the first other");
  app.add_flag("--remove-retained", remove_retained, "delete those at the broker, except what -T filters out");
  app.add_flag("-v,--verbose", verbose, "print the topic before the payload");
  app.add_option("--random-filter", random_filter, "print this percentage of the messages, by chance")->check(CLI::Range(0.1, 100.0));
}

std::string SubscribeOptions::problem() const {
  if (topics.empty() && unsubscribed.empty()) return "no topic: give -t, or -L with one, or -U";
  for (const auto& topic : topics) {
    if (auto wrong = check_filter(topic); !wrong.empty()) return wrong;
  }
  if (no_retained && retained_only) return "-R and --retained-only leave nothing";
  return {};
}

}  // namespace tool
