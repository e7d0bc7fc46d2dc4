#include <catch2/catch.hpp>

#include "lan.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr Port kClientPort{40'000};

/// A client that writes a little every ten milliseconds, in a world that begins at `start`. Sees every timestamp that it sends.
struct Stamped {
  explicit Stamped(TimePoint start) : lan{{}, {}, {.seed = 5, .start = start}} {
    lan.client_cable.observe([this](sim::End from, std::span<const std::byte> frame) {
      if (from != sim::End::right) return;
      const Tins::EthernetII parsed{reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<std::uint32_t>(frame.size())};
      if (const auto* tcp = parsed.find_pdu<Tins::TCP>()) stamps.push_back(tcp->timestamp().first);
    });
    auto listening = lan.server->tcp().listen(Lan::kService, [this](tcp::Connection accepted) { server = std::move(accepted); });
    REQUIRE(listening);
    listener = std::move(*listening);
    auto opened = lan.client->tcp().connect({kServer, Lan::kService}, {.local = {IpAddress{}, kClientPort}, .settings = {.nagle = false}});
    REQUIRE(opened);
    client = std::move(*opened);
    lan.world.run_for(5ms);
  }
  void write_for(Duration time) {
    for (const TimePoint end = lan.world.now() + time; lan.world.now() < end; lan.world.run_for(10ms)) {
      const std::vector<std::byte> some(100, std::byte{'x'});
      REQUIRE(client.send(some) == 100U);
      written += 100;
    }
  }
  /// What waits for the server's application, a byte each.
  std::string read() {
    std::string all(100'000, '\0');
    const auto count = server.receive(std::as_writable_bytes(std::span{all}));
    all.resize(count ? *count : 0);
    return all;
  }
  void forge(std::uint32_t stamp, const std::string& payload) {
    const auto info = server.info();
    lan.attacker.send(Lan::kServerMac, {.from = client.local(),
                                        .to = server.local(),
                                        .flags = Tins::TCP::ACK,
                                        .seq = info.rcv_nxt,
                                        .ack = info.snd_nxt,
                                        .payload = payload,
                                        .timestamp = stamp});
    lan.world.run_for(1ms);
  }

  Lan lan;
  tcp::Listener listener;
  tcp::Connection server;
  tcp::Connection client;
  std::vector<std::uint32_t> stamps;
  std::size_t written = 0;
};

}  // namespace

TEST_CASE("PAWS works across the wrap of the timestamp clock", "[scenario][tcp][RFC7323-5.3-1][RFC7323-5.3-2]") {
  // The clock's offset is a secret that follows from the seed: one look at it tells where the clock wraps.
  const std::uint32_t offset = Stamped{TimePoint{}}.stamps.front();
  Stamped stamped{TimePoint{} + std::chrono::milliseconds{0x1'0000'0000LL - offset - 500}};
  REQUIRE(stamped.stamps.front() == 0U - 500U);
  stamped.write_for(1s);
  REQUIRE(stamped.stamps.back() > 400);
  REQUIRE(stamped.stamps.back() < 600);  // it has wrapped
  stamped.lan.world.run_for(100ms);
  // The transfer noticed nothing.
  CHECK(stamped.read() == std::string(stamped.written, 'x'));
  CHECK(stamped.client.info().retransmissions == 0);
  CHECK(stamped.client.info().srtt < 100ms);
  CHECK(stamped.lan.server->tcp().drops()[Drop::old_timestamp] == 0);
  // A segment of an earlier round of the sequence numbers: they fit, its timestamp is from before the wrap.
  stamped.forge(stamped.stamps.front(), "old");
  CHECK(stamped.read().empty());
  CHECK(stamped.lan.server->tcp().drops()[Drop::old_timestamp] == 1);
  stamped.forge(stamped.stamps.back(), "new");
  CHECK(stamped.read() == "new");
}
