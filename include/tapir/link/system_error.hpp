#pragma once

#include <cerrno>
#include <system_error>

namespace tapir::link {

/// What the system call that has just failed said. For the layers that make system calls.
[[nodiscard]] inline std::error_code system_error() noexcept { return {errno, std::system_category()}; }

}  // namespace tapir::link
