// What strangers on the network can do to a server and its client: nothing that lasts.

#include <catch2/catch.hpp>

#include <algorithm>
#include <list>

#include <support/talker.hpp>

#include "lan.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr unsigned kSyn = Tins::TCP::SYN;
constexpr unsigned kRst = Tins::TCP::RST;
constexpr unsigned kAck = Tins::TCP::ACK;

/// Sends back whatever comes, on any number of connections.
class EchoServer {
 public:
  EchoServer(Stack& stack, const tcp::ListenOptions& options) {
    auto listening = stack.tcp().listen(Lan::kService, [this](tcp::Connection accepted) { serve(std::move(accepted)); }, options);
    REQUIRE(listening);
    listener_ = std::move(*listening);
  }

 private:
  void serve(tcp::Connection accepted) {
    tcp::Connection& connection = connections_.emplace_back(std::move(accepted));
    connection.handle({.readable = [&connection] {
      std::vector<std::byte> buffer(4096);
      while (const auto count = connection.receive(buffer)) {
        if (*count == 0) return connection.close();
        (void)connection.send(std::span{buffer}.first(*count));
      }
    }});
  }

  tcp::Listener listener_;
  std::list<tcp::Connection> connections_;
};

/// Ten thousand SYNs a second, each from another address of other networks, for as long as it lives.
class Flood {
 public:
  explicit Flood(Lan& lan) : lan_{lan} { go_on(); }
  ~Flood() { *alive_ = false; }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  [[nodiscard]] std::uint32_t sent() const noexcept { return sent_; }

