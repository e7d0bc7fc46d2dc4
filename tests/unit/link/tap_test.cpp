#include <catch2/catch.hpp>

#include <optional>

#include <support/lab.hpp>
#include <tapir/link/tap.hpp>
#include <virtio_header.hpp>

using namespace tapir;
using namespace tapir::test;
using link::VirtioHeader;

namespace {

/// Ethernet, IPv4 and TCP headers with `payload` zero bytes behind. `tag`: with an 802.1Q tag.
Bytes tcp_frame(std::size_t payload, bool tag = false) {
  Bytes frame = hex("020000000002 020000000001");
  const Bytes type = hex(tag ? "8100 0007 0800" : "0800");
  const Bytes rest = hex("45000000 00004000 40060000 c0000201 c0000202  0007c350 00000001 00000002 50100200 00000000");
  frame.insert(frame.end(), type.begin(), type.end());
  frame.insert(frame.end(), rest.begin(), rest.end());
  frame.resize(frame.size() + payload);
  return frame;
}

}  // namespace

TEST_CASE("an outgoing frame is described to the device", "[link]") {
  Lab lab;
  Packet frame = lab.packet(tcp_frame(3000));

  SECTION("a complete frame needs nothing") {
    const VirtioHeader header = link::describe(frame);
    CHECK(header.flags == 0);
    CHECK(header.gso_type == 0);
    CHECK(+header.gso_size == 0);
  }
  SECTION("a partial checksum names its place") {
    frame.meta().transport = 34;
    frame.meta().checksum = ChecksumState::partial;
    frame.meta().checksum_offset = 16;
    const VirtioHeader header = link::describe(frame);
    CHECK(header.flags == 1);
    CHECK(+header.checksum_start == 34);
    CHECK(+header.checksum_offset == 16);
    CHECK(header.gso_type == 0);
  }
  SECTION("a super-segment names its MSS and the bytes of its headers") {
    frame.meta().transport = 34;
    frame.meta().checksum = ChecksumState::partial;
    frame.meta().checksum_offset = 16;
    frame.meta().gso = GsoKind::tcp4;
    frame.meta().gso_size = 1448;
    const VirtioHeader header = link::describe(frame);
    CHECK(header.gso_type == 1);
    CHECK(+header.gso_size == 1448);
    CHECK(+header.header_length == 54);
    CHECK(header.flags == 1);
  }
}

TEST_CASE("what the device says about a frame is taken over", "[link]") {
  Lab lab;
  Packet frame = lab.packet(tcp_frame(3000));

  SECTION("nothing said") {
    REQUIRE(link::apply({}, frame));
    CHECK(frame.meta().checksum == ChecksumState::unverified);
    CHECK(frame.meta().gso == GsoKind::none);
  }
  SECTION("the checksum was checked") {
    REQUIRE(link::apply({.flags = link::kVirtioDataValid}, frame));
    CHECK(frame.meta().checksum == ChecksumState::verified);
  }
  SECTION("the checksum is still to be completed") {
    REQUIRE(link::apply({.flags = link::kVirtioNeedsChecksum, .checksum_start = 34, .checksum_offset = 16}, frame));
    CHECK(frame.meta().checksum == ChecksumState::partial);
    CHECK(frame.meta().transport == 34);
    CHECK(frame.meta().checksum_offset == 16);
  }
  SECTION("a super-segment, its congestion flag or not") {
    for (const std::uint8_t type : {link::kVirtioGsoTcp4, static_cast<std::uint8_t>(link::kVirtioGsoTcp4 | link::kVirtioGsoEcn)}) {
      REQUIRE(link::apply(
          {.flags = 1, .gso_type = type, .header_length = 54, .gso_size = 1448, .checksum_start = 34, .checksum_offset = 16}, frame));
      CHECK(frame.meta().gso == GsoKind::tcp4);
      CHECK(frame.meta().gso_size == 1448);
      CHECK(frame.meta().network == 14);
      CHECK(frame.meta().transport == 34);
    }
  }
  SECTION("a super-segment with a VLAN tag") {
    Packet tagged = lab.packet(tcp_frame(3000, true));
    REQUIRE(link::apply({.gso_type = link::kVirtioGsoTcp4, .gso_size = 1448}, tagged));
    CHECK(tagged.meta().network == 18);
    CHECK(tagged.meta().transport == 38);
  }
}

TEST_CASE("an impossible virtio header is refused by name", "[link]") {
  Lab lab;
  const VirtioHeader super{.flags = 1, .gso_type = 1, .header_length = 54, .gso_size = 1448, .checksum_start = 34, .checksum_offset = 16};
  const auto verdict = [&](const VirtioHeader& header, const Bytes& bytes) -> std::optional<Drop> {
    Packet frame = lab.packet(bytes);
    const auto accepted = link::apply(header, frame);
    return accepted ? std::nullopt : std::optional{accepted.error()};
  };
  const Bytes good = tcp_frame(100);
  REQUIRE(verdict(super, good) == std::nullopt);

  SECTION("a checksum outside the frame") {
    VirtioHeader header = super;
    header.checksum_start = static_cast<std::uint16_t>(good.size() - 17);
    CHECK(verdict(header, good) == Drop::bad_length);
    header.checksum_start = static_cast<std::uint16_t>(good.size() - 18);  // its positive twin: the last two bytes
    CHECK(verdict(header, good) == std::nullopt);
    header.checksum_start = 0xffff;
    header.checksum_offset = 0xffff;
    CHECK(verdict(header, good) == Drop::bad_length);
  }
  SECTION("kinds that were never asked for") {
    for (const int type : {2, 3, 4, 5, 0x7f}) {
      VirtioHeader header = super;
      header.gso_type = static_cast<std::uint8_t>(type);
      CHECK(verdict(header, good) == Drop::bad_header);
    }
  }
  SECTION("no segment size") {
    VirtioHeader header = super;
    header.gso_size = 0;
    CHECK(verdict(header, good) == Drop::bad_header);
  }
  SECTION("a frame that is no TCP segment over IPv4") {
    for (const auto& [offset, value] : {std::pair{12, 0x86}, {14, 0x65}, {14, 0x44}, {23, 17}, {46, 0x40}, {46, 0xf0}}) {
      Bytes bad = tcp_frame(5);
      bad[static_cast<std::size_t>(offset)] = static_cast<std::byte>(value);
      CHECK(verdict(super, bad) == Drop::bad_header);
    }
    CHECK(verdict({.gso_type = 1, .gso_size = 1}, Bytes(10)) == Drop::bad_header);
  }
}

TEST_CASE("a name that no device can have is an error with a remedy", "[link]") {
  for (const char* name : {"", "sixteen-letters-", "a/b", "a b", "a:b"}) {
    const auto tap = link::Tap::open(name);
    REQUIRE_FALSE(tap);
    CHECK(tap.error() == link::TapError::bad_name);
    CHECK(tap.error() == std::errc::invalid_argument);
  }
}

TEST_CASE("every TAP error has words and a portable meaning", "[link]") {
  using enum link::TapError;
  for (const auto error : {no_tun_driver, no_permission, bad_name, busy, not_tap, no_offload, one_queue}) {
    const std::error_code code = error;
    CHECK(code.category().name() == std::string{"tap"});
    CHECK(code.message() != "unknown TAP error");
    CHECK(code.default_error_condition().category() == std::generic_category());
  }
  CHECK(std::error_code{no_permission}.message() == "no permission to use /dev/net/tun; run under scripts/netlab");
  CHECK(std::error_code{no_permission} == std::errc::operation_not_permitted);
}
