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
    case PacketType::auth: return read_as<Auth>(reader);
  }
  return fail(Error::malformed_packet);  // type 0 is reserved
}

/// How many bytes of a PUBLISH's body are needed to know more of it: as many as `body` has when all in front of the payload is there.
std::size_t head_wanted(std::span<const std::byte> body, bool with_id, bool v5) noexcept {
  if (body.size() < 2) return 2;
  std::size_t wanted = 2 + (std::to_integer<std::size_t>(body[0]) << 8U | std::to_integer<std::size_t>(body[1])) + (with_id ? 2 : 0);
  if (!v5 || body.size() < wanted) return wanted;
  std::size_t properties = 0;
  for (unsigned shift = 0; shift <= 21; shift += 7) {
    if (body.size() == wanted) return wanted + 1;
    const auto byte = std::to_integer<std::size_t>(body[wanted++]);
    properties |= (byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) break;
  }
  return wanted + properties;
}

/// Whether a packet can begin like this, so that a wrong type or flag is refused before the rest has come.
bool acceptable_first_byte(std::uint8_t first, ProtocolVersion version) noexcept {
  const auto type = static_cast<PacketType>(first >> 4U);
  const unsigned flags = first & 0xfU;
  switch (type) {
    case PacketType::publish: return (flags & 6U) != 6U;
    case PacketType::pubrel:
    case PacketType::subscribe:
    case PacketType::unsubscribe: return flags == 2 || (version == ProtocolVersion::v3_1 && flags == 0xaU);
    case PacketType::auth: return version == ProtocolVersion::v5_0 && flags == 0;
    default: return type >= PacketType::connect && flags == 0;
  }
}

/// The answer of a server that knows 3.1.1 only to a CONNECT of 5.0: "unacceptable protocol level", in its own version [3.1.1, MQTT-3.1.2-2].
bool is_refusal_of_5_0(std::uint8_t first, std::span<const std::byte> body) noexcept {
  return static_cast<PacketType>(first >> 4U) == PacketType::connack && body.size() == 2 && body[0] == std::byte{0} &&
         static_cast<ConnectCode>(body[1]) == ConnectCode::unacceptable_protocol_version;
}

}  // namespace

Result<> encode_without_payload(const ControlPacket& packet, std::vector<std::byte>& out, ProtocolVersion version) {
  const std::size_t start = out.size();
  PacketWriter writer{out, version};
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

Result<> encode(const ControlPacket& packet, std::vector<std::byte>& out, ProtocolVersion version) {
  const auto* publish = std::get_if<Publish>(&packet);
  if (publish != nullptr && publish->payload.source() != nullptr) return fail(tapir::Error::invalid_argument);
  if (const auto encoded = encode_without_payload(packet, out, version); !encoded) return encoded;
  if (publish != nullptr) {
    out.insert(out.end(), publish->payload.bytes().begin(), publish->payload.bytes().end());
  }
  return {};
}

Result<std::optional<Decoder::FixedHeader>> Decoder::fixed_header(std::span<const std::byte> bytes) const {
  if (bytes.empty()) return std::nullopt;
  if (!acceptable_first_byte(std::to_integer<std::uint8_t>(bytes[0]), version_)) return fail(Error::malformed_packet);
  FixedHeader header{.size = 1, .remaining_length = 0};
  for (;;) {
    if (header.size > kMaxLengthBytes) return fail(Error::malformed_packet);
    if (header.size == bytes.size()) return std::nullopt;
    const auto byte = std::to_integer<std::size_t>(bytes[header.size]);
    header.remaining_length |= (byte & 0x7fU) << 7U * (header.size - 1);
    ++header.size;
    if ((byte & 0x80U) != 0) continue;
    const bool minimal = byte != 0 || header.size == 2;
    if (!minimal && version_ == ProtocolVersion::v5_0) return fail(Error::malformed_packet);  // [MQTT-1.5.5-1]
    break;
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
  if (is_streamed(buffer_.front(), size)) return fill_head(input, **header);
  take(input, std::min(input.size(), size - buffer_.size()));
  if (buffer_.size() < size) return std::nullopt;

  const auto owner = std::make_shared<const std::vector<std::byte>>(std::exchange(buffer_, {}));
  const auto first = std::to_integer<std::uint8_t>(owner->front());
  const auto body = std::span{*owner}.subspan((*header)->size);
  return read(first, body, owner);
}

/// Continues the front of a PUBLISH whose payload will be streamed.
Result<std::optional<ControlPacket>> Decoder::fill_head(std::span<const std::byte>& input, FixedHeader header) {
  const auto first = std::to_integer<std::uint8_t>(buffer_.front());
  const bool with_id = (first & 6U) != 0;
  for (;;) {
    const std::size_t have = buffer_.size() - header.size;
    const std::size_t wanted = head_wanted(std::span{buffer_}.subspan(header.size), with_id, version_ == ProtocolVersion::v5_0);
    if (wanted > header.remaining_length) return fail(Error::malformed_packet);
    if (wanted <= have) break;
    take(input, std::min(input.size(), wanted - have));
    if (buffer_.size() - header.size < wanted) return std::nullopt;
  }
  auto packet = read(first, std::span{buffer_}.subspan(header.size), nullptr);
  payload_left_ = header.remaining_length - (buffer_.size() - header.size);
  buffer_ = {};
  return packet;
}

Result<ControlPacket> Decoder::read(std::uint8_t first, std::span<const std::byte> body,
                                    std::shared_ptr<const std::vector<std::byte>> owner) {
  if (version_ == ProtocolVersion::v5_0 && is_refusal_of_5_0(first, body))
    return Connack{.reason = ReasonCode::unsupported_protocol_version};
  auto packet = read_packet(first, PacketReader{static_cast<std::uint8_t>(first & 0xfU), body, std::move(owner), {version_, lenient_}});
  if (!packet) return packet;
  if (const auto* connect = std::get_if<Connect>(&*packet)) version_ = connect->version;
  return packet;
}

bool Decoder::is_streamed(std::byte first, std::size_t size) const noexcept {
  return size > stream_above_ && std::to_integer<unsigned>(first) >> 4U == static_cast<unsigned>(PacketType::publish);
}

std::span<const std::byte> Decoder::take_payload(std::span<const std::byte>& input) noexcept {
  const auto part = input.first(std::min(input.size(), payload_left_));
  input = input.subspan(part.size());
  payload_left_ -= part.size();
  return part;
}

Result<std::optional<ControlPacket>> Decoder::next(std::span<const std::byte>& input) {
  if (error_) return fail(error_);
  Result<std::optional<ControlPacket>> result;
  const auto header = buffer_.empty() ? fixed_header(input) : Result<std::optional<FixedHeader>>{};
  if (!header) {
    result = fail(header.error());
  } else if (*header && input.size() - (*header)->size >= (*header)->remaining_length &&
             !is_streamed(input.front(), (*header)->size + (*header)->remaining_length)) {
    // The usual case: the whole packet is at hand and is read where it lies.
    result = read(std::to_integer<std::uint8_t>(input.front()), input.subspan((*header)->size, (*header)->remaining_length), nullptr);
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
  payload_left_ = 0;
  error_ = {};
}

}  // namespace tapir::mqtt
