// The windows that a receiver offers, and how far buffers grow.

#include <catch2/catch.hpp>

#include <optional>
#include <tuple>

#include <tapir/sim/seeded_random.hpp>

#include "bottleneck.hpp"
#include "lan.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

/// What the server's segments say of its window, in the order in which it sends them.
class OfferedWindow {
 public:
  void see(std::span<const std::byte> frame) {
    const Tins::EthernetII parsed{reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<std::uint32_t>(frame.size())};
    const auto* tcp = parsed.find_pdu<Tins::TCP>();
    if (tcp == nullptr) return;
    const bool syn = (tcp->flags() & Tins::TCP::SYN) != 0;
    if (syn) shift_ = tcp->search_option(Tins::TCP::WSCALE) != nullptr ? tcp->winscale() : 0;
    const tcp::SeqNum edge = tcp::SeqNum{tcp->ack_seq()} + (std::uint32_t{tcp->window()} << (syn ? 0U : shift_));
    if (tcp->window() == 0) ++closed;
    // What the scaled field cannot express is offered nevertheless (RFC 7323 section 2.4): without scaling it is nothing.
    if (edge_ && edge + ((1U << shift_) - 1) < *edge_) ++shrunk;
    if (edge_ && edge > *edge_) ++opened;
    edge_ = edge_ ? later(*edge_, edge) : edge;
  }
  std::size_t shrunk = 0;
  std::size_t opened = 0;
  std::size_t closed = 0;

 private:
  unsigned shift_ = 0;
  std::optional<tcp::SeqNum> edge_;
};

/// The same frame with a window of 0.
std::vector<std::byte> shut(std::span<const std::byte> frame) {
  constexpr std::size_t kWindowAt = 14 + 20 + 14;  // neither header before it has options
  std::vector<std::byte> changed{frame.begin(), frame.end()};
  if (changed.size() > kWindowAt + 1) changed[kWindowAt] = changed[kWindowAt + 1] = std::byte{0};
  return changed;
}

