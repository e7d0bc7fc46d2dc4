#include "raw_tap.hpp"

#include <utility>

#include "raw_socket.hpp"

namespace tapir::posix::detail {

RawTap::RawTap(Stack& stack) : stack_{stack} { stack.ipv4().attach(network::Protocol::icmp, *this, &stack.icmp()); }

RawTap::~RawTap() { stack_.ipv4().attach(network::Protocol::icmp, stack_.icmp(), &stack_.icmp()); }

Accepted RawTap::demultiplex(Packet packet, const network::Received& from) {
  for (RawSocket* socket : sockets_) socket->offer(packet, from);
  return stack_.icmp().demultiplex(std::move(packet), from);
}

}  // namespace tapir::posix::detail
