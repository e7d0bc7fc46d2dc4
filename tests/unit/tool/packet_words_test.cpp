#include <catch2/catch.hpp>

#include <packet_words.hpp>

using namespace tapir;
using namespace tool;

namespace {

using Lines = std::vector<std::string>;

Lines shown(Direction direction, std::string_view kind, const std::vector<Field>& fields, std::size_t payload_size = 0) {
  return debug_lines({.layer = LayerId::mqtt,
                      .direction = direction,
                      .at = {},
                      .packet = nullptr,
                      .header_size = 2,
                      .payload_size = payload_size,
                      .summary = kind,
                      .fields = fields});
}

constexpr auto kSent = Direction::down;
constexpr auto kReceived = Direction::up;

}  // namespace

// The lines are those that mosquitto_pub and mosquitto_sub 2.0.11 print.
TEST_CASE("packets look as mosquitto shows them", "[tool]") {
  CHECK(shown(kSent, "CONNECT", {{"client", "c"}, {"keep_alive", "60"}}) == Lines{"sending CONNECT"});
  CHECK(shown(kReceived, "CONNACK", {{"session_present", "0"}, {"code", "5"}}) == Lines{"received CONNACK (5)"});
  CHECK(shown(kSent, "PUBLISH", {{"topic", "a/b"}, {"qos", "1"}, {"id", "7"}}, 5) ==
        Lines{"sending PUBLISH (d0, q1, r0, m7, 'a/b', ... (5 bytes))"});
  CHECK(shown(kReceived, "PUBLISH", {{"topic", "t"}, {"qos", "0"}, {"retain", "1"}, {"dup", "1"}}) ==
        Lines{"received PUBLISH (d1, q0, r1, m0, 't', ... (0 bytes))"});
  CHECK(shown(kReceived, "PUBACK", {{"id", "1"}, {"reason", "no matching subscribers"}, {"code", "16"}}) ==
        Lines{"received PUBACK (Mid: 1, RC:16)"});
  CHECK(shown(kSent, "PUBACK", {{"id", "1"}}) == Lines{"sending PUBACK (m1, rc0)"});
  CHECK(shown(kReceived, "PUBREC", {{"id", "1"}}) == Lines{"received PUBREC (Mid: 1)"});
  CHECK(shown(kReceived, "PUBREC", {{"id", "1"}, {"code", "151"}}) == Lines{"received PUBREC (Mid: 1, RC:151)"});
  CHECK(shown(kSent, "PUBREC", {{"id", "1"}}) == Lines{"sending PUBREC (m1, rc0)"});
  CHECK(shown(kSent, "PUBREL", {{"id", "1"}}) == Lines{"sending PUBREL (m1)"});
  CHECK(shown(kReceived, "PUBREL", {{"id", "1"}}) == Lines{"received PUBREL (Mid: 1)"});
  CHECK(shown(kReceived, "PUBCOMP", {{"id", "1"}}) == Lines{"received PUBCOMP (Mid: 1, RC:0)"});
  CHECK(shown(kSent, "PUBCOMP", {{"id", "1"}}) == Lines{"sending PUBCOMP (m1)"});
  CHECK(
      shown(kSent, "SUBSCRIBE",
            {{"id", "1"}, {"filter", "a"}, {"qos", "2"}, {"options", "8"}, {"filter", "b"}, {"qos", "0"}, {"options", "0"}}) ==
      Lines{"sending SUBSCRIBE (Mid: 1, Topic: a, QoS: 2, Options: 0x08)", "sending SUBSCRIBE (Mid: 1, Topic: b, QoS: 0, Options: 0x00)"});
  CHECK(shown(kReceived, "SUBACK", {{"id", "1"}, {"code", "0"}}) == Lines{"received SUBACK"});
  CHECK(shown(kSent, "UNSUBSCRIBE", {{"id", "2"}, {"filter", "g"}}) == Lines{"sending UNSUBSCRIBE (Mid: 2, Topic: g)"});
  CHECK(shown(kReceived, "UNSUBACK", {{"id", "2"}}) == Lines{"received UNSUBACK"});
  CHECK(shown(kSent, "PINGREQ", {}) == Lines{"sending PINGREQ"});
  CHECK(shown(kReceived, "PINGRESP", {}) == Lines{"received PINGRESP"});
  CHECK(shown(kSent, "DISCONNECT", {}) == Lines{"sending DISCONNECT"});
  CHECK(shown(kReceived, "DISCONNECT", {{"reason", "server busy"}, {"code", "137"}}) == Lines{"received DISCONNECT (137)"});
}
