#include "observe.hpp"

#include <array>

#include <tapir/core/packet.hpp>

namespace tapir::arp {

void observe(const Context& context, LayerId layer, Direction direction, const Packet& packet, const Message& message) {
  if (context.observer == nullptr) return;
  const std::array fields{
      Field{"operation", std::string{name(message.operation)}}, Field{"sender hardware", to_string(message.sender_hardware)},
      Field{"sender protocol", to_string(message.sender_protocol.get())}, Field{"target hardware", to_string(message.target_hardware)},
      Field{"target protocol", to_string(message.target_protocol.get())}};
  context.observer->crossed(
      {layer, direction, context.now(), &packet, sizeof(Message), packet.size() - sizeof(Message), name(message.operation), fields});
}

}  // namespace tapir::arp
