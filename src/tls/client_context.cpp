#include <tapir/tls/client_context.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <tapir/core/error.hpp>
#include <tapir/tls/error.hpp>

#include "client_context_impl.hpp"

namespace tapir::tls {

namespace {

constexpr std::size_t kLongestPsk = PSK_MAX_PSK_LEN;
constexpr std::size_t kLongestIdentity = PSK_MAX_IDENTITY_LEN;

/// What OpenSSL's queue says first, in words; system errors keep their own code.
std::unexpected<ConfigurationError> refuse(std::string_view part) {
  const unsigned long code = ERR_peek_error();
  // A file that cannot be opened is reported twice; "No such file or directory" is the one that helps.
  const std::error_code error = ERR_SYSTEM_ERROR(code)
                                    ? std::error_code{ERR_GET_REASON(code), std::system_category()}
                                    : std::error_code{static_cast<int>(static_cast<std::uint32_t>(code)), handshake_category()};
  const char* const reason = ERR_reason_error_string(code);
  const std::string words = ERR_SYSTEM_ERROR(code) || reason == nullptr ? error.message() : reason;
  ERR_clear_error();
  return std::unexpected{ConfigurationError{error, fmt::format("{}: {}", part, words)}};
}

std::unexpected<ConfigurationError> invalid(std::string text) {
  return std::unexpected{ConfigurationError{make_error_code(tapir::Error::invalid_argument), std::move(text)}};
}

int number(Version version) noexcept { return version == Version::tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION; }

bool is_ip_address(const std::string& name) {
  const std::unique_ptr<ASN1_OCTET_STRING, Freeing<ASN1_OCTET_STRING_free>> address{a2i_IPADDRESS(name.c_str())};
  ERR_clear_error();
  return address != nullptr;
}

}  // namespace

std::expected<ClientContext, ConfigurationError> ClientContext::create(ClientConfig config) {
  auto impl = std::make_shared<Impl>(std::move(config));
  if (auto done = impl->set_up(); !done) return std::unexpected{std::move(done.error())};
  return ClientContext{std::move(impl)};
}

bool ClientContext::has_session() const noexcept { return impl_->has_session(); }

auto ClientContext::Impl::set_up() -> Step {
  if (auto done = check(); !done) return done;
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (context_ == nullptr) return refuse("TLS");
  SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  set_callbacks();
  for (const auto step : {&Impl::set_versions, &Impl::set_trust, &Impl::set_verification, &Impl::set_identity, &Impl::set_alpn}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  return {};
}

auto ClientContext::Impl::check() const -> Step {
  if (config_.server_name.empty() && config_.verify_certificate && config_.verify_name)
    return invalid("without a server name there is nothing to look for in the server's certificate");
  if (config_.server_name.contains('\0')) return invalid("server name: it has a zero byte");
  if (config_.certificate_file.empty() != config_.key_file.empty()) return invalid("a certificate and its key are needed together");
  if (config_.min_version > config_.max_version) return invalid("TLS versions: the lowest is above the highest");
  if (config_.psk && (config_.psk->key.empty() || config_.psk->key.size() > kLongestPsk))
    return invalid(fmt::format("pre-shared key: it must have 1 to {} bytes", kLongestPsk));
  if (config_.psk && (config_.psk->identity.size() > kLongestIdentity || config_.psk->identity.contains('\0')))
    return invalid(fmt::format("identity of the pre-shared key: longer than {} bytes, or with a zero byte", kLongestIdentity));
  for (const auto& protocol : config_.alpn) {
    if (protocol.empty() || protocol.size() > 255) return invalid("ALPN: a protocol's name must have 1 to 255 bytes");
  }
  return {};
}

auto ClientContext::Impl::set_versions() -> Step {
  SSL_CTX* const context = context_.get();
  if (SSL_CTX_set_min_proto_version(context, number(config_.min_version)) != 1) return refuse("TLS version");
  if (SSL_CTX_set_max_proto_version(context, number(config_.max_version)) != 1) return refuse("TLS version");
  if (!config_.ciphers.empty() && SSL_CTX_set_cipher_list(context, config_.ciphers.c_str()) != 1) return refuse("ciphers");
  if (!config_.ciphersuites.empty() && SSL_CTX_set_ciphersuites(context, config_.ciphersuites.c_str()) != 1) return refuse("ciphersuites");
  return {};
}

auto ClientContext::Impl::set_trust() -> Step {
  if (!config_.verify_certificate) return {};
  SSL_CTX* const context = context_.get();
  if (!config_.ca_file.empty() && SSL_CTX_load_verify_file(context, config_.ca_file.c_str()) != 1)
    return refuse("CA file " + config_.ca_file);
  if (!config_.ca_directory.empty() && SSL_CTX_load_verify_dir(context, config_.ca_directory.c_str()) != 1)
    return refuse("CA directory " + config_.ca_directory);
  if (config_.ca_file.empty() && config_.ca_directory.empty() && SSL_CTX_set_default_verify_paths(context) != 1)
    return refuse("the system's trusted authorities");
  return {};
}

auto ClientContext::Impl::set_verification() -> Step {
  name_is_address_ = is_ip_address(config_.server_name);
  SSL_CTX_set_verify(context_.get(), config_.verify_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!config_.verify_certificate) return {};
  X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(context_.get());
  if (config_.verification_time) X509_VERIFY_PARAM_set_time(rules, config_.verification_time->time_since_epoch().count());
  if (!config_.verify_name) return {};
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int known = name_is_address_ ? X509_VERIFY_PARAM_set1_ip_asc(rules, config_.server_name.c_str())
                                     : X509_VERIFY_PARAM_set1_host(rules, config_.server_name.data(), config_.server_name.size());
  if (known != 1) return refuse("server name");
  return {};
}

auto ClientContext::Impl::set_identity() -> Step {
  if (config_.certificate_file.empty()) return {};
  SSL_CTX* const context = context_.get();
  if (SSL_CTX_use_certificate_chain_file(context, config_.certificate_file.c_str()) != 1)
    return refuse("certificate file " + config_.certificate_file);
  if (SSL_CTX_use_PrivateKey_file(context, config_.key_file.c_str(), SSL_FILETYPE_PEM) != 1) return refuse("key file " + config_.key_file);
  if (SSL_CTX_check_private_key(context) != 1) return refuse("key file " + config_.key_file);
  return {};
}

auto ClientContext::Impl::set_alpn() -> Step {
  std::vector<unsigned char> list;  // RFC 7301 section 3.1: a byte of length before each name
  for (const auto& protocol : config_.alpn) {
    list.push_back(static_cast<unsigned char>(protocol.size()));
    list.insert(list.end(), protocol.begin(), protocol.end());
  }
  // Unlike its relatives, this function returns 0 for success.
  if (!list.empty() && SSL_CTX_set_alpn_protos(context_.get(), list.data(), static_cast<unsigned>(list.size())) != 0) return refuse("ALPN");
  return {};
}

void ClientContext::Impl::set_callbacks() {
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_app_data(context, this);
  // Without one of our own OpenSSL asks at the terminal.
  SSL_CTX_set_default_passwd_cb(context, &on_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, this);
  if (config_.key_log) SSL_CTX_set_keylog_callback(context, &on_key_log);
  if (config_.psk) SSL_CTX_set_psk_client_callback(context, &on_psk);
  if (!config_.resume_sessions) return;
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &on_new_session);
}

SslHandle ClientContext::Impl::connect() {
  SslHandle ssl{SSL_new(context_.get())};
  if (ssl == nullptr) return ssl;
  SSL_set_connect_state(ssl.get());
  // RFC 6066 section 3: no literal addresses in server_name.
  if (!name_is_address_ && !config_.server_name.empty()) SSL_set_tlsext_host_name(ssl.get(), config_.server_name.c_str());
  if (session_ != nullptr) {
    SSL_set_session(ssl.get(), session_.get());
    // RFC 8446 appendix C.4: a ticket used twice lets an observer link the connections.
    if (SSL_SESSION_get_protocol_version(session_.get()) == TLS1_3_VERSION) session_.reset();
  }
  return ssl;
}

auto ClientContext::Impl::of(const SSL* ssl) -> Impl& { return *static_cast<Impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))); }

int ClientContext::Impl::on_new_session(SSL* ssl, SSL_SESSION* session) {
  of(ssl).session_.reset(session);
  return 1;  // the reference is ours now
}

void ClientContext::Impl::on_key_log(const SSL* ssl, const char* line) { of(ssl).config_.key_log(line); }

int ClientContext::Impl::on_password(char* buffer, int size, int /*writing*/, void* self) {
  const std::string& password = static_cast<const Impl*>(self)->config_.key_password;
  if (password.size() > static_cast<std::size_t>(size)) return -1;
  std::ranges::copy(password, buffer);
  return static_cast<int>(password.size());
}

unsigned ClientContext::Impl::on_psk(SSL* ssl, const char* /*hint*/, char* identity, unsigned identity_size, unsigned char* key,
                                     unsigned key_size) {
  const PreSharedKey& psk = *of(ssl).config_.psk;
  if (psk.identity.size() >= identity_size || psk.key.size() > key_size) return 0;
  std::memcpy(identity, psk.identity.c_str(), psk.identity.size() + 1);
  std::memcpy(key, psk.key.data(), psk.key.size());
  return static_cast<unsigned>(psk.key.size());
}

}  // namespace tapir::tls
