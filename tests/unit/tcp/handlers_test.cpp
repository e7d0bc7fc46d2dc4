// What a handler may do: call every method, destroy its connection, open others. And what never happens: a call from inside the user's own call.

#include <catch2/catch.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tcp/handlers.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("no handler is called from inside the user's own call", "[tcp]") {
  Conversation talk;
  bool inside = false;
  int during_call = 0;
  const auto count = [&] { during_call += inside ? 1 : 0; };
  talk.connection.handle(
      {.readable = count, .writable = count, .acknowledged = count, .peer_closed = count, .closed = [&](std::error_code) { count(); }});
  REQUIRE(talk.peer.say({.payload = "hello"}));
  inside = true;
  talk.write("answer");
  (void)talk.connection.receive_slice();
  talk.connection.close();
  inside = false;
  CHECK(during_call == 0);
  REQUIRE(talk.peer.hear().size() == 1);
  REQUIRE(talk.peer.say({.flags = kFinAck}));
  inside = true;
  talk.connection.abort();
  inside = false;
  CHECK(during_call == 0);
}

TEST_CASE("a handler may destroy its own connection", "[tcp]") {
  Conversation talk;
  auto owner = std::make_unique<tcp::Connection>(std::move(talk.connection));
  int calls = 0;
  const auto destroy = [&calls, &owner] {
    ++calls;
    owner.reset();
    ++calls;  // what the lambda captured is still there
  };
  SECTION("when data arrives") {
    owner->handle({.readable = destroy});
    REQUIRE(talk.peer.say({.payload = "x"}));
    const auto heard = talk.peer.hear();  // unread data: RST (SHLD-3)
    CHECK(heard.back().has(kRst));
  }
  SECTION("when the peer closes") {
    owner->handle({.peer_closed = destroy});
    REQUIRE(talk.peer.say({.flags = kFinAck}));
    CHECK(talk.peer.hear_one().has(Flags::fin));
  }
  SECTION("when it is closed") {
    owner->handle({.closed = [&](std::error_code) { destroy(); }});
    REQUIRE(talk.peer.say({.flags = kRst}));
    CHECK(talk.peer.quiet());
    CHECK(talk.tcp.connection_count() == 0);
  }
  CHECK(calls == 2);
  CHECK(owner == nullptr);
}

TEST_CASE("a handler may replace the handlers it belongs to", "[tcp]") {
  Conversation talk;
  int first = 0;
  int second = 0;
  talk.connection.handle({.readable = [&] {
    ++first;
    (void)talk.connection.receive_slice();
    talk.connection.handle({.readable = [&] { ++second; }});
    ++first;
  }});
  REQUIRE(talk.peer.say({.payload = "one"}));
  (void)talk.peer.hear();
  REQUIRE(talk.peer.say({.payload = "two"}));
  (void)talk.peer.hear();
  CHECK(first == 2);
  CHECK(second == 1);
}

TEST_CASE("a handler may open another connection", "[tcp]") {
  Conversation talk;
  std::optional<tcp::Connection> other;
  talk.connection.handle({.closed = [&](std::error_code) {
    auto opened = talk.tcp.connect({kPeerAddress, Port{5001}});
    REQUIRE(opened);
    other.emplace(std::move(*opened));
  }});
  REQUIRE(talk.peer.say({.flags = kRst}));
  const auto heard = talk.hear();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].flags == kSyn);
  CHECK(other->state() == State::syn_sent);
}

TEST_CASE("handlers given late hear of what has happened", "[tcp]") {
  Conversation talk;
  talk.connection.handle({});
  REQUIRE(talk.peer.say({.flags = kFinAck, .payload = "last words"}));
  (void)talk.peer.hear();
  App late;
  talk.connection.handle(late.events());
  talk.advance(0s);
  CHECK(late.readable == 1);
  CHECK(late.peer_closed == 1);
  CHECK(late.closed == 0);
  CHECK(talk.read() == "last words");
  CHECK(talk.at_end());
}

