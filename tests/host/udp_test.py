"""UDP between Linux and the stack: echo, and what a closed port answers."""
import os
import re
import socket
import subprocess
import unittest

import lab

UDP_SEGMENT = 103  # linux/udp.h
HAS_SUPER_DATAGRAMS = tuple(int(number) for number in os.uname().release.split(".")[:2]) >= (6, 2)  # TUN_F_USO4


def counted(output, layer, name):
    return int(re.search(rf"^{layer} +{name} +(\d+)$", output, re.MULTILINE).group(1))


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

    def test_what_linux_leaves_uncut_is_cut(self):
        """Linux hands UDP_SEGMENT's datagrams over in one frame, where it can, and the stack has each of them."""
        with lab.Stack() as stack:
            peer = self.socket(7)
            peer.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
            data = os.urandom(5_250)
            peer.send(data)
            echoes = [peer.recv(65536) for _ in range(11)]
            self.assertEqual([len(echo) for echo in echoes], 10 * [500] + [250])
            self.assertEqual(b"".join(echoes), data)
            self.assertEqual(stack.stop(), 0)
            self.assertEqual(counted(stack.output, "udp", "inDatagrams"), 11)
            if HAS_SUPER_DATAGRAMS:
                self.assertLess(counted(stack.output, "link", "inFrames"), 11)

    def test_what_the_stack_leaves_uncut_linux_cuts(self):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.settimeout(lab.SECONDS)
        receiver.bind((lab.HOST, 0))
        for size, segment in ((5_250, 500), (60_000, 1_472), (1_000, 1_000)):
            with self.subTest(size=size, segment=segment):
                command = [lab.helpers() / "datagrams", str(receiver.getsockname()[1]), str(size), str(segment)]
                output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=lab.SECONDS).stdout
                self.assertEqual(receiver.recv(65536), b"first")
                datagrams = [receiver.recv(65536) for _ in range(-(-size // segment))]
                self.assertTrue(all(len(datagram) == segment for datagram in datagrams[:-1]))
                self.assertEqual(b"".join(datagrams), bytes(i // 7 % 256 for i in range(size)))
                if HAS_SUPER_DATAGRAMS:
                    self.assertEqual(output, "frames 1\n")

    def test_a_closed_port_is_refused(self):
        with lab.Stack():
            peer = self.socket(8)
            peer.send(b"anybody there?")
            with self.assertRaises(ConnectionRefusedError):  # Linux got ICMP port unreachable
                peer.recv(1)


if __name__ == "__main__":
    lab.main()
