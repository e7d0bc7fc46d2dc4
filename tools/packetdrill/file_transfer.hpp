#pragma once

#include <sys/types.h>

#include <cstddef>

#include "host.hpp"

namespace tapir::packetdrill {

/// sendfile(2) from a file of the system's into a socket of ours: as many bytes as the file has and the socket takes, from `*offset` on, or from where the
/// file stands. Advances that. -1 with errno.
[[nodiscard]] ssize_t send_file(Host& host, int socket, int file, off_t* offset, std::size_t count);

/// splice(2) from a socket of ours into a pipe of the system's. As Linux has it, it stops before urgent data, and gives nothing where that is next.
[[nodiscard]] ssize_t splice_to_pipe(Host& host, int socket, int pipe, std::size_t count, unsigned flags);

}  // namespace tapir::packetdrill
