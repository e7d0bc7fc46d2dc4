// What an option that is accepted does, and that one which does nothing is refused. Each effect stands beside the same without the option.
#include <catch2/catch.hpp>

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "message_room.hpp"
#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::control_data;
using tapir::test::far_apart;
using tapir::test::for_each_control;
using tapir::test::generic;
using tapir::test::MessageRoom;
using tapir::test::socket_address;
using tapir::test::TwoHosts;

namespace {
constexpr tapir::Duration kOneWay = 10ms;

std::size_t sum(const std::vector<std::size_t>& sizes) { return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}); }

/// Receives one datagram and the data of the control message of that type, if it came.
template <class T>
std::optional<T> control_of(tapir::posix::Sockets& sockets, int fd, int level, int type) {
  MessageRoom room{16};
  REQUIRE(sockets.recvmsg(fd, &room.header, 0) >= 0);
  std::optional<T> found;
  for_each_control(room.header, [&](const cmsghdr& control) {
    if (control.cmsg_level != level || control.cmsg_type != type) return;
    CHECK(control.cmsg_len == CMSG_LEN(sizeof(T)));
    found = control_data<T>(control);
  });
  return found;
}

/// A datagram socket on the right host, and one on the left to send to it.
struct Datagrams : TwoHosts {
  Datagrams() : TwoHosts{far_apart(kOneWay)} {
    const sockaddr_in in = socket_address(tapir::Ipv4Address{}, kPort);
    REQUIRE(right.bind(receiver, generic(in), sizeof(in)) == 0);
  }
  void send_one() {
    const sockaddr_in to = socket_address(tapir::test::kRightAddress, kPort);
    REQUIRE(left.sendto(sender, "x", 1, 0, generic(to), sizeof(to)) == 1);
    pair.world.run_for(1s);
  }
  int receiver = right.socket(AF_INET, SOCK_DGRAM, 0);
  int sender = left.socket(AF_INET, SOCK_DGRAM, 0);
};
}  // namespace

TEST_CASE("SO_MAX_PACING_RATE spreads what is sent over time", "[socket]") {
  const bool paced = GENERATE(true, false);
  TwoHosts hosts{far_apart(kOneWay)};
  const auto ends = hosts.linked();
  CHECK(TwoHosts::get(hosts.left, ends.client, SOL_SOCKET, SO_MAX_PACING_RATE) == -1);  // no bound
  if (paced) REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_MAX_PACING_RATE, 10'000) == 0);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, std::string(14'000, 'x')) == 14'000);
  hosts.pair.world.run_for(1us);
  hosts.pair.world.run_for(500ms);
  // A first piece of two segments leaves at once, and 5000 bytes in half a second.
  const std::size_t after = sum(hosts.log.sizes());
  CHECK(after >= (paced ? 4'000U : 14'000U));
  CHECK(after <= (paced ? 9'500U : 14'000U));
  if (!paced) return;
  // A higher rate also shortens the wait that has begun.
  REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_MAX_PACING_RATE, 10'000'000) == 0);
  hosts.pair.world.run_for(100ms);
  CHECK(sum(hosts.log.sizes()) == 14'000);
  CHECK(TwoHosts::get(hosts.left, ends.client, SOL_SOCKET, SO_MAX_PACING_RATE) == 10'000'000);
}

