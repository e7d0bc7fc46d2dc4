// TCP Fast Open as sockets have it (man 7 tcp: MSG_FASTOPEN, TCP_FASTOPEN and its relatives).
#include <catch2/catch.hpp>

#include <linux/errqueue.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::TwoHosts;

namespace {

tapir::test::PairConfig both_ways() {
  auto config = tapir::test::far_apart(10ms);
  config.left.tcp.fast_open = config.right.tcp.fast_open = tapir::tcp::FastOpenUse::client | tapir::tcp::FastOpenUse::server;
  return config;
}

/// The right host listens in Fast Open; the left one opens.
struct Opening : TwoHosts {
  explicit Opening(const tapir::test::PairConfig& config = both_ways()) : TwoHosts{config} {
    listener = listen();
    (void)set(right, listener, IPPROTO_TCP, TCP_FASTOPEN, 5);
  }
  int client(bool nonblocking = true) { return left.socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0); }
  ssize_t open(int fd, std::string_view bytes, int flags = MSG_FASTOPEN) {
    const sockaddr_in in = tapir::test::socket_address(tapir::test::kRightAddress, kPort);
    return left.sendto(fd, bytes.data(), bytes.size(), flags, tapir::test::generic(in), sizeof(in));
  }
  /// A first connection brings the cookie.
  void learn() {
    const int fd = client(false);
    REQUIRE(open(fd, "first") == 5);
    const int server = right.accept(listener, nullptr, nullptr);
    REQUIRE(receive(right, server, 10) == "first");
    left.close(fd);
    right.close(server);
    pair.world.run_for(1s);
    log.segments.clear();
  }
  int listener = -1;
};
}  // namespace

TEST_CASE("MSG_FASTOPEN without a cookie is a connect()", "[socket][fastopen][RFC7413-4.2.2-1]") {
  Opening hosts;
  const int fd = hosts.client();
  CHECK(hosts.open(fd, "hello") == -1);
  CHECK(errno == EINPROGRESS);
  CHECK(hosts.open(fd, "hello") == -1);
  CHECK(errno == EALREADY);
  hosts.pair.world.run_for(1s);
  CHECK(hosts.log.sizes().empty());
  CHECK(hosts.open(fd, "hello") == 5);  // connected meanwhile
  CHECK(hosts.open(fd, "hello") == -1);
  CHECK(errno == EISCONN);
  const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
  CHECK(TwoHosts::receive(hosts.right, server, 10) == "hello");
}

TEST_CASE("MSG_FASTOPEN with a cookie: the server reads before the handshake ends", "[socket][fastopen][RFC7413-4.2.2-8]") {
  Opening hosts;
  hosts.learn();
  const int fd = hosts.client();
  CHECK(hosts.open(fd, "hello") == 5);
  CHECK(hosts.left.readiness(fd) == 0);
  hosts.pair.world.run_for(15ms);  // the SYN is there, the SYN,ACK under way
  const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
  REQUIRE(server >= 0);
  CHECK((hosts.right.readiness(server) & (EPOLLIN | EPOLLOUT)) == (EPOLLIN | EPOLLOUT));
  CHECK(TwoHosts::receive(hosts.right, server, 10, MSG_DONTWAIT) == "hello");
  CHECK(TwoHosts::send(hosts.right, server, "world") == 5);
  CHECK(TwoHosts::receive(hosts.left, fd, 10).empty());
  hosts.pair.world.run_for(12ms);
  CHECK(TwoHosts::receive(hosts.left, fd, 10) == "world");
  REQUIRE_FALSE(hosts.log.segments.empty());
  CHECK(hosts.log.segments[0].flags == "SYN");
  CHECK(hosts.log.segments[0].payload == 5);
  for (const auto& [sockets, socket] : {std::pair{&hosts.left, fd}, std::pair{&hosts.right, server}}) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    REQUIRE(sockets->getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    CHECK((info.tcpi_options & TCPI_OPT_SYN_DATA) != 0);
  }
}

