"""Each TCP option on and off, at Linux' end and at ours: what the two agree on, as Linux reports it, and that the data is whole either way."""
import hashlib
import pathlib
import random
import socket
import tempfile
import unittest

import lab

SIZE = 5_000_000
PATIENCE = 120
PORT = 5001
TIMESTAMPS, SACK, WINDOW_SCALING, ECN = 1, 2, 4, 8  # tcpi_options in struct tcp_info, linux/tcp.h


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
    """What the handshake agreed on."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & (TIMESTAMPS | SACK | WINDOW_SCALING | ECN)


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
                connection.settimeout(PATIENCE)
                if congestion:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
                found = agreed(connection)
                connection.sendall(self.data)
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(lab.read_all(connection), b"")
            self.assertEqual(receiver.wait(), 0, receiver.output)
        self.assertEqual(hashlib.sha256(self.file.read_bytes()).digest(), hashlib.sha256(self.data).digest())
        return found

    def from_the_stack(self, *options):
        """The stack connects and sends; returns what was agreed on."""
        self.file.write_bytes(self.data)
        with socket.create_server((lab.HOST, PORT)) as server:
            server.settimeout(lab.SECONDS)
            with lab.Program(lab.helpers() / "transfer", "send", PORT, self.file, *options) as sender:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    found = agreed(connection)
                    received = lab.read_all(connection)
                self.assertEqual(sender.wait(), 0, sender.output)
        self.assertEqual(hashlib.sha256(received).digest(), hashlib.sha256(self.data).digest())
        return found

    def test_all_is_agreed_on(self):
        self.assertEqual(self.to_the_stack(), TIMESTAMPS | SACK | WINDOW_SCALING)
        self.assertEqual(self.from_the_stack(), TIMESTAMPS | SACK | WINDOW_SCALING)

    def test_what_one_end_does_not_offer_is_not_used(self):
        for setting, option, bit in (("tcp_timestamps", "no-timestamps", TIMESTAMPS), ("tcp_sack", "no-sack", SACK),
                                     ("tcp_window_scaling", "no-window-scaling", WINDOW_SCALING)):
            rest = (TIMESTAMPS | SACK | WINDOW_SCALING) & ~bit
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
        with Sysctl("tcp_ecn", 2):
            self.assertFalse(self.to_the_stack("ecn") & ECN, "nobody asks")
            self.assertTrue(self.from_the_stack("ecn") & ECN, "asked for by the stack, agreed to by Linux")
        with Sysctl("tcp_ecn", 0):
            self.assertFalse(self.from_the_stack("ecn") & ECN)

    def test_congestion_control_of_either_end(self):
        for name in ("cubic", "newreno", "bbr"):
            with self.subTest(sender="the stack", algorithm=name):
                self.from_the_stack(name)
        available = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
        for name in available:
            with self.subTest(sender="Linux", algorithm=name):
                self.to_the_stack(congestion=name)


if __name__ == "__main__":
    lab.main()
