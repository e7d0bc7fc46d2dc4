#pragma once

#include <time.h>

#include <tapir/core/time.hpp>

#include "message.hpp"
#include "socket_options.hpp"

namespace tapir::posix::detail {

[[nodiscard]] timespec to_timespec(Duration since_1970) noexcept;

/// Whether the options ask when packets come.
[[nodiscard]] bool times_arrivals(const SocketOptions& options) noexcept;
/// Adds what they ask for. Whether that was anything.
bool tell_arrival(const SocketOptions& options, Duration since_1970, ControlWriter& control) noexcept;
/// The same of what waits for MSG_ERRQUEUE, for which SOF_TIMESTAMPING_SOFTWARE is enough.
void tell_report_time(const SocketOptions& options, Duration since_1970, ControlWriter& control) noexcept;

}  // namespace tapir::posix::detail
