// AF_XDP in copy mode: an XDP program that hands every frame of a queue to the socket bound to it, and rings shared with the kernel.

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>

#include "raw_link.hpp"

namespace tapir::bench {

namespace {

constexpr std::uint32_t kFrames = 4096, kChunk = 2048, kRing = 2048, kBatch = 32;

int bpf(bpf_cmd command, bpf_attr& attributes, const char* what) {
  const auto fd = ::syscall(SYS_bpf, command, &attributes, sizeof(attributes));
  if (fd < 0) give_up(what);
  return static_cast<int>(fd);
}

/// One ring: whoever produces moves `producer`, whoever consumes moves `consumer`.
template <class Entry>
struct Ring {
  std::uint32_t* producer = nullptr;
  std::uint32_t* consumer = nullptr;
  Entry* entries = nullptr;
  std::uint32_t mine = 0;  ///< the index that this side moves

  void map(int socket, const xdp_ring_offset& offsets, std::uint64_t page) {
    auto* base = static_cast<std::byte*>(::mmap(nullptr, offsets.desc + kRing * sizeof(Entry), PROT_READ | PROT_WRITE,
                                                MAP_SHARED | MAP_POPULATE, socket, static_cast<off_t>(page)));
    if (base == MAP_FAILED) give_up("mmap");
    producer = reinterpret_cast<std::uint32_t*>(base + offsets.producer);
    consumer = reinterpret_cast<std::uint32_t*>(base + offsets.consumer);
    entries = reinterpret_cast<Entry*>(base + offsets.desc);
  }
  [[nodiscard]] static std::uint32_t load(std::uint32_t* index) { return std::atomic_ref{*index}.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t filled() const { return load(producer) - mine; }
  [[nodiscard]] std::uint32_t room() const { return kRing - (mine - load(consumer)); }
  void publish(std::uint32_t* index) const { std::atomic_ref{*index}.store(mine, std::memory_order_release); }
};

class Xdp final : public RawLink {
 public:
  Xdp(const std::string& device, bool native) : socket_{::socket(AF_XDP, SOCK_RAW, 0)}, index_{::if_nametoindex(device.c_str())} {
    if (socket_ < 0) give_up("AF_XDP");
    memory_ = static_cast<std::byte*>(
        ::mmap(nullptr, std::size_t{kFrames} * kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    xdp_umem_reg memory{};
    memory.addr = reinterpret_cast<std::uint64_t>(memory_);
    memory.len = std::uint64_t{kFrames} * kChunk;
    memory.chunk_size = kChunk;
    set(XDP_UMEM_REG, memory);
    for (const int ring : {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING}) set(ring, kRing);
    xdp_mmap_offsets offsets{};
    socklen_t size = sizeof(offsets);
    if (::getsockopt(socket_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) < 0) give_up("XDP_MMAP_OFFSETS");
    fill_.map(socket_, offsets.fr, XDP_UMEM_PGOFF_FILL_RING);
    completion_.map(socket_, offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING);
    receive_.map(socket_, offsets.rx, XDP_PGOFF_RX_RING);
    transmit_.map(socket_, offsets.tx, XDP_PGOFF_TX_RING);
    for (std::uint32_t i = 0; i < kRing; ++i)
      fill_.entries[fill_.mine++ % kRing] = std::uint64_t{i} * kChunk;  // the upper half is for sending
    fill_.publish(fill_.producer);
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP;
    address.sxdp_ifindex = index_;
    address.sxdp_flags = XDP_COPY;
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) give_up("bind");
    attach(native);
  }
  [[nodiscard]] int descriptor() const override { return socket_; }

  std::size_t receive(const Take& take) override {
    const std::uint32_t frames = std::min(receive_.filled(), kBatch);
    if (frames == 0) return 0;
    for (std::uint32_t i = 0; i < frames; ++i) {
      const xdp_desc& frame = receive_.entries[receive_.mine++ % kRing];
      take({memory_ + frame.addr, frame.len});
      fill_.entries[fill_.mine++ % kRing] = frame.addr / kChunk * kChunk;
    }
    receive_.publish(receive_.consumer);
    fill_.publish(fill_.producer);
    return frames;
  }

  bool send(std::span<const std::byte> frame) override {
    if (transmit_.mine - completed_ == kRing) {
      flush();
      reap();
      if (transmit_.mine - completed_ == kRing) return false;
    }
    const std::uint64_t at = std::uint64_t{kRing + transmit_.mine % kRing} * kChunk;
    std::memcpy(memory_ + at, frame.data(), frame.size());
    transmit_.entries[transmit_.mine++ % kRing] = {at, static_cast<std::uint32_t>(frame.size()), 0};
    if (++queued_ == kBatch) flush();
    return true;
  }
  void flush() override {
    if (std::exchange(queued_, 0) == 0) return;
    transmit_.publish(transmit_.producer);
    (void)::sendto(socket_, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    reap();
  }

 private:
  template <class Value>
  void set(int option, const Value& value) {
    if (::setsockopt(socket_, SOL_XDP, option, &value, sizeof(value)) < 0) give_up("setsockopt");
  }
  void reap() {
    const std::uint32_t done = completion_.filled();
    completion_.mine += done;
    completed_ += done;
    completion_.publish(completion_.consumer);
  }

  void attach(bool native) {
    bpf_attr map{};
    map.map_type = BPF_MAP_TYPE_XSKMAP;
    map.key_size = map.value_size = sizeof(std::uint32_t);
    map.max_entries = 1;
    const int map_fd = bpf(BPF_MAP_CREATE, map, "BPF_MAP_CREATE");
    const std::uint32_t key = 0;
    const auto value = static_cast<std::uint32_t>(socket_);
    bpf_attr update{};
    update.map_fd = static_cast<std::uint32_t>(map_fd);
    update.key = reinterpret_cast<std::uint64_t>(&key);
    update.value = reinterpret_cast<std::uint64_t>(&value);
    bpf(BPF_MAP_UPDATE_ELEM, update, "BPF_MAP_UPDATE_ELEM");
    // return bpf_redirect_map(&map, context->rx_queue_index, XDP_PASS)
    const std::array<bpf_insn, 6> code{{
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(xdp_md, rx_queue_index), 0},
        {BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd},
        {0, 0, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    }};
    bpf_attr program{};
    program.prog_type = BPF_PROG_TYPE_XDP;
    program.expected_attach_type = BPF_XDP;
    program.insns = reinterpret_cast<std::uint64_t>(code.data());
    program.insn_cnt = static_cast<std::uint32_t>(code.size());
    program.license = reinterpret_cast<std::uint64_t>("Apache-2.0");
    const int program_fd = bpf(BPF_PROG_LOAD, program, "BPF_PROG_LOAD");
    bpf_attr link{};
    link.link_create.prog_fd = static_cast<std::uint32_t>(program_fd);
    link.link_create.target_ifindex = index_;
    link.link_create.attach_type = BPF_XDP;
    link.link_create.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    bpf(BPF_LINK_CREATE, link, "BPF_LINK_CREATE");  // it ends with the program
  }

  int socket_;
  std::uint32_t index_;
  std::byte* memory_ = nullptr;
  Ring<std::uint64_t> fill_, completion_;
  Ring<xdp_desc> receive_, transmit_;
  std::uint32_t completed_ = 0, queued_ = 0;
};

}  // namespace

std::unique_ptr<RawLink> open_raw_xdp(const std::string& device, bool native) { return std::make_unique<Xdp>(device, native); }

}  // namespace tapir::bench
