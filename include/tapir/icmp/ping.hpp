#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/time.hpp>
#include <tapir/network/network.hpp>

namespace tapir::icmp {

/// How echo requests are sent (RFC 792, "Echo").
struct PingOptions {
  std::size_t size = 56;                        ///< data bytes in each request, 0-65507
  std::uint32_t count = 1;                      ///< requests to send; 0: until the Ping is destroyed
  Duration interval = std::chrono::seconds{1};  ///< between requests, above 0
  Duration timeout = std::chrono::seconds{5};   ///< for each reply, above 0 and at most 4096 intervals
  std::optional<std::uint8_t> ttl = {};         ///< 1-255; empty: the stack's default
  std::uint8_t tos = 0;                         ///< Diffserv field and ECN bits
  bool dont_fragment = false;                   ///< a request beyond the path MTU then ends with Error::message_too_large
  IpAddress source = {};                        ///< unspecified: the network layer selects one
};

/// A reply to one echo request.
struct PingReply {
  IpAddress from;         ///< who replied
  std::size_t size = 0;   ///< data bytes that came back
  std::uint8_t ttl = 0;   ///< of the reply
  bool intact = false;    ///< the data came back as it was sent
  Duration round_trip{};  ///< from handing the request down to the reply's arrival at the link
};

/// What became of one echo request: exactly one event for each, unless the Ping is destroyed before. The first reply counts, of a request to
/// a group too.
struct PingEvent {
  std::uint16_t sequence = 0;  ///< of the request; the first is 1
  /// Error::timed_out without an answer, or what an ICMP error or the network layer said (host_unreachable, network_unreachable, …).
  Result<PingReply> reply;
  std::optional<network::ErrorReport> error;  ///< the ICMP error behind a failed reply, its `transport` empty
  bool last = false;                          ///< no event follows
};

using PingHandler = std::function<void(const PingEvent&)>;

namespace detail {
class PingSession;
}

/// A run of echo requests. Destroying it ends the run, and no handler is called any more. It may outlive its Icmp, and may be destroyed
/// from within its own handler. One thread.
class Ping {
 public:
  explicit Ping(std::shared_ptr<detail::PingSession> session) noexcept;
  Ping(Ping&& other) noexcept = default;
  Ping& operator=(Ping&& other) noexcept;
  Ping(const Ping&) = delete;
  Ping& operator=(const Ping&) = delete;
  ~Ping();

  /// Requests handed to the network layer so far.
  [[nodiscard]] std::uint32_t sent() const noexcept;
  /// Requests answered so far.
  [[nodiscard]] std::uint32_t received() const noexcept;
  /// All requests were sent, and each was answered, failed or timed out.
  [[nodiscard]] bool finished() const noexcept;
  /// The identifier in the requests (RFC 792): random.
  [[nodiscard]] std::uint16_t identifier() const noexcept;

 private:
  void stop() noexcept;
  std::shared_ptr<detail::PingSession> session_;  ///< nullptr once moved from
};

}  // namespace tapir::icmp
