#include <tapir/runtime/host_socket.hpp>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include <tapir/link/system_error.hpp>

#include "host_lookup.hpp"

namespace tapir {

namespace {

using namespace std::chrono_literals;

constexpr Duration kAskSoon = 1ms;
constexpr Duration kAskLate = 100ms;
constexpr int kUnwantedAtOnce = 64;  ///< reads before the loop has its turn, for a peer that never pauses

using link::system_error;

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

HostSocket::HostSocket(Runtime& runtime, std::string host, Port port, std::string local)
    : runtime_{runtime},
      host_{std::move(host)},
      port_{port},
      local_{std::move(local)},
      acknowledgment_timer_{Timer::calling<&HostSocket::on_acknowledgment_timer>(runtime.scheduler(), *this)},
      close_timer_{Timer::calling<&HostSocket::on_close_timer>(runtime.scheduler(), *this)} {}

HostSocket::~HostSocket() { abort(); }

Result<> HostSocket::connect() {
  if (state_ != State::idle) return fail(Error::already_connected);
  if (!local_.empty() && Lookup::numeric(local_, Port{}).empty()) return fail(Error::invalid_argument);
  ended_ = false;
  outstanding_ = 0;
  addresses_ = Lookup::numeric(host_, port_);
  std::ranges::reverse(addresses_);
  if (!addresses_.empty()) return try_addresses();
  auto lookup = Lookup::start(runtime_, *this, host_, port_);
  if (!lookup) return fail(lookup.error());
  lookup_ = std::move(*lookup);
  state_ = State::resolving;
  return {};
}

void HostSocket::on_resolved(std::error_code error, std::vector<Address> addresses) {
  lookup_.reset();
  if (error) return finish(error);
  addresses_ = std::move(addresses);
  std::ranges::reverse(addresses_);
  if (const auto tried = try_addresses(); !tried) finish(tried.error());
}

/// Begins a connection to the first address that lets it begin; otherwise the last one's error.
Result<> HostSocket::try_addresses() {
  Result<> outcome = fail(Error::address_not_available);
  while (!addresses_.empty()) {
    const Address next = addresses_.back();
    addresses_.pop_back();
    outcome = try_address(next);
    if (outcome) {
      state_ = State::connecting;
      return outcome;
    }
    drop();
  }
  return outcome;
}

Result<> HostSocket::try_address(const Address& address) {
  fd_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return fail(system_error());
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // packets are gathered before they come here
  if (const auto bound = bind_local(address); !bound) return bound;
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.size) < 0 && errno != EINPROGRESS)
    return fail(system_error());
  wants_input_ = false;
  wants_output_ = true;
  return runtime_.watch(fd_, *this, {.input = false, .output = true});
}

Result<> HostSocket::bind_local(const Address& remote) const {
  if (local_.empty()) return {};
  for (const Address& local : Lookup::numeric(local_, Port{})) {
    if (local.storage.ss_family != remote.storage.ss_family) continue;
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));  // the port is chosen when the peer is known
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&local.storage), local.size) < 0) return fail(system_error());
    return {};
  }
  return fail(Error::address_not_available);
}

Result<std::size_t> HostSocket::send(std::span<const std::byte> bytes) {
  if (state_ == State::closing) return fail(Error::connection_closed);
  if (state_ != State::open) return fail(Error::not_connected);
  const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && !would_block(errno)) return fail(system_error());
  const auto taken = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
  if (taken < bytes.size()) want(wants_input_, true);
  outstanding_ += taken;
  if (taken > 0) {
    ask_again_ = kAskSoon;
    acknowledgment_timer_.arm_after(ask_again_);
  }
  return taken;
}

Result<std::size_t> HostSocket::receive(std::span<std::byte> into) {
  if (state_ == State::closing) return fail(Error::connection_closed);
  if (state_ != State::open) return fail(Error::not_connected);
  received_ = true;
  want(true, wants_output_);  // what is left there is told again
  const auto got = ::recv(fd_, into.data(), into.size(), 0);
  if (got < 0 && would_block(errno)) return fail(Error::would_block);
  if (got < 0) return fail(system_error());
  ended_ = ended_ || (got == 0 && !into.empty());
  return static_cast<std::size_t>(got);
}

