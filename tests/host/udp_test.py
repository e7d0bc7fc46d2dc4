"""UDP between Linux and the stack: echo, and what a closed port answers."""
import os
import socket
import unittest

import lab


class Udp(unittest.TestCase):
    def socket(self, port):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.settimeout(lab.SECONDS)
        peer.connect((lab.STACK, port))
        return peer

    def test_echo(self):
        for mode in ([], ["--plain"]):
            with lab.Stack(*mode):
                peer = self.socket(7)
                for size in (0, 1, 1472, 1473, 9000, 65507):
                    with self.subTest(mode=mode, size=size):
                        data = os.urandom(size)
                        peer.send(data)
                        self.assertEqual(peer.recv(65536), data)

    def test_a_closed_port_is_refused(self):
        with lab.Stack():
            peer = self.socket(8)
            peer.send(b"anybody there?")
            with self.assertRaises(ConnectionRefusedError):  # Linux got ICMP port unreachable
                peer.recv(1)


if __name__ == "__main__":
    lab.main()
