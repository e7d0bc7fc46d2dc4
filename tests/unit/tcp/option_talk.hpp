#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "wire.hpp"

/// A scripted peer that knows the options of RFC 7323 and RFC 2018. What the stack sends is read by libtins.
namespace tapir::test {

/// The options of a segment, as libtins reads them.
struct HeardOptions {
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;
  bool sack_permitted = false;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> timestamps;  ///< TSval, TSecr
  std::vector<std::pair<SeqNum, SeqNum>> sack;
};
[[nodiscard]] HeardOptions options_of(const Heard& heard);

/// Options as libtins writes them.
struct Offer {
  bool sack = true;
  std::optional<std::uint32_t> timestamp = 1000;  ///< TSval of the SYN
  std::optional<std::uint8_t> window_scale = 7;
};
[[nodiscard]] Bytes syn_options(std::uint16_t mss, const Offer& offer, std::uint32_t echo);
[[nodiscard]] Bytes timestamp_option(std::uint32_t value, std::uint32_t echo);

/// An established connection whose peer offered `offer`. From then on say() adds timestamps, hear() remembers those to echo.
class OptionTalk : public Conversation {
 public:
  explicit OptionTalk(const Offer& offer = {}, const ConversationOptions& options = {});

  /// As Peer::say(), with timestamps when those were offered.
  Accepted say(Say say);
  std::vector<Heard> hear();
  Heard hear_one();
  bool quiet() { return hear().empty(); }
  /// Bytes `from` to `to` of the peer's stream(), counted from the start of its data; nothing advances.
  Accepted say_stream(std::uint32_t from, std::uint32_t to);
  /// The number of byte `offset` of the peer's stream.
  [[nodiscard]] SeqNum at(std::uint32_t offset) const { return first_ + offset; }

  std::uint32_t ts = 1000;  ///< the peer's clock
  std::uint32_t echo = 0;   ///< the last TSval heard
  Heard syn;                ///< our SYN or SYN,ACK

 private:
  bool with_timestamps_;
  SeqNum first_;
};

}  // namespace tapir::test
