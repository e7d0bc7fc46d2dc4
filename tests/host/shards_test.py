"""One host on two threads, each with a queue of a TAP device (tests/host/shards.cpp): everything is served, and every conversation stays on its shard."""
import collections
import os
import re
import socket
import subprocess
import threading
import unittest

import lab

HOST, STACK, DEVICE = "198.51.100.1", "198.51.100.2", "tap1"
CONNECTIONS = 64


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Sharded(lab.Program):
    def __init__(self, *options):
        super().__init__(lab.helpers() / "shards", *options)

    def ready(self):
        self.wait_for(r"^shard 0 up ")
        self.wait_for(r"^shard 1 up ")

    def is_steered(self):
        """Whether the kernel took the program that steers; without the right to load one it chooses queues by itself."""
        return " up steered" in self.output

    def counted(self):
        """After its end: of each shard, its counts by name."""
        assert self.stop() == 0, self.output
        counts = collections.defaultdict(dict)
        for line in self.output.splitlines():
            if match := re.fullmatch(r"shard (\d) (\w+) (\d+)", line):
                counts[int(match[1])][match[2]] = int(match[3])
        return counts


def connect():
    return socket.create_connection((STACK, 7), timeout=lab.SECONDS)


def read(connection, size):
    """So many bytes, or fewer if the stream ends: a socket with a timeout does not wait for all by itself."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


class Shards(unittest.TestCase):
    def setUp(self):
        ip("tuntap", "add", "dev", DEVICE, "mode", "tap", "multi_queue")
        self.addCleanup(ip, "tuntap", "del", "dev", DEVICE, "mode", "tap", "multi_queue")
        ip("address", "add", f"{HOST}/24", "dev", DEVICE)
        ip("link", "set", DEVICE, "up")

    def echo_over_many(self):
        """64 connections at once, each with several exchanges, so that a frame of it on the wrong shard would be answered by a reset."""
        connections = [self.enterContext(connect()) for _ in range(CONNECTIONS)]
        for size in (1, 1000, 20_000):
            for number, connection in enumerate(connections):
                data = bytes([number]) * size
                connection.sendall(data)
                self.assertEqual(read(connection, size), data)
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(lab.read_all(connection), b"")

    def test_connections_stay_on_their_shard(self):
        with Sharded() as sharded:
            steered = sharded.is_steered()
            self.echo_over_many()
            counts = sharded.counted()
        served = [counts[shard]["connections"] for shard in (0, 1)]
        self.assertEqual(sum(served), CONNECTIONS)
        self.assertGreater(min(served), 10, "fair dice give one of the two so few about once in 10^8 times")
        frames = sum(counts[shard]["inFrames"] for shard in (0, 1))
        handed = sum(counts[shard]["handedOver"] for shard in (0, 1))
        if steered:
            self.assertLess(handed, CONNECTIONS / 4, f"of {frames}: the kernel put them into their owner's queue, but for ARP")
        else:
            self.assertGreater(handed, 0)

    def test_frames_that_go_astray_are_handed_over(self):
        with Sharded("--astray") as sharded:
            self.echo_over_many()
            counts = sharded.counted()
        self.assertEqual(sum(counts[shard]["connections"] for shard in (0, 1)), CONNECTIONS)
        self.assertGreater(min(counts[shard]["takenOver"] for shard in (0, 1)), CONNECTIONS)
        self.assertEqual([counts[shard]["notHandedOver"] for shard in (0, 1)], [0, 0])

    def test_datagrams_whole_and_in_fragments(self):
        with Sharded() as sharded:
            for _ in range(16):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(lab.SECONDS)
                    client.connect((STACK, 7))
                    for size in (1, 4000, 100, 30_000):
                        data = os.urandom(size)
                        client.send(data)
                        self.assertEqual(client.recv(65536), data)
            counts = sharded.counted()
        datagrams = [counts[shard]["datagrams"] for shard in (0, 1)]
        self.assertEqual(sum(datagrams), 64)
        self.assertEqual([count % 4 for count in datagrams], [0, 0], "the four of one client came to one shard")

    def test_answers_to_what_a_shard_opened_come_to_it(self):
        for options in ((), ("--astray",)):
            with self.subTest(options=options), socket.create_server((HOST, 0)) as server:
                server.settimeout(lab.SECONDS)

                def answer(server=server):
                    for _ in range(16):
                        connection, _ = server.accept()
                        with connection:
                            connection.sendall(read(connection, 5) + b" yourself")

                answering = threading.Thread(target=answer)
                answering.start()
                with Sharded(*options, str(server.getsockname()[1])) as sharded:
                    for shard in (0, 1):
                        sharded.wait_for(f"^shard {shard} heard hello yourself$", times=8)
                    self.assertEqual(sharded.stop(), 0)
                answering.join()

    def test_ping_is_answered_once(self):
        lab.require("ping")
        with Sharded() as sharded:
            done = subprocess.run(["ping", "-c", "3", "-i", "0.05", "-W", str(lab.SECONDS), STACK], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("DUP!", done.stdout)
            self.assertEqual(sharded.stop(), 0)

    def test_a_device_made_for_one_queue_is_refused_with_a_remedy(self):
        ip("tuntap", "del", "dev", DEVICE, "mode", "tap", "multi_queue")
        ip("tuntap", "add", "dev", DEVICE, "mode", "tap")
        try:
            done = subprocess.run([lab.helpers() / "shards"], capture_output=True, text=True, timeout=lab.SECONDS)
        finally:
            ip("tuntap", "del", "dev", DEVICE, "mode", "tap")
            ip("tuntap", "add", "dev", DEVICE, "mode", "tap", "multi_queue")  # for the clean-up
        self.assertEqual(done.returncode, 1)
        self.assertIn("multi_queue", done.stderr)


lab.main()
