#include <tapir/ipv4/options.hpp>

#include <algorithm>

#include <tapir/core/reader.hpp>

namespace tapir::ipv4 {

namespace {

constexpr std::size_t kAddress = 4;     ///< bytes of an address, and of a timestamp
constexpr std::size_t kFirstHop = 3;    ///< where the addresses of a route start: after type, length and pointer
constexpr std::size_t kFirstStamp = 4;  ///< where timestamps start: after type, length, pointer, and overflow with flag

/// The flag of a Timestamp option.
constexpr unsigned kStampsOnly = 0;
constexpr unsigned kStampsWithAddresses = 1;
constexpr unsigned kPrespecified = 3;

std::uint8_t octet(std::span<const std::byte> bytes, std::size_t at) noexcept { return std::to_integer<std::uint8_t>(bytes[at]); }

std::unexpected<OptionProblem> problem_at(std::size_t offset) noexcept {
  return std::unexpected{OptionProblem{static_cast<std::uint8_t>(min_header_size + offset)}};
}

Ipv4Address address_at(std::span<const std::byte> bytes, std::size_t at) noexcept {
  return Reader{bytes.subspan(at)}.read<Ipv4Address>().value_or(Ipv4Address{});
}

void put(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) noexcept {
  Writer writer{bytes.subspan(at)};
  (void)writer.write(value);
}

/// The option that starts at `offset`, from its type to its end. Only for options that parse_options() has seen.
template <class Bytes>
Bytes option_at(Bytes options, std::size_t offset) noexcept {
  return options.subspan(offset, octet(options, offset + 1));
}

/// The pointer counts octets from 1.
std::size_t pointer_of(std::span<const std::byte> option) noexcept { return octet(option, 2) - std::size_t{1}; }

void move_pointer(std::span<std::byte> option, std::size_t by) noexcept { option[2] = static_cast<std::byte>(octet(option, 2) + by); }

/// Checks one option of a known type and notes where it stands.
std::expected<void, OptionProblem> note(OptionSummary& summary, std::span<const std::byte> option, std::size_t offset) {
  const auto type = static_cast<OptionType>(octet(option, 0));
  switch (type) {
    case OptionType::record_route:
    case OptionType::loose_source_route:
    case OptionType::strict_source_route:
      if (option.size() < kFirstHop) return problem_at(offset + 1);
      if (octet(option, 2) <= kFirstHop) return problem_at(offset + 2);
      if (type == OptionType::record_route) {
        summary.record_route = offset;
        return {};
      }
      if (summary.source_route) return problem_at(offset);  // RFC 1812 section 5.2.4.1: the pointer shows the second one
      summary.source_route = {offset, type == OptionType::strict_source_route, pointer_of(option) >= option.size()};
      if (!summary.source_route->complete && pointer_of(option) + kAddress > option.size()) return problem_at(offset + 2);
      return {};
    case OptionType::timestamp:
      if (option.size() < kFirstStamp) return problem_at(offset + 1);
      if (octet(option, 2) <= kFirstStamp) return problem_at(offset + 2);
      summary.timestamp = offset;
      return {};
    case OptionType::stream_identifier: summary.stream_identifier = true; return {};
    case OptionType::end_of_list:
    case OptionType::no_operation: break;
  }
  return {};
}

/// RFC 791 section 3.1, Record Route: "if there is some room but not enough for a full address, the datagram is in error".
std::expected<void, OptionProblem> record_route(std::span<std::byte> option, std::size_t offset, Ipv4Address address) {
  const std::size_t pointer = pointer_of(option);
  if (pointer >= option.size()) return {};
  if (pointer + kAddress > option.size()) return problem_at(offset + 2);
  put(option, pointer, address.value());
  move_pointer(option, kAddress);
  return {};
}

std::expected<void, OptionProblem> record_time(std::span<std::byte> option, std::size_t offset, const Passage& passage) {
  const std::size_t pointer = pointer_of(option);
  const unsigned flag = octet(option, 3) & 0xfU;
  if (flag != kStampsOnly && flag != kStampsWithAddresses && flag != kPrespecified) return {};
  if (pointer >= option.size()) {
    if (flag == kPrespecified) return {};  // everybody on the list has signed
    const unsigned overflow = octet(option, 3) >> 4U;
    if (overflow == 0xf) return problem_at(offset + 3);
    option[3] = static_cast<std::byte>((overflow + 1) << 4U | flag);
    return {};
  }
  const std::size_t entry = flag == kStampsOnly ? kAddress : 2 * kAddress;
  if (pointer + entry > option.size()) return problem_at(offset + 2);
  if (flag == kPrespecified && !passage.is_own(address_at(option, pointer))) return {};
  if (flag == kStampsWithAddresses) put(option, pointer, passage.address.value());
  put(option, pointer + entry - kAddress, passage.time);
  move_pointer(option, entry);
  return {};
}

}  // namespace

std::expected<OptionSummary, OptionProblem> parse_options(std::span<const std::byte> options) {
  OptionSummary summary;
  std::size_t offset = 0;
  while (offset < options.size()) {
    const auto type = static_cast<OptionType>(octet(options, offset));
    if (type == OptionType::end_of_list) break;
    if (type == OptionType::no_operation) {
      ++offset;
      continue;
    }
    if (offset + 1 >= options.size()) return problem_at(offset);
    const std::size_t length = octet(options, offset + 1);
    if (length < 2 || length > options.size() - offset) return problem_at(offset + 1);
    if (auto noted = note(summary, options.subspan(offset, length), offset); !noted) return std::unexpected{noted.error()};
    offset += length;
  }
  return summary;
}

std::expected<void, OptionProblem> record_passage(std::span<std::byte> options, const OptionSummary& summary, const Passage& passage) {
  if (summary.record_route) {
    auto done = record_route(option_at(options, *summary.record_route), *summary.record_route, passage.address);
    if (!done) return done;
  }
  if (summary.timestamp) return record_time(option_at(options, *summary.timestamp), *summary.timestamp, passage);
  return {};
}

std::optional<Ipv4Address> next_of_route(std::span<const std::byte> options, const OptionSummary::SourceRoute& route) {
  if (route.complete) return std::nullopt;
  const auto option = option_at(options, route.offset);
  return address_at(option, pointer_of(option));
}

void advance_route(std::span<std::byte> options, const OptionSummary::SourceRoute& route, Ipv4Address own) {
  if (route.complete) return;
  const auto option = option_at(options, route.offset);
  put(option, pointer_of(option), own.value());
  move_pointer(option, kAddress);
}

bool OptionBytes::append(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() > bytes_.size() - size_) return false;
  std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += bytes.size();
  return true;
}

