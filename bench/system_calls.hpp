#pragma once

#include <cstdint>

namespace tapir::bench {

/// System calls that the program's own code has made so far on what it reads, writes and waits for: the linker puts this folder's wrappers in the
/// places of readv, writev, epoll_pwait2 and the others (see CMakeLists.txt). clock_gettime is not counted: it does not enter the kernel.
[[nodiscard]] std::uint64_t system_calls() noexcept;

}  // namespace tapir::bench
