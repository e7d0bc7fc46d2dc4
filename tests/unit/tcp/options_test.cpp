#include <catch2/catch.hpp>

#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <array>
#include <cstring>
#include <vector>

#include <support/lab.hpp>

#include "tcp/header.hpp"
#include "tcp/options.hpp"

using namespace tapir;
using tcp::Options;
using tcp::parse_options;
using tcp::SeqNum;
using test::Bytes;
using test::hex;

namespace {
Bytes encoded(const Options& options) {
  std::array<std::byte, tcp::kMaxOptionsSize> buffer{};
  buffer.fill(std::byte{0xee});
  Writer writer{buffer};
  REQUIRE(encode_options(options, writer));
  CHECK(writer.written() == encoded_size(options));
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(writer.written())};
}
Bytes options_of(Tins::TCP& segment) {
  const auto bytes = segment.serialize();
  const std::size_t header = static_cast<std::size_t>(bytes[12] >> 4U) * 4;
  return test::bytes_of(std::span{bytes}.subspan(20, header - 20));
}
}  // namespace

TEST_CASE("options that libtins writes are read", "[tcp]") {
  Tins::TCP syn{80, 5000};
  syn.flags(Tins::TCP::SYN);
  syn.mss(1400);
  syn.winscale(7);
  syn.sack_permitted();
  syn.timestamp(0x11223344U, 0x55667788U);
  const auto options = parse_options(options_of(syn));
  REQUIRE(options);
  CHECK(options->mss == 1400);
  CHECK(options->window_scale == 7);
  CHECK(options->sack_permitted);
  CHECK(options->timestamps == tcp::Timestamps{0x11223344U, 0x55667788U});
  CHECK(options->sack.empty());

  Tins::TCP ack{80, 5000};
  ack.sack({100, 200, 0xffffff00U, 16});
  const auto blocks = parse_options(options_of(ack));
  REQUIRE(blocks);
  REQUIRE(blocks->sack.size() == 2);
  CHECK(blocks->sack[0] == tcp::SackBlock{SeqNum{100}, SeqNum{200}});
  CHECK(blocks->sack[1] == tcp::SackBlock{SeqNum{0xffffff00U}, SeqNum{16}});
  CHECK_FALSE(blocks->mss);
}

TEST_CASE("libtins reads options that we write", "[tcp][RFC9293-MUST-68]") {
  Options options{.mss = 1460, .window_scale = 9, .sack_permitted = true, .timestamps = tcp::Timestamps{1, 2}};
  SECTION("a SYN") {}
  SECTION("one block") {
    options = Options{.timestamps = tcp::Timestamps{3, 4}};
    CHECK(options.sack.push_back({SeqNum{0xfffffffeU}, SeqNum{7}}));
  }
  SECTION("three blocks and timestamps fill the room exactly") {
    options = Options{.timestamps = tcp::Timestamps{3, 4}};
    for (std::uint32_t i = 0; i < 3; ++i) CHECK(options.sack.push_back({SeqNum{i * 100}, SeqNum{i * 100 + 50}}));
  }
  const auto bytes = encoded(options);
  CHECK(bytes.size() % 4 == 0);
  std::vector<std::uint8_t> segment(20 + bytes.size());
  tcp::Header header{};
  header.set_header_size(20 + bytes.size());
  std::memcpy(segment.data(), &header, 20);
  std::memcpy(segment.data() + 20, bytes.data(), bytes.size());
  const Tins::TCP tins{segment.data(), static_cast<std::uint32_t>(segment.size())};
  CHECK((tins.search_option(Tins::TCP::MSS) != nullptr) == options.mss.has_value());
  if (options.mss) CHECK(tins.mss() == *options.mss);
  if (options.window_scale) CHECK(tins.winscale() == *options.window_scale);
  CHECK(tins.has_sack_permitted() == options.sack_permitted);
  CHECK(tins.timestamp() == std::pair{options.timestamps->value, options.timestamps->echo_reply});
  if (options.sack.empty()) {
    CHECK(tins.search_option(Tins::TCP::SACK) == nullptr);
  } else {
    std::vector<std::uint32_t> edges;
    for (const auto& block : options.sack) edges.insert(edges.end(), {block.begin.value(), block.end.value()});
    CHECK(tins.sack() == edges);
  }
  CHECK(parse_options(bytes) == options);
}

TEST_CASE("every combination of options comes back as it was written", "[tcp][RFC9293-MUST-68][RFC9293-MUST-69]") {
  for (unsigned bits = 0; bits < 16; ++bits) {
    for (std::size_t blocks = 0; blocks <= tcp::SackBlocks::capacity; ++blocks) {
      Options options;
      if ((bits & 1U) != 0) options.mss = 536;
      if ((bits & 2U) != 0) options.window_scale = 14;
      if ((bits & 4U) != 0) options.sack_permitted = true;
      if ((bits & 8U) != 0) options.timestamps = tcp::Timestamps{0xffffffffU, 0};
      for (std::uint32_t i = 0; i < blocks; ++i) (void)options.sack.push_back({SeqNum{i}, SeqNum{i + 1}});
      const std::size_t size = encoded_size(options);
      CHECK(size % 4 == 0);
      std::vector<std::byte> buffer(size);
      Writer writer{buffer};
      REQUIRE(encode_options(options, writer));
      CHECK(writer.written() == size);
      CHECK(parse_options(buffer) == options);
      // Every byte belongs to an option or is a No-Operation: there is no End-of-List, and nothing behind it that would have to be zero.
      std::size_t at = 0;
      while (at < size) {
        REQUIRE(buffer[at] != std::byte{0});
        at += buffer[at] == std::byte{1} ? 1 : std::to_integer<std::size_t>(buffer[at + 1]);
      }
      CHECK(at == size);
      if (size > 0) {
        Writer tight{std::span{buffer}.first(size - 1)};
        CHECK(encode_options(options, tight).error() == Drop::truncated);
      }
    }
  }
}

