#include <catch2/catch.hpp>

#include "codec_lab.hpp"

// Each refused packet stands beside the nearest one that is accepted.
using namespace tapir;
using namespace tapir::mqtt;
using tapir::test::Bytes;
using tapir::test::encoding;
using tapir::test::hex;
using tapir::test::outcome;

namespace {

const std::error_code kAccepted{};
const std::error_code kMalformed = mqtt::Error::malformed_packet;
const std::error_code kViolation = mqtt::Error::protocol_violation;

}  // namespace

TEST_CASE("flags of the fixed header other than the standard's are refused at the first byte",
          "[mqtt][MQTT311-2.2.2-2][MQTT311-3.6.1-1][MQTT311-3.3.1-4][MQTT5-2.1.3-1][MQTT5-3.6.1-1][MQTT5-3.3.1-4]") {
  std::vector<unsigned> accepted{0x10, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x39, 0x3a, 0x3b, 0x3c,
                                 0x3d, 0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xa2, 0xb0, 0xc0, 0xd0, 0xe0};
  const auto version = GENERATE(ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0);
  if (version == ProtocolVersion::v3_1) accepted.insert(accepted.end(), {0x6a, 0x8a, 0xaa});  // DUP, 3.1 section 2.1
  if (version == ProtocolVersion::v5_0) accepted.push_back(0xf0);
  for (unsigned first = 0; first < 256; ++first) {
    INFO(first);
    Decoder decoder{kMaxPacketSize, version};
    const Bytes byte{static_cast<std::byte>(first)};
    std::span<const std::byte> input{byte};
    const auto packet = decoder.next(input);
    CHECK(packet.has_value() == (std::ranges::count(accepted, first) == 1));
  }
  CHECK(outcome("21 02 00 00") == kMalformed);
  CHECK(outcome("20 02 00 00") == kAccepted);
  const bool has_dup = version == ProtocolVersion::v3_1;
  if (version != ProtocolVersion::v5_0) {
    for (const auto* const again : {"6a 02 0001", "8a 06 0001 0001 61 00", "aa 05 0001 0001 61"})
      CHECK(outcome(hex(again), version) == (has_dup ? kAccepted : kMalformed));
  }
}

TEST_CASE("DUP with QoS 0 is refused", "[mqtt][MQTT311-3.3.1-2]") {
  CHECK(outcome("38 03 0001 61") == kViolation);
  CHECK(outcome("30 03 0001 61") == kAccepted);
  CHECK(encoding(Publish{.duplicate = true, .topic = "a"}) == kViolation);
}

TEST_CASE("CONNACK with other flags, lengths or codes is refused", "[mqtt][MQTT311-3.2.2-N1][MQTT311-3.2.2-N2]") {
  CHECK(outcome("20 02 02 00") == kMalformed);
  CHECK(outcome("20 03 00 00 00") == kMalformed);
  CHECK(outcome("20 01 00") == kMalformed);
  CHECK(outcome("20 02 00 06") == kViolation);
  for (const auto* code : {"20 02 00 00", "20 02 00 01", "20 02 00 02", "20 02 00 03", "20 02 00 04", "20 02 00 05"}) {
    CHECK(outcome(code) == kAccepted);
  }
}

TEST_CASE("a body longer or shorter than its fields is refused", "[mqtt][MQTT311-3.12.1-N1]") {
  CHECK(outcome("d0 01 00") == kMalformed);
  CHECK(outcome("d0 00") == kAccepted);
  CHECK(outcome("40 03 0001 00") == kMalformed);
  CHECK(outcome("40 01 00") == kMalformed);
  CHECK(outcome("40 02 0001") == kAccepted);
  CHECK(outcome("30 03 0002 61") == kMalformed);
  CHECK(outcome("32 04 0001 61 00") == kMalformed);
  CHECK(outcome("e0 01 00") == kMalformed);
}

TEST_CASE("packet identifier 0 is refused", "[mqtt][MQTT311-2.3.1-1]") {
  for (const auto* digits : {"40 02 0000", "50 02 0000", "62 02 0000", "70 02 0000", "b0 02 0000", "32 05 0001 61 0000"}) {
    CHECK(outcome(digits) == kViolation);
  }
  CHECK(outcome("32 05 0001 61 0001") == kAccepted);
  CHECK(encoding(Puback{}) == kViolation);
  CHECK(encoding(Publish{.qos = QoS::at_least_once, .topic = "a"}) == kViolation);
}

TEST_CASE("strings that are not MQTT's UTF-8 are refused", "[mqtt][MQTT311-1.5.3-1][MQTT311-1.5.3-2]") {
  CHECK(outcome("30 05 0003 eda080") == kMalformed);  // U+D800
  CHECK(outcome("30 05 0003 ed9fbf") == kAccepted);   // U+D7FF
  CHECK(outcome("30 05 0003 610062") == kMalformed);
  CHECK(outcome("30 04 0002 c0af") == kMalformed);
}

