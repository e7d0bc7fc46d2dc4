#include "describe.hpp"

#include <fmt/format.h>

namespace tapir::icmp {

namespace {

/// RFC 792, RFC 1122 section 3.2.2.1.
std::string_view unreachable_in_words(std::uint8_t code) noexcept {
  switch (code) {
    case 0: return "network";
    case 1: return "host";
    case 2: return "protocol";
    case 3: return "port";
    case 5: return "source route failed";
    case 13: return "administratively prohibited";
    default: return "another reason";
  }
}

}  // namespace

std::string_view summary_of(Type type) noexcept {
  switch (type) {
    case Type::echo_reply: return "echo reply";
    case Type::destination_unreachable: return "destination unreachable";
    case Type::source_quench: return "source quench";
    case Type::redirect: return "redirect";
    case Type::echo_request: return "echo request";
    case Type::time_exceeded: return "time exceeded";
    case Type::parameter_problem: return "parameter problem";
    case Type::timestamp_request: return "timestamp request";
    case Type::timestamp_reply: return "timestamp reply";
  }
  return "ICMP message";
}

std::vector<Field> fields_of(const Header& header) {
  std::vector<Field> fields;
  fields.push_back({"type", fmt::format("{}", static_cast<unsigned>(header.type.get()))});
  fields.push_back({"code", fmt::format("{}", header.code.get())});
  fields.push_back({"checksum", fmt::format("0x{:04x}", header.checksum.get())});
  const std::uint32_t rest = header.rest;
  switch (header.type.get()) {
    case Type::echo_reply:
    case Type::echo_request:
    case Type::timestamp_request:
    case Type::timestamp_reply:
      fields.push_back({"identifier", fmt::format("0x{:04x}", identifier_of(rest))});
      fields.push_back({"sequence", fmt::format("{}", sequence_of(rest))});
      break;
    case Type::destination_unreachable:
      if (header.code == 4) fields.push_back({"next-hop MTU", fmt::format("{}", rest & 0xffffU)});
      break;
    case Type::redirect: fields.push_back({"gateway", to_string(Ipv4Address{rest})}); break;
    case Type::parameter_problem: fields.push_back({"pointer", fmt::format("{}", rest >> 24U)}); break;
    case Type::source_quench:
    case Type::time_exceeded: break;
  }
  return fields;
}

std::string in_words(const Header& header) {
  const std::uint32_t rest = header.rest;
  switch (header.type.get()) {
    case Type::echo_reply:
    case Type::echo_request:
    case Type::timestamp_request:
    case Type::timestamp_reply: return fmt::format("id 0x{:04x} seq {}", identifier_of(rest), sequence_of(rest));
    case Type::destination_unreachable:
      if (header.code == 4) return fmt::format("datagram too large, next-hop MTU {}", rest & 0xffffU);
      return std::string{unreachable_in_words(header.code)};
    case Type::time_exceeded: return header.code == 0 ? "time to live used up" : "fragments missing";
    case Type::redirect: return fmt::format("better gateway {}", to_string(Ipv4Address{rest}));
    case Type::parameter_problem: return fmt::format("at octet {}", rest >> 24U);
    case Type::source_quench: break;
  }
  return fmt::format("type {} code {}", static_cast<unsigned>(header.type.get()), header.code.get());
}

}  // namespace tapir::icmp
