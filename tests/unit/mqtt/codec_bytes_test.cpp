#include <catch2/catch.hpp>

#include "codec_lab.hpp"

// The bytes are put together by hand from the tables of MQTT 3.1.1 chapter 3. Every packet is both encoded to them and decoded from them.
using namespace tapir;
using namespace tapir::mqtt;
using tapir::test::Bytes;
using tapir::test::check_both_ways;
using tapir::test::decoded;
using tapir::test::encoded;
using tapir::test::hex;

TEST_CASE("CONNECT with nothing but a client identifier",
          "[mqtt][MQTT311-3.1.2-1][MQTT311-3.1.2-11][MQTT311-3.1.2-13][MQTT311-3.1.2-15][MQTT311-3.1.2-18][MQTT311-3.1.2-20]"
          "[MQTT311-3.1.3-3]") {
  check_both_ways(Connect{.clean_session = true, .keep_alive = std::chrono::seconds{60}, .client_id = "s1"},
                  "10 0e 0004 4d515454 04 02 003c 0002 7331");
}

TEST_CASE("CONNECT with everything, its fields in the standard's order",
          "[mqtt][MQTT311-3.1.2-9][MQTT311-3.1.2-19][MQTT311-3.1.2-21][MQTT311-3.1.3-1]") {
  // Flags: user name, password, will retain, will QoS 2, will flag; no clean session: 1111 0100.
  check_both_ways(Connect{.clean_session = false,
                          .keep_alive = std::chrono::seconds{65535},
                          .client_id = "id",
                          .will = Will{.topic = "w/t", .payload = Payload{"bye"}, .qos = QoS::exactly_once, .retain = true},
                          .user_name = "u",
                          .password = std::string{"\x00\xff", 2}},
                  "10 1f 0004 4d515454 04 f4 ffff 0002 6964 0003 772f74 0003 627965 0001 75 0002 00ff");
}

TEST_CASE("an empty user name and an empty password are present", "[mqtt][MQTT311-3.1.2-19][MQTT311-3.1.2-21]") {
  check_both_ways(Connect{.client_id = "a", .user_name = "", .password = ""}, "10 11 0004 4d515454 04 c2 0000 0001 61 0000 0000");
  check_both_ways(Connect{.client_id = "a", .user_name = ""}, "10 0f 0004 4d515454 04 82 0000 0001 61 0000");
}

TEST_CASE("bit 0 of the connect flags is 0 for every combination of options", "[mqtt][MQTT311-3.1.2-3]") {
  for (unsigned choice = 0; choice < 16; ++choice) {
    Connect connect{.clean_session = (choice & 1U) != 0, .client_id = "a"};
    if ((choice & 2U) != 0) connect.will = Will{.topic = "t", .retain = (choice & 8U) != 0};
    if ((choice & 4U) != 0) connect.user_name = "u";
    CHECK((std::to_integer<unsigned>(encoded(connect).at(9)) & 1U) == 0);
  }
  Decoder decoder;
  const Bytes reserved_bit = hex("10 0d 0004 4d515454 04 03 003c 0001 61");
  std::span<const std::byte> input{reserved_bit};
  CHECK(decoder.next(input).error() == mqtt::Error::malformed_packet);
}

TEST_CASE("a password of 65535 bytes fits, one more does not", "[mqtt][MQTT311-3.1.2-21]") {
  const Connect connect{.client_id = "a", .user_name = "u", .password = std::string(65535, '\xff')};
  CHECK(*decoded(encoded(connect)) == ControlPacket{connect});
  Bytes out;
  CHECK_FALSE(encode(Connect{.client_id = "a", .user_name = "u", .password = std::string(65536, 'x')}, out));
  CHECK(out.empty());
}

TEST_CASE("CONNACK", "[mqtt][MQTT311-3.2.2-N1]") {
  check_both_ways(Connack{.session_present = false, .code = ConnectCode::accepted}, "20 02 00 00");
  check_both_ways(Connack{.session_present = true, .code = ConnectCode::accepted}, "20 02 01 00");
  check_both_ways(Connack{.session_present = false, .code = ConnectCode::not_authorized}, "20 02 00 05");
}

TEST_CASE("PUBLISH with QoS 0 has no packet identifier", "[mqtt][MQTT311-2.3.1-5][MQTT311-3.3.2-1][MQTT311-4.3.1-1][MQTT311-3.3.1-2]") {
  check_both_ways(Publish{.topic = "a/b", .payload = Payload{"hi"}}, "30 07 0003 612f62 6869");
  check_both_ways(Publish{.retain = true, .topic = "a/b"}, "31 05 0003 612f62");
}

