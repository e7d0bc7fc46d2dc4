#include <catch2/catch.hpp>

#include <algorithm>

#include "fast_open_talk.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("a server takes part only when the application wants it", "[tcp][fastopen][RFC7413-6-1]") {
  const auto answer = [](FastOpenServer& server) {
    REQUIRE(server.peer.say({.flags = kSyn, .options = fast_open_options(1460, "")}));
    return cookie_in(server.peer.hear_one());
  };
  FastOpenServer willing;
  CHECK(answer(willing));
  FastOpenServer unwilling{{.fast_open = FastOpenServer::kBoth}, 0};
  CHECK_FALSE(answer(unwilling));
  FastOpenServer forbidden{{}};
  CHECK_FALSE(answer(forbidden));
  FastOpenServer drafted{{.fast_open = FastOpenServer::kBoth | tcp::FastOpenUse::any_listener}, 0};
  CHECK(answer(drafted));
}

TEST_CASE("with its cookie a client's data is the application's before the handshake ends", "[tcp][fastopen][RFC7413-4.2.2-8]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  CHECK(cookie.size() == 8);
  REQUIRE(server.peer.say({.flags = kSyn, .payload = "0123456789", .options = fast_open_options(1460, cookie)}));
  CHECK(server.listener.waiting() == 1);
  const auto answer = server.peer.hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.ack == server.peer.nxt);
  CHECK_FALSE(cookie_in(answer));
  server.accept();
  CHECK(server.connection.state() == State::syn_received);
  CHECK(server.connection.info().syn_data);
  CHECK(server.read() == "0123456789");
  REQUIRE(server.connection.send(std::as_bytes(std::span{"answer", 6})));
  const auto data = server.peer.hear_one();
  CHECK(text_of(data.payload) == "answer");
  CHECK(server.connection.state() == State::syn_received);
  server.peer.acknowledge();
  CHECK(server.connection.state() == State::established);
  CHECK(server.connection.unacknowledged() == 0);
  CHECK(server.listener.waiting() == 0);  // it is not accepted twice
  REQUIRE(server.peer.say({.payload = "more"}));
  CHECK(server.read() == "more");
}

TEST_CASE("a valid cookie opens early without data, too", "[tcp][fastopen]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  REQUIRE(server.peer.say({.flags = kSyn, .options = fast_open_options(1460, cookie)}));
  CHECK(server.peer.hear_one().ack == server.peer.nxt);
  server.accept();
  CHECK_FALSE(server.connection.info().syn_data);
  REQUIRE(server.connection.send(std::as_bytes(std::span{"first", 5})));
  CHECK(text_of(server.peer.hear_one().payload) == "first");
}

TEST_CASE("with a wrong cookie the SYN alone is acknowledged", "[tcp][fastopen][RFC7413-4.2.2-7]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  const SeqNum first = server.peer.nxt;
  const auto refused = [&](const Heard& answer) {
    CHECK(answer.flags == kSynAck);
    CHECK(answer.ack == first + 1);
    CHECK(server.listener.waiting() == 0);
  };
  SECTION("and the right one given") {
    REQUIRE(server.peer.say({.flags = kSyn, .payload = "0123456789", .options = fast_open_options(1460, "WRONGONE")}));
    const auto answer = server.peer.hear_one();
    refused(answer);
    CHECK(cookie_in(answer) == cookie);
    server.peer.nxt = first + 1;
    REQUIRE(server.peer.say({.payload = "0123456789"}));
    server.accept();
    CHECK(server.read() == "0123456789");
    CHECK_FALSE(server.connection.info().syn_data);
  }
  SECTION("and nothing said where there was none") {
    REQUIRE(server.peer.say({.flags = kSyn, .payload = "0123456789", .options = mss_option(1460)}));
    const auto answer = server.peer.hear_one();
    refused(answer);
    CHECK_FALSE(cookie_in(answer));
  }
  SECTION("or one of an odd length") {
    REQUIRE(server.peer.say({.flags = kSyn, .payload = "0123456789", .options = fast_open_options(1460, "FIVE5")}));
    const auto answer = server.peer.hear_one();
    refused(answer);
    CHECK_FALSE(cookie_in(answer));
  }
  SECTION("for another client's is a wrong one") {
    Peer other{server, kService, {Ipv4Address{0xc0000207U}, kPeerPort}};
    const SeqNum begin = other.nxt;
    REQUIRE(other.say({.flags = kSyn, .payload = "0123456789", .options = fast_open_options(1460, cookie)}));
    CHECK(other.hear_one().ack == begin + 1);
  }
}

TEST_CASE("a SYN,ACK that is sent again has no option and no data", "[tcp][fastopen][RFC7413-4.2.2-6]") {
  FastOpenServer server;
  SECTION("after a request") {
    REQUIRE(server.peer.say({.flags = kSyn, .options = fast_open_options(1460, "")}));
    CHECK(cookie_in(server.peer.hear_one()));
  }
  SECTION("nor one that data has followed") {
    REQUIRE(server.peer.say({.flags = kSyn, .payload = "x", .options = fast_open_options(1460, server.ask())}));
    (void)server.peer.hear_one();
    server.accept();
    REQUIRE(server.connection.send(std::as_bytes(std::span{"answer", 6})));
    (void)server.peer.hear_one();
  }
  server.advance(1s);
  const auto again = server.peer.hear_one();
  CHECK(again.flags == kSynAck);
  CHECK_FALSE(cookie_in(again));
  CHECK(again.payload.empty());
  CHECK(again.ack == server.peer.nxt);
}

