#include <tapir/tcp/connection.hpp>

#include <utility>

#include "connection_core.hpp"
#include "connection_record.hpp"

namespace tapir::tcp {

Connection::Connection(std::shared_ptr<detail::ConnectionRecord> record) noexcept : record_{std::move(record)} {}
Connection::Connection(Connection&& other) noexcept = default;

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    const auto former = std::exchange(record_, std::move(other.record_));
    if (former != nullptr) former->core()->release();
  }
  return *this;
}

Connection::~Connection() {
  if (record_ != nullptr) record_->core()->release();
}

void Connection::handle(Events events) {
  if (record_ != nullptr) record_->core()->handle(std::move(events));
}

[[gnu::hot]] Result<std::size_t> Connection::send(std::span<const std::byte> bytes) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->send(bytes, false);
}

Result<std::size_t> Connection::send_more(std::span<const std::byte> bytes) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->send_more(bytes);
}

[[gnu::hot]] Result<std::size_t> Connection::send(Slice slice) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->send(std::move(slice));
}

Result<std::size_t> Connection::send_urgent(std::span<const std::byte> bytes) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->send(bytes, true);
}

[[gnu::hot]] Result<std::size_t> Connection::receive(std::span<std::byte> into) {
  if (record_ == nullptr) return fail(Error::not_connected);
  if (record_->asleep()) return fail(into.empty() ? Error::invalid_argument : Error::would_block);
  return record_->core()->receive(into);
}

Result<Slice> Connection::receive_slice() {
  if (record_ == nullptr) return fail(Error::not_connected);
  if (record_->asleep()) return fail(Error::would_block);
  return record_->core()->receive_slice();
}

std::size_t Connection::peek(std::span<std::byte> into, std::size_t offset) const noexcept {
  return nothing_queued() ? 0 : record_->core()->peek(into, offset);
}

std::size_t Connection::discard(std::size_t count) { return nothing_queued() ? 0 : record_->core()->discard(count); }

Result<> Connection::shutdown() {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->shutdown();
}

void Connection::close() {
  if (record_ != nullptr) record_->core()->close();
}

void Connection::abort() {
  if (record_ != nullptr) record_->core()->abort();
}

bool Connection::nothing_queued() const noexcept { return record_ == nullptr || record_->asleep(); }

State Connection::state() const noexcept {
  if (record_ == nullptr) return State::closed;
  return record_->asleep() ? State::established : record_->core()->state();
}
Info Connection::info() const { return record_ == nullptr ? Info{} : record_->info(); }
Settings Connection::settings() const { return record_ == nullptr ? Settings{} : record_->core()->settings(); }
Endpoint Connection::local() const noexcept { return record_ == nullptr ? Endpoint{} : record_->tuple().local; }
Endpoint Connection::remote() const noexcept { return record_ == nullptr ? Endpoint{} : record_->tuple().remote; }
std::size_t Connection::unacknowledged() const noexcept { return nothing_queued() ? 0 : record_->core()->unacknowledged(); }
std::size_t Connection::unsent() const noexcept { return nothing_queued() ? 0 : record_->core()->waiting_to_leave(); }
std::size_t Connection::fast_open_room() const noexcept { return nothing_queued() ? 0 : record_->core()->fast_open_room(); }
std::size_t Connection::send_room() const noexcept { return record_ == nullptr ? 0 : record_->core()->send_room(); }
bool Connection::worth_writing() const noexcept { return record_ != nullptr && (record_->asleep() || record_->core()->worth_writing()); }
std::size_t Connection::unread() const noexcept { return nothing_queued() ? 0 : record_->core()->unread(); }
std::uint32_t Connection::urgent_unread() const noexcept { return nothing_queued() ? 0 : record_->core()->urgent_unread(); }
std::optional<TimePoint> Connection::arrived_at(std::size_t offset) const noexcept {
  return nothing_queued() ? std::nullopt : record_->core()->arrived_at(offset);
}
bool Connection::peer_closed() const noexcept { return !nothing_queued() && record_->core()->peer_closed(); }
const HandshakeError* Connection::handshake_error() const noexcept {
  return record_ == nullptr || record_->asleep() ? nullptr : record_->core()->handshake_error();
}
std::error_code Connection::error() const noexcept {
  if (record_ == nullptr) return Error::not_connected;
  return record_->asleep() ? std::error_code{} : record_->core()->error();
}

