#include <catch2/catch.hpp>

#include <tapir/mqtt/session_options.hpp>

#include "codec_lab.hpp"

// The bytes of MQTT 5.0, written by hand from the standard's figures.
using namespace tapir;
using namespace tapir::mqtt;
using tapir::test::Bytes;
using tapir::test::hex;

namespace {

// What codec_lab.hpp has, for 5.0.
Bytes bytes_of(const ControlPacket& packet) { return test::encoded(packet, ProtocolVersion::v5_0); }
std::error_code encoding(const ControlPacket& packet, ProtocolVersion version = ProtocolVersion::v5_0) {
  return test::encoding(packet, version);
}
Result<ControlPacket> decoded(std::string_view digits, ProtocolVersion version = ProtocolVersion::v5_0) {
  return test::decoded(hex(digits), version);
}
std::error_code outcome(std::string_view digits) { return test::outcome(hex(digits), ProtocolVersion::v5_0); }
void check_both_ways(const ControlPacket& packet, std::string_view digits) { test::check_both_ways(packet, digits, ProtocolVersion::v5_0); }

const std::error_code kAccepted{};

}  // namespace

TEST_CASE("CONNECT of 5.0: name, level, flags, properties, and the payload in its order",
          "[mqtt][MQTT5-3.1.2-1][MQTT5-3.1.2-2][MQTT5-3.1.2-3][MQTT5-3.1.2-9][MQTT5-3.1.2-11][MQTT5-3.1.2-13][MQTT5-3.1.2-16]"
          "[MQTT5-3.1.2-17][MQTT5-3.1.2-18][MQTT5-3.1.2-19][MQTT5-3.1.3-1][MQTT5-3.1.3-3][MQTT5-2.2.2-1]") {
  check_both_ways(Connect{.version = ProtocolVersion::v5_0, .keep_alive = std::chrono::seconds{60}, .client_id = "c"},
                  "10 0e 0004 4d515454 05 02 003c 00 0001 63");
  check_both_ways(Connect{.version = ProtocolVersion::v5_0, .clean_session = false}, "10 0d 0004 4d515454 05 00 0000 00 0000");
  check_both_ways(Connect{.version = ProtocolVersion::v5_0, .password = "p"}, "10 10 0004 4d515454 05 42 0000 00 0000 0001 70");
  check_both_ways(Connect{.version = ProtocolVersion::v5_0, .user_name = ""}, "10 0f 0004 4d515454 05 82 0000 00 0000 0000");
  check_both_ways(Connect{.version = ProtocolVersion::v5_0,
                          .client_id = "c",
                          .will = Will{.topic = "t",
                                       .payload = "w",
                                       .qos = QoS::exactly_once,
                                       .retain = true,
                                       .properties = {{property::will_delay_interval, 5}}},
                          .user_name = "u",
                          .password = "p",
                          .properties = {{property::session_expiry_interval, 10}, {property::receive_maximum, 20}}},
                  "10 28 0004 4d515454 05 f6 0000 08 11 0000000a 21 0014 0001 63 05 18 00000005 0001 74 0001 77 0001 75 0001 70");
}

TEST_CASE("a will of 5.0 has a QoS of 0, 1 or 2", "[mqtt][MQTT5-3.1.2-12]") {
  const auto with = [](int qos) {
    return Connect{.version = ProtocolVersion::v5_0, .will = Will{.topic = "t", .qos = static_cast<QoS>(qos)}};
  };
  CHECK(encoding(with(2)) == kAccepted);
  CHECK(encoding(with(3)) == mqtt::Error::malformed_packet);
}

TEST_CASE("authentication data needs a method", "[mqtt][MQTT5-3.1.2-N5]") {
  Connect packet{.version = ProtocolVersion::v5_0, .properties = {{property::authentication_data, "x"}}};
  CHECK(encoding(packet) == mqtt::Error::protocol_violation);
  packet.properties.add({property::authentication_method, "m"});
  CHECK(encoding(packet) == kAccepted);
}

