"""What tools/tapir puts on the wire, packet by packet, and how it ends, by a broker that says what the test writes.

The third argument is the program.
"""
import os
import pathlib
import signal
import struct
import tempfile

import lab
from tool_broker import ACCEPTED, DISCONNECT, PINGREQ, PUBLISH, SUBSCRIBE, Broker, WireCase, start
from tool_lab import HOST_STACK, OWN_STACK, STACKS


class ConnectFields(WireCase):
    def connect(self, *options, stack=HOST_STACK, version="mqttv5"):
        with Broker() as broker:
            program = self.start("pub", "-t", "x", "-m", "y", "-V", version, *options, stack=stack)
            fields = broker.accept(ACCEPTED[version])
            self.assertEqual(broker.packet()[0], PUBLISH)
            self.assertEqual(broker.packet()[0], DISCONNECT)
            self.assertTrue(broker.at_end())
            broker.connection.close()
            self.ends(program, 0)
            fields.process = program.pid
            return fields

    def test_without_options(self):
        for stack in STACKS:
            fields = self.connect(stack=stack)
            self.assertEqual((fields.protocol, fields.level, fields.flags, fields.keep_alive, fields.properties), ("MQTT", 5, 0x02, 60, b""))
            self.assertEqual(fields.client_id, "")  # the broker chooses

    def test_the_version(self):
        for version, protocol, level in (("mqttv31", "MQIsdp", 3), ("mqttv311", "MQTT", 4), ("mqttv5", "MQTT", 5)):
            fields = self.connect(version=version)
            self.assertEqual((fields.protocol, fields.level, fields.flags), (protocol, level, 0x02))

    def test_the_client_identifier(self):
        fields = self.connect("-I", "sensor-")
        self.assertEqual(fields.client_id, f"sensor-{fields.process}")
        self.assertEqual(self.connect("-i", "sensor").client_id, "sensor")
        self.assertEqual(self.connect(version="mqttv311").client_id, "")
        self.assertEqual(self.connect("-x", 5).client_id, "")
        identifiers = {self.connect(version="mqttv31").client_id for _ in range(2)}  # 3.1 has none that are empty
        self.assertEqual(len(identifiers), 2)
        for identifier in identifiers:
            self.assertRegex(identifier, "^tapir-pub-[0-9a-f]{12}$")
        same = {self.connect("--seed", 7, version="mqttv31").client_id for _ in range(2)}
        self.assertEqual(len(same), 1)

    def test_keep_alive(self):
        self.assertEqual(self.connect("-k", 7).keep_alive, 7)
        self.assertEqual(self.connect("-k", 0, stack=OWN_STACK).keep_alive, 0)

    def test_how_long_the_session_is_kept(self):
        expiry = bytes([0x11])
        fields = self.connect("-i", "s", "-x", 300)
        self.assertEqual((fields.flags, fields.properties), (0x02, expiry + struct.pack(">I", 300)))
        fields = self.connect("-i", "s", "-c", "-x", 300)
        self.assertEqual((fields.flags, fields.properties), (0x00, expiry + struct.pack(">I", 300)))
        self.assertEqual(self.connect("-i", "s", "-c").properties, expiry + b"\xff\xff\xff\xff")
        self.assertEqual(self.connect("-i", "s", "-x", "-1").properties, expiry + b"\xff\xff\xff\xff")
        self.assertEqual(self.connect("-i", "s", "-c", version="mqttv311").flags, 0x00)

    def test_the_will(self):
        will = ("--will-topic", "last", "--will-payload", "words")
        for options, flags in (((), 0x06), (("--will-retain",), 0x26), (("--will-qos", 2), 0x16), (("--will-qos", 1, "--will-retain"), 0x2e)):
            fields = self.connect(*will, *options)
            self.assertEqual((fields.flags, fields.will_topic, fields.will_payload), (flags, "last", "words"))

    def test_user_name_and_password(self):
        fields = self.connect("-u", "name", "-P", "secret")
        self.assertEqual((fields.flags, fields.user_name, fields.password), (0xc2, "name", "secret"))

        fields = self.connect("-u", "", "-P", "")  # as mosquitto_pub: a user name without letters
        self.assertEqual((fields.flags, fields.user_name, fields.password), (0xc2, "", ""))

    def test_the_parts_of_a_url(self):
        with Broker() as broker:
            program = start("pub", "-L", f"mqtt://na%6de:se%2fcret@{lab.HOST}:{lab.BROKER_PORT}/a/b", "-m", "y")
            self.addCleanup(program.communicate)
            fields = broker.accept(ACCEPTED["mqttv5"])
            self.assertEqual((fields.user_name, fields.password), ("name", "se/cret"))
            self.assertEqual(broker.packet(), (PUBLISH, 0, b"\0\x03a/b\0y"))
            program.kill()


