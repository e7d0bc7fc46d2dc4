#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <tapir/core/reader.hpp>
#include <tapir/mqtt/control_packet.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/topic.hpp>

/// The two things that a description of a packet can drive: a writer and a reader. Both keep the first error and do nothing after it.
namespace tapir::mqtt {

/// Bits of one octet being put together.
class BitsWriter {
 public:
  void flag(unsigned bit, bool value) noexcept { value_ |= static_cast<unsigned>(value) << bit; }
  void one(unsigned bit) noexcept { flag(bit, true); }
  template <class T>
  void presence(unsigned bit, const std::optional<T>& field) noexcept {
    flag(bit, field.has_value());
  }
  void qos(unsigned bit, QoS qos) noexcept {
    valid_ = valid_ && qos <= QoS::exactly_once;
    value_ |= static_cast<unsigned>(qos) << bit;
  }
  [[nodiscard]] std::uint8_t value() const noexcept { return static_cast<std::uint8_t>(value_); }
  [[nodiscard]] bool valid() const noexcept { return valid_; }

 private:
  unsigned value_ = 0;
  bool valid_ = true;
};

/// Bits of one octet being taken apart; those that nobody asked for must be 0.
class BitsReader {
 public:
  explicit BitsReader(std::uint8_t value) noexcept : left_{value} {}
  void flag(unsigned bit, bool& value) noexcept {
    value = (left_ >> bit & 1U) != 0;
    left_ &= ~(1U << bit);
  }
  void one(unsigned bit) noexcept {
    bool value = false;
    flag(bit, value);
    valid_ = valid_ && value;
  }
  template <class T>
  void presence(unsigned bit, std::optional<T>& field) {
    bool present = false;
    flag(bit, present);
    if (present) field.emplace();
  }
  void qos(unsigned bit, QoS& qos) noexcept {
    qos = static_cast<QoS>(left_ >> bit & 3U);
    left_ &= ~(3U << bit);
    valid_ = valid_ && qos <= QoS::exactly_once;
  }
  [[nodiscard]] bool valid() const noexcept { return valid_ && left_ == 0; }

 private:
  unsigned left_;
  bool valid_ = true;
};

/// Appends a packet's body, and keeps the flags for its fixed header.
class PacketWriter {
 public:
  template <class T>
  using Subject = const T;

  explicit PacketWriter(std::vector<std::byte>& out) noexcept : out_{out} {}

  [[nodiscard]] std::error_code error() const noexcept { return error_; }
  [[nodiscard]] std::uint8_t flags() const noexcept { return flags_; }
  /// The payload that ends the packet: it is counted by the caller, not appended here.
  [[nodiscard]] const Payload& payload() const noexcept { return payload_; }

  void require(bool condition, Error error) noexcept {
    if (!condition && !error_) error_ = error;
  }
  template <class F>
  void header_flags(F&& describe_bits) {
    flags_ = bits(describe_bits);
  }
  template <class F>
  void octet(F&& describe_bits) {
    put(bits(describe_bits));
  }
  template <class T>
  void number(T value) {
    put(static_cast<std::uint8_t>(value));
  }
  void version(ProtocolVersion version) {
    require(version == ProtocolVersion::v3_1_1, Error::unsupported_protocol_version);
    number(version);
  }
  void identifier(PacketId id) {
    require(id != PacketId{}, Error::protocol_violation);
    put16(id.value());
  }
  void seconds(std::chrono::seconds value) {
    require(value.count() >= 0 && value.count() <= 0xffff, Error::malformed_packet);
    put16(static_cast<std::uint16_t>(value.count()));
  }
  void text(std::string_view text) {
    require(is_valid_string(text), Error::malformed_packet);
    with_length(std::as_bytes(std::span{text}));
  }
  void literal_text(std::string_view text) { with_length(std::as_bytes(std::span{text})); }
  void binary(const std::string& bytes) { with_length(std::as_bytes(std::span{bytes})); }
  void binary(const Payload& bytes) { with_length(bytes.bytes()); }
  void rest(const Payload& payload) { payload_ = payload; }
  template <class T, class F>
  void list(const std::vector<T>& elements, F&& describe_element) {
    require(!elements.empty(), Error::protocol_violation);
    for (const T& element : elements) describe_element(element);
  }

