#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/ethernet/ether_type.hpp>
#include <tapir/link/link.hpp>

namespace tapir::ethernet {

/// 01-00-5E and the low 23 bits of the group address (RFC 1112 section 6.4).
[[nodiscard]] constexpr MacAddress group_address(Ipv4Address group) noexcept {
  const std::uint32_t v = group.value();
  return MacAddress{{0x01, 0x00, 0x5e, static_cast<std::uint8_t>(v >> 16U & 0x7fU), static_cast<std::uint8_t>(v >> 8U & 0xffU),
                     static_cast<std::uint8_t>(v & 0xffU)}};
}

/// How datagrams are framed on output. Both are understood on input (RFC 1122 section 2.3.3).
enum class Framing : std::uint8_t {
  ethernet_ii,  ///< RFC 894: a type field
  snap,         ///< RFC 1042: 802.3 length, 802.2 LLC, SNAP; the MTU is 8 bytes smaller
};

struct Config {
  MacAddress address{};        ///< the interface's own unicast address
  InterfaceIndex interface{};  ///< reported with every frame
  bool promiscuous = false;    ///< frames for other stations are handed up too
  bool pad = true;             ///< frames leave with at least 60 bytes (RFC 894)
  Framing framing = Framing::ethernet_ii;
  std::set<std::uint16_t> vlans{};  ///< VLAN identifiers whose tagged frames are accepted; empty: none
};

struct Stats {
  std::uint64_t in_frames = 0;   ///< accepted and handed up
  std::uint64_t in_bytes = 0;    ///< of all frames received, without FCS
  std::uint64_t out_frames = 0;  ///< taken by the link
  std::uint64_t out_bytes = 0;   ///< of those, without FCS
};

/// Ethernet II framing on one link (RFC 894), 802.3 with SNAP understood on input (RFC 1042), FCS where the link carries it.
/// The link must outlive it. One thread.
class Ethernet final : public Layer<Send, link::Received> {
 public:
  /// Attaches itself to `link` as its receiver.
  Ethernet(Context& context, link::Link& link, Config config);
  Ethernet(const Ethernet&) = delete;
  Ethernet& operator=(const Ethernet&) = delete;
  ~Ethernet() override;

  /// Frames of `type` go to `upper` from now on; it must outlive this or be detached.
  void attach(EtherType type, Demultiplexer<Received>& upper);
  void detach(EtherType type) noexcept {
    known_ = {};
    std::erase_if(uppers_, [type](const Upper& upper) { return upper.type == type; });
  }

  /// Frames to the multicast address `group` are accepted until as many leave() as join().
  void join(const MacAddress& group) { groups_.insert(group); }
  void leave(const MacAddress& group);

  /// Sends a frame: header, padding, and what the link does not do itself (splitting super-segments, checksums, FCS).
  /// Error::message_too_large beyond the MTU; Error::would_block when the link is full; what else the link says. The frame is then lost, and
  /// counted: Drop::oversized, queue_full or device_failed.
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const Send& to) override;
  [[nodiscard]] Accepted demultiplex(Packet&& frame, const link::Received& from) override;

  [[nodiscard]] const MacAddress& address() const noexcept { return config_.address; }
  /// Largest datagram in one frame, bytes: 1500, or 1492 with Framing::snap, on a usual link.
  [[nodiscard]] std::size_t mtu() const noexcept;
  /// Largest super-packet of this kind that the link takes whole, bytes; 0: each is split here.
  [[nodiscard]] std::size_t largest(GsoKind kind) const noexcept;
  [[nodiscard]] link::Link& link() noexcept { return link_; }
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  struct Upper {
    EtherType type{};
    Demultiplexer<Received>* receiver = nullptr;
  };
  /// The header of the last frame that was for this station alone, and what it said: mostly the next one's is the same.
  struct KnownHeader {
    Header header{};
    Received from{};
    Demultiplexer<Received>* receiver = nullptr;  ///< nullptr: none yet
  };

  [[nodiscard, gnu::noinline]] Result<> cut_and_transmit(Packet&& packet, const Send& to);
  [[nodiscard]] Result<> frame_and_transmit(Packet&& packet, const Send& to);
  [[nodiscard]] std::optional<LinkCast> cast_for_us(const MacAddress& destination) const;
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> drop(Drop reason) {
    return reject(context_, drops_, LayerId::ethernet, reason);
  }
  [[nodiscard, gnu::noinline]] Accepted take_header(Packet& frame, Received& from) const;
  [[nodiscard]] Accepted hand_up(Packet&& frame, std::size_t frame_size, const Received& from, Demultiplexer<Received>* receiver);
  [[nodiscard]] bool is_known(const Packet& frame) const noexcept;
  [[nodiscard]] Accepted take_more_headers(Packet& frame, Received& from) const;
  [[gnu::cold, gnu::noinline]] void show(Packet& frame, std::size_t header_size) const;
  [[nodiscard]] static std::expected<EtherType, Drop> take_llc(Packet& frame, std::uint16_t length);
  /// Puts the link headers in front; their size.
  std::size_t put_header(Packet& packet, const Send& to) const;
  [[gnu::cold, gnu::noinline]] void observe(Direction direction, const Packet& frame, std::size_t header_size) const;

  Context& context_;
  link::Link& link_;
  const link::Capabilities& can_;
  Config config_;
  std::vector<Upper> uppers_;  ///< a handful: searched from the front
  KnownHeader known_;
  std::multiset<MacAddress> groups_;
  Stats stats_;
  DropCounters drops_;
};

}  // namespace tapir::ethernet
