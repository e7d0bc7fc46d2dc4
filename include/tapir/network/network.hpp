#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/core/time.hpp>

/// The narrow contract between the transports and whatever network layer is below them. ipv4::Ipv4 implements it.
namespace tapir::network {

/// The protocol field of the IPv4 header (IANA "Assigned Internet Protocol Numbers").
enum class Protocol : std::uint8_t { icmp = 1, igmp = 2, tcp = 6, udp = 17 };

/// What a transport says about a datagram that it sends.
struct Send {
  IpAddress source;  ///< unspecified: the network layer selects one
  IpAddress destination;
  Protocol protocol{};
  std::optional<std::uint8_t> ttl;  ///< 1-255; empty: the stack's default, or 1 to a multicast group (RFC 1112 section 6.1)
  std::uint8_t tos = 0;             ///< Diffserv field and ECN bits (RFC 2474, RFC 3168)
  bool dont_fragment = false;
  /// IPv4 options to send, unpadded, at most 40 bytes; valid during the call. With a source route `destination` is its end, so that the
  /// pseudo-header is right, and the option lists the stops before that, in order, with the pointer at the first.
  std::span<const std::byte> options;
  bool loop_multicast = true;  ///< what goes to a group that this host is in comes back to it, too (RFC 1112 section 6.1)
};

/// What a transport has to expect of the way to a destination just now.
struct Outlook {
  bool writable = true;     ///< see Network::writable()
  bool tells_queue = true;  ///< queued_until() may say more than that nothing is known
  std::size_t path_mtu{};   ///< see Network::path_mtu()
};

/// What the network layer reports about a datagram that it hands up. Its header has been trimmed off the packet.
struct Received {
  IpAddress source;
  IpAddress destination;  ///< as it stood in the header: one of our addresses, a broadcast or a group
  Protocol protocol{};
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  InterfaceIndex interface{};
  LinkCast cast = LinkCast::unicast;
  bool to_group = false;        ///< the destination is a broadcast or multicast address
  std::size_t header_size = 0;  ///< bytes of network header in front of the payload; Packet::restore_front() brings them back
  /// Received options; valid during the call. Record Route and Timestamp have our entry already (RFC 1122 section 3.2.1.8), except for
  /// ICMP, which makes it in its reply (section 3.2.2.6).
  std::span<const std::byte> options;
};

/// What an ICMP error says, whatever its type and code.
enum class ErrorKind : std::uint8_t {
  network_unreachable,
  host_unreachable,
  protocol_unreachable,
  port_unreachable,
  fragmentation_needed,
  source_route_failed,
  prohibited,  ///< by an administrator
  ttl_exceeded,
  reassembly_time_exceeded,
  parameter_problem,
  unresolved,  ///< not from ICMP: our own neighbour resolution gave up on the next hop
};

/// An error about a datagram that this host sent, matched to its transport by the protocol it quotes.
struct ErrorReport {
  ErrorKind kind{};
  std::uint8_t type = 0;  ///< ICMP type and code as received; 0, 0 for ErrorKind::unresolved
  std::uint8_t code = 0;
  IpAddress reporter;                        ///< who sent the error
  IpAddress source;                          ///< of the quoted datagram: one of our addresses
  IpAddress destination;                     ///< of the quoted datagram
  std::uint16_t next_hop_mtu = 0;            ///< bytes, for fragmentation_needed; 0: not said (RFC 1191 section 4)
  std::uint8_t pointer = 0;                  ///< for parameter_problem: the octet in error
  std::span<const std::byte> datagram = {};  ///< what is quoted, from the network header on; valid during the call
  std::span<const std::byte> transport;      ///< the quoted start of the transport header, at least 8 bytes; valid during the call
  std::uint16_t quoted_length = 0;  ///< total length field of the quoted datagram, in bytes: where next_hop_mtu is 0 the search for the
                                    ///< path MTU starts below it (RFC 1191 section 5); 0 for ErrorKind::unresolved