TEST_CASE("Fast Open rests where SYN segments with data vanish", "[socket][fastopen]") {
  const int lost = GENERATE(0, 1, 2);
  auto config = both_ways();
  config.left.tcp.fast_open_blackhole_timeout = 1h;
  Opening hosts{config};
  hosts.learn();
  int syns = 0;
  hosts.pair.cable.filter([&](tapir::sim::End from, std::span<const std::byte> frame) {
    constexpr std::size_t kProtocol = 23;
    constexpr std::size_t kFlags = 47;
    const bool syn = from == tapir::sim::End::left && frame.size() > kFlags && frame[kProtocol] == std::byte{IPPROTO_TCP} &&
                     (frame[kFlags] & std::byte{2}) != std::byte{};
    return syn && ++syns <= lost ? tapir::sim::Verdict::drop : tapir::sim::Verdict::pass;
  });
  /// What the SYN of an open carries, and whether all of it arrives in the end.
  const auto open = [&] {
    hosts.log.segments.clear();
    const int fd = hosts.client();
    const bool deferred = hosts.open(fd, "hello") == -1;
    hosts.pair.world.run_for(20s);
    if (deferred) CHECK(TwoHosts::send(hosts.left, fd, "hello") == 5);
    const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
    CHECK(TwoHosts::receive(hosts.right, server, 10) == "hello");
    hosts.left.close(fd);
    hosts.right.close(server);
    hosts.pair.world.run_for(1s);
    return hosts.log.segments.at(0).payload;
  };
  CHECK(open() == 5);  // what follows the SYN that vanished is plain
  CHECK(open() == (lost == 0 ? 5U : 0U));
  // One lost SYN is the server's affair, for a while; two in a row look like a middlebox that swallows them all.
  hosts.pair.world.run_for(30min);
  CHECK(open() == (lost < 2 ? 5U : 0U));
  hosts.pair.world.run_for(40min);
  CHECK(open() == 5);
}

TEST_CASE("a call that must not wait takes what the SYN takes, one that may takes all", "[socket][fastopen][RFC7413-4.2.2-2]") {
  Opening hosts;
  hosts.learn();
  const std::string bytes(5000, 'x');
  SECTION("non-blocking") {
    const int fd = hosts.client();
    CHECK(hosts.open(fd, bytes) == 1420);
    CHECK(TwoHosts::send(hosts.left, fd, bytes) == -1);
    CHECK(errno == EAGAIN);
  }
  SECTION("MSG_DONTWAIT") { CHECK(hosts.open(hosts.client(false), bytes, MSG_FASTOPEN | MSG_DONTWAIT) == 1420); }
  SECTION("blocking") {
    CHECK(hosts.open(hosts.client(false), bytes) == 5000);
    hosts.pair.world.run_for(1s);
    CHECK(hosts.log.segments[0].payload == 1420);
    const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
    CHECK(TwoHosts::receive(hosts.right, server, 6000, MSG_WAITALL | MSG_DONTWAIT) == bytes);
  }
  SECTION("in several parts") {
    std::string more = "tail";
    std::array<iovec, 2> parts{iovec{.iov_base = const_cast<char*>(bytes.data()), .iov_len = 2000},
                               iovec{.iov_base = more.data(), .iov_len = more.size()}};
    sockaddr_in in = tapir::test::socket_address(tapir::test::kRightAddress, TwoHosts::kPort);
    msghdr message{};
    message.msg_name = &in;
    message.msg_namelen = sizeof(in);
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    CHECK(hosts.left.sendmsg(hosts.client(false), &message, MSG_FASTOPEN) == 2004);
    hosts.pair.world.run_for(1s);
    const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
    CHECK(TwoHosts::receive(hosts.right, server, 3000) == bytes.substr(0, 2000) + more);
  }
}

