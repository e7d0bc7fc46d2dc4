#pragma once

#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>

#include <string>
#include <utility>

#include <support/fake_network.hpp>
#include <tapir/udp/udp.hpp>

namespace tapir::test {

using namespace literals;

inline constexpr Ipv4Address kOwn = "192.0.2.2"_ipv4;
inline constexpr Ipv4Address kSecondOwn = "198.51.100.7"_ipv4;
inline constexpr Ipv4Address kPeer = "192.0.2.1"_ipv4;
inline constexpr Port kOurPort{5000};
inline constexpr Port kPeerPort{6000};

/// An Udp on a network that records.
struct UdpLab : Lab {
  explicit UdpLab(udp::Config config = {}) : udp{context, network, config} {}

  [[nodiscard]] static network::Received from(IpAddress source, IpAddress destination) {
    return FakeNetwork::received(network::Protocol::udp, source, destination);
  }
  /// Hands up a datagram as if the network had brought it from `source` to `destination`.
  Accepted inject(const Bytes& datagram, IpAddress source = kPeer, IpAddress destination = kOwn) {
    return network.inject(datagram, from(source, destination));
  }

  FakeNetwork network{pool, {"192.0.2.2/24"_prefix, "198.51.100.7/24"_prefix}};
  udp::Udp udp;
};

/// A UDP datagram without its IPv4 header, as libtins writes it.
inline Bytes datagram(const Bytes& payload, Ipv4Address source = kPeer, Ipv4Address destination = kOwn, Port source_port = kPeerPort,
                      Port destination_port = kOurPort) {
  auto ip = Tins::IP(to_string(destination), to_string(source)) / Tins::UDP(destination_port.value(), source_port.value()) /
            Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(payload.data()), static_cast<std::uint32_t>(payload.size()));
  const Bytes whole = bytes_of(ip.serialize());
  return {whole.begin() + 20, whole.end()};
}
inline Bytes datagram(std::string_view payload, Ipv4Address source = kPeer, Ipv4Address destination = kOwn, Port source_port = kPeerPort,
                      Port destination_port = kOurPort) {
  return datagram(bytes_of(payload), source, destination, source_port, destination_port);
}

/// What libtins reads of a datagram of ours; it throws when it cannot.
inline Tins::UDP parsed(const Bytes& datagram) {
  return Tins::UDP{reinterpret_cast<const std::uint8_t*>(datagram.data()), static_cast<std::uint32_t>(datagram.size())};
}

/// The one's complement sum of pseudo-header and datagram (RFC 768), written the plain way; 0xffff when the checksum in it is good.
inline std::uint16_t plain_sum(const Bytes& datagram, Ipv4Address source, Ipv4Address destination) {
  std::uint64_t sum = 17 + datagram.size();
  for (const auto address : {source.value(), destination.value()}) sum += (address >> 16U) + (address & 0xffffU);
  for (std::size_t i = 0; i < datagram.size(); ++i) sum += std::to_integer<std::uint64_t>(datagram[i]) << (i % 2 == 0 ? 8U : 0U);
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(sum);
}

inline Bytes field(const Bytes& datagram, std::ptrdiff_t offset) { return {datagram.begin() + offset, datagram.begin() + offset + 2}; }
inline Bytes payload_of(const Bytes& datagram) { return {datagram.begin() + 8, datagram.end()}; }
inline void set_field(Bytes& datagram, std::size_t offset, std::size_t value) {
  datagram[offset] = static_cast<std::byte>(value >> 8U & 0xffU);
  datagram[offset + 1] = static_cast<std::byte>(value & 0xffU);
}
/// Writes the checksum that belongs to the datagram as it is now.
inline void fix_checksum(Bytes& datagram, Ipv4Address source = kPeer, Ipv4Address destination = kOwn) {
  set_field(datagram, 6, 0);
  const std::uint16_t sum = static_cast<std::uint16_t>(~plain_sum(datagram, source, destination));
  set_field(datagram, 6, sum == 0 ? 0xffff : sum);
}

inline Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 3);
  return bytes;
}

}  // namespace tapir::test
