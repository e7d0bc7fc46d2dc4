// Publishes with tapir's Session, over a socket of the kernel's, or, where a TAP device is named, over tapir's own TCP/IP there: 192.0.2.2 to a broker at
// 192.0.2.1. See publishing.hpp. Messages of QoS 0 are written in batches of 4 KiB, those of QoS 1 and 2 as many at once as acknowledgments have made
// room for.
//   publish_tapir PORT QOS COUNT [TAP]

#include <array>
#include <optional>

#include <tapir/mqtt/host_transport.hpp>
#include <tapir/mqtt/session.hpp>
#include <tapir/mqtt/tcp_transport.hpp>
#include <tapir/tapir.hpp>

#include "publishing.hpp"

namespace {

using namespace tapir;
using namespace tapir::bench;
using namespace tapir::literals;

constexpr std::size_t kBatch = 4096;

class Publisher final : mqtt::TransportUser {
 public:
  Publisher(const Order& order, const Scheduler& scheduler, mqtt::Transport& transport)
      : order_{order},
        scheduler_{scheduler},
        transport_{transport},
        session_{{.max_in_flight = kInFlight, .output_high_water = 2 * kBatch}} {
    transport_.attach(this);
    check(session_.configure({.client_id = "tapir"}).has_value() && transport_.open().has_value(), "connection");
  }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;
  ~Publisher() override { transport_.attach(nullptr); }

 private:
  [[nodiscard]] TimePoint now() const { return scheduler_.now(); }

  void on_open() override {
    check(session_.connected(now()).has_value(), "CONNECT");
    go_on();
  }
  void on_writable() override { go_on(); }
  void on_acknowledged() override {}
  void on_closed(std::error_code) override { check(false, "connection"); }
  void on_readable() override {
    std::array<std::byte, 16384> buffer;
    for (;;) {
      const auto got = transport_.receive(buffer);
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
  /// Writes until the transport takes no more or nothing is left.
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
      const auto taken = transport_.send(unsent_);
      if (!taken && taken.error() == Error::would_block) return;
      check(taken.has_value(), "send");
      unsent_ = unsent_.subspan(*taken);
      if (!unsent_.empty()) return;
    }
  }

  Order order_;
  const Scheduler& scheduler_;
  mqtt::Transport& transport_;
  mqtt::Session session_;
  mqtt::Payload payload_{kPayload};
  mqtt::Payload slice_;
  std::span<const std::byte> unsent_;
  std::optional<Stopwatch> watch_;  ///< from CONNACK on
  long published_ = 0;
  long delivered_ = 0;
};

int over_the_kernel(const Order& order) {
  Runtime runtime;
  mqtt::HostTransport transport{runtime, "127.0.0.1", Port{static_cast<std::uint16_t>(order.port)}};
  Publisher publisher{order, runtime.scheduler(), transport};
  return runtime.run();
}

int over_tapir(const Order& order, const char* device) {
  // The answer to a batch mostly comes while it spins: else the broker would have to wake this process for every few messages.
  Runtime runtime{{.spin = std::chrono::microseconds{50}}};
  auto tap = link::Tap::open(device);
  if (!tap) return report(device, tap.error());
  Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix}};
  mqtt::TcpTransport transport{stack.tcp(), {"192.0.2.1"_ipv4, Port{static_cast<std::uint16_t>(order.port)}}};
  Publisher publisher{order, runtime.scheduler(), transport};
  return runtime.run();
}

}  // namespace

int main(int argc, char** argv) {
  const bool tap = argc == 5;
  const Order order = order_of(tap ? argc - 1 : argc, argv, " [TAP]");
  return tap ? over_tapir(order, argv[4]) : over_the_kernel(order);
}
