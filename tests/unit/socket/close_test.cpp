// close_without_waiting(), for what must not wait.
#include <catch2/catch.hpp>

#include <cerrno>
#include <chrono>
#include <optional>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::far_apart;
using tapir::test::TwoHosts;

namespace {

struct Closing {
  TwoHosts hosts{far_apart(10ms)};
  TwoHosts::Ends ends = hosts.linked();
  std::optional<tapir::TimePoint> closed;

  int close(int linger_seconds) {
    const linger on{.l_onoff = 1, .l_linger = linger_seconds};
    (void)hosts.left.setsockopt(ends.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    return hosts.left.close_without_waiting(ends.client, [this] { closed = hosts.pair.world.now(); });
  }
};

}  // namespace

TEST_CASE("a lingering close that does not wait tells when the peer has everything", "[socket]") {
  Closing closing;
  SECTION("data, and the FIN with it") { CHECK(closing.hosts.send(closing.hosts.left, closing.ends.client, "x") == 1); }
  SECTION("the FIN alone") {}
  SECTION("the peer has closed before") {
    CHECK(closing.hosts.right.close(closing.ends.server) == 0);
    closing.hosts.pair.world.run_for(1s);
  }
  const auto begun = closing.hosts.pair.world.now();
  CHECK(closing.close(60) == 1);
  CHECK(closing.hosts.left.readiness(closing.ends.client) == 0);
  CHECK(closing.hosts.left.close(closing.ends.client) == -1);
  CHECK(errno == EBADF);
  CHECK_FALSE(closing.closed.has_value());
  closing.hosts.pair.world.run_for(1s);
  REQUIRE(closing.closed.has_value());
  CHECK(*closing.closed - begun >= 20ms);  // there and back
  CHECK(*closing.closed - begun < 100ms);
}

TEST_CASE("a lingering close that does not wait tells when its time is over", "[socket]") {
  Closing closing;
  closing.hosts.pair.cable.cut(true);
  const auto begun = closing.hosts.pair.world.now();
  CHECK(closing.hosts.send(closing.hosts.left, closing.ends.client, "x") == 1);
  CHECK(closing.close(5) == 1);
  closing.hosts.pair.world.run_for(4900ms);
  CHECK_FALSE(closing.closed.has_value());
  closing.hosts.pair.world.run_for(200ms);
  REQUIRE(closing.closed.has_value());
  CHECK(*closing.closed - begun == 5s);
  closing.hosts.pair.cable.cut(false);
  closing.hosts.pair.world.run_for(60s);
  CHECK(closing.hosts.receive(closing.hosts.right, closing.ends.server, 10) == "x");  // it goes on behind close()
}

TEST_CASE("a close that has nothing to wait for is over at once", "[socket]") {
  Closing closing;
  SECTION("no SO_LINGER") {
    CHECK(closing.hosts.left.close_without_waiting(closing.ends.client, [&] { closing.closed = closing.hosts.pair.world.now(); }) == 0);
  }
  SECTION("one of no time") { CHECK(closing.close(0) == 0); }
  SECTION("not a descriptor") {
    CHECK(closing.hosts.left.close_without_waiting(99, {}) == -1);
    CHECK(errno == EBADF);
  }
  closing.hosts.pair.world.run_for(1s);
  CHECK_FALSE(closing.closed.has_value());
}

TEST_CASE("sockets may go while a close lingers", "[socket]") {
  TwoHosts hosts{far_apart(10ms)};
  bool closed = false;
  {
    tapir::posix::Sockets sockets{*hosts.pair.left};
    const int listener = hosts.listen();
    CHECK(listener >= 0);
    const int fd = sockets.socket(AF_INET, SOCK_STREAM, 0);
    const auto in = tapir::test::socket_address(tapir::test::kRightAddress, TwoHosts::kPort);
    REQUIRE(sockets.connect(fd, tapir::test::generic(in), sizeof(in)) == 0);
    const linger on{.l_onoff = 1, .l_linger = 60};
    (void)sockets.setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    CHECK(sockets.close_without_waiting(fd, [&] { closed = true; }) == 1);
  }
  hosts.pair.world.run_for(100s);
  CHECK_FALSE(closed);
  CHECK(hosts.pair.left->tcp().connection_count() == 0);
}
