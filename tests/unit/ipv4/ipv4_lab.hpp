#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tins/ip.h>
#include <tins/rawpdu.h>

#include <support/lab.hpp>
#include <tapir/ipv4/ipv4.hpp>

namespace tapir::test {

using namespace tapir::literals;
using namespace std::chrono_literals;
using network::Protocol;

/// What stands where ARP would: keeps each datagram with where it was sent.
class RecordingNeighbours final : public Encapsulator<arp::Send> {
 public:
  struct Sent {
    Bytes bytes;
    arp::Send to;
    PacketMeta meta;
    std::size_t chunks = 0;  ///< contiguous runs that the packet consisted of

    [[nodiscard]] Tins::IP parse() const {
      return Tins::IP{reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<std::uint32_t>(bytes.size())};
    }
    /// The data behind the header.
    [[nodiscard]] Bytes data() const {
      const auto header = static_cast<std::ptrdiff_t>(std::to_integer<std::size_t>(bytes[0] & std::byte{0xf}) * 4);
      return Bytes{bytes.begin() + header, bytes.end()};
    }
  };
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const arp::Send& to) override {
    if (failure) return fail(*failure);
    std::size_t chunks = 0;
    packet.for_each_chunk([&](auto) { ++chunks; });
    sent.push_back({packet.bytes(), to, packet.meta(), chunks});
    return {};
  }
  [[nodiscard]] std::vector<Sent> take() { return std::exchange(sent, {}); }
  /// The one datagram that was sent since the last call.
  [[nodiscard]] Sent take_one() {
    auto all = take();
    if (all.size() != 1) throw std::runtime_error{"expected one datagram, got " + std::to_string(all.size())};
    return std::move(all.front());
  }

  std::vector<Sent> sent;
  std::optional<Error> failure;  ///< what encapsulate() fails with
};

/// A transport that keeps what it is given.
class RecordingUpper final : public Demultiplexer<network::Received>, public network::ErrorReceiver {
 public:
  struct Item {
    Bytes bytes;
    network::Received from;
    Bytes options;
    ChecksumState checksum{};
  };
  struct Error {
    network::ErrorReport report;
    Bytes transport;
  };
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const network::Received& from) override {
    items.push_back({packet.bytes(), from, bytes_of(from.options), packet.meta().checksum});
    items.back().from.options = {};
    if (keep) kept.push_back(std::move(packet));
    return {};
  }
  [[nodiscard]] bool believes(const network::ErrorReport&) const override { return credulous; }
  void receive_error(const network::ErrorReport& report) override {
    errors.push_back({report, bytes_of(report.transport)});
    errors.back().report.transport = {};
  }

  std::vector<Item> items;
  std::vector<Error> errors;
  std::vector<Packet> kept;
  bool keep = false;
  bool credulous = true;  ///< what believes() says
};

/// What stands where ICMP would.
class RecordingErrorSender final : public network::ErrorSender {
 public:
  void send_error(Packet datagram, const Problem& problem) override { sent.push_back({datagram.bytes(), problem}); }
  void send_redirect(Packet datagram, IpAddress gateway) override { redirects.push_back({datagram.bytes(), gateway}); }
  struct Item {
    Bytes datagram;
    Problem problem;
  };
  struct Redirect {
    Bytes datagram;
    IpAddress gateway;
  };
  std::vector<Item> sent;
  std::vector<Redirect> redirects;
};

/// Computes the header checksum of raw bytes anew.
inline void fix_checksum(Bytes& bytes) {
  const std::size_t size = std::to_integer<std::size_t>(bytes[0] & std::byte{0xf}) * 4;
  bytes[10] = bytes[11] = std::byte{0};
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < size && i + 1 < bytes.size(); i += 2) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << 8U | std::to_integer<std::uint32_t>(bytes[i + 1]);
  }
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  bytes[10] = static_cast<std::byte>(~sum >> 8U & 0xffU);
  bytes[11] = static_cast<std::byte>(~sum & 0xffU);
}

/// A host 192.0.2.2/24 with everything around it recorded.
struct Ipv4Lab : Lab {
  explicit Ipv4Lab(const ipv4::Config& config = {}, std::vector<Ipv4Prefix> addresses = {"192.0.2.2/24"_prefix}, std::size_t mtu = 1500)
      : ip{context, config} {
    tap = add("tap0", std::move(addresses), wire, mtu);
    for (const auto protocol : {Protocol::udp, Protocol::tcp, Protocol::icmp, Protocol::igmp}) ip.attach(protocol, upper, &upper);
    ip.set_error_sender(&errors);
  }
  InterfaceIndex add(std::string name, std::vector<Ipv4Prefix> addresses, RecordingNeighbours& neighbours, std::size_t mtu = 1500) {
    return ip.add_interface({.name = std::move(name), .addresses = std::move(addresses), .mtu = mtu, .neighbours = &neighbours}).value();
  }