TEST_CASE("CONNECT of 3.1 is MQIsdp with level 3", "[mqtt]") {
  const Connect packet{.version = ProtocolVersion::v3_1, .keep_alive = std::chrono::seconds{10}, .client_id = "p"};
  CHECK(bytes_of(packet) == hex("10 0f 0006 4d5149736470 03 02 000a 0001 70"));
  CHECK(*decoded("10 0f 0006 4d5149736470 03 02 000a 0001 70") == ControlPacket{packet});
  CHECK(outcome("10 0f 0006 4d5149736470 04 02 000a 0001 70") == mqtt::Error::unsupported_protocol_version);
  CHECK(outcome("10 0d 0004 4d515454 06 02 000a 0001 70") == mqtt::Error::unsupported_protocol_version);
}

TEST_CASE("acknowledgments of 5.0 leave out what is success and nothing",
          "[mqtt][MQTT5-3.4.2-N1][MQTT5-3.6.1-1][MQTT5-3.14.2-N2][MQTT5-2.2.1-5]") {
  check_both_ways(Puback{.id = PacketId{0x1234}}, "40 02 1234");
  check_both_ways(Pubrec{.id = PacketId{0x1234}, .reason = ReasonCode::no_matching_subscribers}, "50 03 1234 10");
  check_both_ways(Pubrel{.id = PacketId{1}, .reason = ReasonCode::packet_identifier_not_found}, "62 03 0001 92");
  check_both_ways(Pubcomp{.id = PacketId{1}, .properties = {{property::reason_string, "r"}}}, "70 08 0001 00 04 1f 0001 72");
  CHECK(*decoded("40 03 0001 00") == ControlPacket{Puback{.id = PacketId{1}}});
  CHECK(*decoded("40 04 0001 00 00") == ControlPacket{Puback{.id = PacketId{1}}});
  check_both_ways(Disconnect{}, "e0 00");
  check_both_ways(Disconnect{.reason = ReasonCode::server_moved, .properties = {{property::server_reference, "h"}}},
                  "e0 06 9d 04 1c 0001 68");
  CHECK(outcome("60 02 0001") == mqtt::Error::malformed_packet);
  CHECK(outcome("40 05 0001 00 00 00") == mqtt::Error::malformed_packet);
}

TEST_CASE("SUBSCRIBE and UNSUBSCRIBE of 5.0 and their answers", "[mqtt][MQTT5-3.8.1-1][MQTT5-3.8.3-5][MQTT5-3.10.1-1]") {
  check_both_ways(Subscribe{.id = PacketId{1},
                            .subscriptions = {{"a", QoS::exactly_once, true, true, RetainHandling::never}, {"b"}},
                            .properties = {{property::subscription_identifier, 268435455}}},
                  "82 10 0001 05 0b ffffff7f 0001 61 2e 0001 62 00");
  check_both_ways(Suback{.id = PacketId{1}, .codes = {ReasonCode::granted_qos_2, ReasonCode::not_authorized}}, "90 05 0001 00 02 87");
  check_both_ways(Unsubscribe{.id = PacketId{1}, .filters = {"a"}, .properties = {{property::user_property, {"k", "v"}}}},
                  "a2 0d 0001 07 26 0001 6b 0001 76 0001 61");
  check_both_ways(Unsuback{.id = PacketId{1}, .codes = {ReasonCode::no_subscription_existed}}, "b0 04 0001 00 11");
  CHECK(outcome("82 07 0001 00 0001 61 40") == mqtt::Error::malformed_packet);  // bit 6
  CHECK(outcome("82 07 0001 00 0001 61 30") == mqtt::Error::malformed_packet);  // retain handling 3
}

