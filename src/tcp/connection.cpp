#include <tapir/tcp/connection.hpp>

#include <utility>

#include "connection_core.hpp"

namespace tapir::tcp {

Connection::Connection(std::shared_ptr<detail::ConnectionCore> core) noexcept : core_{std::move(core)} {}
Connection::Connection(Connection&& other) noexcept = default;

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    const auto former = std::exchange(core_, std::move(other.core_));
    if (former != nullptr) former->release();
  }
  return *this;
}

Connection::~Connection() {
  if (core_ != nullptr) core_->release();
}

void Connection::handle(Events events) {
  if (core_ != nullptr) core_->handle(std::move(events));
}

Result<std::size_t> Connection::send(std::span<const std::byte> bytes) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->send(bytes, false);
}

Result<std::size_t> Connection::send_more(std::span<const std::byte> bytes) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->send_more(bytes);
}

Result<std::size_t> Connection::send(Slice slice) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->send(std::move(slice));
}

Result<std::size_t> Connection::send_urgent(std::span<const std::byte> bytes) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->send(bytes, true);
}

Result<std::size_t> Connection::receive(std::span<std::byte> into) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->receive(into);
}

Result<Slice> Connection::receive_slice() {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->receive_slice();
}

std::size_t Connection::peek(std::span<std::byte> into, std::size_t offset) const noexcept {
  return core_ == nullptr ? 0 : core_->peek(into, offset);
}

std::size_t Connection::discard(std::size_t count) { return core_ == nullptr ? 0 : core_->discard(count); }

Result<> Connection::shutdown() {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->shutdown();
}

void Connection::close() {
  if (core_ != nullptr) core_->close();
}

void Connection::abort() {
  if (core_ != nullptr) core_->abort();
}

State Connection::state() const noexcept { return core_ == nullptr ? State::closed : core_->state(); }
Info Connection::info() const { return core_ == nullptr ? Info{} : core_->info(); }
Endpoint Connection::local() const noexcept { return core_ == nullptr ? Endpoint{} : core_->tuple().local; }
Endpoint Connection::remote() const noexcept { return core_ == nullptr ? Endpoint{} : core_->tuple().remote; }
std::size_t Connection::unacknowledged() const noexcept { return core_ == nullptr ? 0 : core_->unacknowledged(); }
std::size_t Connection::unsent() const noexcept { return core_ == nullptr ? 0 : core_->waiting_to_leave(); }
std::size_t Connection::fast_open_room() const noexcept { return core_ == nullptr ? 0 : core_->fast_open_room(); }
std::size_t Connection::send_room() const noexcept { return core_ == nullptr ? 0 : core_->send_room(); }
bool Connection::worth_writing() const noexcept { return core_ != nullptr && core_->worth_writing(); }
std::size_t Connection::unread() const noexcept { return core_ == nullptr ? 0 : core_->unread(); }
bool Connection::peer_closed() const noexcept { return core_ != nullptr && core_->peer_closed(); }
std::error_code Connection::error() const noexcept { return core_ == nullptr ? make_error_code(Error::not_connected) : core_->error(); }

void Connection::set_nagle(bool on) {
  if (core_ != nullptr) core_->set_nagle(on);
}

Result<> Connection::set_keepalive(const Keepalive& keepalive) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->set_keepalive(keepalive);
}

Result<> Connection::set_user_timeout(Duration timeout) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->set_user_timeout(timeout);
}

Result<> Connection::set_user_timeout_option(const UserTimeoutOption& option) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->set_user_timeout_option(option);
}

Result<> Connection::set_mtu_probing(const std::optional<MtuProbing>& probing) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->set_mtu_probing(probing);
}

Result<> Connection::set_congestion_control(std::string_view name) {
  if (core_ == nullptr) return fail(Error::not_connected);
  return core_->set_congestion_control(name);
}

void Connection::set_tos(std::uint8_t tos) {
  if (core_ != nullptr) core_->set_tos(tos);
}

void Connection::set_send_buffer(std::size_t bytes) {
  if (core_ != nullptr) core_->set_send_buffer(bytes);
}

void Connection::set_receive_buffer(std::size_t bytes) {
  if (core_ != nullptr) core_->set_receive_buffer(bytes);
}

void Connection::set_ttl(std::optional<std::uint8_t> ttl) {
  if (core_ != nullptr) core_->set_ttl(ttl);
}

void Connection::set_dont_fragment(std::optional<bool> on) {
  if (core_ != nullptr) core_->set_dont_fragment(on);
}

void Connection::set_cork(bool on) {
  if (core_ != nullptr) core_->set_cork(on);
}

void Connection::set_not_sent_low(std::optional<std::uint32_t> bytes) {
  if (core_ != nullptr) core_->set_not_sent_low(bytes);
}

void Connection::end_record() {
  if (core_ != nullptr) core_->end_record();
}

void Connection::push() {
  if (core_ != nullptr) core_->push();
}

void Connection::set_max_segment(std::optional<std::uint16_t> bytes) {
  if (core_ != nullptr) core_->set_max_segment(bytes);
}

void Connection::set_syn_retries(std::optional<std::uint32_t> retries) {
  if (core_ != nullptr) core_->set_syn_retries(retries);
}

void Connection::set_fin_wait_2_timeout(std::optional<Duration> timeout) {
  if (core_ != nullptr) core_->set_fin_wait_2_timeout(timeout);
}

void Connection::await_room() const {
  if (core_ != nullptr) core_->await_room();
}

void Connection::report_sent(bool on) {
  if (core_ != nullptr) core_->report_sent(on);
}

void Connection::set_quick_ack(bool on) {
  if (core_ != nullptr) core_->set_quick_ack(on);
}

}  // namespace tapir::tcp
