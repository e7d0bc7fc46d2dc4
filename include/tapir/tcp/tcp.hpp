#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/network/network.hpp>
#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/listener.hpp>
#include <tapir/tcp/settings.hpp>

namespace tapir::tcp {

enum class Flags : std::uint8_t;

/// One segment on its way down: what its header says. The packet is the payload.
struct Send {
  Endpoint local = {};
  Endpoint remote = {};
  SeqNum seq = {};
  SeqNum ack = {};  ///< meaningful with the ACK bit
  Flags flags{};
  std::uint16_t window = 0;
  std::uint16_t urgent = 0;                 ///< meaningful with the URG bit
  std::span<const std::byte> options = {};  ///< TCP options as they go on the wire, a multiple of 4 bytes, at most 40
  std::uint16_t mss = 0;                    ///< a longer payload is a super-segment, cut into this many bytes each; 0: never cut
  std::optional<std::uint8_t> ttl = {};
  std::uint8_t tos = 0;
  bool dont_fragment = true;
  std::span<const std::byte> ip_options = {};  ///< at most 40 bytes
};

/// Counters under their names in RFC 4022, the TCP MIB.
struct Stats {
  std::uint64_t active_opens = 0;   ///< CLOSED to SYN-SENT
  std::uint64_t passive_opens = 0;  ///< LISTEN to SYN-RECEIVED
  std::uint64_t attempt_fails = 0;  ///< SYN-SENT or SYN-RECEIVED to CLOSED, SYN-RECEIVED to LISTEN
  std::uint64_t estab_resets = 0;   ///< ESTABLISHED or CLOSE-WAIT to CLOSED
  std::uint64_t curr_estab = 0;     ///< connections in ESTABLISHED or CLOSE-WAIT now
  std::uint64_t in_segs = 0;        ///< received, bad ones included
  std::uint64_t out_segs = 0;       ///< sent, those with only retransmitted octets not counted
  std::uint64_t retrans_segs = 0;   ///< segments with octets that were sent before
  std::uint64_t in_errs = 0;        ///< received in error: checksum, lengths, options
  std::uint64_t out_rsts = 0;       ///< sent with RST
  // Beyond the MIB.
  std::uint64_t cookies_sent = 0;         ///< SYN,ACK segments that stand for a half-open connection of which nothing is kept
  std::uint64_t cookies_accepted = 0;     ///< connections that an ACK for one of those opened
  std::uint64_t large_window_scales = 0;  ///< peers that offered a shift above 14, which was taken as 14 (RFC 7323 section 2.3)
  std::uint64_t sleeps = 0;               ///< connections that were packed because nothing happened: see Config::sleep_after
  std::uint64_t wakes = 0;                ///< of these, such as were unpacked again
  std::uint64_t predicted = 0;            ///< segments received that took the short way of Config::header_prediction, as Linux' TCPHPHits
};

/// The Transmission Control Protocol (RFC 9293). Context and network outlive it. One thread.
class Tcp final : public Layer<Send, network::Received>, public network::ErrorReceiver {
 public:
  /// Attaches itself to `network` for Protocol::tcp.
  Tcp(Context& context, network::Network& network, Config config = {});
  Tcp(const Tcp&) = delete;
  Tcp& operator=(const Tcp&) = delete;
  /// Connections that are open end without a word to their peers.
  ~Tcp() override;

  /// Passive open at `local`; an unspecified address means any of this host's. Without a handler connections wait for Listener::accept().
  /// Error::address_in_use when somebody listens there, Error::address_not_available for an address that is not ours,
  /// Error::invalid_argument for port 0 or an option outside its range.
  [[nodiscard]] Result<Listener> listen(const Endpoint& local, AcceptHandler handler = {}, const ListenOptions& options = {});
  /// The same at any address.
  [[nodiscard]] Result<Listener> listen(Port port, AcceptHandler handler = {}, const ListenOptions& options = {});

  /// Active open: returns at once, Events::connected or Events::closed tells the outcome. Error::invalid_argument for an unspecified or group
  /// address, port 0, or an option outside its range; Error::network_unreachable without a route; Error::address_not_available for a
  /// local address that is not ours or when no ephemeral port is free; Error::address_in_use when the same two endpoints are connected
  /// already; Error::no_buffer_space at Config::max_connections or Config::memory_limit.
  [[nodiscard]] Result<Connection> connect(const Endpoint& remote, const ConnectOptions& options = {});

  /// Whether an active open with ConnectOptions::fast_open to `server` could send data with its SYN now.
  [[nodiscard]] bool fast_open_ready(IpAddress server) const;
  /// All that is known of servers' Fast Open cookies is forgotten, refusals included.
  void forget_fast_open_cookies() noexcept;

  /// Puts the TCP header in front of `packet` and hands it to the network layer. Error::message_too_large, Error::invalid_argument for
  /// options outside their range, and what the network layer says.
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const Send& to) override;
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const network::Received& from) override;
  [[nodiscard]] bool believes(const network::ErrorReport& report) const override;
  void receive_error(const network::ErrorReport& report) override;

  /// What is set for the whole stack, to be read and, like Linux' sysctls, changed while it runs: what a connection settles when it begins (buffers, options
  /// to offer, timers' bounds, congestion control) changes for those that begin later, everything else at once.
  [[nodiscard]] const Config& config() const noexcept;
  void set_config(Config config);
  /// Whether Settings::congestion_control may name it: a built-in algorithm or one of the user's.
  [[nodiscard]] bool has_congestion_control(std::string_view name) const;

  /// Connections that exist, half-open ones and those in TIME-WAIT included.
  [[nodiscard]] std::size_t connection_count() const noexcept;
  /// A snapshot of every connection, in no particular order.
  [[nodiscard]] std::vector<Info> connections() const;
  /// Visits the two ends of every one of them, which takes much less: none is woken, nothing is copied. The visitor must not call this object.
  void for_each_connection(const std::function<void(const Endpoint& local, const Endpoint& remote)>& visit) const;
  /// Whether one of them has these two ends.
  [[nodiscard]] bool has_connection(const Endpoint& local, const Endpoint& remote) const;
  [[nodiscard]] const Stats& stats() const noexcept;
  [[nodiscard]] const DropCounters& drops() const noexcept;

 private:
  std::unique_ptr<detail::Engine> engine_;
};

}  // namespace tapir::tcp
