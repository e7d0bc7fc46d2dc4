#include <algorithm>
#include <array>
#include <optional>

#include <tapir/icmp/icmp.hpp>

#include "header.hpp"
#include "ping_session.hpp"

namespace tapir::icmp {

namespace {

using network::ErrorKind;

/// An error message with its IPv4 header is at most the 576 bytes that every host takes (RFC 1812 section 4.3.2.3).
constexpr std::size_t kMaxQuote = 576 - sizeof(QuotedHeader) - sizeof(Header);
/// RFC 792: at least the first 64 bits of the quoted datagram's data.
constexpr std::size_t kMinQuotedData = 8;
/// As much as the largest transport header takes.
constexpr std::size_t kMaxTransport = 60;
constexpr std::size_t kMaxNetworkHeader = 60;
/// RFC 4884 section 5.1: where a length is given, the quoted datagram takes at least this.
constexpr std::size_t kMinQuoteBeforeExtension = 128;
/// RFC 792: redirect datagrams for the host.
constexpr std::uint8_t kHostRedirect = 1;

/// Type and code of the error message for `kind`.
struct TypeAndCode {
  Type type;
  std::uint8_t code;
};

constexpr TypeAndCode message_for(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::network_unreachable: return {Type::destination_unreachable, 0};
    case ErrorKind::host_unreachable:
    case ErrorKind::unresolved: return {Type::destination_unreachable, 1};
    case ErrorKind::protocol_unreachable: return {Type::destination_unreachable, 2};
    case ErrorKind::port_unreachable: return {Type::destination_unreachable, 3};
    case ErrorKind::fragmentation_needed: return {Type::destination_unreachable, 4};
    case ErrorKind::source_route_failed: return {Type::destination_unreachable, 5};
    case ErrorKind::prohibited: return {Type::destination_unreachable, 13};
    case ErrorKind::ttl_exceeded: return {Type::time_exceeded, 0};
    case ErrorKind::reassembly_time_exceeded: return {Type::time_exceeded, 1};
    case ErrorKind::parameter_problem: return {Type::parameter_problem, 0};
  }
  return {Type::destination_unreachable, 1};
}

/// RFC 792, RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1; nullopt for codes that nobody assigned.
constexpr std::optional<ErrorKind> unreachable_kind(std::uint8_t code) noexcept {
  switch (code) {
    case 0:
    case 6:
    case 11: return ErrorKind::network_unreachable;
    case 1:
    case 7:
    case 8:
    case 12: return ErrorKind::host_unreachable;
    case 2: return ErrorKind::protocol_unreachable;
    case 3: return ErrorKind::port_unreachable;
    case 4: return ErrorKind::fragmentation_needed;
    case 5: return ErrorKind::source_route_failed;
    case 9:
    case 10:
    case 13:
    case 14:
    case 15: return ErrorKind::prohibited;
    default: return std::nullopt;
  }
}

constexpr std::optional<ErrorKind> kind_of(Type type, std::uint8_t code) noexcept {
  if (type == Type::destination_unreachable) return unreachable_kind(code);
  if (type == Type::time_exceeded && code == 0) return ErrorKind::ttl_exceeded;
  if (type == Type::time_exceeded && code == 1) return ErrorKind::reassembly_time_exceeded;
  if (type == Type::parameter_problem && code <= 2) return ErrorKind::parameter_problem;
  return std::nullopt;
}

/// Whether a message of this type may be answered by an error. Only those known not to be errors may: of an unknown type nobody knows.
constexpr bool is_informational(Type type) noexcept {
  return type == Type::echo_request || type == Type::echo_reply || type == Type::timestamp_request || type == Type::timestamp_reply;
}

/// RFC 1122 section 3.2.2: an error goes only to an address that names a single host.
bool is_single_host(Ipv4Address source, Ipv4Address destination) noexcept {
  if (source.is_unspecified() || source.is_multicast() || source.is_limited_broadcast() || source.is_reserved()) return false;
  return !source.is_loopback() || destination.is_loopback();  // what goes round inside the host never comes near a wire
}

/// The quoted IPv4 header; the named drop when the quote is too short for it and 8 bytes of data.
std::expected<QuotedHeader, Drop> read_quote(const Packet& quote) noexcept {
  const auto header = quote.peek<QuotedHeader>();
  if (!header) return std::unexpected{Drop::truncated};
  if (header->version() != 4) return std::unexpected{Drop::bad_version};
  if (header->header_size() < sizeof(QuotedHeader)) return std::unexpected{Drop::bad_length};
  if (quote.size() < header->header_size() + kMinQuotedData) return std::unexpected{Drop::truncated};
  return *header;
}

}  // namespace

bool Icmp::may_send_error(const Packet& datagram, LinkCast cast) const {
  const auto header = datagram.peek<QuotedHeader>();
  if (!header || header->header_size() < sizeof(QuotedHeader)) return false;
  if (cast != LinkCast::unicast || !header->first_fragment()) return false;
  if (network_.is_group(header->destination.get()) || network_.is_group(header->source.get())) return false;
  if (!is_single_host(header->source, header->destination)) return false;
  if (header->protocol != static_cast<std::uint8_t>(network::Protocol::icmp)) return true;
  const auto message = datagram.peek<BigEndian<Type>>(header->header_size());
  return message && is_informational(*message);
}

