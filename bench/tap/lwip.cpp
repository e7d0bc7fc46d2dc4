// lwIP as the peer of Linux: 192.0.2.2 with discard on port 9 (one copy to the application), a source on 19, echo on 7.
//   lwip TAP [--plain] [--spin]
// Through lwIP's raw interface, in one thread, with a driver of our own. It has no notion of segmentation offload and computes checksums itself, so the
// device carries frames of at most 1514 bytes in every row; --plain changes nothing. Window and send buffer are those the library is compiled with.

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

namespace {

constexpr std::size_t kFrame = 1514;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "lwip: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

/// A frame's memory, lent to lwIP with its header: lwIP's own pools are sized when it is compiled.
struct Buffer {
  pbuf_custom header;  // first: lwIP hands back a pointer to its first member
  Buffer* next_free;
  std::array<std::byte, kFrame + 6> frame;
};

class Buffers {
 public:
  [[nodiscard]] Buffer& take() {
    if (free_ == nullptr) return all_.emplace_back();
    Buffer& buffer = *free_;
    free_ = buffer.next_free;
    return buffer;
  }
  void give_back(Buffer& buffer) {
    buffer.next_free = free_;
    free_ = &buffer;
  }

 private:
  std::deque<Buffer> all_;  // grows to what is in use at once
  Buffer* free_ = nullptr;
};
Buffers buffers;

void give_back(pbuf* frame) { buffers.give_back(*reinterpret_cast<Buffer*>(frame)); }

/// The device, as lwIP's network interface.
class Driver {
 public:
  explicit Driver(const char* name) : device_{::open("/dev/net/tun", O_RDWR | O_NONBLOCK)} {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI);
    // A device remembers the offloads of the program before.
    if (device_ < 0 || ::ioctl(device_, TUNSETIFF, &request) < 0 || ::ioctl(device_, TUNSETOFFLOAD, 0UL) < 0) fail(name);
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 192, 0, 2, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 192, 0, 2, 1);
    if (netif_add(&interface_, &address, &mask, &gateway, this, &Driver::furnish, &ethernet_input) == nullptr) fail("netif_add");
    netif_set_default(&interface_);
    netif_set_up(&interface_);
    netif_set_link_up(&interface_);
  }

  [[noreturn]] void run(bool spin) {
    for (;;) {
      if (!spin) {
        pollfd wait{.fd = device_, .events = POLLIN, .revents = 0};
        ::poll(&wait, 1, static_cast<int>(std::min<std::uint32_t>(sys_timeouts_sleeptime(), 1000)));
      }
      for (unsigned i = 0; i < 64 && read_frame(); ++i) {}
      sys_check_timeouts();
    }
  }

 private:
  static err_t furnish(netif* interface) {
    interface->name[0] = 't';
    interface->name[1] = 'p';
    interface->mtu = 1500;
    interface->hwaddr_len = 6;
    constexpr std::array<std::uint8_t, 6> kMac{2, 0, 0, 0, 0, 2};
    std::copy(kMac.begin(), kMac.end(), interface->hwaddr);
    interface->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    interface->output = &etharp_output;
    interface->linkoutput = &Driver::write_frame;
    return ERR_OK;
  }

  static err_t write_frame(netif* interface, pbuf* frame) {
    std::array<iovec, 8> parts;
    int count = 0;
    for (const pbuf* part = frame; part != nullptr; part = part->next) {
      if (count == static_cast<int>(parts.size())) return ERR_BUF;
      parts[static_cast<std::size_t>(count++)] = {part->payload, part->len};
    }
    const auto* const driver = static_cast<const Driver*>(interface->state);
    return ::writev(driver->device_, parts.data(), count) < 0 ? ERR_IF : ERR_OK;
  }

  bool read_frame() {
    Buffer& buffer = buffers.take();
    const auto size = ::read(device_, buffer.frame.data(), buffer.frame.size());
    if (size <= 0) {
      buffers.give_back(buffer);
      return false;
    }
    buffer.header.custom_free_function = &give_back;
    pbuf* const frame = pbuf_alloced_custom(PBUF_RAW, static_cast<u16_t>(size), PBUF_REF, &buffer.header, buffer.frame.data(),
                                            static_cast<u16_t>(buffer.frame.size()));
    if (interface_.input(frame, &interface_) != ERR_OK) pbuf_free(frame);
    return true;
  }

  int device_;
  netif interface_{};
};