void HostSocket::close() {
  if (state_ == State::idle || state_ == State::closing) return;
  const bool was_open = state_ == State::open;
  state_ = State::closing;
  if (was_open && ::shutdown(fd_, SHUT_WR) == 0 && !ended_) return want(true, false);
  if (!was_open) drop();
  close_timer_.arm_at(runtime_.scheduler().now());
}

void HostSocket::abort() {
  if (fd_ >= 0) {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  }
  drop();
  addresses_.clear();
  state_ = State::idle;
}

std::size_t HostSocket::unacknowledged() const {
  int waiting = 0;
  if (fd_ < 0 || ::ioctl(fd_, SIOCOUTQ, &waiting) < 0) return 0;
  return static_cast<std::size_t>(std::max(waiting, 0));
}

std::string HostSocket::peer() const {
  return host_.contains(':') ? fmt::format("[{}]:{}", host_, port_.value()) : fmt::format("{}:{}", host_, port_.value());
}

void HostSocket::on_ready(bool input, bool output, bool failed) {
  if (state_ == State::connecting) return on_connecting();
  if (state_ == State::closing) return drain_unwanted();
  if (failed && !wants_input_) {  // nobody reads: whoever is told to read later would find this
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return finish({error != 0 ? error : ECONNRESET, std::system_category()});
  }
  const Destruction::Watch watch{destruction_};
  if (output && wants_output_) {
    want(wants_input_, false);
    if (events_.writable) events_.writable();
  }
  if (watch.destroyed() || state_ != State::open || fd_ < 0 || !(input || failed) || !wants_input_) return;
  received_ = false;
  if (events_.readable) events_.readable();
  if (!watch.destroyed() && state_ == State::open && fd_ >= 0 && !received_) want(false, wants_output_);  // until receive() is called
}

void HostSocket::on_connecting() {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  if (error == 0) {
    state_ = State::open;
    addresses_.clear();
    want(true, false);
    if (events_.connected) events_.connected();
    return;
  }
  drop();
  if (!addresses_.empty() && try_addresses()) return;
  finish({error, std::system_category()});
}

/// What still comes after close() interests nobody; its end does.
void HostSocket::drain_unwanted() {
  std::array<std::byte, 4096> unwanted;
  for (int reads = 0; reads < kUnwantedAtOnce; ++reads) {  // what is left there is told again
    const auto got = ::recv(fd_, unwanted.data(), unwanted.size(), 0);
    if (got > 0) continue;
    if (got < 0 && would_block(errno)) return;
    return finish(got < 0 ? system_error() : std::error_code{});
  }
}

void HostSocket::want(bool input, bool output) {
  if (input == wants_input_ && output == wants_output_) return;
  wants_input_ = input;
  wants_output_ = output;
  runtime_.change_interest(*this, {.input = input, .output = output});
}

/// Lets the descriptor go, and whatever else is under way.
void HostSocket::drop() {
  if (lookup_) std::exchange(lookup_, nullptr)->cancel();
  acknowledgment_timer_.cancel();
  close_timer_.cancel();
  if (fd_ < 0) return;
  runtime_.forget(*this);
  ::close(std::exchange(fd_, -1));
}

void HostSocket::finish(std::error_code error) {
  drop();
  addresses_.clear();
  state_ = State::idle;
  if (events_.closed) events_.closed(error);
}

void HostSocket::on_acknowledgment_timer() {
  const auto now = unacknowledged();
  const bool progress = now < outstanding_;
  outstanding_ = now;
  if (now > 0) {
    ask_again_ = progress ? kAskSoon : std::min(ask_again_ * 2, kAskLate);
    acknowledgment_timer_.arm_after(ask_again_);
  }
  if (progress && state_ == State::open && events_.acknowledged) events_.acknowledged();
}

void HostSocket::on_close_timer() { finish({}); }

}  // namespace tapir
