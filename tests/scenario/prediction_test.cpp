// Header prediction (RFC 7323 section 5.6) is a shorter way to the same end: what leaves a host, and when, is the same with and without it.

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string>

#include <fmt/format.h>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

struct Case {
  std::string name;
  link::FaultConfig faults = {};
  tcp::Config tcp = {};
  tcp::Settings settings = {};
};

/// All that a conversation left behind.
struct Trace {
  std::vector<std::byte> capture;
  std::string info;
  std::uint64_t predicted = 0;
};

std::string in_words(const tcp::Info& info) {
  return fmt::format(
      "{} {} {} {} cwnd {} ssthresh {} rto {} srtt {} delivered {} rate {} sent {} received {} retransmitted {} duplicates {} undos {} "
      "window {}",
      info.snd_nxt.value(), info.rcv_nxt.value(), info.snd_wnd, info.rcv_wnd, info.cwnd, info.ssthresh, info.rto.count(),
      info.srtt.value_or(Duration{}).count(), info.delivered, info.delivery_rate.value_or(0), info.segments_sent, info.segments_received,
      info.retransmissions, info.duplicate_acks, info.undos, info.receive_buffer);
}

/// Questions and answers of all sizes, then a transfer each way, over a path of 3 ms at 100 Mbit/s.
Trace converse(const Case& given, std::uint64_t seed, bool prediction) {
  Trace trace;
  PairConfig config{.seed = seed, .cable = {.delay = 3ms, .rate_bits_per_second = 100'000'000}, .capture = &trace.capture};
  config.cable.faults = given.faults;
  config.left.tcp = config.right.tcp = given.tcp;
  config.left.tcp.header_prediction = config.right.tcp.header_prediction = prediction;
  Pair pair{config};
  tcp::Connection server;
  std::size_t asked = 0;
  std::vector<std::byte> bytes(40'000);
  const auto answer = [&] {
    while (const auto count = server.receive(bytes)) {
      if (*count == 0) return server.close();
      asked += *count;
      (void)server.send(std::span{bytes}.first(std::min<std::size_t>(*count, 1 + asked % 3000)));
    }
  };
  auto listener = pair.right->tcp().listen(Port{7},
                                           [&](tcp::Connection accepted) {
                                             server = std::move(accepted);
                                             server.handle({.readable = answer});
                                           },
                                           {.settings = given.settings});
  REQUIRE(listener);
  auto opened = pair.left->tcp().connect({kRightAddress, Port{7}}, {.settings = given.settings});
  REQUIRE(opened);
  tcp::Connection client = std::move(*opened);
  std::size_t heard = 0;
  client.handle({.readable = [&] {
    std::vector<std::byte> into(40'000);
    while (const auto count = client.receive(into)) heard += *count;
  }});
  std::mt19937 random{static_cast<std::uint32_t>(seed)};
  for (int i = 0; i < 60; ++i) {
    const std::size_t size = i % 10 == 9 ? 30'000 : 1 + random() % (i % 3 == 0 ? 4000 : 60);
    (void)client.send(noise(size, static_cast<std::uint32_t>(random() % 1000)));
    pair.world.run_for(std::chrono::microseconds{random() % 12'000});
  }
  pair.world.run_for(5s);
  trace.info = in_words(client.info()) + " / " + in_words(server.info()) + fmt::format(" / {} {}", asked, heard);
  trace.predicted = pair.left->tcp().stats().predicted + pair.right->tcp().stats().predicted;
  REQUIRE(heard > 1000);
  client.close();
  pair.world.run_for(5s);
  return trace;
}

}  // namespace

TEST_CASE("header prediction changes nothing of what is sent, nor of what is known", "[scenario][tcp]") {
  const std::vector<Case> cases{
      {.name = "nothing is lost"},
      {.name = "loss", .faults = {.loss = 0.02}},
      {.name = "loss, reordering, duplicates", .faults = {.loss = 0.01, .duplication = 0.02, .reordering = 0.03}},
      {.name = "damage", .faults = {.corruption = 0.02}},
      {.name = "without timestamps", .faults = {.loss = 0.01}, .tcp = {.timestamps = false}},
      {.name = "without SACK", .faults = {.loss = 0.01}, .tcp = {.sack = false}},
      {.name = "without Nagle", .faults = {.loss = 0.01}, .settings = {.nagle = false}},
      {.name = "paced", .tcp = {.pacing = true}},
      {.name = "a slow pace", .settings = {.nagle = false, .max_pacing_rate = 20'000}},
      {.name = "a slow pace, with Nagle", .settings = {.max_pacing_rate = 60'000}},
      {.name = "BBR without Nagle", .faults = {.loss = 0.01}, .tcp = {.congestion_control = "bbr"}, .settings = {.nagle = false}},
      {.name = "BBR", .faults = {.loss = 0.01}, .tcp = {.congestion_control = "bbr"}},
      {.name = "NewReno", .faults = {.loss = 0.01}, .tcp = {.congestion_control = "newreno"}},
      {.name = "ECN", .tcp = {.ecn = tcp::EcnMode::on}},
      {.name = "as Linux writes", .faults = {.loss = 0.01}, .settings = {.chunked_writes = true}},
      {.name = "a small receiver", .settings = {.receive_buffer = 5000}},
      {.name = "small segments", .faults = {.loss = 0.01}, .settings = {.max_segment = 400}},
      {.name = "no delayed acknowledgments", .tcp = {.ack_delay = Duration::zero()}},
      {.name = "it sleeps at once", .tcp = {.sleep_after = 1ms}},
  };
  for (const Case& given : cases) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      INFO(given.name << ", seed " << seed);
      const Trace with = converse(given, seed, true);
      const Trace without = converse(given, seed, false);
      CHECK((with.predicted > 50) == (given.tcp.ecn != tcp::EcnMode::on));  // marks and their echoes go the long way
      CHECK(without.predicted == 0);
      CHECK(with.info == without.info);
      REQUIRE((with.capture == without.capture));
    }
  }
}

TEST_CASE("a capture shows a difference where there is one", "[scenario][tcp]") {
  const Trace one = converse({.name = "one"}, 1, true);
  const Trace other = converse({.name = "other", .tcp = {.ack_delay = Duration::zero()}}, 1, true);
  CHECK((one.capture != other.capture));
}
