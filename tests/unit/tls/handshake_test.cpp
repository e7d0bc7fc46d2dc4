#include "tls_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

constexpr std::string_view kPskKey = "0123456789abcdef";

/// Knows one key, for the identity "sensor".
unsigned know_one_key(SSL*, const char* identity, unsigned char* key, unsigned size) {
  if (std::string_view{identity} != "sensor" || size < kPskKey.size()) return 0;
  std::ranges::copy(kPskKey, key);
  return static_cast<unsigned>(kPskKey.size());
}

tls::PreSharedKey key_of(std::string identity, std::string_view key) {
  const auto bytes = std::as_bytes(std::span{key});
  return {std::move(identity), {bytes.begin(), bytes.end()}};
}

int choose_mqtt(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x04mqtt";
  unsigned char* out = nullptr;
  const int result = SSL_select_next_proto(&out, size, kOurs, 5, offered, offered_size);
  *chosen = out;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

TEST_CASE("the server's certificate is checked: its authority, name and time", "[tls]") {
  struct Case {
    const char* what;
    std::function<void(TlsLab&)> change;
    const char* message;  // nullptr: accepted
  };
  const Identity stranger = Identity::authority("Another Authority");
  const auto serve = [](TlsLab& t, Identity identity) {
    t.identity = std::move(identity);
    REQUIRE(SSL_CTX_use_certificate(t.server.context(), t.identity.certificate()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(t.server.context(), t.identity.key()) == 1);
  };
  const std::vector<Case> cases{
      {"the right one", [](TlsLab&) {}, nullptr},
      {"an authority that nobody knows", [&](TlsLab& t) { serve(t, stranger.issue("DNS:broker.example")); },
       "certificate refused: unable to get local issuer certificate"},
      {"the same, unverified",
       [&](TlsLab& t) {
         serve(t, stranger.issue("DNS:broker.example"));
         t.config.verify_certificate = false;
       },
       nullptr},
      {"signed by itself", [&](TlsLab& t) { serve(t, stranger); }, "certificate refused: self-signed certificate"},
      {"another's name", [&](TlsLab& t) { serve(t, t.ca.issue("DNS:other.example")); }, "certificate refused: hostname mismatch"},
      {"the same, the name unverified",
       [&](TlsLab& t) {
         serve(t, t.ca.issue("DNS:other.example"));
         t.config.verify_name = false;
       },
       nullptr},
      {"a wrong authority, the name unverified",
       [&](TlsLab& t) {
         serve(t, stranger.issue("DNS:other.example"));
         t.config.verify_name = false;
       },
       "certificate refused: unable to get local issuer certificate"},
      {"a wildcard",
       [&](TlsLab& t) {
         serve(t, t.ca.issue("DNS:*.site.example"));
         t.config.server_name = "broker.site.example";
       },
       nullptr},
      {"a wildcard of one label is not two",
       [&](TlsLab& t) {
         serve(t, t.ca.issue("DNS:*.site.example"));
         t.config.server_name = "a.broker.site.example";
       },
       "certificate refused: hostname mismatch"},
      {"expired", [&](TlsLab& t) { serve(t, t.ca.issue("DNS:broker.example", {-7200, -3600})); },
       "certificate refused: certificate has expired"},
      {"not yet valid", [&](TlsLab& t) { serve(t, t.ca.issue("DNS:broker.example", {1800, 3600})); },
       "certificate refused: certificate is not yet valid"},
      {"expired, but valid at the device's time",
       [&](TlsLab& t) {
         serve(t, t.ca.issue("DNS:broker.example", {-3000, -2000}));
         t.config.verification_time = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now()) - 2500s;
       },
       nullptr},
      {"an address",
       [&](TlsLab& t) {
         serve(t, t.ca.issue("IP:192.0.2.1"));
         t.config.server_name = "192.0.2.1";
       },
       nullptr},
      {"another's address",
       [&](TlsLab& t) {
         serve(t, t.ca.issue("IP:192.0.2.7"));
         t.config.server_name = "192.0.2.1";
       },
       "certificate refused: IP address mismatch"},
  };
  for (const auto version : {tls::Version::tls1_2, tls::Version::tls1_3}) {
    for (const auto& c : cases) {
      CAPTURE(c.what);
      TlsLab t;
      t.config.min_version = t.config.max_version = version;
      c.change(t);
      t.connect();
      if (c.message == nullptr) {
        CHECK(t.secured());
      } else {
        CHECK(t.refusal() == tls::Failure::certificate_refused);
        CHECK(t.refusal() == tls::Failure::handshake_failed);
        CHECK(t.refusal().message() == c.message);
        CHECK(t.server.error != 0);  // it was told so
      }
    }
  }
}

TEST_CASE("the server's name is sent, an address is not", "[tls]") {
  TlsLab t;
  t.connect();
  CHECK(t.server.sni() == "broker.example");
  TlsLab u;
  u.config.server_name = "192.0.2.1";
  u.config.verify_certificate = false;
  u.connect();
  CHECK(u.secured());
  CHECK(u.server.sni().empty());
}

TEST_CASE("a directory of authorities", "[tls]") {
  TlsLab t;
  const auto hash = X509_subject_name_hash(t.ca.certificate());
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "%08lx.0", hash);
  t.folder.write(name.data(), t.ca.certificate_pem());
  t.config.ca_file.clear();
  t.config.ca_directory = t.folder.path();
  t.connect();
  CHECK(t.secured());
  TlsLab u;
  const Folder empty;
  u.config.ca_file.clear();
  u.config.ca_directory = empty.path();
  u.connect();
  CHECK_FALSE(u.secured());
}

