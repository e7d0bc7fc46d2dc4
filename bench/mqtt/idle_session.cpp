// Bytes of memory that a connected session with default limits holds while nothing happens: fresh, and after messages in both directions.
//   idle_session [SESSIONS]
// Fails when it is above what is promised.

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tapir/mqtt/session.hpp>

#include "../allocations.hpp"

namespace {

using namespace tapir;
using namespace tapir::mqtt;

constexpr TimePoint kNow{};
constexpr double kMost = 224;  ///< bytes, all in

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "idle_session: %s\n", what);
  std::exit(1);
}

void drain(Session& session) {
  while (session.next_event()) {}
  while (session.take_output(kNow)) {}
}

void receive(Session& session, const ControlPacket& packet, ProtocolVersion version) {
  std::vector<std::byte> bytes;
  demand(encode(packet, bytes, version).has_value(), "encode");
  session.input(bytes, kNow);
  drain(session);
}

/// A message of each quality of service in each direction.
void exchange(Session& session, ProtocolVersion version) {
  for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    demand(session.publish({.topic = "room/temperature", .payload = "21.5", .qos = qos}, kNow).has_value(), "publish");
    drain(session);
    const PacketId theirs{qos == QoS::at_most_once ? std::uint16_t{0} : std::uint16_t{1}};
    receive(session, Publish{.qos = qos, .topic = "room/light", .id = theirs, .payload = "on"}, version);
  }
  receive(session, Pubrel{.id = PacketId{1}}, version);
  receive(session, Puback{.id = PacketId{1}}, version);
  receive(session, Pubrec{.id = PacketId{2}}, version);
  receive(session, Pubcomp{.id = PacketId{2}}, version);
  demand(session.in_flight() == 0 && session.unreleased() == 0 && session.is_connected(), "an exchange is not complete");
}

/// Whether the bound was kept.
bool measure(const char* name, ProtocolVersion version, std::size_t count) {
  const std::size_t before = bench::heap_bytes();
  std::vector<std::unique_ptr<Session>> sessions(count);
  for (std::size_t i = 0; i < count; ++i) {
    sessions[i] = std::make_unique<Session>();
    demand(sessions[i]->configure({.client_id = "sensor-" + std::to_string(i), .version = version}).has_value(), "configure");
    demand(sessions[i]->connected(kNow).has_value(), "connected");
    receive(*sessions[i], Connack{}, version);
  }
  bool kept = true;
  const auto report = [&](const char* when) {
    const std::size_t pointers = count * sizeof sessions[0];
    const double bytes = static_cast<double>(bench::heap_bytes() - before - pointers) / static_cast<double>(count);
    std::printf("%-8s %-16s %6.0f bytes a session, at most %.0f\n", name, when, bytes, kMost);
    kept = kept && std::round(bytes) <= kMost;  // the list of them all takes a few bytes too
  };
  report("connected");
  for (auto& session : sessions) exchange(*session, version);
  report("after messages");
  return kept;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::stoul(argv[1]) : 10'000;
  std::printf("sizeof(Session) %zu bytes\n", sizeof(Session));
  bool kept = true;
  for (const auto& [name, version] :
       {std::pair{"3.1", ProtocolVersion::v3_1}, {"3.1.1", ProtocolVersion::v3_1_1}, {"5.0", ProtocolVersion::v5_0}}) {
    kept = measure(name, version, count) && kept;
  }
  return kept ? 0 : 1;
}
