// The parts of TCP Fast Open that know no connection: option, cookies, cache.
#include <catch2/catch.hpp>

#include <array>
#include <string>

#include <support/lab.hpp>

#include "tcp/fast_open.hpp"
#include "tcp/options.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::FastOpenCache;
using tcp::FastOpenCookie;
using tcp::FastOpenOption;

namespace {
constexpr Ipv4Address kClient{0xc0000201U};
constexpr Ipv4Address kServer{0xc0a80001U};

FastOpenCookie cookie_of(const char* digits) { return *FastOpenCookie::from(hex(digits)); }
Bytes written(const FastOpenOption& option) {
  tcp::Options options;
  options.fast_open = option;
  std::array<std::byte, 40> buffer{};
  Writer writer{buffer};
  REQUIRE(encode_options(options, writer));
  CHECK(writer.written() == encoded_size(options));
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(writer.written())};
}
tcp::FastOpenKey key_of(const char* digits) {
  tcp::FastOpenKey key{};
  std::ranges::copy(hex(digits), key.begin());
  return key;
}
}  // namespace

TEST_CASE("the Fast Open option on the wire", "[tcp][fastopen][RFC7413-4.1.1-1]") {
  CHECK(written({}) == hex("2202 0101"));
  CHECK(written({.cookie = cookie_of("0102030405060708")}) == hex("220a 0102030405060708 0101"));
  CHECK(written({.cookie = {}, .experimental = true}) == hex("fe04f989"));
  CHECK(written({.cookie = cookie_of("01020304"), .experimental = true}) == hex("fe08f989 01020304"));
  for (const char* digits : {"", "01020304", "010203040506", "0102030405060708090a0b0c0d0e0f10"}) {
    for (const bool experimental : {false, true}) {
      const FastOpenOption option{.cookie = cookie_of(digits), .experimental = experimental};
      const auto read = tcp::parse_options(written(option));
      REQUIRE(read);
      CHECK(read->fast_open == option);
    }
  }
}

TEST_CASE("a Fast Open option with a length that no cookie has counts as absent", "[tcp][fastopen][RFC7413-4.1.1-2]") {
  for (const char* digits :
       {"2205 010203", "2207 0102030405", "2204 0102", "2213 0102030405060708090a0b0c0d0e0f1011",
        "2214 0102030405060708090a0b0c0d0e0f101112", "fe06f989 0102", "fe07f989 010203", "fe08f98a 01020304", "fe03f9"}) {
    INFO(digits);
    const auto read = tcp::parse_options(hex(digits));
    REQUIRE(read);
    CHECK_FALSE(read->fast_open);
  }
  // The others beside it are read, and a good one is not lost to a bad one.
  const auto read = tcp::parse_options(hex("020405b4 2206 01020304 2205 010203"));
  REQUIRE(read);
  CHECK(read->mss == 1460);
  REQUIRE(read->fast_open);
  CHECK(read->fast_open->cookie == cookie_of("01020304"));
}

TEST_CASE("cookies are those that Linux makes of the same key", "[tcp][fastopen]") {
  // packetdrill's scripts have these figures from Linux.
  CHECK(tcp::make_fast_open_cookie(key_of("a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4"), kClient, kServer) == cookie_of("3021b9d889017eeb"));
  const auto key = key_of("f763bfa0813d80ed301d64cd904abcce");
  CHECK(tcp::make_fast_open_cookie(key, Ipv4Address{0x0af80002U}, Ipv4Address{0xc0a80002U}) == cookie_of("00abaaabe8e954c2"));
  CHECK(tcp::make_fast_open_cookie(key, Ipv4Address{0x0af80003U}, Ipv4Address{0xc0a80002U}) == cookie_of("1313a2da994a0951"));
  CHECK(tcp::make_fast_open_cookie(key, Ipv4Address{0x0af80003U}, Ipv4Address{0xc0a80003U}) == cookie_of("76d2c1c530f51f79"));
  CHECK(tcp::make_fast_open_cookie({}, Ipv4Address{0x0af80002U}, Ipv4Address{0xc0a80002U}) == cookie_of("93b7aa4f550f8a1a"));
}

