#include <catch2/catch.hpp>

#include <set>

#include <tapir/arp/address_claim.hpp>

#include "neighbourhood.hpp"

using namespace tapir;
using namespace tapir::test;
using arp::ClaimEvent;
using arp::Defence;
using State = arp::AddressClaim::State;

namespace {

constexpr Ipv4Address kWanted = "192.0.2.42"_ipv4;

/// A host without addresses that claims one, and the frames it sends with their times.
struct Claimant : Neighbourhood {
  explicit Claimant(arp::ClaimConfig config = {})
      : claim{lab.context, arp,
              [this](ClaimEvent event, Ipv4Address address) {
                events.emplace_back(event, address);
                was_own.push_back(arp.is_own(address));
                if (throws) throw std::runtime_error{"from a handler"};
              },
              config} {
    arp.remove_address(kOwnIp);
  }
  /// Lets time pass in small steps and notes when each message left.
  void run(Duration time) {
    for (const TimePoint end = lab.scheduler.now() + time; lab.scheduler.now() < end;) {
      lab.advance(std::min<Duration>(10ms, end - lab.scheduler.now()));
      for (const Heard& heard : take().messages) {
        log.push_back({lab.scheduler.now(), heard});
      }
    }
  }
  /// Runs until the address is in use.
  void take_address(Ipv4Address address = kWanted) {
    claim.start(address);
    run(20s);
    REQUIRE(claim.state() == State::in_use);
    log.clear();
    events.clear();
    was_own.clear();
  }
  /// Another station uses `address`.
  void rival(Ipv4Address address = kWanted) { (void)request(address, kOtherMac, address); }

  struct Logged {
    TimePoint at;
    Heard heard;
  };
  std::vector<Logged> log;
  std::vector<std::pair<ClaimEvent, Ipv4Address>> events;
  std::vector<bool> was_own;
  bool throws = false;
  arp::AddressClaim claim;
};

constexpr Duration kStep = 10ms;  ///< times are seen this coarsely

}  // namespace

TEST_CASE("an address is probed three times, then announced twice",
          "[arp][RFC5227-2.1-1][RFC5227-2.1.1-1][RFC5227-2.1.1-2][RFC5227-2.1.1-4][RFC5227-2.3-1]") {
  Claimant host;
  host.claim.start(kWanted);
  host.run(20s);
  REQUIRE(host.log.size() == 5);
  for (std::size_t i = 0; i < 3; ++i) {
    const Heard& probe = host.log[i].heard;
    CHECK(probe.to == MacAddress::broadcast());
    CHECK(probe.operation == 1);
    CHECK(probe.sha == kOwnMac);
    CHECK(probe.spa.is_unspecified());
    CHECK(probe.tha.is_zero());
    CHECK(probe.tpa == kWanted);
  }
  for (std::size_t i = 1; i < 3; ++i) {
    const Duration gap = host.log[i].at - host.log[i - 1].at;
    CHECK(gap >= 1s - kStep);
    CHECK(gap <= 2s + kStep);
  }
  for (std::size_t i = 3; i < 5; ++i) {
    const Heard& announcement = host.log[i].heard;
    CHECK(announcement.to == MacAddress::broadcast());
    CHECK(announcement.operation == 1);
    CHECK(announcement.sha == kOwnMac);
    CHECK(announcement.spa == kWanted);
    CHECK(announcement.tpa == kWanted);
  }
  CHECK(host.log[3].at - host.log[2].at == 2s);  // ANNOUNCE_WAIT
  CHECK(host.log[4].at - host.log[3].at == 2s);
  CHECK(host.events == std::vector{std::pair{ClaimEvent::claimed, kWanted}});
  CHECK(host.arp.is_own(kWanted));
}

TEST_CASE("a claimed address is not probed again", "[arp][RFC5227-2.1-2]") {
  Claimant host;
  host.take_address();
  host.lab.advance(24h);
  CHECK(host.link.take().empty());
  CHECK(host.lab.scheduler.armed_timers() == 0);
}

