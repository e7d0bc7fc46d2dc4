#include "command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace example {

Console::Console(std::string program) : program_{std::move(program)} { std::setvbuf(stdout, nullptr, _IOLBF, 0); }

void Console::write(std::string_view text) {
  if (!ok()) return;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size()) output_error_ = errno != 0 ? errno : EIO;
}

void Console::note(std::string_view text) const { std::fputs(fmt::format("{}: {}\n", program_, text).c_str(), stderr); }

int Console::fail(std::string_view why) {
  if (!std::exchange(failed_, true)) note(why);
  return 1;
}

int Console::end(int code) {
  errno = 0;
  if (std::fflush(stdout) != 0 && ok()) output_error_ = errno;
  return ok() ? code : fail(fmt::format("cannot write to standard output: {}", std::strerror(output_error_)));
}

bool is_host(tapir::Ipv4Address address, tapir::Ipv4Prefix own) {
  if (address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_reserved() ||
      address.is_limited_broadcast())
    return false;
  return own.length() >= 31 || (address != own.network() && address != *own.broadcast());
}

namespace {

/// Without "/n" the host would take itself to be alone on the link.
std::string check_address(const std::string& text) {
  if (!text.contains('/')) return "needs the network's prefix length: " + text + "/24";
  const auto prefix = tapir::Ipv4Prefix::parse(text);
  if (!prefix) return "not an IPv4 address with prefix length";
  return is_host(prefix->address(), *prefix) ? std::string{} : text + " is no address that a host can have";
}

std::string check_gateway(const std::string& text) {
  return tapir::Ipv4Address::parse(text) ? std::string{} : std::string{"not an IPv4 address"};
}

std::string check_mac(const std::string& text) {
  const auto mac = tapir::MacAddress::parse(text);
  if (!mac) return "not a hardware address";
  return mac->is_group() || mac->is_zero() ? text + " is no hardware address that one host can have" : std::string{};
}

}  // namespace

void Interface::add_options(CLI::App& app) {
  app.add_option("--tap", tap, "TAP device, opened or created")->required();
  app.add_option("--address", address, "own address and network: 192.0.2.2/24")->required()->check(check_address);
  app.add_option("--gateway", gateway, "default gateway")->check(check_gateway);
  app.add_option("--mac", mac, "own hardware address; random by default")->check(check_mac);
}

std::string Interface::problem() const {
  if (gateway.empty()) return {};
  const auto router = *tapir::Ipv4Address::parse(gateway);
  if (!prefix().contains(router)) return fmt::format("--gateway: {} is not in the network of {}", gateway, address);
  if (router == prefix().address() || !is_host(router, prefix()))
    return fmt::format("--gateway: {} is no neighbour of {}", gateway, address);
  return {};
}

tapir::Ipv4Prefix Interface::prefix() const { return *tapir::Ipv4Prefix::parse(address); }

tapir::StackConfig Interface::config() const {
  tapir::StackConfig config{.address = prefix()};
  if (!gateway.empty()) config.gateway = tapir::Ipv4Address::parse(gateway);
  if (!mac.empty()) config.mac = tapir::MacAddress::parse(mac);
  return config;
}

std::optional<int> parse(CLI::App& app, int argc, char** argv, const Console& console, const std::function<std::string()>& problem) {
  std::string wrong;
  try {
    app.parse(argc, argv);
    wrong = problem();
    if (wrong.empty()) return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    wrong = error.what();
  }
  std::ranges::replace(wrong, '\n', ' ');
  console.note(fmt::format("{} (see {} --help)", wrong, console.program()));
  return 2;
}

}  // namespace example