 private:
  template <class F>
  std::uint8_t bits(F& describe_bits) {
    BitsWriter writer;
    describe_bits(writer);
    require(writer.valid(), Error::malformed_packet);
    return writer.value();
  }
  void put(std::uint8_t value) { out_.push_back(std::byte{value}); }
  void put16(std::uint16_t value) {
    put(static_cast<std::uint8_t>(value >> 8U));
    put(static_cast<std::uint8_t>(value & 0xffU));
  }
  void with_length(std::span<const std::byte> bytes) {
    require(bytes.size() <= 0xffff, Error::malformed_packet);
    if (error_) return;
    put16(static_cast<std::uint16_t>(bytes.size()));
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }

  std::vector<std::byte>& out_;
  Payload payload_;
  std::error_code error_;
  std::uint8_t flags_ = 0;
};

/// Reads a packet's body. `owner` holds the bytes if a large payload may share them instead of copying.
class PacketReader {
 public:
  template <class T>
  using Subject = T;

  PacketReader(std::uint8_t flags, std::span<const std::byte> body, std::shared_ptr<const std::vector<std::byte>> owner) noexcept
      : reader_{body}, owner_{std::move(owner)}, flags_{flags} {}

  /// The first error; bytes that the description left over are one.
  [[nodiscard]] std::error_code finish() noexcept {
    require(flags_used_ || flags_ == 0, Error::malformed_packet);
    require(reader_.empty(), Error::malformed_packet);
    return error_;
  }
  void require(bool condition, Error error) noexcept {
    if (!condition && !error_) error_ = error;
  }
  template <class F>
  void header_flags(F&& describe_bits) {
    flags_used_ = true;
    bits(flags_, describe_bits);
  }
  template <class F>
  void octet(F&& describe_bits) {
    bits(get(), describe_bits);
  }
  template <class T>
  void number(T& value) {
    value = static_cast<T>(get());
  }
  void version(ProtocolVersion& version) {
    number(version);
    require(version == ProtocolVersion::v3_1_1, Error::unsupported_protocol_version);
  }
  void identifier(PacketId& id) {
    id = PacketId{get16()};
    require(id != PacketId{}, Error::protocol_violation);
  }
  void seconds(std::chrono::seconds& value) { value = std::chrono::seconds{get16()}; }
  void text(std::string& text) {
    binary(text);
    require(is_valid_string(text), Error::malformed_packet);
  }
  void literal_text(std::string_view expected) {
    std::string text;
    binary(text);
    require(text == expected, Error::unsupported_protocol_version);
  }
  void binary(std::string& bytes) {
    const auto view = with_length();
    bytes.assign(reinterpret_cast<const char*>(view.data()), view.size());  // char may alias anything
  }
  void binary(Payload& bytes) { bytes = Payload{with_length()}; }
  void rest(Payload& payload) {
    if (error_) return;
    const auto bytes = *reader_.take(reader_.remaining());
    payload = owner_ != nullptr && bytes.size() >= kWorthSharing ? Payload{owner_, bytes} : Payload{bytes};
  }
  template <class T, class F>
  void list(std::vector<T>& elements, F&& describe_element) {
    require(!reader_.empty(), Error::protocol_violation);
    while (!error_ && !reader_.empty()) describe_element(elements.emplace_back());
  }

 private:
  static constexpr std::size_t kWorthSharing = 4096;  ///< bytes; a smaller payload is copied, so that it pins nothing around it

  template <class F>
  void bits(std::uint8_t value, F& describe_bits) {
    BitsReader reader{value};
    describe_bits(reader);
    require(reader.valid(), Error::malformed_packet);
  }
  std::uint8_t get() noexcept { return got(reader_.u8()); }
  std::uint16_t get16() noexcept { return got(reader_.u16()); }
  template <class T>
  T got(std::expected<T, Drop> value) noexcept {
    require(value.has_value(), Error::malformed_packet);
    return value.value_or(T{});
  }
  std::span<const std::byte> with_length() noexcept { return got(reader_.take(get16())); }

  Reader reader_;
  std::shared_ptr<const std::vector<std::byte>> owner_;
  std::error_code error_;
  std::uint8_t flags_;
  bool flags_used_ = false;
};

}  // namespace tapir::mqtt
