#pragma once

#include <optional>
#include <string_view>

#include <tapir/core/addresses.hpp>

namespace tapir {

/// The address that `text` is, of whichever family: "192.0.2.1"; nullopt for anything else, names too. For those who know families no better than this.
[[nodiscard]] constexpr std::optional<IpAddress> parse_address(std::string_view text) noexcept {
  const auto v4 = Ipv4Address::parse(text);
  return v4 ? std::optional{IpAddress{*v4}} : std::nullopt;
}

}  // namespace tapir