TEST_CASE("TCP_FASTOPEN_CONNECT: with a cookie connect() waits for the first write", "[socket][fastopen]") {
  Opening hosts;
  const int first = hosts.client();
  REQUIRE(TwoHosts::set(hosts.left, first, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) == 0);
  CHECK(hosts.connect(first) == -1);
  CHECK(errno == EINPROGRESS);
  hosts.pair.world.run_for(1s);
  hosts.right.close(hosts.right.accept(hosts.listener, nullptr, nullptr));
  hosts.left.close(first);
  hosts.learn();

  const int fd = hosts.client();
  REQUIRE(TwoHosts::set(hosts.left, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) == 0);
  CHECK(hosts.connect(fd) == 0);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EISCONN);
  hosts.pair.world.run_for(1s);
  CHECK(hosts.log.segments.empty());
  CHECK(hosts.left.readiness(fd) == (EPOLLOUT | EPOLLWRNORM));
  CHECK(hosts.left.recv(fd, nullptr, 0, 0) == -1);
  CHECK(errno == EAGAIN);
  SECTION("which opens") {
    CHECK(TwoHosts::send(hosts.left, fd, "hello") == 5);
    hosts.pair.world.run_for(1s);
    CHECK(hosts.log.segments[0].payload == 5);
    CHECK(TwoHosts::send(hosts.left, fd, "again") == 5);
  }
  SECTION("an empty one, too") {
    CHECK(TwoHosts::send(hosts.left, fd, "") == -1);
    CHECK(errno == EINPROGRESS);
    hosts.pair.world.run_for(1s);
    CHECK(hosts.connect(fd) == 0);
  }
  SECTION("or none, and nobody hears of it") {
    hosts.left.close(fd);
    hosts.pair.world.run_for(1s);
    CHECK(hosts.log.segments.empty());
  }
}

TEST_CASE("Fast Open that is switched off", "[socket][fastopen][RFC7413-6-1]") {
  auto config = both_ways();
  config.left.tcp.fast_open = config.right.tcp.fast_open = 0;
  Opening hosts{config};
  const int fd = hosts.client();
  CHECK(hosts.open(fd, "hello") == -1);
  CHECK(errno == EOPNOTSUPP);
  CHECK(TwoHosts::set(hosts.left, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) == -1);
  CHECK(errno == EOPNOTSUPP);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EINPROGRESS);  // the socket is as good as before
}

TEST_CASE("an address of no family cannot be opened to", "[socket][fastopen]") {
  Opening hosts;
  sockaddr_in in{};
  in.sin_family = AF_UNSPEC;
  CHECK(hosts.left.sendto(hosts.client(), "x", 1, MSG_FASTOPEN, tapir::test::generic(in), sizeof(in)) == -1);
  CHECK(errno == EOPNOTSUPP);
}

TEST_CASE("options of Fast Open and their ranges", "[socket][fastopen]") {
  Opening hosts;
  const int fd = hosts.right.socket(AF_INET, SOCK_STREAM, 0);
  CHECK(TwoHosts::set(hosts.right, fd, IPPROTO_TCP, TCP_FASTOPEN, -1) == -1);
  CHECK(errno == EINVAL);
  CHECK(TwoHosts::set(hosts.right, fd, IPPROTO_TCP, TCP_FASTOPEN, 7) == 0);
  CHECK(TwoHosts::get(hosts.right, fd, IPPROTO_TCP, TCP_FASTOPEN) == 7);
  CHECK(TwoHosts::set(hosts.right, fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 2) == -1);
  CHECK(errno == EINVAL);
  CHECK(TwoHosts::set(hosts.right, fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1) == 0);
  CHECK(TwoHosts::get(hosts.right, fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE) == 1);
  std::array<char, 32> keys{};
  keys[0] = 'k';
  keys[16] = 'b';
  for (const socklen_t size : {0U, 3U, 15U, 17U}) {
    CHECK(hosts.right.setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys.data(), size) == -1);
    CHECK(errno == EINVAL);
  }
  for (const socklen_t size : {16U, 32U}) {
    REQUIRE(hosts.right.setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys.data(), size) == 0);
    std::array<char, 40> got{};
    socklen_t got_size = got.size();
    REQUIRE(hosts.right.getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got.data(), &got_size) == 0);
    CHECK(got_size == size);
    CHECK(std::string_view{got.data(), size} == std::string_view{keys.data(), size});
  }
}

