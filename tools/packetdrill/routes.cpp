#include "routes.hpp"

#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>

namespace tapir::packetdrill {

namespace {

constexpr Ipv4Prefix kEverywhere{Ipv4Address{}, 0};

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

/// "default", "192.0.2.0/24" or "192.0.2.1".
std::optional<Ipv4Prefix> destination_of(const std::string& word) {
  if (word == "default") return kEverywhere;
  return Ipv4Prefix::parse(word);
}

std::optional<RouteSetting> route_of(const std::string& line) {
  std::istringstream words{line};
  std::string word;
  if (!(words >> word)) return std::nullopt;
  const auto destination = destination_of(word);
  if (!destination) return std::nullopt;  // "unreachable ...", for instance
  ipv4::RouteOptions options;
  while (words >> word) {
    if (word == "mtu") {
      if (words >> word && word == "lock") words >> word;  // the kernel believes no ICMP message then
      options.mtu = number<std::uint32_t>(word);
    } else if (word == "advmss" && words >> word) {
      options.advmss = number<std::uint16_t>(word);
    }
  }
  if (!options.mtu && !options.advmss) return std::nullopt;
  return RouteSetting{.destination = *destination, .options = options};
}

}  // namespace

std::vector<RouteSetting> parse_routes(std::string_view text) {
  std::vector<RouteSetting> found;
  std::istringstream lines{std::string{text}};
  for (std::string line; std::getline(lines, line);) {
    if (const auto route = route_of(line)) found.push_back(*route);
  }
  return found;
}

void Routes::apply(ipv4::Ipv4& ipv4, InterfaceIndex interface) {
  std::ifstream in{file_};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (text == text_) return;
  for (const RouteSetting& former : applied_) (void)ipv4.remove_route(former.destination);
  (void)ipv4.add_route(kEverywhere, interface);
  applied_ = parse_routes(text);
  text_ = std::move(text);
  for (const RouteSetting& route : applied_) (void)ipv4.add_route(route.destination, interface, route.options);
}

}  // namespace tapir::packetdrill
