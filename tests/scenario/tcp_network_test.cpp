// What the network does with, and says about, the segments of a whole stack.

#include <catch2/catch.hpp>

#include <map>

#include "scripted_host.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

/// A connection that has sent all that its congestion window lets it.
struct Bulk {
  Bulk() : host{nullptr} {
    auto opened = host.stack->tcp().connect({kRightAddress, Port{host.port}});
    REQUIRE(opened);
    connection = std::move(*opened);
    connection.handle({.closed = [this](std::error_code) { ++events; }, .soft_error = [this](const tcp::SoftError&) { ++events; }});
    host.world.run_for(1ms);
    host.say({.flags = kSyn | kAck});
    REQUIRE(connection.send(noise(100'000, 1)) == 100'000U);
    host.world.run_for(1ms);
    heard = host.hear();
    REQUIRE(heard.size() > 5);
    host.rcv = heard.back().seq + static_cast<std::uint32_t>(heard.back().payload.size());
  }
  int events = 0;
  ScriptedHost host;
  tcp::Connection connection;
  std::vector<ScriptedHost::Heard> heard;
};

}  // namespace

TEST_CASE("Source Quench changes nothing and is answered by nothing", "[scenario][tcp][RFC9293-MUST-55][RFC6633-3-2]") {
  Bulk bulk;
  const auto before = bulk.connection.info();
  for (const auto& segment : bulk.heard) bulk.host.complain(4, 0, segment);
  const auto after = bulk.connection.info();
  CHECK(after.cwnd == before.cwnd);
  CHECK(after.ssthresh == before.ssthresh);
  CHECK(after.mss == before.mss);
  CHECK(after.rto == before.rto);
  CHECK_FALSE(after.soft_error);
  CHECK(bulk.events == 0);
  CHECK(bulk.host.hear().empty());
  CHECK(bulk.host.stack->icmp().drops()[Drop::not_handled] == bulk.heard.size());
  // The transfer goes on as one that was never quenched.
  Bulk other;
  for (Bulk* each : {&bulk, &other}) each->host.say({});
  const auto quenched = bulk.host.hear();
  CHECK_FALSE(quenched.empty());
  CHECK(quenched.size() == other.host.hear().size());
  CHECK(bulk.connection.info().cwnd == other.connection.info().cwnd);

  SECTION("while another error about the same segment is told") {
    bulk.host.complain(3, 1, quenched.front());
    CHECK(bulk.events == 1);
    CHECK(bulk.connection.info().soft_error.has_value());
  }
}

TEST_CASE("a retransmission is a datagram of its own or the same again: the receiver does not care", "[scenario][tcp][RFC9293-MAY-4]") {
  Pair pair;
  std::map<std::pair<std::uint32_t, std::string>, std::vector<std::uint16_t>> identifications;  // of each segment with data
  bool lost = false;
  pair.cable.filter([&](sim::End from, std::span<const std::byte> frame) {
    const Tins::EthernetII parsed{reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<std::uint32_t>(frame.size() - 4)};
    const auto* ip = parsed.find_pdu<Tins::IP>();
    const auto* tcp = parsed.find_pdu<Tins::TCP>();
    const auto* raw = parsed.find_pdu<Tins::RawPDU>();
    if (from != sim::End::left || tcp == nullptr || raw == nullptr) return sim::Verdict::pass;
    identifications[{tcp->seq(), {raw->payload().begin(), raw->payload().end()}}].push_back(ip->id());
    return std::exchange(lost, true) ? sim::Verdict::pass : sim::Verdict::drop;
  });
  std::string received;
  tcp::Connection server;
  auto listener = pair.right->tcp().listen(Port{7}, [&](tcp::Connection accepted) { server = std::move(accepted); });
  REQUIRE(listener);
  auto client = pair.left->tcp().connect({kRightAddress, Port{7}});
  REQUIRE(client);
  pair.world.run_for(1s);
  REQUIRE(client->send(std::as_bytes(std::span{"once more", 9})));
  pair.world.run_for(5s);
  std::array<std::byte, 100> buffer{};
  CHECK(server.receive(buffer) == 9U);
  REQUIRE(identifications.size() == 1);
  CHECK(identifications.begin()->second.size() == 2);
}