TEST_CASE("the end is told once, after everything else", "[tcp]") {
  Conversation talk;
  std::string order;
  talk.connection.handle({.readable = [&] { order += 'r'; },
                          .peer_closed = [&] { order += 'p'; },
                          .closed = [&](std::error_code why) { order += why ? 'E' : 'c'; }});
  REQUIRE(talk.connection.shutdown());
  (void)talk.peer.hear();
  REQUIRE(talk.peer.say({.flags = kFinAck, .payload = "bye"}));
  (void)talk.peer.hear();
  CHECK(order == "rpc");
  CHECK(talk.connection.state() == State::time_wait);
  CHECK(talk.read() == "bye");  // what arrived stays readable
  talk.advance(10min);
  CHECK(order == "rpc");
  CHECK(talk.connection.state() == State::closed);
}

TEST_CASE("an accept handler may keep, drop or refuse what it gets, and end listening", "[tcp]") {
  Wire wire;
  std::optional<tcp::Connection> kept;
  std::optional<tcp::Listener> listener;
  int accepted = 0;
  auto opened = wire.tcp.listen(kService, [&](tcp::Connection connection) {
    ++accepted;
    kept.emplace(std::move(connection));
    listener.reset();
    ++accepted;
  });
  REQUIRE(opened);
  listener.emplace(std::move(*opened));
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn}));
  REQUIRE(peer.hear_one().flags == kSynAck);
  REQUIRE(peer.say({.payload = "with the third segment"}));
  (void)peer.hear();
  CHECK(accepted == 2);
  CHECK(kept->state() == State::established);
  CHECK(kept->info().unread == 22);
  Peer late{wire, kService, {kPeerAddress, Port{5009}}};
  CHECK_FALSE(late.say({.flags = kSyn}));
  CHECK(late.hear_one().flags == kRstAck);
}

TEST_CASE("a listener that goes resets what nobody accepted and leaves the rest alone", "[tcp]") {
  Wire wire;
  auto listener = wire.tcp.listen(kService);
  REQUIRE(listener);
  Peer mine{wire, kService, {kPeerAddress, Port{5001}}};
  Peer waiting{wire, kService, {kPeerAddress, Port{5002}}};
  Peer half{wire, kService, {kPeerAddress, Port{5003}}};
  for (Peer* peer : {&mine, &waiting}) {
    REQUIRE(peer->say({.flags = kSyn}));
    REQUIRE(peer->hear_one().flags == kSynAck);
    REQUIRE(peer->say({}));
  }
  auto accepted = listener->accept();
  REQUIRE(accepted);
  CHECK(accepted->remote() == mine.them);
  REQUIRE(half.say({.flags = kSyn}));
  REQUIRE(half.hear_one().flags == kSynAck);
  CHECK(listener->waiting() == 1);
  CHECK(listener->half_open() == 1);
  *listener = tcp::Listener{};
  const auto heard = wire.hear();
  REQUIRE(heard.size() == 2);
  for (const auto& reset : heard) CHECK(reset.flags == kRstAck);
  CHECK(wire.tcp.connection_count() == 1);
  CHECK(accepted->state() == State::established);
}

TEST_CASE("handles outlive their stack without harm", "[tcp]") {
  Lab lab;
  FakeNetwork network{lab.pool};
  auto tcp = std::make_unique<tcp::Tcp>(lab.context, network);
  auto connection = tcp->connect({kPeerAddress, kPeerPort});
  auto listener = tcp->listen(kService);
  REQUIRE(connection);
  REQUIRE(listener);
  tcp.reset();
  CHECK(connection->state() == State::closed);
  CHECK(connection->error() == Error::connection_aborted);
  CHECK_FALSE(connection->send(bytes_of("x")));
  CHECK_FALSE(listener->accept());
  connection->abort();
  lab.advance(1h);
}

TEST_CASE("a handle without connection fails every call", "[tcp]") {
  tcp::Connection none;
  CHECK_FALSE(none);
  CHECK(none.send(bytes_of("x")).error() == Error::not_connected);
  CHECK(none.receive_slice().error() == Error::not_connected);
  CHECK(none.shutdown().error() == Error::not_connected);
  CHECK(none.set_keepalive({}).error() == Error::not_connected);
  none.close();
  none.abort();
  CHECK(none.state() == State::closed);
  CHECK(none.unacknowledged() == 0);
}

