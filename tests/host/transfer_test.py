"""A gigabyte from Linux to the stack, one from the stack to Linux, and 100 MB both ways at once: SHA-256 is equal."""
import hashlib
import os
import pathlib
import random
import socket
import tempfile
import threading
import unittest

import lab

GIGABYTE = 1_000_000_000
SIZE = 100_000_000
CHUNK = 1 << 20
PATIENCE = 200
PORT = 5001


def digest(data):
    return hashlib.sha256(data).hexdigest()


def chunks(size):
    """`size` octets in pieces, no two alike, none of them copied or made in the time that the transfer takes: a block of random octets, begun
    elsewhere each time."""
    block = random.Random(1).randbytes(CHUNK)
    twice = memoryview(block + block)
    for begin in range(0, size, CHUNK):
        start = begin // CHUNK * 4099 % CHUNK
        yield twice[start : start + min(CHUNK, size - begin)]


class Pipe(threading.Thread):
    """A named pipe that stands in for a file of any size: what `work` does at our end of it, while a program uses the other. `digest` is of all
    that came through, and `size` how much it was."""

    def __init__(self, path, work):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.path, self.work = path, work
        self.sum, self.size = hashlib.sha256(), 0
        self.start()

    def run(self):
        self.work(self)

    def count(self, octets):
        self.sum.update(octets)
        self.size += len(octets)

    def fill(self, pieces):
        with self.path.open("wb", buffering=0) as file:
            for piece in pieces:
                self.count(piece)
                while piece:
                    piece = piece[file.write(piece) :]

    def drain(self):
        buffer = memoryview(bytearray(CHUNK))
        with self.path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                self.count(buffer[:count])

    def digest(self):
        """When the other end is closed."""
        self.join(lab.SECONDS)
        return self.sum.hexdigest()


class Transfer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = random.Random(1).randbytes(SIZE)

    def setUp(self):
        self.file = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "data"

    def transfer(self, direction):
        return lab.Program(lab.helpers() / "transfer", direction, PORT, self.file)

    def test_a_gigabyte_from_linux_to_the_stack(self):
        pipe = Pipe(self.file, Pipe.drain)
        sent = hashlib.sha256()
        with self.transfer("receive") as receiver:
            receiver.wait_for("listening")
            with lab.connect(PORT) as connection:
                connection.settimeout(PATIENCE)
                for piece in chunks(GIGABYTE):
                    sent.update(piece)
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(lab.read_all(connection), b"", "the stack closes in order")
            self.assertEqual(receiver.wait(), 0, receiver.output)
        self.assertEqual((pipe.digest(), pipe.size), (sent.hexdigest(), GIGABYTE))

    def test_a_gigabyte_from_the_stack_to_linux(self):
        pipe = Pipe(self.file, lambda pipe: pipe.fill(chunks(GIGABYTE)))
        received, size = hashlib.sha256(), 0
        buffer = memoryview(bytearray(CHUNK))
        with socket.create_server((lab.HOST, PORT)) as server:
            server.settimeout(lab.SECONDS)
            with self.transfer("send") as sender:
                connection, peer = server.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    self.assertEqual(peer[0], lab.STACK)
                    while count := connection.recv_into(buffer):
                        received.update(buffer[:count])
                        size += count
                self.assertEqual(sender.wait(), 0, sender.output)
        self.assertEqual((received.hexdigest(), size), (pipe.digest(), GIGABYTE))

    def test_both_ways_at_once(self):
        for mode in ([], ["--plain"]):
            with self.subTest(mode=mode), lab.Stack(*mode), lab.connect(7) as connection:
                connection.settimeout(PATIENCE)

                def send():
                    connection.sendall(self.data)
                    connection.shutdown(socket.SHUT_WR)

                sending = threading.Thread(target=send, daemon=True)
                sending.start()
                received = lab.read_all(connection)
                sending.join(PATIENCE)
                self.assertEqual(digest(received), digest(self.data))

    def test_an_echo_that_nobody_reads_goes_on_when_somebody_does(self):
        """Every buffer on the way is full before the first octet is read."""
        with lab.Stack(), lab.connect(7) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            connection.settimeout(2)
            sent = 0
            with self.assertRaises(TimeoutError, msg="the echo took everything without being read"):
                while sent < SIZE:
                    sent += connection.send(self.data[sent : sent + (1 << 16)])
            connection.settimeout(lab.SECONDS)
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(digest(lab.read_all(connection)), digest(self.data[:sent]))

    def test_a_closed_port_of_linux_refuses(self):
        self.file.write_bytes(b"x")
        with self.transfer("send") as sender:
            self.assertEqual(sender.wait(), 1, sender.output)
            self.assertIn("connection refused", sender.output)

    def test_a_reset_is_told(self):
        """Linux closes with data unread, which is a RST."""
        self.file.write_bytes(self.data)
        with socket.create_server((lab.HOST, PORT)) as server:
            server.settimeout(lab.SECONDS)
            with self.transfer("send") as sender:
                connection, _ = server.accept()
                connection.recv(1)
                connection.close()
                self.assertEqual(sender.wait(), 1, sender.output)
                self.assertIn("connection reset", sender.output)


if __name__ == "__main__":
    lab.main()
