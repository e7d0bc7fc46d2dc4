#include <tapir/mqtt/client.hpp>

#include "tls_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("both ends hear each other, however the stream is cut", "[tls]") {
  const auto chunk = GENERATE(1, 2, 3, 5, 7, 16, 31, 97, 1000, 16'384, 100'000);
  const auto version = GENERATE(tls::Version::tls1_2, tls::Version::tls1_3);
  CAPTURE(chunk, static_cast<int>(version));
  TlsLab t{static_cast<std::size_t>(chunk)};
  t.config.min_version = t.config.max_version = version;
  t.connect();
  REQUIRE(t.secured());
  CHECK(t.transport->info().version == (version == tls::Version::tls1_2 ? "TLSv1.2" : "TLSv1.3"));
  t.reader->say("from the client");
  t.server.say("from the server");
  t.run();
  CHECK(t.server.heard == "from the client");
  CHECK(t.reader->text == "from the server");
  t.transport->close();
  t.run();
  CHECK(t.server.client_closed);
  CHECK(t.reader->closed == std::vector{std::error_code{}});
}

TEST_CASE("bytes that come with the handshake's last are told of", "[tls]") {
  for (const auto version : {tls::Version::tls1_2, tls::Version::tls1_3}) {
    TlsLab t;
    t.config.min_version = t.config.max_version = version;
    t.server.when_secured = [&] { t.server.say("at once"); };
    t.connect();
    CHECK(t.secured());
    CHECK(t.reader->text == "at once");
  }
}

