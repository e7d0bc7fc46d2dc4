// IPPROTO_TCP (man 7 tcp).

#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>

#include "environment.hpp"
#include "stream_socket.hpp"
#include "tcp_info.hpp"
#include "timestamping_flags.hpp"

namespace tapir::posix::detail {

namespace {

constexpr int kLeastSegment = 88;  // what Linux takes
constexpr int kMostSegment = 32767;
constexpr int kDefaultSynRetries = 6;
constexpr int kDefaultFinWait2 = 60;  // s
constexpr int kMostFinWait2 = 120;    // s

TcpOptions& of(Socket& socket) { return static_cast<StreamSocket&>(socket).tcp(); }

template <auto Member>
Result<OptionValue> get(Socket& socket) {
  return OptionValue{static_cast<int>(of(socket).*Member)};
}

template <auto Member>
Result<> set_flag(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  of(socket).*Member = *value != 0;
  return {};
}

template <auto Member, int Least, int Most>
Result<> set_number(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value < Least || *value > Most) return error(EINVAL);
  of(socket).*Member = *value;
  return {};
}

template <auto Member>
constexpr Option flag(int name) {
  return {IPPROTO_TCP, name, get<Member>, set_flag<Member>};
}

template <auto Member, int Least, int Most>
constexpr Option number(int name) {
  return {IPPROTO_TCP, name, get<Member>, set_number<Member, Least, Most>};
}

/// Setting TCP_NODELAY also lets go what waits at this moment, a cork notwithstanding.
Result<> set_no_delay(Socket& socket, OptionBytes bytes) {
  auto set = set_flag<&TcpOptions::no_delay>(socket, bytes);
  if (set && of(socket).no_delay) static_cast<StreamSocket&>(socket).push();
  return set;
}

Result<OptionValue> get_max_segment(Socket& socket) {
  constexpr int kDefault = 536;  // RFC 9293 MUST-15
  auto& stream = static_cast<StreamSocket&>(socket);
  if (stream.state() != tcp::State::closed) return OptionValue{static_cast<int>(stream.info().mss)};
  return OptionValue{of(socket).max_segment > 0 ? of(socket).max_segment : kDefault};
}

Result<> set_max_segment(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value != 0 && (*value < kLeastSegment || *value > kMostSegment)) return error(EINVAL);
  of(socket).max_segment = *value;
  return {};
}

Result<OptionValue> get_syn_count(Socket& socket) {
  const int count = of(socket).syn_count;
  return OptionValue{count > 0 ? count : kDefaultSynRetries};
}

/// A time in seconds, the stack's where the socket has none of its own.
template <auto Member, auto OfStack>
Result<OptionValue> get_keep(Socket& socket) {
  const Duration stacks = socket.shared().stack().tcp().config().*OfStack;
  const int own = of(socket).*Member;
  return OptionValue{own > 0 ? own : static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(stacks).count())};
}

Result<OptionValue> get_keep_count(Socket& socket) {
  const int own = of(socket).keep_count;
  return OptionValue{own > 0 ? own : static_cast<int>(socket.shared().stack().tcp().config().keepalive_probes)};
}

Result<OptionValue> get_linger2(Socket& socket) {
  const int value = of(socket).linger2;
  return OptionValue{value == 0 ? kDefaultFinWait2 : std::max(value, -1)};
}

Result<> set_linger2(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  of(socket).linger2 = *value < 0 ? -1 : std::min(*value, kMostFinWait2);
  return {};
}

/// Linux keeps the number of SYN,ACK retransmissions that cover the time asked for, and reports how long those take.
int deferral_of(int seconds) {
  constexpr int kMostRetransmissions = 255;
  constexpr int kLongestWait = 120;  // s
  int covered = 0;
  int wait = 1;
  for (int count = 0; covered < seconds && count < kMostRetransmissions; ++count) {
    covered += wait;
    wait = std::min(wait * 2, kLongestWait);
  }
  return covered;
}

Result<> set_defer_accept(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  of(socket).defer_accept = deferral_of(*value);
  return {};
}

Result<> set_quick_ack(Socket& socket, OptionBytes bytes) {
  auto set = set_flag<&TcpOptions::quick_ack>(socket, bytes);
  if (set) static_cast<StreamSocket&>(socket).set_quick_ack(of(socket).quick_ack);
  return set;
}

Result<> set_not_sent_low(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  of(socket).not_sent_low = *value;
  return {};
}

Result<OptionValue> get_congestion(Socket& socket) {
  constexpr std::size_t kNameSize = 16;  // TCP_CA_NAME_MAX
  std::array<char, kNameSize> name{};
  const auto& stream = static_cast<StreamSocket&>(socket);
  const std::string current = stream.congestion_control();
  std::copy_n(current.begin(), std::min(current.size(), kNameSize - 1), name.begin());
  return OptionValue{name};
}

Result<> set_congestion(Socket& socket, OptionBytes bytes) {
  if (bytes.empty()) return error(EINVAL);
  std::string name;
  for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 15))) {
    if (byte == std::byte{0}) break;
    name.push_back(static_cast<char>(byte));
  }
  return static_cast<StreamSocket&>(socket).set_congestion_control(name);
}

