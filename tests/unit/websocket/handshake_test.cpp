#include "websocket_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("the sample handshake of RFC 6455", "[websocket][MQTT311-6.0.0-3][MQTT5-6.0.0-3]") {
  for (const std::size_t chunk : {1, 2, 3, 7, 100'000}) {
    CAPTURE(chunk);
    WebSocketLab t{chunk};
    t.connect();
    CHECK(t.reader.opened == 1);
    CHECK(t.reader.closed.empty());
    CHECK(t.request ==
          "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n"
          "User-Agent: tapir\r\n\r\n");
    CHECK(t.heard.empty());
  }
}

TEST_CASE("the answer's fields may be written in other ways", "[websocket]") {
  WebSocketLab t;
  t.answer =
      "HTTP/1.1 101 whatever\r\nX-Other: x\r\nupgrade:WebSocket\r\nCONNECTION: keep-alive, upgrade \r\n"
      "sec-websocket-accept:   s3pPLMBiTxaQ9kYGzzhZRbK+xOo=  \r\nSec-Websocket-Protocol: mqtt\r\n\r\n";
  t.connect();
  CHECK(t.reader.opened == 1);
}

TEST_CASE("a wrong answer fails by name", "[websocket]") {
  const auto change = [](std::string_view from, std::string_view to) {
    std::string text = kSampleAnswer;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  struct Case {
    std::string answer;
    std::error_code error;
  };
  const std::vector<Case> cases{
      {"SSH-2.0-OpenSSH\r\n\r\n", websocket::Error::not_http},
      {change("HTTP/1.1 101", "HTTP/2 101"), websocket::Error::not_http},
      {change("HTTP/1.1 101", "HTTP/1.1 1x1"), websocket::Error::not_http},
      {change("101 Switching Protocols", "404 Not Found"), {404, websocket::status_category()}},
      {change("101", "200"), {200, websocket::status_category()}},
      {change("Upgrade: websocket", "Upgrade: h2c"), websocket::Error::not_upgraded},
      {change("Connection: Upgrade", "Connection: close"), websocket::Error::not_upgraded},
      {change("Connection: Upgrade", "Connection: Upgraded"), websocket::Error::not_upgraded},
      {change("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), websocket::Error::bad_accept},
      {change("Sec-WebSocket-Accept", "X-Accept"), websocket::Error::bad_accept},
      {change("Protocol: mqtt", "Protocol: mqttv3.1"), websocket::Error::no_subprotocol},
      {change("Sec-WebSocket-Protocol", "X-Protocol"), websocket::Error::no_subprotocol},
      {change("Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate"),
       websocket::Error::unwanted_extension},
      {"HTTP/1.1 101 x\r\nX: " + std::string(20'000, 'x'), websocket::Error::response_too_long},
  };
  for (const auto& c : cases) {
    CAPTURE(c.answer.substr(0, 200));
    WebSocketLab t;
    t.answer = c.answer;
    t.connect();
    CHECK(t.refusal() == c.error);
    CHECK(t.transport.failed_layer(t.refusal()) == LayerId::websocket);
    CHECK(t.wire.near_closed());
  }
  CHECK(std::error_code{404, websocket::status_category()}.message() == "WebSocket refused: HTTP status 404 (not found)");
}

TEST_CASE("a server that closes in the handshake, or cannot be reached", "[websocket]") {
  WebSocketLab t;
  t.answer = "HTTP/1.1 101 Switch";
  t.wire.on_bytes = [&](auto) { t.wire.end(); };
  t.connect();
  CHECK(t.refusal() == websocket::Error::closed_in_handshake);
  t.reader.closed.clear();
  t.wire.refusal = tapir::Error::connection_refused;
  t.connect();
  CHECK(t.refusal() == tapir::Error::connection_refused);
  CHECK(t.transport.failed_layer(t.refusal()) == LayerId::tcp);
}

TEST_CASE("what the server, or TLS, said before it took no request is the reason, not that it takes none", "[websocket]") {
  WebSocketLab t;
  t.wire.send_error = tapir::Error::connection_reset;
  std::error_code expected = t.wire.send_error;
  SECTION("nothing") {}
  SECTION("an answer in HTTP") { expected = {503, websocket::status_category()}; }
  SECTION("an alert, which the transport below has for an error") {
    expected = t.wire.receive_error = make_error_code(std::errc::permission_denied);
  }
  REQUIRE(t.transport.open());
  if (expected.category() == websocket::status_category()) t.wire.reply_unheard("HTTP/1.1 503 Service Unavailable\r\n\r\n");
  t.run();
  CHECK(t.refusal() == expected);
  CHECK(t.wire.near_closed());
}

TEST_CASE("a server that does not answer the handshake keeps the WebSocket waiting, not TCP", "[websocket]") {
  WebSocketLab t;
  CHECK(t.transport.failed_layer(tapir::Error::timed_out) == LayerId::tcp);
  t.wire.on_bytes = [](auto) {};
  t.connect();
  CHECK(t.transport.failed_layer(tapir::Error::timed_out) == LayerId::websocket);
}

TEST_CASE("a configuration that would break the request is refused", "[websocket]") {
  sim::World world;
  Wire wire{world};
  SampleRandom random;
  for (const websocket::ClientConfig& config :
       {websocket::ClientConfig{.host = ""}, websocket::ClientConfig{.host = "a\r\nX: y"},
        websocket::ClientConfig{.host = "a", .path = "mqtt"}, websocket::ClientConfig{.host = "a", .path = "/a b"}}) {
    websocket::WebSocketTransport transport{random, config, wire.transport()};
    CHECK(transport.open().error() == tapir::Error::invalid_argument);
  }
  websocket::WebSocketTransport transport{random, {.host = "a"}, wire.transport()};
  CHECK(transport.open());
}

TEST_CASE("frames that came with the answer and are left below, as in a record of TLS, are told of", "[websocket]") {
  WebSocketLab t;
  t.wire.most_at_once = t.answer.size();
  t.answer += raw({0x82, 0x05}) + "hello";
  t.connect();
  CHECK(t.reader.text == "hello");
}

TEST_CASE("an answer that the transport below leaves for another turn is read, and one that it leaves for ever is not waited for",
          "[websocket]") {
  WebSocketLab t;
  t.wire.pauses = GENERATE(3, 1000);
  const bool comes = t.wire.pauses == 3;
  t.connect();
  CHECK(t.reader.opened == (comes ? 1 : 0));
  if (!comes) CHECK(t.refusal() == websocket::Error::response_too_long);
}