void Icmp::send_error(Packet datagram, const Problem& problem) {
  const auto [type, code] = message_for(problem.kind);
  Send to{type, code, 0, {}};
  if (problem.kind == ErrorKind::fragmentation_needed) to.rest = problem.next_hop_mtu;
  if (problem.kind == ErrorKind::parameter_problem) to.rest = std::uint32_t{problem.pointer} << 24U;
  const auto header = datagram.peek<QuotedHeader>();
  if (header && !problem.from_egress && network_.is_own(header->destination.get())) to.network.source = header->destination.get();
  send_about(std::move(datagram), problem.cast, to, error_tokens_);
}

void Icmp::send_redirect(Packet datagram, IpAddress gateway) {
  const Send to{Type::redirect, kHostRedirect, gateway.v4().value(), {}};
  send_about(std::move(datagram), LinkCast::unicast, to, redirect_tokens_);
}

void Icmp::send_about(Packet datagram, LinkCast cast, Send to, TokenBucket& tokens) {
  if (!may_send_error(datagram, cast)) {
    ++stats_.suppressed;
    return;
  }
  if (!tokens.take(context_.now())) {
    ++stats_.out_msgs;
    ++stats_.out_errors;
    (void)drop(Drop::rate_limited);
    return;
  }
  const auto header = datagram.peek<QuotedHeader>();
  to.network.destination = header->source.get();
  datagram.truncate(header->total_length);  // what is behind it is link padding
  datagram.truncate(kMaxQuote);
  std::array<std::byte, kMaxQuote> bytes{};
  const auto quote = std::span{bytes}.first(datagram.size());
  (void)datagram.copy_out(0, quote);
  Packet message{context_.pool, quote.size()};  // a copy, so that a waiting error does not keep a large slab
  message.append_copy(quote);
  [[maybe_unused]] const auto sent = encapsulate(std::move(message), to);  // out_errors counts a refusal; there is nobody to tell
}

Accepted Icmp::accept_error(const Packet& quote, const network::Received& from, Type type, std::uint8_t code, std::uint32_t rest) {
  const auto kind = kind_of(type, code);
  if (!kind) return drop(Drop::not_handled);
  const auto header = read_quote(quote);
  if (!header) return malformed(header.error());
  if (!network_.is_own(header->source.get()) || !header->first_fragment()) return drop(Drop::unrelated_error);

  std::size_t quoted = quote.size();
  // RFC 4884 section 4: the second octet of the word counts the quoted datagram in 32-bit words; an extension follows it.
  const std::size_t stated = std::size_t{rest >> 16U & 0xffU} * 4;
  if (stated >= kMinQuoteBeforeExtension && stated < quoted) quoted = stated;
  std::array<std::byte, kMaxNetworkHeader + kMaxTransport> copy{};
  const auto bytes = std::span{copy}.first(std::min(quoted, header->header_size() + kMaxTransport));
  (void)quote.copy_out(0, bytes);

  network::ErrorReport report;
  report.kind = *kind;
  report.type = static_cast<std::uint8_t>(type);
  report.code = code;
  report.reporter = from.source;
  report.source = header->source.get();
  report.destination = header->destination.get();
  if (*kind == ErrorKind::fragmentation_needed) report.next_hop_mtu = static_cast<std::uint16_t>(rest & 0xffffU);
  if (*kind == ErrorKind::parameter_problem) report.pointer = static_cast<std::uint8_t>(rest >> 24U);
  report.datagram = bytes;
  report.transport = bytes.subspan(header->header_size());
  report.quoted_length = header->total_length;
  errors_.deliver_error(static_cast<network::Protocol>(header->protocol.get()), report);
  return {};
}

Accepted Icmp::accept_redirect(const Packet& quote, const network::Received& from, std::uint8_t code, std::uint32_t rest) {
  // RFC 1122 section 3.2.2.2: network redirects are treated as host redirects, and so are those for a type of service.
  if (code > 3 || !config_.accept_redirects) return drop(Drop::not_handled);
  const auto header = read_quote(quote);
  if (!header) return malformed(header.error());
  if (!network_.is_own(header->source.get())) return drop(Drop::unrelated_error);
  errors_.redirect(header->destination.get(), Ipv4Address{rest}, from.source);
  return {};
}

bool Icmp::believes(const network::ErrorReport& report) const {
  const auto header = report.quoted<Header>();
  if (!header || header->type != Type::echo_request) return false;
  const auto found = pings_.find(identifier_of(header->rest));
  return found != pings_.end() && found->second->waits_for(sequence_of(header->rest), report.destination);
}

void Icmp::receive_error(const network::ErrorReport& report) {
  const auto header = report.quoted<Header>();
  if (!header) {
    (void)drop(Drop::truncated);
    return;
  }
  const auto found = pings_.find(identifier_of(header->rest));
  if (header->type != Type::echo_request || found == pings_.end() ||
      !found->second->shared_from_this()->fail(sequence_of(header->rest), report)) {
    (void)drop(Drop::unrelated_error);
  }
}

}  // namespace tapir::icmp
