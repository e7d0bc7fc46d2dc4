// Plays the clients of the Mosquitto project's scripts (test/lib/NN-*.py); docs/mqtt-conformance.md says how to run them.
//
// usage: mqtt_scripts [--as-libmosquitto] [--certificates FOLDER] NAME PORT [ARGUMENT]
//
// NAME is that of the program which a script starts, without ".exe", and the rest what the script hands over. FOLDER is test/ssl of that
// project. With --as-libmosquitto the client also does what the scripts expect against the standard: mqtt_script_table.cpp names each such
// thing. 0: the client has seen all that it should see.

#include <charconv>
#include <iostream>

#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/host_transport.hpp>
#include <tapir/tls/tls_transport.hpp>

#include "mqtt_script.hpp"

namespace tapir::test {

namespace {

mqtt::SessionLimits limits() {
  mqtt::SessionLimits limits;
  limits.topic_aliases = 0;  // a choice of ours that libmosquitto does not make, and the scripts compare bytes
  limits.lenient = true;
  return limits;
}

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

}  // namespace

Player::Player(const Arguments& arguments, Script script) : arguments_{arguments}, script_{std::move(script)} {}

int Player::run() {
  auto transport = make_transport();
  if (script_.end == End::tls_not_set_up) return transport == nullptr ? 0 : 1;
  if (transport == nullptr) return 1;
  driven_.emplace(runtime_, std::move(transport), limits(),
                  DrivenSession::Handlers{.event = [this](const mqtt::Event& event) { this->event(event); },
                                          .told = [this] { deliver(); },
                                          .closed = [this](std::error_code error) { closed(error); },
                                          .output = [this](std::vector<std::byte>& output) { alter(output); }});
  demand(session().configure(script_.options).has_value(), "options of CONNECT");
  demand(driven_->open().has_value(), "connection");
  return failed_ ? 1 : runtime_.run();
}

std::unique_ptr<mqtt::Transport> Player::make_transport() {
  const std::string host = script_.tls ? script_.tls->server_name : "localhost";
  auto tcp = std::make_unique<mqtt::HostTransport>(runtime_, host, arguments_.port);
  if (!script_.tls) return tcp;
  auto context = tls::ClientContext::create(*script_.tls);
  if (!context) std::cerr << "mqtt_scripts: tls: " << context.error().text << '\n';
  if (!context) return nullptr;
  return std::make_unique<tls::TlsTransport>(std::move(*context), std::move(tcp));
}

Result<mqtt::Token> Player::try_publish(mqtt::Message message) { return session().publish(std::move(message), driven_->now()); }

Result<mqtt::Token> Player::try_subscribe(std::string filter, mqtt::QoS qos) {
  return session().subscribe({{.filter = std::move(filter), .qos = qos}}, driven_->now());
}

Result<mqtt::Token> Player::try_unsubscribe(std::vector<std::string> filters, mqtt::Properties properties) {
  return session().unsubscribe(std::move(filters), driven_->now(), std::move(properties));
}

void Player::authenticate(std::string data) {
  demand(session().authenticate(std::move(data), driven_->now()).has_value(), "authentication");
}

void Player::disconnect() {
  leaving_ = true;
  demand(session().disconnect(driven_->now()).has_value(), "disconnect");
}

void Player::close() {
  leaving_ = true;
  driven_->close();
}

void Player::demand(bool holds, std::string_view what) {
  if (holds) return;
  failed_ = true;
  std::cerr << "mqtt_scripts: " << arguments_.name << ": not as it should be: " << what << '\n';
}

void Player::event(const mqtt::Event& event) {
  namespace happened = mqtt::event;
  const auto do_step = [this](const Step& step) {
    if (step) step(*this);
  };
  std::visit(Overloaded{[&](const happened::Connected&) {
                          ++connections_;
                          script_.connected ? script_.connected(*this) : disconnect();
                        },
                        [&](const happened::Sent&) { ++done_, do_step(script_.published); },
                        [&](const happened::Delivered&) { ++done_, do_step(script_.published); },
                        [&](const happened::Subscribed& answer) {
                          if (script_.subscribed) script_.subscribed(*this, answer);
                        },
                        [&](const happened::Unsubscribed&) { do_step(script_.unsubscribed); },
                        [&](const happened::MessageReceived& message) { held_.push_back(message.message); },
                        [&](const happened::Authentication& step) {
                          if (script_.authentication) script_.authentication(*this, step);
                        },
                        [&](const happened::Failed& failure) {
                          if (leaving_) return;
                          if (script_.refused) return script_.refused(*this);
                          demand(false, failure.error.message());
                        },
                        [&](const happened::Refused& refusal) { demand(false, refusal.error.message()); },
                        [&](const happened::Disconnected& end) {
                          if (!end.error || script_.end == End::by_server) return;
                          demand(false, end.error.message());
                        },
                        [&](const auto&) { demand(false, "a message in parts"); }},
             event);
}

/// libmosquitto gives a message of QoS 2 to its user when PUBREL has come, and the scripts are written for that; section 4.3.3 leaves it open.
void Player::deliver() {
  if (held_.empty() || session().unreleased() > 0) return;
  for (const auto& message : std::exchange(held_, {})) {
    if (script_.message) script_.message(*this, message);
  }
}

void Player::closed(std::error_code error) {
  if (leaving_ || script_.end == End::by_server) return end();
  if (script_.end == End::certificate_refused && error == tls::Failure::certificate_refused) return end();
  if (script_.connects_again) return demand(driven_->open().has_value(), "connection");
  demand(false, error ? error.message() : "the server closed the connection");
  end();
}

void Player::alter(std::vector<std::byte>& output) const {
  constexpr std::byte kConnect{0x10};
  if (!script_.alteration || output.empty() || output[0] != kConnect) return;
  mqtt::Decoder decoder;
  std::span<const std::byte> rest{output};
  auto packet = decoder.next(rest);
  if (!packet || !*packet) return;
  auto& connect = std::get<mqtt::Connect>(**packet);
  script_.alteration(connect);
  std::vector<std::byte> altered;
  if (!mqtt::encode(connect, altered)) return;
  altered.insert(altered.end(), rest.begin(), rest.end());
  output = std::move(altered);
}

}  // namespace tapir::test

int main(int argc, char** argv) {
  using namespace tapir::test;
  Arguments arguments;
  std::vector<std::string_view> words{argv + 1, argv + argc};
  while (!words.empty() && words[0].starts_with("--")) {
    const bool certificates = words[0] == "--certificates" && words.size() > 1;
    if (words[0] == "--as-libmosquitto") arguments.as_libmosquitto = true;
    if (certificates) arguments.certificates = words[1];
    words.erase(words.begin(), words.begin() + (certificates ? 2 : 1));
  }
  std::uint16_t port = 0;
  if (words.size() < 2 || std::from_chars(words[1].data(), words[1].data() + words[1].size(), port).ec != std::errc{}) {
    std::cerr << "usage: mqtt_scripts [--as-libmosquitto] [--certificates FOLDER] NAME PORT [ARGUMENT]\n";
    return 2;
  }
  arguments.name = words[0];
  arguments.port = tapir::Port{port};
  if (words.size() > 2) arguments.argument = words[2];
  auto script = script_for(arguments);
  if (!script) {
    std::cerr << "mqtt_scripts: there is no client " << arguments.name << '\n';
    return 2;
  }
  return Player{arguments, std::move(*script)}.run();
}
