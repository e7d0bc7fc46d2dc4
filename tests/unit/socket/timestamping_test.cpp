// SO_TIMESTAMPING of streams (Linux' Documentation/networking/timestamping), and what else the error queue holds.
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "message_room.hpp"
#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::control_data;
using tapir::test::far_apart;
using tapir::test::for_each_control;
using tapir::test::MessageRoom;
using tapir::test::TwoHosts;

namespace {

constexpr int kAll = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
                     SOF_TIMESTAMPING_OPT_ID;

/// One message of the error queue.
struct Told {
  sock_extended_err error{};
  std::optional<timespec> at;
  int flags = 0;
};

std::optional<Told> error_queue(tapir::posix::Sockets& sockets, int fd) {
  MessageRoom room{0};
  if (sockets.recvmsg(fd, &room.header, MSG_ERRQUEUE) != 0) return std::nullopt;
  Told told;
  told.flags = room.header.msg_flags;
  for_each_control(room.header, [&told](const cmsghdr& control) {
    if (control.cmsg_level == SOL_SOCKET && control.cmsg_type == SO_TIMESTAMPING) told.at = control_data<timespec>(control);
    if (control.cmsg_level == IPPROTO_IP && control.cmsg_type == IP_RECVERR) told.error = control_data<sock_extended_err>(control);
  });
  return told;
}

timespec timespec_of(tapir::TimePoint time) {
  const auto nanoseconds = time.time_since_epoch().count();
  return {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
}

}  // namespace

TEST_CASE("SO_TIMESTAMPING tells when a write left and when it arrived", "[socket][timestamping]") {
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_TIMESTAMPING, kAll) == 0);
  CHECK(TwoHosts::get(hosts.left, ends.client, SOL_SOCKET, SO_TIMESTAMPING) == kAll);
  CHECK_FALSE(error_queue(hosts.left, ends.client));
  CHECK(errno == EAGAIN);
  REQUIRE(TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
  const auto start = hosts.pair.world.now();
  REQUIRE(TwoHosts::send(hosts.left, ends.client, std::string(1000, 'x')) == 1000);
  hosts.pair.world.run_for(5ms);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, std::string(500, 'x')) == 500);
  hosts.pair.world.run_for(300ms);
  CHECK((hosts.left.readiness(ends.client) & EPOLLERR) != 0);
  std::vector<Told> all;
  while (const auto told = error_queue(hosts.left, ends.client)) all.push_back(*told);
  REQUIRE(all.size() == 6);
  CHECK((hosts.left.readiness(ends.client) & EPOLLERR) == 0);
  const auto find = [&](std::uint32_t kind, std::uint32_t key) {
    for (const auto& told : all) {
      if (told.error.ee_info == kind && told.error.ee_data == key) return told;
    }
    FAIL("nothing of kind " << kind << " for " << key);
    return Told{};
  };
  for (const auto kind : {SCM_TSTAMP_SCHED, SCM_TSTAMP_SND, SCM_TSTAMP_ACK}) {
    for (const std::uint32_t key : {999U, 1499U}) {  // the last octet of each write
      const Told told = find(kind, key);
      CHECK(told.error.ee_errno == ENOMSG);
      CHECK(told.error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING);
      CHECK(told.flags == (MSG_ERRQUEUE | MSG_TRUNC));
      REQUIRE(told.at);
    }
  }
  const auto is = [](const Told& told, tapir::TimePoint time) {
    const timespec wanted = timespec_of(time);
    return told.at->tv_sec == wanted.tv_sec && told.at->tv_nsec == wanted.tv_nsec;
  };
  CHECK(is(find(SCM_TSTAMP_SCHED, 999), start));
  CHECK(is(find(SCM_TSTAMP_SND, 999), start));
  CHECK(is(find(SCM_TSTAMP_SND, 1499), start + 5ms));
  const auto acknowledged = find(SCM_TSTAMP_ACK, 999);
  CHECK(acknowledged.at->tv_nsec - timespec_of(start).tv_nsec >= 20'000'000);
}

