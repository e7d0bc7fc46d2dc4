#include <catch2/catch.hpp>

#include "icmp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("an echo request from libtins is answered, and libtins reads the reply",
          "[icmp][RFC792-Format-1][RFC792-Echo-1][RFC792-Echo-2][RFC1122-3.2.2.6-1]") {
  IcmpLab lab;
  const Bytes data = pattern(56);
  REQUIRE(lab.inject(echo_request(0x1234, 7, data)));
  REQUIRE(lab.network.sent.size() == 1);
  const auto& sent = lab.network.sent.front();
  CHECK(sent.to.protocol == network::Protocol::icmp);
  CHECK(sent.to.source == IpAddress{kOwn});
  CHECK(sent.to.destination == IpAddress{kPeer});
  CHECK_FALSE(sent.to.ttl);
  const auto reply = parsed(sent.packet);
  CHECK(reply.type() == Tins::ICMP::ECHO_REPLY);
  CHECK(reply.code() == 0);
  CHECK(reply.id() == 0x1234);
  CHECK(reply.sequence() == 7);
  CHECK(body(sent.packet) == data);
  CHECK(checksum_good(sent.packet));
  CHECK(sent.meta.checksum == ChecksumState::unverified);  // complete, nobody below need touch it
  CHECK(lab.icmp.stats().in_msgs == 1);
  CHECK(lab.icmp.stats().in_pkts[8] == 1);
  CHECK(lab.icmp.stats().out_msgs == 1);
  CHECK(lab.icmp.stats().out_pkts[0] == 1);
  CHECK(lab.icmp.drops().total() == 0);
}

TEST_CASE("all of the request's data comes back, whatever its length", "[icmp][RFC1122-3.2.2.6-5][RFC792-Format-1]") {
  for (const std::size_t size : {0U, 1U, 55U, 1472U, 8000U, 65507U}) {
    IcmpLab lab;
    const Bytes data = pattern(size);
    const Bytes request = echo_request(1, 1, data);
    // As reassembly hands it up: in pieces, odd ones too.
    Packet packet{lab.pool};
    for (std::size_t at = 0; at < request.size(); at += 1481) {
      packet.append(lab.pool.copy(std::span{request}.subspan(at, std::min<std::size_t>(1481, request.size() - at))));
    }
    REQUIRE(lab.network.inject(std::move(packet), FakeNetwork::received(network::Protocol::icmp, kPeer, kOwn)));
    REQUIRE(lab.network.sent.size() == 1);
    CHECK(body(lab.network.sent.front().packet) == data);
    CHECK(checksum_good(lab.network.sent.front().packet));
  }
}

TEST_CASE("the data of a reply is not copied", "[icmp]") {
  IcmpLab lab;
  const Bytes request = echo_request(1, 1, pattern(1000));
  Packet packet = lab.packet(request);
  std::uintptr_t data = 0;
  packet.for_each_chunk([&](std::span<const std::byte> chunk) { data = reinterpret_cast<std::uintptr_t>(chunk.data()); });
  REQUIRE(lab.network.inject(std::move(packet), FakeNetwork::received(network::Protocol::icmp, kPeer, kOwn)));
  CHECK(lab.network.sent.at(0).last_run == data + 8);
}

TEST_CASE("where replies are not to be fragmented, a large one is cut to the path MTU", "[icmp][RFC1122-3.2.2.6-6]") {
  IcmpLab lab{{.fragment_echo_replies = false}};
  const Bytes data = pattern(8000);
  REQUIRE(lab.inject(echo_request(1, 1, data)));
  REQUIRE(lab.network.sent.size() == 1);
  CHECK(lab.network.sent.front().packet.size() == 1480);  // with 20 bytes of IPv4 header: the MTU
  CHECK(body(lab.network.sent.front().packet) == Bytes(data.begin(), data.begin() + 1472));
  CHECK(checksum_good(lab.network.sent.front().packet));
}

TEST_CASE("the reply comes from the address that was asked, with the request's type of service", "[icmp][RFC1122-3.2.2.6-4]") {
  IcmpLab lab;
  auto from = FakeNetwork::received(network::Protocol::icmp, kPeer, kSecondOwn);
  from.tos = 0xb8;
  REQUIRE(lab.network.inject(echo_request(1, 1, {}), from));
  CHECK(lab.network.sent.at(0).to.source == IpAddress{kSecondOwn});
  CHECK(lab.network.sent.at(0).to.tos == 0xb8);
}

TEST_CASE("requests to a broadcast or multicast address are ignored unless configured", "[icmp][RFC1122-3.2.2.6-3]") {
  for (const bool answer : {false, true}) {
    for (const auto destination : {"224.0.0.1"_ipv4, "192.0.2.255"_ipv4, "255.255.255.255"_ipv4}) {
      IcmpLab lab{{.answer_broadcast_echo = answer}};
      auto from = FakeNetwork::received(network::Protocol::icmp, kPeer, destination);
      from.to_group = true;
      from.cast = destination.is_multicast() ? LinkCast::multicast : LinkCast::broadcast;
      const auto accepted = lab.network.inject(echo_request(1, 1, {}), from);
      if (answer) {
        CHECK(accepted);
        REQUIRE(lab.network.sent.size() == 1);
        CHECK(lab.network.sent.front().to.source == IpAddress{kOwn});  // never the group
      } else {
        CHECK(accepted.error() == Drop::not_handled);
        CHECK(lab.icmp.drops()[Drop::not_handled] == 1);
        CHECK(lab.network.sent.empty());
      }
    }
  }
}

