#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <vector>

#include "wire.hpp"

namespace tapir::test {

/// A sender to a path that swallows what is too large for it, without a word, and a receiver behind it that acknowledges each segment, selectively too.
/// Round trips take 40 ms, the first hop carries 1500 bytes.
class BlackHole : public Conversation {
 public:
  static constexpr Duration kRoundTrip = std::chrono::milliseconds{40};

  explicit BlackHole(const tcp::Config& config, std::size_t largest_datagram = 1500, bool sack = true)
      : Conversation{{.config = config, .settings = {.send_buffer = 2'000'000}}, State::syn_sent}, largest{largest_datagram}, sack_{sack} {
    advance(kRoundTrip);
    REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1460, sack)}));
    REQUIRE(peer.hear_one().pure_ack());
    next_ = info().snd_una;
  }

  [[nodiscard]] static std::size_t datagram(const Heard& heard) { return 40 + heard.options.size() + heard.payload.size(); }
  /// Sizes of the datagrams with payload.
  [[nodiscard]] static std::vector<std::size_t> sizes(const std::vector<Heard>& all) {
    std::vector<std::size_t> list;
    for (const auto& heard : all) {
      if (!heard.payload.empty()) list.push_back(datagram(heard));
    }
    return list;
  }
  [[nodiscard]] static std::size_t largest_of(const std::vector<Heard>& all) {
    const auto list = sizes(all);
    return list.empty() ? 0 : *std::ranges::max_element(list);
  }

  /// What leaves now; a round trip later what of it got through has been acknowledged.
  std::vector<Heard> round() {
    auto all = peer.hear();
    advance(kRoundTrip);
    for (const auto& heard : all) {
      if (!heard.payload.empty() && datagram(heard) <= largest) take(heard);
    }
    return all;
  }
  /// Rounds until nothing is left to be acknowledged, a timer's worth of waiting between those in which nothing leaves. Returns all that was sent.
  std::vector<Heard> finish(Duration limit = std::chrono::minutes{2}) {
    std::vector<Heard> everything;
    const TimePoint end = lab.scheduler.now() + limit;
    while (info().unacknowledged > 0 && lab.scheduler.now() < end) {
      auto all = round();
      std::ranges::move(all, std::back_inserter(everything));
    }
    return everything;
  }
  [[nodiscard]] std::uint64_t received() const { return received_; }

  std::size_t largest;

 private:
  void take(const Heard& heard) {
    const SeqNum begin = heard.seq;
    const SeqNum end = heard.seq + static_cast<std::uint32_t>(heard.payload.size());
    const std::uint64_t before = received_;
    if (end > next_) {
      auto& known = arrived_[begin > next_ ? before + tcp::distance(next_, begin) : before];
      known = std::max(known, before + tcp::distance(next_, end));
    }
    while (!arrived_.empty() && arrived_.begin()->first <= received_) {
      received_ = std::max(received_, arrived_.begin()->second);
      arrived_.erase(arrived_.begin());
    }
    next_ = next_ + static_cast<std::uint32_t>(received_ - before);
    Say say{.ack = next_};
    if (sack_ && begin > next_) say.options = sack_option({{begin, end}});
    REQUIRE(peer.say(say));
  }

  bool sack_;
  SeqNum next_;
  std::map<std::uint64_t, std::uint64_t> arrived_;  ///< behind the first missing octet: where each range of the stream begins and ends
  std::uint64_t received_ = 0;
};

}  // namespace tapir::test
