#include "fast_open_settings.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tapir::packetdrill {

namespace {

/// "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4": four words, each in memory as a little-endian machine has it.
std::optional<tcp::FastOpenKey> key_of(std::string_view text) {
  constexpr std::size_t kWords = 4;
  constexpr std::size_t kDigits = 8;
  if (text.size() < kWords * (kDigits + 1) - 1) return std::nullopt;
  tcp::FastOpenKey key{};
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::string_view digits = text.substr(i * (kDigits + 1), kDigits);
    std::uint32_t word = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), word, 16).ec != std::errc{}) return std::nullopt;
    for (std::size_t j = 0; j < sizeof(word); ++j) key[i * sizeof(word) + j] = static_cast<std::byte>(word >> (8 * j) & 0xffU);
  }
  return key;
}

}  // namespace

bool MetricsFlush::happened() {
  std::error_code none;
  const std::uintmax_t size = std::filesystem::file_size(file_, none);
  return !none && std::exchange(size_, size) != size;
}

void read_fast_open(const std::filesystem::path& directory, tcp::Config& config) {
  if (std::ifstream in{directory / "tcp_fastopen"}; in >> config.fast_open) {}
  if (long long seconds = 0; std::ifstream{directory / "tcp_fastopen_blackhole_timeout_sec"} >> seconds) {
    config.fast_open_blackhole_timeout = std::chrono::seconds{seconds};
  }
  std::ifstream in{directory / "tcp_fastopen_key"};
  std::string keys;
  if (!(in >> keys)) return;
  const std::size_t comma = keys.find(',');
  if (const auto primary = key_of(std::string_view{keys}.substr(0, comma))) {
    config.fast_open_keys = tcp::FastOpenKeys{.primary = *primary};
    if (comma != std::string::npos) config.fast_open_keys->backup = key_of(std::string_view{keys}.substr(comma + 1));
  }
}

}  // namespace tapir::packetdrill
