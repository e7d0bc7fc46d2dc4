// When packets come and go: SO_TIMESTAMP (man 7 socket) and SO_TIMESTAMPING (Linux' Documentation/networking/timestamping).

#include "timestamps.hpp"

#include <linux/net_tstamp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>

#include "option_table.hpp"
#include "socket.hpp"
#include "timestamping_flags.hpp"

namespace tapir::posix::detail {

namespace {

bool reports_arrivals(const SocketOptions& options) noexcept {
  if ((options.timestamping & SOF_TIMESTAMPING_SOFTWARE) == 0) return false;
  if ((options.timestamping & SOF_TIMESTAMPING_RX_SOFTWARE) != 0) return true;
  // With SO_TIMESTAMP packets have a time anyway, and it is told here, too.
  return options.timestamp && (options.timestamping & kTimestampingOptRxFilter) == 0;
}

/// The two units are one switch on Linux, and so are the two kinds of each: the _NEW one of a machine with 64 bits differs in its number alone.
template <bool Nanoseconds, bool New>
Result<OptionValue> get_timestamp(Socket& socket) {
  const SocketOptions& options = socket.options();
  const bool this_unit = options.timestamp_ns == Nanoseconds || (New && !Nanoseconds);  // SO_TIMESTAMP_NEW does not look at the unit
  return OptionValue{static_cast<int>(options.timestamp && options.timestamp_new == New && this_unit)};
}

template <bool Nanoseconds, bool New>
Result<> set_timestamp(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  SocketOptions& options = socket.options();
  options.timestamp = *value != 0;
  options.timestamp_ns = *value != 0 && Nanoseconds;
  if (*value != 0) options.timestamp_new = New;
  return {};
}

/// struct so_timestamping of newer headers than some: the flags, and a hardware clock to take the time from.
struct Timestamping {
  int flags = 0;
  int clock = 0;
};

template <bool New>
Result<OptionValue> get_timestamping(Socket& socket) {
  const SocketOptions& options = socket.options();
  if (New && !options.timestamp_new) return OptionValue{Timestamping{}};
  return OptionValue{Timestamping{.flags = static_cast<int>(options.timestamping)}};
}

template <bool New>
Result<> set_timestamping(Socket& socket, OptionBytes bytes) {
  const auto value = int_of(bytes);
  if (!value) return fail(value.error());
  const auto flags = static_cast<std::uint32_t>(*value);
  const auto has = [flags](std::uint32_t flag) { return (flags & flag) != 0; };
  if ((flags & ~kTimestampingMask) != 0) return error(EINVAL);
  if (has(kTimestampingOptIdTcp) && !has(SOF_TIMESTAMPING_OPT_ID)) return error(EINVAL);
  if (has(SOF_TIMESTAMPING_OPT_STATS) && !has(SOF_TIMESTAMPING_OPT_TSONLY)) return error(EINVAL);
  if (has(SOF_TIMESTAMPING_BIND_PHC)) return error(EOPNOTSUPP);  // no device has such a clock
  if (const auto set = socket.set_timestamping(flags); !set) return set;
  socket.options().timestamp_new = New;
  return {};
}

constexpr Option kRows[] = {
    {SOL_SOCKET, SO_TIMESTAMP_OLD, get_timestamp<false, false>, set_timestamp<false, false>},
    {SOL_SOCKET, SO_TIMESTAMP_NEW, get_timestamp<false, true>, set_timestamp<false, true>},
    {SOL_SOCKET, SO_TIMESTAMPNS_OLD, get_timestamp<true, false>, set_timestamp<true, false>},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, get_timestamp<true, true>, set_timestamp<true, true>},
    {SOL_SOCKET, SO_TIMESTAMPING_OLD, get_timestamping<false>, set_timestamping<false>},
    {SOL_SOCKET, SO_TIMESTAMPING_NEW, get_timestamping<true>, set_timestamping<true>},
};

}  // namespace

std::span<const Option> timestamp_options() noexcept { return kRows; }

timespec to_timespec(Duration since_1970) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_1970);
  return {.tv_sec = seconds.count(), .tv_nsec = (since_1970 - seconds).count()};
}

namespace {
/// SO_TIMESTAMP, SO_TIMESTAMPNS.
void add_time(const SocketOptions& options, Duration since_1970, ControlWriter& control) noexcept {
  constexpr long kMicrosecond = 1000;  // ns
  const timespec time = to_timespec(since_1970);
  if (options.timestamp_ns) {
    control.add(SOL_SOCKET, options.timestamp_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, time);
  } else {
    const timeval coarse{.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / kMicrosecond};
    control.add(SOL_SOCKET, options.timestamp_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, coarse);
  }
}

/// SO_TIMESTAMPING: the time that software took, and what only hardware could say.
void add_software_time(const SocketOptions& options, Duration since_1970, ControlWriter& control) noexcept {
  control.add(SOL_SOCKET, options.timestamp_new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD,
              std::array<timespec, 3>{{to_timespec(since_1970), {}, {}}});
}
}  // namespace

bool times_arrivals(const SocketOptions& options) noexcept { return options.timestamp || reports_arrivals(options); }

bool tell_arrival(const SocketOptions& options, Duration since_1970, ControlWriter& control) noexcept {
  if (options.timestamp) add_time(options, since_1970, control);
  if (reports_arrivals(options)) add_software_time(options, since_1970, control);
  return times_arrivals(options);
}

void tell_report_time(const SocketOptions& options, Duration since_1970, ControlWriter& control) noexcept {
  if (options.timestamp) add_time(options, since_1970, control);
  if ((options.timestamping & SOF_TIMESTAMPING_SOFTWARE) != 0) add_software_time(options, since_1970, control);
}

}  // namespace tapir::posix::detail
