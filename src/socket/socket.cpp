#include "socket.hpp"

#include <algorithm>
#include <utility>

#include "environment.hpp"
#include "error_number.hpp"
#include "timestamps.hpp"

namespace tapir::posix::detail {

Result<> Socket::listen(int) { return error(EOPNOTSUPP); }
Result<std::shared_ptr<Socket>> Socket::accept() { return error(EOPNOTSUPP); }
Result<> Socket::join(IpAddress) { return error(EPROTO); }
Result<> Socket::leave(IpAddress) { return error(EPROTO); }
Result<Duration> Socket::stamp() const { return error(ENOENT); }
Result<> Socket::set_timestamping(std::uint32_t flags) {
  options_.timestamping = flags;
  return {};
}

std::uint64_t Socket::cookie() const {
  if (cookie_ == 0) cookie_ = environment().next_cookie();
  return cookie_;
}

const Option* Socket::find(int level, int name) const noexcept {
  for (const auto rows : {own_options(), socket_level_options(), timestamp_options(), ip_level_options()}) {
    const auto row = std::ranges::find_if(rows, [&](const Option& option) { return option.level == level && option.name == name; });
    if (row != rows.end()) return &*row;
  }
  return nullptr;
}

Result<OptionValue> Socket::option(int level, int name) {
  const Option* const row = find(level, name);
  if (row != nullptr && row->get != nullptr) return row->get(*this);
  const auto own = own_options();
  const bool known_level = level == SOL_SOCKET || level == IPPROTO_IP || (!own.empty() && own.front().level == level);
  return error(known_level ? ENOPROTOOPT : EOPNOTSUPP);
}

Result<> Socket::set_option(int level, int name, OptionBytes value) {
  const Option* const row = find(level, name);
  if (row == nullptr || row->set == nullptr) {
    // Linux looks at the size before the name, but where options of less than an int are known.
    const bool sized = level == SOL_SOCKET || level == (type_ == SOCK_STREAM ? IPPROTO_TCP : type_ == SOCK_DGRAM ? IPPROTO_UDP : -1);
    return error(sized && value.size() < sizeof(int) ? EINVAL : ENOPROTOOPT);
  }
  auto set = row->set(*this, value);
  if (set) options_changed();
  return set;
}

void Socket::queue_error(QueuedError queued) const {
  queued.at = environment().stack().context().now();
  errors_.add(std::move(queued));
}

Result<std::size_t> Socket::receive_error(Incoming& message, int& pending) {
  if (errors_.empty()) return error(EAGAIN);
  const QueuedError oldest = errors_.take(pending);
  tell_report_time(options_, environment().time_of_day(oldest.at), message.control);
  return tell(oldest, message);
}

std::optional<TimePoint> Socket::deadline_after(const std::optional<Duration>& timeout) const {
  if (!timeout) return std::nullopt;
  return environment().stack().context().now() + *timeout;
}

Result<> Socket::wait(const std::function<bool()>& done, std::optional<TimePoint> deadline) const {
  const auto waited = wait_though_closed([&] { return closed_ || done(); }, deadline);
  return closed_ ? error(EBADF) : waited;
}

Result<> Socket::wait_though_closed(const std::function<bool()>& done, std::optional<TimePoint> deadline) const {
  std::optional<Duration> limit;
  if (deadline) limit = std::max(*deadline - environment().stack().context().now(), Duration::zero());
  return environment().wait(done, limit);
}

Result<> Socket::check_local(IpAddress address) const {
  const auto& network = environment().stack().ipv4();
  const bool ok = address.is_unspecified() || network.is_own(address) || options_.free_bind || options_.transparent;
  return ok ? Result<>{} : error(EADDRNOTAVAIL);
}

}  // namespace tapir::posix::detail