TEST_CASE(
    "requests need at least one filter, well-formed, and shared ones a name",
    "[mqtt][MQTT5-3.8.3-1][MQTT5-3.8.3-2][MQTT5-3.8.3-4][MQTT5-3.8.3-N1][MQTT5-3.10.3-1][MQTT5-3.10.3-2][MQTT5-4.8.2-1][MQTT5-4.8.2-2]") {
  const auto subscribing = [](Subscription subscription) {
    return encoding(Subscribe{.id = PacketId{1}, .subscriptions = {std::move(subscription)}});
  };
  CHECK(encoding(Subscribe{.id = PacketId{1}}) == mqtt::Error::protocol_violation);
  CHECK(encoding(Unsubscribe{.id = PacketId{1}}) == mqtt::Error::protocol_violation);
  CHECK(subscribing({"\xed\xa0\x80"}) == mqtt::Error::malformed_packet);
  CHECK(encoding(Unsubscribe{.id = PacketId{1}, .filters = {"\xed\xa0\x80"}}) == mqtt::Error::malformed_packet);
  CHECK(subscribing({"a", static_cast<QoS>(3)}) == mqtt::Error::malformed_packet);
  CHECK(subscribing({"a", QoS::at_most_once, false, false, static_cast<RetainHandling>(3)}) == mqtt::Error::malformed_packet);
  CHECK(subscribing({"$share/g/a/#", QoS::exactly_once}) == kAccepted);
  CHECK(subscribing({"$share/g/a", QoS::exactly_once, true}) == mqtt::Error::protocol_violation);
  for (const auto* filter : {"$share//a", "$share/g", "$share/g+/a", "$share/g/"}) {
    CHECK(subscribing({filter}) == mqtt::Error::protocol_violation);
  }
}

TEST_CASE("PUBLISH of 5.0: topic, identifier, properties, payload", "[mqtt][MQTT5-3.3.2-1][MQTT5-2.2.1-2][MQTT5-3.3.1-2][MQTT5-3.3.2-N6]") {
  check_both_ways(Publish{.topic = "t", .payload = "x"}, "30 05 0001 74 00 78");
  check_both_ways(Publish{.qos = QoS::at_least_once, .topic = "t", .id = PacketId{9}, .payload = "x"}, "32 07 0001 74 0009 00 78");
  check_both_ways(Publish{.topic = "", .payload = "x", .properties = {{property::topic_alias, 3}}}, "30 07 0000 03 23 0003 78");
  check_both_ways(Publish{.topic = "t",
                          .properties = {{property::user_property, {"k", "1"}},
                                         {property::user_property, {"k", "1"}},
                                         {property::user_property, {"k", "0"}}}},
                  "30 19 0001 74 15 26 0001 6b 0001 31 26 0001 6b 0001 31 26 0001 6b 0001 30");
  CHECK(encoding(Publish{.duplicate = true, .topic = "t"}) == mqtt::Error::protocol_violation);
}

TEST_CASE("all 27 properties, each in a packet that has it", "[mqtt][MQTT5-2.2.2-N3][MQTT5-1.5.7-1]") {
  check_both_ways(Publish{.topic = "t",
                          .properties = {{property::payload_format_indicator, true},
                                         {property::message_expiry_interval, 0x01020304},
                                         {property::topic_alias, 0x0102},
                                         {property::response_topic, "r"},
                                         {property::correlation_data, std::string("\0\xff", 2)},
                                         {property::user_property, {"k", ""}},
                                         {property::subscription_identifier, 128},
                                         {property::content_type, "c"}}},
                  "30 24 0001 74 20 01 01 02 01020304 23 0102 08 0001 72 09 0002 00ff 26 0001 6b 0000 0b 8001 03 0001 63");
  check_both_ways(Connect{.version = ProtocolVersion::v5_0,
                          .properties = {{property::session_expiry_interval, 1},
                                         {property::receive_maximum, 2},
                                         {property::maximum_packet_size, 3},
                                         {property::topic_alias_maximum, 4},
                                         {property::request_response_information, true},
                                         {property::request_problem_information, false},
                                         {property::authentication_method, "m"},
                                         {property::authentication_data, "d"}}},
                  "10 29 0004 4d515454 05 02 0000 1c 11 00000001 21 0002 27 00000003 22 0004 19 01 17 00 15 0001 6d 16 0001 64 0000");
  check_both_ways(Connack{.properties = {{property::assigned_client_identifier, "a"},
                                         {property::server_keep_alive, 5},
                                         {property::response_information, "i"},
                                         {property::server_reference, "s"},
                                         {property::reason_string, "r"},
                                         {property::maximum_qos, 1},
                                         {property::retain_available, false},
                                         {property::wildcard_subscription_available, false},
                                         {property::subscription_identifier_available, false},
                                         {property::shared_subscription_available, false}}},
                  "20 20 00 00 1d 12 0001 61 13 0005 1a 0001 69 1c 0001 73 1f 0001 72 24 01 25 00 28 00 29 00 2a 00");
  check_both_ways(Auth{.reason = ReasonCode::continue_authentication, .properties = {{property::authentication_method, "m"}}},
                  "f0 06 18 04 15 0001 6d");
  CHECK(encoding(Publish{.topic = "t", .properties = {{property::user_property, {"k", "\xed\xa0\x80"}}}}) == mqtt::Error::malformed_packet);
  CHECK(outcome("30 0d 0001 74 09 26 0001 6b 0003 eda080") == mqtt::Error::malformed_packet);
}

