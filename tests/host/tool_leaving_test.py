"""How tools/tapir leaves its broker: in order by a signal too, over our own stack on the TAP device and over the kernel's.

The third argument is the program.
"""
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time

import lab
from tool_broker import ACCEPTED, DISCONNECT, PUBACK, PUBLISH, SUBSCRIBE, Broker, WireCase, publish
from tool_lab import HOST_STACK, STACKS, TOOL, TapirSub

lab.require("mosquitto", "mosquitto_sub")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = "interrupted before it was done$"
NOT_FOR_EVER = 15  # seconds; without an end of its own the tool would wait for twice as long


class BySignal(WireCase):
    """[MQTT-3.14.4-3]: only behind DISCONNECT the broker forgets the will."""

    def test_the_broker_gets_disconnect(self):
        for stack in STACKS:
            for number in SIGNALS:
                for words, packets, code, said in ((("sub", "-t", "x"), [SUBSCRIBE], 0, "^$"), (("pub", "-t", "x", "-l"), [PUBLISH], 1, INTERRUPTED),
                                                   (("pub", "-t", "x", "-m", "y", "-q", 1), [PUBLISH], 1, INTERRUPTED),
                                                   (("rr", "-t", "x", "-e", "z", "-m", "y"), [SUBSCRIBE, PUBLISH], 1, INTERRUPTED)):
                    with self.subTest(stack=stack, number=number, words=words), Broker() as broker:
                        program = self.start(*words, stack=stack)
                        broker.accept(ACCEPTED["mqttv5"])
                        if "-l" in words:
                            program.stdin.write("a line\n")
                            program.stdin.flush()
                        for kind in packets:
                            got, _, body = broker.packet()
                            self.assertEqual(got, kind)
                            if kind == SUBSCRIBE:
                                broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 00")
                        program.send_signal(number)
                        self.assertEqual(broker.packet(), (DISCONNECT, 0, b""))
                        self.assertTrue(broker.at_end())
                        broker.connection.close()
                        self.ends(program, code, said)

    def test_mosquitto_does_not_publish_the_will(self):
        for stack in STACKS:
            for number in SIGNALS:
                with self.subTest(stack=stack, number=number), lab.Broker() as broker:
                    will = ("--will-topic", "last", "--will-payload", "words", "--will-retain", "-k", 1)
                    with TapirSub("-t", "x", "-i", "leaver", *will, stack=stack) as client:
                        self.assertEqual(client.stop(number), 0)
                    broker.wait_for("Received DISCONNECT from leaver")
                    with lab.Subscriber("last") as subscriber, TapirSub("-t", "last", "-W", 1) as other:
                        self.assertEqual(other.wait(), 1)
                        self.assertEqual(subscriber.messages(), [])

    def test_a_broker_that_is_not_there(self):
        for stack in STACKS:
            with self.subTest(stack=stack), Broker() as broker:
                program = self.start("sub", "-t", "x", stack=stack)
                broker.accept()
                program.send_signal(signal.SIGINT)
                self.ends(program, 0)


class SecondSignal(WireCase):
    """What comes while the tool leaves changes nothing, to the last moment of its life."""

    def test_disconnect_goes_out_and_the_exit_code_stays(self):
        for stack in STACKS:
            for words, kind, code, said in ((("sub", "-t", "x", "--will-topic", "w"), SUBSCRIBE, 0, "^$"),
                                            (("pub", "-t", "x", "-m", "y", "-q", 1), PUBLISH, 1, INTERRUPTED)):
                for behind_disconnect in (False, True):
                    with self.subTest(stack=stack, words=words, behind_disconnect=behind_disconnect), Broker() as broker:
                        program = self.start(*words, stack=stack)
                        broker.accept(ACCEPTED["mqttv5"])
                        self.assertEqual(broker.packet()[0], kind)
                        program.send_signal(signal.SIGINT)
                        if behind_disconnect:
                            self.assertEqual(broker.packet()[0], DISCONNECT)
                        self.storm(program)
                        if not behind_disconnect:
                            self.assertEqual(broker.packet()[0], DISCONNECT)
                        self.ends(program, code, said)

    def storm(self, program):
        """Signals without a pause, until the program has ended."""
        deadline = time.monotonic() + lab.SECONDS
        while program.poll() is None and time.monotonic() < deadline:
            for number in SIGNALS:
                program.send_signal(number)