// --- the services ---

constexpr std::uint16_t kEcho = 7, kDiscard = 9, kSource = 19;
std::vector<std::byte> application(1 << 18);
const std::vector<std::byte> endless(65535);

void let_go(tcp_pcb* connection) {
  tcp_arg(connection, nullptr);
  tcp_recv(connection, nullptr);
  tcp_sent(connection, nullptr);
  if (tcp_close(connection) != ERR_OK) tcp_abort(connection);
}

err_t discard(void*, tcp_pcb* connection, pbuf* data, err_t) {
  if (data == nullptr) {
    let_go(connection);
    return ERR_OK;
  }
  (void)pbuf_copy_partial(data, application.data(), data->tot_len, 0);
  tcp_recved(connection, data->tot_len);
  pbuf_free(data);
  return ERR_OK;
}

err_t echo(void*, tcp_pcb* connection, pbuf* data, err_t) {
  if (data == nullptr) {
    let_go(connection);
    return ERR_OK;
  }
  for (const pbuf* part = data; part != nullptr; part = part->next) {
    if (tcp_write(connection, part->payload, part->len, TCP_WRITE_FLAG_COPY) != ERR_OK) break;  // single bytes: there is room
  }
  tcp_recved(connection, data->tot_len);
  pbuf_free(data);
  (void)tcp_output(connection);
  return ERR_OK;
}

err_t generate(void*, tcp_pcb* connection, u16_t) {
  // Whole segments: a short one would be a frame of its own.
  while (const auto room = static_cast<u16_t>(std::min<std::size_t>(tcp_sndbuf(connection) / TCP_MSS * TCP_MSS, endless.size()))) {
    if (tcp_write(connection, endless.data(), room, TCP_WRITE_FLAG_MORE) != ERR_OK) break;
  }
  (void)tcp_output(connection);
  return ERR_OK;
}

err_t accept(void* argument, tcp_pcb* connection, err_t error) {
  if (connection == nullptr || error != ERR_OK) return ERR_VAL;
  tcp_nagle_disable(connection);
  switch (*static_cast<const std::uint16_t*>(argument)) {
    case kEcho: tcp_recv(connection, &echo); break;
    case kDiscard: tcp_recv(connection, &discard); break;
    default:
      tcp_recv(connection, &discard);
      tcp_sent(connection, &generate);
      (void)generate(nullptr, connection, 0);
  }
  return ERR_OK;
}

void serve(std::uint16_t& port) {
  tcp_pcb* const fresh = tcp_new();
  if (fresh == nullptr || tcp_bind(fresh, IP_ANY_TYPE, port) != ERR_OK) fail("tcp_bind");
  tcp_pcb* const listener = tcp_listen(fresh);
  if (listener == nullptr) fail("tcp_listen");
  tcp_arg(listener, &port);
  tcp_accept(listener, &accept);
}

}  // namespace

int main(int argc, char** argv) {
  bool spin = false, understood = argc >= 2;
  for (int i = 2; i < argc; ++i) {
    const std::string_view option{argv[i]};
    spin = spin || option == "--spin";
    understood = understood && (option == "--spin" || option == "--plain");
  }
  if (!understood) {
    std::fputs("usage: lwip TAP [--plain] [--spin]\n", stderr);
    return 2;
  }
  lwip_init();
  Driver driver{argv[1]};
  std::array<std::uint16_t, 3> ports{kEcho, kDiscard, kSource};
  for (std::uint16_t& port : ports) serve(port);
  driver.run(spin);
}
