#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/mqtt/control_packet.hpp>
#include <tapir/mqtt/session.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/tls/client_context.hpp>

#include "driven_session.hpp"

namespace tapir::test {

/// What the program is started with: see mqtt_scripts.cpp.
struct Arguments {
  bool as_libmosquitto = false;
  std::string certificates;  ///< a folder
  std::string name;
  Port port;
  std::string argument;
};

class Player;
using Step = std::function<void(Player&)>;

/// How a client ends, if all is as it should be.
enum class End : std::uint8_t {
  by_client,            ///< it disconnects
  by_server,            ///< the server closes the connection
  tls_not_set_up,       ///< TLS cannot be set up
  certificate_refused,  ///< it does not trust the server's certificate
};

/// One client: what it says in CONNECT and what it does at each thing that happens. Without steps it disconnects once it is connected.
struct Script {
  mqtt::ConnectOptions options = {};
  Step connected = {};
  Step published = {};  ///< a message is out (QoS 0), or acknowledged to the end; Player::done() counts them
  Step refused = {};    ///< the server has refused a message; without it that is a failure
  std::function<void(Player&, const mqtt::event::Subscribed&)> subscribed = {};
  Step unsubscribed = {};
  std::function<void(Player&, const mqtt::Message&)> message = {};
  std::function<void(Player&, const mqtt::event::Authentication&)> authentication = {};
  std::optional<tls::ClientConfig> tls = {};
  End end = End::by_client;
  bool connects_again = false;                          ///< after a loss
  std::function<void(mqtt::Connect&)> alteration = {};  ///< of each CONNECT
};

/// A script's client at work.
class Player {
 public:
  Player(const Arguments& arguments, Script script);

  /// The program's exit code.
  [[nodiscard]] int run();

  void publish(mqtt::Message message) { demand(try_publish(std::move(message)).has_value(), "publish"); }
  [[nodiscard]] Result<mqtt::Token> try_publish(mqtt::Message message);
  [[nodiscard]] Result<mqtt::Token> try_subscribe(std::string filter, mqtt::QoS qos);
  [[nodiscard]] Result<mqtt::Token> try_unsubscribe(std::vector<std::string> filters, mqtt::Properties properties = {});
  void subscribe(std::string filter, mqtt::QoS qos) { demand(try_subscribe(std::move(filter), qos).has_value(), "subscribe"); }
  void unsubscribe(std::vector<std::string> filters, mqtt::Properties properties = {}) {
    demand(try_unsubscribe(std::move(filters), std::move(properties)).has_value(), "unsubscribe");
  }
  void authenticate(std::string data);
  /// DISCONNECT, and the end of the program when the connection is closed.
  void disconnect();
  /// The end of the program.
  void end() {
    leaving_ = true;
    runtime_.stop(failed_ ? 1 : 0);
  }
  /// The end of the connection without a further packet, and then of the program.
  void close();
  /// Says on standard error that something is not as it should be, and sees to it that the program fails.
  void demand(bool holds, std::string_view what);
  /// How many messages are out or acknowledged.
  [[nodiscard]] unsigned done() const noexcept { return done_; }
  [[nodiscard]] unsigned connections() const noexcept { return connections_; }

 private:
  [[nodiscard]] std::unique_ptr<mqtt::Transport> make_transport();
  void event(const mqtt::Event& event);
  void deliver();
  void closed(std::error_code error);
  void alter(std::vector<std::byte>& output) const;
  [[nodiscard]] mqtt::Session& session() { return driven_->session(); }

  const Arguments& arguments_;
  Script script_;
  Runtime runtime_;
  std::optional<DrivenSession> driven_;
  std::vector<mqtt::Message> held_;  ///< of QoS 2, until the server releases them
  unsigned done_ = 0;
  unsigned connections_ = 0;
  bool failed_ = false;
  bool leaving_ = false;
};

/// nullopt: there is no client of that name.
[[nodiscard]] std::optional<Script> script_for(const Arguments& arguments);

}  // namespace tapir::test
