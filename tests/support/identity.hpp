#pragma once

#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <catch2/catch.hpp>

namespace tapir::test {

/// Seconds from now. The certificates are made when the test runs.
struct Validity {
  long from = -3600;
  long to = 3600;
};

/// A key and a certificate, signed by an authority or by itself.
class Identity {
 public:
  using Key = std::shared_ptr<EVP_PKEY>;
  using Certificate = std::shared_ptr<X509>;

  [[nodiscard]] static Identity authority(const std::string& name = "Test Authority") { return Identity{name, nullptr, "CA:TRUE", {}, {}}; }
  /// `alternatives` as OpenSSL's configuration has them: "DNS:broker.example,IP:192.0.2.1".
  [[nodiscard]] Identity issue(const std::string& alternatives, Validity validity = {}) const {
    return Identity{"somebody", this, "CA:FALSE", alternatives, validity};
  }

  [[nodiscard]] X509* certificate() const { return certificate_.get(); }
  [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }
  [[nodiscard]] std::string certificate_pem() const {
    return pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate_.get()); });
  }
  [[nodiscard]] std::string key_pem(const char* password = nullptr) const {
    return pem([&](BIO* out) {
      return PEM_write_bio_PrivateKey(out, key_.get(), password != nullptr ? EVP_aes_128_cbc() : nullptr, nullptr, 0, nullptr,
                                      const_cast<char*>(password));  // the C interface reads it only
    });
  }

 private:
  Identity(const std::string& name, const Identity* issuer, const char* basic, const std::string& alternatives, Validity validity)
      : key_{EVP_EC_gen("P-256"), EVP_PKEY_free}, certificate_{X509_new(), X509_free} {
    static long serial = 1;
    X509* const x509 = certificate_.get();
    REQUIRE(X509_set_version(x509, X509_VERSION_3) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), validity.from);
    X509_gmtime_adj(X509_getm_notAfter(x509), validity.to);
    REQUIRE(X509_set_pubkey(x509, key_.get()) == 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
    REQUIRE(X509_set_issuer_name(x509, X509_get_subject_name(issuer != nullptr ? issuer->certificate() : x509)) == 1);
    extend(NID_basic_constraints, basic);
    if (!alternatives.empty()) extend(NID_subject_alt_name, alternatives);
    REQUIRE(X509_sign(x509, issuer != nullptr ? issuer->key() : key_.get(), EVP_sha256()) > 0);
  }
  void extend(int kind, const std::string& value) const {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension{
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()), X509_EXTENSION_free};
    REQUIRE(extension);
    REQUIRE(X509_add_ext(certificate_.get(), extension.get(), -1) == 1);
  }
  template <class Write>
  [[nodiscard]] static std::string pem(Write write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out{BIO_new(BIO_s_mem()), BIO_free};
    REQUIRE(write(out.get()) == 1);
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }

  Key key_;
  Certificate certificate_;
};

}  // namespace tapir::test
