#include <support/fake_network.hpp>

#include <algorithm>

#include <tapir/core/checksum.hpp>
#include <tapir/ipv4/source_route.hpp>

namespace tapir::test {

namespace {
/// RFC 768: completes a checksum field that holds the pseudo-header's sum.
void complete(Bytes& packet, const PacketMeta& meta) {
  if (meta.checksum != ChecksumState::partial || packet.size() < meta.checksum_offset + 2U) return;
  InternetChecksum sum;
  sum.add(packet);
  std::uint16_t value = sum.value();
  if (value == 0) value = 0xffff;
  packet[meta.checksum_offset] = static_cast<std::byte>(value >> 8U);
  packet[meta.checksum_offset + 1U] = static_cast<std::byte>(value & 0xffU);
}
}  // namespace

Result<> FakeNetwork::encapsulate(Packet&& packet, const network::Send& to) {
  if (while_sending) while_sending();
  if (failure && taken_before_failure == 0) return fail(*failure);
  if (failure) --taken_before_failure;
  if (!accepts) return fail(Error::would_block);
  Sent record{packet.bytes(), packet.bytes(), to, Bytes{to.options.begin(), to.options.end()}, to.source, packet.meta(), 0};
  packet.for_each_chunk([&](std::span<const std::byte> chunk) { record.last_run = reinterpret_cast<std::uintptr_t>(chunk.data()); });
  record.to.options = {};
  if (record.source.is_unspecified()) record.source = addresses.at(0).address();
  complete(record.packet, record.meta);
  sent.push_back(std::move(record));
  return {};
}

void FakeNetwork::attach(network::Protocol protocol, Demultiplexer<network::Received>& upper, network::ErrorReceiver* errors) {
  uppers_.insert_or_assign(protocol, Upper{&upper, errors});
}

Result<IpAddress> FakeNetwork::select_source(IpAddress destination) const {
  if (failure) return fail(*failure);
  for (const auto& own : addresses) {
    if (own.contains(destination.v4())) return own.address();
  }
  if (addresses.empty()) return fail(Error::address_not_available);
  return addresses.front().address();
}

bool FakeNetwork::is_own(IpAddress address) const noexcept {
  return std::any_of(addresses.begin(), addresses.end(), [&](const Ipv4Prefix& own) { return own.address() == address.v4(); });
}

bool FakeNetwork::is_group(IpAddress address) const noexcept {
  if (address.is_multicast() || address.v4().is_limited_broadcast()) return true;
  return std::any_of(addresses.begin(), addresses.end(), [&](const Ipv4Prefix& own) { return own.broadcast() == address.v4(); });
}

bool FakeNetwork::can_be_host(IpAddress address) const noexcept {
  return !address.is_unspecified() && !is_group(address) && !address.v4().is_reserved();
}

Result<std::vector<std::byte>> FakeNetwork::source_route(std::span<const IpAddress> hops) const {
  if (hops.size() > ipv4::max_source_route_hops) return fail(Error::invalid_argument);
  return ipv4::source_route_option(hops);
}

std::vector<std::byte> FakeNetwork::return_route(std::span<const std::byte> options, IpAddress sender) const {
  return ipv4::return_route_option(options, sender);
}

std::uint16_t FakeNetwork::pseudo_header_sum(IpAddress source, IpAddress destination, network::Protocol protocol,
                                             std::size_t transport_size) const noexcept {
  InternetChecksum sum;
  sum.add_long(source.v4().value());
  sum.add_long(destination.v4().value());
  sum.add_word(static_cast<std::uint16_t>(protocol));
  sum.add_word(static_cast<std::uint16_t>(transport_size));
  return sum.folded();
}

void FakeNetwork::refuse(Packet packet, const network::Received& from, network::Refusal why) {
  refused.push_back({packet.bytes(), from, why});
  refused.back().from.options = {};
}

Result<> FakeNetwork::join(IpAddress group, std::optional<InterfaceIndex> interface) {
  if (interface && *interface != InterfaceIndex{}) return fail(Error::no_such_device);  // it has one
  if (!group.is_multicast()) return fail(Error::invalid_argument);
  groups.insert(group);
  return {};
}

network::Received FakeNetwork::received(network::Protocol protocol, IpAddress source, IpAddress destination) {
  network::Received from;
  from.source = source;
  from.destination = destination;
  from.protocol = protocol;
  from.ttl = 64;
  return from;
}

Accepted FakeNetwork::inject(std::span<const std::byte> bytes, const network::Received& from) {
  Packet packet{pool_, bytes.size()};
  packet.append_copy(bytes);
  return inject(std::move(packet), from);
}

Accepted FakeNetwork::inject(Packet packet, const network::Received& from) {
  const auto found = uppers_.find(from.protocol);
  if (found == uppers_.end()) return std::unexpected{Drop::unknown_protocol};
  return found->second.upper->demultiplex(std::move(packet), from);
}

void FakeNetwork::report(network::Protocol quoted, const network::ErrorReport& report) {
  const auto found = uppers_.find(quoted);
  if (found == uppers_.end() || found->second.errors == nullptr) return;
  if (report.kind == network::ErrorKind::fragmentation_needed && found->second.errors->believes(report)) {
    mtu = std::min<std::size_t>(mtu, report.next_hop_mtu);
  }
  found->second.errors->receive_error(report);
}

}  // namespace tapir::test
