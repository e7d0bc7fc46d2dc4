#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tapir::tls {

enum class Version : std::uint8_t { tls1_2, tls1_3 };

/// A key that both sides know, in the place of certificates (RFC 4279; RFC 8446 section 2.2).
struct PreSharedKey {
  std::string identity;
  std::vector<std::byte> key;  ///< 1-256 bytes
};

/// What a client trusts, is, and wants. Files are PEM.
struct ClientConfig {
  /// Whom we want to talk to: a DNS name, sent to the server (RFC 6066 section 3) and looked for in its certificate (RFC 6125), or an IP
  /// address, which is looked for alone.
  std::string server_name = {};
  bool verify_certificate = true;     ///< off: anybody may be the server. For tests
  bool verify_name = true;            ///< off: any certificate of a trusted authority will do
  std::string ca_file = {};           ///< trusted authorities
  std::string ca_directory = {};      ///< the same, a file each, named by hash (openssl rehash). Neither: those that the system trusts
  std::string certificate_file = {};  ///< our own, followed by those of its authorities
  std::string key_file = {};          ///< of our certificate
  std::string key_password = {};      ///< of an encrypted key file
  std::optional<PreSharedKey> psk = {};
  std::vector<std::string> alpn = {};  ///< protocols offered, best first (RFC 7301), each of 1-255 bytes
  Version min_version = Version::tls1_2;
  Version max_version = Version::tls1_3;
  std::string ciphers = {};       ///< of TLS 1.2, in OpenSSL's notation; empty: OpenSSL's choice
  std::string ciphersuites = {};  ///< of TLS 1.3
  bool resume_sessions = true;
  /// For a device without a clock: the time at which certificates must be valid. Otherwise it is the system's.
  std::optional<std::chrono::sys_seconds> verification_time = {};
  /// Gets each line that a key log file has (SSLKEYLOGFILE), by which Wireshark decrypts. It makes the connection readable to whoever has
  /// it.
  std::function<void(std::string_view line)> key_log = {};
};

/// Why a configuration cannot be used.
struct ConfigurationError {
  std::error_code error;
  std::string text;  ///< with the part that is wrong: "CA file ca.crt: No such file or directory"
};

/// A configuration ready for use by any number of connections of one thread to one server, and the last session with that server. A handle:
/// copies are the same context.
class ClientContext {
 public:
  /// Reads the files.
  [[nodiscard]] static std::expected<ClientContext, ConfigurationError> create(ClientConfig config);

  /// Whether a session is there that the next connection will try to resume.
  [[nodiscard]] bool has_session() const noexcept;

 private:
  friend class TlsTransport;
  class Impl;
  explicit ClientContext(std::shared_ptr<Impl> impl) noexcept : impl_{std::move(impl)} {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace tapir::tls
