// The do-nothing peer: the least that a program on a TAP device can do to carry TCP for Linux. It has no buffers, timers, retransmission or congestion
// control, trusts whatever arrives, and keeps one connection a time for bulk. What a real stack reaches is measured against it.
//   nothing TAP [--plain] [--spin]     192.0.2.2: discard on port 9 (one copy), a source on 19, echo of single bytes on 7
// --spin: it never sleeps. --plain: frames of at most 1514 bytes with checksums computed here, as a stack without offload has to.

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>

namespace {

using tapir::be16;
using tapir::be32;
using Mac = std::array<std::byte, 6>;

/// struct Virtio of <linux/virtio_net.h>, which is no C++.
struct Virtio {
  std::uint8_t flags = 0, gso_type = 0;
  std::uint16_t header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0;
};
constexpr std::uint8_t kNeedsChecksum = 1, kGsoTcp4 = 1;

struct Ethernet {
  Mac destination, source;
  be16 type;
};
struct Arp {
  be16 hardware, protocol;
  std::uint8_t hardware_size, protocol_size;
  be16 operation;
  Mac sender;
  be32 sender_address;
  Mac target;
  be32 target_address;
};
struct Ip {
  std::uint8_t version, tos;
  be16 length, identification, fragment;
  std::uint8_t ttl, protocol;
  be16 checksum;
  be32 source, destination;
};
struct Tcp {
  be16 source, destination;
  be32 seq, ack;
  std::uint8_t offset, flags;
  be16 window, checksum, urgent;
};
constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;
constexpr std::size_t kHeaders = sizeof(Ethernet) + sizeof(Ip) + sizeof(Tcp);
static_assert(kHeaders == 54);
constexpr std::uint32_t kMss = 1460, kInitial = 1000;
constexpr std::uint8_t kWindowScale = 8;

class Peer {
 public:
  Peer(const char* name, bool plain, bool spin) : plain_{plain}, spin_{spin}, device_{::open("/dev/net/tun", O_RDWR | O_NONBLOCK)} {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | (plain ? 0 : IFF_VNET_HDR));
    int size = sizeof(Virtio);
    // A device remembers the offloads of the program before: without any they have to be taken back, or Linux sends super-segments.
    const unsigned long offloads = plain ? 0 : TUN_F_CSUM | TUN_F_TSO4;
    if (device_ < 0 || ::ioctl(device_, TUNSETIFF, &request) < 0 || (!plain && ::ioctl(device_, TUNSETVNETHDRSZ, &size) < 0) ||
        ::ioctl(device_, TUNSETOFFLOAD, offloads) < 0) {
      std::perror("nothing");
      std::exit(1);
    }
  }

  [[noreturn]] void run() {
    for (;;) {
      pollfd wait{.fd = device_, .events = POLLIN, .revents = 0};
      if (!spin_ && !sending()) ::poll(&wait, 1, -1);
      bool owed = false;
      for (unsigned i = 0; i < 64 && read_frame(owed); ++i) {}
      if (owed) answer(kAck, 0);
      for (unsigned i = 0; i < 16 && sending(); ++i) send_chunk();
    }
  }

 private:
  bool read_frame(bool& owed) {
    Virtio offload{};
    std::array<iovec, 2> parts{{{&offload, sizeof(offload)}, {in_.data(), in_.size()}}};
    const auto got = plain_ ? ::read(device_, in_.data(), in_.size()) : ::readv(device_, parts.data(), 2);
    if (got <= 0) return false;
    const auto type = at<Ethernet>(0).type.get();
    if (type == 0x0806) answer_arp();
    if (type == 0x0800 && at<Ip>(14).protocol == 6 && at<Ip>(14).destination.get() == 0xc0000202) take(owed);
    return true;
  }

  template <class Header>
  [[nodiscard]] Header at(std::size_t offset) const {
    Header header;
    std::memcpy(&header, in_.data() + offset, sizeof(header));
    return header;
  }

