#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "scripted_host.hpp"
#include "state_log.hpp"

namespace tapir::test {

inline constexpr Port kService{7};

/// Two whole stacks on a cable. The right one listens.
class TwoHosts {
 public:
  TwoHosts() : pair{{.left = {.observer = &left_log}, .right = {.observer = &right_log}}} {
    auto listening = pair.right->tcp().listen(kService, [this](tcp::Connection accepted) { right = std::move(accepted); });
    REQUIRE(listening);
    listener = std::move(*listening);
    pair.cable.filter([this](sim::End from, std::span<const std::byte> frame) { return judge(from, frame); });
  }

  void call() { left = connect(*pair.left, {kRightAddress, kService}, Port{}); }
  void open() {
    call();
    run(std::chrono::milliseconds{10});
    REQUIRE(left.state() == tcp::State::established);
    REQUIRE(right.state() == tcp::State::established);
  }
  /// Both ends open at once, from port 1000 to port 1000.
  void open_both() {
    left = connect(*pair.left, {kRightAddress, Port{1000}}, Port{1000});
    right = connect(*pair.right, {kLeftAddress, Port{1000}}, Port{1000});
  }
  static tcp::Connection connect(Stack& stack, const Endpoint& remote, Port local) {
    auto opened = stack.tcp().connect(remote, {.local = {IpAddress{}, local}});
    REQUIRE(opened);
    return std::move(*opened);
  }
  void run(Duration time) { pair.world.run_for(time); }
  void run_until(const std::function<bool()>& done) { REQUIRE(pair.world.run_until(done, std::chrono::minutes{1})); }
  /// Loses the next segment of `from` that has all of `flags`.
  void lose(sim::End from, unsigned flags) { losses_.push_back({from, flags}); }
  static void say(tcp::Connection& connection, std::string_view text) {
    REQUIRE(connection.send(std::as_bytes(std::span{text})) == text.size());
  }
  static std::string read(tcp::Connection& connection) {
    std::string text(1000, '\0');
    const auto count = connection.receive(std::as_writable_bytes(std::span{text}));
    return count ? text.substr(0, *count) : count.error().message();
  }
  [[nodiscard]] bool all_lost() const { return losses_.empty(); }

  StateLog left_log;
  StateLog right_log;
  Pair pair;
  tcp::Listener listener;
  tcp::Connection left;
  tcp::Connection right;
  std::vector<std::pair<std::string, unsigned>> sent;  ///< payload and flags of every segment put on the cable

 private:
  struct Loss {
    sim::End from;
    unsigned flags;
  };
  sim::Verdict judge(sim::End from, std::span<const std::byte> frame) {
    if (frame.size() < 54 || frame[12] != std::byte{8} || frame[13] != std::byte{0}) return sim::Verdict::pass;
    const Tins::EthernetII parsed{reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<std::uint32_t>(frame.size() - 4)};
    const auto* tcp = parsed.find_pdu<Tins::TCP>();
    if (tcp == nullptr) return sim::Verdict::pass;
    const auto* raw = tcp->find_pdu<Tins::RawPDU>();
    sent.emplace_back(raw == nullptr ? "" : std::string{raw->payload().begin(), raw->payload().end()}, tcp->flags());
    const auto lost =
        std::ranges::find_if(losses_, [&](const Loss& loss) { return loss.from == from && (tcp->flags() & loss.flags) == loss.flags; });
    if (lost == losses_.end()) return sim::Verdict::pass;
    losses_.erase(lost);
    return sim::Verdict::drop;
  }
  std::vector<Loss> losses_;
};

}  // namespace tapir::test
