#include "namespaces.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tapir::test {

namespace {

[[noreturn]] void refused(std::string_view what) {
  throw std::runtime_error{fmt::format("{}: {} (as root, or under scripts/netlab --no-tap)", what, std::strerror(errno))};
}

/// Leaves the thread in a fresh network namespace. Its descriptor, which children inherit.
int make_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) refused("no network namespace can be made");
  const int fd = ::open("/proc/thread-self/ns/net", O_RDONLY);
  if (fd < 0) refused("/proc/thread-self/ns/net");
  return fd;
}

/// Of the namespace that the thread is in. One that this kernel does not have stays as it is.
void write_setting(const std::string& name, std::string_view value) { std::ofstream{"/proc/sys/net/" + name} << value; }

void run_ip(const std::string& lines) {
  FILE* const ip = ::popen("ip -batch -", "w");
  if (ip == nullptr) refused("ip");
  std::fwrite(lines.data(), 1, lines.size(), ip);
  if (::pclose(ip) != 0) throw std::runtime_error{"ip failed at one of:\n" + lines};
}

/// Settings by which a run takes no longer than it must, and that nothing is sent which nobody asked for.
void furnish() {
  for (const char* scope : {"all", "default"}) write_setting(fmt::format("ipv6/conf/{}/disable_ipv6", scope), "1");
  write_setting("ipv4/icmp_ratelimit", "0");  // else errors stay away from a test because of those that another has had
  write_setting("ipv4/tcp_fastopen", "3");
}

/// Sends datagrams from the one host to the other until one arrives: an interface that has just been set up takes its time.
void await_veth(const Namespaces& hosts) {
  hosts.enter(Namespaces::Name::far);
  const int receiver = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, "192.0.2.2", &address.sin_addr);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (::bind(receiver, generic, size) != 0 || ::getsockname(receiver, generic, &size) != 0) refused("192.0.2.2");
  hosts.enter(Namespaces::Name::near);
  const int sender = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  pollfd arrived{.fd = receiver, .events = POLLIN, .revents = 0};
  constexpr int kMostTimes = 1000;
  for (int i = 0; i < kMostTimes && arrived.revents == 0; ++i) {
    (void)::sendto(sender, "", 0, 0, generic, size);
    (void)::poll(&arrived, 1, 10);
  }
  ::close(sender);
  ::close(receiver);
  if (arrived.revents == 0) throw std::runtime_error{"nothing arrives over the veth pair"};
}

}  // namespace

const Namespaces& Namespaces::instance() {
  static const Namespaces all;
  return all;
}

Namespaces::Namespaces() : alone_{make_namespace()} {
  furnish();
  run_ip("link set lo up\n");
  far_ = make_namespace();
  furnish();
  near_ = make_namespace();
  furnish();
  run_ip(
      fmt::format("link set lo up\n"
                  "link add veth0 type veth peer name veth1\n"
                  "link set veth1 netns /proc/self/fd/{}\n"
                  "address add 192.0.2.1/24 dev veth0\n"
                  "link set veth0 up\n"
                  "route add 224.0.0.0/4 dev veth0\n"
                  "route add 255.255.255.255 dev veth0\n"
                  "neighbour add 192.0.2.78 lladdr 02:00:00:00:00:4e dev veth0 nud permanent\n",
                  far_));
  write_setting("ipv4/neigh/veth0/retrans_time_ms", "50");
  enter(Name::far);
  run_ip(
      "link set lo up\n"
      "address add 192.0.2.2/24 dev veth1\n"
      "link set veth1 up\n"
      "route add 224.0.0.0/4 dev veth1\n"
      "route add 255.255.255.255 dev veth1\n");
  await_veth(*this);
}

void Namespaces::forget_paths() const {
  for (const Name name : {Name::alone, Name::near, Name::far}) {
    enter(name);
    write_setting("ipv4/route/flush", "1");
  }
}

void Namespaces::enter(Name name) const {
  const int fd = name == Name::alone ? alone_ : name == Name::near ? near_ : far_;
  if (::setns(fd, CLONE_NEWNET) != 0) refused("setns");
}

}  // namespace tapir::test
