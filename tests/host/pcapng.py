"""Reads a pcapng file of Ethernet frames (draft-ietf-opsawg-pcapng: section header, enhanced packet blocks) and takes a frame apart."""
import collections
import pathlib
import socket
import struct

Layer = collections.namedtuple("Layer", "name data meaning")

SECTION_HEADER, ENHANCED_PACKET = 0x0A0D0D0A, 6
MQTT_TYPES = ("", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK",
              "PINGREQ", "PINGRESP", "DISCONNECT", "")
MQTT_PORT = 1883


def frames(path):
    data = pathlib.Path(path).read_bytes()
    found, at, order = [], 0, "<"
    while at + 12 <= len(data):
        kind = struct.unpack_from(order + "I", data, at)[0]
        if kind == SECTION_HEADER:
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        length = struct.unpack_from(order + "I", data, at + 4)[0]
        if length < 12 or at + length > len(data):
            raise ValueError(f"{path}: a block of {length} bytes at {at}")
        if kind == ENHANCED_PACKET:
            captured = struct.unpack_from(order + "I", data, at + 20)[0]
            found.append(data[at + 28:at + 28 + captured])
        at += length
    return found


def layers(frame):
    """From Ethernet up, as far as this file knows the protocols."""
    kind = struct.unpack_from(">H", frame, 12)[0]
    result = [Layer("Ethernet", frame[:14], f"{frame[6:12].hex(':')} > {frame[:6].hex(':')}, type 0x{kind:04x}")]
    if kind == 0x0806:
        operation = struct.unpack_from(">H", frame, 20)[0]
        return [*result, Layer("ARP " + {1: "request", 2: "reply"}.get(operation, "?"), frame[14:42], f"for {socket.inet_ntoa(frame[38:42])}")]
    if kind != 0x0800:
        return result
    size, total = (frame[14] & 15) * 4, struct.unpack_from(">H", frame, 16)[0]
    datagram = frame[14:14 + total]
    source, destination = socket.inet_ntoa(datagram[12:16]), socket.inet_ntoa(datagram[16:20])
    result.append(Layer("IPv4", datagram[:size], f"{source} > {destination}, TTL {datagram[8]}, protocol {datagram[9]}, {total} bytes in all"))
    if datagram[9] != 6:
        return result
    segment = datagram[size:]
    ports, sequence, flags = struct.unpack_from(">HH", segment), struct.unpack_from(">I", segment, 4)[0], segment[13]
    names = [name for bit, name in enumerate(("FIN", "SYN", "RST", "PSH", "ACK", "URG")) if flags >> bit & 1]
    header = (segment[12] >> 4) * 4
    result.append(Layer("TCP", segment[:header], f"port {ports[0]} > {ports[1]}, {' '.join(names)}, sequence {sequence}"))
    payload = segment[header:]
    if payload and MQTT_PORT in ports:
        result.append(Layer("MQTT " + MQTT_TYPES[payload[0] >> 4], payload, repr(payload[2:].decode("ascii", "replace"))))
    return result


def kinds(all_frames):
    """How many frames end in which protocol."""
    return dict(collections.Counter(layers(frame)[-1].name for frame in all_frames))
