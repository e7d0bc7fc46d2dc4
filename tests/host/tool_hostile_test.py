"""How tools/tapir ends, and what it saves, where a broker never pauses, nobody reads what it prints, or a message means it no good.

The third argument is the program.
"""
import array
import base64
import fcntl
import hashlib
import os
import re
import signal
import struct
import subprocess
import termios
import threading

import lab
from tool_broker import ACCEPTED, DISCONNECT, PUBLISH, SUBSCRIBE, Broker, WireCase, publish
from tool_lab import HOST_STACK, STACKS, TOOL

NOBODY_READS = 20  # seconds; without an end of its own the tool would wait for ever
MOST_OF_A_PIPE = 60_000  # bytes of the 65,536 that it has


class HostileCase(WireCase):
    def subscribed(self, *options, qos=0, stack=HOST_STACK, **how):
        words = [str(word) for word in (TOOL, *stack, "sub", "-h", lab.HOST, "-t", "#", "-q", qos, *options)]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        program = subprocess.Popen(words, **streams)
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.take_subscription(qos)
        return program

    def take_subscription(self, qos=0):
        self.broker.accept(ACCEPTED["mqttv5"])
        kind, _, body = self.broker.packet()
        self.assertEqual(kind, SUBSCRIBE)
        self.broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 {qos:02x}")

    def ended(self, program, code, said="^$"):
        """It ends although nobody reads its standard output."""
        self.assertEqual(program.wait(NOBODY_READS), code)
        self.assertRegex(program.stderr.read().decode(), said)


class BrokerThatNeverPauses(HostileCase):
    """What is there to be read never ends: the loop must have its turns all the same, for timers, signals and DISCONNECT."""

    def flood(self, piece=publish("x", b"y") * 50_000):

        def send():
            try:
                while True:
                    self.broker.connection.sendall(piece)
            except OSError:
                pass

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        self.addCleanup(thread.join)

    def test_the_tool_ends(self):
        for stack in STACKS:
            for options, number, code, said in ((("-W", 3), None, 1, "^tapir sub: timed out after 3 s$"), (("-C", 9), None, 0, "^$"),
                                                ((), signal.SIGINT, 0, "^$"), ((), signal.SIGTERM, 0, "^$")):
                with self.subTest(stack=stack, options=options, number=number), Broker() as self.broker:
                    program = self.subscribed(*options, stack=stack, stdout=subprocess.DEVNULL)
                    self.flood()
                    if number:
                        program.send_signal(number)
                    self.ended(program, code, said)


    def test_the_tool_ends_over_websocket(self):
        """Pongs, pings and empty frames, of which nothing reaches MQTT."""
        for frame in (b"\x8a\0", b"\x89\0", b"\x82\0"):
            for options, number, code, said in ((("-W", 3), None, 1, "^tapir sub: timed out after 3 s$"), ((), signal.SIGTERM, 0, "^$")):
                with self.subTest(frame=frame, number=number), Broker() as self.broker:
                    words = [str(word) for word in (TOOL, *HOST_STACK, "sub", "-t", "x", "-L", f"ws://{lab.HOST}:{lab.BROKER_PORT}/", *options)]
                    program = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                    self.addCleanup(program.communicate)
                    self.addCleanup(program.kill)
                    self.agree()
                    self.flood(frame * 100_000)
                    threading.Thread(target=self.broker.rest, daemon=True).start()  # the answers to pings
                    if number:
                        program.send_signal(number)
                    self.ended(program, code, said)

    def agree(self):
        """The server's side of RFC 6455 section 4, and CONNACK."""
        connection = self.broker.connection = self.broker.server.accept()[0]
        connection.settimeout(lab.SECONDS)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)[1]
        answer = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n"
                           b"Sec-WebSocket-Accept: " + answer + b"\r\n\r\n\x82\5" + bytes.fromhex(ACCEPTED["mqttv5"]))


