#pragma once

#include <tins/icmp.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <support/fake_network.hpp>
#include <tapir/icmp/icmp.hpp>

namespace tapir::test {

using namespace literals;

using Octets = std::initializer_list<std::uint8_t>;

inline constexpr Ipv4Address kOwn = "192.0.2.2"_ipv4;
inline constexpr Ipv4Address kSecondOwn = "198.51.100.7"_ipv4;
inline constexpr Ipv4Address kPeer = "192.0.2.1"_ipv4;

/// What the network layer is told of received errors.
struct RecordingErrors final : network::ErrorConsumer {
  struct Delivered {
    network::Protocol quoted;
    network::ErrorReport report;  ///< its transport is empty
    Bytes transport;
  };
  struct Redirect {
    IpAddress destination;
    IpAddress gateway;
    IpAddress from;
  };
  void deliver_error(network::Protocol quoted, const network::ErrorReport& report) override {
    delivered.push_back({quoted, report, Bytes{report.transport.begin(), report.transport.end()}});
    delivered.back().report.transport = {};
  }
  void redirect(IpAddress destination, IpAddress gateway, IpAddress from) override { redirects.push_back({destination, gateway, from}); }

  std::vector<Delivered> delivered;
  std::vector<Redirect> redirects;
};

/// An Icmp between a network that records and a consumer of errors that records.
struct IcmpLab : Lab {
  explicit IcmpLab(icmp::Config config = {}) : icmp{context, network, errors, config} {}

  /// Hands up a message as if `source` had sent it to `destination`.
  Accepted inject(std::span<const std::byte> message, IpAddress source = kPeer, IpAddress destination = kOwn) {
    return network.inject(message, FakeNetwork::received(network::Protocol::icmp, source, destination));
  }

  FakeNetwork network{pool, {"192.0.2.2/24"_prefix, "198.51.100.7/24"_prefix}};
  RecordingErrors errors;
  icmp::Icmp icmp;
};

/// The bytes that libtins writes.
inline Bytes serialized(Tins::PDU& pdu) { return bytes_of(pdu.serialize()); }
/// A message that libtins reads from bytes of ours; it throws when it cannot.
inline Tins::ICMP parsed(const Bytes& message) {
  return Tins::ICMP{reinterpret_cast<const std::uint8_t*>(message.data()), static_cast<std::uint32_t>(message.size())};
}
/// What follows the 8 bytes of header.
inline Bytes body(const Bytes& message) { return {message.begin() + 8, message.end()}; }

inline Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 3);
  return bytes;
}

inline Bytes echo_request(std::uint16_t identifier, std::uint16_t sequence, const Bytes& data) {
  Tins::ICMP request{Tins::ICMP::ECHO_REQUEST};
  request.id(identifier);
  request.sequence(sequence);
  auto message = request / Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(data.data()), static_cast<std::uint32_t>(data.size()));
  return serialized(message);
}

/// RFC 1071, written the plain way: whether the 16-bit words sum to all ones.
inline bool checksum_good(const Bytes& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << 8U;
    if (i + 1 < bytes.size()) sum += std::to_integer<std::uint32_t>(bytes[i + 1]);
  }
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return sum == 0xffffU;
}

/// Any ICMP message with a good checksum: header words and body as given.
inline Bytes message(std::uint8_t type, std::uint8_t code, std::uint32_t rest, const Bytes& content = {}) {
  Bytes bytes{std::byte{type}, std::byte{code}, std::byte{0}, std::byte{0}};
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<std::byte>(rest >> shift & 0xffU));
  bytes.insert(bytes.end(), content.begin(), content.end());
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8U : 0U);
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  sum = ~sum & 0xffffU;
  bytes[2] = static_cast<std::byte>(sum >> 8U);
  bytes[3] = static_cast<std::byte>(sum & 0xffU);
  return bytes;
}

/// A UDP datagram with its IPv4 header, as libtins writes it: what an error quotes.
inline Bytes udp_datagram(Ipv4Address source, Ipv4Address destination, const std::string& payload = "payload of some length",
                          std::uint8_t tos = 0) {
  auto ip = Tins::IP(to_string(destination), to_string(source)) / Tins::UDP(7777, 4444) / Tins::RawPDU(payload);
  ip.tos(tos);
  Bytes bytes = serialized(ip);
  if (source.is_unspecified())
    std::fill(bytes.begin() + 12, bytes.begin() + 16, std::byte{0});  // libtins puts an address of this machine there
  return bytes;
}

/// An ICMP message inside an IPv4 datagram.
inline Bytes icmp_datagram(Ipv4Address source, Ipv4Address destination, const Bytes& content) {
  auto ip = Tins::IP(to_string(destination), to_string(source)) /
            Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(content.data()), static_cast<std::uint32_t>(content.size()));
  ip.protocol(1);
  return serialized(ip);
}

}  // namespace tapir::test
