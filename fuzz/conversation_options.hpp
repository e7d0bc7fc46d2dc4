#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tapir/sim/cable.hpp>
#include <tapir/tcp/settings.hpp>

namespace tapir::fuzz {

/// How long a connection lives at most while nobody answers, where it has a limit.
inline constexpr Duration kPatience = std::chrono::hours{1'000};
inline constexpr tcp::Keepalive kKeepalive{
    .on = true, .idle = std::chrono::seconds{10}, .interval = std::chrono::seconds{75}, .probes = 2};  // no answer takes that long
inline constexpr std::array kUserTimeouts{kPatience, Duration{std::chrono::seconds{100}}, Duration{std::chrono::seconds{300}}};
inline constexpr std::array kMtuModes{tcp::MtuProbingMode::off, tcp::MtuProbingMode::after_black_hole, tcp::MtuProbingMode::always};

[[nodiscard]] constexpr bool bit(std::uint8_t byte, unsigned number) noexcept { return (byte >> number & 1U) != 0; }

/// What the bytes before the events choose: [client: 3][server: 3][cable: 2][more of the client: 3][more of the server: 3][opening: 1][path: 1]. All zero is
/// the default of everything.
struct ConversationOptions {
  static constexpr std::size_t kSize = 16;

  explicit ConversationOptions(std::span<const std::uint8_t, kSize> bytes);

  std::array<tcp::Config, 2> tcp;  ///< client, server
  sim::CableConfig cable;
  tcp::ConnectOptions connect;
  tcp::ListenOptions listen;
  bool first_for_cookie = false;  ///< a connection before the one that counts brings the client a Fast Open cookie
  std::size_t black_hole = 0;     ///< longer datagrams vanish without a word; 0: none do
};

}  // namespace tapir::fuzz
