#pragma once

#include <chrono>
#include <cstdlib>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <tapir/mqtt/session.hpp>

#include "support/lab.hpp"

namespace tapir::test {

using namespace std::chrono_literals;

/// A session with a hand-written server: what it sends is compared with bytes, what it receives is given as bytes.
class SessionLab {
 public:
  explicit SessionLab(mqtt::SessionLimits limits = {}) : session{limits} {}
  explicit SessionLab(mqtt::ConnectOptions options, mqtt::SessionLimits limits = {}) : session{limits} {
    if (!session.configure(std::move(options))) std::abort();
  }

  /// Opens a connection and throws CONNECT away.
  void open() {
    if (!session.connected(now)) std::abort();
    (void)sent();
  }
  /// Opens a connection that the server accepts.
  void connect(bool session_present = false) {
    open();
    receive(session_present ? "20 02 01 00" : "20 02 00 00");
    if (!take<mqtt::event::Connected>()) std::abort();
  }
  /// The same with 5.0.
  void connect5(mqtt::Properties connack = {}, bool session_present = false) {
    open();
    receive5(mqtt::Connack{.session_present = session_present, .properties = std::move(connack)});
    if (!take<mqtt::event::Connected>()) std::abort();
  }
  /// A packet of 5.0 from the server; codec_v5_test.cpp pins its bytes to the standard.
  void receive5(const mqtt::ControlPacket& packet) {
    Bytes bytes;
    if (!mqtt::encode(packet, bytes, mqtt::ProtocolVersion::v5_0)) std::abort();
    session.input(bytes, now);
  }
  /// Bytes from the server, in hexadecimal.
  void receive(std::string_view digits) { session.input(hex(digits), now); }
  /// All that was sent since the last call.
  [[nodiscard]] Bytes sent() {
    take_events();
    Bytes all;
    while (const auto slice = session.take_output(now)) all.insert(all.end(), slice->bytes().begin(), slice->bytes().end());
    return all;
  }
  /// The next event, if it is of this kind; what comes instead is taken all the same.
  template <class E>
  [[nodiscard]] std::optional<E> take() {
    if (!has_events()) return std::nullopt;
    const auto event = std::move(events_.front());
    events_.pop_front();
    return std::holds_alternative<E>(event) ? std::optional{std::get<E>(event)} : std::nullopt;
  }
  /// The error with which the connection was given up, if that is the next event.
  [[nodiscard]] std::error_code broken_off() {
    const auto event = take<mqtt::event::Disconnected>();
    return event ? event->error : std::error_code{};
  }
  [[nodiscard]] bool quiet() { return sent().empty() && !has_events(); }
  /// Lets time pass, deadline by deadline.
  void advance(Duration time) {
    const auto until = now + time;
    for (auto deadline = session.next_deadline(); deadline && *deadline <= until; deadline = session.next_deadline()) {
      now = std::max(now, *deadline);
      session.tick(now);
    }
    now = until;
  }
  Result<mqtt::Token> publish(std::string topic, mqtt::Payload payload, mqtt::QoS qos, bool retain = false) {
    return session.publish({.topic = std::move(topic), .payload = std::move(payload), .qos = qos, .retain = retain}, now);
  }

  [[nodiscard]] bool has_events() {
    take_events();
    return !events_.empty();
  }

  TimePoint now{1h};
  mqtt::Session session;

 private:
  void take_events() {
    while (auto event = session.next_event()) events_.push_back(std::move(*event));
  }
  std::deque<mqtt::Event> events_;
};

inline constexpr auto kQoS0 = mqtt::QoS::at_most_once;
inline constexpr auto kQoS1 = mqtt::QoS::at_least_once;
inline constexpr auto kQoS2 = mqtt::QoS::exactly_once;

/// A session that the server keeps.
[[nodiscard]] inline mqtt::ConnectOptions persistent(std::string client_id = "c") {
  return {.client_id = std::move(client_id), .clean_session = false};
}

/// A connection of 5.0.
[[nodiscard]] inline mqtt::ConnectOptions with_v5(mqtt::Properties properties = {}, bool clean_start = true, std::string client_id = "c") {
  return {.client_id = std::move(client_id),
          .clean_session = clean_start,
          .version = mqtt::ProtocolVersion::v5_0,
          .properties = std::move(properties)};
}
/// A session of 5.0 that both sides keep for so many seconds.
[[nodiscard]] inline mqtt::ConnectOptions kept_v5(std::uint32_t seconds = 3600) {
  return with_v5({{mqtt::property::session_expiry_interval, seconds}}, false);
}

/// What was sent with 5.0, as packets.
[[nodiscard]] inline std::vector<mqtt::ControlPacket> packets_of(const Bytes& bytes) {
  mqtt::Decoder decoder{mqtt::kMaxPacketSize, mqtt::ProtocolVersion::v5_0};
  std::span<const std::byte> input{bytes};
  std::vector<mqtt::ControlPacket> packets;
  while (!input.empty()) {
    auto packet = decoder.next(input);
    if (!packet || !*packet) std::abort();
    packets.push_back(std::move(**packet));
  }
  return packets;
}
[[nodiscard]] inline mqtt::Publish only_publish(const Bytes& bytes) {
  const auto packets = packets_of(bytes);
  if (packets.size() != 1) std::abort();
  return std::get<mqtt::Publish>(packets.front());
}
[[nodiscard]] inline std::error_code error_of(const Result<mqtt::Token>& token) { return token ? std::error_code{} : token.error(); }

}  // namespace tapir::test
