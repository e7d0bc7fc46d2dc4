#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// The properties of MQTT 5.0 packets (section 2.2.2): a list of typed values. Which may stand in which packet, how often and with what
/// values, one table knows (src/mqtt/property_table.cpp); encoding and decoding check it.
namespace tapir::mqtt {

/// On the wire one byte in front of the value.
enum class PropertyId : std::uint8_t {
  payload_format_indicator = 0x01,
  message_expiry_interval = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_identifier = 0x0b,
  session_expiry_interval = 0x11,
  assigned_client_identifier = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  request_problem_information = 0x17,
  will_delay_interval = 0x18,
  request_response_information = 0x19,
  response_information = 0x1a,
  server_reference = 0x1c,
  reason_string = 0x1f,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet_size = 0x27,
  wildcard_subscription_available = 0x28,
  subscription_identifier_available = 0x29,
  shared_subscription_available = 0x2a,
};

/// A property's name together with the type of its value.
template <class T>
struct PropertyKey {
  PropertyId id;
};

using StringPair = std::pair<std::string, std::string>;

namespace property {

inline constexpr PropertyKey<bool> payload_format_indicator{PropertyId::payload_format_indicator};         ///< true: the payload is UTF-8
inline constexpr PropertyKey<std::uint32_t> message_expiry_interval{PropertyId::message_expiry_interval};  ///< s
inline constexpr PropertyKey<std::string> content_type{PropertyId::content_type};
inline constexpr PropertyKey<std::string> response_topic{PropertyId::response_topic};                      ///< a topic name
inline constexpr PropertyKey<std::string> correlation_data{PropertyId::correlation_data};                  ///< any bytes
inline constexpr PropertyKey<std::uint32_t> subscription_identifier{PropertyId::subscription_identifier};  ///< 1-268435455
inline constexpr PropertyKey<std::uint32_t> session_expiry_interval{PropertyId::session_expiry_interval};  ///< s; 0xffffffff: never
inline constexpr PropertyKey<std::string> assigned_client_identifier{PropertyId::assigned_client_identifier};
inline constexpr PropertyKey<std::uint16_t> server_keep_alive{PropertyId::server_keep_alive};  ///< s
inline constexpr PropertyKey<std::string> authentication_method{PropertyId::authentication_method};
inline constexpr PropertyKey<std::string> authentication_data{PropertyId::authentication_data};  ///< any bytes
inline constexpr PropertyKey<bool> request_problem_information{PropertyId::request_problem_information};
inline constexpr PropertyKey<std::uint32_t> will_delay_interval{PropertyId::will_delay_interval};  ///< s
inline constexpr PropertyKey<bool> request_response_information{PropertyId::request_response_information};
inline constexpr PropertyKey<std::string> response_information{PropertyId::response_information};
inline constexpr PropertyKey<std::string> server_reference{PropertyId::server_reference};          ///< "host:port host …"
inline constexpr PropertyKey<std::string> reason_string{PropertyId::reason_string};                ///< for people, never parsed
inline constexpr PropertyKey<std::uint16_t> receive_maximum{PropertyId::receive_maximum};          ///< 1-65535
inline constexpr PropertyKey<std::uint16_t> topic_alias_maximum{PropertyId::topic_alias_maximum};  ///< 0-65535; 0: no aliases
inline constexpr PropertyKey<std::uint16_t> topic_alias{PropertyId::topic_alias};                  ///< 1-65535
inline constexpr PropertyKey<std::uint8_t> maximum_qos{PropertyId::maximum_qos};                   ///< 0 or 1
inline constexpr PropertyKey<bool> retain_available{PropertyId::retain_available};
inline constexpr PropertyKey<StringPair> user_property{PropertyId::user_property};
inline constexpr PropertyKey<std::uint32_t> maximum_packet_size{PropertyId::maximum_packet_size};  ///< bytes, at least 1
inline constexpr PropertyKey<bool> wildcard_subscription_available{PropertyId::wildcard_subscription_available};
inline constexpr PropertyKey<bool> subscription_identifier_available{PropertyId::subscription_identifier_available};
inline constexpr PropertyKey<bool> shared_subscription_available{PropertyId::shared_subscription_available};

}  // namespace property

/// One property. Numbers of every width are held alike; text and bytes are.
struct Property {
  using Value = std::variant<std::uint32_t, std::string, StringPair>;

  PropertyId id{};
  Value value;

  Property() = default;
  template <class T>
  Property(PropertyKey<T> key, std::type_identity_t<T> content) : id{key.id}, value{stored(std::move(content))} {}

  template <class T>
  [[nodiscard]] T as() const {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(std::get<std::uint32_t>(value));
    } else {
      return std::get<T>(value);
    }
  }
  friend bool operator==(const Property&, const Property&) = default;

 private:
  template <class T>
  static Value stored(T content) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<std::uint32_t>(content);
    } else {
      return content;
    }
  }
};

/// The properties of one packet, in the order in which they are sent.
///
///     Message message{.topic = "t", .properties = {{property::content_type, "text/plain"}, {property::user_property, {"k", "v"}}}};
///     if (const auto type = message.properties.get(property::content_type)) …
class Properties {
 public:
  Properties() noexcept = default;
  Properties(std::initializer_list<Property> list) : list_{list} {}

  void add(Property property) { list_.push_back(std::move(property)); }
  /// Adds the property in place of all others with its name.
  template <class T>
  void set(PropertyKey<T> key, std::type_identity_t<T> value) {
    erase(key.id);
    list_.emplace_back(key, std::move(value));
  }
  void erase(PropertyId id) {
    std::erase_if(list_, [id](const Property& property) { return property.id == id; });
  }
  [[nodiscard]] bool contains(PropertyId id) const noexcept { return std::ranges::find(list_, id, &Property::id) != list_.end(); }
  /// The first value with this name.
  template <class T>
  [[nodiscard]] std::optional<T> get(PropertyKey<T> key) const {
    const auto place = std::ranges::find(list_, key.id, &Property::id);
    return place != list_.end() ? std::optional<T>{place->template as<T>()} : std::nullopt;
  }
  /// All values with this name, in order.
  template <class T>
  [[nodiscard]] std::vector<T> all(PropertyKey<T> key) const {
    std::vector<T> values;
    for (const Property& property : list_) {
      if (property.id == key.id) values.push_back(property.template as<T>());
    }
    return values;
  }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }
  [[nodiscard]] auto begin() const noexcept { return list_.begin(); }
  [[nodiscard]] auto end() const noexcept { return list_.end(); }

  friend bool operator==(const Properties&, const Properties&) = default;

 private:
  std::vector<Property> list_;
};

}  // namespace tapir::mqtt
