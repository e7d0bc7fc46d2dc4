// The ways to exchange raw frames with Linux, compared: TAP, AF_PACKET and AF_XDP. UDP datagrams between a socket of the kernel's and a program
// that does no more than take and give frames.
//   links KIND DEVICE KERNEL_DEVICE receive|send|echo|echo-spin FRAME_BYTES SECONDS
// The kernel is 198.51.100.1 on KERNEL_DEVICE (the device itself for TAP, the other end of a veth pair), the program 198.51.100.2 at 02:00:00:00:00:02, of which the kernel has been told. In receive and
// send each side has a processor of its own, as in echo-spin; in echo both are on one. Prints frames that arrived, or exchanges, a second.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <tapir/core/checksum.hpp>

#include "raw_link.hpp"

namespace tapir::bench {

void give_up(std::string_view what) {
  std::fprintf(stderr, "links: %.*s: %s\n", static_cast<int>(what.size()), what.data(), std::strerror(errno));
  std::exit(1);
}

namespace {

class Tap final : public RawLink {
 public:
  explicit Tap(const std::string& device) : device_{::open("/dev/net/tun", O_RDWR | O_NONBLOCK)} {
    ifreq request{};
    std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    int size = static_cast<int>(header_.size());
    if (device_ < 0 || ::ioctl(device_, TUNSETIFF, &request) < 0 || ::ioctl(device_, TUNSETVNETHDRSZ, &size) < 0) give_up("tun");
  }
  std::size_t receive(const Take& take) override {
    std::size_t frames = 0;
    for (; frames < 32; ++frames) {
      const auto got = ::read(device_, in_.data(), in_.size());
      if (got <= static_cast<ssize_t>(header_.size())) break;
      take(std::span{in_}.subspan(header_.size(), static_cast<std::size_t>(got) - header_.size()));
    }
    return frames;
  }
  bool send(std::span<const std::byte> frame) override {
    std::array<iovec, 2> parts{{{header_.data(), header_.size()}, {const_cast<std::byte*>(frame.data()), frame.size()}}};
    return ::writev(device_, parts.data(), 2) >= 0;
  }
  [[nodiscard]] int descriptor() const override { return device_; }

 private:
  int device_;
  std::array<std::byte, 10> header_{};
  std::vector<std::byte> in_ = std::vector<std::byte>(65536 + 64);
};

using Clock = std::chrono::steady_clock;
constexpr std::size_t kHeaders = 14 + 20 + 8;
constexpr std::uint16_t kKernelPort = 7000, kOurPort = 7001;
constexpr auto kWarmUp = std::chrono::milliseconds{200};

void pin(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (::sched_setaffinity(0, sizeof(set), &set) < 0) give_up("affinity");
}

void put(std::vector<std::byte>& frame, std::size_t at, std::uint32_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) frame[at + i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
}

/// A datagram of ours to the kernel's socket.
std::vector<std::byte> datagram(const std::string& kernel_device, std::size_t size) {
  std::vector<std::byte> frame(size);
  const int control = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, kernel_device.c_str(), IFNAMSIZ - 1);
  if (::ioctl(control, SIOCGIFHWADDR, &request) < 0) give_up("SIOCGIFHWADDR");
  ::close(control);
  std::memcpy(frame.data(), request.ifr_hwaddr.sa_data, 6);
  put(frame, 6, 0x0200, 2);
  put(frame, 11, 2, 1);
  put(frame, 12, 0x0800, 2);
  put(frame, 14, 0x4500, 2);
  put(frame, 16, static_cast<std::uint32_t>(size - 14), 2);
  put(frame, 22, 0x4011, 2);
  put(frame, 26, 0xc6336402, 4);
  put(frame, 30, 0xc6336401, 4);
  InternetChecksum sum;
  sum.add(std::span{frame}.subspan(14, 20));
  put(frame, 24, sum.value(), 2);
  put(frame, 34, kOurPort, 2);
  put(frame, 36, kKernelPort, 2);
  put(frame, 38, static_cast<std::uint32_t>(size - 34), 2);
  return frame;
}

int kernel_socket() {
  const int made = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer = 4 << 20;
  ::setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
  sockaddr_in here{}, there{};
  here.sin_family = there.sin_family = AF_INET;
  here.sin_port = htons(kKernelPort);
  there.sin_port = htons(kOurPort);
  ::inet_pton(AF_INET, "198.51.100.1", &here.sin_addr);
  ::inet_pton(AF_INET, "198.51.100.2", &there.sin_addr);
  if (::bind(made, reinterpret_cast<sockaddr*>(&here), sizeof(here)) < 0) give_up("bind");
  if (::connect(made, reinterpret_cast<sockaddr*>(&there), sizeof(there)) < 0) give_up("connect");
  return made;
}

bool is_ours(std::span<const std::byte> frame) { return frame.size() >= kHeaders && frame[23] == std::byte{17}; }

/// Counts from the end of the warming up on.
class Rate {
 public:
  explicit Rate(double seconds)
      : begin_{Clock::now() + kWarmUp},
        end_{begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{seconds})} {}
  bool over() {
    now_ = Clock::now();
    return now_ >= end_;
  }
  void count(std::size_t amount) {
    if (now_ >= begin_) total_ += amount;
  }
  [[nodiscard]] double a_second() const { return static_cast<double>(total_) / std::chrono::duration<double>{now_ - begin_}.count(); }

