#include <catch2/catch.hpp>

#include <set>

#include "icmp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using icmp::PingEvent;
using network::ErrorKind;

namespace {

struct Events {
  std::vector<PingEvent> all;
  [[nodiscard]] icmp::PingHandler handler() {
    return [this](const PingEvent& event) { all.push_back(event); };
  }
};

/// The peer's answer to a request of ours.
Bytes reply_to(const FakeNetwork::Sent& request) {
  const auto asked = parsed(request.packet);
  return message(0, 0, std::uint32_t{asked.id()} << 16U | asked.sequence(), body(request.packet));
}

/// An error about a request of ours, as the network layer hands it back.
network::ErrorReport report_about(const FakeNetwork::Sent& request, ErrorKind kind) {
  network::ErrorReport report;
  report.kind = kind;
  report.type = 3;
  report.code = 1;
  report.reporter = "192.0.2.254"_ipv4;
  report.source = request.source;
  report.destination = request.to.destination;
  report.transport = request.packet;
  return report;
}

}  // namespace

TEST_CASE("a ping is a request that libtins reads, and its reply gives the round trip",
          "[icmp][RFC1122-3.2.2.6-2][RFC1122-3.2.2.6-7][RFC792-Echo-1]") {
  IcmpLab lab;
  Events events;
  const auto ping = lab.icmp.ping(kPeer, {.size = 100, .ttl = 5, .tos = 0x20, .dont_fragment = true}, events.handler());
  REQUIRE(ping);
  lab.advance(0ms);
  REQUIRE(lab.network.sent.size() == 1);
  const auto sent = lab.network.sent.front();
  const auto request = parsed(sent.packet);
  CHECK(request.type() == Tins::ICMP::ECHO_REQUEST);
  CHECK(request.code() == 0);
  CHECK(request.id() == ping->identifier());
  CHECK(request.sequence() == 1);
  CHECK(sent.packet.size() == 108);
  CHECK(checksum_good(sent.packet));
  CHECK(sent.to.destination == IpAddress{kPeer});
  CHECK(sent.to.ttl == std::uint8_t{5});
  CHECK(sent.to.tos == 0x20);
  CHECK(sent.to.dont_fragment);
  CHECK_FALSE(ping->finished());

  lab.advance(12ms);
  auto from = FakeNetwork::received(network::Protocol::icmp, kPeer, kOwn);
  from.ttl = 61;
  REQUIRE(lab.network.inject(reply_to(sent), from));
  REQUIRE(events.all.size() == 1);
  const auto& event = events.all.front();
  CHECK(event.sequence == 1);
  CHECK(event.last);
  REQUIRE(event.reply);
  CHECK(event.reply->from == IpAddress{kPeer});
  CHECK(event.reply->size == 100);
  CHECK(event.reply->ttl == 61);
  CHECK(event.reply->intact);
  CHECK(event.reply->round_trip == 12ms);
  CHECK(ping->finished());
  CHECK(ping->received() == 1);
  lab.advance(1min);
  CHECK(events.all.size() == 1);
  CHECK(lab.network.sent.size() == 1);
}

TEST_CASE("requests leave at their interval, and each has one event", "[icmp]") {
  IcmpLab lab;
  Events events;
  const auto ping = lab.icmp.ping(kPeer, {.count = 3, .interval = 1s, .timeout = 1500ms}, events.handler());
  REQUIRE(ping);
  lab.advance(0ms);
  CHECK(lab.network.sent.size() == 1);
  lab.advance(999ms);
  CHECK(lab.network.sent.size() == 1);
  lab.advance(1ms);
  REQUIRE(lab.network.sent.size() == 2);
  REQUIRE(lab.inject(reply_to(lab.network.sent[1])));  // the second is answered before the first
  lab.advance(499ms);
  CHECK(events.all.size() == 1);
  lab.advance(1ms);
  REQUIRE(events.all.size() == 2);
  CHECK(events.all[0].sequence == 2);
  CHECK(events.all[0].reply);
  CHECK(events.all[1].sequence == 1);
  CHECK(events.all[1].reply.error() == Error::timed_out);
  CHECK_FALSE(events.all[1].last);
  lab.advance(500ms);
  REQUIRE(lab.network.sent.size() == 3);
  lab.advance(1500ms);
  REQUIRE(events.all.size() == 3);
  CHECK(events.all[2].sequence == 3);
  CHECK(events.all[2].last);
  CHECK(ping->sent() == 3);
  CHECK(ping->received() == 1);
  CHECK(ping->finished());
  CHECK(lab.scheduler.armed_timers() == 0);
}

