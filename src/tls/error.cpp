#include <tapir/tls/error.hpp>

#include <cstdint>
#include <string>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace tapir::tls {

namespace {

[[nodiscard]] unsigned long packed(int value) noexcept { return static_cast<std::uint32_t>(value); }

/// OpenSSL numbers the alerts that it received from here on (SSL_AD_REASON_OFFSET).
[[nodiscard]] bool is_alert(int value) noexcept {
  return ERR_GET_LIB(packed(value)) == ERR_LIB_SSL && ERR_GET_REASON(packed(value)) >= SSL_AD_REASON_OFFSET;
}

[[nodiscard]] std::string words(int value) {
  const char* const reason = ERR_reason_error_string(packed(value));
  if (reason == nullptr) return "error " + std::to_string(packed(value));
  return is_alert(value) ? std::string{"the peer says: "} + reason : reason;
}

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::closed_in_handshake: return "TLS handshake failed: the peer closed the connection";
      case Error::truncated: return "the TLS stream ended without close_notify";
      case Error::endless_handshake: return "TLS handshake failed: it has no end";
    }
    return "unknown error";
  }
};

class CertificateCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls certificate"; }
  [[nodiscard]] std::string message(int value) const override {
    return std::string{"certificate refused: "} + X509_verify_cert_error_string(value);
  }
};

class HandshakeCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls handshake"; }
  [[nodiscard]] std::string message(int value) const override { return "TLS handshake failed: " + words(value); }
};

class StreamCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls stream"; }
  [[nodiscard]] std::string message(int value) const override { return "TLS: " + words(value); }
};

class FailureCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls failure"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Failure>(value)) {
      case Failure::certificate_refused: return "certificate refused";
      case Failure::refused_by_peer: return "refused by the peer";
      case Failure::handshake_failed: return "TLS handshake failed";
      case Failure::broken_stream: return "TLS stream broken";
    }
    return "unknown failure";
  }
  [[nodiscard]] bool equivalent(const std::error_code& code, int condition) const noexcept override {
    const bool in_handshake = code.category() == certificate_category() || code.category() == handshake_category() ||
                              code == make_error_code(Error::closed_in_handshake) || code == make_error_code(Error::endless_handshake);
    switch (static_cast<Failure>(condition)) {
      case Failure::certificate_refused: return code.category() == certificate_category();
      case Failure::refused_by_peer:
        return (code.category() == handshake_category() || code.category() == stream_category()) && is_alert(code.value());
      case Failure::handshake_failed: return in_handshake;
      case Failure::broken_stream: return code.category() == stream_category() || code == make_error_code(Error::truncated);
    }
    return false;
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

const std::error_category& certificate_category() noexcept {
  static const CertificateCategory category;
  return category;
}

const std::error_category& handshake_category() noexcept {
  static const HandshakeCategory category;
  return category;
}

const std::error_category& stream_category() noexcept {
  static const StreamCategory category;
  return category;
}

const std::error_category& failure_category() noexcept {
  static const FailureCategory category;
  return category;
}

std::error_code make_error_code(Error error) noexcept { return {static_cast<int>(error), error_category()}; }

std::error_condition make_error_condition(Failure failure) noexcept { return {static_cast<int>(failure), failure_category()}; }

}  // namespace tapir::tls
