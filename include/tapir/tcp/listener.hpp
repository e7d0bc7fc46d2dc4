#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>
#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/settings.hpp>

namespace tapir::tcp {

namespace detail {
class ListenerCore;
}

/// Gets every connection whose handshake is complete. It may destroy the listener.
using AcceptHandler = std::move_only_function<void(Connection)>;

/// A passive open. A move-only handle: destroying it ends listening and resets connections that nobody accepted; accepted ones are
/// unaffected. It may outlive its stack: nobody connects any more then. One thread.
class Listener {
 public:
  Listener() noexcept = default;
  explicit Listener(std::shared_ptr<detail::ListenerCore> core) noexcept;
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  /// The oldest connection that waits. Error::would_block when none does, Error::not_connected when this does not listen.
  [[nodiscard]] Result<Connection> accept();
  /// Gives connections to `handler` from now on, those that wait included. An empty one: they wait for accept().
  void handle(AcceptHandler handler);
  /// Calls `waiting` from now on when a connection has begun to wait for accept(), and now when one does already. Without effect while
  /// there is an AcceptHandler.
  void on_waiting(std::move_only_function<void()> waiting);
  /// Other limits, and settings for the connections to come. Error::invalid_argument for an option outside its range.
  Result<> change(const ListenOptions& options);
  /// Where it listens; the address may be unspecified: any.
  [[nodiscard]] Endpoint local() const noexcept;
  /// Established connections that wait for accept().
  [[nodiscard]] std::size_t waiting() const noexcept;
  /// Handshakes under way.
  [[nodiscard]] std::size_t half_open() const noexcept;

 private:
  std::shared_ptr<detail::ListenerCore> core_;
};

}  // namespace tapir::tcp
