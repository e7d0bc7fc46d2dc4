#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <tapir/core/random.hpp>
#include <tapir/mqtt/types.hpp>

#include "properties.hpp"

/// The command line of the program tapir: mosquitto's letters and defaults, and our own long options for the stack.
namespace tool {

/// Why one cannot publish to this topic; empty: one can.
[[nodiscard]] std::string check_topic(const std::string& text);

/// Which network stack, and how it is connected.
struct NetworkOptions {
  bool host_stack = false;
  std::string tap;
  std::string address;
  std::string gateway;
  std::string mac;
  std::size_t mtu = 0;
  std::optional<std::uint64_t> seed;
  std::string pcap;

  void add_to(CLI::App& app);
  /// What is wrong with the options together; empty: nothing.
  [[nodiscard]] std::string problem() const;

 private:
  std::vector<const CLI::Option*> of_own_stack_;
};

struct TlsOptions {
  std::string ca_file;
  std::string ca_directory;
  std::string certificate;
  std::string key;
  std::string ciphers;
  std::string version;
  std::string alpn;
  std::string key_log;
  std::string psk;
  std::string psk_identity;
  bool insecure = false;
  bool system_trust = false;

  void add_to(CLI::App& app);
  [[nodiscard]] bool wanted() const;
  /// What is given though nothing turns TLS on; empty: nothing.
  [[nodiscard]] std::string idle() const;
  [[nodiscard]] std::string problem() const;
};

struct WillOptions {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool retain = false;

  void add_to(CLI::App& app);
  [[nodiscard]] std::string problem() const;
};

/// The broker, and who we are to it.
struct BrokerOptions {
  std::string host = "localhost";
  std::uint16_t port = 0;  // 0: the scheme's own
  std::string bind_address;
  std::string url;
  std::string id;
  std::string id_prefix;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
  std::string version = "mqttv5";
  std::optional<std::uint32_t> session_expiry;  // seconds
  std::uint16_t keep_alive = 60;
  std::uint16_t max_in_flight = 20;
  bool keep_session = false;
  bool debug = false;
  bool quiet = false;
  bool no_delay = false;  // it changes nothing
  bool websocket = false;
  std::string websocket_path = "/mqtt";
  PropertyOptions properties;
  TlsOptions tls;
  WillOptions will;

  void add_to(CLI::App& app);
  /// Takes apart -L and -D; sets the port that was not given. A topic in the URL goes to `topics`; `packets` are those that -D may name.
  /// What is wrong; empty: nothing.
  [[nodiscard]] std::string complete(std::vector<std::string>& topics, const std::vector<std::string>& packets);
  /// What a stack of our own cannot do with -h and -A, for it looks no names up; empty: nothing.
  [[nodiscard]] std::string address_problem() const;
  /// What CONNECT has, by -D, -x and -c.
  [[nodiscard]] tapir::mqtt::Properties connect_properties() const;
  [[nodiscard]] tapir::mqtt::ProtocolVersion protocol() const;
  [[nodiscard]] bool uses_tls() const { return tls_by_url_ || tls.wanted() || port == 8883; }
  /// The client identifier: with -I one that names this process. Without either it is empty, for the broker to choose one, but in 3.1, which needs
  /// one, a random one: process numbers repeat from container to container.
  [[nodiscard]] std::string client_id(const std::string& command, tapir::Random& random) const;

 private:
  [[nodiscard]] std::string take_url(std::vector<std::string>& topics);
  [[nodiscard]] std::string problem() const;
  [[nodiscard]] std::string id_problem() const;
  [[nodiscard]] std::string property_problem() const;
  [[nodiscard]] std::string prefixed_id() const;
  bool tls_by_url_ = false;
  const CLI::Option* path_given_ = nullptr;
};

}  // namespace tool