TEST_CASE("properties that the standard does not have, or not there, or not twice, are named",
          "[mqtt][MQTT5-2.2.2-N1][MQTT5-2.2.2-N2][MQTT5-3.2.2-N1][MQTT5-3.3.2-N4][MQTT5-3.1.2-N3]") {
  CHECK(outcome("30 06 0001 74 02 7f 00") == mqtt::Error::unknown_property);
  CHECK(outcome("40 07 0001 00 03 23 0001") == mqtt::Error::property_not_allowed);
  CHECK(reason_for(mqtt::Error::unknown_property) == ReasonCode::malformed_packet);
  CHECK(reason_for(mqtt::Error::property_not_allowed) == ReasonCode::malformed_packet);
  for (const auto* property : {"01 00", "02 00000001", "03 0000", "08 0001 72", "09 0000", "23 0001"}) {
    const auto once = hex(property);
    for (const std::size_t times : {1U, 2U}) {
      Bytes bytes = hex("30 00 0001 74 00");
      for (std::size_t i = 0; i < times; ++i) bytes.insert(bytes.end(), once.begin(), once.end());
      bytes[1] = static_cast<std::byte>(bytes.size() - 2);
      bytes[5] = static_cast<std::byte>(bytes.size() - 6);
      Decoder decoder{kMaxPacketSize, ProtocolVersion::v5_0};
      std::span<const std::byte> input{bytes};
      const auto packet = decoder.next(input);
      CHECK(packet.has_value() == (times == 1));
      if (times == 2) CHECK(packet.error() == mqtt::Error::repeated_property);
    }
  }
  for (const auto* property : {"11 00000001", "21 0001", "24 01", "25 01", "27 00000001", "12 0000", "22 0001", "1f 0000", "28 01", "29 01",
                               "13 0001", "2a 01", "1a 0000", "1c 0000", "15 0000", "16 0000"}) {
    const auto once = hex(property);
    Bytes bytes = hex("20 00 00 00 00");
    for (int i = 0; i < 2; ++i) bytes.insert(bytes.end(), once.begin(), once.end());
    bytes[1] = static_cast<std::byte>(bytes.size() - 2);
    bytes[4] = static_cast<std::byte>(bytes.size() - 5);
    Decoder decoder{kMaxPacketSize, ProtocolVersion::v5_0};
    std::span<const std::byte> input{bytes};
    CHECK(decoder.next(input).error() == mqtt::Error::repeated_property);
  }
  CHECK(reason_for(mqtt::Error::repeated_property) == ReasonCode::protocol_error);
  CHECK(outcome("30 09 0001 74 04 0b 01 0b 02 78") == kAccepted);  // subscription identifiers may repeat
}

