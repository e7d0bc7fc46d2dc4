#include <catch2/catch.hpp>

#include <random>

#include "tcp/syn_cookies.hpp"

using namespace tapir;
using namespace tapir::tcp;
using namespace std::chrono_literals;

namespace {
constexpr SipKey kKey{0x0123'4567'89ab'cdefULL, 0xfedc'ba98'7654'3210ULL};
const FourTuple kTuple{{Ipv4Address{0xc0000202U}, Port{80}}, {Ipv4Address{0xc0000201U}, Port{5000}}};
constexpr TimePoint kNow{std::chrono::hours{1000}};
}  // namespace

TEST_CASE("a cookie says which segment size its SYN offered, rounded down", "[tcp][cookies]") {
  const SynCookies cookies{kKey};
  const SeqNum irs{77};
  for (const auto& [offered, kept] :
       {std::pair{1460, 1460}, {1459, 1440}, {536, 536}, {1200, 536}, {9000, 8960}, {65535, 8960}, {48, 48}, {40, 48}}) {
    CAPTURE(offered);
    const SeqNum cookie = cookies.make(kTuple, irs, static_cast<std::uint16_t>(offered), kNow);
    CHECK(cookies.check(kTuple, irs, cookie, kNow) == kept);
  }
}

TEST_CASE("a cookie lives for two minutes and no longer than three and a quarter", "[tcp][cookies]") {
  const SynCookies cookies{kKey};
  const SeqNum irs{77};
  for (const auto start : {0s, 1s, 31s, 63s}) {
    const SeqNum cookie = cookies.make(kTuple, irs, 1460, kNow + start);
    CHECK(cookies.check(kTuple, irs, cookie, kNow + start + 2min));
    CHECK_FALSE(cookies.check(kTuple, irs, cookie, kNow + start + 193s));
    CHECK_FALSE(cookies.check(kTuple, irs, cookie, kNow + start + 64s * 32 + 64s * 5));  // the five bits of time have come round
  }
  // A clock that has just begun knows no cookies from before.
  CHECK(cookies.check(kTuple, irs, cookies.make(kTuple, irs, 1460, TimePoint{}), TimePoint{}));
}

TEST_CASE("a cookie belongs to its ends, its initial number and its key", "[tcp][cookies]") {
  const SynCookies cookies{kKey};
  const SeqNum irs{0xffff'ffffU};
  const SeqNum cookie = cookies.make(kTuple, irs, 1460, kNow);
  REQUIRE(cookies.check(kTuple, irs, cookie, kNow));
  CHECK_FALSE(cookies.check(kTuple, irs + 1, cookie, kNow));
  CHECK_FALSE(cookies.check({kTuple.remote, kTuple.local}, irs, cookie, kNow));
  CHECK_FALSE(cookies.check({kTuple.local, {kTuple.remote.address, Port{5001}}}, irs, cookie, kNow));
  CHECK_FALSE(SynCookies{SipKey{1, 2}}.check(kTuple, irs, cookie, kNow));
  for (unsigned bit = 0; bit < 32; ++bit) CHECK_FALSE(cookies.check(kTuple, irs, SeqNum{cookie.value() ^ (1U << bit)}, kNow));
}

TEST_CASE("guessed cookies are worth nothing", "[tcp][cookies]") {
  const SynCookies cookies{kKey};
  std::mt19937 random{1};
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i)
    accepted +=
        cookies.check(kTuple, SeqNum{static_cast<std::uint32_t>(random())}, SeqNum{static_cast<std::uint32_t>(random())}, kNow) ? 1 : 0;
  CHECK(accepted <= 1);  // three of 32 ages times 2^-24 each: 0.001 expected
}

TEST_CASE("options travel in the low six bits of the timestamp, which never runs ahead", "[tcp][cookies]") {
  std::mt19937 random{2};
  for (int i = 0; i < 10'000; ++i) {
    CookieOptions options{.sack = (random() & 1U) != 0, .ecn = (random() & 1U) != 0};
    if ((random() & 3U) != 0) options.window_scale = static_cast<std::uint8_t>(random() % 15);
    const std::uint32_t now = i < 200 ? static_cast<std::uint32_t>(i - 100) : static_cast<std::uint32_t>(random());
    const std::uint32_t stamp = options.stamp(now);
    REQUIRE(CookieOptions::from(stamp) == options);
    REQUIRE(now - stamp < 64);
  }
}
