#include "header.hpp"

#include <array>
#include <expected>
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

Accepted parse(const Header& header, std::size_t segment_size, Segment& segment) noexcept {
  const std::size_t header_size = header.header_size();
  if (unlikely(header_size < sizeof(Header))) return std::unexpected{Drop::bad_header};
  if (unlikely(header_size > segment_size)) return std::unexpected{Drop::bad_length};
  segment.seq = header.sequence;
  segment.ack = header.acknowledgment;
  segment.flags = header.flags;
  segment.window = header.window;
  segment.urgent = header.urgent_pointer;
  segment.payload_size = static_cast<std::uint32_t>(segment_size - header_size);
  return {};
}

}  // namespace tapir::tcp
