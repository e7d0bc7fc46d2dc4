// An MQTT session against a hostile broker: any bytes at any time, with exchanges of every quality of service under way.

#include <tapir/mqtt/session.hpp>

using namespace tapir::mqtt;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session session;
  tapir::TimePoint now{};
  ConnectOptions options;
  options.client_id = "fuzz";
  options.clean_session = false;
  if (!session.configure(options)) return 0;
  (void)session.connected(now);
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once})
    (void)session.publish({.topic = "a/b", .payload = "x", .qos = qos}, now);
  (void)session.subscribe({{.filter = "#", .qos = QoS::exactly_once}}, now);
  std::span<const std::uint8_t> input{data, size};
  while (input.size() >= 2) {
    const std::uint8_t action = input[0];
    const std::size_t length = std::min<std::size_t>(input[1], input.size() - 2);
    const auto bytes = input.subspan(2, length);
    input = input.subspan(2 + length);
    now += std::chrono::milliseconds{action * 16};
    session.tick(now);
    if (action % 32 == 31) {
      session.transport_lost(now);
      (void)session.connected(now);
    }
    session.input(std::as_bytes(bytes), now);
    while (session.next_event()) {}
    while (session.take_output(now)) {}
  }
  return 0;
}