TEST_CASE("PUBLISH with QoS 1 and 2", "[mqtt][MQTT311-2.2.2-1]") {
  check_both_ways(Publish{.qos = QoS::at_least_once, .topic = "a/b", .id = PacketId{10}, .payload = Payload{"x"}},
                  "32 08 0003 612f62 000a 78");
  check_both_ways(Publish{.duplicate = true, .qos = QoS::exactly_once, .retain = true, .topic = "t", .id = PacketId{0xfffe}},
                  "3d 05 0001 74 fffe");
}

TEST_CASE("3.1: PUBREL, SUBSCRIBE and UNSUBSCRIBE have DUP when they are sent again, and in no later version", "[mqtt]") {
  const Pubrel pubrel{.id = PacketId{0x1234}, .duplicate = true};
  const Subscribe subscribe{.id = PacketId{1}, .subscriptions = {{"a"}}, .duplicate = true};
  const Unsubscribe unsubscribe{.id = PacketId{1}, .filters = {"a"}, .duplicate = true};
  check_both_ways(pubrel, "6a 02 1234", ProtocolVersion::v3_1);
  check_both_ways(subscribe, "8a 06 0001 0001 61 00", ProtocolVersion::v3_1);
  check_both_ways(unsubscribe, "aa 05 0001 0001 61", ProtocolVersion::v3_1);
  for (const auto version : {ProtocolVersion::v3_1_1, ProtocolVersion::v5_0}) {
    CHECK(tapir::test::encoding(pubrel, version) == mqtt::Error::not_in_this_version);
    CHECK(tapir::test::encoding(subscribe, version) == mqtt::Error::not_in_this_version);
    CHECK(tapir::test::encoding(unsubscribe, version) == mqtt::Error::not_in_this_version);
  }
}

TEST_CASE("the acknowledgments of PUBLISH", "[mqtt][MQTT311-2.2.2-1][MQTT311-3.6.1-1]") {
  check_both_ways(Puback{PacketId{0x1234}}, "40 02 1234");
  check_both_ways(Pubrec{PacketId{0x1234}}, "50 02 1234");
  check_both_ways(Pubrel{PacketId{0x1234}}, "62 02 1234");
  check_both_ways(Pubcomp{PacketId{0x1234}}, "70 02 1234");
}

TEST_CASE("SUBSCRIBE and SUBACK, as in the standard's examples", "[mqtt][MQTT311-3.8.1-1][MQTT311-3.8.3-4][MQTT311-2.2.2-1]") {
  // Sections 3.8.3.1 and 3.9.3.1: filters "a/b" with QoS 1 and "c/d" with QoS 2; codes maximum QoS 0, QoS 2, failure.
  check_both_ways(Subscribe{.id = PacketId{10}, .subscriptions = {{"a/b", QoS::at_least_once}, {"c/d", QoS::exactly_once}}},
                  "82 0e 000a 0003 612f62 01 0003 632f64 02");
  check_both_ways(Suback{.id = PacketId{10}, .codes = {SubscribeCode::granted_qos_0, SubscribeCode::granted_qos_2, SubscribeCode::failure}},
                  "90 05 000a 00 02 80");
}

TEST_CASE("UNSUBSCRIBE and UNSUBACK, as in the standard's example", "[mqtt][MQTT311-3.10.1-1][MQTT311-3.10.3-1][MQTT311-2.2.2-1]") {
  check_both_ways(Unsubscribe{.id = PacketId{10}, .filters = {"a/b", "c/d"}}, "a2 0c 000a 0003 612f62 0003 632f64");
  check_both_ways(Unsuback{PacketId{10}}, "b0 02 000a");
}

TEST_CASE("packets of two bytes", "[mqtt][MQTT311-3.12.1-N1][MQTT311-3.14.1-1][MQTT311-2.2.2-1]") {
  check_both_ways(Pingreq{}, "c0 00");
  check_both_ways(Pingresp{}, "d0 00");
  check_both_ways(Disconnect{}, "e0 00");
}

TEST_CASE("EF BB BF is U+FEFF wherever it stands", "[mqtt][MQTT311-1.5.3-3]") {
  const auto packet = decoded(hex("30 06 0004 efbbbf 61"));
  REQUIRE(packet);
  CHECK(std::get<Publish>(*packet).topic ==
        "\xef\xbb\xbf"
        "a");
}

TEST_CASE("packet types have the names that the standard gives them", "[mqtt]") {
  CHECK(name(type_of(Connect{})) == "CONNECT");
  CHECK(name(type_of(Unsuback{})) == "UNSUBACK");
  CHECK(name(type_of(Disconnect{})) == "DISCONNECT");
}
