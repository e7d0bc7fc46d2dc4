#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <tapir/arp/message.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/ethernet/ether_type.hpp>
#include <tapir/ipv4/header.hpp>
#include <tapir/link/link.hpp>

#include <tcp/header.hpp>

namespace tapir::bench {

/// As many TCP clients as one likes at the other end of a link, without a stack: each is eight bytes here. They trust whatever arrives. Nothing is answered
/// before answer() is called, so that what the stack does can be measured alone.
class Crowd final : public link::Link {
 public:
  static constexpr std::size_t message_size = 64;  ///< bytes of each question, and of the answer that is expected

  Crowd(PacketPool& pool, const Endpoint& server, std::size_t clients) : pool_{&pool}, server_{server}, clients_(clients) {
    capabilities_.completes_checksums = true;
    capabilities_.max_super_segment = 65535;
  }

  /// The gateway behind which they all are.
  static constexpr Ipv4Address gateway{0xc0000201};  // 192.0.2.1

  /// A SYN of client `which` is on its way.
  void open(std::size_t which) {
    // MSS 1460, window scale 8.
    static constexpr std::array<std::byte, 8> kOptions{std::byte{2}, std::byte{4}, std::byte{0x05}, std::byte{0xb4},
                                                       std::byte{1}, std::byte{3}, std::byte{3},    std::byte{8}};
    say(which, tcp::Flags::syn, SeqNum{kInitial}, SeqNum{}, kOptions, {});
  }
  /// A question of client `which`, who has got the answer to the one before.
  void ask(std::size_t which) {
    static constexpr std::array<std::byte, message_size> kQuestion{};
    Client& client = clients_[which];
    const auto spoken = static_cast<std::uint32_t>(client.questions++ * message_size);
    say(which, tcp::Flags::ack | tcp::Flags::psh, SeqNum{kInitial + 1 + spoken}, SeqNum{client.server_initial + 1 + spoken}, {}, kQuestion);
  }
  /// Answers what the stack has sent since the last call: ARP requests, SYN,ACKs, and data with an ACK.
  void answer() {
    for (const Packet& frame : heard_) {
      const auto ethernet = frame.peek<ethernet::Header>();
      if (!ethernet) continue;
      if (ethernet->type.get() == ethernet::EtherType::arp) answer_arp(frame);
      if (ethernet->type.get() == ethernet::EtherType::ipv4) answer_segment(frame);
    }
    heard_.clear();
  }
  /// Answers nothing of that but ARP requests.
  void ignore() {
    for (const Packet& frame : heard_) {
      if (const auto ethernet = frame.peek<ethernet::Header>(); ethernet && ethernet->type.get() == ethernet::EtherType::arp)
        answer_arp(frame);
    }
    heard_.clear();
  }

  [[nodiscard]] std::uint64_t answers() const noexcept { return answers_; }  ///< with data, whole ones
  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }    ///< both ways

  [[nodiscard]] std::string_view name() const noexcept override { return "crowd"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& frame) override {
    heard_.push_back(std::move(frame));
    ++frames_;
    return {};
  }
  [[nodiscard]] bool writable() const noexcept override { return true; }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t budget) override {
    const std::size_t end = std::min(said_.size(), next_ + budget);
    const std::size_t count = end - next_;
    for (; next_ < end; ++next_) {
      Packet frame = std::move(said_[next_]);  // what is answered may move the others
      if (receiver_ != nullptr) std::ignore = receiver_->demultiplex(std::move(frame), {});
    }
    frames_ += count;
    if (next_ == said_.size()) {
      said_.clear();
      next_ = 0;
    }
    return count;
  }

 private:
  using SeqNum = tcp::SeqNum;
  struct Client {
    std::uint32_t server_initial = 0;
    std::uint32_t questions = 0;
  };
  static constexpr std::uint32_t kInitial = 1000;
  static constexpr std::uint32_t kFirstAddress = 0xc6336401;  // 198.51.100.1
  static constexpr std::uint16_t kFirstPort = 1024;
  static constexpr std::size_t kPorts = 62'500;  // of one address
  static constexpr MacAddress kMac{std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}};

  void answer_arp(const Packet& frame) {
    const auto asked = frame.peek<arp::Message>(sizeof(ethernet::Header));
    if (!asked) return;
    server_mac_ = asked->sender_hardware;
    if (asked->operation.get() != arp::Operation::request || asked->target_protocol.get() != gateway) return;
    arp::Message answer = *asked;
    answer.operation = arp::Operation::reply;
    std::swap(answer.sender_protocol, answer.target_protocol);
    answer.target_hardware = asked->sender_hardware;
    answer.sender_hardware = kMac;
    Packet reply{*pool_};
    reply.prepend(answer);
    hand_up(std::move(reply), ethernet::EtherType::arp);
  }

  void answer_segment(const Packet& frame) {
    const auto ip = frame.peek<ipv4::Header>(sizeof(ethernet::Header));
    if (!ip) return;
    const std::size_t at = sizeof(ethernet::Header) + ip->header_size();
    const auto header = frame.peek<tcp::Header>(at);
    if (!header) return;
    const std::size_t which =
        (ip->destination.get().value() - kFirstAddress) * kPorts + header->destination_port.get().value() - kFirstPort;
    if (which >= clients_.size()) return;
    const auto payload = static_cast<std::uint32_t>(frame.size() - at - header->header_size());
    const bool syn = tcp::has(header->flags.get(), tcp::Flags::syn);
    if (syn) clients_[which].server_initial = header->sequence.get().value();
    if (payload == message_size) ++answers_;
    if (syn || payload > 0) {
      say(which, tcp::Flags::ack, header->acknowledgment.get(), header->sequence.get() + (syn ? 1 : payload), {}, {});
    }
  }

  void say(std::size_t which, tcp::Flags flags, SeqNum seq, SeqNum ack, std::span<const std::byte> options,
           std::span<const std::byte> payload) {
    Packet packet{*pool_, payload.size()};
    packet.append_copy(payload);
    packet.prepend_bytes(options);
    tcp::Header header;
    header.source_port = Port{static_cast<std::uint16_t>(kFirstPort + which % kPorts)};
    header.destination_port = server_.port;
    header.sequence = seq;
    header.acknowledgment = ack;
    header.set_header_size(sizeof(header) + options.size());
    header.flags = flags;
    header.window = 1024;
    packet.prepend(header);
    ipv4::Header ip{};
    ip.ttl = 64;
    ip.protocol = network::Protocol::tcp;
    ip.fragmentation = ipv4::Header::dont_fragment_bit;
    ip.source = Ipv4Address{static_cast<std::uint32_t>(kFirstAddress + which / kPorts)};
    ip.destination = server_.address.v4();
    ipv4::put_header(packet, ip, {});
    packet.meta() = {.checksum = ChecksumState::verified};  // as a device with offload vouches for it
    hand_up(std::move(packet), ethernet::EtherType::ipv4);
  }
  void hand_up(Packet packet, ethernet::EtherType type) {
    packet.prepend(ethernet::Header{.destination = server_mac_, .source = kMac, .type = type});
    said_.push_back(std::move(packet));
  }

  PacketPool* pool_;
  Endpoint server_;
  std::vector<Client> clients_;
  link::Capabilities capabilities_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
  MacAddress server_mac_{};
  std::vector<Packet> heard_;  ///< from the stack, not answered yet
  std::vector<Packet> said_;   ///< to the stack
  std::size_t next_ = 0;       ///< how much of that has been read
  std::uint64_t answers_ = 0;
  std::uint64_t frames_ = 0;
};

}  // namespace tapir::bench
