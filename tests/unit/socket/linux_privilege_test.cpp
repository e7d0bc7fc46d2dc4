// What takes CAP_NET_RAW on Linux.
#include <catch2/catch.hpp>

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include <tapir/sim/world.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

namespace {

/// This thread has no CAP_NET_RAW while it lives.
class WithoutNetRaw {
 public:
  WithoutNetRaw() {
    REQUIRE(::syscall(SYS_capget, &header_, data_) == 0);
    had_ = data_[0].effective;
    set(had_ & ~(1U << CAP_NET_RAW));
  }
  WithoutNetRaw(const WithoutNetRaw&) = delete;
  WithoutNetRaw& operator=(const WithoutNetRaw&) = delete;
  ~WithoutNetRaw() { set(had_); }

 private:
  void set(std::uint32_t effective) {
    data_[0].effective = effective;
    CHECK(::syscall(SYS_capset, &header_, data_) == 0);
  }
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data_[_LINUX_CAPABILITY_U32S_3]{};
  std::uint32_t had_ = 0;
};

/// errno of each socket() that is refused, 0 for one that opens.
using Open = std::function<int(int type, int protocol)>;
std::vector<int> outcomes(const Open& open) {
  std::vector<int> all;
  for (const int type : {int{SOCK_RAW}, SOCK_RAW | SOCK_NONBLOCK, int{SOCK_STREAM}, int{SOCK_DGRAM}}) {
    for (const int protocol : {0, static_cast<int>(IPPROTO_ICMP), -1, static_cast<int>(IPPROTO_MAX)}) {
      if (type == SOCK_DGRAM && protocol == IPPROTO_ICMP) continue;  // a kind of its own, which is not here
      all.push_back(open(type, protocol) >= 0 ? 0 : errno);
    }
  }
  return all;
}

std::vector<int> on_linux() {
  return outcomes([](int type, int protocol) {
    const int fd = ::socket(AF_INET, type, protocol);
    if (fd >= 0) ::close(fd);
    return fd;
  });
}

std::vector<int> on_ours(bool raw_allowed) {
  tapir::sim::World world{{.seed = 1}};
  tapir::Stack stack{world, tapir::StackConfig{}};
  tapir::posix::Sockets sockets{stack, {.raw_allowed = raw_allowed}};
  return outcomes([&sockets](int type, int protocol) { return sockets.socket(AF_INET, type, protocol); });
}

}  // namespace

TEST_CASE("a raw socket takes CAP_NET_RAW, or SocketsConfig::raw_allowed", "[socket][raw][linux]") {
  const auto privileged = on_linux();
  CHECK(on_ours(true) == privileged);
  std::vector<int> refused;
  {
    const WithoutNetRaw dropped;
    refused = on_linux();
  }
  CHECK(on_ours(false) == refused);
  CHECK(refused != privileged);
}