  void answer_arp() {
    const auto asked = at<Arp>(14);
    if (asked.operation.get() != 1 || asked.target_address.get() != 0xc0000202) return;
    linux_ = asked.sender;
    const Ethernet ethernet{linux_, mac_, be16{0x0806}};
    const Arp answer{be16{1}, be16{0x0800}, 6, 4, be16{2}, mac_, asked.target_address, asked.sender, asked.sender_address};
    std::array<std::byte, 60> frame{};
    std::memcpy(frame.data(), &ethernet, sizeof(ethernet));
    std::memcpy(frame.data() + sizeof(ethernet), &answer, sizeof(answer));
    write_frame({}, frame, {});
  }

  void take(bool& owed) {
    const auto ip = at<Ip>(14);
    const auto tcp = at<Tcp>(34);
    const std::size_t payload_at = 34 + static_cast<std::size_t>(tcp.offset >> 4U) * 4;
    const auto payload = static_cast<std::uint32_t>(14U + ip.length.get() - payload_at);
    linux_ = at<Ethernet>(0).source;
    from_ = ip.source;
    if ((tcp.flags & kSyn) != 0) {
      remote_ = tcp.source;
      local_ = tcp.destination;
      rcv_nxt_ = tcp.seq.get() + 1;
      snd_nxt_ = snd_una_ = kInitial;
      window_ = 0;
      window_scale_ = peer_scale(payload_at);
      answer(kSyn | kAck, 0);
      ++snd_nxt_;
      return;
    }
    if ((tcp.flags & kRst) != 0 || tcp.source.get() != remote_.get() || tcp.destination.get() != local_.get()) return;
    snd_una_ = tcp.ack.get();
    window_ = std::uint32_t{tcp.window.get()} << window_scale_;
    if (plain_ && payload > 0) {  // what a stack has to do for every frame
      tapir::InternetChecksum sum;
      sum.add(std::span{in_}.subspan(34, payload_at - 34 + payload));
      checked_ = checked_ + sum.folded();
    }
    if (payload > 0 && tcp.seq.get() == rcv_nxt_) {
      rcv_nxt_ += payload;
      if (local_.get() == 7) return echo(payload_at, payload);
      std::memcpy(application_.data() + filled_, in_.data() + payload_at, payload);
      filled_ = filled_ + payload > application_.size() - 65536 ? 0 : filled_ + payload;
      owed = true;
    }
    if ((tcp.flags & kFin) != 0) {
      ++rcv_nxt_;
      answer(kFin | kAck, 0);
      ++snd_nxt_;
    }
  }

  /// The shift of the SYN's window scale option.
  [[nodiscard]] std::uint8_t peer_scale(std::size_t end) const {
    for (std::size_t i = 54; i + 2 < end;) {
      const auto kind = std::to_integer<unsigned>(in_[i]);
      if (kind == 3) return std::to_integer<std::uint8_t>(in_[i + 2]);
      i += kind == 1 ? 1 : std::max<std::size_t>(std::to_integer<std::size_t>(in_[i + 1]), 1);
    }
    return 0;
  }

  void echo(std::size_t at, std::uint32_t size) {
    std::memcpy(out_.data(), in_.data() + at, std::min<std::size_t>(size, out_.size()));
    answer(kAck | kPsh, size);
    snd_nxt_ += size;
  }

  [[nodiscard]] bool sending() const { return local_.get() == 19 && snd_nxt_ != kInitial && snd_nxt_ - snd_una_ + chunk() <= window_; }
  /// In units of 256 bytes, but for the SYN's. Without offload no more than a device's queue holds in frames: nothing here asks for what was dropped.
  [[nodiscard]] std::uint16_t window() const { return plain_ ? 1024 : 32768; }
  [[nodiscard]] std::uint32_t chunk() const { return plain_ ? kMss : kMss * 44; }
  void send_chunk() {
    answer(kAck, chunk());
    snd_nxt_ += chunk();
  }