TEST_CASE("a client certificate is shown when the server asks", "[tls]") {
  for (const auto version : {tls::Version::tls1_2, tls::Version::tls1_3}) {
    for (const char* password : {static_cast<const char*>(nullptr), "secret"}) {
      TlsLab t;
      t.config.min_version = t.config.max_version = version;
      t.server.require_client(t.ca);
      const Identity client = t.ca.issue("DNS:sensor.example");
      t.config.certificate_file = t.folder.write("client.crt", client.certificate_pem());
      t.config.key_file = t.folder.write("client.key", client.key_pem(password));
      t.config.key_password = password != nullptr ? password : "";
      t.connect();
      CHECK(t.secured());
      CHECK(X509_cmp(SSL_get0_peer_certificate(t.server.ssl()), client.certificate()) == 0);
    }
  }
}

TEST_CASE("without the client certificate that the server wants, its alert says so", "[tls]") {
  TlsLab t;
  t.config.max_version = tls::Version::tls1_2;
  t.server.require_client(t.ca);
  t.connect();
  CHECK(t.refusal() == tls::Failure::refused_by_peer);
  CHECK(t.refusal().message() == "TLS handshake failed: the peer says: sslv3 alert handshake failure");
  // In TLS 1.3 the client has finished by then: the alert breaks the stream (RFC 8446 section 4.4.2.4).
  TlsLab u;
  u.server.require_client(u.ca);
  u.connect();
  CHECK(u.reader->opened == 1);
  CHECK(u.reader->broken == tls::Failure::refused_by_peer);
  CHECK(u.reader->broken.message() == "TLS: the peer says: tlsv13 alert certificate required");
}

TEST_CASE("a pre-shared key in the place of certificates", "[tls]") {
  for (const auto version : {tls::Version::tls1_2, tls::Version::tls1_3}) {
    CAPTURE(static_cast<int>(version));
    const auto connect = [&](TlsLab& t, tls::PreSharedKey psk) {
      TlsServer server{t.wire};
      SSL_CTX_set_psk_server_callback(server.context(), &know_one_key);
      t.config.ca_file.clear();
      t.config.psk = std::move(psk);
      t.config.min_version = t.config.max_version = version;
      t.connect();
      return server.secured;
    };
    TlsLab right;
    CHECK(connect(right, key_of("sensor", kPskKey)));
    CHECK(right.reader->opened == 1);
    TlsLab wrong_key;
    CHECK_FALSE(connect(wrong_key, key_of("sensor", "fedcba9876543210")));
    CHECK(wrong_key.refusal() == tls::Failure::handshake_failed);
    TlsLab wrong_identity;
    CHECK_FALSE(connect(wrong_identity, key_of("other", kPskKey)));
    CHECK(wrong_identity.refusal() == tls::Failure::handshake_failed);
  }
}

TEST_CASE("a server that shows a certificate in the place of the key is checked all the same", "[tls]") {
  TlsLab t;
  t.config.psk = key_of("sensor", kPskKey);
  const Identity stranger = Identity::authority("Another Authority").issue("DNS:broker.example");
  REQUIRE(SSL_CTX_use_certificate(t.server.context(), stranger.certificate()) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey(t.server.context(), stranger.key()) == 1);
  t.connect();
  CHECK(t.refusal() == tls::Failure::certificate_refused);
}

