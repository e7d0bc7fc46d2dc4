#include "url.hpp"

#include <charconv>

namespace tool {

namespace {

std::optional<std::string> unescape(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      plain.push_back(text[at]);
      continue;
    }
    unsigned value = 0;
    if (at + 2 >= text.size()) return std::nullopt;
    const char* const end = text.data() + at + 3;
    const auto read = std::from_chars(text.data() + at + 1, end, value, 16);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    plain.push_back(static_cast<char>(value));
    at += 2;
  }
  return plain;
}

bool take_user(Url& url, std::string_view user) {
  const auto colon = user.find(':');
  url.user_name = unescape(user.substr(0, colon));
  if (!url.user_name) return false;
  if (colon == std::string_view::npos) return true;
  url.password = unescape(user.substr(colon + 1));
  return url.password.has_value();
}

bool take_port(Url& url, std::string_view text) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || port == 0) return false;
  url.port = port;
  return true;
}

}  // namespace

std::expected<Url, std::string> parse_url(std::string_view text) {
  Url url;
  const auto scheme_end = text.find("://");
  const auto scheme = text.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos || (scheme != "mqtt" && scheme != "mqtts" && scheme != "ws" && scheme != "wss"))
    return std::unexpected{"it must begin with mqtt://, mqtts://, ws:// or wss://"};
  url.websocket = scheme.starts_with("ws");
  url.tls = scheme.ends_with('s') && scheme != "ws";
  text.remove_prefix(scheme_end + 3);
  const auto slash = text.find('/');
  auto authority = text.substr(0, slash);
  if (slash != std::string_view::npos) url.path = text.substr(slash + 1);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    if (!take_user(url, authority.substr(0, at))) return std::unexpected{"a '%' that is not followed by two hexadecimal digits"};
    authority.remove_prefix(at + 1);
  }
  auto host_end = authority.rfind(':');
  if (authority.starts_with('[')) {
    const auto bracket = authority.find(']');
    if (bracket == std::string_view::npos) return std::unexpected{"an IPv6 address without its closing bracket"};
    url.host = authority.substr(1, bracket - 1);
    host_end = bracket + 1 < authority.size() ? bracket + 1 : std::string_view::npos;
    if (host_end != std::string_view::npos && authority[host_end] != ':') return std::unexpected{"something behind the IPv6 address"};
  } else {
    url.host = authority.substr(0, host_end);
  }
  if (url.host.empty()) return std::unexpected{"no host"};
  if (host_end != std::string_view::npos && !take_port(url, authority.substr(host_end + 1))) return std::unexpected{"not a port"};
  return url;
}

}  // namespace tool
