#include <catch2/catch.hpp>

#include <tapir/arp/rarp.hpp>

#include "neighbourhood.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

constexpr std::uint16_t kRarp = 0x8035;

/// A host that asks for its own address.
struct Diskless : Neighbourhood {
  explicit Diskless(arp::RarpConfig config = {}) : rarp{lab.context, ethernet, kOwnMac, config} {
    ethernet.attach(ethernet::EtherType::rarp, rarp);
    arp.remove_address(kOwnIp);
  }
  void ask() {
    rarp.request([this](Result<Ipv4Address> result) { results.push_back(result); });
  }
  /// What a server answers.
  [[nodiscard]] static Heard answer() {
    return {.to = kOwnMac, .from = kPeerMac, .operation = 4, .sha = kPeerMac, .spa = kPeerIp, .tha = kOwnMac, .tpa = kOwnIp};
  }
  Accepted hear_reverse(const Heard& heard) { return link.inject(test::frame_of(heard, kRarp)); }

  arp::Rarp rarp;
  std::vector<Result<Ipv4Address>> results;
};

}  // namespace

TEST_CASE("a RARP request asks by broadcast for our own hardware address", "[arp][RFC903-III-1][RFC903-III-2]") {
  Diskless host;
  host.ask();
  const auto frames = host.link.take();
  REQUIRE(frames.size() == 1);
  CHECK(Bytes(frames[0].begin(), frames[0].begin() + 42) == hex("ffffffffffff 02005e100002 8035"
                                                                "0001 0800 06 04 0003"
                                                                "02005e100002 00000000"
                                                                "02005e100002 00000000"));
  const Tins::ARP parsed{reinterpret_cast<const std::uint8_t*>(frames[0].data()) + 14, 28};
  CHECK(static_cast<unsigned>(parsed.opcode()) == 3);
  CHECK(parsed.sender_hw_addr() == tins(kOwnMac));
  CHECK(parsed.target_hw_addr() == tins(kOwnMac));
}

TEST_CASE("a RARP reply to our hardware address gives our address", "[arp][RFC903-III-1][RFC903-III-3]") {
  Diskless host;
  host.ask();
  CHECK(host.hear_reverse(Diskless::answer()));
  REQUIRE(host.results.size() == 1);
  CHECK(host.results[0] == kOwnIp);
  CHECK_FALSE(host.rarp.pending());
  CHECK(host.lab.scheduler.armed_timers() == 0);
  CHECK(host.hear_reverse(Diskless::answer()) == std::unexpected{Drop::unsolicited});
  CHECK(host.results.size() == 1);
}

TEST_CASE("what is no answer to us is dropped by name", "[arp][RFC903-III-3][RFC903-III-4]") {
  Diskless host;
  host.ask();
  (void)host.link.take();
  const auto altered = [](auto change) {
    Heard heard = Diskless::answer();
    change(heard);
    return heard;
  };
  CHECK(host.hear_reverse(altered([](Heard& h) { h.tha = kOtherMac; })) == std::unexpected{Drop::not_for_us});
  CHECK(host.hear_reverse(altered([](Heard& h) { h.sha = MacAddress::broadcast(); })) == std::unexpected{Drop::bad_source});
  for (const Ipv4Address bad : {Ipv4Address{}, "224.0.0.1"_ipv4, "255.255.255.255"_ipv4, "127.0.0.1"_ipv4, "240.0.0.1"_ipv4}) {
    CHECK(host.hear_reverse(altered([bad](Heard& h) { h.tpa = bad; })) == std::unexpected{Drop::bad_header});
  }
  for (const unsigned operation : {0U, 1U, 2U, 3U, 5U}) {
    CHECK(host.hear_reverse(altered([operation](Heard& h) { h.operation = operation; })) == std::unexpected{Drop::not_handled});
  }
  const Bytes whole = frame_of(Diskless::answer(), kRarp);
  CHECK(host.link.inject(std::span{whole}.first(14 + 27)) == std::unexpected{Drop::truncated});
  CHECK(host.hear(Diskless::answer()) == std::unexpected{Drop::not_handled});  // a reverse reply in the type of ARP
  CHECK(host.results.empty());
  CHECK(host.link.take().empty());
  CHECK(host.size() == 0);
  CHECK(host.hear_reverse(Diskless::answer()));
  CHECK(host.results.size() == 1);
}

TEST_CASE("a RARP client asks with growing pauses and gives up", "[arp]") {
  Diskless host;
  host.ask();
  std::vector<TimePoint> at;
  for (int i = 0; i <= 599; ++i) {
    for (std::size_t n = host.link.take().size(); n > 0; --n) at.push_back(host.lab.scheduler.now());
    host.lab.advance(100ms);
  }
  using S = std::chrono::seconds;
  const std::vector<TimePoint> expected{TimePoint{S{0}},  TimePoint{S{1}},  TimePoint{S{3}}, TimePoint{S{7}},
                                        TimePoint{S{15}}, TimePoint{S{31}}, TimePoint{S{47}}};
  CHECK(at == expected);
  REQUIRE(host.results.size() == 1);
  CHECK(host.results[0] == fail(Error::timed_out));
  CHECK(host.rarp.stats().out_requests == 7);
  CHECK(host.rarp.stats().out_failed == 0);
  CHECK(host.lab.scheduler.armed_timers() == 0);
}

TEST_CASE("a RARP request can be withdrawn and replaced", "[arp]") {
  Diskless host;
  host.ask();
  host.ask();
  CHECK(host.results == std::vector<Result<Ipv4Address>>{fail(Error::operation_canceled)});
  host.rarp.cancel();
  CHECK(host.results.size() == 2);
  host.rarp.cancel();
  CHECK(host.results.size() == 2);
  host.lab.advance(5min);
  CHECK(host.results.size() == 2);
}

TEST_CASE("a server's reply is read by libtins and by our client", "[arp][RFC903-III-1]") {
  Diskless host;
  host.ask();
  const auto asked = host.link.take().at(0);
  const auto request = arp::parse(host.lab.packet(std::span{asked}.subspan(14)));
  REQUIRE(request);
  const auto reply = arp::reverse_reply(*request, kPeerMac, kPeerIp, kOwnIp);
  Packet packet{host.lab.pool};
  packet.prepend(reply);
  const Bytes bytes = packet.bytes();
  const Tins::ARP parsed{reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<std::uint32_t>(bytes.size())};
  CHECK(static_cast<unsigned>(parsed.opcode()) == 4);
  CHECK(parsed.sender_hw_addr() == tins(kPeerMac));
  CHECK(parsed.target_hw_addr() == tins(kOwnMac));
  CHECK(parsed.target_ip_addr() == tins(kOwnIp));
  CHECK(host.rarp.demultiplex(std::move(packet), {}));
  CHECK(host.results.at(0) == kOwnIp);
}