/// What OfferedWindow finds in a server's SYN,ACK of window 4000 and scale 2, and then an ACK of `received` octets with this window field.
std::size_t shrunk_by(std::uint32_t received, std::uint16_t window) {
  OfferedWindow seen;
  const auto say = [&seen](std::uint32_t ack, std::uint16_t field, bool syn) {
    Tins::TCP tcp{5000, 7};
    tcp.flags(syn ? Tins::TCP::SYN | Tins::TCP::ACK : Tins::TCP::ACK);
    tcp.ack_seq(0xffff'f000U + ack);  // the edge lies beyond the wrap
    tcp.window(field);
    if (syn) tcp.winscale(2);
    auto frame = Tins::EthernetII{} / Tins::IP{"192.0.2.1", "192.0.2.2"} / tcp;
    const auto bytes = frame.serialize();
    seen.see(std::as_bytes(std::span{bytes}));
  };
  say(0, 4'000, true);
  say(received, window, false);
  return seen.shrunk;
}

/// A server that reads when and as much as dice say, and changes its mind about the size of its buffer.
struct MoodyReader {
  MoodyReader(std::uint64_t seed, const tcp::Config& config, double loss)
      : lan{config, {.min_rto = 200ms}, {.seed = seed}, 100'000'000}, random{seed}, text{noise(1'000'000, 7)} {
    lan.server_cable.observe([this](sim::End from, std::span<const std::byte> frame) {
      if (from != sim::End::right) return;
      offered.see(frame);
      shut_late.see(++frames > kHonest ? shut(frame) : std::vector<std::byte>{frame.begin(), frame.end()});
    });
    lan.client_cable.set_faults(sim::End::right, {.loss = loss, .reordering = loss});
    auto listening = lan.server->tcp().listen(Lan::kService, [this](tcp::Connection accepted) { server = std::move(accepted); });
    REQUIRE(listening);
    listener = std::move(*listening);
    auto opened = lan.client->tcp().connect({kServer, Lan::kService});
    REQUIRE(opened);
    client = std::make_unique<Talker>(std::move(*opened), text);
    lan.world.run_until([this] { return bool{server}; }, 10s);
    REQUIRE(server);
  }
  /// Whether the whole text came.
  bool read_all() {
    bool over = false;
    for (int steps = 0; !over && steps < 200'000; ++steps) {
      lan.world.run_for(std::chrono::microseconds{random.below(random.below(10) == 0 ? 200'000 : 3'000)});
      if (random.below(20) == 0) server.set_receive_buffer(1 + random.below(200'000));
      std::vector<std::byte> buffer(1 + random.below(random.below(4) == 0 ? 100'000 : 3'000));
      const auto count = server.receive(buffer);
      if (!count) continue;
      over = *count == 0;
      incoming.insert(incoming.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*count));
    }
    return over && incoming == text;
  }

  Lan lan;
  sim::SeededRandom random;
  std::vector<std::byte> text;
  static constexpr std::size_t kHonest = 300;
  std::size_t frames = 0;
  OfferedWindow offered;
  OfferedWindow shut_late;  ///< the same, had the window been shut from some frame on
  tcp::Listener listener;
  tcp::Connection server;
  std::unique_ptr<Talker> client;
  std::vector<std::byte> incoming;
};

}  // namespace

TEST_CASE("a window once offered never shrinks, however the application reads", "[scenario][tcp][RFC9293-SHLD-14][RFC7323-2.4-1]") {
  std::size_t closed = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    tcp::Config config;
    config.window_scaling = seed % 3 != 0;
    if (seed % 2 == 0) config.memory_limit = 150'000;  // and though memory runs short
    MoodyReader reader{seed, config, seed > 3 ? 0.01 : 0};
    CHECK(reader.read_all());
    CHECK(reader.offered.shrunk == 0);
    CHECK(reader.shut_late.shrunk > 0);
    CHECK(reader.offered.opened > 50);
    closed += reader.offered.closed;
  }
  CHECK(closed > 5);  // there were windows that had every reason to shrink
}

TEST_CASE("a window that shrinks is noticed", "[scenario][tcp][RFC9293-SHLD-14]") {
  CHECK(shrunk_by(0, 1'000) == 0);    // the same
  CHECK(shrunk_by(0, 1'001) == 0);    // it opens
  CHECK(shrunk_by(3'000, 250) == 0);  // smaller, as what arrived has filled it
  CHECK(shrunk_by(3'001, 249) == 0);  // as far as the field can say (RFC 7323 section 2.4)
  CHECK(shrunk_by(3'000, 249) == 1);  // and no further
  CHECK(shrunk_by(0, 0) == 1);
  CHECK(shrunk_by(4'000, 0) == 0);  // closed, as it was full
}

TEST_CASE("buffers grow to what a long fat path needs", "[scenario][tcp]") {
  constexpr double kLine = 100e6 * 1448 / 1538;  // payload of full segments with timestamps
  const auto run = [](const tcp::Config& sender, const tcp::Config& receiver) {
    Bottleneck path{{.round_trip = 100ms, .rate = 100'000'000, .sender = sender, .receiver = receiver}};
    (void)path.run(5s);
    const double rate = path.run(5s);
    return std::tuple{rate, path.sender().send_buffer, path.receiver().receive_buffer};
  };
  const auto [rate, send_buffer, receive_buffer] = run({}, {});
  CHECK(rate > 0.95 * kLine);
  CHECK(rate <= kLine);
  CHECK(send_buffer > 1'250'000);  // a bandwidth-delay product
  CHECK(receive_buffer > 1'250'000);
  // Neither end alone does it: what may not grow holds the stream to a buffer a round trip.
  const tcp::Config small{.max_send_buffer = 262'144, .max_receive_buffer = 262'144};
  const auto [slow_sender, kept_sending, ignored] = run(small, {});
  CHECK(slow_sender < 262'144 * 8 / 0.1);
  CHECK(kept_sending <= 262'144);
  const auto [slow_receiver, also_ignored, kept_receiving] = run({}, small);
  CHECK(slow_receiver < 262'144 * 8 / 0.1);
  CHECK(kept_receiving <= 262'144);
}
