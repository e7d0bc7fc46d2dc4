#include <tapir/tls/tls_transport.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/err.h>

#include "client_context_impl.hpp"

namespace tapir::tls {

namespace {

constexpr std::size_t kRecordSize = SSL3_RT_MAX_PLAIN_LENGTH;
/// Output that waits above this stops reading: a peer that asks without reading would make our answers pile up.
constexpr std::size_t kMostOutput = 64U << 10U;
/// Pieces read before the loop has its turn: a peer may send records for ever that have little or nothing for the user, such as session tickets.
constexpr unsigned kMostAtOnce = 64;
/// Bytes of a peer's handshake, of which the certificates may take 100 KiB: it may say things for ever that are passed over, and the loop would have no turn.
constexpr std::size_t kLongestHandshake = std::size_t{1} << 20U;

}  // namespace

/// OpenSSL's connection with memory on both sides, and a count of what came out of it.
class TlsTransport::Ssl {
 public:
  /// Null when memory is out.
  [[nodiscard]] static std::unique_ptr<Ssl> create(SslHandle ssl) {
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    if (ssl == nullptr || in == nullptr || out == nullptr) {
      BIO_free(in);
      BIO_free(out);
      return nullptr;
    }
    BIO_set_mem_eof_return(in, -1);  // empty means: not yet
    SSL_set_bio(ssl.get(), in, out);
    return std::unique_ptr<Ssl>{new Ssl{std::move(ssl), in, out}};
  }

  [[nodiscard]] SSL* get() const noexcept { return ssl_.get(); }
  void put_input(std::span<const std::byte> bytes) const { BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())); }
  [[nodiscard]] bool has_input() const noexcept { return BIO_ctrl_pending(in_) > 0 || SSL_has_pending(ssl_.get()) == 1; }
  /// Bytes to be sent.
  [[nodiscard]] std::span<const std::byte> output() const noexcept {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out_, &data);
    return std::as_bytes(std::span{data, static_cast<std::size_t>(std::max<long>(size, 0))});
  }
  void drop_output(std::size_t count) const {
    std::array<char, 4096> scratch;
    while (count > 0) {
      const int dropped = BIO_read(out_, scratch.data(), static_cast<int>(std::min(count, scratch.size())));
      if (dropped <= 0) return;
      count -= static_cast<std::size_t>(dropped);
    }
  }
  /// What a call that did not succeed has run into; nullopt: it needs more input. OpenSSL has no error for the stream's end, neither by
  /// close_notify nor without: that one is `ended`.
  [[nodiscard]] std::optional<std::error_code> failure(int result, const std::error_category& category, Error ended) const {
    const int kind = SSL_get_error(ssl_.get(), result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return std::nullopt;
    const auto code = static_cast<std::uint32_t>(ERR_peek_error());
    return code != 0 ? std::error_code{static_cast<int>(code), category} : make_error_code(ended);
  }

 private:
  Ssl(SslHandle ssl, BIO* in, BIO* out) noexcept : ssl_{std::move(ssl)}, in_{in}, out_{out} {}

  SslHandle ssl_;
  BIO* in_;
  BIO* out_;
};

TlsTransport::TlsTransport(ClientContext context, std::unique_ptr<mqtt::Transport> below)
    : context_{std::move(context)}, below_{std::move(below)} {
  below_->attach(this);
}

TlsTransport::~TlsTransport() { below_->attach(nullptr); }

Result<> TlsTransport::open() {
  if (state_ != State::closed) return fail(tapir::Error::already_connected);
  below_->abort();  // one that is still closing in order
  ERR_clear_error();
  ssl_ = Ssl::create(context_.impl_->connect());
  if (ssl_ == nullptr) return fail(tapir::Error::no_buffer_space);
  error_ = {};
  below_ended_ = user_waits_ = reading_waits_ = false;
  taken_below_ = handshake_size_ = pieces_ = 0;
  records_.clear();
  if (auto opened = below_->open(); !opened) return opened;
  state_ = State::opening;
  return {};
}

