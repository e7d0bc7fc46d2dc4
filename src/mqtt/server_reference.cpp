#include <tapir/mqtt/server_reference.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace tapir::mqtt {

namespace {

/// "name", "name:port", "[name]" or "[name]:port"; a name with a colon stands in brackets.
std::optional<ServerReference> parse(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const auto end = text.find(bracketed ? ']' : ':');
  if (bracketed && end == std::string_view::npos) return std::nullopt;
  const auto host = text.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
  auto rest = end == std::string_view::npos ? std::string_view{} : text.substr(end + (bracketed ? 1 : 0));
  if (host.empty()) return std::nullopt;
  if (rest.empty()) return ServerReference{std::string{host}, std::nullopt};
  if (!rest.starts_with(':')) return std::nullopt;
  rest.remove_prefix(1);
  std::uint16_t port = 0;
  const auto [stopped, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (error != std::errc{} || stopped != rest.data() + rest.size() || port == 0) return std::nullopt;
  return ServerReference{std::string{host}, Port{port}};
}

}  // namespace

std::vector<ServerReference> server_references(std::string_view list) {
  std::vector<ServerReference> references;
  while (!list.empty()) {
    const auto length = std::min(list.find(' '), list.size());
    if (auto reference = parse(list.substr(0, length))) references.push_back(std::move(*reference));
    list.remove_prefix(std::min(length + 1, list.size()));
  }
  return references;
}

}  // namespace tapir::mqtt
