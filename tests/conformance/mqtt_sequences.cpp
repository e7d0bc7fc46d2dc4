// Plays the client of the Mosquitto project's byte sequences (test/lib/msg_sequence_test.py); docs/mqtt-conformance.md says how to run them.
//
// usage: mqtt_sequences [--lenient | --as-libmosquitto]
//
// Each line of stdin is "PORT VERSION CLEAN_START [COMMAND]": connect to 127.0.0.1:PORT with MQTT version 3 (3.1), 4 (3.1.1) or 5 (5.0) as
// client "fuzzish" with a keep alive of 60 s, run the command when the server has accepted, serve until the connection ends. With --lenient
// the session lets pass what SessionLimits::lenient says; with --as-libmosquitto the client also does what the sequences expect against the
// standard: each such thing is named below.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/session.hpp>

namespace {

using namespace tapir::mqtt;

struct Order {
  std::uint16_t port = 0;
  int version = 0;
  bool clean_start = true;
  std::string command;
};

std::vector<std::byte> last_received;  // for what libmosquitto looks at after it has found an error

/// A PUBLISH with QoS 3 is malformed [MQTT-3.3.1-4]. libmosquitto reads it as if it had a packet identifier and answers protocol_error if
/// that works.
bool is_qos_3_with_identifier() {
  std::span<const std::byte> input{last_received};
  Decoder before{kMaxPacketSize, ProtocolVersion::v5_0};
  while (before.next(input).value_or(std::nullopt)) {}
  std::vector<std::byte> bytes{input.begin(), input.end()};  // the packet with the error
  if (bytes.empty() || (bytes[0] & std::byte{0xf6}) != std::byte{0x36}) return false;
  bytes[0] = std::byte{0x32};
  Decoder decoder{kMaxPacketSize, ProtocolVersion::v5_0};
  input = bytes;
  return decoder.next(input).has_value();
}

/// A property in a packet that must not have it is malformed (section 2.2.2.2). libmosquitto answers protocol_error.
ReasonCode reason_of_libmosquitto(std::error_code error) noexcept {
  if (error == Error::property_not_allowed || is_qos_3_with_identifier()) return ReasonCode::protocol_error;
  return reason_for(error);
}

tapir::TimePoint now() { return tapir::TimePoint{std::chrono::steady_clock::now().time_since_epoch()}; }

enum class Manner { strict, lenient, as_libmosquitto };

class Client {
 public:
  Client(const Order& order, Manner manner) : order_{order}, manner_{manner}, session_{limits(manner)} {
    ConnectOptions options;
    options.client_id = "fuzzish";
    options.clean_session = order.clean_start;
    options.version = static_cast<ProtocolVersion>(order.version);
    if (order.version == 5) options.properties = {{property::receive_maximum, 20}};
    if (!session_.configure(options)) std::abort();
  }

  /// Until the connection ends.
  void run() {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(order_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && session_.connected(now())) {
      while (write() && !ended_ && wait()) {}
    }
    ::close(socket_);
  }

 private:
  static SessionLimits limits(Manner manner) {
    SessionLimits limits;
    limits.lenient = manner != Manner::strict;
    if (manner == Manner::as_libmosquitto) limits.disconnect_reason = &reason_of_libmosquitto;
    return limits;
  }

