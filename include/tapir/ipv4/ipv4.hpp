#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tapir/arp/failure_receiver.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/ethernet/ether_type.hpp>
#include <tapir/ipv4/header.hpp>
#include <tapir/ipv4/identification.hpp>
#include <tapir/ipv4/interface.hpp>
#include <tapir/ipv4/options.hpp>
#include <tapir/ipv4/path_mtu.hpp>
#include <tapir/ipv4/reassembly.hpp>
#include <tapir/ipv4/routing_table.hpp>
#include <tapir/network/network.hpp>

namespace tapir::ipv4 {

/// RFC 1122 section 3.3.4.2: whether an address belongs to the host (weak) or to its interface alone (strong).
enum class HostModel : std::uint8_t { weak, strong };

/// What becomes of a source-routed datagram that names us as a stop, not as its end (RFC 1122 section 3.3.5).
enum class SourceRouting : std::uint8_t {
  automatic,       ///< `any` for a router, `off` for a host
  off,             ///< dropped, answered by "source route failed"
  same_interface,  ///< sent on by the interface that it came in by
  any,
};

struct Config {
  std::uint8_t default_ttl = 64;      ///< 1-255; 0 is taken as 64
  bool fragment = true;               ///< datagrams beyond the path MTU are fragmented here (RFC 1122 section 3.3.3)
  bool path_mtu_discovery = true;     ///< false: 576 bytes is the path MTU beyond the attached networks (RFC 1122 section 3.3.3)
  bool accept_zero_broadcast = true;  ///< host bits zero and 0.0.0.0 are broadcasts, too (RFC 1122 section 3.3.6)
  bool multicast_loopback = true;     ///< false: what is sent to a group that we are in never comes back, whatever the sender says
  HostModel host_model = HostModel::weak;
  SourceRouting source_routing = SourceRouting::automatic;
  bool forwarding = false;                  ///< a router; several interfaces alone do not make one (RFC 1122 section 3.1)
  bool forward_directed_broadcast = false;  ///< RFC 2644
  bool source_validation = false;     ///< transit from an interface that the route back does not use is dropped (RFC 1812 section 5.3.8)
  bool send_redirects = true;         ///< a router tells neighbours of a better first hop (RFC 1812 section 5.2.7.2)
  std::size_t loopback_queue = 1024;  ///< datagrams on their way to ourselves
  ReassemblyLimits reassembly = {};
  PathMtuCache::Limits path_mtu = {};
  RoutingTable::Limits routing = {};
};

/// What can be said of a route beside where it leads.
struct RouteOptions {
  std::uint32_t metric = 0;                  ///< see Route
  bool fixed = false;                        ///< see Route
  std::optional<std::uint32_t> mtu = {};     ///< see Route; from 68 to 65535 bytes
  std::optional<std::uint16_t> advmss = {};  ///< see Route; from 1 to 65495 bytes
};

/// RFC 4293 ipSystemStatsTable, under the names there.
struct Stats {
  std::uint64_t in_receives = 0;     ///< all that came, in error or not
  std::uint64_t in_hdr_errors = 0;   ///< version, length, checksum, options, or TTL on the way through
  std::uint64_t in_no_routes = 0;    ///< transit without a route
  std::uint64_t in_addr_errors = 0;  ///< source or destination not valid here
  std::uint64_t in_unknown_protos = 0;
  std::uint64_t in_truncated_pkts = 0;  ///< less data than the total length says
  std::uint64_t in_forw_datagrams = 0;  ///< transit, tried
  std::uint64_t in_discards = 0;        ///< good ones, but no room
  std::uint64_t in_delivers = 0;        ///< handed to a protocol
  std::uint64_t in_mcast_pkts = 0;
  std::uint64_t in_bcast_pkts = 0;
  std::uint64_t reasm_reqds = 0;   ///< fragments received
  std::uint64_t reasm_oks = 0;     ///< datagrams put together
  std::uint64_t reasm_fails = 0;   ///< datagrams given up
  std::uint64_t out_requests = 0;  ///< from our own protocols
  std::uint64_t out_no_routes = 0;
  std::uint64_t out_forw_datagrams = 0;
  std::uint64_t out_discards = 0;   ///< good ones, but no room, or refused below
  std::uint64_t out_transmits = 0;  ///< datagrams and fragments handed down
  std::uint64_t out_mcast_pkts = 0;
  std::uint64_t out_bcast_pkts = 0;
  std::uint64_t frag_reqds = 0;  ///< datagrams that had to be cut
  std::uint64_t frag_oks = 0;
  std::uint64_t frag_fails = 0;    ///< DF, or fragmentation off
  std::uint64_t frag_creates = 0;  ///< fragments made
};

/// The Internet Protocol version 4 (RFC 791, RFC 1122 section 3) of one host: routing, source selection, fragmentation, reassembly, options,
/// loopback and the Network contract for the transports. 127.0.0.0/8 and the own addresses are looped inside, by way of the scheduler's
/// ready list and never within the call that sends.
///
/// One thread. Context, interfaces' neighbours and attached protocols outlive it, or are detached.
class Ipv4 final : public Layer<network::Send, ethernet::Received>,
                   public network::Network,
                   public network::ErrorConsumer,
                   public arp::FailureReceiver {
 public:
  /// The index of `lo`, which is always there; the others count from 0.
  static constexpr InterfaceIndex loopback_interface{0xffff};

  explicit Ipv4(Context& context, Config config = {});
  Ipv4(const Ipv4&) = delete;
  Ipv4& operator=(const Ipv4&) = delete;
  ~Ipv4() override;

  // ---- interfaces and addresses
  /// Adds an interface, with routes to the networks of its addresses. Attach this for EtherType::ipv4 there, and make frames from there report
  /// the index. Error::invalid_argument for an MTU below 68 or above 65535, without neighbours, or for an address that no host can have.
  [[nodiscard]] Result<InterfaceIndex> add_interface(InterfaceConfig config);
  /// Adds an own address with its network's route. Error::invalid_argument for an address that no host can have (broadcast, network, multicast,
  /// loopback, 169.254/16 with another length), Error::address_in_use for one that we have, Error::no_such_device.
  Result<> add_address(InterfaceIndex interface, Ipv4Prefix address);
  /// Removes an own address, and the network's route when no other address is in it. Routes by gateways of that network go too.
  Result<> remove_address(InterfaceIndex interface, Ipv4Address address);
  /// Error::invalid_argument outside 68-65535.
  Result<> set_mtu(InterfaceIndex interface, std::size_t mtu);
  /// nullptr for an index that was never given. `lo` is not among them.
  [[nodiscard]] const Interface* interface(InterfaceIndex index) const noexcept;
  [[nodiscard]] std::size_t interface_count() const noexcept { return interfaces_.size(); }

  // ---- routes
  /// A route to `destination`; one with the same gateway and interface is replaced. By a gateway: it must be a neighbour (Error::network_unreachable
  /// otherwise), the interface is found from it. Error::invalid_argument for an option outside its range.
  Result<> add_route(Ipv4Prefix destination, Ipv4Address gateway, const RouteOptions& options = {});
  /// A route to `destination` on the link of `interface`.
  Result<> add_route(Ipv4Prefix destination, InterfaceIndex interface, const RouteOptions& options = {});
  /// A default route; of several the smallest metric is preferred, the others stand by (RFC 1122 section 3.3.1.6).
  Result<> add_default_gateway(Ipv4Address gateway, std::uint32_t metric = 0) {
    return add_route(Ipv4Prefix{Ipv4Address{}, 0}, gateway, {.metric = metric});
  }
  /// How many routes were removed.
  std::size_t remove_route(Ipv4Prefix destination, Ipv4Address gateway = {}) { return routes_.remove(destination, gateway); }
  [[nodiscard]] const RoutingTable& routes() const noexcept { return routes_; }
  /// What `route -n` prints.
  [[nodiscard]] std::string print_routes() const;

  // ---- multicast (RFC 1112)
  /// Membership on one interface, until as many leave() as join(). Error::invalid_argument for what is no group that a host can be in,
  /// Error::no_such_device. Every interface is in 224.0.0.1 from the start, and stays there.
  Result<> join(InterfaceIndex interface, Ipv4Address group);
  void leave(InterfaceIndex interface, Ipv4Address group);
  /// Membership on one interface, or on every one that there is now.
  [[nodiscard]] Result<> join(IpAddress group, std::optional<InterfaceIndex> interface) override;
  void leave(IpAddress group, std::optional<InterfaceIndex> interface) override;

  // ---- the Layer
  /// Sends a datagram. With a source route among the options, to.destination is the last stop and the option lists the ones before it, in order.
  /// Error::invalid_argument (TTL 0, bad options, no destination), Error::network_unreachable, Error::address_not_available (a source that is
  /// not ours, or none to select), Error::message_too_large (DF and beyond the path MTU; or beyond 65535), Error::would_block (the link is
  /// full), Error::no_buffer_space (it has to be cut, and every identification was used within the last two minutes: RFC 6864).
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const network::Send& to) override;
  /// Sends a datagram that has a header already, by the way that leads to to.destination, whatever the header's own is (man 7 raw, IP_HDRINCL). Total length and
  /// checksum are filled in; the source (to.source, else as encapsulate() chooses one) and the identification where they are 0. DF and the fragment
  /// fields decide as they do for others whether it may be cut, and whether it needs a number: where all are in use, what is in one piece is given DF. The
  /// rest is neither changed nor looked at, and of `to` only loop_multicast counts beside the addresses. Error::invalid_argument for a header that is too
  /// short or does not end within the datagram, Error::message_too_large beyond the interface's MTU, else as encapsulate().
  [[nodiscard]] Result<> send_with_header(Packet datagram, const network::Send& to);
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const ethernet::Received& from) override;

  // ---- the Network contract
  void attach(network::Protocol protocol, Demultiplexer<network::Received>& upper, network::ErrorReceiver* errors) override;
  void detach(network::Protocol protocol) noexcept;
  [[nodiscard]] Result<IpAddress> select_source(IpAddress destination) const override;
  [[nodiscard]] bool is_own(IpAddress address) const noexcept override;
  [[nodiscard]] bool is_group(IpAddress address) const noexcept override;
  [[nodiscard]] bool can_be_host(IpAddress address) const noexcept override;
  [[nodiscard]] Result<std::vector<std::byte>> source_route(std::span<const IpAddress> hops) const override;
  [[nodiscard]] std::vector<std::byte> return_route(std::span<const std::byte> options, IpAddress sender) const override;
  [[nodiscard]] std::size_t path_mtu(IpAddress destination) const noexcept override;
  [[nodiscard]] std::optional<std::uint16_t> advertised_segment(IpAddress destination) const noexcept override;
  void narrow_path(const network::ErrorReport& report) override;
  [[nodiscard]] std::optional<TimePoint> queued_until(IpAddress destination) const noexcept override;
  [[nodiscard]] std::size_t header_size(IpAddress) const noexcept override { return min_header_size; }
  [[nodiscard]] std::size_t reassembly_limit() const noexcept override { return reassembly_.limits().max_datagram; }
  [[nodiscard]] std::size_t max_super_segment(IpAddress destination) const noexcept override;
  [[nodiscard]] std::size_t max_super_datagram(IpAddress destination) const noexcept override;
  [[nodiscard]] bool writable(IpAddress destination) const noexcept override { return writable_from({}, destination); }
  [[nodiscard]] network::Outlook outlook(IpAddress destination) const noexcept override;
  [[nodiscard]] bool writable_from(IpAddress source, IpAddress destination) const noexcept override;
  [[nodiscard]] std::uint16_t pseudo_header_sum(IpAddress source, IpAddress destination, network::Protocol protocol,
                                                std::size_t transport_size) const noexcept override;
  void refuse(Packet packet, const network::Received& from, network::Refusal why) override;
  void advise(IpAddress destination, bool progress) override;

  // ---- errors
  /// Who tells other hosts of errors; nullptr: nobody.
  void set_error_sender(network::ErrorSender* sender) noexcept { error_sender_ = sender; }
  /// Errors about datagrams from a source that is not ours are dropped, counted as Drop::unrelated_error.
  void deliver_error(network::Protocol quoted, const network::ErrorReport& report) override;
  void redirect(IpAddress destination, IpAddress gateway, IpAddress from) override;
  void unresolved(Ipv4Address next_hop, Packet datagram) override;

  [[nodiscard]] const Config& config() const noexcept { return config_; }
  [[nodiscard]] const Reassembly& reassembly() const noexcept { return reassembly_; }
  [[nodiscard]] const PathMtuCache& path_mtus() const noexcept { return path_mtus_; }
  [[nodiscard]] Stats stats() const noexcept;
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  /// By which way a datagram arrived.
  struct Arrival {
    const Interface* interface = nullptr;
    LinkCast cast = LinkCast::unicast;
    bool local = false;  ///< sent by this host
    bool ours = false;   ///< is_ours() has said so; a source route may lead on

    [[nodiscard]] bool from_outside() const noexcept { return cast == LinkCast::unicast && !local; }
    [[nodiscard]] Arrival for_us() const noexcept { return {.interface = interface, .cast = cast, .local = local, .ours = true}; }
  };
  /// The two ends of the last datagram that came to an address of ours alone, and was found in order: the next one's are mostly the same.
  struct KnownEnds {
    Ipv4Address source;
    Ipv4Address destination;
    const Interface* interface = nullptr;  ///< nullptr: none yet
    std::uint64_t version = 0;             ///< of the interfaces

    friend bool operator==(const KnownEnds&, const KnownEnds&) noexcept = default;
  };
  struct Ends {
    Ipv4Address source;
    Ipv4Address destination;
  };
  /// By which way a datagram leaves.
  struct Egress {
    const Interface* interface = nullptr;
    Ipv4Address next_hop;
    bool broadcast = false;
    const Route* route = nullptr;  ///< that leads there, if one was needed; valid until the table changes

    /// The largest datagram that leaves by it in one piece, in bytes.
    [[nodiscard]] std::size_t mtu() const noexcept {
      const std::size_t link = interface->config.mtu;
      return route != nullptr && route->mtu ? std::min<std::size_t>(link, *route->mtu) : link;
    }
  };
  /// The last answer about one host: a connection asks several times for each segment.
  struct KnownEgress {
    Ipv4Address destination;
    Ipv4Address source;         ///< that was last found good for it; unspecified: none yet
    std::uint64_t version = 0;  ///< of routes and interfaces; 0: nothing is known
    Egress egress;
  };
  struct Upper {
    network::Protocol protocol{};
    Demultiplexer<network::Received>* receiver = nullptr;
    network::ErrorReceiver* errors = nullptr;
  };
  /// What this host sends to itself, one datagram at a pull.
  class Loopback final : public ReadySource {
   public:
    Loopback(Ipv4& owner, std::size_t limit) noexcept : owner_{owner}, limit_{limit} {}
    [[nodiscard]] bool full() const noexcept { return queue_.size() >= limit_; }
    [[gnu::noinline]] Result<> send(Packet packet, const Interface& interface);
    [[nodiscard]] Pulled pull() override;

   private:
    struct Item {
      Packet packet;
      const Interface* interface;
    };
    Ipv4& owner_;
    std::size_t limit_;
    std::deque<Item> queue_;
  };

  /// The fragments of a datagram whose first ones have left, while the link takes no more: they follow as it does. Were they lost, who waits for room and
  /// sends the datagram again would send its beginning for ever. Of one datagram an interface.
  class Remainder final : public ReadySource {
   public:
    explicit Remainder(Ipv4& owner) noexcept : owner_{owner} {}
    [[nodiscard]] bool waits_for(const Interface& interface) const noexcept { return !queue_.empty() && holds(interface); }
    void add(Packet fragment, const Header& header, const Egress& egress);
    [[nodiscard]] Pulled pull() override;

   private:
    struct Item {
      Packet fragment;
      Header header;
      Egress egress;
    };
    [[nodiscard]] bool holds(const Interface& interface) const noexcept;

    Ipv4& owner_;
    std::deque<Item> queue_;
  };

  // interfaces.cpp
  [[nodiscard]] Interface* find_interface(InterfaceIndex index) noexcept;
  [[nodiscard]] const Interface* owner_of(Ipv4Address address) const noexcept;
  [[nodiscard]] const Interface* neighbour_interface(Ipv4Address address) const noexcept;
  [[nodiscard]] bool is_broadcast(Ipv4Address address) const noexcept;
  void add_connected_route(const Interface& interface, Ipv4Prefix network);

  [[nodiscard]] const Upper* find_upper(network::Protocol protocol) const noexcept;

  // input.cpp
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> drop(Drop reason) {
    return reject(context_, drops_, LayerId::ipv4, reason);
  }
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> drop(Drop reason, std::uint64_t& counter) {
    ++counter;
    return drop(reason);
  }
  [[nodiscard]] Accepted receive(Packet&& packet, const Arrival& arrival);
  [[nodiscard, gnu::noinline]] Accepted receive_other(Packet&& packet, const Header& header, const Arrival& arrival);
  [[nodiscard]] Accepted check_header(const Packet& packet, Header& header);
  [[nodiscard]] std::optional<Drop> invalid_addresses(const Header& header, const Arrival& arrival) const noexcept;
  [[nodiscard]] bool is_ours(Ipv4Address destination, const Arrival& arrival) const noexcept;
  [[nodiscard]] bool is_group_of_ours(Ipv4Address destination, const Arrival& arrival) const noexcept;
  [[nodiscard, gnu::noinline]] Accepted receive_own(Packet&& packet, const Header& header, const Arrival& arrival);
  [[nodiscard]] Accepted reassemble(Packet packet, const Header& header, const Arrival& arrival);
  [[nodiscard]] Accepted deliver(Packet&& packet, const Header& header, const Arrival& arrival);
  [[nodiscard]] Accepted hand_up(Packet&& packet, const Header& header, const Arrival& arrival, std::span<const std::byte> options);
  [[nodiscard]] Accepted bad_option(Packet packet, const Arrival& arrival, OptionProblem problem);
  void send_error(Packet datagram, network::ErrorSender::Problem problem);

  // output.cpp
  [[nodiscard]] std::uint64_t version() const noexcept { return interfaces_version_ + routes_.version(); }  // neither ever becomes less
  /// The way to `destination` when the last answer was about it and still holds; nullptr otherwise.
  [[nodiscard]] const Egress* known_egress(Ipv4Address destination) const noexcept {
    return destination == known_egress_.destination && version() == known_egress_.version ? &known_egress_.egress : nullptr;
  }
  [[nodiscard]] Result<Egress> egress_for(Ipv4Address destination, Ipv4Address source) const {
    if (const Egress* known = known_egress(destination)) return *known;
    return look_up_egress(destination, source);
  }
  [[nodiscard]] Result<Egress> look_up_egress(Ipv4Address destination, Ipv4Address source) const;
  [[nodiscard]] Result<Egress> find_egress(Ipv4Address destination, Ipv4Address source) const;
  [[nodiscard]] Result<Egress> group_egress(Ipv4Address group, Ipv4Address source, bool broadcast) const;
  [[nodiscard]] std::optional<Ipv4Address> default_source(Ipv4Address destination, const Egress& egress) const noexcept;
  [[nodiscard]] Result<Ipv4Address> choose_source(const network::Send& to, const Egress& egress, const Packet& packet) const;
  [[nodiscard]] std::size_t mtu_towards(Ipv4Address destination, const Egress& egress) const noexcept;
  [[nodiscard]] bool takes_frames(const Egress& egress) const noexcept;
  /// What is left when the way is known, and both ends. The way is a copy: what is asked on the way down may make another the known one.
  [[nodiscard]] Result<> send_by(Egress egress, Packet&& packet, const network::Send& to, Ends ends, std::span<const std::byte> options);
  /// The identification and DF of what becomes so many datagrams on a wire; `fits`: none of them has to be cut.
  [[nodiscard, gnu::noinline]] Result<> identify(Header& header, std::size_t datagrams, bool fits, const Egress& egress);
  /// Sends a datagram whose header is in front, cut to `mtu` when it is larger. `header` may be the one in the datagram, and is not looked at once that has gone on;
  /// whoever cuts it has a copy.
  [[nodiscard]] Result<> transmit(Packet&& datagram, const Header& header, const Egress& egress, std::size_t mtu);
  [[nodiscard, gnu::noinline]] Result<> transmit_cut(Packet&& datagram, Header header, const Egress& egress, std::size_t mtu);
  [[nodiscard]] Result<> hand_down(Packet&& datagram, const Header& header, const Egress& egress);

  // own_header.cpp
  [[nodiscard]] Result<Header> complete(Header header, const Packet& datagram, const network::Send& to, const Egress& egress);

  // forwarding.cpp
  /// What becomes of a datagram's header on its way through.
  struct Transit {
    Header header;
    OptionBytes options;
    OptionSummary summary;
    Egress egress;
  };
  [[nodiscard]] Accepted forward(Packet packet, const Header& header, const Arrival& arrival);
  [[nodiscard]] std::optional<Drop> forbidden_transit(const Header& header, const Arrival& arrival) const noexcept;
  /// A source route that has us as a stop.
  [[nodiscard]] Accepted follow_source_route(Packet packet, const Header& header, const Arrival& arrival, const OptionBytes& options,
                                             const OptionSummary& summary);
  [[nodiscard]] Accepted send_on(Packet packet, const Header& received, const Arrival& arrival, Transit transit);
  [[nodiscard]] Accepted refuse_transit(Packet packet, const Arrival& arrival, network::ErrorKind kind, Drop reason, std::uint64_t& counter,
                                        std::size_t mtu = 0);
  [[nodiscard]] bool deserves_redirect(const Header& received, const Arrival& arrival, const Transit& transit) const noexcept;
  [[nodiscard]] bool may_follow_source_route(const Arrival& arrival, const Egress& egress) const noexcept;

  [[gnu::cold, gnu::noinline]] void observe(Direction direction, const Packet& packet, const Header& header) const;
  [[nodiscard]] std::uint32_t timestamp() const noexcept;

  Context& context_;
  Config config_;
  Interface lo_;
  std::vector<std::unique_ptr<Interface>> interfaces_;
  std::vector<Upper> uppers_;             ///< a handful: searched from the front
  std::uint64_t interfaces_version_ = 1;  ///< another number whenever an interface or an address comes or goes
  RoutingTable routes_;
  mutable KnownEgress known_egress_;
  KnownEnds known_ends_;
  PathMtuCache path_mtus_;
  Reassembly reassembly_;
  IdentificationCounters identifications_;
  Loopback loopback_;
  Remainder remainder_{*this};
  network::ErrorSender* error_sender_ = nullptr;
  Stats stats_;
  DropCounters drops_;
};

}  // namespace tapir::ipv4