TEST_CASE("options stand on the wire as other stacks write them", "[tcp][RFC7323-2.2-1][RFC7323-3.2-1][RFC2018-2-1][RFC2018-3-1]") {
  const tcp::Timestamps times{0x01020304U, 0x05060708U};
  // MSS, SACK permitted, timestamps, no operation, window scale.
  CHECK(encoded({.mss = 1460, .window_scale = 7, .sack_permitted = true, .timestamps = times}) ==
        hex("020405b4 0402 080a 01020304 05060708 01 030307"));
  CHECK(encoded({.mss = 1460, .window_scale = 7, .sack_permitted = true}) == hex("020405b4 01 01 0402 01 030307"));
  CHECK(encoded({.mss = 1460, .window_scale = 7}) == hex("020405b4 01 030307"));
  CHECK(encoded({.mss = 1460, .window_scale = 7, .timestamps = times}) == hex("020405b4 01 01 080a 01020304 05060708 01 030307"));
  CHECK(encoded({.timestamps = times}) == hex("01 01 080a 01020304 05060708"));
  Options sack{.timestamps = times};
  (void)sack.sack.push_back({SeqNum{1}, SeqNum{2}});
  CHECK(encoded(sack) == hex("01 01 080a 01020304 05060708 01 01 050a 00000001 00000002"));
  sack.timestamps.reset();
  (void)sack.sack.push_back({SeqNum{3}, SeqNum{4}});
  CHECK(encoded(sack) == hex("01 01 0512 00000001 00000002 00000003 00000004"));
}

TEST_CASE("End-of-List, No-Operation and unaligned options are understood", "[tcp][RFC9293-MUST-4][RFC9293-MUST-64]") {
  CHECK(parse_options({}) == Options{});
  CHECK(parse_options(hex("01 01 020403e8 00 00")) == Options{.mss = 1000});
  CHECK(parse_options(hex("01 020402bc 00 00 00")) == Options{.mss = 700});
  CHECK(parse_options(hex("01 01 01 0204ffff 00")) == Options{.mss = 65535});
  CHECK(parse_options(hex("00")) == Options{});
  CHECK(parse_options(hex("01 01 01 01")) == Options{});
  // What follows End-of-List is padding, whatever it holds.
  CHECK(parse_options(hex("020403e8 00 020402bc")) == Options{.mss = 1000});
  CHECK(parse_options(hex("00 02 00 ff")) == Options{});
}

TEST_CASE("an unknown option is skipped by its length", "[tcp][RFC9293-MUST-6]") {
  CHECK(parse_options(hex("fd 06 01020304 020402bc")) == Options{.mss = 700});
  CHECK(parse_options(hex("fd 02 020402bc")) == Options{.mss = 700});
  CHECK(parse_options(hex("1e 04 0000 1d 02 13 04 0000 020402bc")) == Options{.mss = 700});
}

TEST_CASE("an illegal option length is refused by name", "[tcp][RFC9293-MUST-7]") {
  const std::vector<std::string_view> illegal{
      "fd 00 0000",                     // length 0
      "fd 01 0000",                     // length 1
      "02 00 0000",                     //
      "02 01 0000",                     //
      "fd",                             // no length at all
      "01 01 01 02",                    //
      "fd 28 0000",                     // past the end
      "fd 05 0000",                     //
      "02 04 05",                       // MSS cut short
      "02 03 05 00",                    // wrong for its kind
      "02 05 050000 00 00 00",          //
      "03 02 00 00",                    //
      "03 04 0000",                     //
      "04 03 00 00",                    //
      "08 09 01020304050607 00 00 00",  //
      "08 0b 010203040506070809 00",    //
      "05 02 00 00",                    //
      "05 09 01020304050607 00 00 00",  //
      "05 0b 010203040506070809 00",    //
      "020405b4 fd 00 0000",            // behind a good one
  };
  for (const auto digits : illegal) {
    INFO(digits);
    const auto options = parse_options(hex(digits));
    REQUIRE_FALSE(options);
    CHECK(options.error() == Drop::bad_option);
  }
  // The same options with their legal lengths.
  CHECK(parse_options(hex("fd 02 0000")));
  CHECK(parse_options(hex("02 04 05b4")) == Options{.mss = 1460});
  CHECK(parse_options(hex("03 03 05 00")) == Options{.window_scale = 5});
  CHECK(parse_options(hex("04 02 00 00")) == Options{.sack_permitted = true});
  CHECK(parse_options(hex("08 0a 00000001 00000002 00 00"))->timestamps == tcp::Timestamps{1, 2});
  CHECK(parse_options(hex("05 0a 00000001 00000002 00 00"))->sack.size() == 1);
}

TEST_CASE("a window scale above 14 is taken as 14", "[tcp]") {
  CHECK(parse_options(hex("03 03 0e 00"))->window_scale == 14);
  CHECK(parse_options(hex("03 03 0f 00"))->window_scale == 14);
  CHECK(parse_options(hex("03 03 ff 00"))->window_scale == 14);
}

TEST_CASE("any bytes are read as options or refused, without harm", "[tcp][RFC9293-MUST-7]") {
  sim::SeededRandom random{42};
  std::size_t good = 0;
  std::size_t bad = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bytes(random.below(41));
    for (auto& byte : bytes) byte = static_cast<std::byte>(random.below(random.below(2) == 0 ? 12 : 256));
    const auto options = parse_options(bytes);
    ++(options ? good : bad);
    if (!options) CHECK(options.error() == Drop::bad_option);
  }
  CHECK(good > 100);
  CHECK(bad > 100);
}
