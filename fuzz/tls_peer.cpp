#define OPENSSL_SUPPRESS_DEPRECATED  // RAND_set_rand_method: a provider of random numbers would be a hundred lines
#include "tls_peer.hpp"

#include <array>
#include <cstdlib>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tapir::fuzz {

namespace {

constexpr const char* kName = "broker.example";
constexpr std::string_view kIdentity = "device";
constexpr long kNow = 1'700'000'000;  // at which certificates are looked at

std::uint64_t random_state = 0;

void demand(bool holds) {
  if (!holds) std::abort();
}

int random_bytes(unsigned char* into, int count) {
  for (int i = 0; i < count; ++i) {
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    into[i] = static_cast<unsigned char>(random_state >> 56U);
  }
  return 1;
}

int random_status() { return 1; }

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

struct Signed {
  Key key;
  Certificate certificate;
};

/// A key and its certificate for `name`, signed by `issuer` or by itself.
Signed make_identity(const char* name, const Signed* issuer) {
  Signed made{{EVP_EC_gen("P-256"), EVP_PKEY_free}, {X509_new(), X509_free}};
  X509* const x509 = made.certificate.get();
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), issuer != nullptr ? 2 : 1);
  ASN1_TIME_set(X509_getm_notBefore(x509), kNow - 3600);
  ASN1_TIME_set(X509_getm_notAfter(x509), kNow + 3600);
  X509_set_pubkey(x509, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(issuer != nullptr ? issuer->certificate.get() : x509));
  const int kind = issuer != nullptr ? NID_subject_alt_name : NID_basic_constraints;
  const std::string value = issuer != nullptr ? std::string{"DNS:"} + name : "CA:TRUE";
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  X509_add_ext(x509, extension, -1);
  X509_EXTENSION_free(extension);
  demand(X509_sign(x509, issuer != nullptr ? issuer->key.get() : made.key.get(), EVP_sha256()) > 0);
  return made;
}

const Signed& authority() {
  static const Signed made = make_identity("authority", nullptr);
  return made;
}

/// A file with the authority's certificate, in memory.
std::string authority_file() {
  static const int file = [] {
    const int fd = ::memfd_create("ca.crt", 0);
    FILE* const stream = ::fdopen(::dup(fd), "w");
    demand(fd >= 0 && stream != nullptr && PEM_write_X509(stream, authority().certificate.get()) == 1);
    demand(std::fclose(stream) == 0);
    return fd;
  }();
  return "/proc/self/fd/" + std::to_string(file);
}

unsigned server_key(SSL* ssl, const char* identity, unsigned char* key, unsigned size) {
  demand(size >= 16);
  if (identity != kIdentity) return 0;  // in TLS 1.3 it is asked for tickets, too
  const bool right = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) == nullptr;
  std::fill_n(key, 16, right ? 'k' : 'x');
  return 16;
}

SSL_CTX* make_context(Identity identity) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  demand(context != nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (identity == Identity::right_key || identity == Identity::wrong_key) {
    SSL_CTX_set_app_data(context, identity == Identity::right_key ? nullptr : context);
    SSL_CTX_set_psk_server_callback(context, &server_key);
    return context;
  }
  const Signed other_authority = make_identity("authority", nullptr);
  const auto made = make_identity(identity == Identity::wrong_name ? "other.example" : kName,
                                  identity == Identity::wrong_authority ? &other_authority : &authority());
  demand(SSL_CTX_use_certificate(context, made.certificate.get()) == 1 && SSL_CTX_use_PrivateKey(context, made.key.get()) == 1);
  return context;
}

/// Made once: contexts cost more than handshakes.
SSL_CTX* context_of(Identity identity) {
  static const std::array contexts{make_context(Identity::right), make_context(Identity::wrong_name),
                                   make_context(Identity::wrong_authority), make_context(Identity::right_key),
                                   make_context(Identity::wrong_key)};
  return contexts[static_cast<std::size_t>(identity)];
}

}  // namespace

void restart_random() {
  static const RAND_METHOD method{
      .seed = nullptr, .bytes = &random_bytes, .cleanup = nullptr, .add = nullptr, .pseudorand = &random_bytes, .status = &random_status};
  static const bool set = RAND_set_rand_method(&method) == 1;
  demand(set);
  (void)context_of(Identity::right);
  random_state = 1;
}

tls::ClientConfig client_config(tls::Version version, bool by_key) {
  tls::ClientConfig config{.server_name = kName,
                           .ca_file = authority_file(),
                           .min_version = version,
                           .max_version = version,
                           .verification_time = std::chrono::sys_seconds{std::chrono::seconds{kNow}}};
  if (by_key) config.psk = tls::PreSharedKey{std::string{kIdentity}, std::vector<std::byte>(16, std::byte{'k'})};
  if (by_key) config.ciphers = "PSK";
  return config;
}

TlsPeer::TlsPeer(Identity identity, tls::Version version) : ssl_{SSL_new(context_of(identity))} {
  const int number = version == tls::Version::tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_set_min_proto_version(ssl_.get(), number);
  SSL_set_max_proto_version(ssl_.get(), number);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl_.get());
}

void TlsPeer::input(std::span<const std::byte> bytes) {
  BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  go_on();
}

void TlsPeer::go_on() {
  std::array<char, 4096> buffer;
  ERR_clear_error();
  if (!SSL_is_init_finished(ssl_.get()) && SSL_do_handshake(ssl_.get()) != 1) return;
  for (int got = 0; (got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()))) > 0;)
    heard_.append(buffer.data(), static_cast<std::size_t>(got));
}

std::string TlsPeer::take_output() {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &data);
  std::string output{data, static_cast<std::size_t>(size)};
  (void)BIO_reset(SSL_get_wbio(ssl_.get()));
  return output;
}

void TlsPeer::say(std::size_t count) {
  ERR_clear_error();
  if (count == 0 || closed_ || !SSL_is_init_finished(ssl_.get())) return;
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.push_back(static_cast<char>((said_.size() + i) * 7));
  if (SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size())) said_ += text;
}

void TlsPeer::update_key() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get()) && SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1) go_on();
}

void TlsPeer::send_ticket() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get()) && SSL_new_session_ticket(ssl_.get()) == 1) go_on();
}

void TlsPeer::renegotiate() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get()) && SSL_renegotiate(ssl_.get()) == 1) (void)SSL_do_handshake(ssl_.get());
}

void TlsPeer::close() {
  ERR_clear_error();
  if (!SSL_is_init_finished(ssl_.get())) return;
  SSL_shutdown(ssl_.get());
  closed_ = true;
}

}  // namespace tapir::fuzz
