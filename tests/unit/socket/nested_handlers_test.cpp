// Calls that wait in handlers of Sockets::on_event(): the stack goes on meanwhile, and with it other handlers.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::far_apart;
using tapir::test::TwoHosts;

TEST_CASE("a handler may wait for what another one does", "[socket]") {
  TwoHosts hosts{far_apart(10ms)};
  const int listener = hosts.listen();
  const auto link = [&] {
    TwoHosts::Ends ends{.client = hosts.left.socket(AF_INET, SOCK_STREAM, 0)};
    CHECK(hosts.connect(ends.client) == 0);
    ends.server = hosts.right.accept(listener, nullptr, nullptr);
    return ends;
  };
  const auto waits = link();
  const auto acts = link();
  const auto between = link();
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  (void)hosts.right.setsockopt(between.server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  std::string heard;
  (void)hosts.right.on_event(waits.server, [&] {
    (void)hosts.right.on_event(waits.server, {});
    heard = TwoHosts::receive(hosts.right, between.server, 10);
  });
  (void)hosts.right.on_event(acts.server, [&] { (void)TwoHosts::send(hosts.left, between.client, "done"); });
  CHECK(TwoHosts::send(hosts.left, waits.client, "x") == 1);
  CHECK(TwoHosts::send(hosts.left, acts.client, "x") == 1);
  hosts.pair.world.run_for(10s);
  CHECK(heard == "done");
}

TEST_CASE("lingering closes in handlers wait within each other no deeper than a bound", "[socket]") {
  constexpr int kConnections = 60;
  constexpr int kDeepest = 17;  // sixteen that wait, and one that does not
  TwoHosts hosts{far_apart(10ms)};
  const int listener = hosts.listen(kConnections);
  int depth = 0;
  int deepest = 0;
  int closed = 0;
  std::vector<int> servers;
  for (int i = 0; i < kConnections; ++i) {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(hosts.connect(fd) == 0);
    servers.push_back(hosts.right.accept(listener, nullptr, nullptr));
    (void)hosts.left.on_event(fd, [&, fd] {
      if (TwoHosts::receive(hosts.left, fd, 10, MSG_DONTWAIT).empty()) return;
      const linger on{.l_onoff = 1, .l_linger = 60};
      (void)hosts.left.setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
      deepest = std::max(deepest, ++depth);
      (void)hosts.left.close(fd);
      --depth;
      ++closed;
    });
  }
  for (const int server : servers) CHECK(TwoHosts::send(hosts.right, server, "x") == 1);
  hosts.pair.world.run_for(1s);
  CHECK(closed == kConnections);
  CHECK(deepest == kDeepest);
  CHECK(hosts.left.size() == 0);
  for (const int server : servers) {
    char byte = 0;
    CHECK(hosts.right.recv(server, &byte, 1, MSG_DONTWAIT) == 0);  // the end of the stream, in order
  }
}
