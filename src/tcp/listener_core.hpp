#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_set>

#include <tapir/tcp/listener.hpp>

#include "event_queue.hpp"
#include "half_open.hpp"
#include "syn_cookies.hpp"

namespace tapir::tcp::detail {

class ConnectionCore;
class ConnectionRecord;
class Engine;

/// A passive open: its handshakes under way, and the connections that wait to be accepted.
class ListenerCore final : public Notifier, public std::enable_shared_from_this<ListenerCore> {
 public:
  ListenerCore(Engine& engine, const Endpoint& local, AcceptHandler handler, ListenOptions options);

  // What the Listener handle calls.
  [[nodiscard]] Result<Connection> accept();
  void handle(AcceptHandler handler);
  void on_waiting(std::move_only_function<void()> waiting);
  [[nodiscard]] Result<> change(const ListenOptions& options);
  /// The handle is gone: ends listening and resets what nobody accepted.
  void close();
  /// The stack goes.
  void stack_gone();
  [[nodiscard]] const Endpoint& local() const noexcept { return local_; }
  [[nodiscard]] const Settings& settings() const noexcept { return options_.settings; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
  [[nodiscard]] std::size_t half_open() const noexcept { return handshakes_ + put_away_; }

  // What the Engine and the half-open connections call.
  [[nodiscard]] bool may_establish() const noexcept { return waiting_.size() < options_.backlog; }
  [[nodiscard]] bool may_begin() const noexcept { return half_open() < options_.max_half_open; }
  /// Cookies are about: an ACK that belongs to nothing may be the answer to one.
  void cookie_sent(TimePoint now) noexcept { last_cookie_ = now; }
  [[nodiscard]] bool expects_cookie(TimePoint now) const noexcept {
    return last_cookie_ && now - *last_cookie_ <= SynCookies::kLongestLife;
  }
  [[nodiscard]] bool shares_port() const noexcept { return options_.share_port; }
  /// Of the handshakes that begin now.
  [[nodiscard]] std::shared_ptr<const HandshakeKind> handshake_kind();
  /// The stack's: what is left to it is something else from now on.
  void config_changed() noexcept { kind_.reset(); }
  void handshake_begun(ConnectionCore& connection) noexcept;
  /// Nothing, where that of `connection` is not under way.
  void handshake_over(ConnectionCore& connection) noexcept;
  void handshake_put_away(ConnectionCore& connection) noexcept;
  void handshake_taken_up(ConnectionCore& connection) noexcept;
  void established(std::shared_ptr<ConnectionRecord> connection);
  /// Connections that may be given to the application before their handshakes are complete (RFC 7413 section 5.1).
  [[nodiscard]] bool may_open_early(bool any_listener, TimePoint now);
  void opened_early(std::shared_ptr<ConnectionRecord> connection);
  void confirmed(const ConnectionCore& connection) { early_.erase(&connection); }
  /// Without a handshake, by a reset perhaps, which is as easily forged as the SYN was: its place stays taken for a while.
  void ended_early(const ConnectionCore& connection, TimePoint now);
  [[nodiscard]] const std::optional<FastOpenKeys>& fast_open_keys() const noexcept { return options_.fast_open_keys; }
  [[nodiscard]] bool fast_open_without_cookie() const noexcept { return options_.fast_open_without_cookie; }
  void dispatch() override;

 private:
  [[nodiscard]] std::shared_ptr<ConnectionRecord> next();
  void notify();

  Engine* engine_;  ///< nullptr when it does not listen any more
  Endpoint local_;
  ListenOptions options_;
  std::shared_ptr<AcceptHandler> handler_;
  std::shared_ptr<std::move_only_function<void()>> waiting_handler_;
  std::deque<std::shared_ptr<ConnectionRecord>> waiting_;
  std::size_t handshakes_ = 0;                       ///< connections whose handshakes are under way
  std::size_t put_away_ = 0;                         ///< handshakes of which the Engine has what is left
  std::shared_ptr<const HandshakeKind> kind_;        ///< empty: they are of a new one
  std::unordered_set<const ConnectionCore*> early_;  ///< given away, handshake not complete
  std::deque<TimePoint> early_ends_;                 ///< until when each of those that are over counts, too
  std::optional<TimePoint> last_cookie_;
};

}  // namespace tapir::tcp::detail
