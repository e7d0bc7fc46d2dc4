#include <catch2/catch.hpp>

#include "fast_open_talk.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("a client asks for a cookie only when the application wants Fast Open", "[tcp][fastopen][RFC7413-6-1]") {
  FastOpenClient client;
  CHECK_FALSE(cookie_in(client.open("hello", false)));
  client.finish();
  CHECK(cookie_in(client.open("hello")) == "");
  client.finish();
  FastOpenClient forbidden{{.fast_open = 0}};
  CHECK_FALSE(cookie_in(forbidden.open("hello")));
}

TEST_CASE("an open without a cookie asks for one, and its data waits",
          "[tcp][fastopen][RFC7413-4.2.1-1][RFC7413-4.2.2-1][RFC7413-4.1.1-1]") {
  FastOpenClient client;
  const auto syn = client.open("hello");
  CHECK(syn.flags == kSyn);
  CHECK(cookie_in(syn) == "");
  CHECK(syn.payload.empty());
  CHECK(client.connection.fast_open_room() == 0);
  client.answer(0, mss_option(1460));  // no cookie: a server like any other
  CHECK(client.connection.state() == State::established);
  const auto first = client.peer->hear_one();
  CHECK(text_of(first.payload) == "hello");
  CHECK_FALSE(client.connection.info().syn_data);
}

TEST_CASE("a cookie is kept for the server's address, and goes with data", "[tcp][fastopen][RFC7413-4.1.3-1]") {
  FastOpenClient client;
  CHECK_FALSE(client.tcp.fast_open_ready(kPeerAddress));
  client.learn("COOKIE12");
  CHECK(client.tcp.fast_open_ready(kPeerAddress));
  const auto syn = client.open("hello");
  CHECK(syn.flags == kSyn);
  CHECK(cookie_in(syn) == "COOKIE12");
  CHECK(text_of(syn.payload) == "hello");
  client.answer(5, mss_option(1460));
  CHECK(client.connection.state() == State::established);
  CHECK(client.connection.info().syn_data);
  CHECK(client.connection.unacknowledged() == 0);
  CHECK(client.peer->hear_one().pure_ack());
  SECTION("and for no other") {
    auto other = client.tcp.connect({Ipv4Address{0xc0000209U}, kPeerPort}, {.fast_open = true});
    REQUIRE(other);
    const auto heard = client.hear();
    REQUIRE(heard.size() == 1);
    CHECK(cookie_in(heard[0]) == "");
  }
  SECTION("until it is forgotten") {
    client.finish();
    client.tcp.forget_fast_open_cookies();
    CHECK(cookie_in(client.open("hello")) == "");
  }
  SECTION("and a connection that does not ask goes without") {
    client.finish();
    const auto plain = client.open("hello", false);
    CHECK_FALSE(cookie_in(plain));
    CHECK(plain.payload.empty());
  }
}

TEST_CASE("the SYN's data fits the server's MSS as it was last time", "[tcp][fastopen][RFC7413-4.2.2-2]") {
  FastOpenClient client;
  const std::string text = stream(3000);
  SECTION("1000") {
    client.learn("COOKIE12", 1000);
    const auto syn = client.open(text);
    CHECK(syn.payload.size() == 960);  // options of hosts on the way have room, too
    CHECK(text_of(syn.payload) == text.substr(0, 960));
    client.answer(960, mss_option(1000));
    CHECK(client.peer->drain() == text.substr(960));
  }
  SECTION("536 when it said none") {
    (void)client.open({});
    client.answer(0, fast_open_option("COOKIE12"));
    client.finish();
    CHECK(client.open(text).payload.size() == 496);
  }
  SECTION("and the path") {
    client.learn("COOKIE12", 9000);
    CHECK(client.open(text).payload.size() == 1420);
  }
}

