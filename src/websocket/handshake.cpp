#include "handshake.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <ranges>
#include <span>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace tapir::websocket {

namespace {

constexpr std::size_t kLongestHead = 16U << 10U;

char lower(char letter) noexcept { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

bool same_word(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::string base64(std::span<const unsigned char> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // with the zero that EVP_EncodeBlock puts behind
  text.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()))));
  return text;
}

/// The fields of the head that a WebSocket needs; those that occur several times are joined (RFC 9110 section 5.3).
struct Fields {
  std::optional<std::string> upgrade, connection, accept, protocol, extensions;

  [[nodiscard]] std::optional<std::string>* find(std::string_view name) {
    if (same_word(name, "upgrade")) return &upgrade;
    if (same_word(name, "connection")) return &connection;
    if (same_word(name, "sec-websocket-accept")) return &accept;
    if (same_word(name, "sec-websocket-protocol")) return &protocol;
    if (same_word(name, "sec-websocket-extensions")) return &extensions;
    return nullptr;
  }
  void add(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    auto* const field = find(line.substr(0, colon));
    if (field == nullptr) return;
    const auto value = trimmed(line.substr(colon + 1));
    *field = *field ? **field + "," + std::string{value} : std::string{value};
  }
};

bool has_token(const std::optional<std::string>& list, std::string_view token) {
  if (!list) return false;
  return std::ranges::any_of(std::views::split(*list, ','),
                             [&](auto part) { return same_word(trimmed(std::string_view{part.begin(), part.end()}), token); });
}

/// "HTTP/1.1 101 Switching Protocols": 101.
std::optional<int> status_of(std::string_view line) {
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ') return std::nullopt;
  int status = 0;
  const auto read = std::from_chars(line.data() + 9, line.data() + 12, status);
  if (read.ec != std::errc{} || read.ptr != line.data() + 12 || status < 100) return std::nullopt;
  return status;
}

}  // namespace

std::string make_key(Random& random) {
  std::array<unsigned char, 16> bytes{};
  const std::array<std::uint64_t, 2> numbers{random.next(), random.next()};
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return base64(bytes);
}

std::string accept_for(std::string_view key) {
  const auto text = std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64(std::span{digest}.first(size));
}

bool is_valid(const ClientConfig& config) {
  const auto plain = [](const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char letter) { return letter > 0x20 && letter < 0x7f; });
  };
  return plain(config.host) && plain(config.path) && config.path.front() == '/' && plain(config.subprotocol) && plain(config.user_agent);
}

std::string request_for(const ClientConfig& config, std::string_view key) {
  return fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {}\r\nUser-Agent: {}\r\n\r\n",
      config.path, config.host, key, config.subprotocol, config.user_agent);
}

Result<std::size_t> head_size(std::string_view received) {
  const auto end = received.find("\r\n\r\n");
  if (end == std::string_view::npos && received.size() > kLongestHead) return fail(Error::response_too_long);
  return end == std::string_view::npos ? 0 : end + 4;
}

Result<> check_response(std::string_view head, std::string_view key, std::string_view subprotocol) {
  const auto status = status_of(head.substr(0, head.find("\r\n")));
  if (!status) return fail(Error::not_http);
  if (*status != 101) return fail({*status, status_category()});
  Fields fields;
  for (auto line : std::views::split(head, std::string_view{"\r\n"})) fields.add({line.begin(), line.end()});
  if (!fields.upgrade || !same_word(*fields.upgrade, "websocket") || !has_token(fields.connection, "upgrade"))
    return fail(Error::not_upgraded);
  if (fields.accept != accept_for(key)) return fail(Error::bad_accept);
  if (fields.extensions) return fail(Error::unwanted_extension);
  if (fields.protocol != subprotocol) return fail(Error::no_subprotocol);
  return {};
}

}  // namespace tapir::websocket
