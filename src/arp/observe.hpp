#pragma once

#include <tapir/arp/message.hpp>
#include <tapir/core/context.hpp>

namespace tapir::arp {

/// Tells the observer, if there is one, of a message that was just put together (down) or read (up) at the front of `packet`.
void observe(const Context& context, LayerId layer, Direction direction, const Packet& packet, const Message& message);

}  // namespace tapir::arp