 private:
  void go_on() {
    for (int i = 0; i < 10; ++i) {
      const std::uint32_t n = sent_++;
      lan_.attacker.send(Lan::kServerMac,
                         {.from = {Ipv4Address{0xcb007100U + n % 254 + 1}, Port{static_cast<std::uint16_t>(1024 + n / 254)}},
                          .to = {kServer, Lan::kService},
                          .flags = kSyn,
                          .seq = tcp::SeqNum{n * 2'654'435'761U},
                          .mss = 1460});
    }
    lan_.world.after(1ms, [this, alive = alive_] {
      if (*alive) go_on();
    });
  }

  Lan& lan_;
  std::uint32_t sent_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Opens a connection, has a line echoed and closes; how long that took, empty when it was not done within `limit`.
std::optional<Duration> visit(Lan& lan, Duration limit) {
  const TimePoint begin = lan.world.now();
  auto opened = lan.client->tcp().connect({kServer, Lan::kService});
  REQUIRE(opened);
  Talker talker{std::move(*opened), noise(100, 3)};
  if (!lan.world.run_until([&] { return talker.end_of_stream; }, limit)) return std::nullopt;
  CHECK(talker.incoming == talker.outgoing);
  return lan.world.now() - begin;
}

}  // namespace

TEST_CASE("under ten thousand SYNs a second a listener keeps serving, because it keeps nothing of them", "[scenario][tcp][cookies]") {
  const bool guarded = GENERATE(true, false);
  Lan lan{{.syn_cookies = guarded ? tcp::SynCookiePolicy::when_full : tcp::SynCookiePolicy::never}};
  EchoServer server{*lan.server, {.max_half_open = 64}};
  auto opened = lan.client->tcp().connect({kServer, Lan::kService});
  REQUIRE(opened);
  Talker before{std::move(*opened), noise(2'000'000, 4)};
  lan.world.run_for(1ms);
  Flood flood{lan};
  lan.world.run_for(100ms);
  std::size_t served = 0;
  for (int i = 0; i < 10; ++i) {
    const TimePoint next = lan.world.now() + 200ms;
    const auto took = visit(lan, 200ms);
    if (took) {
      ++served;
      CHECK(*took < 50ms);
    }
    lan.world.run_for(next - lan.world.now());
  }
  CHECK(flood.sent() >= 20'000);
  CHECK(before.incoming == before.outgoing);  // who was there before is served in any case
  CHECK(lan.server->tcp().connection_count() < 64 + 20);
  if (guarded) {
    CHECK(served == 10);
    CHECK(lan.server->tcp().stats().cookies_sent > 19'000);
    CHECK(lan.server->tcp().stats().cookies_accepted == 10);
  } else {
    CHECK(served == 0);  // so the flood is one that a listener must be guarded from
  }
}

namespace {

/// A transfer from the client to the server, and an attacker that knows the four numbers of its name and guesses the rest.
struct Attacked {
  explicit Attacked(bool timestamps) : lan{{.timestamps = timestamps}, {}, {.seed = 9}, 20'000'000} {
    auto listening = lan.server->tcp().listen(
        Lan::kService, [this](tcp::Connection accepted) { server = std::make_unique<Talker>(std::move(accepted), noise(0, 1)); });
    REQUIRE(listening);
    listener = std::move(*listening);
    auto opened = lan.client->tcp().connect({kServer, Lan::kService});
    REQUIRE(opened);
    client = std::make_unique<Talker>(std::move(*opened), noise(3'000'000, 2));
    lan.world.run_for(100ms);
    REQUIRE(server);
  }
  [[nodiscard]] tcp::Info info() const { return server->connection.info(); }
  /// Under the client's address, to the server.
  void forge(unsigned flags, tcp::SeqNum seq, tcp::SeqNum ack, std::string payload = {}) {
    lan.attacker.send(Lan::kServerMac, {.from = client->connection.local(),
                                        .to = server->connection.local(),
                                        .flags = flags,
                                        .seq = seq,
                                        .ack = ack,
                                        .payload = std::move(payload)});
  }
  [[nodiscard]] std::uint32_t guess() { return static_cast<std::uint32_t>(lan.world.random().next()); }
  [[nodiscard]] auto refused(Drop reason) { return lan.server->tcp().drops()[reason]; }

  Lan lan;
  tcp::Listener listener;
  std::unique_ptr<Talker> server;
  std::unique_ptr<Talker> client;
};

}  // namespace

TEST_CASE("blind resets, SYNs and data do no harm to a transfer",
          "[scenario][tcp][RFC5961-3.2-1][RFC5961-3.2-3][RFC5961-4.2-1][RFC5961-4.2-2][RFC5961-5.2-2]") {
  const bool timestamps = GENERATE(true, false);
  Attacked attacked{timestamps};
  std::uint32_t tries = 0;
  while (!attacked.server->end_of_stream && tries < 100'000) {
    const auto info = attacked.info();
    const std::uint32_t inside =
        1 + attacked.guess() % (info.rcv_wnd / 2) + info.rcv_wnd / 4;  // what arrives meanwhile does not make it exact
    for (const tcp::SeqNum seq : {tcp::SeqNum{attacked.guess()}, info.rcv_nxt + inside}) {
      attacked.forge(kRst, seq, {});
      attacked.forge(kSyn, seq, {}, "inject");
      // Beyond all that was sent, and before all that was acknowledged less the largest window: what is left is too little to guess in.
      const tcp::SeqNum ack = info.snd_nxt + 1U + attacked.guess() % 0x7000'0000U;
      attacked.forge(kAck, seq, ack, "inject");
      tries += 3;
    }
    attacked.lan.world.run_for(1ms);
  }
  CHECK(tries > 3'000);
  REQUIRE(attacked.server->end_of_stream);
  CHECK(attacked.server->incoming == attacked.client->outgoing);
  CHECK_FALSE(attacked.server->error);
  CHECK(attacked.refused(Drop::blind_attack) > tries / 6);
  attacked.lan.world.run_for(1s);
  CHECK_FALSE(attacked.client->error);
}

TEST_CASE("who knows the numbers can reset, inject and be challenged", "[scenario][tcp][RFC5961-3.2-2]") {
  Attacked attacked{false};
  // Everything under way arrives first, so that the numbers stand still.
  attacked.lan.client_cable.cut(true);
  attacked.lan.world.run_for(10ms);
  const auto info = attacked.info();
  const auto received = attacked.server->incoming.size();
  std::vector<std::uint32_t> challenges;
  attacked.lan.server_cable.observe([&challenges](sim::End from, std::span<const std::byte> frame) {
    if (from != sim::End::right) return;
    const Tins::EthernetII parsed{reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<std::uint32_t>(frame.size())};
    if (const auto* tcp = parsed.find_pdu<Tins::TCP>()) challenges.push_back(tcp->ack_seq());
  });
  SECTION("a reset that is exact resets") {
    attacked.forge(kRst, info.rcv_nxt, {});
    attacked.lan.world.run_for(10ms);
    CHECK(attacked.server->closed);
    CHECK(attacked.server->error == Error::connection_reset);
  }
  SECTION("one that is inside the window is answered by a challenge") {
    attacked.forge(kRst, info.rcv_nxt + 1U, {});
    attacked.lan.world.run_for(10ms);
    CHECK_FALSE(attacked.server->closed);
    CHECK(challenges == std::vector{info.rcv_nxt.value()});
  }
  SECTION("so is a SYN anywhere") {
    attacked.forge(kSyn, info.rcv_nxt - 1'000'000U, {});
    attacked.lan.world.run_for(10ms);
    CHECK_FALSE(attacked.server->closed);
    CHECK(challenges == std::vector{info.rcv_nxt.value()});
  }
  SECTION("data with an acknowledgment that can be is taken") {
    attacked.forge(kAck, info.rcv_nxt, info.snd_nxt, "inject");
    attacked.lan.world.run_for(300ms);
    CHECK(attacked.server->incoming.size() == received + 6);
  }
  SECTION("with one that cannot be it is not") {
    attacked.forge(kAck, info.rcv_nxt, info.snd_nxt + 1U, "inject");
    attacked.lan.world.run_for(300ms);
    CHECK(attacked.server->incoming.size() == received);
  }
}
