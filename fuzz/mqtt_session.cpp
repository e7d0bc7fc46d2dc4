// An MQTT session of each version against a hostile broker: any bytes at any time, with exchanges of every quality of service under way
// and a state that is exported and taken up again, or saved in a store that sometimes fails.

#include <algorithm>
#include <cstdlib>

#include <tapir/mqtt/session.hpp>

namespace {

using namespace tapir::mqtt;

class Store final : public tapir::ByteStore {
 public:
  [[nodiscard]] tapir::Result<> save(std::span<const std::byte> bytes) override {
    if (fails) return tapir::fail(Error::storage_failed);
    content.assign(bytes.begin(), bytes.end());
    return {};
  }
  [[nodiscard]] tapir::Result<std::optional<std::vector<std::byte>>> load() override { return content; }
  std::vector<std::byte> content;
  bool fails = false;
};

ConnectOptions options_for(ProtocolVersion version) {
  ConnectOptions options{.client_id = "fuzz", .clean_session = false, .version = version};
  if (version == ProtocolVersion::v5_0) {
    options.properties = {{property::session_expiry_interval, 100},
                          {property::topic_alias_maximum, 5},
                          {property::receive_maximum, 3},
                          {property::authentication_method, "m"}};
  }
  return options;
}

void run(std::span<const std::uint8_t> input, ProtocolVersion version, bool lenient) {
  const SessionLimits limits{.max_packet_size = 1U << 20U, .stream_above = 64, .validate_payload_format = true, .lenient = lenient};
  Store store;
  Session session{limits};
  tapir::TimePoint now{};
  if (!session.configure(options_for(version))) std::abort();
  if (!lenient) session.keep_in(&store);
  (void)session.connected(now);
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once})
    (void)session.publish({.topic = "a/b", .payload = "x", .qos = qos}, now);
  while (input.size() >= 2) {
    const std::uint8_t action = input[0];
    const std::size_t length = std::min<std::size_t>(input[1], input.size() - 2);
    const auto bytes = input.subspan(2, length);
    input = input.subspan(2 + length);
    now += std::chrono::milliseconds{action * 16};
    session.tick(now);
    if (action % 32 == 31) {
      session.transport_lost(now);
      Session next{limits};
      if (!next.configure(options_for(version)) || !next.import_state(session.export_state(now), now)) std::abort();
      if (action % 64 == 63) session = std::move(next);
      if (!lenient) session.keep_in(&store);
      (void)session.connected(now);
    }
    if (action % 32 == 30) (void)session.subscribe({{.filter = "#", .qos = QoS::exactly_once}}, now);
    if (action % 32 == 29) (void)session.authenticate("x", now);
    if (action % 32 == 28) (void)session.reauthenticate("x", now);
    store.fails = action % 32 == 27;
    session.input(std::as_bytes(bytes), now);
    if (action % 4 == 0) session.transport_progress(now, action * 8U);
    while (session.next_event()) {}
    while (session.take_output(now)) {}
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0}) {
    for (const bool lenient : {false, true}) run({data, size}, version, lenient);
  }
  return 0;
}