 private:
  Clock::time_point begin_, end_, now_{};
  std::size_t total_ = 0;
};

constexpr std::size_t kCalls = 32;
struct Batch {
  explicit Batch(std::size_t size) : bytes(kCalls, std::vector<char>(size)) {
    for (std::size_t i = 0; i < kCalls; ++i) {
      parts[i] = {bytes[i].data(), size};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::vector<std::vector<char>> bytes;
  std::array<iovec, kCalls> parts{};
  std::array<mmsghdr, kCalls> messages{};
};

double receive(RawLink& link, std::size_t size, double seconds) {
  std::atomic<bool> stop = false;
  std::thread sender{[&] {
    pin(1);
    const int socket = kernel_socket();
    Batch batch{size - kHeaders};
    while (!stop) (void)::sendmmsg(socket, batch.messages.data(), kCalls, 0);
    ::close(socket);
  }};
  pin(0);
  Rate rate{seconds};
  while (!rate.over()) {
    std::size_t frames = 0;
    link.receive([&](std::span<const std::byte> frame) { frames += is_ours(frame) ? 1 : 0; });
    rate.count(frames);
  }
  stop = true;
  sender.join();
  return rate.a_second();
}

double send(RawLink& link, const std::vector<std::byte>& frame, double seconds) {
  std::atomic<bool> stop = false;
  std::thread sender{[&] {
    pin(0);
    while (!stop) {
      for (unsigned i = 0; i < kCalls; ++i) link.send(frame);
      link.flush();
    }
  }};
  pin(1);
  const int socket = kernel_socket();
  Batch batch{2048};
  Rate rate{seconds};
  while (!rate.over()) {
    const int got = ::recvmmsg(socket, batch.messages.data(), kCalls, MSG_DONTWAIT, nullptr);
    if (got > 0) rate.count(static_cast<std::size_t>(got));
  }
  stop = true;
  sender.join();
  return rate.a_second();
}

double echo(RawLink& link, const std::vector<std::byte>& frame, double seconds, bool spin) {
  std::atomic<bool> stop = false;
  std::thread echoing{[&] {
    pin(spin ? 0 : 1);
    while (!stop) {
      pollfd wait{.fd = link.descriptor(), .events = POLLIN, .revents = 0};
      if (!spin) ::poll(&wait, 1, 100);
      link.receive([&](std::span<const std::byte> got) {
        if (is_ours(got)) link.send(frame);
      });
      link.flush();
    }
  }};
  pin(1);
  const int socket = kernel_socket();
  const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::vector<char> bytes(frame.size() - kHeaders);
  Rate rate{seconds};
  while (!rate.over()) {
    if (::send(socket, bytes.data(), bytes.size(), 0) < 0) give_up("send");
    ssize_t got = -1;
    do {
      got = ::recv(socket, bytes.data(), bytes.size(), spin ? MSG_DONTWAIT : 0);
    } while (got < 0 && spin && !rate.over());
    if (got > 0) rate.count(1);
  }
  stop = true;
  echoing.join();
  return rate.a_second();
}

}  // namespace

std::unique_ptr<RawLink> open_raw_link(std::string_view kind, const std::string& device) {
  if (kind == "tap") return std::make_unique<Tap>(device);
  if (kind.starts_with("xdp-")) return open_raw_xdp(device, kind == "xdp-native");
  return open_raw_packet(kind, device);
}

}  // namespace tapir::bench

int main(int argc, char** argv) {
  using namespace tapir::bench;
  if (argc != 7) {
    std::fputs("usage: links KIND DEVICE KERNEL_DEVICE receive|send|echo|echo-spin FRAME_BYTES SECONDS\n", stderr);
    return 2;
  }
  const auto link = open_raw_link(argv[1], argv[2]);
  const std::string_view mode = argv[4];
  const std::size_t size = std::strtoul(argv[5], nullptr, 10);
  const double seconds = std::strtod(argv[6], nullptr);
  if (link == nullptr || size < kHeaders + 1) return 2;
  const auto frame = datagram(argv[3], size);
  const double rate = mode == "receive" ? receive(*link, size, seconds)
                      : mode == "send"  ? send(*link, frame, seconds)
                                        : echo(*link, frame, seconds, mode == "echo-spin");
  std::printf("%.0f\n", rate);
}