TEST_CASE("before the handshake ends no more than an initial window is sent", "[tcp][fastopen][RFC7413-4.2.2-9]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  REQUIRE(server.peer.say({.flags = kSyn, .payload = "x", .options = fast_open_options(1000, cookie)}));
  (void)server.peer.hear_one();
  server.accept();
  const std::string text = stream(100'000);
  REQUIRE(server.connection.send(std::as_bytes(std::span{text})));
  std::size_t sent = 0;
  for (const auto& segment : server.peer.hear()) sent += segment.payload.size();
  CHECK(sent == 10'000);
  CHECK(server.peer.quiet());
  server.peer.acknowledge();
  CHECK_FALSE(server.peer.quiet());
}

TEST_CASE("so many early connections may be under way, and no more", "[tcp][fastopen][RFC7413-5.1-1]") {
  FastOpenServer server{{.fast_open = FastOpenServer::kBoth}, 2};
  const auto cookie = server.ask();
  std::vector<Peer> peers;
  for (std::uint16_t i = 0; i < 3; ++i)
    peers.emplace_back(server, kService, Endpoint{kPeerAddress, Port{static_cast<std::uint16_t>(100 + i)}});
  const auto taken = [&](Peer& peer) {
    const SeqNum begin = peer.nxt;
    REQUIRE(peer.say({.flags = kSyn, .payload = "hello", .options = fast_open_options(1460, cookie)}));
    const auto answer = peer.hear_one();
    CHECK(answer.flags == kSynAck);
    CHECK_FALSE(cookie_in(answer));
    peer.nxt = answer.ack;
    return answer.ack == begin + 6;
  };
  REQUIRE(taken(peers[0]));
  REQUIRE(taken(peers[1]));
  CHECK_FALSE(taken(peers[2]));
  REQUIRE(peers[2].say({.payload = "hello"}));
  CHECK(peers[2].state() == State::established);
  (void)server.hear();
  Peer next{server, kService, {kPeerAddress, Port{200}}};
  SECTION("a handshake that is complete makes room") {
    REQUIRE(peers[0].say({}));
    CHECK(taken(next));
  }
  SECTION("a reset does not, which is as easily forged, for a minute") {
    REQUIRE(peers[0].say({.flags = kRst}));
    CHECK_FALSE(taken(next));
    server.advance(60s);
    (void)server.hear();
    Peer later{server, kService, {kPeerAddress, Port{201}}};
    CHECK(taken(later));
  }
}

TEST_CASE("an early connection that is reset is the application's nevertheless", "[tcp][fastopen]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  REQUIRE(server.peer.say({.flags = kSyn, .payload = "hello", .options = fast_open_options(1460, cookie)}));
  (void)server.peer.hear_one();
  REQUIRE(server.peer.say({.flags = kRst}));
  server.accept();
  CHECK(server.read() == "hello");
  CHECK(server.connection.state() == State::closed);
  CHECK(server.connection.error() == Error::connection_reset);
}

TEST_CASE("an early connection that nobody accepts is reset with its listener", "[tcp][fastopen]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  REQUIRE(server.peer.say({.flags = kSyn, .payload = "hello", .options = fast_open_options(1460, cookie)}));
  (void)server.peer.hear_one();
  SECTION("before it is accepted") { server.listener = {}; }
  SECTION("or by who leaves its data unread") {
    server.accept();
    server.connection = {};
  }
  const auto reset = server.peer.hear_one();
  CHECK(reset.flags == kRstAck);
  CHECK(reset.ack == server.peer.nxt);
}

TEST_CASE("a listener may have keys of its own, and change them", "[tcp][fastopen]") {
  FastOpenServer server;
  const auto former = server.ask();
  server.options.fast_open_keys = tcp::FastOpenKeys{.primary = {std::byte{1}}};
  REQUIRE(server.listener.change(server.options));
  const auto first = server.ask(Port{4998});
  CHECK(first != former);
  server.options.fast_open_keys = tcp::FastOpenKeys{.primary = {std::byte{2}}, .backup = tcp::FastOpenKey{std::byte{1}}};
  REQUIRE(server.listener.change(server.options));
  REQUIRE(server.peer.say({.flags = kSyn, .payload = "hello", .options = fast_open_options(1460, first)}));
  const auto answer = server.peer.hear_one();
  CHECK(answer.ack == server.peer.nxt);
  const auto renewed = cookie_in(answer);
  REQUIRE(renewed);
  CHECK(*renewed != first);
}

TEST_CASE("a FIN in the SYN waits for the handshake", "[tcp][fastopen]") {
  FastOpenServer server;
  const auto cookie = server.ask();
  REQUIRE(server.peer.say({.flags = kSyn | Flags::fin, .payload = "hello", .options = fast_open_options(1460, cookie)}));
  const auto answer = server.peer.hear_one();
  CHECK(answer.ack == server.peer.nxt - 1U);
  server.accept();
  CHECK(server.read() == "hello");
  CHECK(server.connection.state() == State::syn_received);
  server.peer.nxt = answer.ack;
  REQUIRE(server.peer.say({.flags = kFinAck}));
  CHECK(server.connection.state() == State::close_wait);
}

TEST_CASE("the experimental option is answered in kind", "[tcp][fastopen]") {
  FastOpenServer server;
  Bytes options = mss_option(1460);
  for (const unsigned byte : {0xfeU, 0x04U, 0xf9U, 0x89U}) options.push_back(static_cast<std::byte>(byte));
  REQUIRE(server.peer.say({.flags = kSyn, .options = options}));
  const auto answer = server.peer.hear_one();
  CHECK_FALSE(cookie_in(answer));
  const auto value = option_value(answer.options, 254);
  REQUIRE(value);
  CHECK(value->substr(0, 2) == "\xf9\x89");
  CHECK(value->substr(2) == server.ask());
}
