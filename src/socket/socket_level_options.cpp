// SOL_SOCKET (man 7 socket).

#include <sys/time.h>

#include <algorithm>
#include <climits>

#include "environment.hpp"
#include "option_table.hpp"
#include "socket.hpp"

namespace tapir::posix::detail {

namespace {

constexpr int kLeastSendBuffer = 4608;     // what Linux takes at least, SOCK_MIN_SNDBUF
constexpr int kLeastReceiveBuffer = 2304;  // SOCK_MIN_RCVBUF

template <auto Member>
Result<OptionValue> get(Socket& socket) {
  return OptionValue{static_cast<int>(socket.options().*Member)};
}

template <auto Member>
Result<> set_flag(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  socket.options().*Member = *value != 0;
  return {};
}

template <auto Member>
Result<> set_number(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  socket.options().*Member = *value;
  return {};
}

template <auto Member>
constexpr Option flag(int name) {
  return {SOL_SOCKET, name, get<Member>, set_flag<Member>};
}

template <auto Member>
constexpr Option number(int name) {
  return {SOL_SOCKET, name, get<Member>, set_number<Member>};
}

/// Linux doubles the value, for what its own bookkeeping takes; getsockopt() shows the double.
int doubled(int wanted, std::size_t most, int least) {
  const auto capped = static_cast<int>(std::min<std::size_t>(wanted < 0 ? INT_MAX : static_cast<std::size_t>(wanted), most));
  return std::max(capped > INT_MAX / 2 ? INT_MAX : capped * 2, least);
}

Result<> set_send_buffer(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  socket.options().send_buffer = doubled(*value, socket.shared().config().send_buffer_max, kLeastSendBuffer);
  socket.options().send_buffer_set = true;
  return {};
}

Result<> set_receive_buffer(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  socket.options().receive_buffer = doubled(*value, socket.shared().config().receive_buffer_max, kLeastReceiveBuffer);
  socket.options().receive_buffer_set = true;
  return {};
}

Result<> set_zero_copy(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (socket.type() == SOCK_RAW) return error(EOPNOTSUPP);
  if (*value < 0 || *value > 1) return error(EINVAL);
  socket.options().zero_copy = *value == 1;
  return {};
}

Result<> set_receive_low(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  auto& options = socket.options();
  // Of a stream no more than what the window can bring.
  const auto most = static_cast<int>(socket.shared().config().receive_buffer_max);
  const int cap = socket.type() != SOCK_STREAM ? INT_MAX : options.receive_buffer_set ? options.receive_buffer / 2 : most;
  options.receive_low = std::max(std::min(*value < 0 ? INT_MAX : *value, cap), 1);
  return {};
}

Result<OptionValue> get_linger(Socket& socket) { return OptionValue{socket.options().lingering}; }

Result<> set_linger(Socket& socket, OptionBytes bytes) {
  linger value{};
  if (bytes.size() < sizeof(value)) return error(EINVAL);
  std::memcpy(&value, bytes.data(), sizeof(value));
  value.l_onoff = value.l_onoff != 0 ? 1 : 0;
  if (value.l_onoff == 0) value.l_linger = socket.options().lingering.l_linger;
  socket.options().lingering = value;
  return {};
}

template <auto Member>
Result<OptionValue> get_timeout(Socket& socket) {
  const auto& timeout = socket.options().*Member;
  timeval value{};
  if (timeout) {
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(*timeout).count();
    value.tv_sec = microseconds / 1'000'000;
    value.tv_usec = microseconds % 1'000'000;
  }
  return OptionValue{value};
}

template <auto Member>
Result<> set_timeout(Socket& socket, OptionBytes bytes) {
  timeval value{};
  if (bytes.size() < sizeof(value)) return error(EINVAL);
  std::memcpy(&value, bytes.data(), sizeof(value));
  if (value.tv_usec < 0 || value.tv_usec >= 1'000'000) return error(EDOM);
  auto& timeout = socket.options().*Member;
  constexpr long kMostSeconds = 1'000'000'000;  // beyond what anybody waits for, and inside what a Duration holds
  if (value.tv_sec < 0) {
    timeout = Duration::zero();  // as Linux has it: do not wait at all
  } else if (value.tv_sec == 0 && value.tv_usec == 0) {
    timeout.reset();
  } else {
    timeout = std::chrono::seconds{std::min<long>(value.tv_sec, kMostSeconds)} + std::chrono::microseconds{value.tv_usec};
  }
  return {};
}

Result<> set_priority(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value < 0 || *value > 6) return error(EPERM);
  socket.options().priority = *value;
  return {};
}

/// The kernel's own reckoning of a socket's memory, in its order: receive and send queue and their limits, and what has no like here.
Result<OptionValue> get_memory(Socket& socket) {
  std::array<std::uint32_t, 9> figures{};
  figures[1] = static_cast<std::uint32_t>(socket.options().receive_buffer);
  figures[3] = static_cast<std::uint32_t>(socket.options().send_buffer);
  figures[8] = static_cast<std::uint32_t>(socket.dropped());
  return OptionValue{figures};
}

/// A raw socket has none (man 7 socket: streams and datagrams).
Result<OptionValue> get_peek_offset(Socket& socket) {
  if (socket.type() == SOCK_RAW) return error(EOPNOTSUPP);
  return OptionValue{socket.options().peek_offset};
}

Result<> set_peek_offset(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (socket.type() == SOCK_RAW) return error(EOPNOTSUPP);
  socket.options().peek_offset = *value;
  return {};
}

Result<> fixed(Socket&, OptionBytes bytes) { return error(bytes.size() < sizeof(int) ? EINVAL : ENOPROTOOPT); }

constexpr Option kRows[] = {
    flag<&SocketOptions::reuse_address>(SO_REUSEADDR),
    flag<&SocketOptions::reuse_port>(SO_REUSEPORT),
    flag<&SocketOptions::keepalive>(SO_KEEPALIVE),
    flag<&SocketOptions::broadcast>(SO_BROADCAST),
    flag<&SocketOptions::oob_inline>(SO_OOBINLINE),
    flag<&SocketOptions::no_check>(SO_NO_CHECK),
    {SOL_SOCKET, SO_ZEROCOPY, get<&SocketOptions::zero_copy>, set_zero_copy},
    flag<&SocketOptions::receive_overflow>(SO_RXQ_OVFL),
    flag<&SocketOptions::select_error_queue>(SO_SELECT_ERR_QUEUE),
    {SOL_SOCKET, SO_PEEK_OFF, get_peek_offset, set_peek_offset},
    {SOL_SOCKET, SO_COOKIE, [](Socket& socket) -> Result<OptionValue> { return OptionValue::whole(socket.cookie()); }, fixed},
    number<&SocketOptions::mark>(SO_MARK),
    number<&SocketOptions::busy_poll>(SO_BUSY_POLL),
    {SOL_SOCKET, SO_PRIORITY, get<&SocketOptions::priority>, set_priority},
    {SOL_SOCKET, SO_SNDBUF, get<&SocketOptions::send_buffer>, set_send_buffer},
    {SOL_SOCKET, SO_RCVBUF, get<&SocketOptions::receive_buffer>, set_receive_buffer},
    {SOL_SOCKET, SO_SNDBUFFORCE, nullptr, set_send_buffer},
    {SOL_SOCKET, SO_RCVBUFFORCE, nullptr, set_receive_buffer},
    {SOL_SOCKET, SO_RCVLOWAT, get<&SocketOptions::receive_low>, set_receive_low},
    {SOL_SOCKET, SO_MEMINFO, get_memory, nullptr},
    {SOL_SOCKET, SO_SNDLOWAT, [](Socket&) -> Result<OptionValue> { return OptionValue{1}; }, fixed},
    {SOL_SOCKET, SO_LINGER, get_linger, set_linger},
    {SOL_SOCKET, SO_RCVTIMEO, get_timeout<&SocketOptions::receive_timeout>, set_timeout<&SocketOptions::receive_timeout>},
    {SOL_SOCKET, SO_SNDTIMEO, get_timeout<&SocketOptions::send_timeout>, set_timeout<&SocketOptions::send_timeout>},
    {SOL_SOCKET, SO_RCVTIMEO_NEW, get_timeout<&SocketOptions::receive_timeout>, set_timeout<&SocketOptions::receive_timeout>},
    {SOL_SOCKET, SO_SNDTIMEO_NEW, get_timeout<&SocketOptions::send_timeout>, set_timeout<&SocketOptions::send_timeout>},
    {SOL_SOCKET, SO_ERROR, [](Socket& socket) -> Result<OptionValue> { return OptionValue{socket.take_error()}; }, fixed},
    {SOL_SOCKET, SO_TYPE, [](Socket& socket) -> Result<OptionValue> { return OptionValue{socket.type()}; }, fixed},
    {SOL_SOCKET, SO_PROTOCOL, [](Socket& socket) -> Result<OptionValue> { return OptionValue{socket.protocol()}; }, fixed},
    {SOL_SOCKET, SO_DOMAIN, [](Socket&) -> Result<OptionValue> { return OptionValue{AF_INET}; }, fixed},
    {SOL_SOCKET, SO_ACCEPTCONN, [](Socket& socket) -> Result<OptionValue> { return OptionValue{static_cast<int>(socket.listening())}; },
     fixed},
};

}  // namespace

std::span<const Option> socket_level_options() noexcept { return kRows; }

}  // namespace tapir::posix::detail