TEST_CASE("a user who asks is told of what leaves", "[tcp]") {
  Conversation talk{{.peer_mss = 1000, .window = 2000}};
  int sent = 0;
  talk.connection.handle({.sent = [&] { ++sent; }});
  talk.write(stream(1000));
  (void)talk.peer.hear();
  CHECK(sent == 0);  // nobody asked
  talk.peer.acknowledge();
  talk.connection.report_sent(true);
  talk.write(stream(3000));
  (void)talk.peer.hear();
  CHECK(sent == 2);  // two segments fit into the window
  CHECK(talk.connection.unsent() == 1000);
  talk.peer.acknowledge();
  (void)talk.peer.hear();
  CHECK(sent == 3);
  CHECK(talk.connection.unsent() == 0);
  talk.advance(10s);  // what is sent again has left before
  CHECK_FALSE(talk.peer.hear().empty());
  CHECK(sent == 3);
}

TEST_CASE("the answer to what came before the user had the connection takes the acknowledgment along", "[tcp]") {
  for (const bool answers : {true, false}) {
    Wire wire;  // the first segments are acknowledged at once
    std::optional<tcp::Connection> kept;
    auto opened = wire.tcp.listen(kService,
                                  [&](tcp::Connection connection) {
                                    kept.emplace(std::move(connection));
                                    kept->handle({.readable = [&] {
                                      std::array<std::byte, 16> bytes{};
                                      const auto count = kept->receive(bytes);
                                      if (answers && count) (void)kept->send(std::span{bytes}.first(*count));
                                    }});
                                  },
                                  {.settings = {.nagle = false}});
    REQUIRE(opened);
    Peer peer{wire, kService};
    REQUIRE(peer.say({.flags = kSyn}));
    REQUIRE(peer.hear_one().flags == kSynAck);
    REQUIRE(peer.say({}));
    REQUIRE(peer.say({.payload = "question"}));  // both before the stack does anything else
    const Heard heard = peer.hear_one();
    CHECK(text_of(heard.payload) == (answers ? "question" : ""));
    CHECK(heard.ack == peer.nxt);
  }
}

TEST_CASE("every handler that there is gets what it is called with, and the others are not missed", "[tcp]") {
  using tcp::Events;
  std::string called;
  Events events;
  events.writable = [&called] { called += 'w'; };
  events.closed = [&called](std::error_code error) { called += error ? 'e' : 'c'; };
  events.soft_error = [&called](const tcp::SoftError& error) { called += static_cast<char>('0' + error.code); };
  events.stalled = [&called](std::uint32_t count) { called += static_cast<char>('0' + count); };
  events.peer_user_timeout = [&called](Duration timeout) { called += timeout == 1s ? 'u' : '?'; };
  const tcp::Handlers handlers{std::move(events)};
  handlers.call<&Events::connected>();
  handlers.call<&Events::readable>();
  handlers.call<&Events::sent>();
  handlers.call<&Events::acknowledged>();
  handlers.call<&Events::peer_closed>();
  handlers.call<&Events::urgent>();
  CHECK(called.empty());
  handlers.call<&Events::writable>();
  handlers.call<&Events::closed>(std::error_code{});
  handlers.call<&Events::soft_error>(tcp::SoftError{.kind = {}, .type = 3, .code = 1, .reporter = {}});
  handlers.call<&Events::stalled>(3U);
  handlers.call<&Events::peer_user_timeout>(Duration{1s});
  CHECK(called == "wc13u");
}

TEST_CASE("no handlers at all are not the same as an empty set of them, which calls none", "[tcp]") {
  CHECK_FALSE(tcp::Handlers{});
  const tcp::Handlers none{tcp::Events{}};
  CHECK(none);
  none.call<&tcp::Events::readable>();
}

TEST_CASE("handlers stay while one of them runs that replaces them", "[tcp]") {
  auto held = std::make_shared<int>(1);
  tcp::Handlers handlers;
  tcp::Events events;
  events.readable = [&handlers, held] {
    CHECK(handlers.running());
    handlers = {};
    CHECK(*held == 1);
  };
  handlers = tcp::Handlers{std::move(events)};
  CHECK_FALSE(handlers.running());
  handlers.call<&tcp::Events::readable>();
  CHECK_FALSE(handlers);
  CHECK(held.use_count() == 1);
}