class StandardOutput(HostileCase):
    def test_a_pipe_that_nobody_has(self):
        """SIGPIPE would be an end without DISCONNECT: the broker would publish the will."""
        for stack in STACKS:
            with self.subTest(stack=stack), Broker() as self.broker:
                program = self.subscribed("--will-topic", "w", qos=1, stack=stack)
                program.stdout.close()
                self.broker.connection.sendall(publish("x", b"y", 2, 1))
                self.assertEqual(self.broker.packet()[0], DISCONNECT)  # and no PUBACK: the message comes again
                self.broker.connection.close()
                self.ended(program, 1, "^tapir sub: cannot write to standard output$")
                program.stdout = None

    def test_one_that_is_closed(self):
        """Its number would be that of the next descriptor, such as the loop's, in which there is never room."""
        for stack in STACKS:
            with self.subTest(stack=stack), Broker() as self.broker:
                program = self.subscribed(stack=stack, stdout=None, preexec_fn=lambda: os.close(1))
                self.broker.connection.sendall(publish("x", b"y"))
                self.assertEqual(self.broker.packet()[0], DISCONNECT)
                self.broker.connection.close()
                self.ended(program, 1, "^tapir sub: cannot write to standard output$")

    def test_a_pipe_that_nobody_reads(self):
        """What is printed does not fit, and the tool ends all the same."""
        for payload in (b"y" * 1000, b"y" * 1_000_000):
            for options, number, code, said in ((("-W", 2), None, 1, "^tapir sub: timed out after 2 s$"), ((), signal.SIGINT, 0, "^$"),
                                                ((), signal.SIGTERM, 0, "^$")):
                with self.subTest(size=len(payload), number=number), Broker() as self.broker:
                    program = self.subscribed(*options, qos=1)
                    self.broker.connection.sendall(publish("x", payload) * (1_000_000 // len(payload)) + publish("x", b"last", 2, 1))
                    lab.until(lambda: self.waiting(program.stdout) >= MOST_OF_A_PIPE, "the pipe is full")
                    if number:
                        program.send_signal(number)
                    self.assertEqual(self.broker.packet()[0], DISCONNECT)
                    self.broker.connection.close()
                    self.ended(program, code, said)

    def test_standard_error_that_nobody_reads(self):
        for options, number, code in (((), signal.SIGINT, 0), ((), signal.SIGTERM, 0), (("-W", 2), None, 1)):
            with self.subTest(options=options, number=number), Broker() as self.broker:
                program = self.subscribed("-d", *options)
                self.broker.connection.sendall(publish("x", b"") * 10_000)
                lab.until(lambda: self.waiting(program.stderr) >= MOST_OF_A_PIPE, "the pipe is full")
                if number:
                    program.send_signal(number)
                self.assertEqual(self.broker.packet()[0], DISCONNECT)
                self.broker.connection.close()
                self.assertEqual(program.wait(NOBODY_READS), code)

    @staticmethod
    def waiting(pipe):
        """Bytes in the pipe."""
        count = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, count)
        return count[0]

    def test_a_pipe_that_is_read_slowly_gets_all(self):
        with Broker() as self.broker:
            program = self.subscribed("-N", "-C", 201, qos=1)
            expected = b"".join(bytes([number]) * 1000 for number in range(200)) + b"z" * 1_000_000
            pieces = [publish("x", bytes([number]) * 1000) for number in range(200)]
            self.broker.connection.sendall(b"".join(pieces) + publish("x", b"z" * 1_000_000))
            lab.until(lambda: self.waiting(program.stdout) >= MOST_OF_A_PIPE, "the pipe is full")
            self.assertEqual(program.stdout.read(len(expected)), expected)
            self.assertEqual(self.broker.packet()[0], DISCONNECT)
            self.broker.connection.close()
            self.ended(program, 0)


class Payloads(HostileCase):
    def test_json_that_is_nested_deeper_than_the_stack(self):
        """Printing it takes a call for each level."""
        with Broker() as self.broker:
            program = self.subscribed("-F", "%J", "-C", 2)
            self.broker.connection.sendall(publish("x", b"[" * 500_000 + b"]" * 500_000) + publish("x", b"[[1]]"))
            self.assertEqual(self.broker.packet()[0], DISCONNECT)
            self.broker.connection.close()
            out, err = program.communicate(timeout=lab.SECONDS)
            self.assertEqual(program.returncode, 0, err[:2000])
            self.assertRegex(err.decode(), "^tapir sub: a message to x has a payload that is not JSON, or JSON that is nested more than 1000 deep$")
            self.assertRegex(out.decode(), r'^\n\{.*"payload":\[\[1\]\]\}\n$')

    def test_words_of_the_broker_write_no_control_characters(self):
        """A Reason String may have what a terminal takes for a command, or for the next line."""
        with Broker() as broker:
            program = self.start("sub", "-t", "x")
            words = b"no\x1b[2J\ntapir sub: all is well \xc2\x9b\x7f."
            body = b"\0\x87" + bytes([len(words) + 3]) + b"\x1f" + struct.pack(">H", len(words)) + words
            broker.accept((b"\x20" + bytes([len(body)]) + body).hex())
            broker.connection.close()
            out, err = program.communicate(timeout=lab.SECONDS)
            self.assertEqual((program.returncode, out), (3, ""))
            self.assertEqual(err, "tapir sub: mqtt: broker refused: not authorized: no?[2J?tapir sub: all is well ??.\n")


class Response(WireCase):
    def test_the_connection_is_lost_behind_the_request(self):
        """A response that came in between is lost with the session; where that is kept the broker has it still."""
        for options, connack, kept in (((), ACCEPTED["mqttv5"], False), (("-c", "-i", "asker"), "20 03 01 00 00", True)):
            with self.subTest(options), Broker() as broker:
                program = self.start("rr", "-t", "ask", "-e", "back", "-m", "x", "-q", 1, *options)
                broker.accept(ACCEPTED["mqttv5"])
                _, _, body = broker.packet()
                broker.send(f"90 04 {struct.unpack_from('>H', body)[0]:04x} 00 01")
                kind, _, body = broker.packet()
                self.assertEqual(kind, PUBLISH)
                broker.send(f"40 02 {struct.unpack_from('>H', body, 5)[0]:04x}")
                broker.connection.close()
                broker.accept(connack)
                if kept:
                    broker.connection.sendall(publish("back", b"y"))
                    self.assertEqual(broker.packet()[0], DISCONNECT)
                else:
                    self.assertEqual([broker.packet()[0] for _ in range(2)], [SUBSCRIBE, DISCONNECT])
                broker.connection.close()
                self.ends(program, 0 if kept else 1, "; connecting again$" if kept else "; connecting again\n.*the response may have been lost with it$",
                          printed="y\n" if kept else "")


class Input(HostileCase):
    def lines_end(self, path, why):
        source = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, source)
        with Broker() as broker:
            words = [str(word) for word in (TOOL, *HOST_STACK, "pub", "-h", lab.HOST, "-t", "x", "-l")]
            program = subprocess.Popen(words, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(program.communicate)
            self.addCleanup(program.kill)
            broker.accept(ACCEPTED["mqttv5"])
            self.assertEqual(broker.packet()[0], DISCONNECT)
            broker.connection.close()
            self.ends(program, 1, f"^tapir pub: standard input: {why}$")

    def test_lines_that_cannot_be_read(self):
        self.lines_end("/", "Is a directory")

    def test_a_line_without_end(self):
        self.lines_end("/dev/zero", "Message too long")


if __name__ == "__main__":
    lab.main()
