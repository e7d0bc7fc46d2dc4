#pragma once

#include <catch2/catch.hpp>

#include <initializer_list>
#include <utility>

#include "wire.hpp"

namespace tapir::test {

/// A bulk sender with SACK, segments of 1000 bytes, round trips of 40 ms. Segments are counted from the first.
struct SackFlight : Conversation {
  static constexpr std::uint32_t kMss = 1000;
  /// [begin, end) in segments.
  using Segments = std::pair<std::uint32_t, std::uint32_t>;

  /// `unsent`: bytes to write; the first window of them leaves. `sack`: the peer permits it.
  explicit SackFlight(std::size_t unsent = 500'000, const tcp::Config& config = {}, bool sack = true, std::uint16_t window = 65535)
      : Conversation{{.config = config, .settings = {.send_buffer = 1'000'000}, .window = window}, State::syn_sent} {
    advance(std::chrono::milliseconds{40});
    REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(kMss, sack)}));
    REQUIRE(peer.hear_one().pure_ack());
    una = info().snd_una;
    if (unsent > 0) write(stream(unsent));
    first = peer.hear();
  }

  [[nodiscard]] SeqNum at(std::uint32_t segment) const { return una + segment * kMss; }
  /// Which segment `heard` is.
  [[nodiscard]] std::uint32_t number(const Heard& heard) const { return tcp::distance(una, heard.seq) / kMss; }
  [[nodiscard]] std::vector<std::uint32_t> numbers(const std::vector<Heard>& all) const {
    std::vector<std::uint32_t> list;
    for (const auto& heard : all) list.push_back(number(heard));
    return list;
  }
  /// What leaves now, as segment numbers.
  [[nodiscard]] std::vector<std::uint32_t> sent() { return numbers(peer.hear()); }

  [[nodiscard]] Bytes sack_option(std::initializer_list<Segments> blocks) const {
    std::vector<std::pair<SeqNum, SeqNum>> edges;
    for (const auto& [begin, end] : blocks) edges.emplace_back(at(begin), at(end));
    return test::sack_option(edges);
  }
  /// The peer acknowledges all segments before `ack`, and `blocks` beyond.
  void say_ack(std::uint32_t ack, std::initializer_list<Segments> blocks = {}) {
    REQUIRE(peer.say({.ack = at(ack), .options = blocks.size() == 0 ? Bytes{} : sack_option(blocks)}));
  }

  SeqNum una;
  std::vector<Heard> first;
};

}  // namespace tapir::test