TEST_CASE("ALPN: the server chooses from what is offered", "[tls]") {
  TlsLab t;
  SSL_CTX_set_alpn_select_cb(t.server.context(), &choose_mqtt, nullptr);
  t.config.alpn = {"x-other", "mqtt"};
  t.connect();
  CHECK(t.secured());
  CHECK(t.transport->info().alpn == "mqtt");
  TlsLab u;
  SSL_CTX_set_alpn_select_cb(u.server.context(), &choose_mqtt, nullptr);
  u.config.alpn = {"x-other"};
  u.connect();
  CHECK(u.secured());
  CHECK(u.transport->info().alpn.empty());
}

TEST_CASE("the bounds of the version are kept", "[tls]") {
  TlsLab t;
  SSL_CTX_set_max_proto_version(t.server.context(), TLS1_2_VERSION);
  t.connect();
  CHECK(t.secured());
  CHECK(t.transport->info().version == "TLSv1.2");
  TlsLab u;
  SSL_CTX_set_max_proto_version(u.server.context(), TLS1_2_VERSION);
  u.config.min_version = tls::Version::tls1_3;
  u.connect();
  CHECK(u.refusal() == tls::Failure::refused_by_peer);
  CHECK(u.refusal().message() == "TLS handshake failed: the peer says: tlsv1 alert protocol version");
}

TEST_CASE("a session is resumed, and a new one when it cannot be", "[tls]") {
  for (const auto version : {tls::Version::tls1_2, tls::Version::tls1_3}) {
    TlsLab t;
    t.config.min_version = t.config.max_version = version;
    for (const bool resumed : {false, true, true}) {
      t.connect();
      REQUIRE(t.server.secured);
      CHECK(t.transport->info().resumed == resumed);
      CHECK((SSL_session_reused(t.server.ssl()) == 1) == resumed);
      t.transport->close();
      t.run();
      t.server.restart();
    }
    // A server that has lost its memory: a full handshake.
    TlsServer forgetful{t.wire, &t.identity};
    t.connect();
    CHECK(forgetful.secured);
    CHECK(t.reader->opened == 4);
    CHECK_FALSE(t.transport->info().resumed);
  }
  TlsLab off;
  off.config.resume_sessions = false;
  for (int i = 0; i < 2; ++i) {
    off.connect();
    CHECK_FALSE(off.transport->info().resumed);
    off.transport->close();
    off.run();
    off.server.restart();
  }
  CHECK(off.reader->opened == 2);
}

TEST_CASE("the key log has what Wireshark needs", "[tls]") {
  TlsLab t;
  std::vector<std::string> lines;
  t.config.key_log = [&](std::string_view line) { lines.emplace_back(line); };
  t.connect();
  for (const char* label :
       {"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET ", "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "}) {
    CAPTURE(label);
    CHECK(std::ranges::count_if(lines, [&](const std::string& line) { return line.starts_with(label); }) == 1);
  }
}

TEST_CASE("what is not TLS, or ends early, fails the handshake by name", "[tls]") {
  TlsLab t;
  t.wire.on_bytes = [&](auto) { t.wire.reply("HTTP/1.1 400 Bad Request\r\n\r\n"); };
  t.connect();
  CHECK(t.refusal() == tls::Failure::handshake_failed);
  CHECK(t.refusal().message() == "TLS handshake failed: wrong version number");
  TlsLab u;
  u.wire.on_bytes = [&](auto) { u.wire.end(); };
  u.connect();
  CHECK(u.refusal() == tls::Error::closed_in_handshake);
  CHECK(u.refusal() == tls::Failure::handshake_failed);
  TlsLab silent;
  silent.wire.on_bytes = [](auto) {};
  silent.connect();
  CHECK(silent.reader->opened == 0);
  CHECK(silent.reader->closed.empty());
}

