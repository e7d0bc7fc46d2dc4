#pragma once

#include <functional>
#include <optional>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <tapir/tls/tls_transport.hpp>

#include "support/folder.hpp"
#include "support/identity.hpp"
#include "support/wire.hpp"

namespace tapir::test {

using namespace std::chrono_literals;

inline constexpr const char* kServerName = "broker.example";

/// A server written with OpenSSL alone, over a Wire. It says what it is told to and remembers what it hears.
class TlsServer {
 public:
  explicit TlsServer(Wire& wire, const Identity* identity = nullptr)
      : wire_{wire}, context_{SSL_CTX_new(TLS_server_method()), SSL_CTX_free} {
    SSL_CTX_set_app_data(context_.get(), this);
    SSL_CTX_set_session_id_context(context_.get(), reinterpret_cast<const unsigned char*>("test"), 4);
    if (identity != nullptr) {
      REQUIRE(SSL_CTX_use_certificate(context_.get(), identity->certificate()) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), identity->key()) == 1);
    }
    wire.on_bytes = [this](std::span<const std::byte> bytes) { input(bytes); };
    wire.on_end = [this] { wire_.end(); };
  }

  [[nodiscard]] SSL_CTX* context() const { return context_.get(); }
  void require_client(const Identity& authority) const {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.certificate());
  }
  void say(std::string_view text) {
    REQUIRE(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()));
    flush();
  }
  /// close_notify, then the end of the stream below.
  void close() {
    SSL_shutdown(ssl_.get());
    flush();
    wire_.end();
  }
  /// The next connection starts anew.
  void restart() {
    ssl_.reset();
    heard.clear();
    secured = client_closed = false;
  }
  [[nodiscard]] std::string sni() const {
    const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
  }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

  std::string heard;
  bool secured = false;        ///< its handshake is complete
  bool client_closed = false;  ///< close_notify came
  unsigned long error = 0;     ///< why its handshake failed
  std::function<void()> when_secured = [] {};

 private:
  void input(std::span<const std::byte> bytes) {
    if (ssl_ == nullptr) {
      ssl_.reset(SSL_new(context_.get()));
      SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
      SSL_set_accept_state(ssl_.get());
    }
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    ERR_clear_error();
    if (!secured) {
      const int result = SSL_do_handshake(ssl_.get());
      if (result == 1) {
        secured = true;
        flush();
        when_secured();
      } else if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL) {
        error = ERR_peek_error();
        flush();
        wire_.end();
      }
    }
    if (secured) {
      std::array<char, 4096> buffer;
      int got = 0;
      while ((got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()))) > 0)
        heard.append(buffer.data(), static_cast<std::size_t>(got));
      client_closed = SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN;
    }
    flush();
  }
  void flush() {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &data);
    if (size > 0) wire_.reply(std::string_view{data, static_cast<std::size_t>(size)});
    (void)BIO_reset(SSL_get_wbio(ssl_.get()));
  }

  Wire& wire_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
};

/// One client and one server, with an authority that the client trusts.
struct TlsLab {
  explicit TlsLab(std::size_t chunk = 100'000) : wire{world, chunk} { config.ca_file = folder.write("ca.crt", ca.certificate_pem()); }

  void connect() {
    if (!transport) {
      auto context = tls::ClientContext::create(config);
      REQUIRE(context);
      transport.emplace(*context, wire.transport());
      reader.emplace(*transport);
    }
    REQUIRE(transport->open());
    world.run_for(10s);
  }
  void run() { world.run_for(10s); }
  [[nodiscard]] bool secured() const { return reader->opened == 1 && reader->closed.empty() && server.secured; }
  [[nodiscard]] std::error_code refusal() const {
    return reader->opened == 0 && reader->closed.size() == 1 ? reader->closed[0] : std::error_code{};
  }

  sim::World world;
  Folder folder;
  Identity ca = Identity::authority();
  Identity identity = ca.issue(std::string{"DNS:"} + kServerName);
  Wire wire;
  TlsServer server{wire, &identity};
  tls::ClientConfig config{.server_name = kServerName};
  std::optional<tls::TlsTransport> transport;
  std::optional<StreamReader> reader;
};

}  // namespace tapir::test