  /// The quoted transport header as far as H goes; nullopt when less is quoted.
  template <WireHeader H>
  [[nodiscard]] std::optional<H> quoted() const noexcept {
    H header;
    if (transport.size() < sizeof(header)) return std::nullopt;
    std::memcpy(&header, transport.data(), sizeof(header));
    return header;
  }
};

/// A transport that wants to hear of errors about its datagrams.
class ErrorReceiver {
 public:
  virtual ~ErrorReceiver() = default;
  /// Whether `report` is about something that was sent, as far as the transport can tell (RFC 5927 section 4.1). What all transports share, such as
  /// the path MTU, does not change on the word of a report that is not believed: anybody can make one up.
  [[nodiscard]] virtual bool believes(const ErrorReport& report) const = 0;
  virtual void receive_error(const ErrorReport& report) = 0;
};

/// What ICMP hands to the network layer: errors and redirects that other hosts sent, checked for form and for quoting a datagram from one of
/// our addresses.
class ErrorConsumer {
 public:
  virtual ~ErrorConsumer() = default;
  /// Brings `report` to the ErrorReceiver of `quoted`, the protocol of the datagram that the error quotes (RFC 1122 section 3.2.2). For
  /// ErrorKind::fragmentation_needed that the receiver believes the path MTU towards report.destination is lowered first (RFC 1191 section 3).
  virtual void deliver_error(Protocol quoted, const ErrorReport& report) = 0;
  /// `from` says that `gateway` is the better first hop towards `destination`. Whether to believe it is decided here (RFC 1122 section 3.2.2.2):
  /// only from the present first hop, and only for a gateway on the same network.
  virtual void redirect(IpAddress destination, IpAddress gateway, IpAddress from) = 0;
};

/// What the network layer asks of ICMP: tell the source of `datagram` (its front is the network header as received) what was wrong with it.
/// Whether an error may be sent at all (RFC 1122 section 3.2.2) and how often is decided there.
class ErrorSender {
 public:
  struct Problem {
    ErrorKind kind{};
    std::uint16_t next_hop_mtu = 0;     ///< for fragmentation_needed
    std::uint8_t pointer = 0;           ///< for parameter_problem
    LinkCast cast = LinkCast::unicast;  ///< how the frame that brought the datagram was addressed
    bool from_egress = false;           ///< the error comes from the interface that it leaves by, not from the address that was asked
  };
  virtual ~ErrorSender() = default;
  virtual void send_error(Packet datagram, const Problem& problem) = 0;
  /// Tells the source of `datagram`, which has been forwarded, that `gateway` on its own network is the better first hop (RFC 792, redirect).
  virtual void send_redirect(Packet datagram, IpAddress gateway) = 0;
};

/// Why a transport turns a datagram away with an answer.
enum class Refusal : std::uint8_t { port_unreachable, protocol_unreachable };

/// The network layer as a transport sees it. One thread.
class Network {
 public:
  virtual ~Network() = default;

  /// Puts the network header in front of `packet` and sends it towards its destination (the same call as the Layer's).
  [[nodiscard]] virtual Result<> encapsulate(Packet&& packet, const Send& to) = 0;

  /// Datagrams with `protocol` go to `upper`, errors about them to `errors` (which may be nullptr). A protocol has one user: the last one.
  virtual void attach(Protocol protocol, Demultiplexer<Received>& upper, ErrorReceiver* errors) = 0;

