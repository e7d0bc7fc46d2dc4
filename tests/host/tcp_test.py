"""TCP connections from Linux to the stack: echo, half-close, refusal, reset, and many at once."""
import os
import socket
import struct
import subprocess
import unittest

import lab


class Tcp(unittest.TestCase):
    def setUp(self):
        self.stack = self.enterContext(lab.Stack())

    def echo(self, data):
        with lab.connect(7) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return lab.read_all(connection)

    def test_echo(self):
        for size in (0, 1, 1460, 1461, 50_000):
            data = os.urandom(size)
            self.assertEqual(self.echo(data), data)

    def test_half_close(self):
        """The peer has nothing more to say (nc -N sends FIN) and still hears everything to the end."""
        text = "what was said before the FIN\n" * 1000
        done = subprocess.run(["nc", "-N", "-w", str(lab.SECONDS), lab.STACK, "7"], input=text, capture_output=True, text=True, timeout=lab.SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, text)

    def test_a_closed_port_is_refused(self):
        with socket.socket() as connection:
            connection.settimeout(lab.SECONDS)
            with self.assertRaises(ConnectionRefusedError):
                connection.connect((lab.STACK, 8))

    def test_a_reset_ends_only_its_own_connection(self):
        other = lab.connect(7)
        self.addCleanup(other.close)
        connection = lab.connect(19)
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends RST
        connection.close()
        other.sendall(b"still here")
        self.assertEqual(other.recv(10, socket.MSG_WAITALL), b"still here")
        self.assertEqual(self.echo(b"and for new ones"), b"and for new ones")

    def test_discard_takes_everything_and_says_nothing(self):
        with lab.connect(9) as connection:
            connection.sendall(bytes(1_000_000))
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(lab.read_all(connection), b"")

    def test_many_connections_at_once(self):
        connections = [lab.connect(7) for _ in range(200)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%d\n" % number)
            connection.shutdown(socket.SHUT_WR)
        for number, connection in enumerate(connections):
            with connection:
                self.assertEqual(lab.read_all(connection), b"%d\n" % number)


if __name__ == "__main__":
    lab.main()
