#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <tapir/link/link.hpp>
#include <tapir/sim/cable.hpp>
#include <tapir/sim/switch.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::test {

inline constexpr Ipv4Address kServer{0xc0000201};    // 192.0.2.1
inline constexpr Ipv4Address kClient{0xc0000202};    // 192.0.2.2
inline constexpr Ipv4Address kAttacker{0xc0000242};  // 192.0.2.66

/// A station without a stack that sends whatever segment it likes, under whatever address, and listens to nothing.
class Attacker : private Demultiplexer<link::Received> {
 public:
  struct Segment {
    Endpoint from;
    Endpoint to;
    unsigned flags = 0;
    tcp::SeqNum seq{};
    tcp::SeqNum ack{};
    std::string payload = {};
    std::optional<std::uint32_t> timestamp = {};
    std::optional<std::uint16_t> mss = {};
  };

  Attacker(sim::World& world, std::unique_ptr<link::Link> link) : world_{world}, link_{std::move(link)} { link_->attach(this); }
  ~Attacker() override { link_->attach(nullptr); }
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

  /// To the station with that hardware address; it arrives when time passes.
  void send(const std::string& hardware, const Segment& segment) {
    Tins::TCP tcp{segment.to.port.value(), segment.from.port.value()};
    tcp.flags(static_cast<Tins::small_uint<12>>(static_cast<std::uint16_t>(segment.flags)));
    tcp.seq(segment.seq.value());
    tcp.ack_seq(segment.ack.value());
    tcp.window(65535);
    if (segment.mss) tcp.mss(*segment.mss);
    if (segment.timestamp) tcp.timestamp(*segment.timestamp, 0);
    auto frame = Tins::EthernetII{hardware, "02:00:00:00:00:42"} / Tins::IP{dotted(segment.to.address), dotted(segment.from.address)} / tcp;
    if (!segment.payload.empty()) frame /= Tins::RawPDU{segment.payload};
    const auto bytes = frame.serialize();
    Packet packet{world_.pool(), bytes.size()};
    packet.append_copy(std::as_bytes(std::span{bytes}));
    (void)link_->transmit(std::move(packet));
  }

 private:
  static Tins::IPv4Address dotted(const IpAddress& address) { return Tins::IPv4Address{to_string(address)}; }
  Accepted demultiplex(Packet&&, const link::Received&) override { return {}; }

  sim::World& world_;
  std::unique_ptr<link::Link> link_;
};

/// Server and client, each a whole stack, and an attacker on one switch. What is for other networks goes to the attacker's address.
struct Lan {
  static constexpr Port kService{7};
  static constexpr const char* kServerMac = "02:00:00:00:00:01";
  static constexpr const char* kClientMac = "02:00:00:00:00:02";

  explicit Lan(const tcp::Config& server_config = {}, const tcp::Config& client_config = {}, sim::WorldConfig world_config = {.seed = 9},
               std::uint64_t client_rate = 0)
      : world{world_config},
        server_cable{world, {.delay = std::chrono::microseconds{100}, .carries_fcs = false}},
        client_cable{world, {.delay = std::chrono::microseconds{100}, .rate_bits_per_second = client_rate, .carries_fcs = false}},
        attacker{world, bridge.plug_in({.delay = std::chrono::microseconds{100}, .carries_fcs = false})} {
    (void)bridge.connect(server_cable.left());
    (void)bridge.connect(client_cable.left());
    server.emplace(
        world, server_cable.right(),
        StackConfig{.address = Ipv4Prefix{kServer, 24}, .gateway = kAttacker, .mac = MacAddress{{2, 0, 0, 0, 0, 1}}, .tcp = server_config});
    client.emplace(world, client_cable.right(),
                   StackConfig{.address = Ipv4Prefix{kClient, 24}, .mac = MacAddress{{2, 0, 0, 0, 0, 2}}, .tcp = client_config});
    (void)server->arp().add_static(kAttacker, MacAddress{{2, 0, 0, 0, 0, 0x42}});
  }

  sim::World world;
  sim::Switch bridge{world};
  sim::Cable server_cable;  ///< its right end is the server's
  sim::Cable client_cable;
  Attacker attacker;
  std::optional<Stack> server;
  std::optional<Stack> client;
};

}  // namespace tapir::test
