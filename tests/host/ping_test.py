"""Linux pings the stack: one frame, the largest datagram that is not fragmented, and one in six fragments each way. ARP on the way."""
import re
import subprocess
import unittest

import lab

COUNT = 5


class Ping(unittest.TestCase):
    def ping(self, size, *options):
        done = subprocess.run(["ping", "-n", "-c", str(COUNT), "-i", "0.05", "-W", "5", "-s", str(size), *options, lab.STACK],
                              capture_output=True, text=True, timeout=lab.SECONDS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{COUNT} received, 0% packet loss", done.stdout)
        self.assertNotIn("wrong data byte", done.stdout)
        self.assertNotIn("DUP!", done.stdout)

    def test_sizes(self):
        for mode in ([], ["--plain"]):
            for size in (0, 1, 56, 1472, 1473, 8000, 65507):
                with self.subTest(mode=mode, size=size), lab.Stack(*mode):
                    self.ping(size)

    def test_without_fragments_the_largest_is_1472(self):
        with lab.Stack():
            self.ping(1472, "-M", "do")

    def test_a_neighbour_with_our_hardware_address(self):
        with lab.Stack("--mac", "02:00:00:00:00:42"):
            self.ping(56)
            neighbours = subprocess.run(["ip", "neighbour", "show", lab.STACK], capture_output=True, text=True).stdout
            self.assertRegex(neighbours, re.compile("lladdr 02:00:00:00:00:42 (REACHABLE|DELAY|STALE|PROBE)"))

    def test_nobody_answers_for_another_address(self):
        with lab.Stack():
            done = subprocess.run(["ping", "-n", "-c", "1", "-W", "1", "192.0.2.3"], capture_output=True, text=True, timeout=lab.SECONDS)
            self.assertEqual(done.returncode, 1, done.stdout)


if __name__ == "__main__":
    lab.main()
