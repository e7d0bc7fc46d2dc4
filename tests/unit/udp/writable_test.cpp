#include <catch2/catch.hpp>

#include <optional>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr Endpoint kThere{kPeer, kPeerPort};

/// What a link does that takes frames again.
void accept_again(UdpLab& lab) {
  lab.network.accepts = true;
  lab.scheduler.unblock();
  lab.advance(0s);
}

}  // namespace

TEST_CASE("a socket that found the link full hears once when it is not any more", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  auto content = lab.udp.bind({{}, Port{5001}});
  REQUIRE(socket);
  REQUIRE(content);
  int calls = 0;
  int others = 0;
  socket->on_writable([&] { ++calls; });
  content->on_writable([&] { ++others; });
  REQUIRE(socket->send_to(kThere, bytes_of("x")));
  lab.advance(1s);
  CHECK(calls == 0);  // nothing was in the way
  lab.network.accepts = false;
  CHECK(socket->send_to(kThere, bytes_of("x")).error() == Error::would_block);
  CHECK(socket->send_to(kThere, bytes_of("x")).error() == Error::would_block);
  lab.advance(1s);
  CHECK(calls == 0);
  accept_again(lab);
  CHECK(calls == 1);
  accept_again(lab);
  CHECK(calls == 1);
  CHECK(others == 0);
}

TEST_CASE("who sends again when told goes on until all is sent", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  int left = 5;
  const auto send_all = [&] {
    while (left > 0 && socket->send_to(kThere, bytes_of("x"))) {
      --left;
      lab.network.accepts = left % 2 == 1;  // full after every second one
    }
  };
  socket->on_writable(send_all);
  lab.network.accepts = false;
  send_all();
  CHECK(left == 5);
  accept_again(lab);
  CHECK(left == 4);
  accept_again(lab);
  CHECK(left == 2);
  accept_again(lab);
  CHECK(left == 0);
  CHECK(lab.network.sent.size() == 5);
}

TEST_CASE("a retry that fails at once waits for the link again instead of going round", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  int calls = 0;
  socket->on_writable([&] {
    ++calls;
    CHECK(socket->send_to(kThere, bytes_of("x")).error() == Error::would_block);
  });
  lab.network.failure = Error::would_block;  // though writable() is true: of several links another one is full
  CHECK_FALSE(socket->send_to(kThere, bytes_of("x")));
  lab.advance(1s);
  CHECK(calls == 1);
  accept_again(lab);
  CHECK(calls == 2);
}

TEST_CASE("a socket that fails for another reason waits for nothing", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  int calls = 0;
  socket->on_writable([&] { ++calls; });
  CHECK(socket->send_to({kPeer, Port{}}, bytes_of("x")).error() == Error::invalid_argument);
  lab.network.failure = Error::network_unreachable;
  CHECK(socket->send_to(kThere, bytes_of("x")).error() == Error::network_unreachable);
  accept_again(lab);
  CHECK(calls == 0);
}

TEST_CASE("a socket may be closed while it waits, and by its own callback", "[udp]") {
  UdpLab lab;
  std::optional<udp::Socket> gone{*lab.udp.bind({{}, Port{1}})};
  std::optional<udp::Socket> closing{*lab.udp.bind({{}, Port{2}})};
  int calls = 0;
  gone->on_writable([&] { ++calls; });
  closing->on_writable([&] {
    ++calls;
    closing.reset();
  });
  lab.network.accepts = false;
  CHECK_FALSE(gone->send_to(kThere, bytes_of("x")));
  CHECK_FALSE(closing->send_to(kThere, bytes_of("x")));
  lab.advance(0s);
  gone.reset();
  accept_again(lab);
  CHECK(calls == 1);
  CHECK_FALSE(closing);
  CHECK(lab.udp.size() == 0);
}

TEST_CASE("a socket that waits outlives its Udp", "[udp]") {
  Lab lab;
  FakeNetwork network{lab.pool};
  std::optional<udp::Udp> udp;
  udp.emplace(lab.context, network);
  auto socket = udp->bind({{}, kOurPort});
  REQUIRE(socket);
  int calls = 0;
  socket->on_writable([&] { ++calls; });
  network.accepts = false;
  CHECK_FALSE(socket->send_to(kThere, bytes_of("x")));
  udp.reset();
  network.accepts = true;
  lab.scheduler.unblock();
  lab.advance(0s);
  CHECK(calls == 0);
  CHECK(socket->send_to(kThere, bytes_of("x")).error() == Error::connection_closed);
}
