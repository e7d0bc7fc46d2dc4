#include <catch2/catch.hpp>

#include "neighbourhood.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {
const Heard kRequestForUs{
    .to = MacAddress::broadcast(), .from = kPeerMac, .operation = 1, .sha = kPeerMac, .spa = kPeerIp, .tha = {}, .tpa = kOwnIp};
}  // namespace

TEST_CASE("a request for our address is answered by unicast with fields swapped",
          "[arp][RFC826-Reception-4][RFC826-Reception-6][RFC826-Reception-7][RFC5227-2.6-1]") {
  Neighbourhood net;
  CHECK(net.hear(kRequestForUs));
  const auto sent = net.take();
  REQUIRE(sent.messages.size() == 1);
  const Heard& reply = sent.messages[0];
  CHECK(reply.operation == 2);
  CHECK(reply.to == kPeerMac);
  CHECK(reply.from == kOwnMac);
  CHECK(reply.sha == kOwnMac);
  CHECK(reply.spa == kOwnIp);
  CHECK(reply.tha == kPeerMac);
  CHECK(reply.tpa == kPeerIp);
  CHECK(net.arp.stats().in_requests == 1);
  CHECK(net.arp.stats().out_replies == 1);
}

TEST_CASE("the answer goes to the SHA of the request, on its own link only", "[arp][RFC826-Reception-7]") {
  Neighbourhood net;
  Neighbourhood other_link;
  Heard request = kRequestForUs;
  request.sha = kOtherMac;  // the frame came through somebody else
  CHECK(net.hear(request));
  CHECK(net.take().messages.at(0).to == kOtherMac);
  CHECK(other_link.link.take().empty());
}

TEST_CASE("a request for us teaches its sender's address", "[arp][RFC826-Reception-3]") {
  Neighbourhood net;
  CHECK(net.hear(kRequestForUs));
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
  (void)net.take();
  CHECK(net.send(kPeerIp));
  CHECK(net.take().messages.empty());
}

TEST_CASE("a request between two others teaches nothing and is not answered", "[arp][RFC826-Reception-3][RFC826-Reception-5]") {
  Neighbourhood net;
  CHECK(net.request(kPeerIp, kPeerMac, kOtherIp) == std::unexpected{Drop::not_for_us});
  CHECK(net.size() == 0);
  CHECK(net.link.take().empty());
  CHECK(net.drops(Drop::not_for_us) == 1);
}

TEST_CASE("an existing entry is updated before the operation is looked at", "[arp][RFC826-Reception-2]") {
  Neighbourhood net;
  net.resolve();
  SECTION("by a request for a third party") { CHECK(net.request(kPeerIp, kOtherMac, kOtherIp)); }
  SECTION("by an announcement") { CHECK(net.request(kPeerIp, kOtherMac, kPeerIp)); }
  SECTION("by a message of an unknown operation") {
    Heard strange = kRequestForUs;
    strange.sha = kOtherMac;
    strange.operation = 9;
    CHECK(net.hear(strange) == std::unexpected{Drop::not_handled});
  }
  CHECK(net.link.take().empty());
  CHECK(net.send(kPeerIp));
  const auto sent = net.take();
  REQUIRE(sent.datagrams.size() == 1);
  CHECK(sent.datagrams[0].first == kOtherMac);
}

TEST_CASE("unsupported types and lengths are ignored by name", "[arp][RFC826-Reception-1][ethernet][RFC1122-2.3.1-2]") {
  struct Case {
    std::size_t offset;
    Bytes bytes;
    Drop reason;
  };
  const auto c = GENERATE(Case{0, hex("000f"), Drop::bad_hardware_type}, Case{2, hex("86dd"), Drop::bad_protocol_type},
                          Case{2, hex("1001"), Drop::bad_protocol_type},  // a trailer negotiation (RFC 893)
                          Case{4, hex("08"), Drop::bad_length}, Case{5, hex("10"), Drop::bad_length});
  Neighbourhood net;
  Bytes frame = frame_of(kRequestForUs);
  std::copy(c.bytes.begin(), c.bytes.end(), frame.begin() + 14 + static_cast<std::ptrdiff_t>(c.offset));
  CHECK(net.link.inject(frame) == std::unexpected{c.reason});
  CHECK(net.drops(c.reason) == 1);
  CHECK(net.link.take().empty());
  CHECK(net.size() == 0);
  CHECK(net.link.inject(frame_of(kRequestForUs)));
  CHECK(net.take().messages.size() == 1);
}