class BrokerThatDoesNotClose(WireCase):
    def test_nobody_waits_for_it(self):
        for stack in STACKS:
            for number in (None, *SIGNALS):
                with self.subTest(stack=stack, number=number), Broker() as broker:
                    program = self.start(*(("pub", "-t", "x", "-m", "y") if number is None else ("sub", "-t", "x")), stack=stack)
                    broker.accept(ACCEPTED["mqttv5"])
                    broker.packet()
                    if number:
                        program.send_signal(number)
                    self.assertEqual(broker.packet()[0], DISCONNECT)
                    self.ends(program, 0, seconds=NOT_FOR_EVER)


class LossInTheMiddle(WireCase):
    """The reason and its words are the connection's, not the message's that was lost with it."""
    GONE = "e0 09 97 07 1f 0004 66756c6c"  # quota exceeded, Reason String "full"

    def test_the_broker_says_why(self):
        said = f"mqtt: {lab.HOST}:{lab.BROKER_PORT}: quota exceeded: full$"
        for stack in STACKS:
            for words in (("pub", "-q", 1, "-m", "y"), ("pub", "-q", 2, "-m", "y"), ("pub", "-q", 0, "-f", self.long_file()), ("rr", "-e", "z", "-q", 1, "-m", "y")):
                with self.subTest(stack=stack, words=words), Broker() as broker:
                    program = self.start(*words, "-t", "x", stack=stack)
                    broker.accept(ACCEPTED["mqttv5"])
                    if words[0] == "rr":
                        _, _, body = broker.packet()
                        broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 00")
                    broker.exactly(1)
                    broker.send(self.GONE)
                    self.ends(program, 3, f"^tapir {words[0]}: the {'request' if words[0] == 'rr' else 'message'} was not delivered: {said}")

    def long_file(self):
        """More than either stack has room for: its last byte is not acknowledged while nobody reads."""
        file = tempfile.NamedTemporaryFile()
        self.addCleanup(file.close)
        os.truncate(file.name, 100_000_000)
        return file.name

    def test_the_layer_is_named(self):
        for stack in STACKS:
            for qos in (1, 2):
                for version in ("mqttv311", "mqttv5"):
                    with self.subTest(stack=stack, qos=qos, version=version), Broker() as broker:
                        program = self.start("pub", "-t", "x", "-m", "y", "-q", qos, "-V", version, stack=stack)
                        broker.accept(ACCEPTED[version])
                        broker.packet()
                        broker.connection.close()
                        self.ends(program, 1, f"^tapir pub: the message was not delivered: tcp: connection closed by {lab.HOST}:{lab.BROKER_PORT}$")


