#include "describe.hpp"

#include <fmt/format.h>

namespace tapir::icmp {

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

}  // namespace tapir::icmp
