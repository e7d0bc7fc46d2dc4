#pragma once

#include <cerrno>
#include <system_error>

#include <tapir/core/error.hpp>

namespace tapir::posix::detail {

/// A failure under its errno number: `return error(EISCONN);`
[[nodiscard]] inline std::unexpected<std::error_code> error(int number) noexcept {
  return fail(std::error_code{number, std::generic_category()});
}

/// The errno number of a failure, ours or the system's.
[[nodiscard]] inline int number_of(const std::error_code& code) noexcept {
  return code.category() == error_category() ? code.default_error_condition().value() : code.value();
}

}  // namespace tapir::posix::detail