TEST_CASE("probing starts after a random time of up to a second", "[arp][RFC5227-2.1.1-3]") {
  Claimant host;
  std::set<Duration> waits;
  for (int i = 0; i < 100; ++i) {
    host.log.clear();
    const TimePoint start = host.lab.scheduler.now();
    host.claim.start(kWanted);
    host.run(1s);
    REQUIRE(host.log.size() == 1);
    waits.insert(host.log[0].at - start);
    host.claim.stop();
  }
  CHECK(waits.size() > 20);
  CHECK(*waits.begin() < 200ms);
  CHECK(*waits.rbegin() > 800ms);
}

TEST_CASE("whoever uses the address while it is probed for keeps it", "[arp][RFC5227-2.1.1-5]") {
  Claimant host;
  host.claim.start(kWanted);
  const auto when = GENERATE(0, 1, 2);
  if (when == 1) {
    while (host.log.size() < 2) host.run(kStep);
  } else if (when == 2) {
    while (host.log.size() < 3) host.run(kStep);
    host.run(1900ms);
  }
  SECTION("seen in a request") { (void)host.request(kWanted, kOtherMac, kPeerIp); }
  SECTION("seen in a reply") { (void)host.reply(kWanted, kOtherMac); }
  CHECK(host.events == std::vector{std::pair{ClaimEvent::refused, kWanted}});
  CHECK(host.claim.state() == State::idle);
  CHECK(host.claim.conflicts() == 1);
  host.log.clear();
  host.run(20s);
  CHECK(host.log.empty());
  CHECK_FALSE(host.arp.is_own(kWanted));
}

TEST_CASE("another host's probe for the address is a conflict and our own is not", "[arp][RFC5227-2.1.1-6]") {
  Claimant host;
  host.claim.start(kWanted);
  host.run(1s);
  REQUIRE(host.claim.state() == State::probing);
  SECTION("own probe reflected, even through another station") {
    (void)host.request(Ipv4Address{}, kOwnMac, kWanted);
    CHECK(host.claim.state() == State::probing);
  }
  SECTION("a probe for another address") {
    (void)host.request(Ipv4Address{}, kOtherMac, kOtherIp);
    CHECK(host.claim.state() == State::probing);
  }
  SECTION("an ordinary request for the address") {
    (void)host.request(kPeerIp, kPeerMac, kWanted);
    CHECK(host.claim.state() == State::probing);
  }
  SECTION("a probe for the same address") {
    (void)host.request(Ipv4Address{}, kOtherMac, kWanted);
    CHECK(host.events == std::vector{std::pair{ClaimEvent::refused, kWanted}});
  }
}

TEST_CASE("after ten conflicts attempts are a minute apart", "[arp][RFC5227-2.1.1-7]") {
  Claimant host;
  std::vector<TimePoint> attempts;
  for (std::uint32_t i = 0; i < 12; ++i) {
    const Ipv4Address candidate{0xc0000220U + i};
    host.log.clear();
    host.claim.start(candidate);
    while (host.log.empty()) host.run(kStep);
    attempts.push_back(host.log[0].at);
    host.rival(candidate);
    REQUIRE(host.claim.state() == State::idle);
  }
  CHECK(attempts[9] - attempts[0] < 15s);
  CHECK(attempts[10] - attempts[9] >= 60s - 1s);  // 60 s from start to start; each waits up to 1 s before its first probe
  CHECK(attempts[10] - attempts[9] <= 61s + kStep);
  CHECK(attempts[11] - attempts[10] >= 60s - 1s);
}

TEST_CASE("a conflict is noticed long after the claim", "[arp][RFC5227-2.4-1]") {
  Claimant host;
  host.take_address();
  host.lab.advance(1h);
  host.rival();
  CHECK(host.events == std::vector{std::pair{ClaimEvent::defended, kWanted}});
  CHECK(host.arp.stats().conflicts == 1);
}

TEST_CASE("policy a gives the address up at once", "[arp][RFC5227-2.4-2]") {
  Claimant host{{.defence = Defence::give_up}};
  host.take_address();
  host.rival();
  CHECK(host.events == std::vector{std::pair{ClaimEvent::lost, kWanted}});
  CHECK(host.was_own == std::vector{true});  // what uses it can still be reset in the event
  CHECK_FALSE(host.arp.is_own(kWanted));
  host.run(20s);
  CHECK(host.log.empty());
}

