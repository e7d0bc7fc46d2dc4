#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <tapir/tcp/connection.hpp>

namespace tapir::test {

/// Pseudo-random bytes: the same for the same seed.
[[nodiscard]] inline std::vector<std::byte> noise(std::size_t size, std::uint32_t seed) {
  std::mt19937 random{seed};
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random() >> 24U);
  return bytes;
}

/// One end of a connection that sends a given text, then half-closes, and keeps what it receives until the peer's end.
struct Talker {
  Talker(tcp::Connection given, std::vector<std::byte> text) : connection{std::move(given)}, outgoing{std::move(text)} {
    connection.handle({.connected = [this] { work(); },
                       .readable = [this] { work(); },
                       .writable = [this] { work(); },
                       .closed =
                           [this](std::error_code why) {
                             closed = true;
                             error = why;
                           }});
    work();
  }

  void work() {
    while (sent < outgoing.size()) {
      const auto taken = connection.send(std::span{outgoing}.subspan(sent));
      if (!taken || *taken == 0) break;
      sent += *taken;
    }
    if (sent == outgoing.size() && !half_closed) half_closed = connection.shutdown().has_value();
    std::vector<std::byte> buffer(65536);
    while (!end_of_stream) {
      const auto count = connection.receive(buffer);
      if (!count) return;
      if (*count == 0) end_of_stream = true;
      incoming.insert(incoming.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*count));
    }
  }

  tcp::Connection connection;
  std::vector<std::byte> outgoing;
  std::vector<std::byte> incoming;
  std::size_t sent = 0;
  bool half_closed = false;
  bool end_of_stream = false;
  bool closed = false;
  std::error_code error;
};

}  // namespace tapir::test