TEST_CASE("a server that never comes to the point of its handshake is left", "[tls]") {
  std::string record{"\x16\x03\x03\x3e\x80", 5};  // 16,000 bytes of HelloRequest, which a client that has said hello passes over
  record += std::string(16'000, '\0');
  const auto records = GENERATE(3, 100);
  TlsLab t;
  const auto serve = t.wire.on_bytes;
  bool answered = false;
  t.wire.on_bytes = [&](std::span<const std::byte> bytes) {
    if (!std::exchange(answered, true)) {
      for (int i = 0; i < records; ++i) t.wire.reply(record);
    }
    serve(bytes);
  };
  t.connect();
  CHECK(t.secured() == (records == 3));
  if (records == 3) return;
  CHECK(t.refusal() == tls::Error::endless_handshake);
  CHECK(t.refusal() == tls::Failure::handshake_failed);
  CHECK(t.wire.near_closed());
}

TEST_CASE("a handshake cut off anywhere is noticed", "[tls]") {
  std::size_t whole = 0;
  {
    TlsLab t{1};
    t.connect();
    REQUIRE(t.secured());
  }
  for (std::size_t cut = 0;; cut += 37) {
    TlsLab t;
    std::size_t passed = 0;
    TlsServer server{t.wire, &t.identity};
    const auto serve = t.wire.on_bytes;
    t.wire.on_bytes = [&](std::span<const std::byte> bytes) {
      serve(bytes);
      auto& flight = t.wire.in_flight();
      if (passed + flight.size() <= cut) {
        passed += flight.size();
        return;
      }
      flight.resize(cut - passed);
      passed = cut;
      t.wire.end();
    };
    t.connect();
    if (t.reader->opened == 1) {
      whole = cut;
      break;
    }
    CAPTURE(cut);
    CHECK(t.refusal() == tls::Error::closed_in_handshake);
  }
  CHECK(whole > 500);
}

TEST_CASE("a configuration that cannot be used says which part is wrong", "[tls]") {
  const Folder folder;
  const Identity ca = Identity::authority();
  const Identity other = ca.issue("DNS:other.example");
  const auto ca_file = folder.write("ca.crt", ca.certificate_pem());
  const auto crt = folder.write("a.crt", ca.certificate_pem());
  const auto key = folder.write("a.key", ca.key_pem());
  const auto problem = [](tls::ClientConfig config) {
    const auto context = tls::ClientContext::create(std::move(config));
    return context ? std::string{} : context.error().text;
  };
  CHECK(problem({.server_name = kServerName, .ca_file = ca_file}).empty());
  CHECK(problem({.server_name = kServerName, .ca_file = ca_file, .certificate_file = crt, .key_file = key}).empty());
  CHECK(problem({.ca_file = ca_file}) == "without a server name there is nothing to look for in the server's certificate");
  CHECK(problem({.server_name = kServerName, .ca_file = "/nonexistent"}) == "CA file /nonexistent: No such file or directory");
  CHECK(problem({.server_name = kServerName, .ca_file = key}).starts_with("CA file " + key + ": "));
  CHECK(problem({.server_name = kServerName, .certificate_file = crt}) == "a certificate and its key are needed together");
  CHECK(problem({.server_name = kServerName, .certificate_file = crt, .key_file = "/nonexistent"}) ==
        "key file /nonexistent: No such file or directory");
  CHECK(problem({.server_name = kServerName, .certificate_file = crt, .key_file = folder.write("b.key", other.key_pem())})
            .ends_with("key values mismatch"));
  CHECK_FALSE(
      problem({.server_name = kServerName, .certificate_file = crt, .key_file = folder.write("c.key", ca.key_pem("secret"))}).empty());
  CHECK_FALSE(problem({.server_name = kServerName, .psk = tls::PreSharedKey{"x", {}}}).empty());
  CHECK_FALSE(problem({.server_name = kServerName, .alpn = {""}}).empty());
  CHECK_FALSE(problem({.server_name = kServerName, .ciphers = "NO-SUCH-CIPHER"}).empty());
  CHECK(problem({.server_name = kServerName, .min_version = tls::Version::tls1_3, .max_version = tls::Version::tls1_2}) ==
        "TLS versions: the lowest is above the highest");
}

TEST_CASE("a close_notify in the handshake is an error with a name", "[tls]") {
  TlsLab t;
  t.wire.on_bytes = [&](auto) { t.wire.reply(std::string_view{"\x15\x03\x03\x00\x02\x01\x00", 7}); };  // the alert, in plain
  t.connect();
  CHECK(t.refusal() == tls::Error::closed_in_handshake);
  CHECK(t.refusal() == tls::Failure::handshake_failed);
  CHECK(t.refusal().message() == "TLS handshake failed: the peer closed the connection");
}
