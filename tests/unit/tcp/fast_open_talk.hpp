#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wire.hpp"

/// TCP Fast Open options as a peer says and hears them, put together and taken apart byte by byte.
namespace tapir::test {

/// Kind 34 with this cookie, padded to 32 bits.
[[nodiscard]] inline Bytes fast_open_option(std::string_view cookie) {
  Bytes bytes{std::byte{34}, static_cast<std::byte>(2 + cookie.size())};
  for (const char c : cookie) bytes.push_back(static_cast<std::byte>(c));
  while (bytes.size() % 4 != 0) bytes.push_back(std::byte{1});
  return bytes;
}
/// With an MSS option before it.
[[nodiscard]] inline Bytes fast_open_options(std::uint16_t mss, std::string_view cookie) {
  Bytes bytes = mss_option(mss);
  const Bytes option = fast_open_option(cookie);
  bytes.insert(bytes.end(), option.begin(), option.end());
  return bytes;
}
/// The value of the option with this kind; empty: it is not there.
[[nodiscard]] inline std::optional<std::string> option_value(const Bytes& options, unsigned kind) {
  for (std::size_t at = 0; at < options.size() && options[at] != std::byte{0};) {
    if (options[at] == std::byte{1}) {
      ++at;
      continue;
    }
    const auto size = std::to_integer<std::size_t>(options.at(at + 1));
    if (std::to_integer<unsigned>(options[at]) == kind) {
      return text_of({options.begin() + static_cast<std::ptrdiff_t>(at) + 2, options.begin() + static_cast<std::ptrdiff_t>(at + size)});
    }
    at += size;
  }
  return std::nullopt;
}
[[nodiscard]] inline std::optional<std::string> cookie_in(const Heard& heard) { return option_value(heard.options, 34); }

/// A client in Fast Open, opening again and again to the same server.
struct FastOpenClient : Wire {
  explicit FastOpenClient(tcp::Config config = {}) : Wire{config} {}

  /// Opens with `text` to be sent; what the SYN looks like.
  Heard open(std::string_view text, bool fast_open = true) {
    tcp::ConnectOptions options;
    options.fast_open = fast_open;
    auto opened = tcp.connect({kPeerAddress, kPeerPort}, options);
    REQUIRE(opened);
    connection = std::move(*opened);
    if (!text.empty()) REQUIRE(connection.send(std::as_bytes(std::span{text})));
    peer.emplace(*this, connection.local().port);
    return peer->hear_one();
  }
  /// Answers the SYN, acknowledging so many bytes of its data.
  void answer(std::uint32_t data, const Bytes& options) {
    REQUIRE(peer->say({.flags = kSynAck, .ack = syn_number() + 1 + data, .options = options}));
  }
  [[nodiscard]] SeqNum syn_number() const { return connection.info().snd_una; }
  /// The connection is over, and nothing of it is left to hear.
  void finish() {
    connection.abort();
    connection = {};
    (void)hear();
  }
  /// A first connection brings the cookie and the MSS.
  void learn(std::string_view cookie, std::uint16_t mss = 1460) {
    (void)open({});
    answer(0, fast_open_options(mss, cookie));
    finish();
  }

  tcp::Connection connection;
  std::optional<Peer> peer;
};

/// A server in Fast Open, and a peer that has its cookie.
struct FastOpenServer : Wire {
  static constexpr std::uint32_t kBoth = tcp::FastOpenUse::client | tcp::FastOpenUse::server;
  explicit FastOpenServer(tcp::Config config = {.fast_open = kBoth}, std::size_t backlog = 8) : Wire{config} {
    options.fast_open_backlog = backlog;
    options.settings.keep_unread = true;
    listener = *tcp.listen(kService, {}, options);
  }
  /// The cookie that a request brings.
  std::string ask(Port port = Port{4999}) {
    Peer asking{*this, kService, {kPeerAddress, port}};
    REQUIRE(asking.say({.flags = kSyn, .options = fast_open_options(1460, "")}));
    const auto cookie = cookie_in(asking.hear_one());
    REQUIRE(cookie);
    REQUIRE(asking.say({.flags = kRst, .seq = asking.nxt}));
    return *cookie;
  }
  void accept() {
    auto accepted = listener.accept();
    REQUIRE(accepted);
    connection = std::move(*accepted);
  }
  std::string read() {
    std::array<std::byte, 4096> buffer{};
    const auto count = connection.receive(buffer);
    if (!count) return {};
    return text_of({buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*count)});
  }

  tcp::ListenOptions options;
  tcp::Listener listener;
  tcp::Connection connection;
  Peer peer{*this, kService};
};

}  // namespace tapir::test
