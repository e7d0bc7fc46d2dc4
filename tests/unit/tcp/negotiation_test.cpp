#include <catch2/catch.hpp>

#include <algorithm>

#include "option_talk.hpp"
#include "tcp/window_scale.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
std::size_t longest(const std::vector<Heard>& all) {
  std::size_t size = 0;
  for (const auto& heard : all) size = std::max(size, heard.payload.size());
  return size;
}
}  // namespace

TEST_CASE("our SYN offers everything, in the order that other stacks use",
          "[tcp][RFC7323-2.2-1][RFC7323-2.2-2][RFC7323-3.2-2][RFC7323-3.2-8][RFC2018-2-1]") {
  const OptionTalk talk;
  REQUIRE(talk.syn.options.size() == 20);
  Bytes expected = hex("020405b4 0402 080a 00000000 00000000 01 030307");  // MSS, SACK permitted, timestamps, no operation, scale
  std::copy_n(talk.syn.options.begin() + 8, 4, expected.begin() + 8);      // TSval is what the clock says
  CHECK(talk.syn.options == expected);
  CHECK(talk.syn.window == 65535);
}

TEST_CASE("what is switched off is not offered", "[tcp][RFC7323-2.2-2][RFC7323-3.2-2]") {
  const auto syn_of = [](tcp::Config config) {
    return OptionTalk{{.sack = false, .timestamp = {}, .window_scale = {}}, {.config = config}}.syn.options;
  };
  CHECK(syn_of({.timestamps = false}) == hex("020405b4 01 01 0402 01 030307"));
  CHECK(syn_of({.window_scaling = false, .timestamps = false}) == hex("020405b4 01 01 0402"));
  CHECK(syn_of({.window_scaling = false, .timestamps = false, .sack = false}) == hex("020405b4"));
}

TEST_CASE("a SYN,ACK answers only what the SYN offered", "[tcp][RFC7323-2.2-2][RFC7323-2.2-3][RFC7323-3.2-2][RFC2018-3-2]") {
  const bool sack = GENERATE(false, true);
  const bool timestamps = GENERATE(false, true);
  const bool scale = GENERATE(false, true);
  Offer offer{.sack = sack};
  if (!timestamps) offer.timestamp.reset();
  if (!scale) offer.window_scale.reset();
  OptionTalk talk{offer, {.passive = true}};
  const auto options = options_of(talk.syn);
  CHECK(options.mss == 1460);
  CHECK(options.sack_permitted == sack);
  CHECK(options.window_scale == (scale ? std::optional<std::uint8_t>{7} : std::nullopt));
  REQUIRE(options.timestamps.has_value() == timestamps);
  if (timestamps) CHECK(options.timestamps->second == 1000);  // what the SYN said
}

TEST_CASE("segments after the handshake carry timestamps and no option of a SYN", "[tcp][RFC7323-3.2-1][RFC7323-3.2-3][RFC2018-2-2]") {
  OptionTalk talk;
  talk.write(stream(3 * 1448));
  REQUIRE(talk.say_stream(0, 100));
  const auto all = talk.hear();
  REQUIRE(all.size() >= 3);
  for (const auto& heard : all) {
    const auto options = options_of(heard);
    REQUIRE(options.timestamps);
    CHECK(heard.options.size() == 12);
    CHECK_FALSE(options.mss);
    CHECK_FALSE(options.window_scale);
    CHECK_FALSE(options.sack_permitted);
  }
}

TEST_CASE("timestamps that were not agreed on are ignored", "[tcp][RFC7323-3.2-7]") {
  OptionTalk talk{{.timestamp = {}}};
  REQUIRE(talk.peer.say({.payload = "x", .options = timestamp_option(5, 6)}));
  CHECK(talk.read() == "x");
  talk.advance(500ms);
  CHECK(talk.hear_one().options.empty());
}

TEST_CASE("options that every segment carries make it shorter", "[tcp][RFC9293-MUST-16]") {
  SECTION("timestamps") {
    OptionTalk talk;
    talk.write(stream(5000));
    CHECK(longest(talk.hear()) == 1460 - 12);
    CHECK(talk.info().mss == 1460 - 12);
  }
  SECTION("none") {
    OptionTalk talk{{.timestamp = {}}};
    talk.write(stream(5000));
    CHECK(longest(talk.hear()) == 1460);
  }
}

