#include <catch2/catch.hpp>

#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <cstring>
#include <string>
#include <vector>

#include <support/lab.hpp>

#include "tcp/header.hpp"

using namespace tapir;
using tcp::Flags;
using tcp::SeqNum;

namespace {
tcp::Header header_from(std::span<const std::uint8_t> bytes) {
  tcp::Header header;
  REQUIRE(bytes.size() >= sizeof header);
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}
}  // namespace

TEST_CASE("a segment built by libtins is read", "[tcp]") {
  Tins::TCP tins{1883, 49152};
  tins.seq(0xfffffff0U);
  tins.ack_seq(0x01020304U);
  tins.flags(Tins::TCP::SYN | Tins::TCP::ACK | Tins::TCP::ECE);
  tins.window(40000);
  tins.urg_ptr(77);
  tins.mss(1460);
  const std::string text = "payload";
  tins.inner_pdu(new Tins::RawPDU{text});
  const auto bytes = tins.serialize();
  const auto header = header_from(bytes);
  CHECK(header.source_port.get() == Port{49152});
  CHECK(header.destination_port.get() == Port{1883});
  CHECK(header.header_size() == 24);
  tcp::Segment segment;
  REQUIRE(tcp::parse(header, bytes.size(), segment));
  CHECK(segment.seq == SeqNum{0xfffffff0U});
  CHECK(segment.ack == SeqNum{0x01020304U});
  CHECK(segment.flags == (Flags::syn | Flags::ack | Flags::ece));
  CHECK(segment.window == 40000);
  CHECK(segment.urgent == 77);
  CHECK(segment.payload_size == text.size());
  CHECK(segment.seg_len() == text.size() + 1);
  CHECK(segment.payload_begin() == SeqNum{0xfffffff1U});
  CHECK(segment.end() == SeqNum{0xfffffff0U} + 8U);
}

TEST_CASE("libtins reads a segment of ours", "[tcp]") {
  for (unsigned flags = 0; flags < 256; ++flags) {
    tcp::Header header{.source_port = Port{5000},
                       .destination_port = Port{7},
                       .sequence = SeqNum{0x89abcdefU},
                       .acknowledgment = SeqNum{0x01234567U},
                       .flags = static_cast<Flags>(flags),
                       .window = std::uint16_t{0xfedc},
                       .checksum = std::uint16_t{0x1234},
                       .urgent_pointer = std::uint16_t{0x0042}};
    header.set_header_size(20);
    std::vector<std::uint8_t> bytes(20);
    std::memcpy(bytes.data(), &header, 20);
    bytes.push_back('x');
    const Tins::TCP tins{bytes.data(), static_cast<std::uint32_t>(bytes.size())};
    CHECK(tins.sport() == 5000);
    CHECK(tins.dport() == 7);
    CHECK(tins.seq() == 0x89abcdefU);
    CHECK(tins.ack_seq() == 0x01234567U);
    CHECK(tins.data_offset() == 5);
    CHECK(tins.flags() == flags);
    CHECK(tins.window() == 0xfedc);
    CHECK(tins.checksum() == 0x1234);
    CHECK(tins.urg_ptr() == 0x42);
    CHECK(tins.find_pdu<Tins::RawPDU>()->payload().size() == 1);
  }
}

TEST_CASE("a data offset below the header or past the segment is refused", "[tcp][RFC9293-3.1-1]") {
  tcp::Header header{};
  for (std::size_t offset = 0; offset < 16; ++offset) {
    header.offset_and_reserved = static_cast<std::uint8_t>(offset << 4U);
    for (std::size_t size = 20; size <= 64; ++size) {
      tcp::Segment segment;
      const auto sound = tcp::parse(header, size, segment);
      INFO(offset << " words, " << size << " bytes");
      if (offset < 5) {
        REQUIRE_FALSE(sound);
        CHECK(sound.error() == Drop::bad_header);
      } else if (offset * 4 > size) {
        REQUIRE_FALSE(sound);
        CHECK(sound.error() == Drop::bad_length);
      } else {
        REQUIRE(sound);
        CHECK(segment.payload_size == size - offset * 4);
      }
    }
  }
}

TEST_CASE("reserved bits do not change what is read, and are zero in what is written", "[tcp][RFC9293-3.1-2]") {
  tcp::Header header{};
  header.set_header_size(32);
  CHECK(header.offset_and_reserved.get() == 0x80);
  for (unsigned reserved = 0; reserved < 16; ++reserved) {
    header.offset_and_reserved = static_cast<std::uint8_t>(0x80U | reserved);
    tcp::Segment segment;
    REQUIRE(tcp::parse(header, 40, segment));
    CHECK(segment.payload_size == 8);
  }
}

TEST_CASE("SYN and FIN count as one octet each", "[tcp]") {
  const SeqNum seq{0xffffffffU};
  CHECK(tcp::Segment{.seq = seq, .flags = Flags::ack}.seg_len() == 0);
  CHECK(tcp::Segment{.seq = seq, .flags = Flags::syn}.seg_len() == 1);
  CHECK(tcp::Segment{.seq = seq, .flags = Flags::fin | Flags::ack, .payload_size = 3}.seg_len() == 4);
  CHECK(tcp::Segment{.seq = seq, .flags = Flags::syn | Flags::fin, .payload_size = 5}.seg_len() == 7);
  CHECK(tcp::Segment{.seq = seq, .flags = Flags::syn | Flags::fin, .payload_size = 5}.end() == SeqNum{6});
  CHECK(tcp::Segment{.seq = seq, .flags = Flags::psh, .payload_size = 5}.payload_begin() == seq);
}

TEST_CASE("control bits are named", "[tcp]") {
  CHECK(to_string(Flags::none) == "none");
  CHECK(to_string(Flags::syn) == "SYN");
  CHECK(to_string(Flags::ack | Flags::syn) == "SYN, ACK");
  CHECK(to_string(Flags::fin | Flags::psh | Flags::ack | Flags::urg) == "FIN, PSH, ACK, URG");
  CHECK(to_string(Flags::rst | Flags::ece | Flags::cwr) == "RST, ECE, CWR");
  Flags flags = Flags::syn;
  flags |= Flags::ack;
  flags &= ~Flags::syn;
  CHECK(flags == Flags::ack);
  CHECK(has(flags, Flags::ack | Flags::fin));
  CHECK_FALSE(has(flags, Flags::syn));
}
