#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/listener.hpp>

#include "inheritance.hpp"
#include "port_book.hpp"
#include "socket.hpp"
#include "tcp_options.hpp"
#include "transmit_timestamps.hpp"
#include "zero_copy.hpp"

namespace tapir::posix::detail {

/// SOCK_STREAM: a TCP socket in the terms of man 7 tcp. It is a listener, or has a connection, or neither yet.
class StreamSocket final : public Socket {
 public:
  explicit StreamSocket(Environment& environment);
  ~StreamSocket() override;

  // Opening and closing: stream_socket.cpp
  [[nodiscard]] Result<> bind(const Endpoint& local) override;
  [[nodiscard]] Result<> connect(const Endpoint& remote) override;
  [[nodiscard]] Result<> disconnect() override {
    ++disconnects_;
    return become_unconnected();
  }
  [[nodiscard]] Result<> listen(int backlog) override;
  [[nodiscard]] Result<std::shared_ptr<Socket>> accept() override;
  [[nodiscard]] Result<> shutdown(int how) override;
  void close() override;
  [[nodiscard]] bool close_without_waiting(const std::function<void()>& closed) override;
  /// The second half of close(): what it had to wait for has come, or will not.
  void finish_close();
  /// Whether that is still to come: that the peer has got everything, our FIN as well.
  [[nodiscard]] bool lingers() const noexcept;
  /// From now on nothing but this is called: when lingers() may have become false.
  void on_progress_of_close(const std::function<void()>& handler);

  // Bytes: stream_transfer.cpp, stream_urgent.cpp
  [[nodiscard]] Result<std::size_t> send(const Outgoing& message) override;
  [[nodiscard]] Result<std::size_t> receive(Incoming& message) override;

  // What it says of itself: stream_status.cpp
  [[nodiscard]] std::uint32_t readiness() const override;
  [[nodiscard]] Result<Endpoint> local() const override;
  [[nodiscard]] Result<Endpoint> peer() const override;
  [[nodiscard]] Endpoint accepted_from() const override { return connection_.remote(); }
  [[nodiscard]] Result<int> ioctl(unsigned long request) override;
  [[nodiscard]] int take_error() override;
  [[nodiscard]] bool listening() const noexcept override { return listening_; }
  /// As the connection has it; TIME-WAIT, which outlives the socket's part in it, is CLOSED.
  [[nodiscard]] tcp::State state() const noexcept;
  [[nodiscard]] tcp::Info info() const { return connection_.info(); }
  /// What the stack begins with: segments that may overtake one before it counts as lost.
  [[nodiscard]] std::uint32_t reordering_degree() const;
  [[nodiscard]] std::size_t waiting() const noexcept { return listener_.waiting(); }

  // Options: stream_options.cpp
  [[nodiscard]] std::span<const Option> own_options() const noexcept override { return tcp_level_options(); }
  void options_changed() override;
  [[nodiscard]] TcpOptions& tcp() noexcept { return tcp_; }
  /// What Nagle or a cork holds back leaves now.
  void push() { connection_.push(); }
  /// Whether the stack lets clients use Fast Open: stream_fast_open.cpp
  [[nodiscard]] bool fast_open_enabled() const;
  [[nodiscard]] std::string congestion_control() const;
  /// ENOENT: there is no such algorithm.
  [[nodiscard]] Result<> set_congestion_control(const std::string& name);
  void set_quick_ack(bool on) { connection_.set_quick_ack(on); }
  void forget_errors() override;
  /// EINVAL: octets cannot be numbered where there is no stream.
  [[nodiscard]] Result<> set_timestamping(std::uint32_t flags) override;

 private:
  [[nodiscard]] Sharing sharing() const noexcept { return {.address = options_.reuse_address, .port = options_.reuse_port}; }
  /// Now, by the stack's clock.
  [[nodiscard]] TimePoint now() const;
  enum class Phase : std::uint8_t {
    unconnected,
    deferred,  ///< connect() has been called, nothing sent yet (TCP_FASTOPEN_CONNECT)
    connecting,
    connected
  };
  /// What one step of a receive call came to.
  struct Step {
    std::size_t copied = 0;
    bool at_mark = false;  ///< it ends before an urgent octet
  };

