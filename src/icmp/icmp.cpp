#include <tapir/icmp/icmp.hpp>

#include <tapir/core/checksum.hpp>

#include "describe.hpp"
#include "echo_options.hpp"
#include "header.hpp"
#include "ping_session.hpp"

namespace tapir::icmp {

namespace {

/// Types that are understood and by rule not acted on: source quench (RFC 6633), those deprecated by RFC 6918 section 2, router discovery
/// (RFC 1256, for hosts that want it), and replies to requests that this host never makes.
bool ignored(std::uint8_t type) noexcept {
  switch (type) {
    case 4:
    case 6:
    case 9:
    case 10:
    case 14: return true;
    default: return (type >= 15 && type <= 18) || (type >= 30 && type <= 39);
  }
}

}  // namespace

Icmp::Icmp(Context& context, network::Network& network, network::ErrorConsumer& errors, Config config)
    : context_{context},
      network_{network},
      errors_{errors},
      config_{config},
      error_tokens_{config.errors},
      redirect_tokens_{config.redirects},
      reply_tokens_{config.echo_replies} {
  network_.attach(network::Protocol::icmp, *this, this);
}

Icmp::~Icmp() {
  for (const auto& [identifier, session] : pings_) session->detach();
}

std::unexpected<Drop> Icmp::malformed(Drop reason) {
  ++stats_.in_errors;
  return drop(reason);
}

Result<> Icmp::encapsulate(Packet&& packet, const Send& to) {
  Header header{to.type, to.code, {}, to.rest};
  InternetChecksum sum;
  sum.add(std::as_bytes(std::span{&header, 1}));
  add_packet(sum, packet);
  header.checksum = sum.value();
  packet.prepend(header);
  packet.mark_transport();
  if (context_.observer != nullptr) observe(Direction::down, packet);
  ++stats_.out_msgs;
  network::Send below = to.network;
  below.protocol = network::Protocol::icmp;
  auto sent = network_.encapsulate(std::move(packet), below);
  ++(sent ? stats_.out_pkts[static_cast<std::size_t>(to.type)] : stats_.out_errors);
  return sent;
}

Accepted Icmp::demultiplex(Packet&& packet, const network::Received& from) {
  ++stats_.in_msgs;
  const auto header = packet.peek<Header>();
  if (!header) return malformed(Drop::truncated);
  // No device vouches for an ICMP checksum, so it is always computed.
  InternetChecksum sum;
  add_packet(sum, packet);
  if (sum.value() != 0) return malformed(Drop::bad_checksum);
  ++stats_.in_pkts[static_cast<std::size_t>(header->type.get())];
  if (context_.observer != nullptr) observe(Direction::up, packet);
  packet.trim_front(sizeof(Header));
  return dispatch(std::move(packet), from, header->type, header->code, header->rest);
}

Accepted Icmp::dispatch(Packet packet, const network::Received& from, Type type, std::uint8_t code, std::uint32_t rest) {
  switch (type) {
    case Type::echo_request: return answer_echo(std::move(packet), from, rest);
    case Type::echo_reply: return accept_echo_reply(packet, from, rest);
    case Type::destination_unreachable:
    case Type::time_exceeded:
    case Type::parameter_problem: return accept_error(packet, from, type, code, rest);
    case Type::redirect: return accept_redirect(packet, from, code, rest);
    case Type::timestamp_request: return answer_timestamp(packet, from, rest);
    case Type::source_quench:
    case Type::timestamp_reply: break;
  }
  return drop(ignored(static_cast<std::uint8_t>(type)) ? Drop::not_handled : Drop::unknown_protocol);
}

Accepted Icmp::answer_echo(Packet data, const network::Received& from, std::uint32_t rest) {
  if (!config_.answer_echo) return drop(Drop::not_handled);
  return reply(std::move(data), from, Type::echo_reply, rest);
}

Accepted Icmp::answer_timestamp(const Packet& data, const network::Received& from, std::uint32_t rest) {
  if (!config_.answer_timestamp) return drop(Drop::not_handled);
  auto times = data.peek<Timestamps>();
  if (!times) return malformed(Drop::truncated);
  times->receive = times->transmit = milliseconds_not_ut(context_.now());
  Packet body{context_.pool, sizeof(Timestamps)};
  body.append_copy(std::as_bytes(std::span{&*times, 1}));
  return reply(std::move(body), from, Type::timestamp_reply, rest);
}

/// RFC 1122 section 3.2.2.6: the reply carries all the data, comes from the address that the request went to, and takes the request's route
/// options back.
Accepted Icmp::reply(Packet data, const network::Received& from, Type type, std::uint32_t rest) {
  if ((from.to_group || from.cast != LinkCast::unicast) && !config_.answer_broadcast_echo) return drop(Drop::not_handled);
  if (from.source.is_unspecified() || network_.is_group(from.source)) return drop(Drop::martian_source);
  if (!reply_tokens_.take(context_.now())) {
    ++stats_.out_msgs;
    ++stats_.out_errors;
    return drop(Drop::rate_limited);
  }
  Send to{type, 0, rest, {}};
  to.network.destination = from.source;
  to.network.tos = from.tos;
  if (network_.is_own(from.destination)) {
    to.network.source = from.destination;
  } else if (const auto chosen = network_.select_source(from.source)) {
    to.network.source = *chosen;
  }
  const EchoOptions options{from.options, from.source.v4(), to.network.source.v4(), milliseconds_not_ut(context_.now())};
  to.network.options = options.bytes();
  if (!config_.fragment_echo_replies) {
    const std::size_t headers = network_.header_size(from.source) + (options.bytes().size() + 3) / 4 * 4 + sizeof(Header);
    const std::size_t mtu = network_.path_mtu(from.source);
    data.truncate(mtu > headers ? mtu - headers : 0);
  }
  Packet message{context_.pool};  // a head of its own: the request's may be shared, and its marks are the request's
  message.append(std::move(data));
  // The request was accepted, whatever becomes of the reply: out_errors counts that.
  [[maybe_unused]] const auto sent = encapsulate(std::move(message), to);
  return {};
}

void Icmp::observe(Direction direction, const Packet& packet) const {
  const auto header = packet.peek<Header>();
  if (!header) return;
  const auto fields = fields_of(*header);
  context_.observer->crossed({LayerId::icmp, direction, context_.now(), &packet, sizeof(Header), packet.size() - sizeof(Header),
                              summary_of(header->type), fields, in_words(*header)});
}

}  // namespace tapir::icmp
