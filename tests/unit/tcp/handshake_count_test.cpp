// What listeners count as handshakes under way is what there is, whatever the order of things.

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "option_talk.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kFirstPort = 1000;
constexpr std::uint32_t kPeers = 24;

class Handshakes {
 public:
  /// Every seed is another one of the settings, too.
  explicit Handshakes(std::uint32_t seed) : random_{seed} {
    config_.sleep_after = has(seed, 1) ? Duration{1s} : Duration{};
    config_.syn_cookies = seed % 3 == 0 ? tcp::SynCookiePolicy::never : tcp::SynCookiePolicy::when_full;
    early_ = has(seed, 4);
    if (early_) config_.fast_open = tcp::FastOpenUse::server | tcp::FastOpenUse::any_listener | tcp::FastOpenUse::server_without_cookie;
    if (has(seed, 8)) options_.defer_accept = 5s;
    wire_ = std::make_unique<Wire>(config_);
    listen();
    if (has(seed, 16)) listen();
  }

  void step() {
    const std::uint32_t what = pick(100);
    if (what < 30) {
      knock();
    } else if (what < 55) {
      (void)somebody().say({.payload = pick(2) == 0 ? "x" : ""});
    } else if (what < 62) {
      (void)somebody().say({.flags = kRst});
    } else if (what < 66) {
      (void)somebody().say({.flags = kFinAck});
    } else if (what < 73) {
      wire_->advance(what == 72 ? Duration{100s} : std::chrono::milliseconds{pick(4000)});
    } else if (what < 86) {
      user(what);
    } else if (what < 94) {
      change(what);
    }
    if (what >= 94 || pick(3) == 0) hear();
  }
  [[nodiscard]] std::size_t counted() const {
    std::size_t count = 0;
    for (const auto& listener : listeners_) count += listener.half_open();
    return count;
  }
  /// But for those that the user has had before their ACK.
  [[nodiscard]] std::size_t there() const {
    std::size_t count = 0;
    for (const auto& info : wire_->tcp.connections()) count += info.state == State::syn_received && !info.syn_data ? 1U : 0U;
    return count;
  }
  void stack_goes() { wire_.reset(); }

 private:
  static bool has(std::uint32_t seed, std::uint32_t bit) { return (seed & bit) != 0; }
  std::uint32_t pick(std::uint32_t bound) { return std::uniform_int_distribution<std::uint32_t>{0, bound - 1}(random_); }
  Peer& peer(std::uint32_t which) {
    const Port port{static_cast<std::uint16_t>(kFirstPort + which)};
    return peers_.try_emplace(which, *wire_, kService, Endpoint{kPeerAddress, port}).first->second;
  }
  Peer& somebody() { return peer(pick(kPeers)); }

  void listen() {
    if (auto listener = wire_->tcp.listen(kService, {}, options_)) listeners_.push_back(std::move(*listener));
  }
  void knock() {
    Peer& who = somebody();
    if (who.state() == State::closed) who.nxt += 100'000;
    const SeqNum first = who.nxt;
    (void)who.say({.flags = kSyn, .payload = early_ && pick(2) == 0 ? "data" : "", .options = mss_option(1460)});
    if (pick(4) == 0) who.nxt = first;  // and once more, later
  }
  void hear() {
    for (const auto& heard : wire_->hear()) {
      const std::uint32_t which = heard.to.port.value() - std::uint32_t{kFirstPort};
      if (which < kPeers) peer(which).rcv = heard.end();
    }
  }
  void user(std::uint32_t what) {
    if (what < 80 && !listeners_.empty()) {
      if (auto accepted = listeners_[pick(static_cast<std::uint32_t>(listeners_.size()))].accept())
        accepted_.push_back(std::move(*accepted));
    } else if (!accepted_.empty()) {
      auto& connection = accepted_[pick(static_cast<std::uint32_t>(accepted_.size()))];
      if (pick(2) == 0) {
        connection.abort();
      } else {
        connection = {};
      }
    }
  }
  void change(std::uint32_t what) {
    if (what < 88) {
      config_.min_rto += std::chrono::milliseconds{pick(100)};
      wire_->tcp.set_config(config_);
    } else if (what < 90 && !listeners_.empty()) {
      options_.settings.nagle = !options_.settings.nagle;
      (void)listeners_[pick(static_cast<std::uint32_t>(listeners_.size()))].change(options_);
    } else if (what < 91 && !listeners_.empty()) {
      listeners_.erase(listeners_.begin() + pick(static_cast<std::uint32_t>(listeners_.size())));
    } else if (listeners_.size() < 3) {
      listen();
    }
  }

  std::mt19937 random_;
  tcp::Config config_;
  tcp::ListenOptions options_{.backlog = 6, .max_half_open = 8, .share_port = true};
  bool early_ = false;
  std::unique_ptr<Wire> wire_;
  std::vector<tcp::Listener> listeners_;
  std::map<std::uint32_t, Peer> peers_;
  std::vector<tcp::Connection> accepted_;
};

}  // namespace

TEST_CASE("listeners count the handshakes that are under way, and none once the stack is gone", "[tcp][syn-cache]") {
  std::size_t most = 0;
  for (std::uint32_t seed = 1; seed <= 64; ++seed) {
    Handshakes handshakes{seed};
    for (int step = 0; step < 400; ++step) {
      INFO("seed " << seed << ", step " << step);
      handshakes.step();
      REQUIRE(handshakes.counted() == handshakes.there());
      most = std::max(most, handshakes.counted());
    }
    handshakes.stack_goes();
    CHECK(handshakes.counted() == 0);
  }
  CHECK(most > 4);  // or nothing was tried
}