TEST_CASE("property values out of range are protocol errors", "[mqtt][MQTT5-3.2.2-N2][MQTT5-3.1.2-N4][MQTT5-3.3.2-N5][MQTT5-3.8.2-N1]") {
  for (const auto* digits : {"20 06 00 00 03 21 0000", "20 08 00 00 05 27 00000000", "20 05 00 00 02 24 02", "20 05 00 00 02 25 02",
                             "20 05 00 00 02 28 02", "30 06 0001 74 02 0b 00", "30 06 0001 74 02 01 02", "30 08 0001 74 04 08 0001 23"}) {
    CHECK(outcome(digits) == mqtt::Error::invalid_property);
  }
  for (const auto* digits : {"20 06 00 00 03 21 0001", "20 08 00 00 05 27 00000001", "20 05 00 00 02 24 01", "20 05 00 00 02 25 01",
                             "20 05 00 00 02 28 01", "30 06 0001 74 02 0b 01", "30 06 0001 74 02 01 01", "30 08 0001 74 04 08 0001 61"}) {
    CHECK(outcome(digits) == kAccepted);
  }
  CHECK(outcome("30 07 0001 74 03 23 0000") == mqtt::Error::topic_alias_invalid);
  CHECK(encoding(Connect{.version = ProtocolVersion::v5_0, .properties = {{property::receive_maximum, 0}}}) ==
        mqtt::Error::invalid_property);
  CHECK(encoding(Connect{.version = ProtocolVersion::v5_0, .properties = {{property::maximum_packet_size, 0}}}) ==
        mqtt::Error::invalid_property);
  CHECK(encoding(Connect{.version = ProtocolVersion::v5_0,
                         .properties = {{property::receive_maximum, 1}, {property::maximum_packet_size, 1}}}) == kAccepted);
  for (const std::uint32_t id : {0U, 1U, 268'435'455U, 268'435'456U}) {
    const bool in_range = id == 1 || id == 268'435'455;
    CHECK(encoding(Subscribe{.id = PacketId{1}, .subscriptions = {{"a"}}, .properties = {{property::subscription_identifier, id}}}) ==
          (in_range ? kAccepted : std::error_code{mqtt::Error::invalid_property}));
  }
}

TEST_CASE("a property list that runs past its length or its packet is malformed", "[mqtt][MQTT5-2.2.2-N4]") {
  const Bytes whole = hex("30 24 0001 74 20 01 01 02 01020304 23 0102 08 0001 72 09 0002 00ff 26 0001 6b 0000 0b 8001 03 0001 63");
  int refused = 0;
  for (std::size_t length = 1; length < 0x20; ++length) {  // the list is cut, the packet ends there
    Bytes bytes{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(6 + length)};
    bytes[1] = static_cast<std::byte>(4 + length);
    bytes[5] = static_cast<std::byte>(length);
    Decoder decoder{kMaxPacketSize, ProtocolVersion::v5_0};
    std::span<const std::byte> input{bytes};
    const auto packet = decoder.next(input);
    if (packet) continue;  // the cut is between two properties
    CHECK(packet.error() == mqtt::Error::malformed_packet);
    ++refused;
  }
  CHECK(refused == 31 - 7);
  CHECK(outcome("30 05 0001 74 02 01") == mqtt::Error::malformed_packet);
  CHECK(outcome("30 03 0001 74") == mqtt::Error::malformed_packet);
}

TEST_CASE("variable byte integers are as short as they can be, and four bytes at most", "[mqtt][MQTT5-1.5.5-1][MQTT5-1.5.5-N1]") {
  const std::pair<std::uint32_t, const char*> table[] = {
      {1, "01"},         {127, "7f"},         {128, "8001"},         {16383, "ff7f"},
      {16384, "808001"}, {2097151, "ffff7f"}, {2097152, "80808001"}, {268435455, "ffffff7f"}};
  for (const auto& [value, digits] : table) {
    const Bytes bytes = bytes_of(Publish{.topic = "t", .properties = {{property::subscription_identifier, value}}});
    CHECK(Bytes(bytes.begin() + 7, bytes.end()) == hex(digits));
  }
  CHECK(outcome("30 07 0001 74 03 0b 8000") == mqtt::Error::malformed_packet);
  CHECK(outcome("30 0a 0001 74 06 0b ffffffff01") == mqtt::Error::malformed_packet);
  CHECK(outcome("d0 80 00") == mqtt::Error::malformed_packet);
  CHECK(outcome("30 ff ff ff ff 01") == mqtt::Error::malformed_packet);
}