TEST_CASE("truncated messages are dropped and counted", "[arp][POLICY-ARP-6]") {
  Neighbourhood net;
  const Bytes whole = frame_of(kRequestForUs);
  for (std::size_t size = 0; size < 28; ++size) {
    CHECK(net.link.inject(std::span{whole}.first(14 + size)) == std::unexpected{Drop::truncated});
  }
  CHECK(net.drops(Drop::truncated) == 28);
  CHECK(net.link.take().empty());
  CHECK(net.link.inject(std::span{whole}.first(14 + 28)));
}

TEST_CASE("a reply resolves and produces nothing but the waiting datagrams", "[arp][RFC826-Reception-8]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp, 5));
  (void)net.take();
  CHECK(net.reply());
  const auto sent = net.take();
  CHECK(sent.messages.empty());
  REQUIRE(sent.datagrams.size() == 1);
  CHECK(sent.datagrams[0] == std::pair{kPeerMac, 5U});
  net.lab.advance(10s);
  CHECK(net.link.take().empty());
  CHECK(net.arp.stats().in_replies == 1);
}

TEST_CASE("a reply that nobody asked for makes no entry", "[arp][POLICY-ARP-7]") {
  Neighbourhood net;
  CHECK(net.reply() == std::unexpected{Drop::unsolicited});
  CHECK(net.size() == 0);
  REQUIRE(net.send(kOtherIp));
  CHECK(net.reply() == std::unexpected{Drop::unsolicited});  // another one was asked for
  CHECK(net.drops(Drop::unsolicited) == 2);
  CHECK_FALSE(net.arp.lookup(kPeerIp));
}

TEST_CASE("unknown operations produce no reply", "[arp][RFC826-Reception-9]") {
  Neighbourhood net;
  Heard strange = kRequestForUs;
  for (const unsigned operation : {0U, 5U, 65535U}) {
    strange.operation = operation;
    CHECK(net.hear(strange) == std::unexpected{Drop::not_handled});
  }
  CHECK(net.drops(Drop::not_handled) == 3);
  CHECK(net.link.take().empty());
  CHECK(net.size() == 0);
}

TEST_CASE("the operations of RARP are not acted on", "[arp][RFC903-III-4]") {
  Neighbourhood net;
  net.resolve();
  Heard reverse = kRequestForUs;
  reverse.sha = kOtherMac;
  for (const unsigned operation : {3U, 4U}) {
    reverse.operation = operation;
    CHECK(net.hear(reverse) == std::unexpected{Drop::not_handled});
  }
  CHECK(net.link.take().empty());
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
}

TEST_CASE("a hardware address that no station has is not believed", "[arp][RFC1812-3.3.2-1]") {
  Neighbourhood net;
  REQUIRE(net.send(kPeerIp));
  (void)net.take();
  for (const MacAddress sha : {MacAddress::broadcast(), "01:00:5e:00:00:01"_mac, MacAddress{}}) {
    CHECK(net.reply(kPeerIp, sha) == std::unexpected{Drop::bad_source});
    CHECK(net.request(kPeerIp, sha) == std::unexpected{Drop::bad_source});
  }
  CHECK(net.drops(Drop::bad_source) == 6);
  CHECK_FALSE(net.arp.lookup(kPeerIp));
  CHECK(net.link.take().empty());
  CHECK(net.reply());
  CHECK(net.arp.lookup(kPeerIp) == kPeerMac);
}

TEST_CASE("a sender address that no host has is not believed", "[arp]") {
  Neighbourhood net;
  for (const Ipv4Address spa : {"255.255.255.255"_ipv4, "224.0.0.1"_ipv4, "127.0.0.1"_ipv4, "240.0.0.1"_ipv4}) {
    CHECK(net.request(spa) == std::unexpected{Drop::martian_source});
  }
  CHECK(net.drops(Drop::martian_source) == 4);
  CHECK(net.size() == 0);
  CHECK(net.link.take().empty());
}