TEST_CASE("a SYN that is sent again has neither cookie nor data", "[tcp][fastopen][RFC7413-4.2.2-3]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  CHECK(client.open("hello").payload.size() == 5);
  client.advance(1s);
  const auto again = client.peer->hear_one();
  CHECK(again.flags == kSyn);
  CHECK_FALSE(cookie_in(again));
  CHECK(again.payload.empty());
  SECTION("its data follows the handshake") {
    client.answer(0, mss_option(1460));
    CHECK(text_of(client.peer->hear_one().payload) == "hello");
  }
  SECTION("unless the first has arrived after all") {
    client.answer(5, mss_option(1460));
    CHECK(client.peer->hear_one().pure_ack());
    CHECK(client.connection.info().syn_data);
  }
}

TEST_CASE("each SYN,ACK brings cookie and MSS up to date", "[tcp][fastopen][RFC7413-4.2.2-4]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  (void)client.open("hello");
  client.answer(5, fast_open_options(800, "FRESH123"));
  client.finish();
  const auto syn = client.open(stream(3000));
  CHECK(cookie_in(syn) == "FRESH123");
  CHECK(syn.payload.size() == 760);
  SECTION("the MSS alone, where there is no cookie") {
    client.answer(760, mss_option(700));
    client.finish();
    const auto next = client.open(stream(3000));
    CHECK(cookie_in(next) == "FRESH123");
    CHECK(next.payload.size() == 660);
  }
  SECTION("but an open without the option learns nothing") {
    client.answer(760, mss_option(700));
    client.finish();
    (void)client.open({}, false);
    client.answer(0, fast_open_options(500, "UNASKED1"));
    client.finish();
    const auto next = client.open(stream(3000));
    CHECK(cookie_in(next) == "FRESH123");
    CHECK(next.payload.size() == 660);
  }
}

TEST_CASE("a cookie of a length that none has is not kept", "[tcp][fastopen][RFC7413-4.1.1-2]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  for (const char* cookie : {"OLD", "ODD67", "SEVENTEENBYTES 17"}) {
    (void)client.open("hello");
    client.answer(5, fast_open_options(1460, cookie));
    CHECK(client.connection.state() == State::established);
    client.finish();
  }
  (void)client.open("hello");
  SECTION("nor one outside of a SYN") {
    client.answer(5, mss_option(1460));
    REQUIRE(client.peer->say({.payload = "x", .options = fast_open_option("LATE1234")}));
    client.finish();
    CHECK(cookie_in(client.open("hello")) == "COOKIE12");
  }
}

TEST_CASE("data that the SYN,ACK does not acknowledge leaves with the ACK", "[tcp][fastopen][RFC7413-4.2.2-5]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  (void)client.open("hello");
  SECTION("all of it") {
    client.answer(0, fast_open_options(1460, "FRESH123"));
    const auto first = client.peer->hear_one();
    CHECK(text_of(first.payload) == "hello");
    CHECK(first.has(Flags::ack));
    CHECK_FALSE(client.connection.info().syn_data);
    client.peer->acknowledge();
    CHECK(client.connection.unacknowledged() == 0);
  }
  SECTION("or a part") {
    client.answer(2, mss_option(1460));
    CHECK(text_of(client.peer->hear_one().payload) == "llo");
    CHECK_FALSE(client.connection.info().syn_data);
  }
  SECTION("but one that acknowledges more than was sent is reset") {
    CHECK(client.peer->say({.flags = kSynAck, .ack = client.syn_number() + 100, .options = fast_open_options(500, "WRONG123")}) ==
          std::unexpected{Drop::bad_ack});
    CHECK(client.peer->hear_one().flags == kRst);
    client.finish();
    CHECK(cookie_in(client.open("hello")) == "COOKIE12");
  }
}

TEST_CASE("a server that does not take the data is left alone for a while", "[tcp][fastopen][RFC7413-4.1.3.1-1]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  (void)client.open("hello");
  SECTION("because it acknowledged none") { client.answer(0, mss_option(1460)); }
  SECTION("or because nothing came back") {
    client.advance(4min);
    REQUIRE(client.connection.state() == State::closed);
  }
  client.finish();
  CHECK_FALSE(client.tcp.fast_open_ready(kPeerAddress));
  const auto syn = client.open("hello");
  CHECK_FALSE(cookie_in(syn));
  CHECK(syn.payload.empty());
  client.answer(0, mss_option(1460));
  CHECK(text_of(client.peer->hear_one().payload) == "hello");
  client.finish();
  client.advance(61s);
  CHECK(cookie_in(client.open("hello")) == "COOKIE12");
}

