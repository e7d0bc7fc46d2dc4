#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <system_error>

#include <tapir/core/error.hpp>
#include <tapir/core/observer.hpp>

namespace tapir::mqtt {

/// What a transport tells its user. Never called from inside one of the transport's own methods. The transport may be destroyed in any of
/// these calls.
class TransportUser {
 public:
  virtual ~TransportUser() = default;
  virtual void on_open() = 0;          ///< bytes can be sent now
  virtual void on_readable() = 0;      ///< receive() has something, perhaps the end of the stream
  virtual void on_writable() = 0;      ///< send() takes bytes again
  virtual void on_acknowledged() = 0;  ///< unacknowledged() went down
  /// The transport is closed; open() may start anew. Empty error: in order.
  virtual void on_closed(std::error_code error) = 0;
};

/// An ordered, lossless stream of bytes in both directions (MQTT 3.1.1 section 4.2): our TCP, TLS, a host socket, or a test's script.
class Transport {
 public:
  virtual ~Transport() = default;

  /// Who is told; must outlive the transport or be replaced.
  virtual void attach(TransportUser* user) noexcept = 0;
  /// Starts a connection; on_open or on_closed follows. already_connected, or why it cannot even start.
  [[nodiscard]] virtual Result<> open() = 0;
  /// Takes bytes to send and says how many; fewer than given, 0 or would_block when its buffer is full: on_writable follows.
  [[nodiscard]] virtual Result<std::size_t> send(std::span<const std::byte> bytes) = 0;
  /// Bytes received; 0: the peer ended the stream; would_block: nothing is there, on_readable follows.
  [[nodiscard]] virtual Result<std::size_t> receive(std::span<std::byte> into) = 0;
  /// Asked behind receive(). True: that has read enough for one turn of the loop, and may have left more, of which no on_readable tells, though it said
  /// would_block: it is to be called again in another turn. For transports that read much to give little, as those with frames or records of their own.
  [[nodiscard]] virtual bool has_more() const { return false; }
  /// Ends the stream in order, behind everything that send() took; on_closed follows. Calling it again does nothing.
  virtual void close() = 0;
  /// Gives the connection up at once, if there is one. No callback follows.
  virtual void abort() = 0;
  /// Bytes that send() took and the peer has not acknowledged.
  [[nodiscard]] virtual std::size_t unacknowledged() const = 0;
  /// Whom it connects to, for people: "192.0.2.1:1883".
  [[nodiscard]] virtual std::string peer() const = 0;
  /// The layer that failed when open() or the stream did with `error`, or when on_open has not come until now (Error::timed_out).
  [[nodiscard]] virtual LayerId failed_layer(std::error_code error) const {
    const bool unreachable = error == std::errc::host_unreachable || error == std::errc::network_unreachable;
    return unreachable ? LayerId::ipv4 : LayerId::tcp;
  }
};

}  // namespace tapir::mqtt
