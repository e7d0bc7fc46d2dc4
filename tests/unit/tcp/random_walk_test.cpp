// Nothing that a peer sends or a user calls may break an invariant, whatever the order.

#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

class Walk {
 public:
  explicit Walk(std::uint32_t seed) : random_{seed}, wire_{{.receive_buffer = 20'000, .max_time_wait = 4}}, peer_{wire_, kService} {
    auto listener = wire_.tcp.listen(kService, {}, {.backlog = 3, .max_half_open = 3});
    REQUIRE(listener);
    listener_ = std::move(*listener);
  }

  void step() {
    switch (pick(8)) {
      case 0: wire_.advance(std::chrono::milliseconds{pick(2000)}); break;
      case 1: user_call(); break;
      case 2: open(); break;
      case 3: error_report(); break;
      default: segment(); break;
    }
    check();
  }
  std::set<State> seen;

  /// Everything ends in the end, and gives its memory back.
  void end() {
    wire_.network.accepts = true;
    wire_.lab.scheduler.unblock();
    connections_.clear();
    listener_ = {};
    wire_.advance(1h);
    (void)wire_.network.take();
    CHECK(wire_.tcp.connection_count() == 0);
    CHECK(wire_.lab.scheduler.armed_timers() == 0);
    CHECK(wire_.lab.pool.in_use() == 0);
    CHECK(wire_.tcp.stats().curr_estab == 0);
  }

 private:
  std::uint32_t pick(std::uint32_t bound) { return std::uniform_int_distribution<std::uint32_t>{0, bound - 1}(random_); }
  bool chance(std::uint32_t percent) { return pick(100) < percent; }

  void open() {
    if (connections_.size() >= 4) connections_.erase(connections_.begin() + pick(4));
    if (auto accepted = listener_.accept()) connections_.push_back(std::make_unique<tcp::Connection>(std::move(*accepted)));
    if (chance(30)) {
      if (auto opened = wire_.tcp.connect({kPeerAddress, kPeerPort}, {.settings = {.keepalive = {.on = chance(50), .idle = 2s}}})) {
        connections_.push_back(std::make_unique<tcp::Connection>(std::move(*opened)));
      }
    }
    if (!connections_.empty()) listen_to(connections_.back().get());
  }
  /// Handlers that call back.
  void listen_to(tcp::Connection* connection) {
    connection->handle({.readable =
                            [this, connection] {
                              if (chance(50)) (void)connection->receive_slice();
                              if (chance(5)) connection->abort();
                            },
                        .writable = [connection] { (void)connection->send(bytes_of(stream(100))); },
                        .peer_closed =
                            [this, connection] {
                              if (chance(50)) connection->close();
                            },
                        .closed =
                            [this, connection](std::error_code) {
                              if (chance(50)) std::erase_if(connections_, [&](const auto& mine) { return mine.get() == connection; });
                            }});
  }

  void user_call() {
    wire_.network.accepts = chance(80);
    wire_.network.super_segment = chance(50) ? 65535 : 0;
    if (wire_.network.accepts) wire_.lab.scheduler.unblock();
    if (connections_.empty()) return;
    tcp::Connection& connection = *connections_[pick(static_cast<std::uint32_t>(connections_.size()))];
    std::vector<std::byte> buffer(pick(5000) + 1);
    switch (pick(10)) {
      case 0: (void)connection.shutdown(); break;
      case 1: connection.close(); break;
      case 2:
        if (chance(20)) connection.abort();
        break;
      case 3: (void)connection.send_urgent(buffer); break;
      case 4: connection.set_receive_buffer(pick(30'000) + 1); break;
      case 5: (void)connection.set_user_timeout(std::chrono::seconds{pick(30) + 1}); break;
      case 6: (void)connection.receive_slice(); break;
      case 7: (void)connection.receive(buffer); break;
      default: (void)connection.send(buffer); break;
    }
  }

  /// The connection that the next segment is about: mostly one that exists.
  std::optional<tcp::Info> target() {
    const auto all = wire_.tcp.connections();
    if (all.empty() || chance(10)) return std::nullopt;
    return all[pick(static_cast<std::uint32_t>(all.size()))];
  }
  SeqNum near(SeqNum number, std::uint32_t span) {
    if (chance(50)) return number;
    return number - span / 4 + pick(span);
  }
  void segment() {
    const auto info = target();
    Say say;
    static constexpr Flags kUsual[] = {kAck, kAck, kAck, kAck | Flags::psh, kFinAck, kSyn, kSynAck, kRst, kRstAck, kAck | Flags::urg};
    say.flags = chance(90) ? kUsual[pick(std::size(kUsual))] : static_cast<Flags>(pick(256));
    say.payload.assign(chance(50) ? pick(3000) : 0, 'x');
    say.window = static_cast<std::uint16_t>(chance(20) ? 0 : pick(65536));
    say.urgent = static_cast<std::uint16_t>(pick(5000));
    if (tcp::has(say.flags, Flags::syn) && chance(70)) say.options = mss_option(static_cast<std::uint16_t>(pick(3000)));
    if (chance(5)) say.options = Bytes(pick(40), static_cast<std::byte>(pick(256)));
    if (info) {
      peer_.us = info->local;
      peer_.them = info->remote;
      say.seq = near(info->rcv_nxt, 30'000);
      say.ack = near(info->snd_nxt, 10'000);
    } else {
      peer_.us.port = kService;
      peer_.them.port = Port{static_cast<std::uint16_t>(5000 + pick(4))};
      say.seq = SeqNum{static_cast<std::uint32_t>(random_())};
    }
    (void)wire_.inject(peer_.bytes(say), peer_.them.address);
  }
  void error_report() {
    const auto info = target();
    if (!info) return;
    Peer quoted{wire_, info->local.port, info->remote};
    std::swap(quoted.us.port, quoted.them.port);  // the segment is ours
    const Bytes bytes = quoted.bytes({.seq = near(info->snd_una, 100)});
    wire_.network.mtu = 68 + pick(1500);
    wire_.network.report(network::Protocol::tcp, {.kind = static_cast<network::ErrorKind>(pick(11)),
                                                  .reporter = info->remote.address,
                                                  .source = info->local.address,
                                                  .destination = info->remote.address,
                                                  .next_hop_mtu = 576,
                                                  .transport = std::span{bytes}.first(chance(90) ? 8 : pick(8))});
  }

  void check() {
    if (chance(50)) wire_.advance(0ms);
    for (const auto& sent : wire_.network.take()) REQUIRE(sent.packet.size() <= 65515);
    for (const auto& info : wire_.tcp.connections()) {
      seen.insert(info.state);
      if (info.state == State::time_wait) continue;
      REQUIRE(info.snd_una <= info.snd_nxt);
      REQUIRE(info.in_flight == tcp::distance(info.snd_una, info.snd_nxt));
      REQUIRE(info.out_of_order <= 65535);
      REQUIRE(info.unread <= 65535);
      REQUIRE(info.rcv_wnd <= 65535);
      REQUIRE(info.cwnd >= 1);
    }
    REQUIRE(wire_.tcp.connection_count() <= 3 + 3 + 4 + 4 + 40);
  }

  std::mt19937 random_;
  Wire wire_;
  Peer peer_;
  tcp::Listener listener_;
  std::vector<std::unique_ptr<tcp::Connection>> connections_;
};

}  // namespace

TEST_CASE("a random walk over segments, calls, time and errors breaks no invariant", "[tcp]") {
  std::set<State> seen;
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    INFO("seed " << seed);
    Walk walk{seed};
    for (int i = 0; i < 400; ++i) walk.step();
    walk.end();
    seen.merge(walk.seen);
  }
  CHECK(seen.size() == 9);  // every state but CLOSED and LISTEN: the walk goes everywhere
}
