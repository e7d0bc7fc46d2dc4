#include <tapir/mqtt/codec.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <tapir/mqtt/error.hpp>

#include "description.hpp"
#include "packet_io.hpp"

namespace tapir::mqtt {

namespace {

constexpr std::size_t kMaxLengthBytes = 4;

/// The first byte and the remaining length (section 2.2).
struct FixedHeaderBytes {
  std::array<std::byte, 1 + kMaxLengthBytes> bytes{};
  std::size_t size = 0;
};

FixedHeaderBytes fixed_header_of(PacketType type, std::uint8_t flags, std::size_t remaining_length) noexcept {
  FixedHeaderBytes header;
  header.bytes[header.size++] = static_cast<std::byte>(static_cast<unsigned>(type) << 4U | flags);
  do {
    const auto low = static_cast<unsigned>(remaining_length & 0x7fU);
    remaining_length >>= 7U;
    header.bytes[header.size++] = static_cast<std::byte>(low | (remaining_length > 0 ? 0x80U : 0U));
  } while (remaining_length > 0);
  return header;
}

template <class P>
Result<ControlPacket> read_as(PacketReader& reader) {
  P packet;
  describe(reader, packet);
  if (const auto error = reader.finish()) return fail(error);
  return packet;
}

Result<ControlPacket> read_packet(std::uint8_t first, PacketReader reader) {
  switch (static_cast<PacketType>(first >> 4U)) {
    case PacketType::connect: return read_as<Connect>(reader);
    case PacketType::connack: return read_as<Connack>(reader);
    case PacketType::publish: return read_as<Publish>(reader);
    case PacketType::puback: return read_as<Puback>(reader);
    case PacketType::pubrec: return read_as<Pubrec>(reader);
    case PacketType::pubrel: return read_as<Pubrel>(reader);
    case PacketType::pubcomp: return read_as<Pubcomp>(reader);
    case PacketType::subscribe: return read_as<Subscribe>(reader);
    case PacketType::suback: return read_as<Suback>(reader);
    case PacketType::unsubscribe: return read_as<Unsubscribe>(reader);
    case PacketType::unsuback: return read_as<Unsuback>(reader);
    case PacketType::pingreq: return read_as<Pingreq>(reader);
    case PacketType::pingresp: return read_as<Pingresp>(reader);
    case PacketType::disconnect: return read_as<Disconnect>(reader);
  }
  return fail(Error::malformed_packet);  // types 0 and 15 are reserved
}

/// Whether a packet can begin like this, so that a wrong type or flag is refused before the rest has come.
bool acceptable_first_byte(std::uint8_t first) noexcept {
  const auto type = static_cast<PacketType>(first >> 4U);
  const unsigned flags = first & 0xfU;
  switch (type) {
    case PacketType::publish: return (flags & 6U) != 6U;
    case PacketType::pubrel:
    case PacketType::subscribe:
    case PacketType::unsubscribe: return flags == 2;
    default: return type >= PacketType::connect && type <= PacketType::disconnect && flags == 0;
  }
}

}  // namespace

Result<> encode_without_payload(const ControlPacket& packet, std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  PacketWriter writer{out};
  std::visit([&](const auto& fields) { describe(writer, fields); }, packet);
  const std::size_t remaining_length = out.size() - start + writer.payload().size();
  auto error = writer.error();
  if (!error && remaining_length > kMaxRemainingLength) error = Error::packet_too_large;
  if (error) {
    out.resize(start);
    return fail(error);
  }
  const auto header = fixed_header_of(type_of(packet), writer.flags(), remaining_length);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(start), header.bytes.begin(),
             header.bytes.begin() + static_cast<std::ptrdiff_t>(header.size));
  return {};
}

Result<> encode(const ControlPacket& packet, std::vector<std::byte>& out) {
  if (const auto encoded = encode_without_payload(packet, out); !encoded) return encoded;
  if (const auto* publish = std::get_if<Publish>(&packet)) {
    out.insert(out.end(), publish->payload.bytes().begin(), publish->payload.bytes().end());
  }
  return {};
}

Result<std::optional<Decoder::FixedHeader>> Decoder::fixed_header(std::span<const std::byte> bytes) const {
  if (bytes.empty()) return std::nullopt;
  if (!acceptable_first_byte(std::to_integer<std::uint8_t>(bytes[0]))) return fail(Error::malformed_packet);
  FixedHeader header{.size = 1, .remaining_length = 0};
  for (;;) {
    if (header.size > kMaxLengthBytes) return fail(Error::malformed_packet);
    if (header.size == bytes.size()) return std::nullopt;
    const auto byte = std::to_integer<std::size_t>(bytes[header.size]);
    header.remaining_length |= (byte & 0x7fU) << 7U * (header.size - 1);
    ++header.size;
    if ((byte & 0x80U) == 0) break;
  }
  if (header.size + header.remaining_length > max_packet_size_) return fail(Error::packet_too_large);
  return header;
}

void Decoder::take(std::span<const std::byte>& input, std::size_t count) {
  buffer_.insert(buffer_.end(), input.begin(), input.begin() + static_cast<std::ptrdiff_t>(count));
  input = input.subspan(count);
}

/// Continues the incomplete packet in buffer_.
Result<std::optional<ControlPacket>> Decoder::fill(std::span<const std::byte>& input) {
  auto header = fixed_header(buffer_);
  while (header && !*header && !input.empty()) {
    take(input, 1);
    header = fixed_header(buffer_);
  }
  if (!header) return fail(header.error());
  if (!*header) return std::nullopt;
  const std::size_t size = (*header)->size + (*header)->remaining_length;
  take(input, std::min(input.size(), size - buffer_.size()));
  if (buffer_.size() < size) return std::nullopt;

  const auto owner = std::make_shared<const std::vector<std::byte>>(std::exchange(buffer_, {}));
  const auto first = std::to_integer<std::uint8_t>(owner->front());
  const auto body = std::span{*owner}.subspan((*header)->size);
  return read_packet(first, PacketReader{static_cast<std::uint8_t>(first & 0xfU), body, owner});
}

Result<std::optional<ControlPacket>> Decoder::next(std::span<const std::byte>& input) {
  if (error_) return fail(error_);
  Result<std::optional<ControlPacket>> result;
  const auto header = buffer_.empty() ? fixed_header(input) : Result<std::optional<FixedHeader>>{};
  if (!header) {
    result = fail(header.error());
  } else if (*header && input.size() - (*header)->size >= (*header)->remaining_length) {
    // The usual case: the whole packet is at hand and is read where it lies.
    const auto first = std::to_integer<std::uint8_t>(input.front());
    result = read_packet(
        first, PacketReader{static_cast<std::uint8_t>(first & 0xfU), input.subspan((*header)->size, (*header)->remaining_length), nullptr});
    input = input.subspan((*header)->size + (*header)->remaining_length);
  } else {
    result = fill(input);
  }
  if (!result) {
    error_ = result.error();
    buffer_ = {};
  }
  return result;
}

void Decoder::reset() noexcept {
  buffer_ = {};
  error_ = {};
}

}  // namespace tapir::mqtt
