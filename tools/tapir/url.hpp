#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace tool {

/// What -L says.
struct Url {
  bool tls = false;
  bool websocket = false;
  std::string host;  ///< an IPv6 address without its brackets
  std::optional<std::uint16_t> port;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
  std::string path;  ///< behind the first slash: the topic, or the path of a WebSocket
};

/// Takes "mqtts://user:password@host:8883/topic" apart; %20 and the like stand for their bytes in the user's name and password. What is
/// wrong with it otherwise.
[[nodiscard]] std::expected<Url, std::string> parse_url(std::string_view text);

}  // namespace tool
