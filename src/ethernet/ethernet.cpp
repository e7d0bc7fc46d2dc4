#include <tapir/ethernet/ethernet.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include <tapir/core/branch.hpp>
#include <tapir/ethernet/fcs.hpp>
#include <tapir/ethernet/wire_view.hpp>
#include <tapir/link/segmentation.hpp>

namespace tapir::ethernet {

namespace {

/// IEEE 802.1Q: what follows EtherType 0x8100.
struct VlanTag {
  be16 control;  ///< priority 3 bits, drop eligible 1 bit, VLAN identifier 12 bits
  BigEndian<EtherType> type;
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);

/// RFC 1042: 802.2 LLC with the SNAP extension.
struct SnapHeader {
  std::uint8_t dsap;
  std::uint8_t ssap;
  std::uint8_t control;
  std::array<std::uint8_t, 3> organization;
  BigEndian<EtherType> type;
};
static_assert(sizeof(SnapHeader) == 8 && alignof(SnapHeader) == 1);

/// Values of the type field up to this are a length (RFC 1122 section 2.3.3); 1536 is the first type.
constexpr std::uint16_t kMaxLength = 1500;
constexpr std::uint16_t kFirstType = 0x0600;
/// What the IPv4 total length can say.
constexpr std::size_t kMaxDatagram = 65535;
constexpr std::uint8_t kSnapSap = 0xaa;
constexpr std::uint8_t kUnnumberedInformation = 0x03;

/// Why a frame was lost that the link did not take.
Drop reason_of(std::error_code error) noexcept {
  if (error == Error::would_block) return Drop::queue_full;
  return error == Error::message_too_large ? Drop::oversized : Drop::device_failed;
}

std::string in_words(const MacAddress& address) { return address.is_broadcast() ? "everybody" : to_string(address); }

/// What the type field says: "IPv4", "0x88cc", "length 46".
std::string in_words(std::uint16_t type) {
  if (type <= kMaxLength) return fmt::format("length {}", type);
  switch (static_cast<EtherType>(type)) {
    case EtherType::ipv4: return "IPv4";
    case EtherType::arp: return "ARP";
    case EtherType::rarp: return "RARP";
    case EtherType::vlan: return "VLAN";
    default: return fmt::format("0x{:04x}", type);
  }
}

}  // namespace

Ethernet::Ethernet(Context& context, link::Link& link, Config config)
    : context_{context}, link_{link}, can_{link.capabilities()}, config_{std::move(config)} {
  link_.attach(this);
}

Ethernet::~Ethernet() { link_.attach(nullptr); }

void Ethernet::attach(EtherType type, Demultiplexer<Received>& upper) {
  detach(type);
  uppers_.push_back({type, &upper});
}

void Ethernet::leave(const MacAddress& group) {
  if (const auto found = groups_.find(group); found != groups_.end()) groups_.erase(found);
}

std::size_t Ethernet::mtu() const noexcept {
  if (likely(config_.framing == Framing::ethernet_ii)) return can_.mtu;
  const std::size_t payload = std::min<std::size_t>(can_.mtu, kMaxLength);  // a larger length would read as a type
  return payload < sizeof(SnapHeader) ? 0 : payload - sizeof(SnapHeader);
}

std::size_t Ethernet::largest(GsoKind kind) const noexcept {
  return config_.framing == Framing::ethernet_ii ? can_.largest(kind) : 0;  // offload hardware knows Ethernet II only
}

[[gnu::flatten, gnu::hot]] Result<> Ethernet::encapsulate(Packet&& packet, const Send& to) {
  const GsoKind kind = packet.meta().gso;
  if (unlikely(packet.size() > (kind != GsoKind::none ? kMaxDatagram : mtu()))) {
    (void)reject(context_, drops_, LayerId::ethernet, Drop::oversized);
    return fail(Error::message_too_large);
  }
  packet.meta().tos = to.tos;
  if (unlikely(kind != GsoKind::none) && packet.size() > largest(kind)) return cut_and_transmit(std::move(packet), to);
  if (!can_.completes_checksums) link::complete_checksum(packet);
  return frame_and_transmit(std::move(packet), to);
}

/// What has left in part has left: the rest is lost like a frame on a wire, and the sender finds out.
Result<> Ethernet::cut_and_transmit(Packet&& packet, const Send& to) {
  Result<> outcome = fail(Error::would_block);
  link::split(std::move(packet), [&](Packet segment) {
    if (auto sent = frame_and_transmit(std::move(segment), to); !outcome) outcome = sent;
  });
  return outcome;
}

Result<> Ethernet::frame_and_transmit(Packet&& packet, const Send& to) {
  const std::size_t header_size = put_header(packet, to);
  if (config_.pad && unlikely(packet.size() < min_frame_size)) packet.append_zeros(min_frame_size - packet.size());
  if (unlikely(context_.observer != nullptr)) observe(Direction::down, packet, header_size);
  const std::size_t size = packet.size();
  if (unlikely(can_.carries_fcs)) append_fcs(packet);
  if (auto sent = link_.transmit(std::move(packet)); unlikely(!sent)) {
    (void)reject(context_, drops_, LayerId::ethernet, reason_of(sent.error()));
    return sent;
  }
  ++stats_.out_frames;
  stats_.out_bytes += size;
  return {};
}

std::size_t Ethernet::put_header(Packet& packet, const Send& to) const {
  if (likely(config_.framing == Framing::ethernet_ii)) {
    auto& header = packet.prepend<Header>();
    header.destination = to.destination;
    header.source = config_.address;
    header.type = to.type;
    return sizeof(Header);
  }
  packet.prepend(SnapHeader{kSnapSap, kSnapSap, kUnnumberedInformation, {}, to.type});
  packet.prepend(Header{to.destination, config_.address, static_cast<EtherType>(packet.size())});
  return sizeof(Header) + sizeof(SnapHeader);
}

[[gnu::flatten, gnu::hot]] Accepted Ethernet::demultiplex(Packet&& frame, const link::Received&) {
  if (likely(frame.meta().ingress == TimePoint{})) frame.meta().ingress = context_.now();
  if (unlikely(frame.size() < sizeof(Header) + (unlikely(can_.carries_fcs) ? fcs_size : 0))) return drop(Drop::truncated);
  if (unlikely(can_.carries_fcs)) {
    if (!fcs_ok(frame)) return drop(Drop::bad_fcs);
    frame.truncate(frame.size() - fcs_size);
  }
  const std::size_t frame_size = frame.size();
  stats_.in_bytes += frame_size;
  if (likely(is_known(frame))) {
    frame.trim_front(sizeof(Header));
    const Received from = known_.from;  // handling it may bring the next frame
    return hand_up(std::move(frame), frame_size, from, known_.receiver);
  }
  Received from;
  from.interface = config_.interface;
  const auto header = frame.peek<Header>();
  if (const auto taken = take_header(frame, from); !taken) return drop(taken.error());
  const auto upper = std::ranges::find(uppers_, from.type, &Upper::type);
  Demultiplexer<Received>* const receiver = upper == uppers_.end() ? nullptr : upper->receiver;
  const bool plain = frame_size - frame.size() == sizeof(Header) && from.destination == config_.address;
  if (plain && receiver != nullptr) known_ = {*header, from, receiver};
  return hand_up(std::move(frame), frame_size, from, receiver);
}

/// A frame of `frame_size` bytes whose link headers are off; `receiver`: nullptr when there is none for its type.
Accepted Ethernet::hand_up(Packet&& frame, std::size_t frame_size, const Received& from, Demultiplexer<Received>* receiver) {
  const std::size_t allowed = can_.mtu + sizeof(Header) + (from.vlan ? sizeof(VlanTag) : 0);
  if (unlikely(frame_size > allowed) && frame.meta().gso == GsoKind::none) return drop(Drop::oversized);
  if (unlikely(receiver == nullptr)) return drop(Drop::unknown_protocol);
  if (unlikely(context_.observer != nullptr)) show(frame, frame_size - frame.size());
  ++stats_.in_frames;
  return receiver->demultiplex(std::move(frame), from);
}

/// Whether all is known of its header, since the last one's was the same.
bool Ethernet::is_known(const Packet& frame) const noexcept {
  const auto front = frame.front();
  return likely(front.size() >= sizeof(Header)) && likely(known_.receiver != nullptr) &&
         likely(std::memcmp(front.data(), &known_.header, sizeof(Header)) == 0);
}

/// With the link headers, which are off already.
void Ethernet::show(Packet& frame, std::size_t header_size) const {
  if (!frame.restore_front(header_size)) return;
  observe(Direction::up, frame, header_size);
  frame.trim_front(header_size);
}

/// Which way the frame is addressed to this station; nullopt when it is not.
std::optional<LinkCast> Ethernet::cast_for_us(const MacAddress& destination) const {
  if (destination == config_.address) return LinkCast::unicast;
  if (destination.is_broadcast()) return LinkCast::broadcast;
  if (destination.is_group())
    return config_.promiscuous || groups_.contains(destination) ? std::optional{LinkCast::multicast} : std::nullopt;
  return config_.promiscuous ? std::optional{LinkCast::unicast} : std::nullopt;
}

/// Checks addresses and type, and takes all link headers off the front.
Accepted Ethernet::take_header(Packet& frame, Received& from) const {
  const auto header = frame.peek<Header>();
  if (!header) return std::unexpected{Drop::truncated};
  if (header->source.is_group()) return std::unexpected{Drop::bad_source};
  if (header->source == config_.address) return std::unexpected{Drop::own_echo};
  const auto cast = cast_for_us(header->destination);
  if (!cast) return std::unexpected{Drop::not_for_us};
  frame.trim_front(sizeof(Header));
  from.source = header->source;
  from.destination = header->destination;
  from.type = header->type;
  from.cast = *cast;
  if (static_cast<std::uint16_t>(from.type) >= kFirstType && from.type != EtherType::vlan) return {};
  return take_more_headers(frame, from);
}

/// Behind the first there is a tag, or a length where the type stands.
Accepted Ethernet::take_more_headers(Packet& frame, Received& from) const {
  if (from.type == EtherType::vlan) {
    const auto tag = frame.peek<VlanTag>();
    if (!tag) return std::unexpected{Drop::truncated};
    from.vlan = static_cast<std::uint16_t>(tag->control & 0x0fffU);
    if (!config_.vlans.contains(*from.vlan)) return std::unexpected{Drop::vlan_tagged};
    frame.trim_front(sizeof(VlanTag));
    from.type = tag->type;
  }
  if (const auto field = static_cast<std::uint16_t>(from.type); field <= kMaxLength) {
    const auto type = take_llc(frame, field);
    if (!type) return std::unexpected{type.error()};
    from.type = *type;
  } else if (field < kFirstType) {
    return std::unexpected{Drop::bad_length};
  }
  return {};
}

/// An 802.3 frame: the length bounds the LLC data, and only the SNAP pattern of RFC 1042 is understood.
std::expected<EtherType, Drop> Ethernet::take_llc(Packet& frame, std::uint16_t length) {
  if (length > frame.size()) return std::unexpected{Drop::bad_length};
  frame.truncate(length);
  const auto snap = frame.peek<SnapHeader>();
  if (!snap) return std::unexpected{Drop::truncated};
  constexpr std::array<std::uint8_t, 3> kEncapsulatedEthernet{};
  if (snap->dsap != kSnapSap || snap->ssap != kSnapSap || snap->control != kUnnumberedInformation ||
      snap->organization != kEncapsulatedEthernet) {
    return std::unexpected{Drop::unknown_protocol};
  }
  frame.trim_front(sizeof(SnapHeader));
  return snap->type;
}

void Ethernet::observe(Direction direction, const Packet& frame, std::size_t header_size) const {
  const auto header = frame.peek<Header>();
  if (!header) return;
  const auto type = static_cast<std::uint16_t>(header->type.get());
  const std::array fields{
      Field{"destination", to_string(header->destination)}, Field{"source", to_string(header->source)},
      Field{type <= kMaxLength ? "length" : "type", type <= kMaxLength ? fmt::format("{}", type) : fmt::format("0x{:04x}", type)}};
  const std::string brief = fmt::format("{} > {} {}", to_string(header->source), in_words(header->destination), in_words(type));
  context_.observer->crossed(
      {LayerId::ethernet, direction, context_.now(), &frame, header_size, frame.size() - header_size, "frame", fields, brief});
}

}  // namespace tapir::ethernet