TEST_CASE("strings of 5.0 are checked on both sides", "[mqtt][MQTT5-1.5.4-1][MQTT5-1.5.4-2][MQTT5-3.3.2-19][MQTT5-3.3.2-13]") {
  CHECK(outcome("30 06 0003 eda080 00") == mqtt::Error::malformed_packet);
  CHECK(outcome("30 06 0003 610062 00") == mqtt::Error::malformed_packet);
  CHECK(outcome("30 06 0003 616263 00") == kAccepted);
  CHECK(encoding(Publish{.topic = "\xed\xa0\x80"}) == mqtt::Error::malformed_packet);
  for (const auto& key : {property::content_type, property::response_topic}) {
    CHECK(encoding(Publish{.topic = "t", .properties = {{key, "\xed\xa0\x80"}}}) == mqtt::Error::malformed_packet);
    CHECK(encoding(Publish{.topic = "t", .properties = {{key, "ok"}}}) == kAccepted);
  }
}

TEST_CASE("a topic name of 5.0 is empty only with an alias, and never has wildcards or control characters",
          "[mqtt][MQTT5-3.3.2-2][MQTT5-3.3.2-N1][MQTT5-4.7.0-1][MQTT5-1.5.4-N1]") {
  CHECK(outcome("30 03 0000 00") == mqtt::Error::protocol_violation);
  CHECK(outcome("30 06 0000 03 23 0001") == kAccepted);
  CHECK(outcome("30 05 0002 612b 00") == mqtt::Error::malformed_packet);
  CHECK(outcome("30 05 0002 6123 00") == mqtt::Error::malformed_packet);
  for (const auto* digits : {"30 05 0002 6101 00", "30 05 0002 617f 00", "30 05 0002 c29f 00", "30 06 0003 efbfbf 00"}) {
    CHECK(outcome(digits) == mqtt::Error::malformed_packet);
  }
  CHECK(outcome("30 05 0002 c2a0 00") == kAccepted);
}

TEST_CASE(
    "reason codes are those of their packets",
    "[mqtt][MQTT5-3.4.2-1][MQTT5-3.5.2-1][MQTT5-3.6.2-1][MQTT5-3.7.2-1][MQTT5-3.9.3-2][MQTT5-3.11.3-2][MQTT5-3.15.2-1][MQTT5-3.2.2-8]") {
  const std::pair<PacketType, std::vector<int>> table[] = {
      {PacketType::connack, {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
                             0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f}},
      {PacketType::puback, {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}},
      {PacketType::pubrec, {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}},
      {PacketType::pubrel, {0x00, 0x92}},
      {PacketType::pubcomp, {0x00, 0x92}},
      {PacketType::suback, {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2}},
      {PacketType::unsuback, {0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91}},
      {PacketType::disconnect, {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93,
                                0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2}},
      {PacketType::auth, {0x00, 0x18, 0x19}}};
  for (const auto& [type, codes] : table) {
    for (int code = 0; code < 256; ++code) {
      CHECK(is_defined(static_cast<ReasonCode>(code), type) == (std::ranges::count(codes, code) == 1));
    }
  }
  CHECK(outcome("40 03 0001 ff") == mqtt::Error::invalid_reason_code);
  CHECK(outcome("90 04 0001 00 05") == mqtt::Error::invalid_reason_code);
  CHECK(outcome("b0 04 0001 00 05") == mqtt::Error::invalid_reason_code);
  CHECK(outcome("20 03 00 7f 00") == mqtt::Error::invalid_reason_code);
  CHECK(outcome("f0 06 01 04 15 0001 6d") == mqtt::Error::invalid_reason_code);
  CHECK(encoding(Pubrel{.id = PacketId{1}, .reason = ReasonCode::not_authorized}) == mqtt::Error::invalid_reason_code);
  CHECK(reason_for(mqtt::Error::invalid_reason_code) == ReasonCode::protocol_error);
}