OptionBytes copied_options(std::span<const std::byte> options) {
  OptionBytes copied;
  std::size_t offset = 0;
  while (offset < options.size()) {
    const std::uint8_t type = octet(options, offset);
    if (type == static_cast<std::uint8_t>(OptionType::end_of_list)) break;
    if (type == static_cast<std::uint8_t>(OptionType::no_operation)) {
      ++offset;
      continue;
    }
    if (offset + 1 >= options.size()) break;
    const std::size_t length = octet(options, offset + 1);
    if (length < 2 || length > options.size() - offset) break;
    if (is_copied(type)) copied.append(options.subspan(offset, length));
    offset += length;
  }
  return copied;
}

Ipv4Address start_route(std::span<std::byte> options, const OptionSummary& summary, Ipv4Address destination) {
  if (!summary.source_route || summary.source_route->complete) return destination;
  const auto option = option_at(options, summary.source_route->offset);
  const std::size_t first = pointer_of(option);
  const std::size_t count = (option.size() - first) / kAddress;
  const Ipv4Address first_hop = address_at(option, first);
  for (std::size_t i = 0; i + 1 < count; ++i) {
    put(option, first + i * kAddress, address_at(option, first + (i + 1) * kAddress).value());
  }
  put(option, first + (count - 1) * kAddress, destination.value());
  return first_hop;
}

bool names_group(std::span<const std::byte> options, const OptionSummary& summary) {
  const auto among = [&](std::size_t offset) {
    const auto route = option_at(options, offset);
    for (std::size_t at = kFirstHop; at + kAddress <= route.size(); at += kAddress) {
      if (address_at(route, at).is_multicast()) return true;
    }
    return false;
  };
  return (summary.source_route && among(summary.source_route->offset)) || (summary.record_route && among(*summary.record_route));
}

OptionBytes reply_options(std::span<const std::byte> received, Ipv4Address source) {
  OptionBytes reply;
  const auto summary = parse_options(received);
  if (!summary) return reply;
  if (summary->source_route && summary->source_route->complete) {
    const auto route = option_at(received, summary->source_route->offset);
    std::size_t hops = (route.size() - kFirstHop) / kAddress;
    std::size_t skip = 0;
    if (hops > 0 && address_at(route, kFirstHop) == source) skip = 1;
    hops -= skip;
    if (hops > 0) {
      std::array<std::byte, max_options_size> reversed{};
      reversed[0] = route[0];
      reversed[1] = static_cast<std::byte>(kFirstHop + hops * kAddress);
      reversed[2] = std::byte{kFirstHop + 1};
      for (std::size_t i = 0; i < hops; ++i) {
        put(reversed, kFirstHop + i * kAddress, address_at(route, kFirstHop + (skip + hops - 1 - i) * kAddress).value());
      }
      reply.append(std::span{reversed}.first(kFirstHop + hops * kAddress));
    }
  }
  for (const auto& kept : {summary->record_route, summary->timestamp}) {
    if (kept) reply.append(option_at(received, *kept));
  }
  return reply;
}

}  // namespace tapir::ipv4
