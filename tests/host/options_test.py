"""Each TCP option on and off, at Linux' end and at ours: what the two agree on, as either reports it, and that the data is whole either way."""
import hashlib
import pathlib
import random
import socket
import struct
import tempfile
import unittest

import lab

SIZE = 5_000_000
PATIENCE = 120
PORT = 5001
TIMESTAMPS, SACK, WINDOW_SCALING, ECN, SYN_DATA = 1, 2, 4, 8, 32  # tcpi_options in struct tcp_info, linux/tcp.h
NAMES = {TIMESTAMPS: "timestamps", SACK: "sack", WINDOW_SCALING: "window-scaling", ECN: "ecn", SYN_DATA: "syn-data"}
ALWAYS = TIMESTAMPS | SACK | WINDOW_SCALING
CLIENT, SERVER = 1, 2  # tcp_fastopen


class Sysctl:
    """A setting of the namespace, put back at the end of the `with` block."""

    def __init__(self, name, value):
        self.file = pathlib.Path("/proc/sys/net/ipv4") / name
        self.value = value

    def __enter__(self):
        self.before = self.file.read_text()
        self.file.write_text(str(self.value))

    def __exit__(self, *_):
        self.file.write_text(self.before)


def agreed(connection):
    """What the handshake agreed on, as Linux has it."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & sum(NAMES)


def told(program, times=1):
    """What the handshake agreed on, as the stack has it, and the name of its congestion control."""
    names, algorithm = program.wait_for("agreed on", times).removeprefix("transfer: agreed on").split("; ")
    return sum(bit for bit, name in NAMES.items() if name in names.split()), algorithm


class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = random.Random(2).randbytes(SIZE)

    def setUp(self):
        self.file = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "data"

    def to_the_stack(self, *options, congestion=None):
        """Linux connects and sends; returns what was agreed on."""
        with lab.Program(lab.helpers() / "transfer", "receive", PORT, self.file, *options) as receiver:
            receiver.wait_for("listening")
            with lab.connect(PORT) as connection:
                if congestion:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
                found = agreed(connection)
                self.send_all(connection, self.data)
            self.assertEqual(told(receiver)[0], found, "both ends agree on what they agreed on")
            self.assertEqual(receiver.wait(), 0, receiver.output)
        self.assertEqual(hashlib.sha256(self.file.read_bytes()).digest(), hashlib.sha256(self.data).digest())
        return found

    def send_all(self, connection, data):
        connection.settimeout(PATIENCE)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(lab.read_all(connection), b"")

    def from_the_stack(self, *options, algorithm="cubic"):
        """The stack connects and sends, by the algorithm named; returns what was agreed on."""
        self.file.write_bytes(self.data)
        with socket.create_server((lab.HOST, PORT)) as server:
            server.settimeout(lab.SECONDS)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
            with lab.Program(lab.helpers() / "transfer", "send", PORT, self.file, *options) as sender:
                if "twice" in options:
                    with server.accept()[0] as first:
                        self.assertEqual(lab.read_all(first), b"")
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    found = agreed(connection)
                    received = lab.read_all(connection)
                self.assertEqual(told(sender), (found, algorithm), "both ends agree on what they agreed on")
                self.assertEqual(sender.wait(), 0, sender.output)
        self.assertEqual(hashlib.sha256(received).digest(), hashlib.sha256(self.data).digest())
        return found

    def fast_open_to_the_stack(self, *options):
        """Linux gets a cookie, if the stack gives any, with a first connection, and sends data with the SYN of a second."""
        with lab.Program(lab.helpers() / "transfer", "receive", PORT, self.file, "twice", *options) as receiver:
            receiver.wait_for("listening")
            for number, data in enumerate((b"", self.data), start=1):
                with socket.socket() as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", lab.SECONDS, 0))  # sendto() is to wait
                    begun = connection.sendto(data[:1000], socket.MSG_FASTOPEN, (lab.STACK, PORT))
                    self.send_all(connection, data[begun:])
                    found = agreed(connection)
                self.assertEqual(told(receiver, number)[0] & SYN_DATA, found & SYN_DATA)
            self.assertEqual(receiver.wait(), 0, receiver.output)
        self.assertEqual(hashlib.sha256(self.file.read_bytes()).digest(), hashlib.sha256(self.data).digest())
        return found

    def test_all_is_agreed_on(self):
        self.assertEqual(self.to_the_stack(), ALWAYS)
        self.assertEqual(self.from_the_stack(), ALWAYS)

    def test_what_one_end_does_not_offer_is_not_used(self):
        for setting, option, bit in (("tcp_timestamps", "no-timestamps", TIMESTAMPS), ("tcp_sack", "no-sack", SACK),
                                     ("tcp_window_scaling", "no-window-scaling", WINDOW_SCALING)):
            rest = ALWAYS & ~bit
            with self.subTest(option=option, off="in the stack"):
                self.assertEqual(self.to_the_stack(option), rest)
                self.assertEqual(self.from_the_stack(option), rest)
            with self.subTest(option=option, off="in Linux"), Sysctl(setting, 0):
                self.assertEqual(self.to_the_stack(), rest)
                self.assertEqual(self.from_the_stack(), rest)

    def test_congestion_marks(self):
        with Sysctl("tcp_ecn", 1):
            self.assertTrue(self.to_the_stack() & ECN, "asked for by Linux, agreed to by the stack")
            self.assertTrue(self.from_the_stack("ecn") & ECN)
            self.assertFalse(self.to_the_stack("no-ecn") & ECN, "asked for by Linux, refused by the stack")
            self.assertFalse(self.from_the_stack() & ECN, "nobody asks")
        with Sysctl("tcp_ecn", 2):
            self.assertFalse(self.to_the_stack("ecn") & ECN, "nobody asks")
            self.assertTrue(self.from_the_stack("ecn") & ECN, "asked for by the stack, agreed to by Linux")
            self.assertFalse(self.from_the_stack("no-ecn") & ECN)
        with Sysctl("tcp_ecn", 0):
            self.assertFalse(self.from_the_stack("ecn") & ECN, "asked for by the stack, refused by Linux")
            self.assertFalse(self.to_the_stack("ecn") & ECN)

    def test_data_in_the_syn(self):
        with Sysctl("tcp_fastopen", CLIENT | SERVER):
            self.assertTrue(self.from_the_stack("fast-open", "twice") & SYN_DATA)
            self.assertFalse(self.from_the_stack("fast-open") & SYN_DATA, "there is no cookie yet")
            self.assertFalse(self.from_the_stack("twice") & SYN_DATA, "the stack asks for no cookie")
            self.assertTrue(self.fast_open_to_the_stack("fast-open") & SYN_DATA)
            self.assertFalse(self.fast_open_to_the_stack() & SYN_DATA, "the stack takes no data with a SYN")
        with Sysctl("tcp_fastopen", CLIENT):
            self.assertFalse(self.from_the_stack("fast-open", "twice") & SYN_DATA, "Linux gives no cookie")
        self.assertEqual(self.to_the_stack("fast-open"), ALWAYS, "Linux sends none")

    def test_congestion_control_of_either_end(self):
        for name, algorithm in (("cubic", "cubic"), ("newreno", "newreno"), ("reno", "newreno"), ("bbr", "bbr")):
            with self.subTest(sender="the stack", algorithm=name):
                self.from_the_stack(name, algorithm=algorithm)
        available = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
        for name in available:
            with self.subTest(sender="Linux", algorithm=name):
                self.to_the_stack(congestion=name)

    def test_an_algorithm_that_nobody_knows(self):
        self.file.write_bytes(b"x")
        with lab.Program(lab.helpers() / "transfer", "send", PORT, self.file, "no-such-algorithm") as sender:
            self.assertEqual(sender.wait(), 1, sender.output)
            self.assertIn("invalid argument", sender.output)


if __name__ == "__main__":
    lab.main()