/// The primary key, and the backup behind it.
Result<OptionValue> get_fast_open_key(Socket& socket) {
  std::array<std::byte, 2 * sizeof(tcp::FastOpenKey)> bytes{};
  const auto& keys = of(socket).fast_open_keys ? of(socket).fast_open_keys : socket.shared().stack().tcp().config().fast_open_keys;
  if (!keys) return OptionValue{OptionBytes{}};
  std::ranges::copy(keys->primary, bytes.begin());
  if (!keys->backup) return OptionValue{OptionBytes{bytes}.first(sizeof(tcp::FastOpenKey))};
  std::ranges::copy(*keys->backup, bytes.begin() + sizeof(tcp::FastOpenKey));
  return OptionValue{OptionBytes{bytes}};
}

Result<> set_fast_open_key(Socket& socket, OptionBytes bytes) {
  constexpr std::size_t kKeySize = sizeof(tcp::FastOpenKey);
  if (bytes.size() != kKeySize && bytes.size() != 2 * kKeySize) return error(EINVAL);
  tcp::FastOpenKeys keys;
  std::ranges::copy(bytes.first(kKeySize), keys.primary.begin());
  if (bytes.size() > kKeySize) std::ranges::copy(bytes.subspan(kKeySize), keys.backup.emplace().begin());
  of(socket).fast_open_keys = keys;
  return {};
}

bool is_closed(Socket& socket) { return static_cast<StreamSocket&>(socket).state() == tcp::State::closed; }

Result<> set_fast_open_backlog(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value < 0 || !is_closed(socket)) return error(EINVAL);
  of(socket).fast_open_backlog = *value;
  return {};
}

Result<> set_fast_open_no_cookie(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value < 0 || *value > 1 || !is_closed(socket)) return error(EINVAL);
  of(socket).fast_open_no_cookie = *value == 1;
  return {};
}

Result<> set_fast_open_connect(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value < 0 || *value > 1) return error(EINVAL);
  if (!static_cast<StreamSocket&>(socket).fast_open_enabled()) return error(EOPNOTSUPP);
  if (!is_closed(socket)) return error(EINVAL);
  of(socket).fast_open_connect = *value == 1;
  return {};
}

Result<> set_window_clamp(Socket& socket, OptionBytes bytes) {
  constexpr int kLeastClamp = 1152;  // half of the least receive buffer, as Linux has it
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  if (*value == 0 && !is_closed(socket)) return error(EINVAL);
  of(socket).window_clamp = *value == 0 ? 0 : std::max(*value, kLeastClamp);
  return {};
}

Result<OptionValue> get_max_pacing_rate(Socket& socket) { return OptionValue{socket.options().max_pacing_rate}; }

/// Takes an unsigned int, all ones for no bound, or an unsigned long.
Result<> set_max_pacing_rate(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  std::uint64_t& rate = socket.options().max_pacing_rate;
  if (bytes.size() >= sizeof(rate)) {
    std::memcpy(&rate, bytes.data(), sizeof(rate));
  } else {
    rate = *value == -1 ? UINT64_MAX : static_cast<std::uint32_t>(*value);
  }
  return {};
}

Result<OptionValue> get_info(Socket& socket) { return OptionValue{to_tcp_info(static_cast<StreamSocket&>(socket))}; }

/// Only algorithms with figures of their own have any here (Vegas, DCTCP and BBR on Linux).
Result<OptionValue> get_congestion_info(Socket&) { return OptionValue{OptionBytes{}}; }

constexpr Option kRows[] = {
    {IPPROTO_TCP, TCP_NODELAY, get<&TcpOptions::no_delay>, set_no_delay},
    {IPPROTO_TCP, TCP_MAXSEG, get_max_segment, set_max_segment},
    {IPPROTO_TCP, TCP_SYNCNT, get_syn_count, set_number<&TcpOptions::syn_count, 1, 127>},
    {IPPROTO_TCP, TCP_LINGER2, get_linger2, set_linger2},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, get<&TcpOptions::defer_accept>, set_defer_accept},
    {IPPROTO_TCP, TCP_QUICKACK, get<&TcpOptions::quick_ack>, set_quick_ack},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, get<&TcpOptions::not_sent_low>, set_not_sent_low},
    {IPPROTO_TCP, TCP_CONGESTION, get_congestion, set_congestion},
    {IPPROTO_TCP, TCP_INFO, get_info, nullptr},
    {IPPROTO_TCP, TCP_CC_INFO, get_congestion_info, nullptr},
    {IPPROTO_TCP, TCP_FASTOPEN, get<&TcpOptions::fast_open_backlog>, set_fast_open_backlog},
    {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, get<&TcpOptions::fast_open_no_cookie>, set_fast_open_no_cookie},
    {IPPROTO_TCP, TCP_FASTOPEN_KEY, get_fast_open_key, set_fast_open_key},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, get<&TcpOptions::fast_open_connect>, set_fast_open_connect},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, get<&TcpOptions::window_clamp>, set_window_clamp},
    {SOL_SOCKET, SO_MAX_PACING_RATE, get_max_pacing_rate, set_max_pacing_rate},
    flag<&TcpOptions::cork>(TCP_CORK),
    number<&TcpOptions::inq, 0, 1>(TCP_INQ),
    {IPPROTO_TCP, TCP_KEEPIDLE, get_keep<&TcpOptions::keep_idle, &tcp::Config::keepalive_idle>,
     set_number<&TcpOptions::keep_idle, 1, 32767>},
    {IPPROTO_TCP, TCP_KEEPINTVL, get_keep<&TcpOptions::keep_interval, &tcp::Config::keepalive_interval>,
     set_number<&TcpOptions::keep_interval, 1, 32767>},
    {IPPROTO_TCP, TCP_KEEPCNT, get_keep_count, set_number<&TcpOptions::keep_count, 1, 127>},
    number<&TcpOptions::user_timeout, 0, INT_MAX>(TCP_USER_TIMEOUT),
};

}  // namespace

