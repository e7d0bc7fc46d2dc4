#include <tapir/tcp/listener.hpp>

#include <utility>

#include "listener_core.hpp"

namespace tapir::tcp {

Listener::Listener(std::shared_ptr<detail::ListenerCore> core) noexcept : core_{std::move(core)} {}
Listener::Listener(Listener&& other) noexcept = default;

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this != &other) {
    const auto former = std::exchange(core_, std::move(other.core_));
    if (former != nullptr) former->close();
  }
  return *this;
}

Listener::~Listener() {
  if (core_ != nullptr) core_->close();
}

Result<Connection> Listener::accept() {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->accept();
}

void Listener::handle(AcceptHandler handler) {
  if (core_ != nullptr) core_->handle(std::move(handler));
}

void Listener::on_waiting(std::move_only_function<void()> waiting) {
  if (core_ != nullptr) core_->on_waiting(std::move(waiting));
}

Result<> Listener::change(const ListenOptions& options) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->change(options);
}

Endpoint Listener::local() const noexcept { return core_ == nullptr ? Endpoint{} : core_->local(); }
std::size_t Listener::waiting() const noexcept { return core_ == nullptr ? 0 : core_->waiting(); }
std::size_t Listener::half_open() const noexcept { return core_ == nullptr ? 0 : core_->half_open(); }

}  // namespace tapir::tcp