TEST_CASE("SO_TIMESTAMPING tells what it was asked for", "[socket][timestamping]") {
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  const int stage = GENERATE(static_cast<int>(SOF_TIMESTAMPING_TX_SCHED), static_cast<int>(SOF_TIMESTAMPING_TX_SOFTWARE),
                             static_cast<int>(SOF_TIMESTAMPING_TX_ACK));
  SECTION("one stage, the octets not numbered, no packet") {
    REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_TIMESTAMPING,
                          stage | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
    REQUIRE(TwoHosts::send(hosts.left, ends.client, "hello") == 5);
    hosts.pair.world.run_for(1s);
    const auto told = error_queue(hosts.left, ends.client);
    REQUIRE(told);
    CHECK(told->error.ee_data == 0);
    CHECK(told->flags == MSG_ERRQUEUE);
  }
  SECTION("no time without SOF_TIMESTAMPING_SOFTWARE") {
    REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_TIMESTAMPING, stage) == 0);
    REQUIRE(TwoHosts::send(hosts.left, ends.client, "hello") == 5);
    hosts.pair.world.run_for(1s);
    const auto told = error_queue(hosts.left, ends.client);
    REQUIRE(told);
    CHECK_FALSE(told->at);
  }
  CHECK_FALSE(error_queue(hosts.left, ends.client));
}

TEST_CASE("SO_TIMESTAMPING refuses what it does not know, and numbers only a stream that is there", "[socket][timestamping]") {
  TwoHosts hosts;
  const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  CHECK(TwoHosts::set(hosts.left, fd, SOL_SOCKET, SO_TIMESTAMPING, 1 << 30) == -1);
  CHECK(errno == EINVAL);
  CHECK(TwoHosts::set(hosts.left, fd, SOL_SOCKET, SO_TIMESTAMPING, kAll) == -1);
  CHECK(errno == EINVAL);
  CHECK(TwoHosts::set(hosts.left, fd, SOL_SOCKET, SO_TIMESTAMPING, kAll & ~SOF_TIMESTAMPING_OPT_ID) == 0);
}

namespace {
/// recvmsg(): what came, and when the first control message says that it did.
std::pair<std::string, std::optional<timespec>> receive_timed(tapir::posix::Sockets& sockets, int fd, std::size_t size) {
  MessageRoom room{size};
  const ssize_t count = sockets.recvmsg(fd, &room.header, 0);
  if (count < 0) return {};
  std::optional<timespec> at;
  if (const cmsghdr* first = CMSG_FIRSTHDR(&room.header)) at = control_data<timespec>(*first);
  return {room.bytes.substr(0, static_cast<std::size_t>(count)), at};
}

/// The cable takes a little for the frame itself.
bool same(const std::optional<timespec>& at, tapir::TimePoint time) {
  if (!at) return false;
  const auto behind = std::chrono::seconds{at->tv_sec} + std::chrono::nanoseconds{at->tv_nsec} - time.time_since_epoch();
  return behind >= 0ns && behind < 1us;
}
}  // namespace

TEST_CASE("a stream tells when the last octet of what was read came", "[socket][timestamping]") {
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  REQUIRE(TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
  REQUIRE(TwoHosts::set(hosts.right, ends.server, SOL_SOCKET, SO_TIMESTAMPNS, 1) == 0);
  const auto start = hosts.pair.world.now();
  REQUIRE(TwoHosts::send(hosts.left, ends.client, "abc") == 3);
  hosts.pair.world.run_for(5ms);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, "def") == 3);
  hosts.pair.world.run_for(1s);
  const auto first = receive_timed(hosts.right, ends.server, 2);
  CHECK(first.first == "ab");
  CHECK(same(first.second, start + 10ms));
  const auto across = receive_timed(hosts.right, ends.server, 2);
  CHECK(across.first == "cd");
  CHECK(same(across.second, start + 15ms));
  CHECK(same(receive_timed(hosts.right, ends.server, 9).second, start + 15ms));
  REQUIRE(TwoHosts::set(hosts.right, ends.server, SOL_SOCKET, SO_TIMESTAMPNS, 0) == 0);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, "ghi") == 3);
  hosts.pair.world.run_for(1s);
  CHECK_FALSE(receive_timed(hosts.right, ends.server, 9).second);
}