  // stream_socket.cpp
  [[nodiscard]] Result<> claim(const Endpoint& local);
  [[nodiscard]] tcp::ListenOptions to_listen_options(std::size_t backlog) const;
  [[nodiscard]] Result<> open(const Endpoint& remote, bool fast_open);
  [[nodiscard]] Result<> await_handshake(bool first, int flags);
  void adopt(tcp::Connection connection);
  [[nodiscard]] Result<> become_unconnected();
  /// As wait(). EPIPE, as Linux has it, when connect() with AF_UNSPEC has taken the connection away meanwhile: there may be another one.
  [[nodiscard]] Result<> wait_on_connection(const std::function<bool()>& done, std::optional<TimePoint> deadline) const;
  void forget_connection();
  void hear(const tcp::SoftError& soft);
  [[nodiscard]] bool begin_close();
  [[nodiscard]] std::optional<TimePoint> end_of_lingering() const {
    return deadline_after(std::chrono::seconds{options_.lingering.l_linger});
  }
  [[nodiscard]] bool handshaking() const noexcept;
  /// Takes note of an end of the connection that has come since the last call.
  void sync() const;

  // stream_transfer.cpp
  [[nodiscard]] Result<> may_send(int flags, std::optional<TimePoint> deadline);
  [[nodiscard]] Result<> wait_to_send(const std::function<bool()>& done, std::optional<TimePoint> deadline);
  [[nodiscard]] Result<> await_room(int flags, std::optional<TimePoint> deadline);
  [[nodiscard]] Result<std::size_t> send_part(std::span<const std::byte> bytes, int flags, bool last, std::optional<TimePoint> deadline);
  [[nodiscard]] Result<std::size_t> send_parts(const Outgoing& message);
  [[nodiscard]] Result<std::size_t> receive_bytes(Incoming& message);
  [[nodiscard]] Result<std::size_t> receive_report(Incoming& message);
  [[nodiscard]] Result<std::size_t> receive_timestamp(const TransmitTimestamps::Report& report, Incoming& message) const;
  [[nodiscard]] bool copies_nothing(const Outgoing& message) const noexcept;
  [[nodiscard]] Step receive_step(Incoming& message, std::size_t copied, std::size_t& peeked);
  [[nodiscard]] std::size_t take(Incoming& message, std::size_t copied, std::size_t most, std::size_t& peeked);
  [[nodiscard]] std::optional<Result<std::size_t>> end_of_reading();
  void note_read(int flags, std::size_t count);
  [[nodiscard]] bool nothing_more_comes() const;
  [[nodiscard]] std::error_code stream_error();

  // stream_fast_open.cpp
  [[nodiscard]] bool may_defer(const Endpoint& remote) const;
  [[nodiscard]] Result<Endpoint> opening_to(const Outgoing& message) const;
  [[nodiscard]] std::size_t queue_opening(const Outgoing& message);
  [[nodiscard]] Result<std::size_t> send_opening(const Outgoing& message);
  [[nodiscard]] Result<std::size_t> send_behind(const Outgoing& message, std::size_t queued);

  // stream_urgent.cpp
  [[nodiscard]] Result<std::size_t> receive_urgent(Incoming& message);
  /// Octets up to the urgent one, from the next to be read; empty: none is known of.
  [[nodiscard]] std::optional<std::size_t> octets_to_urgent() const;
  [[nodiscard]] bool urgent_taken(std::size_t distance) const noexcept { return urgent_taken_ == consumed_ + distance + 1; }

  // stream_options.cpp
  /// Tells the connection of what has changed, and of nothing else: some of it has effects of its own.
  void apply(const tcp::Settings& former, const tcp::Settings& now);

  // stream_status.cpp
  [[nodiscard]] bool writable() const;
  [[nodiscard]] std::size_t readable_at_least() const;
  void acknowledged();
  void left();

  TcpOptions tcp_;
  SocketOptions applied_;  ///< what the connection was told
  TcpOptions tcp_applied_;
  std::unique_ptr<Claim> claim_;
  tcp::Listener listener_;
  tcp::ListenOptions listen_options_;
  Inheritance inheritance_;
  tcp::Connection connection_;
  Phase phase_ = Phase::unconnected;
  std::uint32_t disconnects_ = 0;  ///< calls of connect() with AF_UNSPEC
  Endpoint deferred_to_;           ///< meaningful in Phase::deferred
  bool listening_ = false;
  bool port_bound_ = false;  ///< by bind(), so it survives a disconnect
  IpAddress bound_address_;  ///< what bind() said
  Port former_port_;         ///< what getsockname() tells when the port is given back

  std::uint64_t queued_ = 0;  ///< octets written into the stream
  ZeroCopy zero_copy_;
  TransmitTimestamps timestamps_;
  std::uint64_t consumed_ = 0;      ///< octets read from the stream
  std::uint64_t urgent_taken_ = 0;  ///< one past the octet that MSG_OOB has read last, in octets of the stream

  // Linux' sk_err and sk_shutdown. Mutable: an end of the connection is noticed by whoever looks next.
  mutable int error_ = 0;
  mutable bool end_seen_ = false;
  mutable bool receive_shut_ = false;
  mutable bool send_shut_ = false;
  mutable bool wants_room_ = false;  ///< somebody has found it not writable
};

}  // namespace tapir::posix::detail
