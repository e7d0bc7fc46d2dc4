#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/icmp/ping.hpp>
#include <tapir/icmp/token_bucket.hpp>
#include <tapir/network/network.hpp>

namespace tapir::icmp {

/// The message type (IANA "ICMP Type Numbers"): those that are acted on, and those that are ignored by rule.
enum class Type : std::uint8_t {
  echo_reply = 0,
  destination_unreachable = 3,
  source_quench = 4,  ///< deprecated (RFC 6633): neither sent nor acted on
  redirect = 5,
  echo_request = 8,
  time_exceeded = 11,
  parameter_problem = 12,
  timestamp_request = 13,
  timestamp_reply = 14,
};

/// What is said about a message on its way down: the header's fields and where it goes. The packet is what follows the 8-byte header.
struct Send {
  Type type{};
  std::uint8_t code = 0;
  std::uint32_t rest = 0;  ///< the header's second word: identifier and sequence number, gateway, pointer, next-hop MTU, or 0
  network::Send network;   ///< its protocol is set by the layer
};

struct Config {
  bool answer_echo = true;                ///< RFC 1122 section 3.2.2.6
  bool answer_broadcast_echo = false;     ///< requests to a broadcast or multicast address, too
  bool answer_timestamp = false;          ///< RFC 1122 section 3.2.2.8. The time is not UT: its high-order bit is set (RFC 792)
  bool accept_redirects = true;           ///< hand redirects to the network layer
  bool fragment_echo_replies = true;      ///< false: a reply beyond the path MTU is cut to it (RFC 1122 section 3.2.2.6)
  RateLimit errors{100, 50};              ///< error messages sent (RFC 1812 section 4.3.2.8)
  RateLimit redirects{100, 50};           ///< redirects sent, not to the cost of other errors
  RateLimit echo_replies{10'000, 1'000};  ///< echo and timestamp replies sent
};

/// RFC 4293 icmpStatsTable and icmpMsgStatsTable, under their names there.
struct Stats {
  std::uint64_t in_msgs = 0;                  ///< all messages received, those in in_errors included
  std::uint64_t in_errors = 0;                ///< too short, bad checksum, bad length, …
  std::uint64_t out_msgs = 0;                 ///< all messages that were to be sent, those in out_errors included
  std::uint64_t out_errors = 0;               ///< of these, not sent: rate-limited or refused by the network layer
  std::array<std::uint64_t, 256> in_pkts{};   ///< by type
  std::array<std::uint64_t, 256> out_pkts{};  ///< by type
  std::uint64_t suppressed = 0;               ///< errors that RFC 1122 section 3.2.2 forbids to send
};

/// The Internet Control Message Protocol for IPv4 (RFC 792, RFC 1122 section 3.2.2): answers echo requests, sends errors for the network
/// layer, hands received ones back to it, and is the transport of its own echo requests. Context, network and errors outlive it. One thread.
class Icmp final : public Layer<Send, network::Received>, public network::ErrorSender, public network::ErrorReceiver {
 public:
  /// Attaches itself to `network` for Protocol::icmp. Received errors and redirects go to `errors`, which is usually the same object.
  Icmp(Context& context, network::Network& network, network::ErrorConsumer& errors, Config config = {});
  Icmp(const Icmp&) = delete;
  Icmp& operator=(const Icmp&) = delete;
  ~Icmp() override;

  /// Sends echo requests to `destination`, the first one at the scheduler's next turn, and tells `handler` of each what became of it. Even a
  /// request that cannot be sent is reported by the handler, never from within this call. Error::invalid_argument for options outside their
  /// range or an unspecified destination, Error::no_buffer_space when 65536 pings are running.
  [[nodiscard]] Result<Ping> ping(IpAddress destination, const PingOptions& options, PingHandler handler);

  /// Puts the ICMP header with its checksum in front of `packet` and hands it to the network layer.
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const Send& to) override;
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const network::Received& from) override;

  /// Tells the source of `datagram` of a problem, unless RFC 1122 section 3.2.2 or the rate limit forbids it.
  void send_error(Packet datagram, const Problem& problem) override;
  /// A redirect for the host (RFC 792 code 1: the only one that a router of today sends, RFC 1812 section 5.2.7.2), under the same rules.
  void send_redirect(Packet datagram, IpAddress gateway) override;
  /// Of an echo request that waits for its reply.
  [[nodiscard]] bool believes(const network::ErrorReport& report) const override;
  /// An error about one of our own messages: it ends the echo request that it quotes.
  void receive_error(const network::ErrorReport& report) override;

  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  friend class detail::PingSession;

  [[nodiscard]] std::unexpected<Drop> drop(Drop reason) { return reject(context_, drops_, LayerId::icmp, reason); }
  [[nodiscard]] std::unexpected<Drop> malformed(Drop reason);
  [[nodiscard]] Accepted dispatch(Packet packet, const network::Received& from, Type type, std::uint8_t code, std::uint32_t rest);
  [[nodiscard]] Accepted answer_echo(Packet data, const network::Received& from, std::uint32_t rest);
  [[nodiscard]] Accepted answer_timestamp(const Packet& data, const network::Received& from, std::uint32_t rest);
  [[nodiscard]] Accepted reply(Packet data, const network::Received& from, Type type, std::uint32_t rest);
  [[nodiscard]] Accepted accept_echo_reply(const Packet& data, const network::Received& from, std::uint32_t rest);
  [[nodiscard]] Accepted accept_error(const Packet& quote, const network::Received& from, Type type, std::uint8_t code, std::uint32_t rest);
  [[nodiscard]] Accepted accept_redirect(const Packet& quote, const network::Received& from, std::uint8_t code, std::uint32_t rest);
  [[nodiscard]] bool may_send_error(const Packet& datagram, LinkCast cast) const;
  /// Sends `to` to the source of `datagram`, which it quotes, if the rules and `tokens` allow it.
  void send_about(Packet datagram, LinkCast cast, Send to, TokenBucket& tokens);
  void observe(Direction direction, const Packet& packet) const;

  Context& context_;
  network::Network& network_;
  network::ErrorConsumer& errors_;
  Config config_;
  TokenBucket error_tokens_;
  TokenBucket redirect_tokens_;
  TokenBucket reply_tokens_;
  std::unordered_map<std::uint16_t, detail::PingSession*> pings_;  ///< by identifier
  Stats stats_;
  DropCounters drops_;
};

}  // namespace tapir::icmp