TEST_CASE("the broadcast and the network address of our network are no sender's", "[arp]") {
  const auto [own, nobody] =
      GENERATE(table<Ipv4Prefix, std::vector<Ipv4Address>>({{"192.0.2.2/24"_prefix, {"192.0.2.255"_ipv4, "192.0.2.0"_ipv4}},
                                                            {"192.0.2.2/30"_prefix, {"192.0.2.3"_ipv4, "192.0.2.0"_ipv4}},
                                                            {"169.254.3.4/16"_prefix, {"169.254.255.255"_ipv4, "169.254.0.0"_ipv4}}}));
  Neighbourhood net;
  net.arp.set_addresses({});
  net.arp.add_address(own);
  for (const Ipv4Address spa : nobody) {
    CHECK(net.request(spa, kPeerMac, own.address()) == std::unexpected{Drop::martian_source});
    CHECK(net.reply(spa) == std::unexpected{Drop::martian_source});
  }
  CHECK(net.drops(Drop::martian_source) == 4);
  CHECK(net.size() == 0);
  CHECK(net.link.take().empty());

  const Ipv4Address neighbour{own.network().value() + 1};
  CHECK(net.request(neighbour, kPeerMac, own.address()));
  CHECK(net.arp.lookup(neighbour) == kPeerMac);
  CHECK(net.take().messages.size() == 1);
}

TEST_CASE("an entry is not changed in the name of the broadcast address", "[arp]") {
  Neighbourhood net;
  net.arp.set_addresses({});
  net.arp.add_address("192.0.2.2/24"_prefix);
  net.resolve("192.0.2.254"_ipv4);
  CHECK(net.reply("192.0.2.255"_ipv4, kOtherMac) == std::unexpected{Drop::martian_source});
  CHECK(net.arp.lookup("192.0.2.254"_ipv4) == kPeerMac);
  CHECK(net.reply("192.0.2.254"_ipv4, kOtherMac));
  CHECK(net.arp.lookup("192.0.2.254"_ipv4) == kOtherMac);
}

TEST_CASE("both addresses of a /31 are hosts, and a /32 or an unknown network has no broadcast address", "[arp]") {
  Neighbourhood net;
  net.arp.set_addresses({});
  SECTION("/31 (RFC 3021)") {
    const auto [own, other] = GENERATE(
        table<Ipv4Prefix, Ipv4Address>({{"192.0.2.254/31"_prefix, "192.0.2.255"_ipv4}, {"192.0.2.1/31"_prefix, "192.0.2.0"_ipv4}}));
    net.arp.add_address(own);
    CHECK(net.request(other, kPeerMac, own.address()));
    CHECK(net.arp.lookup(other) == kPeerMac);
  }
  SECTION("/32") {
    net.arp.add_address("192.0.2.2/32"_prefix);
    CHECK(net.request("192.0.2.255"_ipv4));
  }
  SECTION("unknown") {
    net.arp.add_address(kOwnIp);
    CHECK(net.request("192.0.2.255"_ipv4));
  }
  CHECK(net.drops(Drop::martian_source) == 0);
}

TEST_CASE("each own network has a broadcast address, until its address is removed", "[arp]") {
  Neighbourhood net;
  net.arp.set_addresses({});
  net.arp.add_address("192.0.2.2/24"_prefix);
  net.arp.add_address("198.51.100.2/25"_prefix);
  CHECK(net.request("198.51.100.127"_ipv4) == std::unexpected{Drop::martian_source});
  CHECK(net.request("192.0.2.255"_ipv4) == std::unexpected{Drop::martian_source});
  net.arp.remove_address("198.51.100.2"_ipv4);
  CHECK(net.request("198.51.100.127"_ipv4));
  CHECK(net.request("192.0.2.255"_ipv4) == std::unexpected{Drop::martian_source});
}

TEST_CASE("a link-local address is in 169.254/16 without being told", "[arp]") {
  Neighbourhood net;
  net.arp.add_address("169.254.3.4"_ipv4);
  CHECK(net.request("169.254.255.255"_ipv4, kPeerMac, "169.254.3.4"_ipv4) == std::unexpected{Drop::martian_source});
  CHECK(net.request("169.254.255.254"_ipv4, kPeerMac, "169.254.3.4"_ipv4));
}

TEST_CASE("our own message in another station's frame is an echo", "[arp]") {
  Neighbourhood net;
  CHECK(net.request(kOwnIp, kOwnMac, kPeerIp) == std::unexpected{Drop::own_echo});
  CHECK(net.drops(Drop::own_echo) == 1);
  CHECK(net.arp.stats().conflicts == 0);
}