TEST_CASE("reason codes are errors with words and conditions", "[mqtt]") {
  const std::error_code error = ReasonCode::quota_exceeded;
  CHECK(error.message() == "quota exceeded");
  CHECK(error == std::errc::no_buffer_space);
  CHECK(std::error_code{ReasonCode::banned} == std::errc::permission_denied);
  CHECK(name(ReasonCode::server_moved) == "server moved");
  CHECK(name(static_cast<ReasonCode>(0x7f)) == "unknown reason code");
}

TEST_CASE("reserved flags of 5.0 are refused", "[mqtt][MQTT5-2.1.3-1][MQTT5-3.14.1-1][MQTT5-3.15.1-1][MQTT5-3.2.2-1][MQTT5-3.3.1-4]") {
  for (const auto* digits :
       {"e1 00", "f1 06 18 04 15 0001 6d", "20 03 02 00 00", "36 05 0001 61 00 78", "d1 00", "92 04 0001 00 00", "42 02 0001"}) {
    CHECK(outcome(digits) == mqtt::Error::malformed_packet);
  }
  CHECK(outcome("f0 06 18 04 15 0001 6d") == kAccepted);
  CHECK(outcome("f0 00") == mqtt::Error::protocol_violation);  // no method
}

TEST_CASE("AUTH needs its method", "[mqtt][MQTT5-3.15.2-N1]") {
  CHECK(encoding(Auth{.reason = ReasonCode::continue_authentication}) == mqtt::Error::protocol_violation);
  CHECK(outcome("f0 02 18 00") == mqtt::Error::protocol_violation);
}

TEST_CASE("what only 5.0 has is refused in older versions", "[mqtt]") {
  for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1}) {
    CHECK(encoding(Publish{.topic = "t", .properties = {{property::content_type, "c"}}}, version) == mqtt::Error::not_in_this_version);
    CHECK(encoding(Puback{.id = PacketId{1}, .reason = ReasonCode::quota_exceeded}, version) == mqtt::Error::not_in_this_version);
    CHECK(encoding(Disconnect{.reason = ReasonCode::protocol_error}, version) == mqtt::Error::not_in_this_version);
    CHECK(encoding(Auth{}, version) == mqtt::Error::not_in_this_version);
    CHECK_FALSE(decoded("f0 06 18 04 15 0001 6d", version));
  }
}

TEST_CASE("a long PUBLISH can be taken in parts, wherever the stream is cut", "[mqtt]") {
  const Publish whole{.qos = QoS::exactly_once,
                      .topic = "topic",
                      .id = PacketId{7},
                      .payload = Payload{std::string(500, 'x')},
                      .properties = {{property::user_property, {std::string(200, 'k'), "v"}}}};
  const Bytes bytes = bytes_of(whole);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{300}, bytes.size()}) {
    Decoder decoder{kMaxPacketSize, ProtocolVersion::v5_0};
    decoder.stream_above(100);
    std::optional<ControlPacket> head;
    std::string payload;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      auto input = std::span{bytes}.subspan(at, std::min(step, bytes.size() - at));
      while (!input.empty()) {
        if (decoder.payload_left() > 0) {
          const auto part = decoder.take_payload(input);
          payload.append(reinterpret_cast<const char*>(part.data()), part.size());
          continue;
        }
        auto packet = decoder.next(input);
        REQUIRE(packet);
        if (*packet) head = std::move(*packet);
      }
    }
    REQUIRE(head);
    Publish expected = whole;
    expected.payload = {};
    CHECK(*head == ControlPacket{expected});
    CHECK(payload == std::string(500, 'x'));
    CHECK(decoder.payload_left() == 0);
  }
}