TEST_CASE("no reply goes to an address that is no single host's", "[icmp]") {
  IcmpLab lab;
  for (const auto source : {"0.0.0.0"_ipv4, "224.0.0.1"_ipv4, "192.0.2.255"_ipv4, "255.255.255.255"_ipv4}) {
    CHECK(lab.inject(echo_request(1, 1, {}), source).error() == Drop::martian_source);
  }
  CHECK(lab.network.sent.empty());
  CHECK(lab.icmp.drops()[Drop::martian_source] == 4);
}

TEST_CASE("echo can be turned off", "[icmp][RFC1812-4.3.3.6-1]") {
  IcmpLab lab{{.answer_echo = false}};
  CHECK(lab.inject(echo_request(1, 1, {})).error() == Drop::not_handled);
  CHECK(lab.network.sent.empty());
  IcmpLab usual;
  CHECK(usual.inject(echo_request(1, 1, {})));
  CHECK(usual.network.sent.size() == 1);
}

TEST_CASE("echo replies are rate-limited", "[icmp][POLICY-ICMP-2]") {
  IcmpLab lab{{.echo_replies = {10, 3}}};
  for (int i = 0; i < 5; ++i) (void)lab.inject(echo_request(1, 1, {}));
  CHECK(lab.network.take().size() == 3);
  CHECK(lab.icmp.drops()[Drop::rate_limited] == 2);
  CHECK(lab.icmp.stats().out_errors == 2);
  lab.advance(99ms);
  CHECK(lab.inject(echo_request(1, 1, {})).error() == Drop::rate_limited);
  lab.advance(1ms);
  CHECK(lab.inject(echo_request(1, 1, {})));
  CHECK(lab.inject(echo_request(1, 1, {})).error() == Drop::rate_limited);
  lab.advance(1h);  // the bucket holds no more than the burst
  for (int i = 0; i < 5; ++i) (void)lab.inject(echo_request(1, 1, {}));
  CHECK(lab.network.take().size() == 4);
}

TEST_CASE("a timestamp request is answered only when that is turned on", "[icmp][RFC792-Timestamp-1][RFC1122-3.2.2.8-1]") {
  Tins::ICMP request{Tins::ICMP::TIMESTAMP_REQUEST};
  request.id(9);
  request.sequence(2);
  request.original_timestamp(0x01020304);
  const Bytes bytes = serialized(request);
  IcmpLab off;
  CHECK(off.inject(bytes).error() == Drop::not_handled);
  CHECK(off.network.sent.empty());

  IcmpLab on{{.answer_timestamp = true}};
  on.advance(5s);
  REQUIRE(on.inject(bytes));
  REQUIRE(on.network.sent.size() == 1);
  REQUIRE(on.network.sent.front().packet.size() == 20);
  CHECK(checksum_good(on.network.sent.front().packet));
  const auto reply = parsed(on.network.sent.front().packet);
  CHECK(reply.type() == Tins::ICMP::TIMESTAMP_REPLY);
  CHECK(reply.id() == 9);
  CHECK(reply.sequence() == 2);
  CHECK(reply.original_timestamp() == 0x01020304);
  // libtins leaves the timestamps in the host's byte order, so they are read from the wire: 5000 ms with the bit that says "not UT".
  CHECK(Bytes(on.network.sent.front().packet.begin() + 12, on.network.sent.front().packet.end()) == hex("80001388 80001388"));
}

TEST_CASE("the timestamp is fresh, and its reply follows the rules of echo", "[icmp][RFC1122-3.2.2.8-2][RFC1122-3.2.2.8-3]") {
  IcmpLab lab{{.answer_timestamp = true}};
  const Bytes request = message(13, 0, 0x00010001, Bytes(12));
  auto from = FakeNetwork::received(network::Protocol::icmp, kPeer, kSecondOwn);
  const Bytes record_route = hex("07 07 04 00000000");
  from.options = record_route;
  REQUIRE(lab.network.inject(request, from));
  lab.advance(100ms);
  REQUIRE(lab.network.inject(request, from));
  REQUIRE(lab.network.sent.size() == 2);
  const auto transmit = [&](std::size_t i) { return Bytes(lab.network.sent[i].packet.begin() + 16, lab.network.sent[i].packet.end()); };
  CHECK(transmit(0) == hex("80000000"));
  CHECK(transmit(1) == hex("80000064"));
  CHECK(lab.network.sent[0].to.source == IpAddress{kSecondOwn});
  CHECK(lab.network.sent[0].options == hex("07 07 08 c6336407"));
  CHECK(lab.inject(message(13, 0, 0, Bytes(11))).error() == Drop::truncated);
  CHECK(lab.icmp.stats().in_errors == 1);
}

TEST_CASE("the observer sees request and reply with their fields", "[icmp]") {
  struct Seen final : Observer {
    std::vector<std::string> lines;
    void crossed(const Crossing& crossing) override {
      std::string line{crossing.direction == Direction::down ? "down " : "up "};
      line += crossing.summary;
      for (const auto& field : crossing.fields) line += " " + std::string{field.name} + "=" + field.value;
      lines.push_back(line);
    }
  } seen;
  IcmpLab lab;
  lab.context.observer = &seen;
  REQUIRE(lab.inject(echo_request(0x1234, 7, {})));
  REQUIRE(lab.icmp.stats().out_msgs == 1);
  REQUIRE(seen.lines.size() == 2);
  // RFC 1071 by hand: 0800 + 1234 + 0007 = 1a3b, complement e5c4; without the 0800: 123b, complement edc4.
  CHECK(seen.lines[0] == "up echo request type=8 code=0 checksum=0xe5c4 identifier=0x1234 sequence=7");
  CHECK(seen.lines[1] == "down echo reply type=0 code=0 checksum=0xedc4 identifier=0x1234 sequence=7");
}
