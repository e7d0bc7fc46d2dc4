#pragma once

#include <optional>

#include <catch2/catch.hpp>

#include <tapir/websocket/websocket_transport.hpp>

#include "support/wire.hpp"

namespace tapir::test {

using namespace std::chrono_literals;

/// The bytes as a string: frames are written by hand.
[[nodiscard]] inline std::string raw(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

/// The key whose answer RFC 6455 section 1.3 gives: the client's first 16 random bytes are "the sample nonce".
inline constexpr std::string_view kSampleNonce = "the sample nonce";
inline constexpr const char* kSampleAnswer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// Random numbers: first the sample nonce, then the mask 37 fa 21 3d of RFC 6455 section 5.7, always.
class SampleRandom final : public Random {
 public:
  [[nodiscard]] std::uint64_t next() override {
    std::uint64_t number = 0;
    if (at_ < kSampleNonce.size()) {
      std::memcpy(&number, kSampleNonce.data() + at_, sizeof(number));
      at_ += sizeof(number);
    } else {
      std::memcpy(&number, "\x37\xfa\x21\x3d\x37\xfa\x21\x3d", sizeof(number));
    }
    return number;
  }
  void restart() { at_ = 0; }

 private:
  std::size_t at_ = 0;
};

/// A client over a wire, and what its server heard.
struct WebSocketLab {
  explicit WebSocketLab(std::size_t chunk = 100'000) : wire{world, chunk} {
    wire.on_bytes = [this](std::span<const std::byte> bytes) {
      heard.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      const auto end = heard.find("\r\n\r\n");
      if (answered || end == std::string::npos) return;
      answered = true;
      request = heard.substr(0, end + 4);
      heard.erase(0, end + 4);
      wire.reply(answer);
    };
  }
  void connect() {
    answered = false;
    heard.clear();
    random.restart();
    REQUIRE(transport.open());
    run();
  }
  void run() { world.run_for(10s); }
  [[nodiscard]] std::error_code refusal() const {
    return reader.opened == 0 && reader.closed.size() == 1 ? reader.closed[0] : std::error_code{};
  }

  sim::World world;
  Wire wire;
  SampleRandom random;
  std::string answer = kSampleAnswer;
  bool answered = false;
  std::string request;
  std::string heard;
  websocket::WebSocketTransport transport{random, {.host = "server.example.com", .path = "/chat"}, wire.transport()};
  StreamReader reader{transport};
};

}  // namespace tapir::test