Result<std::size_t> TlsTransport::send(std::span<const std::byte> bytes) {
  if (state_ == State::failed) return fail(error_);
  if (state_ == State::closing) return fail(tapir::Error::connection_closed);
  if (state_ != State::open) return fail(tapir::Error::not_connected);
  std::size_t taken = 0;
  while (taken < bytes.size() && ssl_->output().empty()) {
    const auto part = bytes.subspan(taken).first(std::min(kRecordSize, bytes.size() - taken));
    std::size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_->get(), part.data(), part.size(), &written) != 1)
      return break_stream(ssl_->failure(0, stream_category(), Error::truncated).value_or(tapir::Error::not_supported));
    records_.add(written, taken_below_ + ssl_->output().size());
    taken += written;
    if (auto flushed = flush(); !flushed) return fail(flushed.error());
  }
  user_waits_ = taken < bytes.size();
  return taken;
}

Result<std::size_t> TlsTransport::receive(std::span<std::byte> into) {
  if (state_ == State::failed) return fail(error_);
  if (state_ == State::closing) return fail(tapir::Error::connection_closed);
  if (state_ != State::open) return fail(tapir::Error::not_connected);
  more_ = false;
  for (unsigned pieces = 0;; ++pieces) {
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_->get(), into.data(), into.size(), &got);
    const auto flushed = flush();  // the answer to a key update; a peer that takes nothing more may have said why
    if (result == 1) return got;
    if ((SSL_get_shutdown(ssl_->get()) & SSL_RECEIVED_SHUTDOWN) != 0 && SSL_get_error(ssl_->get(), result) == SSL_ERROR_ZERO_RETURN)
      return std::size_t{0};
    if (const auto error = ssl_->failure(result, stream_category(), Error::truncated)) return break_stream(*error);
    if (pieces == kMostAtOnce) return fail(tapir::Error::would_block);
    const auto pulled = pull();
    if (!pulled) return break_stream(pulled.error());
    more_ = more_ || (*pulled > 0 && ++pieces_ % kMostAtOnce == 0);
    if (*pulled > 0) continue;
    if (!flushed) return fail(flushed.error());
    if (below_ended_) return break_stream(Error::truncated);
    return fail(tapir::Error::would_block);
  }
}

void TlsTransport::close() {
  if (state_ == State::closed || state_ == State::closing) return;
  if (state_ != State::open) {  // there is nothing in order to end
    state_ = State::closing;
    return below_->close();
  }
  state_ = State::closing;
  ERR_clear_error();
  SSL_shutdown(ssl_->get());  // puts close_notify behind what was written
  if (!flush()) return below_->close();
  finish_closing();
}

void TlsTransport::abort() {
  state_ = State::closed;
  below_->abort();
  ssl_.reset();
  records_.clear();
}

ConnectionInfo TlsTransport::info() const {
  if (ssl_ == nullptr || (state_ != State::open && state_ != State::closing)) return {};
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_->get(), &protocol, &size);
  return {.version = SSL_get_version(ssl_->get()),
          .cipher = SSL_get_cipher_name(ssl_->get()),
          .alpn = {reinterpret_cast<const char*>(protocol), size},
          .resumed = SSL_session_reused(ssl_->get()) == 1};
}

void TlsTransport::on_open() {
  if (state_ != State::opening) return;
  state_ = State::handshaking;
  handshake();
}

void TlsTransport::on_readable() {
  if (state_ == State::handshaking) return handshake();
  if (state_ == State::open) tell(&TransportUser::on_readable);
}

void TlsTransport::on_writable() {
  if (state_ != State::handshaking && state_ != State::open && state_ != State::closing) return;
  if (const auto flushed = flush(); !flushed) {
    if (state_ == State::handshaking) fail_handshake(flushed.error());
    return;  // the user's next call tells it, or on_closed
  }
  if (state_ == State::closing) return finish_closing();
  if (state_ != State::open || !ssl_->output().empty()) return;
  const Destruction::Watch watch{destruction_};
  if (std::exchange(user_waits_, false)) tell(&TransportUser::on_writable);
  if (!watch.destroyed() && state_ == State::open && std::exchange(reading_waits_, false)) tell(&TransportUser::on_readable);
}

