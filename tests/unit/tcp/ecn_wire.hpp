#pragma once

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mss.hpp"
#include "wire.hpp"

/// What the tests of RFC 3168 share.
namespace tapir::test {

inline constexpr std::uint8_t kCe = 3;
inline constexpr std::uint8_t kEct0 = 2;
inline constexpr Flags kSetup = Flags::syn | Flags::ece | Flags::cwr;
inline constexpr Flags kSetupAck = Flags::syn | Flags::ack | Flags::ece;

inline std::uint8_t ecn(const Heard& heard) { return heard.ip.tos & 3U; }

struct EcnOptions {
  tcp::Config config{.congestion_control = "newreno", .ecn = tcp::EcnMode::on};
  tcp::Settings settings{.send_buffer = 1'000'000};
};

/// A handshake that says of ECN what a test wants.
struct EcnWire : Wire {
  explicit EcnWire(const EcnOptions& given = {}) : Wire{given.config}, options{given}, peer{*this, kService} {}

  /// Our SYN.
  Heard open() {
    auto opened = tcp.connect(peer.them, {.settings = options.settings});
    REQUIRE(opened);
    connection = std::move(*opened);
    peer.us.port = connection.local().port;
    return peer.hear_one();
  }
  /// An active open whose SYN,ACK has these flags.
  void open_with(Flags syn_ack = kSetupAck) {
    (void)open();
    REQUIRE(peer.say({.flags = syn_ack, .options = mss_option(kMss)}));
    CHECK(peer.hear_one().pure_ack());
  }
  /// Our SYN,ACK to a SYN with these flags.
  Heard listen(Flags syn) {
    auto opened = tcp.listen(kService, {}, {.settings = options.settings});
    REQUIRE(opened);
    listener = std::move(*opened);
    REQUIRE(peer.say({.flags = syn, .options = mss_option(kMss)}));
    return peer.hear_one();
  }
  void accept() {
    REQUIRE(peer.say({}));
    auto accepted = listener.accept();
    REQUIRE(accepted);
    connection = std::move(*accepted);
  }
  /// As Peer::say(), with an ECN field.
  Accepted say(const Say& what, std::uint8_t field) {
    auto from = FakeNetwork::received(network::Protocol::tcp, peer.them.address, peer.us.address);
    from.tos = field;
    const Bytes segment = peer.bytes(what);
    if (!what.seq) peer.nxt += static_cast<std::uint32_t>(what.payload.size());
    return network.inject(segment, from);
  }
  void write(std::size_t size) {
    const std::string text = stream(size);
    const auto sent = connection.send(std::as_bytes(std::span{text}));
    REQUIRE(sent);
    REQUIRE(*sent == size);
  }
  [[nodiscard]] tcp::Info info() const { return connection.info(); }

  EcnOptions options;
  tcp::Listener listener;
  tcp::Connection connection;
  Peer peer;
};

/// Ten segments outstanding, ECN agreed on.
struct EcnFlight : EcnWire {
  explicit EcnFlight(const EcnOptions& options = {}) : EcnWire{options} {
    open_with();
    write(900'000);
    first = peer.hear();
    REQUIRE(first.size() == 10);
  }
  std::vector<Heard> first;
};

}  // namespace tapir::test
