#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <tuple>

#include "option_talk.hpp"
#include "tcp/user_timeout.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::UserTimeoutOption;
using tcp::UserTimeoutValue;

namespace {
/// The option's 16 bits in a segment that the stack sent.
std::optional<std::uint16_t> user_timeout_in(const Heard& heard) {
  const auto parsed = tcp::parse_options(heard.options);
  REQUIRE(parsed);
  return parsed->user_timeout ? std::optional{parsed->user_timeout->to_wire()} : std::nullopt;
}
/// The option as a peer sends it.
Bytes user_timeout(std::uint16_t seconds) {
  return {std::byte{28}, std::byte{4}, static_cast<std::byte>(seconds >> 8U), static_cast<std::byte>(seconds & 0xffU)};
}
constexpr UserTimeoutOption kOn{.enabled = true};
constexpr std::uint16_t kMinutes = 0x8000;
}  // namespace

TEST_CASE("the option has kind 28, length 4, and says seconds or minutes", "[tcp][uto][RFC5482-3.3-1]") {
  const auto encoded = [](const UserTimeoutValue& value) {
    std::array<std::byte, 40> bytes{};
    Writer writer{bytes};
    REQUIRE(tcp::encode_options({.user_timeout = value}, writer));
    return Bytes{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(writer.written())};
  };
  CHECK(encoded(UserTimeoutValue::of(90s)) == hex("1c 04 00 5a"));
  CHECK(encoded({.minutes = true, .count = 3}) == hex("1c 04 80 03"));
  CHECK(encoded(UserTimeoutValue::of(32'767s)) == hex("1c 04 7f ff"));
  CHECK(encoded(UserTimeoutValue::of(32'768s)) == hex("1c 04 82 23"));  // 547 minutes: rounded up
  CHECK(encoded(UserTimeoutValue::of(Duration::max())) == hex("1c 04 ff ff"));
  CHECK(encoded(UserTimeoutValue::of(1ms)) == hex("1c 04 00 01"));

  CHECK(tcp::parse_options(hex("1c 04 00 5a"))->user_timeout->duration() == 90s);
  CHECK(tcp::parse_options(hex("1c 04 80 03"))->user_timeout->duration() == 3min);
  CHECK(tcp::parse_options(hex("01 1c 04 ff ff 00"))->user_timeout->duration() == 32'767min);
  CHECK(tcp::parse_options(hex("1c 03 00")).error() == Drop::bad_option);
  CHECK(tcp::parse_options(hex("1c 05 00 00 00")).error() == Drop::bad_option);
  CHECK_FALSE(tcp::parse_options(hex("02 04 05 b4"))->user_timeout);
}

TEST_CASE("the longer of both ends' wishes, within the limits", "[tcp][uto][RFC5482-3.1-1][RFC5482-3.1-2][RFC5482-3.1-3][RFC5482-3.1-4]") {
  struct Case {
    Duration own, peer, rto, adopted;
  };
  for (const auto& [own, peer, rto, adopted] : {
           Case{300s, 400s, 1s, 400s},
           Case{300s, 200s, 1s, 300s},
           Case{50s, 1s, 1s, 100s},         // L_LIMIT
           Case{300s, 32'767min, 1s, 1h},   // U_LIMIT
           Case{300s, 400s, 1000s, 1001s},  // a timeout shorter than the retransmission timeout would be none
           Case{100s, 100s, 120s, 121s},
       }) {
    CHECK(tcp::adopted_user_timeout({.own = own, .peer = peer, .rto = rto}, kOn) == adopted);
  }
  CHECK(UserTimeoutOption{}.lower >= 100s);
}

TEST_CASE("the option stands in the SYN, the first segment behind it, and when it changes", "[tcp][uto][RFC5482-3-1]") {
  SECTION("of an active open") {
    Wire wire{{.user_timeout = 90s, .quick_acks = 0, .user_timeout_option = kOn}};
    auto opened = wire.tcp.connect({kPeerAddress, kPeerPort});
    REQUIRE(opened);
    Peer peer{wire, opened->local().port};
    CHECK(user_timeout_in(peer.hear_one()) == std::uint16_t{90});
    wire.advance(1s);
    CHECK(user_timeout_in(peer.hear_one()) == std::uint16_t{90});  // the SYN again
    REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(1460)}));
    CHECK(user_timeout_in(peer.hear_one()) == std::uint16_t{90});
    for (int i = 0; i < 3; ++i) {
      REQUIRE(opened->send(bytes_of(stream(2000))));
      const auto data = peer.hear();
      CHECK_FALSE(data.empty());
      for (const auto& heard : data) CHECK_FALSE(user_timeout_in(heard));
      peer.acknowledge();
    }
    REQUIRE(opened->set_user_timeout(90s));  // nothing new
    REQUIRE(opened->send(bytes_of(stream(10))));
    CHECK_FALSE(user_timeout_in(peer.hear_one()));
    peer.acknowledge();
    REQUIRE(opened->set_user_timeout(10h));
    REQUIRE(opened->send(bytes_of(stream(3000))));
    const auto changed = peer.hear();
    REQUIRE(changed.size() >= 2);
    CHECK(user_timeout_in(changed[0]) == std::uint16_t{kMinutes | 600});
    CHECK(changed[0].payload.size() + changed[0].options.size() <= 1460);
    CHECK_FALSE(user_timeout_in(changed[1]));
  }
  SECTION("of a passive open") {
    OptionTalk talk{{}, {.config = {.quick_acks = 0, .user_timeout_option = kOn}, .passive = true}};
    CHECK(user_timeout_in(talk.syn) == std::uint16_t{300});
    talk.write(stream(3000));
    const auto first = talk.hear();
    REQUIRE(first.size() >= 2);
    CHECK(user_timeout_in(first[0]) == std::uint16_t{300});
    CHECK(first[0].payload.size() + first[0].options.size() <= 1460);
    CHECK_FALSE(user_timeout_in(first[1]));
  }
  SECTION("not of one that has it off") {
    OptionTalk talk{{}, {.passive = true}};
    CHECK_FALSE(user_timeout_in(talk.syn));
    talk.write(stream(2000));
    const auto data = talk.hear();
    CHECK_FALSE(data.empty());
    for (const auto& heard : data) CHECK_FALSE(user_timeout_in(heard));
  }
  SECTION("other than the timeout itself, if so wished") {
    OptionTalk talk{{}, {.settings = {.user_timeout_option = UserTimeoutOption{.enabled = true, .advertised = 77s}}, .passive = true}};
    CHECK(user_timeout_in(talk.syn) == std::uint16_t{77});
  }
}

TEST_CASE("a peer's timeout lengthens ours", "[tcp][uto][RFC5482-3.1-1][RFC5482-3.1-2]") {
  const auto& [told, adopted] =
      GENERATE(std::tuple{std::uint16_t{400}, Duration{400s}}, std::tuple{std::uint16_t{1}, Duration{300s}},
               std::tuple{std::uint16_t{kMinutes | 32'767}, Duration{1h}}, std::tuple{std::uint16_t{0}, Duration{300s}});  // 0 is reserved
  Conversation talk{{.config = {.quick_acks = 0, .user_timeout_option = kOn}}};
  CHECK(talk.info().user_timeout == 300s);
  REQUIRE(talk.peer.say({.options = user_timeout(told)}));
  CHECK(talk.info().user_timeout == adopted);
  CHECK(talk.info().peer_user_timeout.has_value() == (told != 0));
  talk.write("x");
  talk.advance(adopted - 1s);
  CHECK(talk.app.closed == 0);
  talk.advance(2s);
  CHECK(talk.app.closed == 1);
  CHECK(talk.app.error == Error::timed_out);
}

TEST_CASE("a peer's timeout in its SYN counts, too, and one that comes while data waits", "[tcp][uto]") {
  Conversation talk{{.config = {.quick_acks = 0, .user_timeout_option = kOn}, .passive = true}, State::listen};
  Bytes options = mss_option(1460);
  std::ranges::copy(user_timeout(500), std::back_inserter(options));
  REQUIRE(talk.peer.say({.flags = kSyn, .options = options}));
  REQUIRE(talk.peer.hear_one().flags == kSynAck);
  REQUIRE(talk.peer.say({}));
  talk.connection = std::move(*talk.listener.accept());
  talk.connection.handle(talk.app.events());
  CHECK(talk.info().user_timeout == 500s);
  talk.write("x");
  const auto sent = talk.peer.hear_one();
  talk.advance(100s);
  REQUIRE(talk.peer.say({.ack = sent.seq, .options = user_timeout(1000)}));
  talk.advance(900s);
  CHECK(talk.app.closed == 0);
  talk.advance(200s);
  CHECK(talk.app.closed == 1);
}

TEST_CASE("what the application has fixed stays, and it hears of the peer's wish", "[tcp][uto][RFC5482-3.1-5][RFC5482-3.1-6]") {
  Conversation talk{{.config = {.quick_acks = 0, .user_timeout_option = kOn}}};
  std::vector<Duration> told;
  int closed = 0;
  talk.connection.handle({.closed = [&](std::error_code) { ++closed; }, .peer_user_timeout = [&](Duration time) { told.push_back(time); }});
  REQUIRE(talk.connection.set_user_timeout(200s));
  REQUIRE(talk.peer.say({.options = user_timeout(400)}));
  REQUIRE(talk.peer.say({.options = user_timeout(400)}));
  talk.advance(0s);
  CHECK(talk.info().user_timeout == 200s);
  CHECK(told == std::vector<Duration>{400s});
  talk.write("x");
  talk.advance(199s);
  CHECK(closed == 0);
  talk.advance(2s);
  CHECK(closed == 1);

  SECTION("unless it allows it") {
    Conversation other{{.config = {.quick_acks = 0, .user_timeout_option = {.enabled = true, .changeable = true}}}};
    REQUIRE(other.connection.set_user_timeout(200s));
    REQUIRE(other.peer.say({.options = user_timeout(400)}));
    CHECK(other.info().user_timeout == 400s);
  }
}

TEST_CASE("an end without the option ignores it", "[tcp][uto][RFC5482-4-1]") {
  Conversation talk;
  int told = 0;
  talk.connection.handle({.peer_user_timeout = [&](Duration) { ++told; }});
  REQUIRE(talk.peer.say({.payload = "x", .options = user_timeout(400)}));
  talk.advance(0s);
  CHECK(talk.read() == "x");
  CHECK(talk.info().user_timeout == 300s);
  CHECK_FALSE(talk.info().peer_user_timeout);
  CHECK(told == 0);
}

TEST_CASE("a peer that says nothing leaves things as they are", "[tcp][uto][RFC5482-3.2-1]") {
  Conversation talk{
      {.config = {.quick_acks = 0, .user_timeout_option = kOn}}};  // whose segments with the option, for all it knows, were lost
  talk.write("x");
  talk.advance(299s);
  CHECK(talk.app.closed == 0);
  talk.advance(2s);
  CHECK(talk.app.closed == 1);
}

TEST_CASE("the option is switched while a connection lives", "[tcp][uto]") {
  Conversation talk;
  talk.write("x");
  CHECK_FALSE(user_timeout_in(talk.peer.hear_one()));
  talk.peer.acknowledge();
  REQUIRE(talk.connection.set_user_timeout_option(kOn));
  talk.write("x");
  CHECK(user_timeout_in(talk.peer.hear_one()) == std::uint16_t{300});
  talk.peer.acknowledge();
  CHECK(talk.connection.set_user_timeout_option({.lower = 2s, .upper = 1s}).error() == Error::invalid_argument);
  CHECK(talk.connection.set_user_timeout_option({.advertised = 0s}).error() == Error::invalid_argument);
  CHECK_FALSE(talk.tcp.connect({kPeerAddress, Port{9}}, {.settings = {.user_timeout_option = UserTimeoutOption{.lower = 0s}}}));
}
