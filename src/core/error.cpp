#include <tapir/core/error.hpp>

#include <string>

namespace tapir {

namespace {

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tapir"; }

  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::would_block: return "nothing can be done now";
      case Error::connection_refused: return "connection refused";
      case Error::connection_reset: return "connection reset by the peer";
      case Error::connection_aborted: return "connection aborted";
      case Error::connection_closed: return "already closed";
      case Error::not_connected: return "not connected";
      case Error::already_connected: return "already connected";
      case Error::host_unreachable: return "host unreachable";
      case Error::network_unreachable: return "network unreachable";
      case Error::protocol_unreachable: return "protocol unreachable";
      case Error::timed_out: return "timed out";
      case Error::message_too_large: return "message too large";
      case Error::no_buffer_space: return "no buffer space";
      case Error::address_in_use: return "address in use";
      case Error::address_not_available: return "address not available";
      case Error::invalid_argument: return "invalid argument";
      case Error::permission_denied: return "permission denied";
      case Error::no_such_device: return "no such device";
      case Error::not_supported: return "not supported";
      case Error::operation_canceled: return "operation canceled";
    }
    return "unknown error";
  }

  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Error>(value)) {
      case Error::would_block: return std::errc::operation_would_block;
      case Error::connection_refused: return std::errc::connection_refused;
      case Error::connection_reset: return std::errc::connection_reset;
      case Error::connection_aborted: return std::errc::connection_aborted;
      case Error::connection_closed: return std::errc::broken_pipe;
      case Error::not_connected: return std::errc::not_connected;
      case Error::already_connected: return std::errc::already_connected;
      case Error::host_unreachable: return std::errc::host_unreachable;
      case Error::network_unreachable: return std::errc::network_unreachable;
      case Error::protocol_unreachable: return std::errc::no_protocol_option;
      case Error::timed_out: return std::errc::timed_out;
      case Error::message_too_large: return std::errc::message_size;
      case Error::no_buffer_space: return std::errc::no_buffer_space;
      case Error::address_in_use: return std::errc::address_in_use;
      case Error::address_not_available: return std::errc::address_not_available;
      case Error::invalid_argument: return std::errc::invalid_argument;
      case Error::permission_denied: return std::errc::permission_denied;
      case Error::no_such_device: return std::errc::no_such_device;
      case Error::not_supported: return std::errc::not_supported;
      case Error::operation_canceled: return std::errc::operation_canceled;
    }
    return {value, *this};
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Error error) noexcept { return {static_cast<int>(error), error_category()}; }

}  // namespace tapir
