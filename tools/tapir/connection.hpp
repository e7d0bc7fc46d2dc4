#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include <tapir/link/capture.hpp>
#include <tapir/link/tap.hpp>
#include <tapir/mqtt/client.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/sim/seeded_random.hpp>
#include <tapir/stack/stack.hpp>

#include "console.hpp"
#include "options.hpp"

namespace tool {

/// Shows a client's packets as they pass, as mosquitto's clients do: "Client sensor-1 sending PUBLISH (...)".
class PacketPrinter final : public tapir::Observer {
 public:
  PacketPrinter(const Console& console, std::string client_id) : console_{console}, client_id_{std::move(client_id)} {}
  void crossed(const tapir::Crossing& crossing) override;

 private:
  void take_assigned_id(const tapir::Crossing& crossing);

  const Console& console_;
  std::string client_id_;
};

/// Everything between a client and the broker: the loop, the network stack, TLS, WebSocket.
class Connection {
 public:
  /// `command` names the client when the user does not.
  Connection(const NetworkOptions& network, const BrokerOptions& broker, const Console& console, const std::string& command);

  static constexpr int kInterrupted = -1;  ///< as an exit code: a signal has ended the loop

  /// Sets up the network and makes the client, which connects when the loop runs. Otherwise says what is wrong; the exit code.
  [[nodiscard]] std::expected<void, int> set_up(tapir::mqtt::ClientConfig config);
  /// The client's configuration as the options have it.
  [[nodiscard]] tapir::mqtt::ClientConfig client_config() const;
  /// Runs until the loop is stopped: the code given there, or kInterrupted, after which it can be run on.
  [[nodiscard]] int run();
  /// Ends what is left. The exit code, `code` unless the record of the frames has failed.
  [[nodiscard]] int finish(int code);

  [[nodiscard]] tapir::Runtime& runtime() { return runtime_; }
  [[nodiscard]] tapir::mqtt::Client& client() { return *client_; }

 private:
  [[nodiscard]] std::expected<void, std::string> make_client(tapir::mqtt::ClientConfig config);
  using Made = std::expected<std::unique_ptr<tapir::mqtt::Transport>, std::string>;
  [[nodiscard]] std::expected<void, std::string> bring_up_stack();
  [[nodiscard]] Made make_tcp();
  [[nodiscard]] Made add_tls(std::unique_ptr<tapir::mqtt::Transport> below);
  [[nodiscard]] Made add_websocket(std::unique_ptr<tapir::mqtt::Transport> below);

  const NetworkOptions& network_;
  const BrokerOptions& broker_;
  const Console& console_;
  tapir::sim::SeededRandom seeded_;
  tapir::Runtime runtime_;
  std::string client_id_;
  PacketPrinter printer_;
  tapir::link::Capture* capture_ = nullptr;
  std::optional<tapir::Stack> stack_;
  tapir::Context context_;  ///< the client's: it is observed alone
  std::optional<tapir::mqtt::Client> client_;
};

}  // namespace tool
