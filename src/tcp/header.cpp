#include "header.hpp"

#include <array>
#include <string_view>
#include <utility>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

std::string to_string(Flags flags) {
  static constexpr std::array<std::pair<Flags, std::string_view>, 8> kNames{{{Flags::syn, "SYN"},
                                                                             {Flags::fin, "FIN"},
                                                                             {Flags::rst, "RST"},
                                                                             {Flags::psh, "PSH"},
                                                                             {Flags::ack, "ACK"},
                                                                             {Flags::urg, "URG"},
                                                                             {Flags::ece, "ECE"},
                                                                             {Flags::cwr, "CWR"}}};
  std::string text;
  for (const auto& [flag, name] : kNames) {
    if (!has(flags, flag)) continue;
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text.empty() ? "none" : text;
}

std::expected<Segment, Drop> parse(const Header& header, std::size_t segment_size) noexcept {
  const std::size_t header_size = header.header_size();
  if (unlikely(header_size < sizeof(Header))) return std::unexpected{Drop::bad_header};
  if (unlikely(header_size > segment_size)) return std::unexpected{Drop::bad_length};
  return Segment{.seq = header.sequence,
                 .ack = header.acknowledgment,
                 .flags = header.flags,
                 .window = header.window,
                 .urgent = header.urgent_pointer,
                 .payload_size = static_cast<std::uint32_t>(segment_size - header_size)};
}

}  // namespace tapir::tcp
