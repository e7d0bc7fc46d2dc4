#pragma once

#include <tapir/mqtt/control_packet.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/topic.hpp>

/// What each control packet consists of, once for both directions: the same description writes a packet (Io = PacketWriter) and reads it
/// (Io = PacketReader). Bits that a description does not name are reserved: written as 0, refused when received as 1.
namespace tapir::mqtt {

/// `Packet` as `Io` handles it: const for a writer.
template <class Io, class Packet>
using Of = typename Io::template Subject<Packet>;

template <class Io>
void describe(Io& io, Of<Io, Connect>& connect) {
  io.literal_text("MQTT");
  io.version(connect.version);
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
  io.require(connect.user_name || !connect.password, Error::protocol_violation);  // [MQTT-3.1.2-22]
  io.seconds(connect.keep_alive);
  io.text(connect.client_id);
  if (connect.will) {
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
  io.number(connack.code);
  io.require(connack.code <= ConnectCode::not_authorized, Error::protocol_violation);
}

template <class Io>
void describe(Io& io, Of<Io, Publish>& publish) {
  io.header_flags([&](auto& bits) {
    bits.flag(3, publish.duplicate);
    bits.qos(1, publish.qos);
    bits.flag(0, publish.retain);
  });
  io.require(publish.qos != QoS::at_most_once || !publish.duplicate, Error::protocol_violation);  // [MQTT-3.3.1-2]
  io.text(publish.topic);
  io.require(is_valid_topic_name(publish.topic), Error::protocol_violation);
  if (publish.qos != QoS::at_most_once) io.identifier(publish.id);
  io.rest(publish.payload);
}

/// PUBREL, SUBSCRIBE and UNSUBSCRIBE have bit 1 of the fixed header's flags set, for no reason that the standard gives (section 2.2.2).
template <class Io>
void describe_flags_0010(Io& io) {
  io.header_flags([](auto& bits) { bits.one(1); });
}

template <class Io>
void describe(Io& io, Of<Io, Puback>& packet) {
  io.identifier(packet.id);
}

template <class Io>
void describe(Io& io, Of<Io, Pubrec>& packet) {
  io.identifier(packet.id);
}

template <class Io>
void describe(Io& io, Of<Io, Pubrel>& packet) {
  describe_flags_0010(io);
  io.identifier(packet.id);
}

template <class Io>
void describe(Io& io, Of<Io, Pubcomp>& packet) {
  io.identifier(packet.id);
}

template <class Io>
void describe(Io& io, Of<Io, Subscribe>& subscribe) {
  describe_flags_0010(io);
  io.identifier(subscribe.id);
  io.list(subscribe.subscriptions, [&](auto& subscription) {
    io.text(subscription.filter);
    io.require(is_valid_topic_filter(subscription.filter), Error::protocol_violation);
    io.octet([&](auto& bits) { bits.qos(0, subscription.qos); });
  });
}

template <class Io>
void describe(Io& io, Of<Io, Suback>& suback) {
  io.identifier(suback.id);
  io.list(suback.codes, [&](auto& code) {
    io.number(code);
    io.require(code <= SubscribeCode::granted_qos_2 || code == SubscribeCode::failure, Error::protocol_violation);
  });
}

template <class Io>
void describe(Io& io, Of<Io, Unsubscribe>& unsubscribe) {
  describe_flags_0010(io);
  io.identifier(unsubscribe.id);
  io.list(unsubscribe.filters, [&](auto& filter) {
    io.text(filter);
    io.require(is_valid_topic_filter(filter), Error::protocol_violation);
  });
}

template <class Io>
void describe(Io& io, Of<Io, Unsuback>& packet) {
  io.identifier(packet.id);
}

template <class Io>
void describe(Io& /*io*/, Of<Io, Pingreq>& /*packet*/) {}

template <class Io>
void describe(Io& /*io*/, Of<Io, Pingresp>& /*packet*/) {}

template <class Io>
void describe(Io& /*io*/, Of<Io, Disconnect>& /*packet*/) {}

}  // namespace tapir::mqtt