  /// A datagram from the wire.
  Accepted inject(std::span<const std::byte> datagram, LinkCast cast = LinkCast::unicast, InterfaceIndex interface = {}) {
    ethernet::Received from{};
    from.cast = cast;
    from.interface = interface;
    return ip.demultiplex(packet(datagram), from);
  }
  Accepted inject(Tins::IP datagram, LinkCast cast = LinkCast::unicast, InterfaceIndex interface = {}) {
    const bool unspecified = datagram.src_addr() == Tins::IPv4Address{};
    Bytes bytes = bytes_of(datagram.serialize());
    if (unspecified) {  // libtins fills in an address of the machine's own
      std::fill_n(bytes.begin() + 12, 4, std::byte{0});
      fix_checksum(bytes);
    }
    return inject(bytes, cast, interface);
  }
  /// Sends `size` bytes that count up.
  Result<> send(const network::Send& to, std::size_t size = 100) { return ip.encapsulate(packet(counting(size)), to); }
  Result<> send(Ipv4Address destination, std::size_t size = 100) {
    network::Send to;
    to.destination = destination;
    to.protocol = Protocol::udp;
    return send(to, size);
  }
  [[nodiscard]] static Bytes counting(std::size_t size, std::size_t from = 0) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((from + i) * 31 + (from + i) / 256);
    return bytes;
  }

  RecordingNeighbours wire;
  RecordingUpper upper;
  RecordingErrorSender errors;
  ipv4::Ipv4 ip;
  InterfaceIndex tap{};
};

/// Why a packet was dropped; Drop::count_ when it was not.
[[nodiscard]] inline Drop reason_of(const Accepted& accepted) { return accepted ? Drop::count_ : accepted.error(); }
/// What a call failed with; a default-made code when it did not.
[[nodiscard]] inline std::error_code error_of(const Result<>& result) { return result ? std::error_code{} : result.error(); }

/// A datagram as libtins builds it: UDP's protocol number with raw data.
[[nodiscard]] inline Tins::IP datagram(const std::string& destination, const std::string& source, const Bytes& data,
                                       Protocol protocol = Protocol::udp) {
  Tins::IP ip{destination, source};
  ip /= Tins::RawPDU{reinterpret_cast<const std::uint8_t*>(data.data()), static_cast<std::uint32_t>(data.size())};
  ip.protocol(static_cast<std::uint8_t>(protocol));
  ip.ttl(64);
  return ip;
}
[[nodiscard]] inline Tins::IP datagram(const Bytes& data) { return datagram("192.0.2.2", "192.0.2.1", data); }

/// The bytes of a fragment: `data` stands at `offset` of the whole.
[[nodiscard]] inline Bytes fragment_of(const Bytes& data, std::size_t offset, bool more, std::uint16_t id = 7,
                                       Protocol protocol = Protocol::udp, std::uint8_t tos = 0, const std::string& source = "192.0.2.1") {
  Tins::IP ip = datagram("192.0.2.2", source, data, protocol);
  ip.id(id);
  ip.tos(tos);
  Bytes bytes = bytes_of(ip.serialize());
  const auto field = static_cast<std::uint16_t>((more ? 0x2000U : 0U) | offset / 8);
  bytes[6] = static_cast<std::byte>(field >> 8U);
  bytes[7] = static_cast<std::byte>(field & 0xffU);
  bytes[9] = static_cast<std::byte>(protocol);
  fix_checksum(bytes);
  return bytes;
}
[[nodiscard]] inline Bytes part(const Bytes& whole, std::size_t begin, std::size_t end) {
  return Bytes{whole.begin() + static_cast<std::ptrdiff_t>(begin), whole.begin() + static_cast<std::ptrdiff_t>(end)};
}

/// A header with `options` of any kind, legal or not, in front of `data`; `options` is a multiple of four bytes.
[[nodiscard]] inline Bytes with_options(const Bytes& options, const Bytes& data, const std::string& destination = "192.0.2.2",
                                        const std::string& source = "192.0.2.1") {
  Bytes bytes = bytes_of(datagram(destination, source, data).serialize());
  bytes.insert(bytes.begin() + 20, options.begin(), options.end());
  bytes[0] = static_cast<std::byte>(0x45 + options.size() / 4);
  bytes[2] = static_cast<std::byte>(bytes.size() >> 8U);
  bytes[3] = static_cast<std::byte>(bytes.size() & 0xffU);
  fix_checksum(bytes);
  return bytes;
}

}  // namespace tapir::test
