#include <catch2/catch.hpp>

#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using tapir::test::Bytes;
using tapir::test::hex;

namespace {

struct Row {
  std::size_t remaining_length;
  std::string_view digits;
};

// Table 2.4 of the standard: the first and the last value of each size.
constexpr Row kTable[] = {{127, "7f"},
                          {128, "80 01"},
                          {16'383, "ff 7f"},
                          {16'384, "80 80 01"},
                          {2'097'151, "ff ff 7f"},
                          {2'097'152, "80 80 80 01"},
                          {268'435'455, "ff ff ff 7f"}};

}  // namespace

TEST_CASE("the remaining length is written in as few bytes as it needs", "[mqtt][MQTT311-2.2.3-N1]") {
  for (const auto& [length, digits] : kTable) {
    const Publish publish{.topic = "a", .payload = Payload{std::vector<std::byte>(length - 3)}};
    Bytes out;
    REQUIRE(encode_without_payload(publish, out));
    Bytes expected = hex("30");
    const auto digits_bytes = hex(digits);
    expected.insert(expected.end(), digits_bytes.begin(), digits_bytes.end());
    const auto topic = hex("0001 61");
    expected.insert(expected.end(), topic.begin(), topic.end());
    CHECK(out == expected);
  }
}

TEST_CASE("a packet one byte beyond the limit is not encoded", "[mqtt][MQTT311-2.2.3-N1]") {
  const Publish publish{.topic = "a", .payload = Payload{std::vector<std::byte>(kMaxRemainingLength - 2)}};
  Bytes out;
  const auto result = encode_without_payload(publish, out);
  REQUIRE_FALSE(result);
  CHECK(result.error() == mqtt::Error::packet_too_large);
  CHECK(out.empty());
}

TEST_CASE("a packet of the largest remaining length is decoded", "[mqtt][MQTT311-2.2.3-N1]") {
  Decoder decoder;
  const Bytes head = hex("30 ff ff ff 7f 0001 61");
  std::span<const std::byte> input{head};
  REQUIRE(decoder.next(input));
  const Bytes chunk(1U << 20U, std::byte{'x'});
  std::size_t left = kMaxRemainingLength - 3;
  for (;;) {
    input = std::span{chunk}.first(std::min(left, chunk.size()));
    left -= input.size();
    auto packet = decoder.next(input);
    REQUIRE(packet);
    if (left > 0) {
      REQUIRE_FALSE(*packet);
      continue;
    }
    REQUIRE(*packet);
    CHECK(std::get<Publish>(**packet).payload.size() == kMaxRemainingLength - 3);
    break;
  }
}

TEST_CASE("a fifth length byte is refused as soon as the fourth asks for it", "[mqtt][MQTT311-2.2.3-N1]") {
  Decoder decoder;
  const Bytes bytes = hex("30 ff ff ff ff");
  std::span<const std::byte> input{bytes};
  CHECK(decoder.next(input).error() == mqtt::Error::malformed_packet);
}

TEST_CASE("0 is a remaining length", "[mqtt][MQTT311-2.2.3-N1]") {
  Bytes out;
  REQUIRE(encode(Pingreq{}, out));
  CHECK(out == hex("c0 00"));
}

TEST_CASE("a packet larger than configured is refused at its header, before its bytes are stored", "[mqtt]") {
  const Bytes fits = hex("30 08 0001 61 3132333435");
  Decoder decoder{fits.size()};
  std::span<const std::byte> input{fits};
  CHECK(decoder.next(input));
  const Bytes header = hex("30 09");
  input = header;
  CHECK(decoder.next(input).error() == mqtt::Error::packet_too_large);
  CHECK(decoder.buffered() == 0);
}

TEST_CASE("an incomplete packet holds no more memory than has come", "[mqtt]") {
  Decoder decoder;
  const Bytes start = hex("30 ff ff ff 7f 0001 61");
  std::span<const std::byte> input{start};
  REQUIRE(decoder.next(input));
  CHECK(decoder.buffered() == start.size());
}

TEST_CASE("a string of 65535 bytes is encoded, a longer one is not", "[mqtt][MQTT311-1.5.3-N1][MQTT311-4.7.3-3]") {
  Bytes out;
  REQUIRE(encode(Publish{.topic = std::string(65535, 'a')}, out));
  CHECK(out.at(4) == std::byte{0xff});
  CHECK(out.at(5) == std::byte{0xff});
  CHECK_FALSE(encode(Publish{.topic = std::string(65536, 'a')}, out));
}
