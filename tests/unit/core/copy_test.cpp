#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include <tapir/core/copy.hpp>

using tapir::copy_bytes;

TEST_CASE("so many bytes are copied, and none beside them", "[core]") {
  constexpr std::size_t kMost = 80;
  constexpr std::byte kUntouched{0xee};
  std::array<std::byte, kMost> from{};
  for (std::size_t i = 0; i < kMost; ++i) from[i] = static_cast<std::byte>(i + 1);
  for (std::size_t size = 0; size <= kMost; ++size) {
    std::array<std::byte, kMost + 2> into{};
    into.fill(kUntouched);
    copy_bytes(std::span{from}.first(size), std::span{into}.subspan(1));
    CAPTURE(size);
    CHECK(std::equal(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(size), into.begin() + 1));
    CHECK(into[0] == kUntouched);
    CHECK(std::all_of(into.begin() + 1 + static_cast<std::ptrdiff_t>(size), into.end(), [](std::byte byte) { return byte == kUntouched; }));
  }
}