TEST_CASE("no datagram is larger than the peer's MSS and 40, options counted, and all may not be fragmented",
          "[tcp][RFC1191-3-9][RFC1191-3-10]") {
  OptionTalk talk{{}, {.peer_mss = 500}};
  CHECK(talk.info().mss == 488);
  REQUIRE(talk.say_stream(1000, 1100));
  talk.write(stream(5000));
  std::size_t largest = 0;
  for (const auto& heard : talk.hear()) {
    largest = std::max(largest, 20 + 20 + heard.options.size() + heard.payload.size());
    CHECK(heard.ip.dont_fragment);
  }
  CHECK(largest == 540);
}

TEST_CASE("SACK takes its room in the segments that carry it", "[tcp][RFC2018-4-1]") {
  OptionTalk talk;
  REQUIRE(talk.say_stream(1000, 2000));
  (void)talk.hear();
  talk.write(stream(5000));
  const auto all = talk.hear();
  REQUIRE(all.size() >= 2);
  for (const auto& heard : all) CHECK(options_of(heard).sack == std::vector{std::pair{talk.at(1000), talk.at(2000)}});
  CHECK(longest(all) == 1460 - 12 - 12);
  CHECK(all.front().options.size() == 24);
}

TEST_CASE("a super-segment leaves room for SACK in each of its segments", "[tcp][RFC2018-4-1]") {
  OptionTalk talk;
  talk.network.super_segment = 65535;
  REQUIRE(talk.say_stream(1000, 2000));
  (void)talk.hear();
  talk.write(stream(5 * 1436));
  talk.advance(0s);
  const auto sent = talk.network.take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].meta.gso_size == 1436);
  CHECK(sent[0].packet.size() == 20 + 24 + 5 * 1436);
}

TEST_CASE("windows are scaled on every segment but a SYN", "[tcp][RFC7323-2.2-5][RFC7323-2.3-1][RFC7323-2.3-2][RFC7323-2.3-3]") {
  const bool passive = GENERATE(false, true);
  SECTION("the peer's: 25 << 4 bytes") {
    OptionTalk talk{{.timestamp = {}, .window_scale = 4}, {.passive = passive, .peer_mss = 100, .window = 65535}};
    REQUIRE(talk.say({.window = 25}));
    talk.write(stream(2000));
    std::size_t bytes = 0;
    for (const auto& heard : talk.hear()) bytes += heard.payload.size();
    CHECK(bytes == 400);
  }
  SECTION("that of its SYN not") {
    OptionTalk talk{{.timestamp = {}, .window_scale = 4}, {.passive = false, .peer_mss = 100, .window = 500}};
    talk.write(stream(2000));
    std::size_t bytes = 0;
    for (const auto& heard : talk.hear()) bytes += heard.payload.size();
    CHECK(bytes == 500);
  }
  SECTION("ours") {
    OptionTalk talk{{}, {.settings = {.receive_buffer = 1U << 20U}, .passive = passive}};
    CHECK(talk.syn.window == 65535);
    CHECK(options_of(talk.syn).window_scale == 5);  // 65535 << 5 is the first that holds 2^20
    REQUIRE(talk.say_stream(0, 10));
    REQUIRE(talk.read() == stream(10));
    talk.advance(500ms);
    CHECK(talk.hear_one().window == (1U << 20U) >> 5U);
  }
  SECTION("neither, when the peer does not know of it") {
    OptionTalk talk{{.window_scale = {}}, {.settings = {.receive_buffer = 1U << 20U}, .passive = passive, .peer_mss = 100, .window = 500}};
    REQUIRE(talk.say_stream(0, 10));
    REQUIRE(talk.read() == stream(10));
    talk.advance(500ms);
    CHECK(talk.hear_one().window == 65535 - 10);  // ten more are not worth moving the edge (RFC 9293 section 3.8.6.2.2)
    talk.write(stream(2000));
    std::size_t bytes = 0;
    for (const auto& heard : talk.hear()) bytes += heard.payload.size();
    CHECK(bytes <= 500);
    CHECK(bytes >= 400);
  }
}

