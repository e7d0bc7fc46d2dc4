#include <catch2/catch.hpp>

#include <sstream>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/core/reader.hpp>

using namespace tapir;
using namespace tapir::literals;

TEST_CASE("addresses are read and written in their usual text forms", "[core]") {
  CHECK(to_string("192.0.2.1"_ipv4) == "192.0.2.1");
  CHECK(to_string("192.0.2.2/24"_prefix) == "192.0.2.2/24");
  CHECK(to_string("02:00:5e:10:00:fF"_mac) == "02:00:5e:10:00:ff");
  CHECK(Ipv4Address::parse("255.255.255.255") == Ipv4Address::broadcast());
  CHECK(Ipv4Prefix::parse("192.0.2.7")->length() == 32);
  std::ostringstream out;
  out << Endpoint{"192.0.2.1"_ipv4, Port{1883}} << ' ' << "02-00-5e-10-00-01"_mac;
  CHECK(out.str() == "192.0.2.1:1883 02:00:5e:10:00:01");
}

TEST_CASE("text that is no address is refused", "[core]") {
  for (const auto* text :
       {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "a.b.c.d", "1..2.3", "-1.2.3.4"}) {
    INFO(text);
    CHECK_FALSE(Ipv4Address::parse(text));
  }
  for (const auto* text : {"1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/8x", "/8"}) {
    INFO(text);
    CHECK_FALSE(Ipv4Prefix::parse(text));
  }
  for (const auto* text : {"", "02:00:5e:10:00", "02:00:5e:10:00:0g", "02:00:5e-10:00:01", "02005e100001xxxxx", "02:00:5e:10:00:01:"}) {
    INFO(text);
    CHECK_FALSE(MacAddress::parse(text));
  }
}

TEST_CASE("a prefix of any length knows its network, mask and broadcast", "[core]") {
  CHECK("192.0.2.130/25"_prefix.network() == "192.0.2.128"_ipv4);
  CHECK("192.0.2.130/25"_prefix.mask() == "255.255.255.128"_ipv4);
  CHECK("192.0.2.130/25"_prefix.broadcast() == "192.0.2.255"_ipv4);
  CHECK("192.0.2.130/0"_prefix.contains("203.0.113.9"_ipv4));
  CHECK("192.0.2.130/0"_prefix.mask() == Ipv4Address::any());
  CHECK_FALSE("192.0.2.130/31"_prefix.broadcast());
  CHECK_FALSE("192.0.2.130/32"_prefix.broadcast());
  CHECK("192.0.2.130/31"_prefix.contains("192.0.2.131"_ipv4));
  CHECK_FALSE("192.0.2.130/32"_prefix.contains("192.0.2.131"_ipv4));
}

TEST_CASE("special addresses are recognised at their edges", "[core]") {
  CHECK("224.0.0.0"_ipv4.is_multicast());
  CHECK("239.255.255.255"_ipv4.is_multicast());
  CHECK_FALSE("223.255.255.255"_ipv4.is_multicast());
  CHECK_FALSE("240.0.0.0"_ipv4.is_multicast());
  CHECK("240.0.0.0"_ipv4.is_reserved());
  CHECK_FALSE("255.255.255.255"_ipv4.is_reserved());
  CHECK("127.255.0.1"_ipv4.is_loopback());
  CHECK("169.254.9.9"_ipv4.is_link_local());
  CHECK("01:00:5e:00:00:01"_mac.is_group());
  CHECK_FALSE("02:00:5e:00:00:01"_mac.is_group());
}

TEST_CASE("wire integers stand most significant octet first", "[core]") {
  const be32 address = 0xc0000201U;
  const auto octets = std::bit_cast<std::array<std::uint8_t, 4>>(address);
  CHECK(octets == std::array<std::uint8_t, 4>{0xc0, 0x00, 0x02, 0x01});
  CHECK(address == 0xc0000201U);
  const BigEndian<Port> port = Port{1883};
  CHECK(std::bit_cast<std::array<std::uint8_t, 2>>(port) == std::array<std::uint8_t, 2>{0x07, 0x5b});
  CHECK(port.get() == Port{1883});
}

TEST_CASE("a reader stops at the end and consumes nothing by failing", "[core]") {
  const std::array bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  Reader reader{bytes};
  CHECK(reader.u16() == 0x0102);
  CHECK(reader.u16().error() == Drop::truncated);
  CHECK(reader.u8() == 3);
  CHECK(reader.empty());
  CHECK(reader.u8().error() == Drop::truncated);
  CHECK(reader.take(0).has_value());
  CHECK(reader.take(1).error() == Drop::truncated);
}

TEST_CASE("a writer stops at the end and changes nothing by failing", "[core]") {
  std::array<std::byte, 3> bytes{};
  Writer writer{bytes};
  CHECK(writer.write(std::uint16_t{0x0102}));
  CHECK_FALSE(writer.write(std::uint32_t{7}));
  CHECK_FALSE(writer.write(std::uint16_t{7}));
  CHECK(bytes[2] == std::byte{0});
  CHECK(writer.write(std::uint8_t{3}));
  CHECK(writer.written() == 3);
  CHECK(bytes == std::array{std::byte{1}, std::byte{2}, std::byte{3}});
}