std::span<const Option> tcp_level_options() noexcept { return kRows; }

std::string StreamSocket::congestion_control() const {
  if (!tcp_.congestion.empty()) return tcp_.congestion;
  const auto& config = environment().stack().tcp().config();
  const std::string name = connection_ ? std::string{connection_.info().congestion_control} : config.congestion_control;
  return name == "newreno" ? "reno" : name;  // as Linux calls it
}

Result<> StreamSocket::set_congestion_control(const std::string& name) {
  if (!environment().stack().tcp().has_congestion_control(name)) return error(ENOENT);
  if (connection_ && name != congestion_control())
    (void)connection_.set_congestion_control(name);  // one that is over has no more use for it
  tcp_.congestion = name;
  return {};
}

Result<> StreamSocket::set_timestamping(std::uint32_t flags) {
  const bool numbers_anew = (flags & SOF_TIMESTAMPING_OPT_ID) != 0 && !timestamps_.has(SOF_TIMESTAMPING_OPT_ID);
  const bool from_next = (flags & kTimestampingOptIdTcp) != 0;  // not from the oldest octet that is not acknowledged
  if (numbers_anew && (listening_ || state() == tcp::State::closed)) return error(EINVAL);
  options_.timestamping = flags;
  timestamps_.set(flags, from_next ? queued_ : queued_ - connection_.unacknowledged());
  connection_.report_sent(timestamps_.wanted());
  return {};
}

void StreamSocket::forget_errors() {
  errors_.clear();
  timestamps_.forget_reports();
}

void StreamSocket::options_changed() {
  if (claim_ != nullptr) claim_->sharing = sharing();
  const tcp::Settings former = to_settings(applied_, tcp_applied_);
  const tcp::Settings now = to_settings(options_, tcp_);
  if (listening_) {
    inheritance_.on_change(listener_.waiting(), applied_, tcp_applied_);
    listen_options_ = to_listen_options(listen_options_.backlog);
    (void)listener_.change(listen_options_);
  }
  applied_ = options_;
  tcp_applied_ = tcp_;
  if (connection_) apply(former, now);
}

void StreamSocket::apply(const tcp::Settings& former, const tcp::Settings& now) {
  const auto changed = [&](auto member) { return former.*member != now.*member; };
  if (changed(&tcp::Settings::nagle)) connection_.set_nagle(now.nagle);
  if (changed(&tcp::Settings::cork)) connection_.set_cork(now.cork);
  if (changed(&tcp::Settings::tos)) connection_.set_tos(now.tos);
  if (changed(&tcp::Settings::ttl)) connection_.set_ttl(now.ttl);
  if (changed(&tcp::Settings::dont_fragment)) connection_.set_dont_fragment(now.dont_fragment);
  if (changed(&tcp::Settings::max_segment)) connection_.set_max_segment(now.max_segment);
  if (changed(&tcp::Settings::syn_retries)) connection_.set_syn_retries(now.syn_retries);
  if (changed(&tcp::Settings::fin_wait_2_timeout)) connection_.set_fin_wait_2_timeout(now.fin_wait_2_timeout);
  if (changed(&tcp::Settings::max_pacing_rate)) connection_.set_max_pacing_rate(now.max_pacing_rate);
  if (changed(&tcp::Settings::window_clamp)) connection_.set_window_clamp(now.window_clamp);
  if (changed(&tcp::Settings::time_arrivals)) connection_.set_time_arrivals(now.time_arrivals);
  if (changed(&tcp::Settings::minimum_ttl)) connection_.set_minimum_ttl(now.minimum_ttl);
  if (changed(&tcp::Settings::not_sent_low)) connection_.set_not_sent_low(now.not_sent_low);
  if (changed(&tcp::Settings::keepalive)) (void)connection_.set_keepalive(now.keepalive);
  if (changed(&tcp::Settings::user_timeout)) (void)connection_.set_user_timeout(now.user_timeout);
  if (changed(&tcp::Settings::send_buffer) && now.send_buffer) connection_.set_send_buffer(*now.send_buffer);
  if (changed(&tcp::Settings::receive_buffer) && now.receive_buffer) connection_.set_receive_buffer(*now.receive_buffer);
}

}  // namespace tapir::posix::detail
