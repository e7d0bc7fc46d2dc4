#pragma once

#include <memory>

#include <openssl/ssl.h>

#include <tapir/tls/client_context.hpp>

namespace tapir::tls {

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using SslContextHandle = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>>;
using SslHandle = std::unique_ptr<SSL, Freeing<SSL_free>>;
using SessionHandle = std::unique_ptr<SSL_SESSION, Freeing<SSL_SESSION_free>>;

/// OpenSSL's context with our configuration. It stays where it is: OpenSSL's callbacks find it by its address.
class ClientContext::Impl {
 public:
  explicit Impl(ClientConfig config) : config_{std::move(config)} {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] std::expected<void, ConfigurationError> set_up();
  /// A connection's state that is about to say ClientHello. Null when memory is out.
  [[nodiscard]] SslHandle connect();
  /// The handshake failed: what the session may have had to do with it is forgotten.
  void forget_session() noexcept { session_.reset(); }
  [[nodiscard]] bool has_session() const noexcept { return session_ != nullptr; }

 private:
  using Step = std::expected<void, ConfigurationError>;
  [[nodiscard]] Step check() const;
  [[nodiscard]] Step set_versions();
  [[nodiscard]] Step set_trust();
  [[nodiscard]] Step set_verification();
  [[nodiscard]] Step set_identity();
  [[nodiscard]] Step set_alpn();
  void set_callbacks();

  static Impl& of(const SSL* ssl);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);
  static void on_key_log(const SSL* ssl, const char* line);
  static int on_password(char* buffer, int size, int writing, void* self);
  static unsigned on_psk(SSL* ssl, const char* hint, char* identity, unsigned identity_size, unsigned char* key, unsigned key_size);

  ClientConfig config_;
  SslContextHandle context_;
  SessionHandle session_;
  bool name_is_address_ = false;
};

}  // namespace tapir::tls