  /// The address that encapsulate() would take as source towards `destination`. Error::network_unreachable without a route,
  /// Error::address_not_available without an address.
  [[nodiscard]] virtual Result<IpAddress> select_source(IpAddress destination) const = 0;
  /// Whether `address` is one of this host's own unicast addresses.
  [[nodiscard]] virtual bool is_own(IpAddress address) const noexcept = 0;
  /// Whether `address` is a broadcast address of an attached network, the limited broadcast, or a multicast group.
  [[nodiscard]] virtual bool is_group(IpAddress address) const noexcept = 0;
  /// Whether one host can have `address`: it is neither unspecified nor a group, nor reserved.
  [[nodiscard]] virtual bool can_be_host(IpAddress address) const noexcept = 0;
  /// Largest datagram that reaches `destination` in one piece as far as is known, in bytes, network header included.
  [[nodiscard]] virtual std::size_t path_mtu(IpAddress destination) const noexcept = 0;
  /// Largest TCP segment to ask the hosts at `destination` for, in bytes of payload, where the way there is configured so; nullopt: what path_mtu() allows.
  [[nodiscard]] virtual std::optional<std::uint16_t> advertised_segment(IpAddress destination) const noexcept {
    (void)destination;
    return std::nullopt;
  }
  /// A report of ErrorKind::fragmentation_needed that believes() did not believe when it came turns out to be true: the path MTU towards
  /// report.destination is lowered. What it quotes is not looked at.
  virtual void narrow_path(const ErrorReport& report) { (void)report; }
  /// When the last of what was sent towards `destination` so far will have left the device's queue; nullopt: nothing waits there, or nobody knows.
  [[nodiscard]] virtual std::optional<TimePoint> queued_until(IpAddress destination) const noexcept {
    (void)destination;
    return std::nullopt;
  }
  /// Bytes of network header in front of the transport header when no options are sent.
  [[nodiscard]] virtual std::size_t header_size(IpAddress destination) const noexcept = 0;
  /// Largest datagram that reassembly accepts, in bytes, network header included (RFC 1122 section 3.3.2: MMS_R is this less 20).
  [[nodiscard]] virtual std::size_t reassembly_limit() const noexcept = 0;
  /// Largest datagram that the route takes as one TCP super-segment, in bytes; 0: none, though one that is handed down is split.
  [[nodiscard]] virtual std::size_t max_super_segment(IpAddress destination) const noexcept = 0;
  /// Largest datagram that the route takes as one UDP super-datagram, in bytes; 0: none, though one that is handed down is split.
  [[nodiscard]] virtual std::size_t max_super_datagram(IpAddress destination) const noexcept {
    (void)destination;
    return 0;
  }
  /// Whether the link towards `destination` takes a frame now.
  [[nodiscard]] virtual bool writable(IpAddress destination) const noexcept = 0;
  /// The same for what leaves with `source`, which may decide the way to a group; unspecified: the network layer chooses it.
  [[nodiscard]] virtual bool writable_from(IpAddress source, IpAddress destination) const noexcept {
    (void)source;
    return writable(destination);
  }
  /// What a transport asks before each packet: a network layer that is asked often has an answer of its own, so that this one is rarely needed.
  [[nodiscard, gnu::noinline]] virtual Outlook outlook(IpAddress destination) const noexcept {
    return {.writable = writable(destination), .path_mtu = path_mtu(destination)};
  }
  /// The one's complement sum of the pseudo-header (RFC 9293 section 3.1, RFC 768), folded to 16 bits, not complemented. `transport_size` is one of its words.
  [[nodiscard]] virtual std::uint16_t pseudo_header_sum(IpAddress source, IpAddress destination, Protocol protocol,
                                                        std::size_t transport_size) const noexcept = 0;
  /// Answers a datagram that no transport user wants, as far as the rules for ICMP errors allow (RFC 1122 section 3.2.2). The packet's front is
  /// the transport header.
  virtual void refuse(Packet packet, const Received& from, Refusal why) = 0;
  /// Makes this host a member of the multicast group on one interface, or on all that there are, until as many leave() as join() (RFC 1112
  /// section 7.1). Error::not_supported where the network layer knows no groups, Error::invalid_argument when `group` is none that can
  /// be joined, Error::no_such_device.
  [[nodiscard]] virtual Result<> join(IpAddress group, std::optional<InterfaceIndex> interface) {
    (void)group;
    (void)interface;
    return fail(Error::not_supported);
  }
  virtual void leave(IpAddress group, std::optional<InterfaceIndex> interface) {
    (void)group;
    (void)interface;
  }
  /// The options, for Send::options, that take a datagram by way of `hops` (RFC 9293 section 3.9.2.1); empty without hops. Error::not_supported where the
  /// network layer has no such thing, Error::invalid_argument for more hops than it can name.
  [[nodiscard]] virtual Result<std::vector<std::byte>> source_route(std::span<const IpAddress> hops) const {
    if (!hops.empty()) return fail(Error::not_supported);
    return std::vector<std::byte>{};
  }
  /// The options that go back the way on which `sender` sent a datagram with `options`, when that was a source route which has reached its end; else empty.
  [[nodiscard]] virtual std::vector<std::byte> return_route(std::span<const std::byte> options, IpAddress sender) const {
    (void)options;
    (void)sender;
    return {};
  }
  /// A transport's advice on the path: forward progress is made (true), or retransmissions pile up (false) (RFC 1122 section 3.3.1.4).
  virtual void advise(IpAddress destination, bool progress) = 0;
};

}  // namespace tapir::network
