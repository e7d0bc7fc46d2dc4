#pragma once

#include <utility>
#include <vector>

#include <support/lab.hpp>

#include <tapir/ethernet/ethernet.hpp>

namespace tapir::test {

using namespace tapir::literals;

inline constexpr MacAddress kOwn = "02:00:5e:10:00:01"_mac;
inline constexpr MacAddress kPeer = "02:00:5e:10:00:02"_mac;
inline constexpr MacAddress kStranger = "02:00:5e:10:00:99"_mac;

/// Keeps what Ethernet hands up.
class UpperLayer final : public Demultiplexer<ethernet::Received> {
 public:
  struct Delivery {
    Bytes payload;
    ethernet::Received from;
    PacketMeta meta;
  };
  Accepted demultiplex(Packet&& packet, const ethernet::Received& from) override {
    deliveries.push_back({packet.bytes(), from, packet.meta()});
    return {};
  }
  [[nodiscard]] std::vector<Delivery> take() { return std::exchange(deliveries, {}); }

  std::vector<Delivery> deliveries;
};

/// One station: a link that records, Ethernet on it, and takers for IPv4 and ARP.
struct Station {
  explicit Station(ethernet::Config config = {.address = kOwn}, link::Capabilities capabilities = {})
      : link{lab.pool, capabilities}, ethernet{lab.context, link, std::move(config)} {
    ethernet.attach(ethernet::EtherType::ipv4, ip);
    ethernet.attach(ethernet::EtherType::arp, arp);
  }

  /// Sends `payload` to the peer as IPv4.
  Result<> send(std::span<const std::byte> payload, ethernet::Send to = {.destination = kPeer, .type = ethernet::EtherType::ipv4}) {
    return ethernet.encapsulate(lab.packet(payload), to);
  }
  /// The frame that must be there alone.
  [[nodiscard]] Bytes sent_frame() {
    auto frames = link.take();
    return frames.size() == 1 ? frames.front() : Bytes{};
  }
  [[nodiscard]] std::uint64_t drops(Drop reason) const { return ethernet.drops()[reason]; }

  Lab lab;
  RecordingLink link;
  UpperLayer ip;
  UpperLayer arp;
  ethernet::Ethernet ethernet;
};

/// A frame from parts, without padding.
inline Bytes frame_of(MacAddress destination, MacAddress source, std::uint16_t type, std::span<const std::byte> payload) {
  const ethernet::Header header{destination, source, static_cast<ethernet::EtherType>(type)};
  Bytes frame = bytes_of(std::span{reinterpret_cast<const std::byte*>(&header), sizeof(header)});
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/// `size` bytes that are all different from padding.
inline Bytes filled(std::size_t size, std::uint8_t value = 0xa5) { return Bytes(size, std::byte{value}); }

/// Bytes [from, from + count) of `bytes`.
inline Bytes part(const Bytes& bytes, std::size_t from, std::size_t count) {
  const auto view = std::span{bytes}.subspan(from, count);
  return Bytes{view.begin(), view.end()};
}

/// The bytes as libtins takes them.
inline const std::uint8_t* raw(const Bytes& bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

}  // namespace tapir::test