TEST_CASE("what a server makes of a SYN", "[tcp][fastopen]") {
  const tcp::FastOpenKeys keys{.primary = key_of("000102030405060708090a0b0c0d0e0f"), .backup = key_of("ff0102030405060708090a0b0c0d0e0f")};
  const FastOpenOption good{.cookie = tcp::make_fast_open_cookie(keys.primary, kClient, kServer)};
  const FastOpenOption old{.cookie = tcp::make_fast_open_cookie(*keys.backup, kClient, kServer)};
  const auto answer = [&](std::optional<FastOpenOption> option, bool data, bool needed = true) {
    return answer_fast_open({.client = kClient, .server = kServer, .option = option, .has_data = data, .cookie_needed = needed}, keys);
  };
  CHECK(answer(good, true).accept);
  CHECK_FALSE(answer(good, true).option);
  CHECK(answer(good, false).accept);
  CHECK(answer(old, true).accept);
  CHECK(answer(old, true).option == good);
  CHECK_FALSE(answer(FastOpenOption{}, true).accept);
  CHECK(answer(FastOpenOption{}, false).option == good);
  CHECK(answer(FastOpenOption{.cookie = {}, .experimental = true}, false).option ==
        FastOpenOption{.cookie = good.cookie, .experimental = true});
  CHECK_FALSE(answer(FastOpenOption{.cookie = cookie_of("0102030405060708")}, true).accept);
  CHECK(answer(FastOpenOption{.cookie = cookie_of("0102030405060708")}, true).option == good);
  CHECK_FALSE(answer(std::nullopt, true).accept);
  CHECK_FALSE(answer(std::nullopt, true).option);
  CHECK(answer(std::nullopt, true, false).accept);
  CHECK_FALSE(answer(std::nullopt, false, false).accept);
}

TEST_CASE("the cache is bounded: the server not asked about for longest goes", "[tcp][fastopen]") {
  FastOpenCache cache;
  const TimePoint now{1h};
  const FastOpenOption cookie{.cookie = cookie_of("01020304")};
  const auto server = [](std::uint32_t i) { return IpAddress{Ipv4Address{0x0a000000U + i}}; };
  const auto learn = [&](std::uint32_t i) {
    cache.on_answer(server(i), {.option = FastOpenOption{}}, {.option = cookie, .mss = 1000}, now);
  };
  for (std::uint32_t i = 0; i < FastOpenCache::kCapacity; ++i) learn(i);
  CHECK(cache.plan(server(0), true, now).option == cookie);
  learn(100'000);
  CHECK(cache.size() == FastOpenCache::kCapacity);
  CHECK(cache.plan(server(0), true, now).option == cookie);
  CHECK(cache.plan(server(1), true, now).option == FastOpenOption{});
  CHECK(cache.plan(server(100'000), true, now).option == cookie);
}

TEST_CASE("a request that is ignored is tried once in the experimental format", "[tcp][fastopen]") {
  FastOpenCache cache;
  const TimePoint now{1h};
  const IpAddress server{kServer};
  const auto ignored = [&] {
    const auto plan = cache.plan(server, true, now);
    REQUIRE(plan.option);
    cache.on_answer(server, {.option = plan.option}, {.mss = 1460}, now);
    return plan.option->experimental;
  };
  CHECK_FALSE(ignored());
  CHECK(ignored());
  CHECK_FALSE(ignored());
  CHECK_FALSE(ignored());
}

TEST_CASE("where Fast Open is swallowed nobody tries for a while, longer each time", "[tcp][fastopen]") {
  FastOpenCache cache;
  const TimePoint now{1h};
  const IpAddress server{kServer};
  cache.on_blackhole(0s, now);
  CHECK(cache.plan(server, true, now).option);
  cache.on_blackhole(1h, now);
  CHECK_FALSE(cache.plan(server, true, now + 59min).option);
  CHECK_FALSE(cache.plan(server, false, now + 59min).with_data);
  CHECK(cache.plan(server, true, now + 1h).option);
  cache.on_blackhole(1h, now + 1h);
  CHECK_FALSE(cache.plan(server, true, now + 1h + 119min).option);
  CHECK(cache.plan(server, true, now + 3h).option);
  CHECK(cache.plan(server, true, now + 3h).trial);
  // The SYN alone says nothing of what is swallowed behind it.
  cache.on_answer(server, {.option = FastOpenOption{.cookie = cookie_of("01020304")}, .data = 10}, {.mss = 1460, .data_acked = 10},
                  now + 3h);
  CHECK(cache.plan(server, true, now + 3h).trial);
  cache.on_blackhole(1h, now + 3h);
  CHECK_FALSE(cache.plan(server, true, now + 3h + 239min).option);
  CHECK(cache.plan(server, true, now + 7h).option);
  // It works again: the next time is a first one.
  cache.on_exchange();
  CHECK_FALSE(cache.plan(server, true, now + 7h).trial);
  cache.on_blackhole(1h, now + 8h);
  CHECK(cache.plan(server, true, now + 9h).option);
}
