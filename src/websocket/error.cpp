#include <tapir/websocket/error.hpp>

#include <string>

namespace tapir::websocket {

namespace {

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "websocket"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::closed_in_handshake: return "WebSocket handshake failed: the server closed the connection";
      case Error::not_http: return "WebSocket handshake failed: the answer is not HTTP";
      case Error::response_too_long: return "WebSocket handshake failed: the answer is too long";
      case Error::not_upgraded: return "WebSocket handshake failed: the answer has no \"Upgrade: websocket\"";
      case Error::bad_accept: return "WebSocket handshake failed: wrong Sec-WebSocket-Accept";
      case Error::no_subprotocol: return "WebSocket handshake failed: the server does not speak the subprotocol";
      case Error::unwanted_extension: return "WebSocket handshake failed: an extension that was not offered";
      case Error::protocol_error: return "WebSocket: protocol error";
      case Error::not_binary: return "WebSocket: a data frame that is not binary";
      case Error::truncated: return "the WebSocket's stream ended without a Close frame";
    }
    return "unknown error";
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Error>(value)) {
      case Error::closed_in_handshake:
      case Error::truncated: return std::errc::connection_aborted;
      case Error::response_too_long: return std::errc::message_size;
      default: return std::errc::protocol_error;
    }
  }
};

class StatusCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "websocket status"; }
  [[nodiscard]] std::string message(int value) const override {
    return "WebSocket refused: HTTP status " + std::to_string(value) + words(value);
  }

 private:
  [[nodiscard]] static const char* words(int value) {
    switch (value) {
      case 301:
      case 302:
      case 307:
      case 308: return " (moved elsewhere)";
      case 400: return " (bad request)";
      case 401: return " (unauthorized)";
      case 403: return " (forbidden)";
      case 404: return " (not found)";
      case 426: return " (upgrade required)";
      case 503: return " (service unavailable)";
      default: return "";
    }
  }
};

class CloseCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "websocket close"; }
  [[nodiscard]] std::string message(int value) const override {
    return "WebSocket closed by the server: " + std::to_string(value) + words(value);
  }

 private:
  [[nodiscard]] static const char* words(int value) {  // RFC 6455 section 7.4.1
    switch (value) {
      case 1002: return " (protocol error)";
      case 1003: return " (unacceptable kind of data)";
      case 1007: return " (inconsistent data)";
      case 1008: return " (policy violation)";
      case 1009: return " (message too big)";
      case 1010: return " (extension missing)";
      case 1011: return " (unexpected condition)";
      default: return "";
    }
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

const std::error_category& status_category() noexcept {
  static const StatusCategory category;
  return category;
}

const std::error_category& close_category() noexcept {
  static const CloseCategory category;
  return category;
}

std::error_code make_error_code(Error error) noexcept { return {static_cast<int>(error), error_category()}; }

}  // namespace tapir::websocket
