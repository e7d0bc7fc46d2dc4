#include "raw_tap.hpp"

#include <utility>

#include "raw_socket.hpp"

namespace tapir::posix::detail {

RawTap::RawTap(Stack& stack) : stack_{stack} { stack.ipv4().attach(network::Protocol::icmp, *this, this); }

RawTap::~RawTap() { stack_.ipv4().attach(network::Protocol::icmp, stack_.icmp(), &stack_.icmp()); }

Accepted RawTap::demultiplex(Packet&& packet, const network::Received& from) {
  for (RawSocket* socket : sockets_) socket->offer(packet, from);
  return stack_.icmp().demultiplex(std::move(packet), from);
}

bool RawTap::believes(const network::ErrorReport& report) const { return stack_.icmp().believes(report); }

void RawTap::receive_error(const network::ErrorReport& report) {
  for (RawSocket* socket : sockets_) socket->hear(report);
  stack_.icmp().receive_error(report);
}

}  // namespace tapir::posix::detail
