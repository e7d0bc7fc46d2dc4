#include "listener_core.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "connection_core.hpp"
#include "connection_record.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::chrono::seconds kEarlyEndCounts{60};  // as Linux has it
}

ListenerCore::ListenerCore(Engine& engine, const Endpoint& local, AcceptHandler handler, ListenOptions options)
    : engine_{&engine}, local_{local}, options_{std::move(options)} {
  if (handler) handler_ = std::make_shared<AcceptHandler>(std::move(handler));
}

Result<Connection> ListenerCore::accept() {
  if (engine_ == nullptr) return fail(Error::not_connected);
  if (waiting_.empty()) return fail(Error::would_block);
  return Connection{next()};
}

void ListenerCore::handle(AcceptHandler handler) {
  handler_ = handler ? std::make_shared<AcceptHandler>(std::move(handler)) : nullptr;
  notify();
}

void ListenerCore::on_waiting(std::move_only_function<void()> waiting) {
  waiting_handler_ = waiting ? std::make_shared<std::move_only_function<void()>>(std::move(waiting)) : nullptr;
  notify();
}

Result<> ListenerCore::change(const ListenOptions& options) {
  if (!in_range(options) || (engine_ != nullptr && !engine_->may_use(options.settings))) return fail(Error::invalid_argument);
  options_ = options;
  kind_.reset();
  return {};
}

std::shared_ptr<const HandshakeKind> ListenerCore::handshake_kind() {
  if (kind_ == nullptr) {
    kind_ = std::make_shared<const HandshakeKind>(
        HandshakeKind{.listener = weak_from_this(), .settings = engine_->share(options_.settings), .defer_accept = options_.defer_accept});
  }
  return kind_;
}

void ListenerCore::close() {
  if (engine_ == nullptr) return;
  const auto self = shared_from_this();
  engine_->make_handshakes_whole(this);
  Engine& engine = *std::exchange(engine_, nullptr);
  engine.forget(*this);
  handler_.reset();
  waiting_handler_.reset();
  const auto unaccepted = std::exchange(waiting_, {});
  for (const auto& connection : unaccepted) connection->core()->abort();
  if (handshakes_ == 0) return;
  // A look at every connection: a listener pays for it once, at its end, and no connection for being in a list of them.
  auto handshakes = engine.handshakes_of(*this);
  // In an order of their own: a run repeats exactly.
  std::ranges::sort(handshakes, {}, [](const auto& one) { return std::pair{one->tuple().remote, one->tuple().local}; });
  for (const auto& connection : handshakes) connection->abort();
}

void ListenerCore::stack_gone() {
  engine_ = nullptr;
  handler_.reset();
  waiting_handler_.reset();
  waiting_.clear();
  handshakes_ = put_away_ = 0;
}

void ListenerCore::handshake_begun(ConnectionCore& connection) noexcept {
  if (!connection.set_handshaking(true)) ++handshakes_;
}

void ListenerCore::handshake_over(ConnectionCore& connection) noexcept {
  if (connection.set_handshaking(false)) --handshakes_;
}

void ListenerCore::handshake_put_away(ConnectionCore& connection) noexcept {
  ++put_away_;
  handshake_over(connection);
}

void ListenerCore::handshake_taken_up(ConnectionCore& connection) noexcept {
  handshake_begun(connection);
  --put_away_;
}

void ListenerCore::established(std::shared_ptr<ConnectionRecord> connection) {
  handshake_over(*connection->core());
  waiting_.push_back(std::move(connection));
  notify();
}

bool ListenerCore::may_open_early(bool any_listener, TimePoint now) {
  while (!early_ends_.empty() && early_ends_.front() <= now) early_ends_.pop_front();
  const std::size_t limit = options_.fast_open_backlog == 0 && any_listener ? options_.backlog : options_.fast_open_backlog;
  return early_.size() + early_ends_.size() < limit;
}

void ListenerCore::opened_early(std::shared_ptr<ConnectionRecord> connection) {
  early_.insert(connection->core().get());
  waiting_.push_back(std::move(connection));
  notify();
}

void ListenerCore::ended_early(const ConnectionCore& connection, TimePoint now) {
  if (early_.erase(&connection) > 0) early_ends_.push_back(now + kEarlyEndCounts);
}

void ListenerCore::dispatch() {
  const auto self = shared_from_this();
  // The handler may replace itself, destroy the listener, or call accept(). When it throws the others have their turn later.
  try {
    while (engine_ != nullptr && handler_ != nullptr && !waiting_.empty()) {
      const auto handler = handler_;
      (*handler)(Connection{next()});
    }
  } catch (...) {
    notify();
    throw;
  }
  if (const auto waiting = waiting_handler_; waiting != nullptr && !waiting_.empty()) (*waiting)();
}

std::shared_ptr<ConnectionRecord> ListenerCore::next() {
  auto connection = std::move(waiting_.front());
  waiting_.pop_front();
  connection->core()->leave_listener();
  return connection;
}

void ListenerCore::notify() {
  if (engine_ == nullptr || (handler_ == nullptr && waiting_handler_ == nullptr) || waiting_.empty()) return;
  engine_->events()->add(*this);
}

}  // namespace tapir::tcp::detail