TEST_CASE("an address that is lost is given up, though the handler throws", "[arp]") {
  Claimant host{{.defence = Defence::give_up}};
  host.take_address();
  host.throws = true;
  int conflicts = 0;
  host.arp.on_conflict([&conflicts](Ipv4Address, MacAddress) { ++conflicts; });
  CHECK_THROWS_AS(host.rival(), std::runtime_error);
  CHECK(conflicts == 1);  // its handler has its turn, too
  CHECK(host.events == std::vector{std::pair{ClaimEvent::lost, kWanted}});
  CHECK_FALSE(host.arp.is_own(kWanted));
}

TEST_CASE("policy b defends once and yields to a second conflict within ten seconds", "[arp][RFC5227-2.4-3][RFC5227-2.4-4]") {
  Claimant host{{.defence = Defence::defend_once}};
  host.take_address();
  host.rival();
  host.run(5s);
  REQUIRE(host.log.size() == 1);
  CHECK(host.log[0].heard.spa == kWanted);
  CHECK(host.log[0].heard.tpa == kWanted);
  CHECK(host.events == std::vector{std::pair{ClaimEvent::defended, kWanted}});
  CHECK(host.arp.is_own(kWanted));
  SECTION("second conflict 5 s later") {
    host.rival();
    CHECK(host.events.back() == std::pair{ClaimEvent::lost, kWanted});
    CHECK_FALSE(host.arp.is_own(kWanted));
    CHECK(host.claim.state() == State::idle);
  }
  SECTION("second conflict 11 s later") {
    host.run(6s);
    host.rival();
    CHECK(host.events.back() == std::pair{ClaimEvent::defended, kWanted});
    CHECK(host.arp.is_own(kWanted));
  }
}

TEST_CASE("policy c keeps the address whatever comes", "[arp][RFC5227-2.4-5]") {
  Claimant host{{.defence = Defence::defend}};
  host.take_address();
  for (int second = 0; second < 600; ++second) {
    host.rival();
    host.run(1s);
  }
  CHECK(host.arp.is_own(kWanted));
  CHECK(host.claim.state() == State::in_use);
}

TEST_CASE("indefinite defence announces at most once in ten seconds", "[arp][RFC5227-2.4-6]") {
  Claimant host{{.defence = Defence::defend}};
  host.take_address();
  for (int second = 0; second < 60; ++second) {
    host.rival();
    host.run(1s);
  }
  CHECK(host.log.size() == 6);
  for (std::size_t i = 1; i < host.log.size(); ++i) CHECK(host.log[i].at - host.log[i - 1].at >= 10s);
}

TEST_CASE("the owner may try the next candidate from within the event", "[arp]") {
  Neighbourhood net;
  net.arp.remove_address(kOwnIp);
  Ipv4Address last = kWanted;
  arp::AddressClaim* claim_pointer = nullptr;
  arp::AddressClaim claim{net.lab.context,
                          net.arp,
                          [&](ClaimEvent event, Ipv4Address address) {
                            if (event != ClaimEvent::refused && event != ClaimEvent::lost) return;
                            last = Ipv4Address{address.value() + 1};
                            claim_pointer->start(last);
                          },
                          {.defence = Defence::give_up}};
  claim_pointer = &claim;
  claim.start(kWanted);
  (void)net.request(kWanted, kOtherMac, kWanted);
  CHECK(claim.address() == Ipv4Address{kWanted.value() + 1});
  net.lab.advance(20s);
  CHECK(net.arp.is_own(last));
  (void)net.request(last, kOtherMac, last);
  net.lab.advance(20s);
  CHECK(net.arp.is_own(Ipv4Address{kWanted.value() + 2}));
  CHECK_FALSE(net.arp.is_own(Ipv4Address{kWanted.value() + 1}));
}

TEST_CASE("stopping gives the address up without an event", "[arp]") {
  Claimant host;
  host.take_address();
  host.claim.stop();
  CHECK_FALSE(host.arp.is_own(kWanted));
  CHECK(host.events.empty());
  CHECK(host.claim.address().is_unspecified());
}
