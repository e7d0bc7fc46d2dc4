#include "payload.hpp"

#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>

#include <fmt/format.h>

namespace tool {

namespace {

std::string all_of(std::istream& stream) { return {std::istreambuf_iterator<char>{stream}, {}}; }

}  // namespace

std::expected<tapir::mqtt::Payload, std::string> read_payload(const PayloadOptions& options) {
  using tapir::mqtt::Payload;
  if (options.message) return Payload{std::string_view{*options.message}};
  if (options.whole_input) return Payload{std::string_view{all_of(std::cin)}};
  if (options.file.empty()) return Payload{};
  errno = 0;
  std::ifstream file{options.file, std::ios::binary};
  if (!file) return std::unexpected{fmt::format("{}: {}", options.file, std::generic_category().message(errno))};
  auto text = all_of(file);
  if (file.bad() || (text.empty() && file.fail() && !file.eof())) return std::unexpected{options.file + ": cannot be read"};
  return Payload{std::string_view{text}};
}

}  // namespace tool
