// Datagrams that UDP_SEGMENT cuts, from 192.0.2.2 on tap0 to 192.0.2.1: the stack's end of tests/host/udp_test.py.
//   datagrams PORT SIZE SEGMENT    sends one message of SIZE bytes; byte i is i / 7 mod 256
// Says how many frames have left for it.

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <tapir/socket/sockets.hpp>
#include <tapir/tapir.hpp>

namespace {

using namespace tapir::literals;

std::uint64_t frames_of(const tapir::link::Link& link) {
  const auto counters = link.counters();
  const auto frames = std::ranges::find(counters, "outFrames", &tapir::link::Counter::name);
  return frames == counters.end() ? 0 : frames->value;
}

int run(std::uint16_t port, std::size_t size, int segment) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open("tap0");
  if (!tap) return tapir::report("tap0", tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix}};
  tapir::posix::Sockets sockets{stack};
  const int sender = sockets.socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(0xc0000201);
  if (sockets.connect(sender, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) < 0 || sockets.send(sender, "first", 5, 0) != 5) return 1;
  runtime.run_until([] { return false; }, std::chrono::milliseconds{200});  // ARP has answered
  constexpr int kSegment = 103;                                             // UDP_SEGMENT
  if (sockets.setsockopt(sender, IPPROTO_UDP, kSegment, &segment, sizeof(segment)) < 0) return 1;
  std::vector<unsigned char> message(size);
  for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<unsigned char>(i / 7);
  const auto before = frames_of(stack.link());
  if (sockets.send(sender, message.data(), size, 0) != static_cast<ssize_t>(size)) return 1;
  std::printf("frames %llu\n", static_cast<unsigned long long>(frames_of(stack.link()) - before));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return run(static_cast<std::uint16_t>(std::atoi(argv[1])), std::strtoul(argv[2], nullptr, 10), std::atoi(argv[3]));
}
