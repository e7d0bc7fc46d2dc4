#include "option_talk.hpp"

#include <catch2/catch.hpp>

#include <tins/tcp.h>

#include <span>

namespace tapir::test {

namespace {
Bytes options_in(Tins::TCP& segment) {
  const auto bytes = segment.serialize();
  const std::size_t header = static_cast<std::size_t>(bytes[12] >> 4U) * 4;
  return bytes_of(std::span{bytes}.subspan(20, header - 20));
}
ConversationOptions listening(ConversationOptions options) {
  options.passive = true;
  return options;
}
}  // namespace

HeardOptions options_of(const Heard& heard) {
  std::vector<std::uint8_t> segment(20);
  segment[12] = static_cast<std::uint8_t>((5 + heard.options.size() / 4) << 4U);
  for (const auto byte : heard.options) segment.push_back(std::to_integer<std::uint8_t>(byte));
  const Tins::TCP tins{segment.data(), static_cast<std::uint32_t>(segment.size())};
  HeardOptions options;
  if (tins.search_option(Tins::TCP::MSS) != nullptr) options.mss = tins.mss();
  if (tins.search_option(Tins::TCP::WSCALE) != nullptr) options.window_scale = tins.winscale();
  options.sack_permitted = tins.has_sack_permitted();
  if (tins.search_option(Tins::TCP::TSOPT) != nullptr) options.timestamps = tins.timestamp();
  if (tins.search_option(Tins::TCP::SACK) != nullptr) {
    const auto edges = tins.sack();
    for (std::size_t i = 0; i + 1 < edges.size(); i += 2) options.sack.emplace_back(SeqNum{edges[i]}, SeqNum{edges[i + 1]});
  }
  return options;
}

Bytes syn_options(std::uint16_t mss, const Offer& offer, std::uint32_t echo) {
  Tins::TCP syn;
  syn.mss(mss);
  if (offer.sack) syn.sack_permitted();
  if (offer.timestamp) syn.timestamp(*offer.timestamp, echo);
  if (offer.window_scale) syn.winscale(*offer.window_scale);
  return options_in(syn);
}

Bytes timestamp_option(std::uint32_t value, std::uint32_t echo) {
  Tins::TCP segment;
  segment.timestamp(value, echo);
  return options_in(segment);
}

OptionTalk::OptionTalk(const Offer& offer, const ConversationOptions& options)
    : Conversation{listening(options), State::listen}, with_timestamps_{offer.timestamp.has_value()} {
  ts = offer.timestamp.value_or(0);
  if (options.passive) {
    REQUIRE(peer.say({.flags = kSyn, .options = syn_options(*options.peer_mss, offer, 0)}));
    syn = hear_one();
    REQUIRE(syn.flags == kSynAck);
    REQUIRE(say({}));
    auto accepted = listener.accept();
    REQUIRE(accepted);
    connection = std::move(*accepted);
  } else {
    auto opened = tcp.connect(peer.them, {.settings = options.settings});
    REQUIRE(opened);
    connection = std::move(*opened);
    peer.us.port = connection.local().port;
    syn = hear_one();
    REQUIRE(syn.flags == kSyn);
    REQUIRE(peer.say({.flags = kSynAck, .options = syn_options(*options.peer_mss, offer, echo)}));
    REQUIRE(hear_one().pure_ack());
  }
  connection.handle(app.events());
  REQUIRE(connection.state() == State::established);
  first_ = peer.nxt;
}

Accepted OptionTalk::say(Say say) {
  if (with_timestamps_) {
    Bytes options = timestamp_option(ts, echo);
    options.insert(options.end(), say.options.begin(), say.options.end());
    say.options = std::move(options);
  }
  return peer.say(say);
}

std::vector<Heard> OptionTalk::hear() {
  auto all = peer.hear();
  for (const auto& heard : all) {
    if (const auto options = options_of(heard); options.timestamps) echo = options.timestamps->first;
  }
  return all;
}

Heard OptionTalk::hear_one() {
  auto all = hear();
  REQUIRE(all.size() == 1);
  return std::move(all.front());
}

Accepted OptionTalk::say_stream(std::uint32_t from, std::uint32_t to) { return say({.seq = at(from), .payload = stream(to - from, from)}); }

}  // namespace tapir::test
