#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>

#include "error_queue.hpp"
#include "file.hpp"
#include "message.hpp"
#include "option_table.hpp"
#include "socket_options.hpp"

namespace tapir::posix::detail {

/// What all kinds of sockets have in common. Calls fail with the errno that Linux gives them; those that a kind does not have fail as there.
class Socket : public File {
 public:
  Socket(Environment& environment, int type, int protocol) noexcept : File{environment}, type_{type}, protocol_{protocol} {}

  [[nodiscard]] Socket* as_socket() noexcept override { return this; }

  [[nodiscard]] virtual Result<> bind(const Endpoint& local) = 0;
  [[nodiscard]] virtual Result<> connect(const Endpoint& remote) = 0;
  /// connect() with AF_UNSPEC.
  [[nodiscard]] virtual Result<> disconnect() = 0;
  [[nodiscard]] virtual Result<> listen(int backlog);
  [[nodiscard]] virtual Result<std::shared_ptr<Socket>> accept();
  [[nodiscard]] virtual Result<std::size_t> send(const Outgoing& message) = 0;
  [[nodiscard]] virtual Result<std::size_t> receive(Incoming& message) = 0;
  [[nodiscard]] virtual Result<> shutdown(int how) = 0;
  [[nodiscard]] virtual Result<Endpoint> local() const = 0;
  [[nodiscard]] virtual Result<Endpoint> peer() const = 0;
  /// What accept() tells of the peer, also of one that has gone again since.
  [[nodiscard]] virtual Endpoint accepted_from() const { return {}; }
  /// The integer that an ioctl() reports. EINVAL, ENOTTY.
  [[nodiscard]] virtual Result<int> ioctl(unsigned long request) = 0;
  /// What has arrived and found no room.
  [[nodiscard]] virtual std::uint64_t dropped() const noexcept { return 0; }
  /// SO_COOKIE: this socket's number, which no other has.
  [[nodiscard]] std::uint64_t cookie() const;
  /// SO_ERROR: the pending error's number, which is no longer pending then.
  [[nodiscard]] virtual int take_error() = 0;
  [[nodiscard]] virtual bool listening() const noexcept { return false; }
  /// The rows of options beyond those of every socket.
  [[nodiscard]] virtual std::span<const Option> own_options() const noexcept { return {}; }
  /// SOF_TIMESTAMPING_*, all of which Linux knows.
  [[nodiscard]] virtual Result<> set_timestamping(std::uint32_t flags);
  /// SIOCGSTAMP: when the latest packet came that was read and whose time was not told otherwise, since 1970. ENOENT: there is none.
  [[nodiscard]] virtual Result<Duration> stamp() const;
  /// IP_RECVERR is taken back: what waits for MSG_ERRQUEUE is forgotten.
  virtual void forget_errors() { errors_.clear(); }
  /// An option in options() has another value.
  virtual void options_changed() {}
  /// The descriptor is gone, or goes: calls that wait return.
  void lose_descriptor() noexcept { closed_ = true; }
  /// Membership of a multicast group. ENOPROTOOPT where there is none.
  [[nodiscard]] virtual Result<> join(IpAddress group);
  [[nodiscard]] virtual Result<> leave(IpAddress group);

  [[nodiscard]] Result<OptionValue> option(int level, int name);
  [[nodiscard]] Result<> set_option(int level, int name, OptionBytes value);
  [[nodiscard]] SocketOptions& options() noexcept { return options_; }
  [[nodiscard]] const SocketOptions& options() const noexcept { return options_; }
  [[nodiscard]] int type() const noexcept { return type_; }
  [[nodiscard]] int protocol() const noexcept { return protocol_; }
  [[nodiscard]] Environment& shared() const noexcept { return environment(); }

 protected:
  /// Whether a call with these flags must not wait.
  [[nodiscard]] bool must_not_wait(int flags) const noexcept { return nonblocking || (flags & MSG_DONTWAIT) != 0; }
  /// Lets the stack go until `done`; EAGAIN at the end of the timeout, EINTR, EBADF when a handler has closed the descriptor meanwhile.
  [[nodiscard]] Result<> wait(const std::function<bool()>& done, std::optional<TimePoint> deadline) const;
  /// The same as a part of closing.
  [[nodiscard]] Result<> wait_though_closed(const std::function<bool()>& done, std::optional<TimePoint> deadline) const;
  [[nodiscard]] std::optional<TimePoint> deadline_after(const std::optional<Duration>& timeout) const;
  /// Whether bind() may take the address.
  [[nodiscard]] Result<> check_local(IpAddress address) const;

  void queue_error(QueuedError queued) const;
  /// MSG_ERRQUEUE. EAGAIN: there is nothing. `pending` is SO_ERROR.
  [[nodiscard]] Result<std::size_t> receive_error(Incoming& message, int& pending);

  SocketOptions options_;
  mutable ErrorQueue errors_;  ///< what has ended a connection is noticed by whoever looks next

 private:
  [[nodiscard]] const Option* find(int level, int name) const noexcept;

  int type_;
  int protocol_;
  mutable std::uint64_t cookie_ = 0;  ///< 0: nobody has asked
  bool closed_ = false;
};

}  // namespace tapir::posix::detail