class Behaviour(WireCase):
    def test_messages_in_flight_and_signs_of_life(self):
        """That the third packet behind two PUBLISH is a PINGREQ shows that no third PUBLISH went out, nor will."""
        for most in (2, 9):
            with self.subTest(most=most), Broker() as broker:
                program = self.start("pub", "-t", "x", "-l", "-q", 1, "-M", most, "-k", 1, "-V", "mqttv311")
                program.stdin.write("".join(f"{number}\n" for number in range(9)))
                program.stdin.close()
                program.stdin = None
                broker.accept(ACCEPTED["mqttv311"])
                sent = [broker.published() for _ in range(most)]
                self.assertEqual([text for _, text in sent], [str(number).encode() for number in range(most)])
                self.assertEqual(broker.packet(), (PINGREQ, 0, b""))
                broker.send("d0 00")
                for number in range(9):
                    broker.send(f"40 02 {sent[number][0]:04x}")
                    if number + most < 9:
                        sent.append(broker.published())
                        self.assertEqual(sent[-1][1], str(number + most).encode())
                self.assertEqual(broker.packet(), (DISCONNECT, 0, b""))
                broker.connection.close()
                self.ends(program, 0)

    def test_a_message_that_the_broker_does_not_take(self):
        for stack in STACKS:
            for qos, answer, code, said in ((1, "40 02 {:04x}", 0, "^$"), (1, "40 03 {:04x} 10", 0, "^$"),
                                            (1, "40 03 {:04x} 87", 3, "^tapir pub: the message was not delivered: not authorized$"),
                                            (1, "40 09 {:04x} 87 05 1f 0002 6e6f", 3, "^tapir pub: the message was not delivered: not authorized: no$"),
                                            (2, "50 03 {:04x} 97", 3, "^tapir pub: the message was not delivered: quota exceeded$")):
                with self.subTest(stack=stack, answer=answer), Broker() as broker:
                    program = self.start("pub", "-t", "x", "-m", "y", "-q", qos, stack=stack)
                    broker.accept(ACCEPTED["mqttv5"])
                    identifier, _ = broker.published()
                    broker.send(answer.format(identifier))
                    if code == 0:
                        self.assertEqual(broker.packet()[0], DISCONNECT)
                    broker.connection.close()
                    self.ends(program, code, said)

    def test_a_connection_that_the_broker_does_not_take(self):
        for version, answer, said in (("mqttv31", "20 02 00 05", "not authorized"), ("mqttv311", "20 02 00 04", "bad user name or password"),
                                      ("mqttv5", "20 03 00 8a 00", "banned"), ("mqttv5", "20 03 00 89 00", "server busy"),
                                      ("mqttv5", "20 03 00 84 00", "unsupported protocol version; -V mqttv311 may help$"),
                                      ("mqttv5", "20 02 00 01", "unsupported protocol version; -V mqttv311 may help$"),  # a server of 3.1.1
                                      ("mqttv311", "20 02 00 01", "[^;]*$")):
            with self.subTest(version=version, answer=answer), Broker() as broker:
                program = self.start("sub", "-t", "x", "-V", version)
                broker.accept(answer)
                broker.connection.close()
                self.ends(program, 3, f"^tapir sub: mqtt: broker refused: {said}")

    def test_a_subscription_that_the_broker_does_not_take(self):
        for version, answer, said in (("mqttv311", "90 03 {:04x} 80", "subscription refused"), ("mqttv5", "90 04 {:04x} 00 87", "not authorized"),
                                      ("mqttv5", "90 04 {:04x} 00 97", "quota exceeded"), ("mqttv5", "90 04 {:04x} 00 8f", "topic filter invalid"),
                                      ("mqttv5", "90 09 {:04x} 05 1f 0002 6e6f 97", "quota exceeded: no")):
            with self.subTest(answer=answer), Broker() as broker:
                program = self.start("sub", "-t", "x", "-V", version)
                broker.accept(ACCEPTED[version])
                kind, _, body = broker.packet()
                self.assertEqual(kind, SUBSCRIBE)
                broker.send(answer.format(struct.unpack_from(">H", body)[0]))
                self.ends(program, 3, f"^tapir sub: mqtt: subscription to x refused: {said}$")

    def test_a_refusal_with_the_end_of_the_connection_behind_it(self):
        """SUBACK 0x87 and DISCONNECT 0x8b in one segment; PUBACK 0x87 with a Reason String, and the same."""
        for command in (("sub", "-t", "x"), ("rr", "-t", "q", "-e", "x", "-m", "y")):
            with self.subTest(command=command), Broker() as broker:
                program = self.start(*command)
                broker.accept(ACCEPTED["mqttv5"])
                kind, _, body = broker.packet()
                self.assertEqual(kind, SUBSCRIBE)
                broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 87 e0 02 8b 00")
                broker.connection.close()
                self.ends(program, 3, f"^tapir {command[0]}: mqtt: subscription to x refused: not authorized$")
        with Broker() as broker:
            program = self.start("pub", "-t", "x", "-m", "y", "-q", 1)
            broker.accept(ACCEPTED["mqttv5"])
            identifier, _ = broker.published()
            broker.send(f"40 09 {identifier:04x} 87 05 1f 0002 6e6f e0 02 8b 00")
            broker.connection.close()
            self.ends(program, 3, "^tapir pub: the message was not delivered: not authorized: no$")

    def test_an_unsubscription_that_the_broker_does_not_take(self):
        with Broker() as broker:
            program = self.start("sub", "-U", "x")
            broker.accept(ACCEPTED["mqttv5"])
            _, _, body = broker.packet()
            broker.send(f"b0 04 {struct.unpack_from('>H', body)[0]:04x} 00 87")
            self.assertEqual(broker.packet()[0], DISCONNECT)
            broker.connection.close()
            self.ends(program, 3, "^tapir sub: mqtt: unsubscribe: not authorized$")

    def test_a_property_without_words(self):
        self.ends(self.start("pub", "-t", "x", "-m", "y", "-D"), 2, "^tapir: -D: ")

    def test_a_refused_filter_takes_no_message_from_one_that_overlaps(self):
        """Neither one that SUBACK refuses, nor one that CONNACK forbids: Wildcard Subscription Available is 0."""
        for connack, subacks in ((ACCEPTED["mqttv5"], ("90 04 {:04x} 00 87", "90 04 {:04x} 00 00")), ("20 05 00 00 02 28 00", ("90 04 {:04x} 00 00",))):
            with self.subTest(connack=connack), Broker() as broker:
                program = self.start("sub", "-t", "a/#", "-t", "a/b", "-C", 1)
                broker.accept(connack)
                for suback in subacks:
                    kind, _, body = broker.packet()
                    self.assertEqual(kind, SUBSCRIBE)
                    broker.send(suback.format(struct.unpack_from(">H", body)[0]))
                broker.send("30 07 0003 612f62 00 79")
                self.assertEqual(broker.packet()[0], DISCONNECT)
                broker.connection.close()
                self.ends(program, 0, "^tapir sub: mqtt: subscription to a/# refused: [^\n]*$", printed="y\n")

    def test_a_subscription_that_the_broker_does_not_take_again(self):
        with Broker() as broker:
            program = self.start("sub", "-t", "x", "-t", "y")
            broker.accept(ACCEPTED["mqttv5"])
            for _ in range(2):
                _, _, body = broker.packet()
                broker.send(f"90 05 {struct.unpack_from('>H', body)[0]:04x} 00 00 00")
                broker.connection.close()
                broker.accept(ACCEPTED["mqttv5"])
            kind, _, body = broker.packet()
            self.assertEqual(kind, SUBSCRIBE)
            broker.send(f"90 05 {struct.unpack_from('>H', body)[0]:04x} 00 87 87")
            self.ends(program, 3, "(?s)tapir sub: mqtt: subscription to x refused after a new connection: not authorized\n"
                                  "tapir sub: mqtt: subscription to y refused after a new connection: not authorized$")

    def test_a_subscription_that_is_given_twice_and_not_taken_again(self):
        with Broker() as broker:
            program = self.start("sub", "-t", "x", "-t", "x")
            broker.accept(ACCEPTED["mqttv5"])
            for _ in range(2):
                _, _, body = broker.packet()
                broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 00")
            broker.connection.close()
            broker.accept(ACCEPTED["mqttv5"])
            kind, _, body = broker.packet()
            self.assertEqual(kind, SUBSCRIBE)
            broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 87")
            self.ends(program, 3, "tapir sub: mqtt: subscription to x refused after a new connection: not authorized$")

    def test_a_broker_that_is_silent(self):
        with Broker() as broker:
            program = self.start("sub", "-t", "x")
            broker.accept()
            self.ends(program, 4, f"^tapir sub: mqtt: {lab.HOST}:{lab.BROKER_PORT}: no answer to CONNECT$")

    def test_a_signal_before_the_end(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for words in (("pub", "-t", "x", "-m", "y", "-q", 1), ("rr", "-t", "x", "-e", "z", "-m", "y"), ("sub", "-t", "x")):
                for connected in (True, False):
                    with self.subTest(words=words, number=number, connected=connected), Broker() as broker:
                        program = self.start(*words)
                        broker.accept(ACCEPTED["mqttv5"] if connected else None)
                        if connected:
                            broker.packet()
                        program.send_signal(number)
                        if words[0] == "sub":
                            self.ends(program, 0)
                        else:
                            self.ends(program, 1, f"^tapir {words[0]}: interrupted before it was done$")

    def test_a_broker_that_is_none(self):
        with Broker() as broker:
            program = self.start("sub", "-t", "x")
            broker.accept("48 54 54 50")
            broker.connection.close()
            self.ends(program, 1, "^tapir sub: mqtt: ")

    def test_a_file_that_cannot_be_read(self):
        with tempfile.TemporaryDirectory() as folder:
            self.ends(self.start("pub", "-t", "x", "-f", pathlib.Path(folder) / "none"), 1, "^tapir pub: .*/none: No such file or directory$")
            self.ends(self.start("pub", "-t", "x", "-f", folder), 1, "^tapir pub: .*: Is a directory$")

    def test_a_file_that_becomes_shorter_while_it_is_sent(self):
        for options, said in (((), "the message was not delivered: "), (("-c", "-i", "s"), "mqtt: .*payload")):  # with -c it would be sent again
            with self.subTest(options), tempfile.NamedTemporaryFile() as file, Broker() as broker:
                os.truncate(file.name, 100_000_000)
                program = self.start("pub", "-t", "x", "-f", file.name, "-q", 1, *options)
                broker.accept(ACCEPTED["mqttv5"])
                self.assertEqual(broker.exactly(1), b"\x32")
                os.truncate(file.name, 0)
                with self.assertRaises((EOFError, ConnectionResetError)):
                    broker.exactly(100_000_000)
                self.ends(program, 1, f"^tapir pub: {said}")


if __name__ == "__main__":
    lab.main()