TEST_CASE("a refused open ends as any other", "[tcp][fastopen]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  (void)client.open("hello");
  REQUIRE(client.peer->say({.flags = kRstAck, .seq = SeqNum{0}, .ack = client.syn_number() + 1}));
  CHECK(client.connection.state() == State::closed);
  CHECK(client.connection.error() == Error::connection_refused);
}

TEST_CASE("two that open at once with data exchange it after the handshake", "[tcp][fastopen]") {
  FastOpenClient client;
  client.learn("COOKIE12");
  (void)client.open("hello");
  REQUIRE(client.peer->say({.flags = kSyn, .payload = "world", .options = fast_open_options(1460, "THEIRS12")}));
  client.peer->nxt -= 5U;
  const auto answer = client.peer->hear_one();
  CHECK(answer.flags == kSynAck);
  CHECK(answer.payload.empty());
  CHECK(answer.ack == client.peer->nxt);
  REQUIRE(client.peer->say({.payload = "world"}));
  CHECK(client.connection.state() == State::established);
  std::array<std::byte, 10> buffer{};
  CHECK(client.connection.receive(buffer) == 5U);
}

TEST_CASE("without cookies, data goes with the SYN at once", "[tcp][fastopen]") {
  FastOpenClient client{{.fast_open = tcp::FastOpenUse::client | tcp::FastOpenUse::client_without_cookie}};
  const auto syn = client.open("hello");
  CHECK_FALSE(cookie_in(syn));
  CHECK(text_of(syn.payload) == "hello");
}

TEST_CASE("data that is swallowed behind a SYN with data stops Fast Open for a while", "[tcp][fastopen]") {
  for (const bool with_data : {true, false}) {
    INFO(with_data);
    FastOpenClient client{{.fast_open_blackhole_timeout = 1h}};
    client.learn("COOKIE12");
    const auto syn = client.open(with_data ? "hello" : "");
    client.answer(static_cast<std::uint32_t>(syn.payload.size()), mss_option(1460));
    (void)client.peer->hear();
    const std::string more = stream(100);
    REQUIRE(client.connection.send(std::as_bytes(std::span{more})));
    (void)client.peer->hear();
    for (int timeouts = 1; timeouts <= 2; ++timeouts) {
      CHECK(client.tcp.fast_open_ready(kPeerAddress));
      while (client.connection.info().timeouts < static_cast<std::uint64_t>(timeouts)) client.advance(100ms);
    }
    CHECK(client.tcp.fast_open_ready(kPeerAddress) == !with_data);
  }
}

TEST_CASE("once data has got through, silence says nothing of Fast Open", "[tcp][fastopen]") {
  FastOpenClient client{{.fast_open_blackhole_timeout = 1h}};
  client.learn("COOKIE12");
  (void)client.open("hello");
  client.answer(5, mss_option(1460));
  (void)client.peer->hear();
  const std::string more = stream(100);
  REQUIRE(client.connection.send(std::as_bytes(std::span{more})));
  (void)client.peer->drain();
  REQUIRE(client.connection.send(std::as_bytes(std::span{more})));
  client.advance(60s);
  REQUIRE(client.connection.info().timeouts > 3);
  CHECK(client.tcp.fast_open_ready(kPeerAddress));
}

namespace {
constexpr Duration kPeriod = 1h;

/// A client whose SYN took part in Fast Open and is answered; behind it the peer says what a test wants.
struct Answered : FastOpenClient {
  explicit Answered(bool fast_open = true, tcp::Config config = {}) : FastOpenClient{with_period(config)} {
    learn("COOKIE12");
    reopen(fast_open);
  }
  void reopen(bool fast_open = true) {
    const auto syn = open("hello", fast_open);
    answer(static_cast<std::uint32_t>(syn.payload.size()), mss_option(1460));
    (void)peer->drain();
  }
  /// The end of a stream of which `missing` bytes have not come.
  void fin_beyond(std::uint32_t missing) { REQUIRE(peer->say({.flags = kFinAck, .seq = peer->nxt + missing})); }
  void rst_beyond(std::uint32_t missing) { (void)peer->say({.flags = kRst, .seq = peer->nxt + missing}); }
  [[nodiscard]] bool trusted() const { return tcp.fast_open_ready(kPeerAddress); }

