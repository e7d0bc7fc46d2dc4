"""A broker that says what the test writes, for tests of tools/tapir packet by packet."""
import socket
import struct
import subprocess

import lab
from tool_lab import HOST_STACK, TOOL, Case

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 5, 8, 9, 12, 14
ACCEPTED = {"mqttv31": "20 02 00 00", "mqttv311": "20 02 00 00", "mqttv5": "20 03 00 00 00"}


def publish(topic, payload, flags=0, identifier=None):
    """A PUBLISH of MQTT 5.0."""
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + (struct.pack(">H", identifier) if identifier else b"") + b"\0" + payload
    size, digits = len(body), b""
    while True:
        digits += bytes([size & 0x7f | (0x80 if size > 0x7f else 0)])
        size >>= 7
        if not size:
            return bytes([0x30 | flags]) + digits + body


class Broker:
    """The far end of one connection, packet by packet."""

    def __init__(self):
        self.server = socket.create_server((lab.HOST, lab.BROKER_PORT))
        self.server.settimeout(lab.SECONDS)
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()
        self.server.close()

    def accept(self, answer=None):
        """The CONNECT of the next connection, taken apart; answered if there is an answer."""
        self.connection, _ = self.server.accept()
        self.connection.settimeout(lab.SECONDS)
        kind, _, body = self.packet()
        assert kind == CONNECT, kind
        if answer:
            self.send(answer)
        return Connect(body)

    def send(self, digits):
        self.connection.sendall(bytes.fromhex(digits))

    def exactly(self, size):
        parts = b""
        while len(parts) < size:
            more = self.connection.recv(size - len(parts))
            if not more:
                raise EOFError
            parts += more
        return parts

    def packet(self):
        """Type, flags and the rest of the next packet."""
        first = self.exactly(1)[0]
        size, shift = 0, 0
        while True:
            digit = self.exactly(1)[0]
            size |= (digit & 0x7f) << shift
            shift += 7
            if digit < 0x80:
                return first >> 4, first & 15, self.exactly(size)

    def published(self):
        """Packet identifier and payload of the next packet, a PUBLISH of QoS 1 or 2 before 5.0."""
        kind, _, body = self.packet()
        assert kind == PUBLISH, kind
        after = 2 + struct.unpack_from(">H", body)[0]
        return struct.unpack_from(">H", body, after)[0], body[after + 2:]

    def at_end(self):
        return self.connection.recv(1) == b""

    def rest(self):
        """All that still comes, to the end of the connection, however that ends."""
        parts = b""
        try:
            while part := self.connection.recv(1 << 16):
                parts += part
        except ConnectionResetError:
            pass
        return parts


class Connect:
    """The fields of a CONNECT (MQTT 5.0 section 3.1)."""

    def __init__(self, body):
        self.rest = body
        self.protocol = self.take_string()
        self.level, self.flags, self.keep_alive = struct.unpack_from(">BBH", self.rest)
        self.rest = self.rest[4:]
        self.properties = self.take(self.take_byte()) if self.level == 5 else b""
        self.client_id = self.take_string()
        if self.flags & 0x04:
            self.will_properties = self.take(self.take_byte()) if self.level == 5 else b""
            self.will_topic = self.take_string()
            self.will_payload = self.take_string()
        self.user_name = self.take_string() if self.flags & 0x80 else None
        self.password = self.take_string() if self.flags & 0x40 else None
        assert not self.rest

    def take(self, size):
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def take_byte(self):
        return self.take(1)[0]

    def take_string(self):
        return self.take(struct.unpack(">H", self.take(2))[0]).decode()


def start(command, *options, stack=HOST_STACK):
    words = [str(word) for word in (TOOL, *stack, command, "-h", lab.HOST, *options)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class WireCase(Case):
    def start(self, command, *options, stack=HOST_STACK):
        program = start(command, *options, stack=stack)
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        return program

    def ends(self, program, code, said="^$", printed="", seconds=lab.SECONDS):
        out, err = program.communicate(timeout=seconds)
        self.assertEqual((program.returncode, out), (code, printed), err)
        self.assertRegex(err, said)