TEST_CASE("a scale outside the handshake changes nothing", "[tcp][RFC7323-2.2-4]") {
  OptionTalk talk{{.timestamp = {}, .window_scale = 1}, {.peer_mss = 100}};
  REQUIRE(talk.say({.window = 100, .options = hex("01 03030e")}));
  talk.write(stream(2000));
  std::size_t bytes = 0;
  for (const auto& heard : talk.hear()) bytes += heard.payload.size();
  CHECK(bytes == 200);
}

TEST_CASE("windows are counted in 32 bits", "[tcp][RFC9293-REC-1]") {
  OptionTalk talk{{.timestamp = {}, .window_scale = 14},
                  {.settings = {.send_buffer = 1'000'000, .receive_buffer = std::size_t{1} << 20U}, .peer_mss = 1024}};
  const auto scale = options_of(talk.syn).window_scale;
  REQUIRE(scale);
  REQUIRE(talk.say({.window = 1000}));
  while (talk.info().cwnd < 200'000) {
    talk.write(stream(std::min<std::size_t>(talk.info().cwnd, 500'000)));
    (void)talk.hear();
    REQUIRE(talk.say({.window = 1000}));
  }
  (void)talk.hear();
  REQUIRE(talk.say({.window = 5}));
  CHECK(talk.info().snd_wnd == 5U << 14U);
  talk.write(stream(300'000));
  (void)talk.hear();
  CHECK(talk.info().in_flight == 5U << 14U);
  REQUIRE(talk.say({.window = 5, .payload = "x"}));
  std::uint32_t offered = 0;
  for (const auto& heard : talk.hear()) offered = heard.window << *scale;
  CHECK(offered > 65535);
  CHECK(offered <= talk.info().rcv_wnd);
  CHECK(talk.info().rcv_wnd - offered < 1U << *scale);  // the field has no room for the rest
}

TEST_CASE("a shift above 14 is taken as 14, and counted", "[tcp][RFC7323-2.3-4][RFC7323-2.3-5]") {
  const auto shift = GENERATE(std::uint8_t{14}, std::uint8_t{15}, std::uint8_t{255});
  OptionTalk talk{{.window_scale = shift}};
  REQUIRE(talk.say({.window = 3}));
  CHECK(talk.info().snd_wnd == 3U << 14U);
  CHECK(talk.tcp.stats().large_window_scales == (shift > 14 ? 1 : 0));
}

TEST_CASE("the window offered stays below 2^30", "[tcp][RFC7323-2.3-6]") {
  OptionTalk talk{{}, {.settings = {.receive_buffer = std::size_t{2} << 30U}}};
  CHECK(options_of(talk.syn).window_scale == 14);
  REQUIRE(talk.say_stream(0, 10));
  REQUIRE(talk.read() == stream(10));
  talk.advance(500ms);
  (void)talk.hear();
  CHECK(talk.info().rcv_wnd <= 65535U << 14U);
}

TEST_CASE("the shift is the smallest that serves the buffer", "[tcp][RFC7323-2.3-6]") {
  CHECK(tcp::window_shift_for(0) == 0);
  CHECK(tcp::window_shift_for(65535) == 0);
  CHECK(tcp::window_shift_for(65536) == 1);
  CHECK(tcp::window_shift_for(std::size_t{6} << 20U) == 7);
  CHECK(tcp::window_shift_for(std::size_t{65535} << 14U) == 14);
  CHECK(tcp::window_shift_for(std::size_t{1} << 40U) == 14);
}

TEST_CASE("a window is rounded up where there is room, else down", "[tcp][RFC7323-2.4-1]") {
  struct Row {
    std::uint32_t offered;
    std::size_t room;
    std::uint8_t shift;
    std::uint32_t expected;
  };
  const Row rows[] = {{1000, 1000, 0, 1000}, {1000, 5000, 7, 1024}, {1024, 1024, 7, 1024},        {1000, 1023, 7, 1000},
                      {1000, 1024, 7, 1024}, {0, 100, 7, 0},        {65535, 1U << 20U, 0, 65535}, {70000, 1U << 20U, 0, 65535}};
  for (const auto& row : rows) CHECK(tcp::expressible_window(row.offered, row.room, row.shift) == row.expected);
}
