// A congestion control algorithm of the user's own: all that is needed is in fixed_window.hpp.
#include <catch2/catch.hpp>

#include "fixed_window.hpp"
#include "mss.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {
/// Holds back when it is told to.
class HoldingWindow final : public FixedWindow {
 public:
  HoldingWindow(const bool& holds_back, bool& limited) : FixedWindow{7 * kMss}, holds_back_{holds_back}, limited_{limited} {}
  void on_ack(const tcp::AckEvent& event) override { limited_ = event.rate && event.rate->app_limited; }
  [[nodiscard]] bool holds_back() const noexcept override { return holds_back_; }

 private:
  const bool& holds_back_;
  bool& limited_;
};

tcp::Config with_fixed_window() {
  return {.congestion_controls = {{"fixed", [](const tcp::CongestionParameters&) { return std::make_unique<FixedWindow>(7 * kMss); }}}};
}
}  // namespace

TEST_CASE("a user's own algorithm sets the window", "[tcp][congestion]") {
  Conversation talk{{.config = with_fixed_window(), .settings = {.congestion_control = "fixed"}, .peer_mss = kMss}};
  talk.write(stream(100'000));
  CHECK(talk.info().congestion_control == "fixed");
  for (int round = 0; round < 3; ++round) {
    CHECK(talk.peer.hear().size() == 7);
    talk.peer.acknowledge();
  }
}

TEST_CASE("the algorithm is chosen by name, for a stack or a connection", "[tcp][congestion][RFC9293-MAY-18]") {
  CHECK(Conversation{}.info().congestion_control == "cubic");
  CHECK(Conversation{{.config = {.congestion_control = "newreno"}}}.info().congestion_control == "newreno");
  CHECK(Conversation{{.settings = {.congestion_control = "reno"}, .passive = true}}.info().congestion_control == "newreno");
  Wire wire;
  CHECK(wire.tcp.connect({kPeerAddress, kPeerPort}, {.settings = {.congestion_control = "fixed"}}).error() == Error::invalid_argument);
  CHECK(wire.tcp.listen(kService, {}, {.settings = {.congestion_control = "fixed"}}).error() == Error::invalid_argument);
  Wire other{{.congestion_control = "none of these"}};
  CHECK(other.tcp.connect({kPeerAddress, kPeerPort}).error() == Error::invalid_argument);
  CHECK(other.tcp.connect({kPeerAddress, kPeerPort}, {.settings = {.congestion_control = "cubic"}}));
}

TEST_CASE("a listener's algorithm may go while it listens", "[tcp][congestion]") {
  Wire wire{with_fixed_window()};
  auto listener = wire.tcp.listen(kService, {}, {.settings = {.congestion_control = "fixed"}});
  REQUIRE(listener);
  CHECK(listener->change({.settings = {.congestion_control = "none of these"}}).error() == Error::invalid_argument);
  auto algorithm_of_next = [&, port = std::uint16_t{5000}]() mutable {
    (void)wire.hear();  // the end of the one before
    Peer peer{wire, kService, {kPeerAddress, Port{port++}}};
    REQUIRE(peer.say({.flags = kSyn}));
    REQUIRE(peer.hear_one().flags == kSynAck);
    REQUIRE(peer.say({}));
    const auto connection = listener->accept();
    REQUIRE(connection);
    return connection->info().congestion_control;
  };
  CHECK(algorithm_of_next() == "fixed");
  wire.tcp.set_config({});
  CHECK(algorithm_of_next() == "newreno");
  REQUIRE(listener->change({}));
  CHECK(algorithm_of_next() == "cubic");
  wire.tcp.set_config({.congestion_control = "bbr"});
  CHECK(algorithm_of_next() == "bbr");
}

TEST_CASE("a rate of less than a byte a second is one of a byte a second", "[tcp][congestion]") {
  struct Standstill : FixedWindow {
    Standstill() : FixedWindow{10 * kMss} {}
    [[nodiscard]] std::optional<std::uint64_t> pacing_rate() const noexcept override { return 0; }
  };
  tcp::Config config;
  config.congestion_controls["standstill"] = [](const tcp::CongestionParameters&) { return std::make_unique<Standstill>(); };
  Conversation talk{{.config = config, .settings = {.congestion_control = "standstill"}, .peer_mss = kMss}};
  CHECK(talk.info().pacing_rate == 1);
}

TEST_CASE("what leaves while the algorithm holds back says nothing of the path", "[tcp][congestion]") {
  bool holds_back = false;
  bool limited = false;
  tcp::Config config;
  config.congestion_controls["holding"] = [&](const tcp::CongestionParameters&) {
    return std::make_unique<HoldingWindow>(holds_back, limited);
  };
  Conversation talk{{.config = config, .settings = {.congestion_control = "holding"}, .peer_mss = kMss}};
  talk.write(stream(100'000));
  const auto round = [&] {
    (void)talk.peer.hear();
    talk.advance(std::chrono::milliseconds{100});
    talk.peer.acknowledge();
    return limited;
  };
  (void)round();         // there was nothing to send when the connection began
  CHECK_FALSE(round());  // the application fills the window
  holds_back = true;
  CHECK_FALSE(round());  // it left before
  CHECK(round());
  CHECK(round());
  holds_back = false;
  CHECK(round());  // it left before, too
  CHECK_FALSE(round());
  CHECK_FALSE(round());
}

TEST_CASE("another algorithm takes over in mid-connection", "[tcp][congestion]") {
  Conversation talk{{.config = with_fixed_window(), .peer_mss = kMss}};
  talk.write(stream(200'000));
  for (int i = 0; i < 2; ++i) {
    (void)talk.peer.hear();
    talk.peer.acknowledge();
  }
  const auto before = talk.info();
  REQUIRE(before.cwnd > 10 * kMss);
  CHECK(talk.connection.set_congestion_control("vegas").error() == Error::invalid_argument);
  CHECK(talk.info().congestion_control == "cubic");
  REQUIRE(talk.connection.set_congestion_control("newreno"));
  CHECK(talk.info().congestion_control == "newreno");
  CHECK(talk.info().cwnd == before.cwnd);
  CHECK(talk.info().ssthresh == before.ssthresh);
  (void)talk.peer.hear();
  talk.peer.acknowledge();
  CHECK(talk.info().cwnd == before.cwnd + kMss);
  REQUIRE(talk.connection.set_congestion_control("fixed"));
  CHECK(talk.info().cwnd == 7 * kMss);
  tcp::Connection none;
  CHECK(none.set_congestion_control("cubic").error() == Error::not_connected);
}
