// Publishes with tapir's Session over a socket of the kernel's (HostSocket); see publishing.hpp. Messages of QoS 0 are written in batches of
// 4 KiB, those of QoS 1 and 2 as many at once as acknowledgments have made room for.

#include <array>
#include <optional>

#include <tapir/mqtt/session.hpp>
#include <tapir/runtime/host_socket.hpp>
#include <tapir/runtime/runtime.hpp>

#include "publishing.hpp"

namespace {

using namespace tapir;
using namespace tapir::bench;

constexpr std::size_t kBatch = 4096;

class Publisher {
 public:
  explicit Publisher(const Order& order)
      : order_{order},
        socket_{runtime_, "127.0.0.1", Port{static_cast<std::uint16_t>(order.port)}},
        session_{{.max_in_flight = kInFlight, .output_high_water = 2 * kBatch}} {
    socket_.handle({.connected = [this] { start(); },
                    .readable = [this] { read(); },
                    .writable = [this] { go_on(); },
                    .closed = [](std::error_code) { check(false, "connection"); }});
    check(session_.configure({.client_id = "tapir"}).has_value() && socket_.connect().has_value(), "connection");
  }
  int run() { return runtime_.run(); }

 private:
  [[nodiscard]] TimePoint now() { return runtime_.scheduler().now(); }

  void start() {
    check(session_.connected(now()).has_value(), "CONNECT");
    go_on();
  }
  void read() {
    std::array<std::byte, 16384> buffer;
    for (;;) {
      const auto got = socket_.receive(buffer);
      if (!got && got.error() == Error::would_block) break;
      check(got && *got > 0, "receive");
      session_.input(std::span{buffer}.first(*got), now());
      take_events();
    }
    go_on();
  }
  void take_events() {
    while (const auto event = session_.next_event()) {
      if (std::holds_alternative<mqtt::event::Connected>(*event)) watch_.emplace();
      if (std::holds_alternative<mqtt::event::Delivered>(*event)) ++delivered_;
      check(!std::holds_alternative<mqtt::event::Disconnected>(*event) && !std::holds_alternative<mqtt::event::Failed>(*event), "session");
    }
    if (watch_ && delivered_ == (order_.qos == 0 ? 1 : order_.count)) {
      watch_->stop(order_.count);
      std::exit(0);
    }
  }
  void publish(mqtt::QoS qos) {
    check(session_.publish({.topic = kTopic, .payload = payload_, .qos = qos}, now()).has_value(), "publish");
    ++published_;
  }
  /// Publishes what there is room for.
  void fill() {
    if (!watch_) return;
    if (order_.qos == 0) {
      while (published_ < order_.count && session_.pending_output() < kBatch) publish(mqtt::QoS::at_most_once);
      if (published_ == order_.count && session_.pending_output() < kBatch) publish(mqtt::QoS::at_least_once);
      return;
    }
    while (published_ < order_.count && session_.in_flight() < kInFlight) publish(static_cast<mqtt::QoS>(order_.qos));
  }
  /// Writes until the kernel takes no more or nothing is left.
  void go_on() {
    for (;;) {
      if (unsent_.empty()) {
        take_events();
        fill();
        const auto slice = session_.take_output(now());
        if (!slice) return;
        slice_ = *slice;
        unsent_ = slice_.bytes();
      }
      const auto taken = socket_.send(unsent_);
      check(taken.has_value(), "send");
      unsent_ = unsent_.subspan(*taken);
      if (!unsent_.empty()) return;
    }
  }

  Order order_;
  Runtime runtime_;
  HostSocket socket_;
  mqtt::Session session_;
  mqtt::Payload payload_{kPayload};
  mqtt::Payload slice_;
  std::span<const std::byte> unsent_;
  std::optional<Stopwatch> watch_;  ///< from CONNACK on
  long published_ = 0;
  long delivered_ = 0;
};

}  // namespace

int main(int argc, char** argv) { return Publisher{order_of(argc, argv)}.run(); }