TEST_CASE("a listener's key decides which cookies are good", "[socket][fastopen]") {
  Opening hosts;
  hosts.learn();
  std::array<char, 16> key{};
  REQUIRE(hosts.right.setsockopt(hosts.listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key.data(), key.size()) == 0);
  CHECK(hosts.open(hosts.client(), "hello") == 5);
  hosts.pair.world.run_for(15ms);
  CHECK(hosts.right.readiness(hosts.listener) == 0);  // the cookie is of another key: an ordinary handshake
  hosts.pair.world.run_for(1s);
  const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
  CHECK(TwoHosts::receive(hosts.right, server, 10) == "hello");
  CHECK(hosts.open(hosts.client(), "hello") == 5);  // the SYN,ACK brought the new one
  hosts.pair.world.run_for(15ms);
  CHECK((hosts.right.readiness(hosts.listener) & EPOLLIN) != 0);
}

TEST_CASE("TCP_FASTOPEN_NO_COOKIE at both ends needs none", "[socket][fastopen]") {
  Opening hosts;
  REQUIRE(TwoHosts::set(hosts.right, hosts.listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1) == 0);
  const int fd = hosts.client();
  REQUIRE(TwoHosts::set(hosts.left, fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1) == 0);
  CHECK(hosts.open(fd, "hello") == 5);
  hosts.pair.world.run_for(15ms);
  const int server = hosts.right.accept(hosts.listener, nullptr, nullptr);
  CHECK(TwoHosts::receive(hosts.right, server, 10, MSG_DONTWAIT) == "hello");
}

TEST_CASE("accept() tells the address of a peer that has gone again", "[socket]") {
  TwoHosts hosts;
  const int listener = hosts.listen();
  const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(hosts.connect(fd) == 0);
  const linger none{.l_onoff = 1, .l_linger = 0};
  REQUIRE(hosts.left.setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) == 0);
  hosts.left.close(fd);
  hosts.pair.world.run_for(1s);
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  REQUIRE(hosts.right.accept(listener, tapir::test::generic(from), &size) >= 0);
  CHECK(from.sin_addr.s_addr == htonl(tapir::test::kLeftAddress.value()));
}

TEST_CASE("data in a SYN that is not copied is told of when it has arrived", "[socket][fastopen][zerocopy]") {
  Opening hosts;
  hosts.learn();
  const bool blocks = GENERATE(false, true);
  const int fd = hosts.client(!blocks);
  REQUIRE(TwoHosts::set(hosts.left, fd, SOL_SOCKET, SO_ZEROCOPY, 1) == 0);
  const std::string much(blocks ? 5000 : 5, 'x');  // more than the SYN takes
  REQUIRE(hosts.open(fd, much, MSG_FASTOPEN | MSG_ZEROCOPY) == static_cast<ssize_t>(much.size()));
  const auto completion = [&]() -> std::optional<std::pair<std::uint32_t, std::uint32_t>> {
    std::array<char, 128> control{};
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (hosts.left.recvmsg(fd, &message, MSG_ERRQUEUE) != 0) return std::nullopt;
    const auto* error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(CMSG_FIRSTHDR(&message)));
    return std::pair{error->ee_info, error->ee_data};
  };
  if (!blocks) CHECK_FALSE(completion());
  hosts.pair.world.run_for(1s);
  CHECK(completion() == std::pair{0U, 0U});
  CHECK_FALSE(completion());
}
