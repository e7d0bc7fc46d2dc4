#pragma once

#include <tapir/mqtt/control_packet.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/property_table.hpp>
#include <tapir/mqtt/topic.hpp>

/// What each control packet consists of, once for both directions: the same description writes a packet (Io = PacketWriter) and reads it
/// (Io = PacketReader). Bits that a description does not name are reserved: written as 0, refused when received as 1.
namespace tapir::mqtt {

/// `Packet` as `Io` handles it: const for a writer.
template <class Io, class Packet>
using Of = typename Io::template Subject<Packet>;

template <class Io>
void describe(Io& io, Of<Io, Connect>& connect) {
  io.protocol(connect.version);
  io.octet([&](auto& bits) {
    bits.flag(1, connect.clean_session);
    bits.presence(2, connect.will);
    if (connect.will) {
      bits.qos(3, connect.will->qos);
      bits.flag(5, connect.will->retain);
    }
    bits.presence(6, connect.password);
    bits.presence(7, connect.user_name);
  });
  io.require(io.v5() || connect.user_name || !connect.password, Error::protocol_violation);  // 3.1.1 [MQTT-3.1.2-22]
  io.seconds(connect.keep_alive);
  io.properties(connect.properties, place_of(PacketType::connect));
  const bool has_data = connect.properties.contains(PropertyId::authentication_data);
  io.require(!has_data || connect.properties.contains(PropertyId::authentication_method), Error::protocol_violation);  // 3.1.2.11.10
  io.text(connect.client_id);
  if (connect.will) {
    io.properties(connect.will->properties, kWillProperties);
    io.text(connect.will->topic);
    io.require(is_valid_topic_name(connect.will->topic), Error::protocol_violation);
    io.binary(connect.will->payload);
  }
  if (connect.user_name) io.text(*connect.user_name);
  if (connect.password) io.binary(*connect.password);
}

template <class Io>
void describe(Io& io, Of<Io, Connack>& connack) {
  io.octet([&](auto& bits) { bits.flag(0, connack.session_present); });
  if (io.v5()) {
    io.reason(connack.reason, PacketType::connack);
  } else {
    io.number(connack.code);
    io.require(connack.code <= ConnectCode::not_authorized, Error::protocol_violation);
  }
  io.properties(connack.properties, place_of(PacketType::connack));
  if (io.v5() && io.lenient()) io.ignore_rest();
}

template <class Io>
void describe(Io& io, Of<Io, Publish>& publish) {
  io.header_flags([&](auto& bits) {
    bits.flag(3, publish.duplicate);
    bits.qos(1, publish.qos);
    bits.flag(0, publish.retain);
  });
  io.require(publish.qos != QoS::at_most_once || !publish.duplicate || io.lenient(), Error::protocol_violation);  // [MQTT-3.3.1-2]
  io.text(publish.topic);
  io.require(has_no_control_characters(publish.topic), Error::malformed_packet);  // the receiver's choice, 5.0 section 1.5.4
  // Before 5.0 the standard names no error; in 5.0 a wildcard is malformed, and an alias may stand for the topic.
  io.require(publish.topic.find_first_of("+#") == std::string::npos, io.v5() ? Error::malformed_packet : Error::protocol_violation);
  io.require(io.v5() || !publish.topic.empty(), Error::protocol_violation);
  if (publish.qos != QoS::at_most_once) io.identifier(publish.id);
  io.properties(publish.properties, place_of(PacketType::publish));
  io.require(!publish.topic.empty() || publish.properties.contains(PropertyId::topic_alias), Error::protocol_violation);
  io.rest(publish.payload);
}

/// PUBREL, SUBSCRIBE and UNSUBSCRIBE have bit 1 of the fixed header's flags set: in 3.1 they are messages with QoS 1, and have DUP when they
/// are sent again (3.1 section 2.1); later versions fix the bits without a reason (section 2.2.2).
template <class Io, class Flag>
void describe_flags_0010(Io& io, Flag& duplicate) {
  io.header_flags([&](auto& bits) {
    bits.one(1);
    if (io.v3_1()) bits.flag(3, duplicate);
  });
  io.require(io.v3_1() || !duplicate, Error::not_in_this_version);
}

template <class Io, class Acknowledgment>
void describe_acknowledgment(Io& io, Acknowledgment& packet) {
  io.identifier(packet.id);
  io.outcome(packet.reason, packet.properties, Acknowledgment::kType);
}

template <class Io>
void describe(Io& io, Of<Io, Puback>& packet) {
  describe_acknowledgment(io, packet);
}

template <class Io>
void describe(Io& io, Of<Io, Pubrec>& packet) {
  describe_acknowledgment(io, packet);
}

template <class Io>
void describe(Io& io, Of<Io, Pubrel>& packet) {
  describe_flags_0010(io, packet.duplicate);
  describe_acknowledgment(io, packet);
}

template <class Io>
void describe(Io& io, Of<Io, Pubcomp>& packet) {
  describe_acknowledgment(io, packet);
}

template <class Io>
void describe(Io& io, Of<Io, Subscribe>& subscribe) {
  describe_flags_0010(io, subscribe.duplicate);
  io.identifier(subscribe.id);
  io.properties(subscribe.properties, place_of(PacketType::subscribe));
  io.list(subscribe.subscriptions, [&](auto& subscription) {
    io.text(subscription.filter);
    io.require(is_valid_topic_filter(subscription.filter), Error::protocol_violation);
    io.octet([&](auto& bits) {
      bits.qos(0, subscription.qos);
      if (!io.v5()) return;
      bits.flag(2, subscription.no_local);
      bits.flag(3, subscription.retain_as_published);
      bits.two(4, subscription.retain_handling, RetainHandling::never);
    });
    const bool shared = subscription.filter.starts_with(kSharedPrefix);
    io.require(!io.v5() || !shared || (is_valid_shared_filter(subscription.filter) && !subscription.no_local),
               Error::protocol_violation);  // [MQTT-3.8.3-4, 4.8.2-1, 4.8.2-2]
  });
}

template <class Io>
void describe(Io& io, Of<Io, Suback>& suback) {
  io.identifier(suback.id);
  io.properties(suback.properties, place_of(PacketType::suback));
  io.list(suback.codes, [&](auto& code) {
    if (io.v5()) return io.reason(code, PacketType::suback);
    io.number(code);
    io.require(code <= SubscribeCode::granted_qos_2 || code == SubscribeCode::failure, Error::protocol_violation);
  });
}

template <class Io>
void describe(Io& io, Of<Io, Unsubscribe>& unsubscribe) {
  describe_flags_0010(io, unsubscribe.duplicate);
  io.identifier(unsubscribe.id);
  io.properties(unsubscribe.properties, place_of(PacketType::unsubscribe));
  io.list(unsubscribe.filters, [&](auto& filter) {
    io.text(filter);
    io.require(is_valid_topic_filter(filter), Error::protocol_violation);
  });
}

template <class Io>
void describe(Io& io, Of<Io, Unsuback>& packet) {
  io.identifier(packet.id);
  if (!io.v5()) return io.require(packet.codes.empty() && packet.properties.empty(), Error::not_in_this_version);
  io.properties(packet.properties, place_of(PacketType::unsuback));
  if (io.lenient()) return io.ignore_rest();
  io.list(packet.codes, [&](auto& code) { io.reason(code, PacketType::unsuback); });
}

template <class Io>
void describe(Io& /*io*/, Of<Io, Pingreq>& /*packet*/) {}

template <class Io>
void describe(Io& /*io*/, Of<Io, Pingresp>& /*packet*/) {}

template <class Io>
void describe(Io& io, Of<Io, Disconnect>& packet) {
  io.outcome(packet.reason, packet.properties, PacketType::disconnect);
}

template <class Io>
void describe(Io& io, Of<Io, Auth>& packet) {
  io.require(io.v5(), Error::not_in_this_version);
  io.outcome(packet.reason, packet.properties, PacketType::auth);
  io.require(packet.properties.contains(PropertyId::authentication_method), Error::protocol_violation);  // section 3.15.2.2.2
}

}  // namespace tapir::mqtt