TEST_CASE("a topic name that is empty or has wildcards is refused", "[mqtt][MQTT311-3.3.2-N1]") {
  CHECK(outcome("30 02 0000") == kViolation);
  CHECK(outcome("30 05 0003 612f2b") == kViolation);
  CHECK(outcome("30 05 0003 612f23") == kViolation);
  CHECK(outcome("30 05 0003 612f62") == kAccepted);
}

TEST_CASE("lists without an element are refused", "[mqtt][MQTT311-3.8.3-3][MQTT311-3.10.3-2]") {
  CHECK(outcome("82 02 0001") == kViolation);
  CHECK(outcome("82 06 0001 0001 61 00") == kAccepted);
  CHECK(outcome("a2 02 0001") == kViolation);
  CHECK(outcome("a2 05 0001 0001 61") == kAccepted);
  CHECK(outcome("90 02 0001") == kViolation);
  CHECK(encoding(Subscribe{.id = PacketId{1}}) == kViolation);
  CHECK(encoding(Unsubscribe{.id = PacketId{1}}) == kViolation);
}

TEST_CASE("requested QoS 3 and reserved bits beside it are refused", "[mqtt][MQTT311-3.8.3-4]") {
  CHECK(outcome("82 06 0001 0001 61 03") == kMalformed);
  CHECK(outcome("82 06 0001 0001 61 04") == kMalformed);
  CHECK(outcome("82 06 0001 0001 61 02") == kAccepted);
  CHECK(encoding(Subscribe{.id = PacketId{1}, .subscriptions = {{"a", static_cast<QoS>(3)}}}) == kMalformed);
}

TEST_CASE("SUBACK codes other than the four are refused", "[mqtt][MQTT311-3.9.3-2]") {
  CHECK(outcome("90 03 0001 03") == kViolation);
  CHECK(outcome("90 03 0001 7f") == kViolation);
  CHECK(outcome("90 03 0001 81") == kViolation);
  for (const auto* digits : {"90 03 0001 00", "90 03 0001 01", "90 03 0001 02", "90 03 0001 80"}) CHECK(outcome(digits) == kAccepted);
}

TEST_CASE("CONNECT with contradicting flags is refused", "[mqtt][MQTT311-3.1.2-14][MQTT311-3.1.2-22]") {
  CHECK(outcome("10 0d 0004 4d515454 04 02 003c 0001 61") == kAccepted);
  CHECK(outcome("10 0d 0004 4d515454 04 0a 003c 0001 61") == kMalformed);               // will QoS without a will
  CHECK(outcome("10 0d 0004 4d515454 04 22 003c 0001 61") == kMalformed);               // will retain without a will
  CHECK(outcome("10 12 0004 4d515454 04 1e 003c 0001 61 0001 61 0000") == kMalformed);  // will QoS 3
  CHECK(outcome("10 12 0004 4d515454 04 16 003c 0001 61 0001 61 0000") == kAccepted);   // will QoS 2
  CHECK(outcome("10 0f 0004 4d515454 04 42 003c 0001 61 0000") == kViolation);          // a password without user name
  CHECK(encoding(Connect{.client_id = "a", .will = Will{.topic = "t", .qos = static_cast<QoS>(3)}}) == kMalformed);
}

TEST_CASE("another protocol name or level is refused by name", "[mqtt][MQTT311-3.1.2-2]") {
  const std::error_code version = mqtt::Error::unsupported_protocol_version;
  CHECK(outcome("10 0d 0004 4d515454 06 02 003c 0001 61") == version);
  CHECK(outcome("10 0d 0004 4d515458 04 02 003c 0001 61") == version);
}

TEST_CASE("after an error nothing is read any more, until reset", "[mqtt]") {
  Decoder decoder;
  const Bytes bytes = hex("40 02 0000 d0 00");
  std::span<const std::byte> input{bytes};
  CHECK_FALSE(decoder.next(input));
  CHECK(decoder.next(input).error() == kViolation);
  decoder.reset();
  const Bytes good = hex("d0 00");
  input = good;
  CHECK(**decoder.next(input) == ControlPacket{Pingresp{}});
}

TEST_CASE("errors compare equal to the std::errc of their meaning", "[mqtt]") {
  CHECK(std::error_code{mqtt::Error::keep_alive_timeout} == std::errc::timed_out);
  CHECK(std::error_code{mqtt::Error::malformed_packet} == std::errc::bad_message);
  CHECK(std::error_code{mqtt::Error::not_authorized} == std::errc::permission_denied);
  for (int value = 1; value <= static_cast<int>(mqtt::Error::out_of_memory); ++value) {
    const std::error_code error = static_cast<mqtt::Error>(value);
    CHECK(error.message() != "unknown error");
    CHECK(error.category().name() == std::string_view{"mqtt"});
    CHECK(error.default_error_condition().category() == std::generic_category());
  }
}