TEST_CASE("a megabyte goes both ways through a narrow transport", "[tls]") {
  TlsLab t{3000};
  t.wire.set_room(5000);
  t.connect();
  REQUIRE(t.secured());
  std::string much(1'000'000, '\0');
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<char>(i * 7 + i / 251);
  t.reader->say(much);
  CHECK(t.reader->unsent() > 900'000);  // the transport below takes 5,000 bytes: one record's worth waits here, no more
  t.server.say(much);
  t.world.run_for(100s);
  CHECK(t.reader->unsent() == 0);
  CHECK(t.server.heard == much);
  CHECK(t.reader->text == much);
  CHECK(t.reader->writable > 10);
}

TEST_CASE("bytes count as unacknowledged until the transport's peer has their whole record", "[tls]") {
  TlsLab t{10};
  t.connect();
  CHECK(t.transport->unacknowledged() == 0);
  t.wire.hold(true);
  t.reader->say(std::string(100, 'x'));
  t.reader->say(std::string(50, 'y'));
  CHECK(t.transport->unacknowledged() == 150);
  t.run();
  CHECK(t.transport->unacknowledged() == 150);
  t.wire.hold(false);
  std::vector<std::size_t> seen{150};
  while (t.transport->unacknowledged() > 0) {
    t.world.run_for(1us);
    if (t.transport->unacknowledged() != seen.back()) seen.push_back(t.transport->unacknowledged());
  }
  CHECK(seen == std::vector<std::size_t>{150, 50, 0});
}

TEST_CASE("close_notify from the server ends the stream in order; without it the stream was cut off", "[tls]") {
  for (const auto version : {tls::Version::tls1_2, tls::Version::tls1_3}) {
    const bool in_order = GENERATE(true, false);
    CAPTURE(in_order);
    TlsLab t;
    t.config.min_version = t.config.max_version = version;
    t.connect();
    t.server.say("the last words");
    if (in_order) {
      t.server.close();
    } else {
      t.wire.end();
    }
    t.run();
    CHECK(t.reader->text == "the last words");
    CHECK(t.reader->ended == in_order);
    CHECK(t.reader->broken == (in_order ? std::error_code{} : make_error_code(tls::Error::truncated)));
    CHECK((t.reader->broken == tls::Failure::broken_stream) == !in_order);
  }
}

TEST_CASE("a byte changed on the way breaks the stream", "[tls]") {
  TlsLab t;
  t.connect();
  t.server.say("good");
  t.run();
  CHECK(t.reader->text == "good");
  t.server.say("bad");
  t.wire.in_flight().back() ^= std::byte{1};
  t.run();
  CHECK(t.reader->text == "good");
  CHECK(t.reader->broken == tls::Failure::broken_stream);
  CHECK(t.reader->broken.message() == "TLS: decryption failed or bad record mac");
  CHECK(t.transport->send({}).error() == t.reader->broken);
}

TEST_CASE("a key update of the server is answered", "[tls]") {
  TlsLab t;
  t.connect();
  REQUIRE(SSL_key_update(t.server.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
  t.server.say("new keys");
  t.run();
  t.reader->say("mine too");
  t.run();
  CHECK(t.reader->text == "new keys");
  CHECK(t.server.heard == "mine too");
}

TEST_CASE("a connection below that fails or breaks keeps its own error", "[tls]") {
  TlsLab t;
  t.wire.refusal = tapir::Error::connection_refused;
  t.connect();
  CHECK(t.refusal() == tapir::Error::connection_refused);
  CHECK(t.transport->failed_layer(t.refusal()) == LayerId::tcp);
  t.reader->closed.clear();
  t.connect();
  REQUIRE(t.secured());
  t.wire.reset(tapir::Error::connection_reset);
  CHECK(t.reader->closed == std::vector{make_error_code(tapir::Error::connection_reset)});
  CHECK(t.transport->send({}).error() == tapir::Error::not_connected);
}

TEST_CASE("the alert of a peer that takes nothing more is heard", "[tls]") {
  TlsLab t;
  t.server.require_client(t.ca);
  auto context = tls::ClientContext::create(t.config);
  REQUIRE(context);
  t.transport.emplace(*context, t.wire.transport());
  t.reader.emplace(*t.transport);
  t.reader->when_open = [&t] {
    t.wire.send_error = tapir::Error::connection_reset;
    CHECK(t.transport->send(std::as_bytes(std::span{"too late"})).error() == tapir::Error::connection_reset);
  };
  t.connect();
  CHECK(t.reader->opened == 1);
  CHECK(t.reader->broken == tls::Failure::refused_by_peer);
}

TEST_CASE("after abort() nothing is heard, and open() starts anew", "[tls]") {
  TlsLab t;
  t.connect();
  t.server.say("too late");
  t.transport->abort();
  t.run();
  CHECK(t.wire.near_aborted());
  CHECK(t.reader->text.empty());
  CHECK(t.reader->closed.empty());
  t.server.restart();
  t.connect();
  CHECK(t.reader->opened == 2);
  CHECK(t.transport->open().error() == tapir::Error::already_connected);
}

TEST_CASE("a TLS transport may be destroyed in any of its events", "[tls]") {
  const auto event =
      GENERATE(Leaver::Event::open, Leaver::Event::readable, Leaver::Event::writable, Leaver::Event::acknowledged, Leaver::Event::closed);
  CAPTURE(static_cast<int>(event));
  TlsLab t;
  t.wire.set_room(5000);
  auto context = tls::ClientContext::create(t.config);
  REQUIRE(context);
  Leaver user{std::make_unique<tls::TlsTransport>(*context, t.wire.transport()), event};
  // In TLS 1.3 these bytes come with the handshake's last: the transport has more to tell behind on_open.
  t.server.when_secured = [&] { t.server.say("at once"); };
  REQUIRE(user.transport().open());
  t.run();
  if (event == Leaver::Event::closed) t.wire.reset(tapir::Error::connection_reset);
  CHECK(user.has_left());
  t.run();
}

TEST_CASE("an MQTT client over TLS may be destroyed in its own callbacks", "[tls][mqtt]") {
  TlsLab t;
  auto transport_context = tls::ClientContext::create(t.config);
  REQUIRE(transport_context);
  Context context{t.world.scheduler(), t.world.pool(), t.world.random()};
  // CONNACK comes as soon as the connection is secured and CONNECT is there.
  auto client = std::make_unique<mqtt::Client>(context, std::make_unique<tls::TlsTransport>(*transport_context, t.wire.transport()),
                                               mqtt::ClientConfig{.client_id = "c"});
  int told = 0;
  SECTION("when the broker has accepted") {
    client->on_connected([&](const auto&) {
      ++told;
      client.reset();
    });
    t.run();
    CHECK(t.server.heard.starts_with("\x10"));
    t.server.say(std::string_view{"\x20\x02\x00\x00", 4});
  }
  SECTION("when the handshake has failed") {
    t.wire.on_bytes = [&](auto) { t.wire.reply(std::string_view{"\x15\x03\x03\x00\x02\x02\x28", 7}); };  // handshake_failure
    client->on_disconnected([&](const mqtt::Disconnection& why) {
      ++told;
      CHECK(why.error == tls::Failure::refused_by_peer);
      CHECK(why.layer == LayerId::tls);
      client.reset();
    });
  }
  t.run();
  CHECK(told == 1);
  CHECK(client == nullptr);
}

TEST_CASE("records that carry almost nothing, or nothing, leave the loop its turns", "[tls]") {
  TlsLab t{10'000'000};
  t.connect();
  REQUIRE(t.secured());
  t.transport->attach(nullptr);  // nobody reads until all is there
  for (int i = 0; i < 100'000; ++i) t.server.say("x");
  t.run();
  std::vector<std::byte> buffer(4096);
  std::size_t bytes = 0;
  int turns = 0;
  for (;;) {
    const auto got = t.transport->receive(buffer);
    if (!got && !t.transport->has_more()) break;
    turns += t.transport->has_more() ? 1 : 0;
    bytes += got.value_or(0);
  }
  CHECK(bytes == 100'000);
  CHECK(turns > 1);
}
