#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

#include <tapir/core/error.hpp>

namespace tapir::asio {

/// The code by which Boost.Asio's programs know `error`: boost::asio::error::connection_refused for Error::connection_refused, and so on.
/// Errors of the system keep their number; an error that no errno stands for becomes boost::asio::error::fault.
[[nodiscard]] inline boost::system::error_code to_asio(std::error_code error) noexcept {
  if (!error) return {};
  const auto condition = error.default_error_condition();
  if (condition.category() != std::generic_category()) return boost::asio::error::fault;
  return {condition.value(), boost::system::system_category()};
}

}  // namespace tapir::asio