TEST_CASE("SO_MAX_PACING_RATE of a listener is that of what it accepts", "[socket]") {
  const bool paced = GENERATE(true, false);
  TwoHosts hosts{far_apart(kOneWay)};
  const int listener = hosts.listen();
  const std::uint64_t rate = 10'000;
  if (paced) REQUIRE(hosts.right.setsockopt(listener, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)) == 0);
  const int client = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(hosts.connect(client) == 0);
  const int server = hosts.right.accept(listener, nullptr, nullptr);
  REQUIRE(TwoHosts::send(hosts.right, server, std::string(14'000, 'x')) == 14'000);
  hosts.pair.world.run_for(500ms);
  int unread = 0;
  REQUIRE(hosts.left.ioctl(client, FIONREAD, &unread) == 0);
  CHECK((unread < 9'500) == paced);
}

TEST_CASE("TCP_WINDOW_CLAMP bounds the window offered", "[socket]") {
  constexpr int kClamp = 5000;
  const bool clamped = GENERATE(true, false);
  TwoHosts hosts{far_apart(kOneWay)};
  const int listener = hosts.listen();
  if (clamped) REQUIRE(TwoHosts::set(hosts.right, listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, kClamp) == 0);
  const int client = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(hosts.connect(client) == 0);
  const int server = hosts.right.accept(listener, nullptr, nullptr);
  const auto offered = [&] { return hosts.pair.left->tcp().connections().at(0).snd_wnd; };
  CHECK(offered() == (clamped ? kClamp : 65'535));
  CHECK(hosts.pair.left->tcp().connections().at(0).snd_wind_shift == (clamped ? 0 : 7));
  hosts.log.segments.clear();
  REQUIRE(TwoHosts::send(hosts.left, client, std::string(20'000, 'x')) == 20'000);
  hosts.pair.world.run_for(kOneWay);
  CHECK(sum(hosts.log.sizes()) == (clamped ? 3U : 10U) * 1448U);  // whole segments
  // While it lives: what was offered is not taken back, but it opens no further.
  CHECK(TwoHosts::set(hosts.right, server, IPPROTO_TCP, TCP_WINDOW_CLAMP, 2000) == 0);
  CHECK(TwoHosts::get(hosts.right, server, IPPROTO_TCP, TCP_WINDOW_CLAMP) == 2000);
  CHECK(TwoHosts::receive(hosts.right, server, 20'000, MSG_WAITALL).size() == 20'000);
  CHECK(offered() <= (clamped ? 2000U : 65'535U));
  REQUIRE(TwoHosts::send(hosts.left, client, std::string(60'000, 'x')) == 60'000);
  CHECK(TwoHosts::receive(hosts.right, server, 60'000, MSG_WAITALL).size() == 60'000);
  hosts.pair.world.run_for(1s);
  CHECK(offered() <= 2000 + 128);  // in units of the scale
  CHECK(TwoHosts::set(hosts.right, server, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0) == -1);
  CHECK(errno == EINVAL);
}

TEST_CASE("IP_MINTTL keeps out who is far away", "[socket]") {
  const auto drops = [](TwoHosts& hosts) { return hosts.pair.right->tcp().drops()[tapir::Drop::ttl_too_low]; };
  TwoHosts hosts{far_apart(kOneWay)};
  SECTION("of a listener") {
    const bool near = GENERATE(true, false);
    const int listener = hosts.listen();
    REQUIRE(TwoHosts::set(hosts.right, listener, IPPROTO_IP, IP_MINTTL, 255) == 0);
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (near) REQUIRE(TwoHosts::set(hosts.left, fd, IPPROTO_IP, IP_TTL, 255) == 0);
    CHECK(hosts.connect(fd) == -1);
    hosts.pair.world.run_for(100ms);
    CHECK((drops(hosts) == 0) == near);
    CHECK(((hosts.left.readiness(fd) & EPOLLOUT) != 0) == near);
  }
  SECTION("of a connection") {
    const auto ends = hosts.linked();
    REQUIRE(TwoHosts::set(hosts.right, ends.server, IPPROTO_IP, IP_MINTTL, 255) == 0);
    CHECK(TwoHosts::send(hosts.left, ends.client, "far") == 3);
    hosts.pair.world.run_for(100ms);
    CHECK(drops(hosts) == 1);
    CHECK((hosts.right.readiness(ends.server) & EPOLLIN) == 0);
    REQUIRE(TwoHosts::set(hosts.left, ends.client, IPPROTO_IP, IP_TTL, 255) == 0);
    hosts.pair.world.run_for(3s);  // it goes again
    CHECK(TwoHosts::receive(hosts.right, ends.server, 10, MSG_DONTWAIT) == "far");
  }
}

TEST_CASE("SO_TIMESTAMPNS tells when a datagram came, to the nanosecond", "[socket]") {
  const int option = GENERATE(0, SO_TIMESTAMP, SO_TIMESTAMPNS);
  Datagrams hosts;
  if (option != 0) REQUIRE(TwoHosts::set(hosts.right, hosts.receiver, SOL_SOCKET, option, 1) == 0);
  std::optional<tapir::TimePoint> came;
  REQUIRE(hosts.right.on_event(hosts.receiver, [&] { came = hosts.pair.world.now(); }) == 0);
  hosts.pair.world.run_for(1234ns);
  hosts.send_one();
  REQUIRE(came);
  const auto since = came->time_since_epoch();
  if (option == SO_TIMESTAMPNS) {
    const auto time = control_of<timespec>(hosts.right, hosts.receiver, SOL_SOCKET, SO_TIMESTAMPNS);
    REQUIRE(time);
    CHECK(std::chrono::seconds{time->tv_sec} + std::chrono::nanoseconds{time->tv_nsec} == since);
  } else if (option == SO_TIMESTAMP) {
    const auto time = control_of<timeval>(hosts.right, hosts.receiver, SOL_SOCKET, SO_TIMESTAMP);
    REQUIRE(time);
    CHECK(std::chrono::seconds{time->tv_sec} + std::chrono::microseconds{time->tv_usec} ==
          std::chrono::duration_cast<std::chrono::microseconds>(since));
  } else {
    CHECK_FALSE(control_of<timespec>(hosts.right, hosts.receiver, SOL_SOCKET, SO_TIMESTAMPNS));
  }
}

TEST_CASE("IP_RECVORIGDSTADDR tells where a datagram was sent to", "[socket]") {
  const bool asked = GENERATE(true, false);
  Datagrams hosts;
  if (asked) REQUIRE(TwoHosts::set(hosts.right, hosts.receiver, IPPROTO_IP, IP_RECVORIGDSTADDR, 1) == 0);
  hosts.send_one();
  const auto to = control_of<sockaddr_in>(hosts.right, hosts.receiver, IPPROTO_IP, IP_ORIGDSTADDR);
  REQUIRE(to.has_value() == asked);
  if (!asked) return;
  CHECK(to->sin_family == AF_INET);
  CHECK(ntohs(to->sin_port) == TwoHosts::kPort);
  CHECK(ntohl(to->sin_addr.s_addr) == tapir::test::kRightAddress.value());
}

TEST_CASE("an option that would do nothing is refused", "[socket]") {
  TwoHosts hosts;
  const int stream = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  const int datagram = hosts.left.socket(AF_INET, SOCK_DGRAM, 0);
  struct Row {
    int fd, level, name;
  };
  const Row rows[] = {
      {stream, SOL_SOCKET, SO_DONTROUTE},         {datagram, SOL_SOCKET, SO_DONTROUTE},
      {stream, IPPROTO_TCP, TCP_SAVE_SYN},        {stream, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
      {stream, IPPROTO_IP, IP_RECVORIGDSTADDR},   {datagram, IPPROTO_IP, IP_MINTTL},
      {datagram, SOL_SOCKET, SO_MAX_PACING_RATE},
  };
  for (const Row& row : rows) {
    INFO("level " << row.level << ", option " << row.name);
    CHECK(TwoHosts::set(hosts.left, row.fd, row.level, row.name, 1) == -1);
    CHECK(errno == ENOPROTOOPT);
  }
}
