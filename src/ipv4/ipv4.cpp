#include <tapir/ipv4/ipv4.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <tapir/core/checksum.hpp>
#include <tapir/ipv4/source_route.hpp>

namespace tapir::ipv4 {

namespace {

constexpr std::size_t kTcpHeader = 20;  // bytes, without options

bool in_range(const RouteOptions& options) {
  const std::size_t mtu = options.mtu.value_or(max_datagram);
  const std::size_t advmss = options.advmss.value_or(1);
  return mtu >= min_mtu && mtu <= max_datagram && advmss >= 1 && advmss <= max_datagram - min_header_size - kTcpHeader;
}

Route route_to(Ipv4Prefix destination, InterfaceIndex interface, const RouteOptions& options, std::optional<Ipv4Address> gateway) {
  const auto host = destination.length() == 32 ? RouteFlags::host : RouteFlags::none;
  return {.destination = {destination.network(), destination.length()},
          .gateway = gateway.value_or(Ipv4Address{}),
          .flags = RouteFlags::up | host | (gateway ? RouteFlags::gateway : RouteFlags::none),
          .interface = interface,
          .metric = options.metric,
          .fixed = options.fixed,
          .mtu = options.mtu,
          .advmss = options.advmss};
}

}  // namespace

Ipv4::Ipv4(Context& context, Config config)
    : context_{context},
      config_{config},
      lo_{loopback_interface, {.name = "lo", .mtu = max_datagram}, nullptr, {}},
      routes_{config.routing},
      path_mtus_{config.path_mtu},
      reassembly_{context, config.reassembly,
                  [this](Drop why, std::optional<Packet> first, LinkCast cast) {
                    if (why == Drop::memory_limit) ++stats_.in_discards;
                    (void)drop(why);
                    // RFC 1122 section 3.3.2: only who sent fragment zero can be told.
                    if (first) send_error(std::move(*first), {.kind = network::ErrorKind::reassembly_time_exceeded, .cast = cast});
                  }},
      identifications_{context},
      loopback_{*this, std::max(config.loopback_queue, std::size_t{1})} {
  if (config_.default_ttl == 0) config_.default_ttl = 64;
}

Ipv4::~Ipv4() = default;

void Ipv4::attach(network::Protocol protocol, Demultiplexer<network::Received>& upper, network::ErrorReceiver* errors) {
  detach(protocol);
  uppers_.push_back({protocol, &upper, errors});
}

void Ipv4::detach(network::Protocol protocol) noexcept {
  std::erase_if(uppers_, [&](const Upper& upper) { return upper.protocol == protocol; });
}

const Ipv4::Upper* Ipv4::find_upper(network::Protocol protocol) const noexcept {
  const auto found = std::ranges::find(uppers_, protocol, &Upper::protocol);
  return found == uppers_.end() ? nullptr : &*found;
}

Result<> Ipv4::add_route(Ipv4Prefix destination, Ipv4Address gateway, const RouteOptions& options) {
  if (is_own(gateway) || is_group(gateway) || !in_range(options)) return fail(Error::invalid_argument);
  const Interface* via = neighbour_interface(gateway);
  if (via == nullptr) return fail(Error::network_unreachable);
  routes_.add(route_to(destination, via->index, options, gateway));
  return {};
}

Result<> Ipv4::add_route(Ipv4Prefix destination, InterfaceIndex interface, const RouteOptions& options) {
  if (!in_range(options)) return fail(Error::invalid_argument);
  if (find_interface(interface) == nullptr) return fail(Error::no_such_device);
  routes_.add(route_to(destination, interface, options, std::nullopt));
  return {};
}

std::string Ipv4::print_routes() const {
  return routes_.to_string([this](InterfaceIndex index) -> std::string_view {
    const Interface* found = interface(index);
    return found == nullptr ? std::string_view{"?"} : std::string_view{found->config.name};
  });
}

bool Ipv4::is_own(IpAddress address) const noexcept { return address.v4().is_loopback() || owner_of(address.v4()) != nullptr; }

bool Ipv4::is_group(IpAddress address) const noexcept { return address.is_multicast() || is_broadcast(address.v4()); }

bool Ipv4::can_be_host(IpAddress address) const noexcept {
  return !address.is_unspecified() && !is_group(address) && !address.v4().is_reserved();
}

Result<std::vector<std::byte>> Ipv4::source_route(std::span<const IpAddress> hops) const {
  if (hops.size() > max_source_route_hops) return fail(Error::invalid_argument);
  return source_route_option(hops);
}

std::vector<std::byte> Ipv4::return_route(std::span<const std::byte> options, IpAddress sender) const {
  return return_route_option(options, sender);
}

Result<IpAddress> Ipv4::select_source(IpAddress destination) const {
  const auto egress = egress_for(destination.v4(), {});
  if (!egress) return fail(egress.error());
  const auto source = default_source(destination.v4(), *egress);
  if (!source) return fail(Error::address_not_available);
  return IpAddress{*source};
}

std::size_t Ipv4::path_mtu(IpAddress destination) const noexcept {
  const auto egress = egress_for(destination.v4(), {});
  return egress ? mtu_towards(destination.v4(), *egress) : min_reassembly;
}

std::optional<std::uint16_t> Ipv4::advertised_segment(IpAddress destination) const noexcept {
  const auto egress = egress_for(destination.v4(), {});
  return egress && egress->route != nullptr ? egress->route->advmss : std::nullopt;
}

std::optional<TimePoint> Ipv4::queued_until(IpAddress destination) const noexcept {
  const auto egress = egress_for(destination.v4(), {});
  const link::Link* link = egress ? egress->interface->config.link : nullptr;
  return link == nullptr ? std::nullopt : link->queued_until();
}

std::size_t Ipv4::max_super_segment(IpAddress destination) const noexcept {
  const auto egress = egress_for(destination.v4(), {});
  if (!egress || egress->broadcast || egress->interface == &lo_) return 0;
  const InterfaceConfig& config = egress->interface->config;
  if (config.max_super_segment) return *config.max_super_segment;
  const link::Capabilities* const can = egress->interface->capabilities;
  return can == nullptr ? 0 : can->super_segment();
}

std::size_t Ipv4::max_super_datagram(IpAddress destination) const noexcept {
  const auto egress = egress_for(destination.v4(), {});
  if (!egress) return 0;
  if (egress->interface == &lo_) return max_datagram;
  const link::Capabilities* const can = egress->interface->capabilities;
  return can == nullptr ? 0 : can->largest(GsoKind::udp4);
}

bool Ipv4::writable_from(IpAddress source, IpAddress destination) const noexcept {
  const auto egress = egress_for(destination.v4(), source.v4());
  return !egress || takes_frames(*egress);  // encapsulate() says what is wrong
}

[[gnu::hot]] network::Outlook Ipv4::outlook(IpAddress destination) const noexcept {
  const Egress* const known = known_egress(destination.v4());
  if (known == nullptr) return Network::outlook(destination);
  const link::Capabilities* const can = known->interface->capabilities;
  return {.writable = takes_frames(*known),
          .tells_queue = can != nullptr && can->tells_queue,
          .path_mtu = mtu_towards(destination.v4(), *known)};
}

std::uint16_t Ipv4::pseudo_header_sum(IpAddress source, IpAddress destination, network::Protocol protocol,
                                      std::size_t transport_size) const noexcept {
  InternetChecksum sum;
  sum.add_long(source.v4().value());
  sum.add_long(destination.v4().value());
  sum.add_word(static_cast<std::uint16_t>(protocol));
  sum.add_word(static_cast<std::uint16_t>(transport_size));
  return sum.folded();
}

Stats Ipv4::stats() const noexcept {
  Stats all = stats_;
  all.reasm_fails = reassembly_.failures();
  return all;
}

/// RFC 791 wants milliseconds since midnight UT; a host without a calendar sets the top bit and counts from where it likes.
std::uint32_t Ipv4::timestamp() const noexcept {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(context_.now().time_since_epoch());
  return 0x8000'0000U | static_cast<std::uint32_t>(milliseconds.count());
}

namespace {

std::string in_words(network::Protocol protocol) {
  switch (protocol) {
    case network::Protocol::icmp: return "ICMP";
    case network::Protocol::tcp: return "TCP";
    case network::Protocol::udp: return "UDP";
    default: return fmt::format("protocol {}", static_cast<unsigned>(protocol));
  }
}

/// "192.0.2.2 > 192.0.2.1 TCP ttl 64 DF"
std::string in_words(const Header& header) {
  std::string text = fmt::format("{} > {} {} ttl {}", to_string(header.source.get()), to_string(header.destination.get()),
                                 in_words(header.protocol.get()), header.ttl);
  if (header.dont_fragment()) text += " DF";
  if (!header.is_fragment()) return text;
  text += fmt::format(" id {} offset {}", header.identification.get(), header.fragment_offset());
  if (header.more_fragments()) text += " MF";
  return text;
}

}  // namespace

void Ipv4::observe(Direction direction, const Packet& packet, const Header& header) const {
  const std::array fields{Field{"source", to_string(header.source.get())},
                          Field{"destination", to_string(header.destination.get())},
                          Field{"protocol", fmt::format("{}", static_cast<unsigned>(header.protocol.get()))},
                          Field{"ttl", fmt::format("{}", header.ttl)},
                          Field{"tos", fmt::format("0x{:02x}", header.tos)},
                          Field{"total length", fmt::format("{}", header.total_length.get())},
                          Field{"identification", fmt::format("{}", header.identification.get())},
                          Field{"flags", header.dont_fragment() ? "DF" : (header.more_fragments() ? "MF" : "")},
                          Field{"fragment offset", fmt::format("{}", header.fragment_offset())}};
  const std::size_t size = header.header_size();
  context_.observer->crossed({LayerId::ipv4, direction, context_.now(), &packet, size, packet.size() - size,
                              header.is_fragment() ? "fragment" : "datagram", fields, in_words(header)});
}

}  // namespace tapir::ipv4