  /// Waits for the server or a deadline. False: the connection is gone.
  bool wait() {
    int timeout = -1;
    if (const auto deadline = session_.next_deadline()) {
      timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(std::max(*deadline - now(), tapir::Duration{0})).count());
    }
    pollfd poll{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, timeout) == 0) {
      session_.tick(now());
      take_events();
      return true;
    }
    std::array<std::byte, 4096> buffer;
    const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count <= 0) return false;
    last_received.assign(buffer.begin(), buffer.begin() + count);
    session_.input(std::span{buffer}.first(static_cast<std::size_t>(count)), now());
    take_events();
    return true;
  }

  bool write() {
    while (const auto slice = session_.take_output(now())) {
      auto bytes = slice->bytes();
      while (!bytes.empty()) {
        const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
      }
    }
    return true;
  }

  void take_events() {
    while (const auto event = session_.next_event()) {
      if (std::holds_alternative<event::Connected>(*event)) execute();
      if (const auto* message = std::get_if<event::MessageReceived>(&*event)) received(message->message);
      ended_ = ended_ || std::holds_alternative<event::Disconnected>(*event) || std::holds_alternative<event::Refused>(*event);
    }
  }

  /// A message may have several subscription identifiers (section 3.3.2.3.8). libmosquitto calls that a protocol error.
  void received(const Message& message) {
    if (manner_ == Manner::as_libmosquitto && message.properties.all(property::subscription_identifier).size() > 1) {
      (void)session_.disconnect(now(), ReasonCode::protocol_error);
    }
  }

  void execute() {
    static const std::map<std::string_view, QoS> kLevels{{"0", QoS::at_most_once}, {"1", QoS::at_least_once}, {"2", QoS::exactly_once}};
    const auto& command = order_.command;
    if (command.empty()) return;
    const auto dash = command.rfind('-');
    const auto level = kLevels.find(dash == std::string::npos ? "" : std::string_view{command}.substr(dash + 1));
    const QoS qos = level != kLevels.end() ? level->second : QoS::exactly_once;
    bool done = false;
    if (command.starts_with("publish-")) {
      done = session_.publish({.topic = "test/publish", .payload = "message", .qos = qos, .properties = message_properties()}, now())
                 .has_value();
    } else if (command == "subscribe-multiple") {
      done = session_.subscribe({{"test/subscribe1", qos}, {"test/subscribe2", qos}}, now(), subscribe_properties()).has_value();
    } else if (command.starts_with("subscribe-")) {
      done = session_.subscribe({{"test/subscribe", qos}}, now(), subscribe_properties()).has_value();
    } else if (command == "unsubscribe-multiple") {
      done = session_.unsubscribe({"test/subscribe1", "test/subscribe2"}, now(), user_property()).has_value();
    } else if (command == "unsubscribe") {
      done = session_.unsubscribe({"test/subscribe"}, now(), user_property()).has_value();
    }
    if (!done) std::cerr << "mqtt_sequences: cannot do '" << command << "'\n";
  }

  [[nodiscard]] Properties user_property() const {
    return order_.version == 5 ? Properties{{property::user_property, {"key", "value"}}} : Properties{};
  }
  [[nodiscard]] Properties subscribe_properties() const {
    if (order_.version != 5) return {};
    return {{property::subscription_identifier, 268435455}, {property::user_property, {"key", "value"}}};
  }
  [[nodiscard]] Properties message_properties() const {
    if (order_.version != 5) return {};
    Properties properties{{property::payload_format_indicator, true},
                          {property::message_expiry_interval, 0xffff'ffff},
                          {property::topic_alias, 0xffff},
                          {property::response_topic, "response/topic"},
                          {property::correlation_data, "7deac5c5-8802-44ff-86ce-11479f337419"},
                          {property::content_type, "text/plain"},
                          {property::user_property, {"key", "value"}}};
    if (manner_ == Manner::strict) properties.erase(PropertyId::topic_alias);  // the server has announced none [MQTT-3.2.2-17]
    return properties;
  }

  Order order_;
  Manner manner_;
  Session session_;
  int socket_ = -1;
  bool ended_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (argc > 2 || (argc == 2 && option != "--lenient" && option != "--as-libmosquitto")) return 2;
  const auto manner = argc == 1 ? Manner::strict : option == "--lenient" ? Manner::lenient : Manner::as_libmosquitto;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words{line};
    Order order;
    if (!(words >> order.port >> order.version >> order.clean_start)) return 2;
    words >> order.command;
    last_received.clear();
    Client{order, manner}.run();
  }
  return 0;
}
