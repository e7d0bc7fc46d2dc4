// AF_PACKET with PACKET_VNET_HDR, a call a frame, a call a batch, or through a ring of memory shared with the kernel.

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "raw_link.hpp"

namespace tapir::bench {

namespace {

constexpr std::size_t kVirtio = 10, kBatch = 32, kFrame = 2048;

class Packet : public RawLink {
 public:
  explicit Packet(const std::string& device) : socket_{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)} {
    if (socket_ < 0) give_up("AF_PACKET");
    set(PACKET_VNET_HDR, 1);
    set(PACKET_QDISC_BYPASS, 1);
    set(PACKET_IGNORE_OUTGOING, 1);
    const int buffer = 4 << 20;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    address_.sll_family = AF_PACKET;
    address_.sll_protocol = htons(ETH_P_ALL);
    address_.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
  }
  [[nodiscard]] int descriptor() const final { return socket_; }

  std::size_t receive(const Take& take) override {
    std::size_t frames = 0;
    for (; frames < kBatch; ++frames) {
      const auto got = ::recv(socket_, in_.data(), in_.size(), 0);
      if (got <= static_cast<ssize_t>(kVirtio)) break;
      take(std::span{in_}.subspan(kVirtio, static_cast<std::size_t>(got) - kVirtio));
    }
    return frames;
  }
  bool send(std::span<const std::byte> frame) override {
    std::array<iovec, 2> parts{{{header_.data(), header_.size()}, {const_cast<std::byte*>(frame.data()), frame.size()}}};
    return ::writev(socket_, parts.data(), 2) >= 0;
  }

  void bind() {
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) < 0) give_up("bind");
  }

 protected:
  template <class Value>
  void set(int option, const Value& value) {
    if (::setsockopt(socket_, SOL_PACKET, option, &value, sizeof(value)) < 0) give_up("setsockopt");
  }

  int socket_;

 private:
  sockaddr_ll address_{};
  std::array<std::byte, kVirtio> header_{};
  std::vector<std::byte> in_ = std::vector<std::byte>(65536 + 64);
};

class PacketBatches : public Packet {
 public:
  explicit PacketBatches(const std::string& device) : Packet{device} {
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_parts_[i] = {in_frames_[i].data(), kFrame};
      in_[i].msg_hdr.msg_iov = &in_parts_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
      out_parts_[i] = {out_frames_[i].data(), 0};
      out_[i].msg_hdr.msg_iov = &out_parts_[i];
      out_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::size_t receive(const Take& take) override {
    const int got = ::recvmmsg(socket_, in_.data(), kBatch, 0, nullptr);
    for (int i = 0; i < got; ++i) {
      const auto at = static_cast<std::size_t>(i);
      take(std::span{in_frames_[at]}.subspan(kVirtio, in_[at].msg_len - kVirtio));
    }
    return got < 0 ? 0 : static_cast<std::size_t>(got);
  }
  bool send(std::span<const std::byte> frame) override {
    if (queued_ == kBatch) flush();
    std::memcpy(out_frames_[queued_].data() + kVirtio, frame.data(), frame.size());
    out_parts_[queued_++].iov_len = frame.size() + kVirtio;
    return true;
  }
  void flush() override {
    if (queued_ > 0) (void)::sendmmsg(socket_, out_.data(), static_cast<unsigned>(queued_), 0);
    queued_ = 0;
  }

 private:
  using Frames = std::vector<std::array<std::byte, kFrame>>;
  Frames in_frames_ = Frames(kBatch), out_frames_ = Frames(kBatch);
  std::array<iovec, kBatch> in_parts_{}, out_parts_{};
  std::array<mmsghdr, kBatch> in_{}, out_{};
  std::size_t queued_ = 0;
};

class PacketRing2 final : public PacketBatches {
 public:
  explicit PacketRing2(const std::string& device) : PacketBatches{device} {
    set(PACKET_VERSION, static_cast<int>(TPACKET_V2));
    const tpacket_req request{.tp_block_size = 1 << 16, .tp_block_nr = 128, .tp_frame_size = kFrame, .tp_frame_nr = kSlots};
    set(PACKET_RX_RING, request);
    ring_ = static_cast<std::byte*>(::mmap(nullptr, kSlots * kFrame, PROT_READ | PROT_WRITE, MAP_SHARED, socket_, 0));
    if (ring_ == MAP_FAILED) give_up("mmap");
  }
  std::size_t receive(const Take& take) override {
    std::size_t frames = 0;
    for (; frames < kBatch; ++frames) {
      auto& slot = *reinterpret_cast<tpacket2_hdr*>(ring_ + next_ * kFrame);
      std::atomic_ref<std::uint32_t> status{slot.tp_status};
      if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) break;
      take({reinterpret_cast<const std::byte*>(&slot) + slot.tp_mac, slot.tp_snaplen});
      status.store(TP_STATUS_KERNEL, std::memory_order_release);
      next_ = (next_ + 1) % kSlots;
    }
    return frames;
  }

 private:
  static constexpr std::size_t kSlots = 4096;
  std::byte* ring_ = nullptr;
  std::size_t next_ = 0;
};

class PacketRing3 final : public PacketBatches {
 public:
  explicit PacketRing3(const std::string& device) : PacketBatches{device} {
    set(PACKET_VERSION, static_cast<int>(TPACKET_V3));
    tpacket_req3 request{};
    request.tp_block_size = kBlock;
    request.tp_block_nr = kBlocks;
    request.tp_frame_size = kFrame;
    request.tp_frame_nr = kBlock * kBlocks / kFrame;
    request.tp_retire_blk_tov = 1;
    set(PACKET_RX_RING, request);
    ring_ = static_cast<std::byte*>(::mmap(nullptr, kBlock * kBlocks, PROT_READ | PROT_WRITE, MAP_SHARED, socket_, 0));
    if (ring_ == MAP_FAILED) give_up("mmap");
  }
  std::size_t receive(const Take& take) override {
    auto& block = *reinterpret_cast<tpacket_block_desc*>(ring_ + next_ * kBlock);
    std::atomic_ref<std::uint32_t> status{block.hdr.bh1.block_status};
    if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return 0;
    const std::size_t frames = block.hdr.bh1.num_pkts;
    const auto* at = reinterpret_cast<const std::byte*>(&block) + block.hdr.bh1.offset_to_first_pkt;
    for (std::size_t i = 0; i < frames; ++i) {
      const auto& frame = *reinterpret_cast<const tpacket3_hdr*>(at);
      take({at + frame.tp_mac, frame.tp_snaplen});
      at += frame.tp_next_offset;
    }
    status.store(TP_STATUS_KERNEL, std::memory_order_release);
    next_ = (next_ + 1) % kBlocks;
    return frames;
  }

 private:
  static constexpr std::size_t kBlock = 1 << 18, kBlocks = 32;
  std::byte* ring_ = nullptr;
  std::size_t next_ = 0;
};

template <class Kind>
std::unique_ptr<RawLink> bound(const std::string& device) {
  auto link = std::make_unique<Kind>(device);
  link->bind();
  return link;
}

}  // namespace

std::unique_ptr<RawLink> open_raw_packet(std::string_view kind, const std::string& device) {
  if (kind == "packet") return bound<Packet>(device);
  if (kind == "packet-mmsg") return bound<PacketBatches>(device);
  if (kind == "packet-ring2") return bound<PacketRing2>(device);
  if (kind == "packet-ring3") return bound<PacketRing3>(device);
  return nullptr;
}

}  // namespace tapir::bench