  /// One segment with `payload` bytes of out_.
  void answer(std::uint8_t flags, std::uint32_t payload) {
    const bool syn = (flags & kSyn) != 0;
    const std::array<std::byte, 8> options{std::byte{2}, std::byte{4}, std::byte{kMss >> 8U}, std::byte{kMss & 0xffU},
                                           std::byte{1}, std::byte{3}, std::byte{3},          std::byte{kWindowScale}};
    const std::size_t header_size = sizeof(Tcp) + (syn ? options.size() : 0);
    const auto length = static_cast<std::uint16_t>(sizeof(Ip) + header_size + payload);
    Ip ip{0x45, 0, be16{length}, be16{0}, be16{0x4000}, 64, 6, be16{0}, be32{0xc0000202}, from_};
    tapir::InternetChecksum sum;
    sum.add(std::as_bytes(std::span{&ip, 1}));
    ip.checksum = be16{sum.value()};
    Tcp tcp{local_, remote_,        be32{snd_nxt_}, be32{rcv_nxt_}, static_cast<std::uint8_t>(header_size / 4 << 4U),
            flags,  be16{window()}, be16{0},        be16{0}};
    tapir::InternetChecksum pseudo;
    pseudo.add_long(ip.source.get());
    pseudo.add_long(ip.destination.get());
    pseudo.add_word(6);
    pseudo.add_word(static_cast<std::uint16_t>(header_size + payload));
    Virtio offload{};
    if (plain_) {
      pseudo.add(std::as_bytes(std::span{&tcp, 1}));
      if (syn) pseudo.add(options);
      pseudo.add(std::span{out_}.first(payload));
      tcp.checksum = be16{pseudo.value()};
    } else {
      tcp.checksum = be16{pseudo.folded()};
      offload = {
          .flags = kNeedsChecksum, .gso_type = 0, .header_length = kHeaders, .gso_size = 0, .checksum_start = 34, .checksum_offset = 16};
      if (payload > kMss) {
        offload.gso_type = kGsoTcp4;
        offload.gso_size = kMss;
      }
    }
    std::array<std::byte, kHeaders + 8> head{};
    const Ethernet ethernet{linux_, mac_, be16{0x0800}};
    std::memcpy(head.data(), &ethernet, sizeof(ethernet));
    std::memcpy(head.data() + 14, &ip, sizeof(ip));
    std::memcpy(head.data() + 34, &tcp, sizeof(tcp));
    if (syn) std::memcpy(head.data() + kHeaders, options.data(), options.size());
    write_frame(offload, std::span{head}.first(34 + header_size), std::span{out_}.first(payload));
  }

  void write_frame(Virtio offload, std::span<std::byte> head, std::span<std::byte> payload) {
    std::array<iovec, 3> parts{{{&offload, sizeof(offload)}, {head.data(), head.size()}, {payload.data(), payload.size()}}};
    const auto from = plain_ ? 1 : 0;
    (void)!::writev(device_, parts.data() + from, 3 - from);
  }

  bool plain_;
  bool spin_;
  int device_;
  Mac mac_{std::byte{2}, {}, {}, {}, {}, std::byte{2}};
  Mac linux_{};
  be32 from_{0};
  be16 remote_{0}, local_{0};
  std::uint32_t rcv_nxt_ = 0, snd_nxt_ = kInitial, snd_una_ = kInitial, window_ = 0;
  std::uint8_t window_scale_ = 0;
  std::uint64_t checked_ = 0;
  std::size_t filled_ = 0;
  std::vector<std::byte> in_ = std::vector<std::byte>(65536 + 64);
  std::vector<std::byte> out_ = std::vector<std::byte>(65536);
  std::vector<std::byte> application_ = std::vector<std::byte>(262144);
};

}  // namespace

int main(int argc, char** argv) {
  bool plain = false, spin = false;
  for (int i = 2; i < argc; ++i) {
    plain = plain || std::string_view{argv[i]} == "--plain";
    spin = spin || std::string_view{argv[i]} == "--spin";
  }
  if (argc < 2 || argc != 2 + (plain ? 1 : 0) + (spin ? 1 : 0)) {
    std::fputs("usage: nothing TAP [--plain] [--spin]\n", stderr);
    return 2;
  }
  Peer{argv[1], plain, spin}.run();
}
