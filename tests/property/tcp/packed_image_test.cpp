// What a sleeping connection is packed into comes back as it was.

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <vector>

#include "tcp/packed_image.hpp"

using namespace tapir;

namespace {

using Words = std::vector<std::uint32_t>;

std::vector<std::byte> image_of(const Words& words) {
  const auto bytes = std::as_bytes(std::span{words});
  return {bytes.begin(), bytes.end()};
}

tcp::PackedImage pack_image(std::span<const std::byte> image, std::span<const std::byte> base) {
  tcp::PackedImage packed;
  tcp::pack_image(image, base, packed);
  return packed;
}

std::vector<std::byte> unpacked(const tcp::PackedImage& packed, std::vector<std::byte> image) {
  tcp::unpack_image(packed, image);
  return image;
}

/// Words as state has them: of the base, zero, small, seen before, near to one that was, or anything.
Words random_words(std::mt19937& random, const Words& base) {
  const auto below = [&random](std::uint64_t bound) { return static_cast<std::uint32_t>(random() % bound); };
  Words words;
  for (std::size_t i = 0; i < base.size(); ++i) {
    const std::uint32_t before = words.empty() ? 0 : words[below(words.size())];
    switch (below(8)) {
      case 0: words.push_back(0); break;
      case 1: words.push_back(below(256)); break;
      case 2: words.push_back(before); break;
      case 3: words.push_back(before + below(257) - 128); break;
      case 4: words.push_back(before + below(65'537) - 32'768); break;
      case 5: words.push_back(below(std::uint64_t{1} << 32U)); break;
      default: words.push_back(base[i]); break;
    }
  }
  return words;
}

}  // namespace

TEST_CASE("one image after the other is packed into the same place", "[property][tcp]") {
  std::mt19937 random{27};
  tcp::PackedImage packed;
  for (int round = 0; round < 2000; ++round) {
    const Words base = random_words(random, Words(random() % 100));
    const Words words = random() % 4 == 0 ? base : random_words(random, base);
    tcp::pack_image(image_of(words), image_of(base), packed);
    REQUIRE(unpacked(packed, image_of(base)) == image_of(words));
  }
}

TEST_CASE("an image comes back as it was packed, whatever is in it", "[property][tcp]") {
  std::mt19937 random{26};
  for (int round = 0; round < 5000; ++round) {
    const std::size_t size = random() % (round % 100 == 0 ? tcp::kLargestImage / 4 + 1 : 300);
    const Words base = random_words(random, Words(size));
    const Words words = random_words(random, base);
    const auto packed = pack_image(image_of(words), image_of(base));
    REQUIRE(unpacked(packed, image_of(base)) == image_of(words));
    REQUIRE(packed.bytes().size() <= 5 * size);
  }
}

TEST_CASE("what is as in the base takes next to nothing, what came before one byte, what is near two or three", "[tcp]") {
  const Words base(130, 0x1234'5678U);
  CHECK(pack_image(image_of(base), image_of(base)).bytes().size() == 3);  // runs of 64, 64 and 2
  CHECK(pack_image({}, {}).bytes().empty());
  const auto packed_size = [](const Words& words) { return pack_image(image_of(words), image_of(Words(words.size(), 1))).bytes().size(); };
  CHECK(packed_size({0xdead'beefU}) == 5);
  CHECK(packed_size({0xdead'beefU, 0xdead'beefU}) == 6);
  CHECK(packed_size({0xdead'beefU, 0xdead'beefU + 0x7f}) == 7);
  CHECK(packed_size({0xdead'beefU, 0xdead'beefU + 0x80}) == 8);
  CHECK(packed_size({0xdead'beefU, 0xdead'beefU - 0x8000}) == 8);
  CHECK(packed_size({0xdead'beefU, 0xdead'beefU - 0x8001}) == 10);
  CHECK(packed_size({63}) == 1);
  CHECK(packed_size({64}) == 2);
}

TEST_CASE("an image of the largest size is packed, none of whose words has anything in common with another", "[tcp]") {
  Words words;
  for (std::uint32_t i = 1; i <= tcp::kLargestImage / 4; ++i) words.push_back(i * 0x0123'4567U);
  const Words base(words.size());
  const auto packed = pack_image(image_of(words), image_of(base));
  CHECK(packed.bytes().size() == 5 * words.size());
  CHECK(unpacked(packed, image_of(base)) == image_of(words));
}

TEST_CASE("parts are taken and set in the order in which they are shown", "[tcp]") {
  struct Odd {
    std::uint8_t bytes[3];
    bool operator==(const Odd&) const = default;
  };
  std::uint64_t wide = 0x0102'0304'0506'0708U;
  Odd odd{{1, 2, 3}};
  std::optional<std::uint16_t> maybe = std::uint16_t{7};
  bool flag = true;
  tcp::ImageTaker taker;
  taker(wide);
  taker(odd);
  taker(maybe);
  taker(flag);
  REQUIRE(taker.image().size() == 8 + 4 + 4 + 4);
  const auto [wide_was, odd_was] = std::pair{std::exchange(wide, 0), std::exchange(odd, Odd{})};
  maybe.reset();
  flag = false;
  tcp::ImageSetter setter{taker.image()};
  setter(wide);
  setter(odd);
  setter(maybe);
  setter(flag);
  CHECK(wide == wide_was);
  CHECK(odd == odd_was);
  CHECK(maybe == 7);
  CHECK(flag);
}