TEST_CASE("another station that claims our address changes nothing and is reported", "[arp][POLICY-ARP-8][RFC5227-2.4-1]") {
  Neighbourhood net;
  net.resolve();
  std::vector<std::pair<Ipv4Address, MacAddress>> conflicts;
  net.arp.on_conflict([&](Ipv4Address address, MacAddress hardware) { conflicts.emplace_back(address, hardware); });
  net.lab.advance(1h);
  net.resolve();
  CHECK(net.request(kOwnIp, kOtherMac, kOwnIp) == std::unexpected{Drop::address_conflict});
  CHECK(net.reply(kOwnIp, kOtherMac) == std::unexpected{Drop::address_conflict});
  REQUIRE(conflicts.size() == 2);
  CHECK(conflicts[0] == std::pair{kOwnIp, kOtherMac});
  CHECK(net.drops(Drop::address_conflict) == 2);
  CHECK(net.arp.stats().conflicts == 2);
  CHECK_FALSE(net.arp.lookup(kOwnIp));
  CHECK(net.link.take().empty());
  CHECK(net.send(kPeerIp));
  CHECK(net.take().datagrams.at(0).first == kPeerMac);
  CHECK(net.hear(kRequestForUs));  // we go on answering for it
  CHECK(net.take().messages.at(0).spa == kOwnIp);
}

TEST_CASE("a probe for our address is answered and teaches nothing", "[arp][RFC5227-2.5-1]") {
  Neighbourhood net;
  CHECK(net.request(Ipv4Address{}, kPeerMac, kOwnIp));
  const auto sent = net.take();
  REQUIRE(sent.messages.size() == 1);
  CHECK(sent.messages[0].operation == 2);
  CHECK(sent.messages[0].to == kPeerMac);
  CHECK(sent.messages[0].spa == kOwnIp);
  CHECK(sent.messages[0].tpa.is_unspecified());
  CHECK(net.size() == 0);
}

TEST_CASE("replies for a link-local address are broadcast, others are not", "[arp][RFC5227-2.6-1]") {
  Neighbourhood net;
  net.arp.add_address("169.254.3.4"_ipv4);
  CHECK(net.request("169.254.9.9"_ipv4, kPeerMac, "169.254.3.4"_ipv4));
  CHECK(net.take().messages.at(0).to == MacAddress::broadcast());
  CHECK(net.request());
  CHECK(net.take().messages.at(0).to == kPeerMac);
}

TEST_CASE("every own address is answered for until it is removed", "[arp][RFC826-Reception-4]") {
  Neighbourhood net;
  net.arp.add_address(kOtherIp);
  net.arp.add_address(kOtherIp);
  CHECK(net.request(kPeerIp, kPeerMac, kOtherIp));
  CHECK(net.take().messages.at(0).spa == kOtherIp);
  net.arp.remove_address(kOtherIp);
  CHECK(net.request(kPeerIp, kPeerMac, kOtherIp));  // accepted only because the sender is known by now
  CHECK(net.link.take().empty());
  const std::vector<Ipv4Address> one{kOtherIp};
  net.arp.set_addresses(one);
  CHECK_FALSE(net.arp.is_own(kOwnIp));
  CHECK(net.arp.is_own(kOtherIp));
}

TEST_CASE("an announcement is a broadcast request for our own address", "[arp]") {
  Neighbourhood net;
  net.arp.add_address(kOtherIp);
  net.arp.announce();
  const auto sent = net.take();
  REQUIRE(sent.messages.size() == 2);
  for (const Heard& heard : sent.messages) {
    CHECK(heard.to == MacAddress::broadcast());
    CHECK(heard.operation == 1);
    CHECK(heard.sha == kOwnMac);
    CHECK(heard.spa == heard.tpa);
  }
  CHECK(sent.messages[0].spa == kOwnIp);
  CHECK(sent.messages[1].spa == kOtherIp);
}

TEST_CASE("no trailer is negotiated or sent", "[ethernet][arp][RFC1122-2.3.1-1][RFC1122-2.3.1-2]") {
  Neighbourhood net;
  CHECK(net.hear(kRequestForUs));
  for (std::size_t size = 20; size <= 1500; ++size) REQUIRE(net.arp.encapsulate(net.lab.packet(Bytes(size)), {.next_hop = kPeerIp}));
  const auto frames = net.link.take();
  REQUIRE(frames.size() == 1 + 1481);
  for (const Bytes& frame : frames) REQUIRE((is_arp(frame) || (frame[12] == std::byte{0x08} && frame[13] == std::byte{0x00})));
  REQUIRE(read_arp(frames[0]).operation == 2);
  CHECK(frames[0][16] == std::byte{0x08});  // the reply's protocol type is IPv4, not a trailer's
}