void Connection::set_nagle(bool on) {
  if (record_ != nullptr) record_->core()->set_nagle(on);
}

Result<> Connection::set_keepalive(const Keepalive& keepalive) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->set_keepalive(keepalive);
}

Result<> Connection::set_user_timeout(std::optional<Duration> timeout) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->set_user_timeout(timeout);
}

Result<> Connection::set_user_timeout_option(const UserTimeoutOption& option) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->set_user_timeout_option(option);
}

Result<> Connection::set_mtu_probing(const std::optional<MtuProbing>& probing) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->set_mtu_probing(probing);
}

Result<> Connection::set_congestion_control(std::string_view name) {
  if (record_ == nullptr) return fail(Error::not_connected);
  return record_->core()->set_congestion_control(name);
}

void Connection::set_tos(std::uint8_t tos) {
  if (record_ != nullptr) record_->core()->set_tos(tos);
}

void Connection::set_send_buffer(std::size_t bytes) {
  if (record_ != nullptr) record_->core()->set_send_buffer(bytes);
}

void Connection::set_receive_buffer(std::size_t bytes) {
  if (record_ != nullptr) record_->core()->set_receive_buffer(bytes);
}

void Connection::set_ttl(std::optional<std::uint8_t> ttl) {
  if (record_ != nullptr) record_->core()->set_ttl(ttl);
}

void Connection::set_dont_fragment(std::optional<bool> on) {
  if (record_ != nullptr) record_->core()->set_dont_fragment(on);
}

void Connection::set_max_pacing_rate(std::optional<std::uint64_t> bytes_per_second) {
  if (record_ != nullptr) record_->core()->set_max_pacing_rate(bytes_per_second);
}

void Connection::set_window_clamp(std::optional<std::uint32_t> bytes) {
  if (record_ != nullptr) record_->core()->set_window_clamp(bytes);
}

void Connection::set_minimum_ttl(std::uint8_t ttl) {
  if (record_ != nullptr) record_->core()->set_minimum_ttl(ttl);
}

void Connection::set_time_arrivals(bool on) {
  if (record_ != nullptr) record_->core()->set_time_arrivals(on);
}

void Connection::set_cork(bool on) {
  if (record_ != nullptr) record_->core()->set_cork(on);
}

void Connection::set_not_sent_low(std::optional<std::uint32_t> bytes) {
  if (record_ != nullptr) record_->core()->set_not_sent_low(bytes);
}

void Connection::end_record() {
  if (record_ != nullptr) record_->core()->end_record();
}

void Connection::push() {
  if (record_ != nullptr) record_->core()->push();
}

void Connection::set_max_segment(std::optional<std::uint16_t> bytes) {
  if (record_ != nullptr) record_->core()->set_max_segment(bytes);
}

void Connection::set_syn_retries(std::optional<std::uint32_t> retries) {
  if (record_ != nullptr) record_->core()->set_syn_retries(retries);
}

void Connection::set_fin_wait_2_timeout(std::optional<Duration> timeout) {
  if (record_ != nullptr) record_->core()->set_fin_wait_2_timeout(timeout);
}

void Connection::await_room() const {
  if (record_ != nullptr) record_->core()->await_room();
}

void Connection::report_sent(bool on) {
  if (record_ != nullptr) record_->core()->report_sent(on);
}

void Connection::set_quick_ack(bool on) {
  if (record_ != nullptr) record_->core()->set_quick_ack(on);
}

}  // namespace tapir::tcp
