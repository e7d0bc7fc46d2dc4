#include "options.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include <tapir/core/addresses.hpp>
#include <tapir/mqtt/topic.hpp>

#include "url.hpp"

namespace tool {

namespace {

constexpr std::uint32_t kForEver = 0xffff'ffff;  // MQTT 5.0 section 3.1.2.11.2
constexpr std::size_t kLongestField = 65535;     // bytes of binary data, MQTT 5.0 section 1.5.6
constexpr std::size_t kLongestIdOf31 = 23;       // MQTT 3.1 section 3.1

std::string check(bool ok, const char* what) { return ok ? std::string{} : std::string{what}; }

std::string check_string(const std::string& text) {
  return check(tapir::mqtt::is_valid_string(text), "not UTF-8, or longer than 65535 bytes");
}

std::string check_identifier(const std::string& text) { return text.empty() ? "empty" : check_string(text); }

bool is_hex(const std::string& text) {
  return text.size() % 2 == 0 && std::ranges::all_of(text, [](unsigned char digit) { return std::isxdigit(digit) != 0; });
}

/// Whether an HTTP request line takes it as its target.
bool is_path(const std::string& text) {
  return text.starts_with('/') && std::ranges::all_of(text, [](unsigned char sign) { return sign > ' ' && sign < 0x7f; });
}

/// Whether the option stands on the command line, and not only in the environment.
bool is_given(const CLI::Option& option) {
  const auto& variable = option.get_envname();
  const char* const set = variable.empty() ? nullptr : std::getenv(variable.c_str());
  return option.count() > 0 && (set == nullptr || option.results() != std::vector<std::string>{set});
}

bool is_ip_address(const std::string& text) {
  in6_addr six{};
  return tapir::Ipv4Address::parse(text).has_value() || ::inet_pton(AF_INET6, text.c_str(), &six) == 1;
}

}  // namespace

std::string check_topic(const std::string& text) {
  return check(tapir::mqtt::is_valid_topic_name(text), "not a topic to publish to: it is empty, has a wildcard, or is not UTF-8");
}

void NetworkOptions::add_to(CLI::App& app) {
  const auto group = "Network stack";
  auto* const on =
      app.add_option("--tap", tap, "TAP device to put tapir's own stack on, opened or created")->envname("TAPIR_TAP")->group(group);
  auto* const as = app.add_option("--ip", address, "the stack's address and network, such as 192.0.2.2/24")
                       ->envname("TAPIR_IP")
                       ->group(group)
                       ->check([](const std::string& text) {
                         return check(text.contains('/') && tapir::Ipv4Prefix::parse(text),
                                      "not an IPv4 address with prefix length, such as 192.0.2.2/24");
                       });
  auto* const by = app.add_option("--gw", gateway, "the stack's default gateway")->envname("TAPIR_GW")->group(group);
  by->check([](const std::string& text) { return check(tapir::Ipv4Address::parse(text).has_value(), "not an IPv4 address"); });
  auto* const from =
      app.add_option("--mac", mac, "the stack's hardware address; random by default")->group(group)->check([](const std::string& text) {
        return check(tapir::MacAddress::parse(text).has_value(), "not a hardware address");
      });
  auto* const most =
      app.add_option("--mtu", mtu, "largest datagram in bytes, if less than the device's")->group(group)->check(CLI::Range(68U, 65535U));
  app.add_option("--seed", seed, "make the stack's random numbers repeat, for tests: they are no secret then")->group(group);
  auto* const to = app.add_option("--pcap", pcap, "record all frames to this pcapng file")->group(group);
  app.add_flag("--host-stack", host_stack, "use the kernel's sockets in the place of a stack of our own")->group(group);
  of_own_stack_ = {on, as, by, from, most, to};
}

std::string NetworkOptions::problem() const {
  const bool own = !tap.empty() || !address.empty();
  if (host_stack) {
    const auto idle = std::ranges::find_if(of_own_stack_, [](const CLI::Option* option) { return is_given(*option); });
    return idle == of_own_stack_.end() ? "" : (*idle)->get_name() + ": is for a stack of our own, and cannot be used with --host-stack";
  }
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

std::string TlsOptions::idle() const {
  const std::pair<bool, const char*> given[] = {{!certificate.empty(), "--cert"}, {!key.empty(), "--key"},
                                                {!ciphers.empty(), "--ciphers"},  {!version.empty(), "--tls-version"},
                                                {!alpn.empty(), "--tls-alpn"},    {!key_log.empty(), "--tls-keylog"},
                                                {insecure, "--insecure"}};
  const auto* const first = std::ranges::find_if(given, [](const auto& option) { return option.first; });
  if (first == std::end(given)) return {};
  return fmt::format("{}: there is no TLS; --cafile, --capath, --tls-use-os-certs, --psk, -p 8883, mqtts:// or wss:// turns it on",
                     first->second);
}

std::string TlsOptions::problem() const {
  if (certificate.empty() != key.empty()) return "--cert and --key are needed together";
  if (psk.empty() != psk_identity.empty()) return "--psk and --psk-identity are needed together";
  if (!psk.empty() && (!ca_file.empty() || !ca_directory.empty())) return "--psk cannot be used with --cafile or --capath";
  return {};
}

void WillOptions::add_to(CLI::App& app) {
  const auto group = "Will";
  app.add_option("--will-topic", topic, "what the broker publishes to when this client vanishes")->group(group)->check(check_topic);
  app.add_option("--will-payload", payload, "the will's payload; empty by default")->group(group)->check([](const std::string& text) {
    return check(text.size() <= kLongestField, "longer than 65535 bytes");
  });
  app.add_option("--will-qos", qos, "the will's quality of service")->group(group)->check(CLI::Range(0, 2));
  app.add_flag("--will-retain", retain, "the broker retains the will")->group(group);
}

std::string WillOptions::problem() const {
  if (topic.empty() && (!payload.empty() || qos != 0 || retain)) return "a will needs --will-topic";
  return {};
}

void BrokerOptions::add_to(CLI::App& app) {
  app.add_option("-h,--host", host, "broker, by name or address; with a stack of our own by its IPv4 address")->capture_default_str();
  app.add_option("-p,--port", port, "its port; 1883, with TLS 8883, WebSocket 80 and 443 by default")->check(CLI::Range(1, 65535));
  app.add_option("-A", bind_address, "address of this host to connect from")->check([](const std::string& text) {
    return check(is_ip_address(text), "not an IP address");
  });
  app.add_option("-L,--url", url,
                 "[mqtt|mqtts|ws|wss]://[user[:password]@]host[:port]/topic, for ws and wss /path; in the place of -h, -p, -u, -P, -t");
  app.add_option("-i,--id", id, "client identifier; by default the broker chooses one (mqttv31: random)")->check(check_identifier);
  app.add_option("-I,--id-prefix", id_prefix, "client identifier of this and the process's number")->check(check_identifier);
  app.add_option("-k,--keepalive", keep_alive, "seconds between signs of life, 0 for none")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_flag("-c,--disable-clean-session", keep_session, "the broker keeps the session under the client identifier (-i)");
  app.add_option("-x,--session-expiry-interval", session_expiry,
                 "seconds that the broker keeps the session (mqttv5), -1 for ever; with -c for ever by default")
      ->transform([](const std::string& text) { return text == "-1" || text == "∞" ? std::to_string(kForEver) : text; });
  app.add_option("-u,--username", user_name, "user name")->check(check_string);
  app.add_option("-P,--pw", password, "password, which needs a user name")->check([](const std::string& text) {
    return check(text.size() <= kLongestField, "longer than 65535 bytes");
  });
  app.add_option("-V,--protocol-version", version, "mqttv5, mqttv311 or mqttv31")
      ->check(CLI::IsMember({"mqttv5", "mqttv311", "mqttv31", "5", "311", "31"}))
      ->capture_default_str();
  app.add_option("-M,--max-inflight", max_in_flight, "messages of QoS 1 and 2 sent and not acknowledged, at most")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  app.add_flag("--nodelay", no_delay, "small packets are sent at once; that is always so");
  app.add_flag("-d,--debug", debug, "show every packet on standard error");
  app.add_flag("--quiet", quiet, "do not say on standard error what went wrong");
  app.add_flag("--ws", websocket, "speak MQTT over WebSocket");
  path_given_ =
      app.add_option("--ws-path", websocket_path, "path of the WebSocket")->capture_default_str()->check([](const std::string& text) {
        return check(is_path(text), "not a path: it begins with / and has neither blanks nor signs beyond ASCII");
      });
  properties.add_to(app);
  will.add_to(app);
  tls.add_to(app);
}

std::string BrokerOptions::complete(std::vector<std::string>& topics, const std::vector<std::string>& packets) {
  if (auto wrong = take_url(topics); !wrong.empty()) return wrong;
  if (auto wrong = properties.take(packets); !wrong.empty()) return wrong;
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
  if (parsed->user_name) user_name = parsed->user_name;
  if (parsed->password) password = parsed->password;
  if (user_name && !tapir::mqtt::is_valid_string(*user_name)) return "-L: the user name is not UTF-8";
  tls_by_url_ = parsed->tls;
  websocket = websocket || parsed->websocket;
  if (parsed->websocket) {
    if (!parsed->path.empty()) websocket_path = "/" + parsed->path;
    if (!is_path(websocket_path)) return "-L: the path has blanks or signs beyond ASCII";
  } else if (!parsed->path.empty()) {
    topics.push_back(parsed->path);
  }
  return {};
}

std::string BrokerOptions::problem() const {
  if (session_expiry && protocol() != tapir::mqtt::ProtocolVersion::v5_0) return "-x: needs MQTT 5.0 (-V mqttv5)";
  if (password && !user_name) return "-P: a password needs a user name (-u)";
  if (auto wrong = id_problem(); !wrong.empty()) return wrong;
  if (!websocket && path_given_ != nullptr && path_given_->count() > 0)
    return "--ws-path: there is no WebSocket; --ws, ws:// or wss:// turns it on";
  if (auto wrong = will.problem(); !wrong.empty()) return wrong;
  if (auto wrong = property_problem(); !wrong.empty()) return wrong;
  if (auto wrong = tls.problem(); !wrong.empty()) return wrong;
  return uses_tls() ? std::string{} : tls.idle();
}

/// Where an identifier must be given, mosquitto's clients want it too: a session that outlives this run is found again by no other.
std::string BrokerOptions::id_problem() const {
  if (keep_session && id.empty()) return "-c: the broker keeps a session under a client identifier, which must be given (-i)";
  if (id.empty() && connect_properties().get(tapir::mqtt::property::session_expiry_interval) == kForEver)
    return "-x: a session that is kept for ever needs a client identifier (-i)";
  if (!id.empty() && !id_prefix.empty()) return "-i and -I cannot be used together";
  const auto& given = id.empty() ? prefixed_id() : id;
  if (protocol() == tapir::mqtt::ProtocolVersion::v3_1 && given.size() > kLongestIdOf31)
    return fmt::format("{}: MQTT 3.1 has client identifiers of at most {} bytes", id.empty() ? "-I" : "-i", kLongestIdOf31);
  return {};
}

std::string BrokerOptions::property_problem() const {
  namespace property = tapir::mqtt::property;
  if (properties.words.empty()) return {};
  if (protocol() != tapir::mqtt::ProtocolVersion::v5_0) return "-D: needs MQTT 5.0 (-V mqttv5)";
  if (!properties.will.empty() && will.topic.empty()) return "-D will: a will needs --will-topic";
  if (session_expiry && properties.connect.get(property::session_expiry_interval))
    return "-D connect session-expiry-interval: -x says it too";
  const bool prolongs = properties.disconnect.get(property::session_expiry_interval).value_or(0) > 0;
  if (prolongs && connect_properties().get(property::session_expiry_interval).value_or(0) == 0)  // MQTT 5.0 section 3.14.2.2.2
    return "-D disconnect session-expiry-interval: there must be a session to keep (-x or -c)";
  return {};
}

std::string BrokerOptions::address_problem() const {
  if (!tapir::Ipv4Address::parse(host))
    return fmt::format("-h {}: a stack of our own looks no names up and has no IPv6: it needs the broker's IPv4 address (or --host-stack)",
                       host);
  if (!bind_address.empty() && !tapir::Ipv4Address::parse(bind_address))
    return fmt::format("-A {}: a stack of our own has IPv4 addresses only", bind_address);
  return {};
}

tapir::mqtt::Properties BrokerOptions::connect_properties() const {
  constexpr auto kExpiry = tapir::mqtt::property::session_expiry_interval;
  auto list = properties.connect;
  const bool asked = session_expiry || (keep_session && !list.get(kExpiry));
  if (asked && protocol() == tapir::mqtt::ProtocolVersion::v5_0)
    list.set(kExpiry, session_expiry.value_or(kForEver));  // as mosquitto has it for -c alone
  return list;
}

tapir::mqtt::ProtocolVersion BrokerOptions::protocol() const {
  if (version.ends_with("311")) return tapir::mqtt::ProtocolVersion::v3_1_1;
  if (version.ends_with("31")) return tapir::mqtt::ProtocolVersion::v3_1;
  return tapir::mqtt::ProtocolVersion::v5_0;
}

std::string BrokerOptions::prefixed_id() const { return id_prefix.empty() ? std::string{} : fmt::format("{}{}", id_prefix, ::getpid()); }

std::string BrokerOptions::client_id(const std::string& command, tapir::Random& random) const {
  if (!id.empty()) return id;
  if (!id_prefix.empty() || protocol() != tapir::mqtt::ProtocolVersion::v3_1) return prefixed_id();
  return fmt::format("tapir-{}-{:012x}", command, random.below(std::uint64_t{1} << 48U));
}

}  // namespace tool
