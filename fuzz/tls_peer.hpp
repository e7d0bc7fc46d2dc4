#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include <tapir/tls/client_context.hpp>

namespace tapir::fuzz {

/// Makes OpenSSL's random numbers the same for every input.
void restart_random();

/// What the server is: the one that the client wants, or another.
enum class Identity : std::uint8_t { right, wrong_name, wrong_authority, right_key, wrong_key };

/// A client's configuration that asks for the identity `right`, or for the `right_key`.
[[nodiscard]] tls::ClientConfig client_config(tls::Version version, bool by_key);

/// A server made of OpenSSL alone: bytes in, bytes out.
class TlsPeer {
 public:
  TlsPeer(Identity identity, tls::Version version);

  /// Bytes from the client.
  void input(std::span<const std::byte> bytes);
  /// What it has to say since the last call, encrypted.
  [[nodiscard]] std::string take_output();
  /// Application data, once the handshake is complete.
  void say(std::size_t count);
  void update_key();
  void send_ticket();
  void renegotiate();
  void close();

  /// All application data of either direction so far, in clear text.
  [[nodiscard]] const std::string& said() const noexcept { return said_; }
  [[nodiscard]] const std::string& heard() const noexcept { return heard_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  void go_on();
  struct Free {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  std::string said_;
  std::string heard_;
  bool closed_ = false;  ///< close_notify was said
};

}  // namespace tapir::fuzz
