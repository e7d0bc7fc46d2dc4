#pragma once

#include <array>
#include <cstddef>

namespace tapir::posix::detail {

class StreamSocket;

/// Bytes of Linux 6.18's struct tcp_info.
inline constexpr std::size_t kTcpInfoSize = 280;

/// The connection's struct tcp_info, as getsockopt(TCP_INFO) copies it out.
[[nodiscard]] std::array<std::byte, kTcpInfoSize> to_tcp_info(const StreamSocket& socket);

}  // namespace tapir::posix::detail
