#pragma once

#include <functional>

#include <tapir/core/packet.hpp>

namespace tapir::link {

/// Completes a partial transport checksum (ChecksumState::partial): the field holds the pseudo-header's sum, meta().transport says where the
/// transport header starts. Does nothing to other packets. UDP's checksum of zero is written as 0xFFFF, since zero means none there (RFC 768).
void complete_checksum(Packet& packet);

/// Cuts a TCP super-segment (GsoKind::tcp4) into the packets that TCP would have sent one by one: at most meta().gso_size payload bytes
/// each, IPv4 total length, identification and header checksum, TCP sequence number, flags (FIN and PSH only on the last, CWR only on the
/// first) and a complete TCP checksum. What lies before the network header is repeated on each. Payload is shared, not copied.
/// A packet that is no super-segment is passed on as it is, its checksum completed.
void split(Packet packet, const std::function<void(Packet)>& take);

}  // namespace tapir::link
