#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "client_core.hpp"

/// The fields of a control packet as an observer sees them.
namespace tapir::mqtt {

namespace {

std::string text_of(QoS qos) { return std::to_string(static_cast<unsigned>(qos)); }
std::string text_of(bool flag) { return flag ? "1" : "0"; }

/// The options byte without the quality of service (5.0 section 3.8.3.1).
unsigned options_of(const Subscription& subscription) {
  return (subscription.no_local ? 0x04U : 0U) | (subscription.retain_as_published ? 0x08U : 0U) |
         static_cast<unsigned>(subscription.retain_handling) << 4U;
}

class FieldList {
 public:
  void operator()(const Connect& packet) {
    add("client", packet.client_id);
    add("clean_session", text_of(packet.clean_session));
    add("keep_alive", std::to_string(packet.keep_alive.count()));
    if (packet.will) add("will", packet.will->topic);
    if (packet.user_name) add("user", *packet.user_name);  // the password is nobody's business
  }
  void operator()(const Connack& packet) {
    add("session_present", text_of(packet.session_present));
    add("code", std::to_string(std::max(static_cast<unsigned>(packet.code), static_cast<unsigned>(packet.reason))));
    if (const auto id = packet.properties.get(property::assigned_client_identifier)) add("assigned_client", *id);
    add_properties(packet.properties);
  }
  void operator()(const Publish& packet) {
    add("topic", packet.topic);
    add("qos", text_of(packet.qos));
    if (packet.qos != QoS::at_most_once) add("id", std::to_string(packet.id.value()));
    if (packet.retain) add("retain", "1");
    add_duplicate(packet.duplicate);
    add_properties(packet.properties);
  }
  void operator()(const Subscribe& packet) {
    add("id", std::to_string(packet.id.value()));
    add_duplicate(packet.duplicate);
    for (const auto& subscription : packet.subscriptions) {
      add("filter", subscription.filter);
      add("qos", text_of(subscription.qos));
      add("options", std::to_string(options_of(subscription)));
    }
  }
  void operator()(const Suback& packet) {
    add("id", std::to_string(packet.id.value()));
    for (const auto code : packet.codes) add("code", std::to_string(static_cast<unsigned>(code)));
  }
  void operator()(const Unsubscribe& packet) {
    add("id", std::to_string(packet.id.value()));
    add_duplicate(packet.duplicate);
    for (const auto& filter : packet.filters) add("filter", filter);
  }
  template <class Packet>
  void operator()(const Packet& packet) {
    if constexpr (requires { packet.id; }) add("id", std::to_string(packet.id.value()));
    if constexpr (requires { packet.duplicate; }) add_duplicate(packet.duplicate);
    if constexpr (requires { packet.reason; }) {
      if (packet.reason != ReasonCode::success) {
        add("reason", std::string{name(packet.reason)});
        add("code", std::to_string(static_cast<unsigned>(packet.reason)));
      }
    }
    if constexpr (requires { packet.properties; }) add_properties(packet.properties);
  }
  [[nodiscard]] const std::vector<Field>& fields() const noexcept { return fields_; }

 private:
  void add_duplicate(bool duplicate) {
    if (duplicate) add("dup", "1");
  }
  /// Only the numbers that change what happens: what a user says in text can be secret.
  void add_properties(const Properties& properties) {
    if (const auto alias = properties.get(property::topic_alias)) add("topic_alias", std::to_string(*alias));
    if (const auto expiry = properties.get(property::message_expiry_interval)) add("message_expiry", std::to_string(*expiry));
    if (const auto maximum = properties.get(property::receive_maximum)) add("receive_maximum", std::to_string(*maximum));
    if (const auto text = properties.get(property::reason_string)) add("reason_string", *text);
  }
  void add(std::string_view name, std::string value) { fields_.push_back({name, std::move(value)}); }
  std::vector<Field> fields_;
};

}  // namespace

void Client::Core::packet(Direction direction, const ControlPacket& packet, Size size, TimePoint now) {
  FieldList list;
  std::visit([&list](const auto& fields) { list(fields); }, packet);
  context_.observer->crossed({.layer = LayerId::mqtt,
                              .direction = direction,
                              .at = now,
                              .packet = nullptr,
                              .header_size = size.header,
                              .payload_size = size.payload,
                              .summary = name(type_of(packet)),
                              .fields = list.fields()});
}

}  // namespace tapir::mqtt