TEST_CASE("a ping without count runs until it is destroyed", "[icmp]") {
  IcmpLab lab;
  Events events;
  {
    const auto ping = lab.icmp.ping(kPeer, {.count = 0, .interval = 100ms, .timeout = 200ms}, events.handler());
    REQUIRE(ping);
    lab.advance(10s);
    CHECK(lab.network.sent.size() == 101);
    CHECK(events.all.size() == 99);
  }
  const auto count = events.all.size();
  lab.advance(10s);
  CHECK(lab.network.sent.size() == 101);
  CHECK(events.all.size() == count);
  CHECK(lab.scheduler.armed_timers() == 0);
  CHECK(lab.inject(reply_to(lab.network.sent.back())).error() == Drop::not_handled);
}

TEST_CASE("replies that nobody waits for are dropped by name", "[icmp]") {
  IcmpLab lab;
  Events events;
  const auto ping = lab.icmp.ping(kPeer, {.count = 2, .timeout = 3s}, events.handler());
  REQUIRE(ping);
  lab.advance(0ms);
  const Bytes reply = reply_to(lab.network.sent.at(0));
  const auto other = static_cast<std::uint16_t>(ping->identifier() + 1);
  CHECK(lab.inject(message(0, 0, std::uint32_t{other} << 16U | 1U)).error() == Drop::not_handled);
  CHECK(lab.inject(message(0, 0, std::uint32_t{ping->identifier()} << 16U | 2U)).error() == Drop::unsolicited);  // not sent yet
  CHECK(lab.inject(reply, "192.0.2.9"_ipv4).error() == Drop::unsolicited);                                       // not whom we asked
  CHECK(events.all.empty());
  CHECK(lab.inject(reply));
  CHECK(lab.inject(reply).error() == Drop::unsolicited);  // a second time
  CHECK(events.all.size() == 1);
  CHECK(lab.network.sent.size() == 1);
}

TEST_CASE("data that came back changed or cut is told", "[icmp]") {
  IcmpLab lab;
  Events events;
  const auto ping = lab.icmp.ping(kPeer, {.size = 16, .count = 3, .interval = 10ms}, events.handler());
  REQUIRE(ping);
  lab.advance(20ms);
  REQUIRE(lab.network.sent.size() == 3);
  const std::uint32_t id = std::uint32_t{ping->identifier()} << 16U;
  Bytes changed = body(lab.network.sent[0].packet);
  changed[3] ^= std::byte{1};
  REQUIRE(lab.inject(message(0, 0, id | 1U, changed)));
  changed = body(lab.network.sent[1].packet);
  changed.pop_back();
  REQUIRE(lab.inject(message(0, 0, id | 2U, changed)));
  REQUIRE(lab.inject(reply_to(lab.network.sent[2])));
  REQUIRE(events.all.size() == 3);
  CHECK_FALSE(events.all[0].reply->intact);
  CHECK_FALSE(events.all[1].reply->intact);
  CHECK(events.all[1].reply->size == 15);
  CHECK(events.all[2].reply->intact);
}

TEST_CASE("an error about a request ends it with its meaning", "[icmp]") {
  struct Row {
    ErrorKind kind;
    Error error;
  };
  for (const auto [kind, error] :
       {Row{ErrorKind::unresolved, Error::host_unreachable}, Row{ErrorKind::ttl_exceeded, Error::host_unreachable},
        Row{ErrorKind::network_unreachable, Error::network_unreachable}, Row{ErrorKind::fragmentation_needed, Error::message_too_large}}) {
    IcmpLab lab;
    Events events;
    const auto ping = lab.icmp.ping(kPeer, {}, events.handler());
    REQUIRE(ping);
    lab.advance(0ms);
    lab.network.report(network::Protocol::icmp, report_about(lab.network.sent.at(0), kind));
    REQUIRE(events.all.size() == 1);
    CHECK(events.all[0].reply.error() == error);
    REQUIRE(events.all[0].error);
    CHECK(events.all[0].error->kind == kind);
    CHECK(events.all[0].error->reporter == IpAddress{"192.0.2.254"_ipv4});
    CHECK(events.all[0].error->transport.empty());
    CHECK(events.all[0].last);
  }
}

