#include <tapir/arp/neighbour.hpp>

#include <iterator>

#include <fmt/format.h>

namespace tapir::arp {

namespace {
constexpr auto kRow = FMT_STRING("{:<24} {:<7} {:<19} {:<5} {:<15} {}\n");
}  // namespace

std::string format_table(std::span<const Neighbour> neighbours, std::string_view interface) {
  std::string table = fmt::format(kRow, "Address", "HWtype", "HWaddress", "Flags", "Mask", "Iface");
  for (const Neighbour& neighbour : neighbours) {
    const std::string address = to_string(neighbour.address);
    if (!neighbour.hardware) {
      fmt::format_to(std::back_inserter(table), kRow, address, "", "(incomplete)", "", "", interface);
      continue;
    }
    const auto flags = neighbour.state == NeighbourState::permanent ? "CM" : "C";
    fmt::format_to(std::back_inserter(table), kRow, address, "ether", to_string(*neighbour.hardware), flags, "", interface);
  }
  return table;
}

}  // namespace tapir::arp
