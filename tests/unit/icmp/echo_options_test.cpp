#include <catch2/catch.hpp>

#include "icmp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

/// The options, and the destination, of the reply to a request that came with `options`.
FakeNetwork::Sent reply_to(IcmpLab& lab, const Bytes& options) {
  auto from = FakeNetwork::received(network::Protocol::icmp, kPeer, kOwn);
  from.options = options;
  REQUIRE(lab.network.inject(echo_request(1, 1, pattern(8)), from));
  auto sent = lab.network.take();
  REQUIRE(sent.size() == 1);
  return sent.front();
}

Bytes options_of_reply(const Bytes& options) {
  IcmpLab lab;
  lab.advance(1s);
  return reply_to(lab, options).options;
}

}  // namespace

TEST_CASE("record route comes back with this host added, at its full length", "[icmp][RFC1122-3.2.2.6-8]") {
  // Type 7, length 11, pointer 8: one address recorded, room for one.
  CHECK(options_of_reply(hex("07 0b 08 0a000001 00000000")) == hex("07 0b 0c 0a000001 c0000202"));
  // Full: as it came.
  CHECK(options_of_reply(hex("07 07 08 0a000001")) == hex("07 07 08 0a000001"));
  // Padding around it is not returned.
  CHECK(options_of_reply(hex("01 07 07 04 00000000 00 ff")) == hex("07 07 08 c0000202"));
}

TEST_CASE("the timestamp option comes back with this host's time", "[icmp][RFC1122-3.2.2.6-8]") {
  const Bytes second = hex("800003e8");  // 1000 ms with the high-order bit: not UT
  const auto with_time = [&](Bytes front) {
    front.insert(front.end(), second.begin(), second.end());
    return front;
  };
  // Flag 0: timestamps only. Flag 1: address and timestamp. Flag 3: addresses given, this host's turn.
  CHECK(options_of_reply(hex("44 08 05 00 00000000")) == with_time(hex("44 08 09 00")));
  CHECK(options_of_reply(hex("44 0c 05 01 00000000 00000000")) == with_time(hex("44 0c 0d 01 c0000202")));
  CHECK(options_of_reply(hex("44 0c 05 03 c0000202 00000000")) == with_time(hex("44 0c 0d 03 c0000202")));
  // Flag 3, another host's turn: as it came.
  CHECK(options_of_reply(hex("44 0c 05 03 0a000001 00000000")) == hex("44 0c 05 03 0a000001 00000000"));
  // No room: the overflow count goes up, and stops at 15.
  CHECK(options_of_reply(hex("44 08 09 00 00000001")) == hex("44 08 09 10 00000001"));
  CHECK(options_of_reply(hex("44 08 09 f0 00000001")) == hex("44 08 09 f0 00000001"));
}

TEST_CASE("a completed source route is reversed in the reply", "[icmp][RFC1122-3.2.2.6-9]") {
  // The hops in the order of the way back; the network layer puts the destination behind the last of them.
  for (const std::string type : {"83", "89"}) {
    IcmpLab lab;
    const auto sent = reply_to(lab, hex(type + "0f 10 0a000001 0a000002 0a000003"));
    CHECK(sent.to.destination == IpAddress{kPeer});
    CHECK(sent.options == hex(type + "0f 04 0a000003 0a000002 0a000001"));
  }
  CHECK(options_of_reply(hex("83 07 08 0a000001")) == hex("83 07 04 0a000001"));
  // The asker, 192.0.2.1, put itself at the beginning (RFC 1122 section 3.2.1.8): it is no hop of the way back.
  CHECK(options_of_reply(hex("83 0b 0c c0000201 0a000001")) == hex("83 07 04 0a000001"));
  CHECK(options_of_reply(hex("83 07 08 c0000201")) == Bytes{});
}

TEST_CASE("no route is made of a source route that is unfinished or empty", "[icmp]") {
  for (const auto* digits : {"83 07 04 0a000001", "83 03 04", "83 06 07 0a0000", "83 02"}) {
    IcmpLab lab;
    const auto sent = reply_to(lab, hex(digits));
    CHECK(sent.to.destination == IpAddress{kPeer});
    CHECK(sent.options.empty());
  }
}

TEST_CASE("other and malformed options are left out of the reply, and nothing is read past their end", "[icmp]") {
  CHECK(options_of_reply(hex("82 0b 0000000000000000 00")) == Bytes{});                      // security
  CHECK(options_of_reply(hex("94 04 0000 07 07 04 00000000")) == hex("07 07 08 c0000202"));  // router alert in front
  for (const auto* digits : {"07", "07 01", "07 00", "07 02", "07 20 04", "44 03 05", "44 02", "07 07 ff 00000000", "07 07 00 00000000"}) {
    const Bytes options = options_of_reply(hex(digits));
    CHECK(options.size() <= hex(digits).size());
  }
  // Every length and pointer: the sanitizers watch.
  for (const std::uint8_t type : Octets{7, 68, 131, 137}) {
    for (unsigned length = 0; length <= 40; ++length) {
      for (unsigned pointer = 0; pointer < 256; pointer += 3) {
        Bytes options(40);
        options[0] = std::byte{type};
        options[1] = static_cast<std::byte>(length);
        options[2] = static_cast<std::byte>(pointer);
        CHECK(options_of_reply(options).size() <= 40);
      }
    }
  }
}
