#include <catch2/catch.hpp>

#include <array>
#include <random>
#include <type_traits>
#include <vector>

#include <tapir/core/checksum.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/core/siphash.hpp>

using namespace tapir;

namespace {
std::vector<std::byte> random_bytes(std::mt19937& random, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random() & 0xffU);
  return bytes;
}
/// RFC 1071 section 4.1, word by word.
std::uint16_t reference(const std::vector<std::byte>& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << 8U;
    if (i + 1 < bytes.size()) sum += std::to_integer<std::uint32_t>(bytes[i + 1]);
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}
}  // namespace

TEST_CASE("the checksum of RFC 1071's example", "[core]") {
  const std::array bytes{std::byte{0x00}, std::byte{0x01}, std::byte{0xf2}, std::byte{0x03},
                         std::byte{0xf4}, std::byte{0xf5}, std::byte{0xf6}, std::byte{0xf7}};
  InternetChecksum sum;
  sum.add(bytes);
  CHECK(sum.folded() == 0xddf2);
  CHECK(sum.value() == 0x220d);
}

TEST_CASE("the checksum does not depend on how the bytes are cut", "[core]") {
  std::mt19937 random{1};
  for (std::size_t size : {0U, 1U, 2U, 3U, 7U, 64U, 1460U, 65535U}) {
    const auto bytes = random_bytes(random, size);
    InternetChecksum sum;
    for (std::size_t at = 0; at < size;) {
      const std::size_t step = std::min<std::size_t>(random() % 37, size - at);
      sum.add(std::span{bytes}.subspan(at, step));
      at += step;
    }
    CHECK(sum.value() == reference(bytes));
  }
}

TEST_CASE("the checksum of a long piece does not depend on where it lies in memory", "[core]") {
  std::mt19937 random{2};
  const auto bytes = random_bytes(random, 4096);
  for (std::size_t begin = 0; begin < 40; ++begin) {
    for (std::size_t size = 100; size < 400; ++size) {
      const std::vector<std::byte> piece{bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                         bytes.begin() + static_cast<std::ptrdiff_t>(begin + size)};
      InternetChecksum sum;
      sum.add(std::span{bytes}.subspan(begin, size));
      REQUIRE(sum.value() == reference(piece));
    }
  }
  const std::vector<std::byte> ones(65534, std::byte{0xff});  // as large as sums get
  InternetChecksum largest;
  largest.add(ones);
  CHECK(largest.value() == reference(ones));
}

TEST_CASE("an incremental update equals a full computation", "[core]") {
  for (std::uint32_t before = 0; before < 0x10000; before += 251) {
    for (std::uint32_t after = 0; after < 0x10000; after += 257) {
      std::vector<std::byte> bytes{std::byte{0x45}, std::byte{0x12}, std::byte{0}, std::byte{0}};
      const auto put = [&](std::uint32_t word) {
        bytes[2] = static_cast<std::byte>(word >> 8U);
        bytes[3] = static_cast<std::byte>(word & 0xffU);
      };
      put(before);
      const auto old = reference(bytes);
      put(after);
      const auto updated = update_checksum(old, static_cast<std::uint16_t>(before), static_cast<std::uint16_t>(after));
      if (updated != reference(bytes)) FAIL(before << " -> " << after);
    }
  }
  CHECK(update_checksum(0x1234, 7, 7) == 0x1234);
}

TEST_CASE("SipHash-2-4 agrees with its authors' test vector", "[core]") {
  const SipKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  std::vector<std::byte> bytes;
  for (unsigned i = 0; i < 15; ++i) bytes.push_back(static_cast<std::byte>(i));
  CHECK(siphash(key, bytes) == 0xa129ca6149be45e5U);
}

TEST_CASE("the checksum over a fixed header is that over its bytes", "[core]") {
  std::mt19937 random{1071};
  const auto check = [&]<std::size_t size>(std::integral_constant<std::size_t, size>) {
    for (int i = 0; i < 2000; ++i) {
      std::array<std::byte, size> header{};
      // Mostly ones, so that carries run.
      for (auto& byte : header) byte = random() % 3 == 0 ? static_cast<std::byte>(random() & 0xffU) : std::byte{0xff};
      REQUIRE(checksum_of(header) == reference({header.begin(), header.end()}));
    }
  };
  check(std::integral_constant<std::size_t, 4>{});
  check(std::integral_constant<std::size_t, 8>{});
  check(std::integral_constant<std::size_t, 20>{});
  check(std::integral_constant<std::size_t, 24>{});
  CHECK(checksum_of(std::array<std::byte, 20>{}) == 0xffff);
}
