// Connections with the same settings share them, until one has others.

#include <catch2/catch.hpp>

#include "tcp/shared_settings.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using tcp::SettingsCache;
using tcp::SharedSettings;

TEST_CASE("the same settings are shared, others are not", "[tcp]") {
  SettingsCache cache;
  const SharedSettings one = cache.share({.tos = 4});
  const SharedSettings same = cache.share({.tos = 4});
  const SharedSettings other = cache.share({.tos = 8});
  CHECK(&*one == &*same);
  CHECK(&*one != &*other);
  CHECK(one == same);
  CHECK_FALSE(one == other);
  CHECK(other->tos == 8);
}

TEST_CASE("whoever changes shared settings has their own from then on", "[tcp]") {
  SettingsCache cache;
  SharedSettings one = cache.share({.tos = 4});
  const SharedSettings other = cache.share({.tos = 4});
  one.own().nagle = false;
  const auto* const own = &*one;
  one.own().tos = 8;
  CHECK(&*one == own);
  CHECK_FALSE(one->nagle);
  CHECK(other->nagle);
  CHECK(other->tos == 4);
  CHECK(cache.share({.tos = 4})->nagle);
}

TEST_CASE("settings that were not used for long are made again", "[tcp]") {
  SettingsCache cache;
  const SharedSettings first = cache.share({.minimum_ttl = 1});
  for (std::uint8_t ttl = 2; ttl < 100; ++ttl) CHECK(cache.share({.minimum_ttl = ttl})->minimum_ttl == ttl);
  CHECK(cache.share({.minimum_ttl = 1}) == first);
  CHECK(first->minimum_ttl == 1);
}
