#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/drop.hpp>
#include <tapir/core/time.hpp>

namespace tapir {

class Packet;

/// The layers an event can come from, lowest first.
enum class LayerId : std::uint8_t { link, ethernet, arp, rarp, ipv4, icmp, igmp, udp, tcp, dns, tls, websocket, mqtt, application };

[[nodiscard]] std::string_view name(LayerId layer) noexcept;

/// Which way a packet travels through the stack.
enum class Direction : std::uint8_t { down, up };

/// One decoded field of a header, for people: {"ttl", "64"}.
struct Field {
  std::string_view name;  ///< a string literal
  std::string value;
};

/// A packet passes a layer: its header was just put on (down) or just checked (up, before it is taken off).
struct Crossing {
  LayerId layer;
  Direction direction;
  TimePoint at;
  const Packet* packet;      ///< its front is this layer's header; valid during the call. nullptr above TCP, where there are only bytes
  std::size_t header_size;   ///< bytes of this layer's header at the front
  std::size_t payload_size;  ///< bytes behind it
  std::string_view summary;  ///< what it is in a word or two: "echo request", "SYN, ACK", "PUBLISH"
  std::span<const Field> fields;
  /// The header in a line for people: "192.0.2.2:49152 > 192.0.2.1:1883 seq 1 ack 5 win 65535". May be empty.
  std::string_view brief = {};
};

/// A packet went no further.
struct DropEvent {
  LayerId layer;
  Drop reason;
  TimePoint at;
};

/// A TCP connection entered another state.
struct StateChange {
  TimePoint at;
  std::string_view connection;  ///< "192.0.2.2:49152 > 192.0.2.1:1883"; of a listener "192.0.2.2:1883 > *"
  std::string_view from;
  std::string_view to;
};

/// A timer of the protocol expired: "retransmission", "persist", "arp retry".
struct TimerEvent {
  LayerId layer;
  std::string_view timer;
  TimePoint at;
};

/// CongestionEvent::ssthresh before the first loss: "arbitrarily high" (RFC 5681 section 3.1).
inline constexpr std::uint32_t no_ssthresh = 0xffff'ffffU;

/// TCP found a loss, or changed its congestion window.
struct CongestionEvent {
  TimePoint at;
  std::string_view connection;
  std::string_view cause;  ///< "fast retransmit", "timeout", "ack", …
  std::uint32_t cwnd;      ///< bytes
  std::uint32_t ssthresh;  ///< bytes, or no_ssthresh
};

/// Sees what happens inside one stack. Every method does nothing by default; without an observer no event is even put together.
/// Called on the stack's thread, in order; must not call back into the stack.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void crossed(const Crossing& crossing) { (void)crossing; }
  virtual void dropped(const DropEvent& drop) { (void)drop; }
  virtual void changed_state(const StateChange& change) { (void)change; }
  virtual void expired(const TimerEvent& timer) { (void)timer; }
  virtual void congested(const CongestionEvent& event) { (void)event; }
};

}  // namespace tapir