TEST_CASE("a datagram tells when it came, however late it is read", "[socket][timestamping]") {
  TwoHosts hosts{far_apart(10ms)};
  const int from = hosts.left.socket(AF_INET, SOCK_DGRAM, 0);
  const int to = hosts.right.socket(AF_INET, SOCK_DGRAM, 0);
  const auto place = tapir::test::socket_address(tapir::test::kRightAddress, 7);
  REQUIRE(hosts.right.bind(to, tapir::test::generic(place), sizeof(place)) == 0);
  REQUIRE(TwoHosts::set(hosts.right, to, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE) == 0);
  REQUIRE(hosts.left.sendto(from, "x", 1, 0, tapir::test::generic(place), sizeof(place)) == 1);
  hosts.pair.world.run_for(1s);  // the neighbour is known from now on
  (void)receive_timed(hosts.right, to, 1);
  const auto start = hosts.pair.world.now();
  REQUIRE(hosts.left.sendto(from, "y", 1, 0, tapir::test::generic(place), sizeof(place)) == 1);
  hosts.pair.world.run_for(1s);
  CHECK(same(receive_timed(hosts.right, to, 1).second, start + 10ms));
}

TEST_CASE("seventeen pieces that are not copied are a segment", "[socket][zerocopy]") {
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_ZEROCOPY, 1) == 0);
  const int flags = GENERATE(0, static_cast<int>(MSG_ZEROCOPY));
  char octet = 'x';
  std::array<iovec, 18> parts;
  parts.fill({.iov_base = &octet, .iov_len = 1});
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  CHECK(hosts.left.sendmsg(ends.client, &message, flags) == 18);
  hosts.pair.world.run_for(1s);
  CHECK(hosts.log.sizes() == (flags == 0 ? std::vector<std::size_t>{18} : std::vector<std::size_t>{17, 1}));
  CHECK(error_queue(hosts.left, ends.client).has_value() == (flags != 0));
}

TEST_CASE("octets are numbered from the next one that is written, or from the oldest that is not acknowledged", "[socket][timestamping]") {
  constexpr int kOptIdTcp = 1 << 16;
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  const bool from_next = GENERATE(true, false);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, std::string(100, 'x')) == 100);
  REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_TIMESTAMPING,
                        SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | (from_next ? kOptIdTcp : 0)) == 0);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, "words") == 5);
  hosts.pair.world.run_for(1s);
  const auto told = error_queue(hosts.left, ends.client);
  REQUIRE(told);
  CHECK(told->error.ee_data == (from_next ? 4 : 104));
}

TEST_CASE("options that a listener is given while a handshake goes on are the connection's", "[socket][timestamping]") {
  TwoHosts hosts{far_apart(10ms)};
  const int listener = hosts.listen();
  const int client = hosts.left.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  CHECK(hosts.connect(client) == -1);
  while ((hosts.left.readiness(client) & EPOLLOUT) == 0) hosts.pair.world.run_for(1ms);  // the ACK is on its way
  REQUIRE(hosts.right.readiness(listener) == 0);
  REQUIRE(TwoHosts::set(hosts.right, listener, SOL_SOCKET, SO_TIMESTAMPNS, 1) == 0);
  hosts.pair.world.run_for(1s);
  const int server = hosts.right.accept(listener, nullptr, nullptr);
  REQUIRE(server >= 0);
  CHECK(TwoHosts::get(hosts.right, server, SOL_SOCKET, SO_TIMESTAMPNS) == 1);
  const auto start = hosts.pair.world.now();
  REQUIRE(TwoHosts::send(hosts.left, client, "words") == 5);
  hosts.pair.world.run_for(1s);
  CHECK(same(receive_timed(hosts.right, server, 10).second, start + 10ms));
}
