#include <array>

#include "websocket_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("what is sent travels in masked binary frames", "[websocket][MQTT311-6.0.0-1][MQTT5-6.0.0-1]") {
  WebSocketLab t;
  t.connect();
  t.reader.say("Hello");
  t.run();
  CHECK(t.heard == raw({0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));  // RFC 6455 section 5.7, but binary
}

TEST_CASE("the frames of the server are one stream, however they are cut", "[websocket][MQTT311-6.0.0-2][MQTT5-6.0.0-2]") {
  for (const std::size_t chunk : {1, 2, 3, 4, 5, 100'000}) {
    CAPTURE(chunk);
    WebSocketLab t{chunk};
    t.reader.read_size = 2;
    t.connect();
    t.wire.reply(raw({0x82, 0x03, 'H', 'e', 'l'}));
    t.wire.reply(raw({0x02, 0x01, 'l', 0x80, 0x02, 'o', ','}));  // two fragments
    t.wire.reply(raw({0x82, 0x00}));
    t.wire.reply(raw({0x82, 0x05}) + "world");
    t.run();
    CHECK(t.reader.text == "Hello,world");
  }
}

TEST_CASE("what a server that takes nothing more has said is heard", "[websocket]") {
  WebSocketLab t;
  t.connect();
  t.wire.send_error = tapir::Error::connection_reset;
  t.reader.say("lost");
  t.wire.reply(raw({0x82, 0x05}) + "world");
  t.run();
  CHECK(t.reader.text == "world");
  CHECK(t.reader.broken == tapir::Error::connection_reset);
}

TEST_CASE("lengths are written in their shortest form", "[websocket]") {
  WebSocketLab t;
  t.connect();
  const std::string middle(126, 'x');
  const std::string large(70'000, 'y');
  t.wire.reply(raw({0x82, 125}) + middle.substr(1));
  t.wire.reply(raw({0x82, 126, 0, 126}) + middle);
  t.wire.reply(raw({0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70}) + large);
  t.run();
  CHECK((t.reader.text == middle.substr(1) + middle + large));
  CHECK(t.reader.closed.empty());
}

TEST_CASE("frames that come with the answer are told of", "[websocket]") {
  WebSocketLab t;
  t.answer = kSampleAnswer + raw({0x82, 0x02, 'h', 'i'});
  t.connect();
  CHECK(t.reader.opened == 1);
  CHECK(t.reader.text == "hi");
}

TEST_CASE("a ping is answered with its own bytes, between the fragments of a message too", "[websocket]") {
  WebSocketLab t;
  t.connect();
  t.wire.reply(raw({0x02, 0x01, 'a', 0x89, 0x05, 'H', 'e', 'l', 'l', 'o', 0x80, 0x01, 'b'}));
  t.run();
  CHECK(t.reader.text == "ab");
  CHECK(t.heard == raw({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
}

TEST_CASE("a frame that must not be breaks the stream, and the server is told why", "[websocket][MQTT311-6.0.0-1][MQTT5-6.0.0-1]") {
  struct Case {
    const char* what;
    std::string frame;
    websocket::Error error;
    int close_code;
  };
  const std::vector<Case> cases{
      {"text", raw({0x81, 0x02, 'n', 'o'}), websocket::Error::not_binary, 1003},
      {"masked", raw({0x82, 0x82, 1, 2, 3, 4, 0, 0}), websocket::Error::protocol_error, 1002},
      {"a reserved bit", raw({0xc2, 0x01, 'x'}), websocket::Error::protocol_error, 1002},
      {"an unknown opcode", raw({0x83, 0x01, 'x'}), websocket::Error::protocol_error, 1002},
      {"a continuation of nothing", raw({0x80, 0x01, 'x'}), websocket::Error::protocol_error, 1002},
      {"a new message within another", raw({0x02, 0x00, 0x82, 0x01, 'x'}), websocket::Error::protocol_error, 1002},
      {"a fragmented ping", raw({0x09, 0x00}), websocket::Error::protocol_error, 0},
      {"a long ping", raw({0x89, 0x7e, 0x00, 0x7e}), websocket::Error::protocol_error, 0},
      {"a length not in its shortest form", raw({0x82, 0x7e, 0x00, 0x05}), websocket::Error::protocol_error, 0},
      {"a length of more than 63 bits", raw({0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0}), websocket::Error::protocol_error, 0},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    WebSocketLab t;
    t.connect();
    t.wire.reply(raw({0x82, 0x02, 'o', 'k'}) + c.frame);
    t.run();
    CHECK(t.reader.text == "ok");
    CHECK(t.reader.broken == c.error);
    if (c.close_code == 0) {  // wslay refuses the head of such a frame without a code
      CHECK(t.heard.substr(0, 2) == raw({0x88, 0x80}));
      continue;
    }
    REQUIRE(t.heard.size() == 8);
    CHECK(t.heard.substr(0, 2) == raw({0x88, 0x82}));
    CHECK((((static_cast<unsigned char>(t.heard[6]) ^ 0x37) << 8) | (static_cast<unsigned char>(t.heard[7]) ^ 0xfa)) == c.close_code);
  }
}

TEST_CASE("Close: the server's is answered; a code that tells of a problem is an error", "[websocket]") {
  struct Case {
    std::string frame;
    std::error_code error;
  };
  const std::vector<Case> cases{{raw({0x88, 0x00}), {}},
                                {raw({0x88, 0x02, 0x03, 0xe8}), {}},
                                {raw({0x88, 0x02, 0x03, 0xe9}), {}},
                                {raw({0x88, 0x02, 0x03, 0xf0}), {1008, websocket::close_category()}}};
  for (const auto& c : cases) {
    WebSocketLab t;
    t.connect();
    t.wire.reply(raw({0x82, 0x04, 'l', 'a', 's', 't'}) + c.frame);
    t.wire.end();
    t.run();
    CHECK(t.reader.text == "last");
    CHECK(t.reader.ended == !c.error);
    CHECK(t.reader.broken == c.error);
    CHECK(t.heard.substr(0, 1) == raw({0x88}));
    CHECK(t.transport.send(std::as_bytes(std::span{"x", 1})).has_value() == false);
  }
  CHECK(std::error_code{1008, websocket::close_category()}.message() == "WebSocket closed by the server: 1008 (policy violation)");
}

TEST_CASE("a stream that ends without Close was cut off", "[websocket]") {
  WebSocketLab t;
  t.connect();
  t.wire.reply(raw({0x82, 0x02, 'o', 'k', 0x82, 0x05, 'l', 'o'}));
  t.wire.end();
  t.run();
  CHECK(t.reader.text == "oklo");
  CHECK(t.reader.broken == websocket::Error::truncated);
}

TEST_CASE("close() sends Close with code 1000 and waits for the server's end", "[websocket]") {
  WebSocketLab t;
  t.connect();
  t.transport.close();
  t.run();
  CHECK(t.heard == raw({0x88, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0x03 ^ 0x37, 0xe8 ^ 0xfa}));
  CHECK(t.wire.near_closed());
  CHECK(t.reader.closed.empty());
  t.wire.reply(raw({0x88, 0x02, 0x03, 0xe8}));
  t.wire.end();
  t.run();
  CHECK(t.reader.closed == std::vector{std::error_code{}});
  t.connect();
  CHECK(t.reader.opened == 2);
}

TEST_CASE("much data goes through a narrow transport, and counts until its frame has arrived", "[websocket]") {
  WebSocketLab t{1000};
  t.connect();
  t.wire.set_room(3000);
  const std::string much(300'000, 'z');
  t.reader.say(much);
  CHECK(t.reader.unsent() > 250'000);
  CHECK(t.transport.unacknowledged() == much.size() - t.reader.unsent());
  t.world.run_for(10s);
  CHECK(t.reader.unsent() == 0);
  CHECK(t.transport.unacknowledged() == 0);
  std::string unmasked;
  for (std::size_t at = 0; at < t.heard.size();) {
    REQUIRE(static_cast<unsigned char>(t.heard[at]) == 0x82);
    std::size_t size = static_cast<unsigned char>(t.heard[at + 1]) & 0x7fU;
    REQUIRE(size <= 126);
    at += 2;
    if (size == 126) {
      size = (static_cast<unsigned char>(t.heard[at]) * 256U) + static_cast<unsigned char>(t.heard[at + 1]);
      at += 2;
    }
    for (std::size_t i = 0; i < size; ++i) unmasked.push_back(static_cast<char>(t.heard[at + 4 + i] ^ t.heard[at + i % 4]));
    at += 4 + size;
  }
  CHECK((unmasked == much));
}

TEST_CASE("a server that pings without reading does not fill the memory", "[websocket]") {
  WebSocketLab t;
  t.connect();
  t.wire.set_room(0);
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += raw({0x89, 0x04, 'p', 'i', 'n', 'g'});
  t.wire.reply(pings + raw({0x82, 0x01, 'x'}));
  t.run();
  CHECK(t.reader.text.empty());  // reading waits
  WebSocketLab reading;          // slowly, so that reading pauses and goes on
  reading.connect();
  reading.wire.set_room(3000);
  reading.wire.reply(pings + raw({0x82, 0x01, 'x'}));
  reading.run();
  CHECK(reading.reader.text == "x");
  CHECK(reading.heard.size() == 10'000 * 10);
}

TEST_CASE("a WebSocket transport may be destroyed in any of its events", "[websocket]") {
  const auto event =
      GENERATE(Leaver::Event::open, Leaver::Event::readable, Leaver::Event::writable, Leaver::Event::acknowledged, Leaver::Event::closed);
  CAPTURE(static_cast<int>(event));
  WebSocketLab t;
  t.wire.set_room(5000);
  t.answer += raw({0x82, 0x01, 'x'});  // a frame comes with the answer: the transport has more to tell behind on_open
  Leaver user{std::make_unique<websocket::WebSocketTransport>(
                  t.random, websocket::ClientConfig{.host = "server.example.com", .path = "/chat"}, t.wire.transport()),
              event};
  REQUIRE(user.transport().open());
  t.run();
  if (event == Leaver::Event::closed) t.wire.reset(tapir::Error::connection_reset);
  CHECK(user.has_left());
  t.run();
}

TEST_CASE("frames that carry nothing and never end are read in turns", "[websocket]") {
  const auto frame = GENERATE(raw({0x8a, 0x00}), raw({0x89, 0x00}), raw({0x82, 0x00}));
  WebSocketLab t;
  t.connect();
  std::string many;
  for (int i = 0; i < 500'000; ++i) many += frame;
  t.wire.reply_unheard(many + raw({0x82, 0x05}) + "world");
  std::array<std::byte, 100> buffer;
  int turns = 0;
  auto got = t.transport.receive(buffer);
  for (; !got && got.error() == tapir::Error::would_block && turns < 1000; got = t.transport.receive(buffer)) {
    if (!t.transport.has_more()) t.run();  // too many answers wait
    ++turns;
  }
  CHECK(turns > 2);
  CHECK(got == 5U);
  CHECK_FALSE(t.transport.has_more());
}

TEST_CASE("a WebSocket that waits for its answers to leave does not ask for further turns", "[websocket]") {
  WebSocketLab t;
  t.connect();
  t.wire.set_room(0);
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += raw({0x89, 0x04, 'p', 'i', 'n', 'g'});
  t.wire.reply_unheard(pings);
  t.wire.more = true;
  std::array<std::byte, 100> buffer;
  CHECK(t.transport.receive(buffer).error() == tapir::Error::would_block);
  CHECK_FALSE(t.transport.has_more());
}