class RetainedMessages(WireCase):
    """--remove-retained: the tool leaves when the broker has acknowledged each deletion, of which 20 can be under way."""
    COUNT = 3000  # more than the library lets wait by default

    def subscribed(self, *options, stack):
        program = self.start("sub", "-t", "r/#", "-q", 1, "--remove-retained", *options, stack=stack)
        self.take_subscription()
        return program

    def take_subscription(self):
        self.broker.accept(ACCEPTED["mqttv5"])
        _, _, body = self.broker.packet()
        self.broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 01")

    def deletions(self):
        """What comes before DISCONNECT: the topics of the deletions, acknowledged one by one, and the identifiers of the tool's PUBACKs."""
        topics, acknowledged = [], []
        while (packet := self.broker.packet())[0] != DISCONNECT:
            if packet[0] == PUBACK:
                acknowledged.append(struct.unpack_from(">H", packet[2])[0])
                continue
            self.assertEqual(packet[:2], (PUBLISH, 3))  # QoS 1, retained
            size = struct.unpack_from(">H", packet[2])[0]
            topics.append(packet[2][2:2 + size])
            self.assertEqual(packet[2][4 + size:], b"\0")  # no payload
            self.broker.send(f"40 02 {struct.unpack_from('>H', packet[2], 2 + size)[0]:04x}")
        self.broker.connection.close()
        return topics, acknowledged

    def test_all_are_deleted(self):
        """With and without one that ends --retained-only, and one behind it: those stay with the broker."""
        topics = [f"r/{number:04}".encode() for number in range(self.COUNT)]
        retained = "".join(f"31 0a 0006 {topic.hex()} 00 79" for topic in topics)
        for stack in STACKS:
            for options, more in ((("-C", self.COUNT), ""), (("--retained-only",), "32 0a 0004 722f3939 0001 00 7a 32 0a 0004 722f3939 0002 00 7a")):
                with self.subTest(stack=stack, options=options), Broker() as self.broker:
                    program = self.subscribed(*options, stack=stack)
                    self.broker.send(retained + more)
                    self.assertEqual(self.deletions(), (topics, []))
                    self.ends(program, 0, printed="y\n" * self.COUNT)

    def test_the_last_message_is_acknowledged(self):
        with Broker() as self.broker:
            program = self.subscribed("-C", 1, stack=HOST_STACK)
            self.broker.send("33 0a 0004 722f3939 0001 00 7a 33 0a 0004 722f3939 0002 00 7a")
            self.assertEqual(self.deletions(), ([b"r/99"], [1]))
            self.ends(program, 0, printed="z\n")

    def test_a_long_one_is_deleted_when_it_is_here_completely(self):
        """It comes in parts: when the connection is lost in the middle the broker is to have it still."""
        message = publish("r/99", b"z" * 1_000_000, 1)
        for stack in STACKS:
            with self.subTest(stack=stack), Broker() as self.broker:
                program = self.subscribed("-C", 1, "-F", "%l", stack=stack)
                self.broker.connection.sendall(message[:-1])
                self.broker.connection.shutdown(socket.SHUT_WR)
                self.assertEqual(self.broker.rest(), b"")
                self.broker.connection.close()
                self.take_subscription()
                self.broker.connection.sendall(message)
                self.assertEqual(self.deletions(), ([b"r/99"], []))
                self.ends(program, 0, "the connection was lost in the middle of a message", printed="1000000\n" * 2)

    def test_what_cannot_be_printed_is_not_deleted(self):
        """Whole, and in parts."""
        for size in (1, 100_000):
            for stack in STACKS:
                with self.subTest(size=size, stack=stack), Broker() as self.broker, open("/dev/full", "w") as full:
                    words = [str(word) for word in (TOOL, *stack, "sub", "-h", lab.HOST, "-t", "r/#", "-q", 1, "--remove-retained")]
                    program = subprocess.Popen(words, stdout=full, stderr=subprocess.PIPE, text=True)
                    self.addCleanup(program.communicate)
                    self.take_subscription()
                    self.broker.connection.sendall(publish("r/99", b"z" * size, 1))
                    self.assertEqual(self.broker.packet()[0], DISCONNECT)
                    self.broker.connection.close()
                    _, said = program.communicate(timeout=lab.SECONDS)
                    self.assertEqual((program.returncode, said), (1, "tapir sub: cannot write to standard output\n"))

    def test_a_broker_that_refuses(self):
        with Broker() as self.broker:
            program = self.subscribed("-C", 1, stack=HOST_STACK)
            self.broker.send("31 08 0004 722f3939 00 79")
            _, _, body = self.broker.packet()
            self.broker.send(f"40 03 {struct.unpack_from('>H', body, 6)[0]:04x} 87")
            self.assertEqual(self.broker.packet()[0], DISCONNECT)
            self.broker.connection.close()
            self.ends(program, 3, "^tapir sub: mqtt: the retained message of r/99 was not deleted: not authorized$", printed="y\n")


if __name__ == "__main__":
    lab.main()
