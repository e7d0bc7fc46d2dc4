#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include <tapir/core/destruction.hpp>
#include <tapir/mqtt/record_log.hpp>
#include <tapir/mqtt/transport.hpp>
#include <tapir/tls/client_context.hpp>
#include <tapir/tls/error.hpp>

namespace tapir::tls {

/// What a handshake led to.
struct ConnectionInfo {
  std::string version;   ///< "TLSv1.3"
  std::string cipher;    ///< "TLS_AES_256_GCM_SHA384"
  std::string alpn;      ///< the protocol that the server chose; empty: none
  bool resumed = false;  ///< a session was resumed, or a pre-shared key used: no certificate was sent
};

/// The client's end of TLS 1.2 or 1.3 over any other transport, by OpenSSL over memory: no system call but those by which OpenSSL gets its
/// random numbers and, for the certificates' validity, the time.
///
/// on_open comes when the server is authenticated. on_closed before that tells why not: Failure::certificate_refused, refused_by_peer,
/// handshake_failed. Later, an end of stream without close_notify is Error::truncated from receive(). close() sends close_notify.
class TlsTransport final : public mqtt::Transport, mqtt::TransportUser {
 public:
  TlsTransport(ClientContext context, std::unique_ptr<mqtt::Transport> below);
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;
  ~TlsTransport() override;

  void attach(mqtt::TransportUser* user) noexcept override { user_ = user; }
  [[nodiscard]] Result<> open() override;
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override;
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override;
  [[nodiscard]] bool has_more() const override { return state_ == State::open && (more_ || below_->has_more()); }
  void close() override;
  void abort() override;
  [[nodiscard]] std::size_t unacknowledged() const override { return records_.unacknowledged(); }
  [[nodiscard]] std::string peer() const override { return below_->peer(); }
  [[nodiscard]] LayerId failed_layer(std::error_code error) const override;

  /// Of the connection there is, from on_open on; empty without one.
  [[nodiscard]] ConnectionInfo info() const;

 private:
  class Ssl;
  enum class State : std::uint8_t {
    closed,
    opening,  ///< the transport below connects
    handshaking,
    open,
    closing,  ///< close_notify is on its way
    failed,   ///< the stream broke; error_ says why
  };

  void on_open() override;
  void on_readable() override;
  void on_writable() override;
  void on_acknowledged() override;
  void on_closed(std::error_code error) override;

  void handshake();
  void fail_handshake(std::error_code error);
  [[nodiscard]] std::unexpected<std::error_code> break_stream(std::error_code error);
  [[nodiscard]] Result<std::size_t> pull();
  [[nodiscard]] Result<> flush();
  void finish_closing();
  void note_acknowledged();
  void tell(void (mqtt::TransportUser::*event)());

  ClientContext context_;
  std::unique_ptr<mqtt::Transport> below_;
  mqtt::TransportUser* user_ = nullptr;
  std::unique_ptr<Ssl> ssl_;
  State state_ = State::closed;
  std::error_code error_;
  bool more_ = false;               ///< receive() has read enough for one turn: see has_more()
  bool below_ended_ = false;        ///< the stream below has no more bytes for us
  bool user_waits_ = false;         ///< send() took less than it was given
  bool reading_waits_ = false;      ///< receive() has put off reading until output has left
  unsigned pieces_ = 0;             ///< read from below since the handshake, over calls of receive(): many small ones are much, too
  std::size_t handshake_size_ = 0;  ///< bytes of the peer's
  std::uint64_t taken_below_ = 0;   ///< bytes that the transport below took
  mqtt::RecordLog records_;
  Destruction destruction_;
};

}  // namespace tapir::tls
