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
#include <tapir/mqtt/property_table.hpp>
#include <tapir/mqtt/topic.hpp>

/// The two things that a description of a packet can drive: a writer and a reader. Both keep the first error and do nothing after it.
namespace tapir::mqtt {

/// The name in CONNECT that goes with a protocol level.
[[nodiscard]] constexpr std::string_view protocol_name(ProtocolVersion version) noexcept {
  return version == ProtocolVersion::v3_1 ? "MQIsdp" : "MQTT";
}

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
  /// A number of two bits, at most `most`.
  template <class T>
  void two(unsigned bit, T value, T most) noexcept {
    valid_ = valid_ && value <= most;
    value_ |= static_cast<unsigned>(value) << bit;
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
  template <class T>
  void two(unsigned bit, T& value, T most) noexcept {
    value = static_cast<T>(left_ >> bit & 3U);
    left_ &= ~(3U << bit);
    valid_ = valid_ && value <= most;
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

  PacketWriter(std::vector<std::byte>& out, ProtocolVersion version) noexcept : out_{out}, version_{version} {}

  [[nodiscard]] bool v5() const noexcept { return version_ == ProtocolVersion::v5_0; }
  [[nodiscard]] bool v3_1() const noexcept { return version_ == ProtocolVersion::v3_1; }
  [[nodiscard]] static bool lenient() noexcept { return false; }

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
  /// The protocol's name and level (section 3.1.2); the rest of the packet is in that version.
  void protocol(ProtocolVersion version) {
    require(version >= ProtocolVersion::v3_1 && version <= ProtocolVersion::v5_0, Error::unsupported_protocol_version);
    version_ = version;
    literal_text(protocol_name(version));
    number(version);
  }
  /// A reason code that packets of this type have.
  void reason(ReasonCode code, PacketType type) {
    require(is_defined(code, type), Error::invalid_reason_code);
    number(code);
  }
  /// A reason code and properties that may be left out from the end on (5.0 sections 3.4.2.1 and 3.14.2.1).
  void outcome(ReasonCode code, const Properties& properties, PacketType type) {
    if (!v5()) return require(code == ReasonCode::success && properties.empty(), Error::not_in_this_version);
    if (code == ReasonCode::success && properties.empty()) return;
    reason(code, type);
    if (!properties.empty()) this->properties(properties, place_of(type));
  }
  void properties(const Properties& properties, PropertyPlace place) {
    if (!v5()) return require(properties.empty(), Error::not_in_this_version);
    if (const auto problem = problem_of(properties, place); problem && !error_) error_ = problem;
    if (error_) return;
    std::vector<std::byte> bytes;
    PacketWriter inner{bytes, version_};
    for (const Property& property : properties) inner.put(property, rule_for(property.id)->type);
    put_variable(static_cast<std::uint32_t>(bytes.size()));
    out_.insert(out_.end(), bytes.begin(), bytes.end());
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
  void ignore_rest() noexcept {}
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
  void put_variable(std::uint32_t value) {
    do {
      const auto low = static_cast<unsigned>(value & 0x7fU);
      value >>= 7U;
      put(static_cast<std::uint8_t>(low | (value > 0 ? 0x80U : 0U)));
    } while (value > 0);
  }
  void put(const Property& property, PropertyType type) {
    put(static_cast<std::uint8_t>(property.id));
    switch (type) {
      case PropertyType::byte: return put(property.as<std::uint8_t>());
      case PropertyType::two_byte_integer: return put16(property.as<std::uint16_t>());
      case PropertyType::four_byte_integer:
        put16(static_cast<std::uint16_t>(property.as<std::uint32_t>() >> 16U));
        return put16(property.as<std::uint16_t>());
      case PropertyType::variable_byte_integer: return put_variable(property.as<std::uint32_t>());
      case PropertyType::binary_data:
      case PropertyType::utf8_string: return literal_text(std::get<std::string>(property.value));
      case PropertyType::utf8_pair:
        literal_text(std::get<StringPair>(property.value).first);
        return literal_text(std::get<StringPair>(property.value).second);
    }
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
  ProtocolVersion version_;
  std::uint8_t flags_ = 0;
};

/// Reads a packet's body. `owner` holds the bytes if a large payload may share them instead of copying.
class PacketReader {
 public:
  template <class T>
  using Subject = T;

  /// How to read: `lenient` lets a few things pass that the standard forbids the sender and that do no harm.
  struct Dialect {
    ProtocolVersion version;
    bool lenient;
  };
  PacketReader(std::uint8_t flags, std::span<const std::byte> body, std::shared_ptr<const std::vector<std::byte>> owner,
               Dialect dialect) noexcept
      : reader_{body}, owner_{std::move(owner)}, dialect_{dialect}, flags_{flags} {}

  [[nodiscard]] bool v5() const noexcept { return dialect_.version == ProtocolVersion::v5_0; }
  [[nodiscard]] bool v3_1() const noexcept { return dialect_.version == ProtocolVersion::v3_1; }
  [[nodiscard]] bool lenient() const noexcept { return dialect_.lenient; }

  /// Bytes that the description does not know, from senders that add some.
  void ignore_rest() noexcept { reader_ = Reader{{}}; }
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
  void protocol(ProtocolVersion& version) {
    std::string name;
    binary(name);
    number(version);
    const bool known = version >= ProtocolVersion::v3_1 && version <= ProtocolVersion::v5_0;
    require(known && name == protocol_name(version), Error::unsupported_protocol_version);
    dialect_.version = version;
  }
  void reason(ReasonCode& code, PacketType type) {
    number(code);
    require(is_defined(code, type), Error::invalid_reason_code);
  }
  void outcome(ReasonCode& code, Properties& properties, PacketType type) {
    if (!v5() || reader_.empty()) return;
    reason(code, type);
    if (!reader_.empty()) this->properties(properties, place_of(type));
  }
  void properties(Properties& properties, PropertyPlace place) {
    if (!v5()) return;
    const auto bytes = got(reader_.take(variable()));
    PacketReader inner{0, bytes, nullptr, dialect_};
    while (!error_ && !inner.reader_.empty()) {
      properties.add(inner.property());
      if (!error_) error_ = inner.error_;
    }
    if (!error_) error_ = problem_of(properties, place);
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
  /// A variable byte integer (section 1.5.5): at most four bytes, and no more than needed.
  std::uint32_t variable() noexcept {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift <= 21; shift += 7) {
      const std::uint8_t byte = get();
      value |= static_cast<std::uint32_t>(byte & 0x7fU) << shift;
      if ((byte & 0x80U) != 0) continue;
      require(byte != 0 || shift == 0, Error::malformed_packet);
      return value;
    }
    require(false, Error::malformed_packet);
    return 0;
  }
  Property property() {
    Property property;
    property.id = static_cast<PropertyId>(get());
    const PropertyRule* rule = rule_for(property.id);
    require(rule != nullptr, Error::unknown_property);
    if (error_) return property;
    std::string text;
    switch (rule->type) {
      case PropertyType::byte: property.value = get(); break;
      case PropertyType::two_byte_integer: property.value = get16(); break;
      case PropertyType::four_byte_integer: property.value = got(reader_.u32()); break;
      case PropertyType::variable_byte_integer: property.value = variable(); break;
      case PropertyType::binary_data:
      case PropertyType::utf8_string:
        binary(text);
        property.value = std::move(text);
        break;
      case PropertyType::utf8_pair: {
        StringPair pair;
        binary(pair.first);
        binary(pair.second);
        property.value = std::move(pair);
        break;
      }
    }
    return property;
  }

  Reader reader_;
  std::shared_ptr<const std::vector<std::byte>> owner_;
  std::error_code error_;
  Dialect dialect_;
  std::uint8_t flags_;
  bool flags_used_ = false;
};

}  // namespace tapir::mqtt