TEST_CASE("errors about what we did not send end no ping", "[icmp]") {
  IcmpLab lab;
  Events events;
  const auto ping = lab.icmp.ping(kPeer, {}, events.handler());
  REQUIRE(ping);
  lab.advance(0ms);
  const auto sent = lab.network.sent.at(0);
  auto report = report_about(sent, ErrorKind::host_unreachable);
  report.destination = "192.0.2.9"_ipv4;
  lab.network.report(network::Protocol::icmp, report);
  report.destination = kPeer;
  const std::uint32_t id = std::uint32_t{ping->identifier()} << 16U;
  const Bytes as_reply = message(0, 0, id | 1U);
  const Bytes other_sequence = message(8, 0, id | 2U);
  const Bytes other_identifier = message(8, 0, (id ^ 0x10000U) | 1U);
  for (const auto& quoted : {as_reply, other_sequence, other_identifier}) {
    report.transport = quoted;
    lab.network.report(network::Protocol::icmp, report);
  }
  CHECK(lab.icmp.drops()[Drop::unrelated_error] == 4);
  report.transport = std::span{as_reply}.first(7);
  lab.network.report(network::Protocol::icmp, report);
  CHECK(lab.icmp.drops()[Drop::truncated] == 1);
  CHECK(events.all.empty());
}

TEST_CASE("a request that cannot leave is told by the handler, not within the call", "[icmp]") {
  IcmpLab lab;
  Events events;
  lab.network.failure = Error::network_unreachable;
  const auto ping = lab.icmp.ping("203.0.113.1"_ipv4, {.count = 2, .interval = 10ms}, events.handler());
  REQUIRE(ping);
  CHECK(events.all.empty());
  lab.advance(0ms);
  REQUIRE(events.all.size() == 1);
  CHECK(events.all[0].reply.error() == Error::network_unreachable);
  CHECK_FALSE(events.all[0].last);
  lab.advance(10ms);
  REQUIRE(events.all.size() == 2);
  CHECK(events.all[1].last);
  CHECK(ping->sent() == 0);
}

TEST_CASE("options outside their range are refused", "[icmp]") {
  IcmpLab lab;
  const auto refused = [&](IpAddress destination, const icmp::PingOptions& options) {
    const auto ping = lab.icmp.ping(destination, options, {});
    return !ping && ping.error() == Error::invalid_argument;
  };
  CHECK(refused({}, {}));
  CHECK(refused(kPeer, {.size = 65508}));
  CHECK(refused(kPeer, {.interval = 0s}));
  CHECK(refused(kPeer, {.timeout = 0s}));
  CHECK(refused(kPeer, {.interval = 1ms, .timeout = 5s}));
  CHECK(refused(kPeer, {.ttl = std::uint8_t{0}}));
  CHECK_FALSE(refused(kPeer, {.size = 65507}));
  CHECK_FALSE(refused(kPeer, {.size = 0}));
}

TEST_CASE("handles may be moved, destroyed in their handler, and outlive their Icmp", "[icmp]") {
  Lab lab;
  FakeNetwork network{lab.pool};
  RecordingErrors errors;
  std::optional<icmp::Icmp> icmp{std::in_place, lab.context, network, errors};
  std::optional<icmp::Ping> held;
  int calls = 0;
  auto ping = icmp->ping(kPeer, {.count = 0, .interval = 1s, .timeout = 100ms}, [&](const PingEvent&) {
    ++calls;
    held.reset();
  });
  REQUIRE(ping);
  held = std::move(*ping);
  lab.advance(10s);
  CHECK(calls == 1);
  CHECK(network.sent.size() == 1);

  auto survivor = icmp->ping(kPeer, {.count = 0}, {});
  REQUIRE(survivor);
  lab.advance(0ms);
  icmp.reset();
  lab.advance(10s);
  CHECK(network.sent.size() == 2);
  CHECK_FALSE(survivor->finished());
}

TEST_CASE("identifiers are random, and no two running pings share one", "[icmp]") {
  IcmpLab lab;
  std::vector<icmp::Ping> pings;
  std::set<std::uint16_t> identifiers;
  int neighbours = 0;
  for (int i = 0; i < 2000; ++i) {
    auto ping = lab.icmp.ping(kPeer, {}, {});
    REQUIRE(ping);
    if (!pings.empty() && ping->identifier() == pings.back().identifier() + 1) ++neighbours;
    identifiers.insert(ping->identifier());
    pings.push_back(std::move(*ping));
  }
  CHECK(identifiers.size() == 2000);
  CHECK(neighbours < 10);
  CHECK(*identifiers.rbegin() - *identifiers.begin() > 60000);
}