 private:
  static tcp::Config with_period(tcp::Config config) {
    config.fast_open_blackhole_timeout = kPeriod;
    return config;
  }
};
}  // namespace

TEST_CASE("a FIN without any of the data before it stops Fast Open for a while", "[tcp][fastopen]") {
  Answered client;
  client.fin_beyond(100);
  SECTION("when the connection is over: until then the data may only be late") {
    CHECK(client.trusted());
    client.finish();
    CHECK_FALSE(client.trusted());
    client.advance(kPeriod);
    CHECK(client.trusted());
  }
  SECTION("and however it ends") {
    REQUIRE(client.peer->say({.flags = kRst, .seq = client.peer->nxt}));
    CHECK(client.connection.state() == State::closed);
    CHECK_FALSE(client.trusted());
  }
  SECTION("but not when they come after all") {
    REQUIRE(client.peer->say({.payload = stream(100)}));
    client.finish();
    CHECK(client.trusted());
  }
  SECTION("nor when some come") {
    REQUIRE(client.peer->say({.seq = client.peer->nxt + 50, .payload = stream(50)}));
    client.finish();
    CHECK(client.trusted());
  }
}

TEST_CASE("an end that leaves nothing out says nothing of Fast Open", "[tcp][fastopen]") {
  Answered client;
  SECTION("FIN") { client.fin_beyond(0); }
  SECTION("RST") { client.rst_beyond(0); }
  SECTION("after data") {
    REQUIRE(client.peer->say({.payload = stream(100)}));
    SECTION("FIN") { client.fin_beyond(100); }
    SECTION("RST") { client.rst_beyond(100); }
  }
  SECTION("of a connection without Fast Open") {
    client.finish();
    client.reopen(false);
    SECTION("FIN") { client.fin_beyond(100); }
    SECTION("RST") { client.rst_beyond(100); }
  }
  client.finish();
  CHECK(client.trusted());
}

TEST_CASE("a RST without any of the data before it stops Fast Open for a while", "[tcp][fastopen]") {
  Answered client;
  client.rst_beyond(100);
  CHECK(client.connection.state() == State::established);  // it may be anybody's (RFC 5961 section 3)
  CHECK_FALSE(client.trusted());
  client.rst_beyond(100);  // and not for longer because it comes again
  client.finish();
  client.advance(kPeriod);
  CHECK(client.trusted());
}

TEST_CASE("a RST outside of the window says nothing of Fast Open", "[tcp][fastopen]") {
  Answered client;
  client.rst_beyond(0x4000'0000);
  client.finish();
  CHECK(client.trusted());
}

TEST_CASE("swallowed answers stop Fast Open for longer each time, until data comes", "[tcp][fastopen]") {
  Answered client;
  const auto swallowed = [&] {
    client.fin_beyond(100);
    client.finish();
    REQUIRE_FALSE(client.trusted());
  };
  swallowed();
  client.advance(kPeriod);
  client.reopen();  // the SYN's data is acknowledged as ever
  REQUIRE(client.connection.info().syn_data);
  swallowed();
  client.advance(kPeriod);
  CHECK_FALSE(client.trusted());
  client.advance(kPeriod);
  REQUIRE(client.trusted());
  client.reopen();
  SECTION("data comes") {
    REQUIRE(client.peer->say({.payload = stream(100)}));
    client.finish();
    client.reopen();
    swallowed();
    client.advance(kPeriod);
    CHECK(client.trusted());
  }
  SECTION("none does, and nothing else is wrong") {
    client.finish();
    client.reopen();
    swallowed();
    client.advance(3 * kPeriod);
    CHECK_FALSE(client.trusted());
  }
}

TEST_CASE("a connection that slept before the FIN came says as much of Fast Open", "[tcp][fastopen]") {
  Answered client{true, {.sleep_after = 1s}};
  client.advance(1min);
  client.fin_beyond(100);
  client.finish();
  CHECK_FALSE(client.trusted());
}
