#include "observe.hpp"

#include <array>
#include <string>

#include <fmt/format.h>

#include <tapir/core/packet.hpp>

namespace tapir::arp {

namespace {

/// "who has 192.0.2.1? tell 192.0.2.2"
std::string in_words(const Message& message) {
  const std::string sender = to_string(message.sender_protocol.get());
  const std::string target = to_string(message.target_protocol.get());
  switch (message.operation.get()) {
    case Operation::request:
      if (message.sender_protocol.get().is_unspecified()) return fmt::format("does anybody have {}?", target);
      if (sender == target) return fmt::format("I am {}, at {}", sender, to_string(message.sender_hardware));
      return fmt::format("who has {}? tell {}", target, sender);
    case Operation::reply: return fmt::format("{} is at {}", sender, to_string(message.sender_hardware));
    case Operation::reverse_request: return fmt::format("which address has {}?", to_string(message.target_hardware));
    case Operation::reverse_reply: return fmt::format("{} has {}", to_string(message.target_hardware), target);
  }
  return {};
}

}  // namespace

void observe(const Context& context, LayerId layer, Direction direction, const Packet& packet, const Message& message) {
  if (context.observer == nullptr) return;
  const std::array fields{
      Field{"operation", std::string{name(message.operation)}}, Field{"sender hardware", to_string(message.sender_hardware)},
      Field{"sender protocol", to_string(message.sender_protocol.get())}, Field{"target hardware", to_string(message.target_hardware)},
      Field{"target protocol", to_string(message.target_protocol.get())}};
  context.observer->crossed({layer, direction, context.now(), &packet, sizeof(Message), packet.size() - sizeof(Message),
                             name(message.operation), fields, in_words(message)});
}

}  // namespace tapir::arp