void TlsTransport::on_acknowledged() {
  if (state_ != State::open && state_ != State::closing) return;
  const auto before = records_.unacknowledged();
  note_acknowledged();
  if (records_.unacknowledged() < before) tell(&TransportUser::on_acknowledged);
}

void TlsTransport::on_closed(std::error_code error) {
  if (state_ == State::closed) return;
  const bool in_handshake = state_ == State::handshaking;
  note_acknowledged();
  state_ = State::closed;
  if (in_handshake && !error) error = Error::closed_in_handshake;
  ssl_.reset();
  if (user_ != nullptr) user_->on_closed(error);
}

void TlsTransport::handshake() {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_->get());
    if (result != 1) {
      if (const auto error = ssl_->failure(result, handshake_category(), Error::closed_in_handshake)) {
        const long refused = SSL_get_verify_result(ssl_->get());
        const bool by_us = refused != X509_V_OK && SSL_get_verify_mode(ssl_->get()) != SSL_VERIFY_NONE;
        (void)flush();  // the alert that tells the peer why
        return fail_handshake(by_us ? std::error_code{static_cast<int>(refused), certificate_category()} : *error);
      }
    }
    const auto flushed = flush();
    if (result == 1) break;  // what cannot be sent is told by the user's next call
    const auto pulled = pull();
    if (!pulled) return fail_handshake(pulled.error());
    handshake_size_ += *pulled;
    if (handshake_size_ > kLongestHandshake) return fail_handshake(Error::endless_handshake);
    if (*pulled > 0) continue;
    if (!flushed) return fail_handshake(flushed.error());
    if (below_ended_) fail_handshake(Error::closed_in_handshake);
    return;
  }
  state_ = State::open;
  const Destruction::Watch watch{destruction_};
  tell(&TransportUser::on_open);
  // Bytes of the application may have come with the handshake's last: nobody else will tell of them.
  if (!watch.destroyed() && state_ == State::open && (ssl_->has_input() || below_ended_)) tell(&TransportUser::on_readable);
}

void TlsTransport::fail_handshake(std::error_code error) {
  context_.impl_->forget_session();
  state_ = State::closed;
  ssl_.reset();
  below_->close();
  if (user_ != nullptr) user_->on_closed(error);
}

std::unexpected<std::error_code> TlsTransport::break_stream(std::error_code error) {
  (void)flush();  // the alert
  state_ = State::failed;
  error_ = error;
  return fail(error);
}

/// Moves bytes from below to OpenSSL, and says how many.
Result<std::size_t> TlsTransport::pull() {
  if (ssl_->output().size() > kMostOutput) {
    reading_waits_ = true;
    return 0;
  }
  std::array<std::byte, kRecordSize> buffer;
  const auto got = below_->receive(buffer);
  if (!got && got.error() == tapir::Error::would_block) return 0;
  if (!got) return fail(got.error());
  below_ended_ = *got == 0;
  ssl_->put_input(std::span{buffer}.first(*got));
  return *got;
}

/// Moves output down as far as it is taken.
Result<> TlsTransport::flush() {
  while (ssl_ != nullptr && !ssl_->output().empty()) {
    const auto taken = below_->send(ssl_->output());
    if (!taken && taken.error() != tapir::Error::would_block) return fail(taken.error());
    if (!taken || *taken == 0) break;
    taken_below_ += *taken;
    ssl_->drop_output(*taken);
  }
  return {};
}

void TlsTransport::finish_closing() {
  if (ssl_ == nullptr || ssl_->output().empty()) below_->close();
}

void TlsTransport::note_acknowledged() {
  const std::uint64_t unacknowledged = below_->unacknowledged();
  records_.acknowledge(taken_below_ - std::min(taken_below_, unacknowledged));
}

LayerId TlsTransport::failed_layer(std::error_code error) const {
  const auto& category = error.category();
  const bool ours = category == error_category() || category == certificate_category() || category == handshake_category() ||
                    category == stream_category();
  return ours || state_ == State::handshaking ? LayerId::tls : below_->failed_layer(error);
}

void TlsTransport::tell(void (mqtt::TransportUser::*event)()) {
  if (user_ != nullptr) (user_->*event)();
}

}  // namespace tapir::tls
