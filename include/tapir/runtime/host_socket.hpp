#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/destruction.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/runtime/runtime.hpp>

namespace tapir {

/// getaddrinfo's errors (EAI_NONAME, …) in words. Each is std::errc::host_unreachable in meaning.
[[nodiscard]] const std::error_category& resolver_category() noexcept;

/// What a HostSocket tells. Called from the runtime's loop, never from inside a call of the socket's. Each may destroy the socket.
struct HostSocketEvents {
  std::move_only_function<void()> connected = {};
  std::move_only_function<void()> readable = {};      ///< more can be received, perhaps the end of the stream
  std::move_only_function<void()> writable = {};      ///< send() takes bytes again
  std::move_only_function<void()> acknowledged = {};  ///< unacknowledged() went down
  /// There is no connection any more: in order after close() (no error), or why it failed.
  std::move_only_function<void(std::error_code)> closed = {};
};

/// A TCP connection of the kernel's to a host by name or address, IPv4 or IPv6, for programs that want no stack of their own. The name is
/// looked up on a thread of its own, for getaddrinfo(3) blocks; the addresses found are tried in their order. Belongs to the runtime's
/// thread, and the runtime outlives it.
class HostSocket final : DescriptorUser {
 public:
  /// `local`: the address of this host to connect from, IPv4 or IPv6; empty: the kernel chooses. Addresses of the peer's that are of the
  /// other family are passed over then.
  HostSocket(Runtime& runtime, std::string host, Port port, std::string local = {});
  HostSocket(const HostSocket&) = delete;
  HostSocket& operator=(const HostSocket&) = delete;
  /// As abort().
  ~HostSocket() override;

  void handle(HostSocketEvents events) { events_ = std::move(events); }
  /// `connected` or `closed` follows. Error::already_connected, invalid_argument when `local` is no address, address_not_available when the
  /// peer has none of its family, or the system's error when it cannot even start.
  [[nodiscard]] Result<> connect();
  /// Takes bytes and says how many: fewer than given, or 0, when the kernel's buffer is full. Error::not_connected, connection_closed after
  /// close(), or the system's error.
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes);
  /// Bytes received; 0: the peer has ended the stream. Error::would_block, not_connected, or the system's error.
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into);
  /// Ends the sending direction; what the peer still sends is thrown away until it ends too, and `closed` follows. Nothing without a
  /// connection.
  void close();
  /// Resets the connection at once. No event follows.
  void abort();
  /// Bytes that send() took and the peer's TCP has not acknowledged (SIOCOUTQ). The kernel does not tell when that changes: while there are
  /// any, it is asked every 1 to 100 ms.
  [[nodiscard]] std::size_t unacknowledged() const;
  /// "host:port", as given.
  [[nodiscard]] std::string peer() const;

 private:
  struct Lookup;
  struct Address;
  enum class State : std::uint8_t { idle, resolving, connecting, open, closing };

  void on_ready(bool input, bool output, bool failed) override;
  void on_resolved(std::error_code error, std::vector<Address> addresses);
  [[nodiscard]] Result<> try_addresses();
  [[nodiscard]] Result<> try_address(const Address& address);
  [[nodiscard]] Result<> bind_local(const Address& remote) const;
  void on_connecting();
  void drain_unwanted();
  void want(bool input, bool output);
  void drop();
  void finish(std::error_code error);
  void on_acknowledgment_timer();
  void on_close_timer();

  Runtime& runtime_;
  std::string host_;
  Port port_;
  std::string local_;
  HostSocketEvents events_;
  std::shared_ptr<Lookup> lookup_;  ///< under way
  std::vector<Address> addresses_;  ///< those not tried yet, the next one last
  int fd_ = -1;
  State state_ = State::idle;
  bool wants_input_ = false;
  bool wants_output_ = false;
  bool received_ = false;  ///< receive() was called since input was told of
  bool ended_ = false;     ///< the peer's stream is read to its end
  std::size_t outstanding_ = 0;
  Duration ask_again_{};
  Timer acknowledgment_timer_;
  Timer close_timer_;
  Destruction destruction_;
};

}  // namespace tapir
