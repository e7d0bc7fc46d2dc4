"""What examples/device_publisher says, in one line, and the code it ends with when something is in the way."""
import subprocess
import time
import unittest

import lab

lab.require("mosquitto", "setpriv")
USAGE_ERROR = range(100, 128)  # CLI11's own codes


class Errors(unittest.TestCase):
    def run_device(self, *, tap="tap0", address=f"{lab.STACK}/24", broker=lab.HOST, prefix=(), more=()):
        command = [*prefix, lab.programs() / "device_publisher", "--tap", tap, "--address", address, "--broker", broker,
                   "--topic", "t", "--count", "1", *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=lab.SECONDS)

    def assert_error(self, done, *words):
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("device_publisher: "), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_with_a_broker_there_is_no_error(self):
        with lab.Broker():
            done = self.run_device()
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_no_broker_listens(self):
        self.assert_error(self.run_device(), "connection refused", f"{lab.HOST}:1883")

    def test_no_such_host(self):
        began = time.monotonic()
        self.assert_error(self.run_device(broker="192.0.2.99"), "192.0.2.99", "unreachable")
        self.assertLess(time.monotonic() - began, 15, "three ARP requests, a second apart")

    def test_no_route(self):
        self.assert_error(self.run_device(broker="198.51.100.1"), "unreachable")

    def test_the_broker_refuses(self):
        with lab.Broker("allow_anonymous false"):
            self.assert_error(self.run_device(), "not authorized")

    def test_no_tap_device(self):
        self.assert_error(self.run_device(tap="lo"), "lo: not a TAP device")
        self.assert_error(self.run_device(tap="a-name-that-is-too-long"), "15 characters")

    def test_the_device_is_in_use(self):
        with lab.Stack():
            self.assert_error(self.run_device(), "tap0: ", "another program")

    def test_no_rights(self):
        # Creating a device always needs CAP_NET_ADMIN; attaching to one that has no owner does not on every kernel.
        done = self.run_device(tap="tap9", prefix=("setpriv", "--bounding-set", "-all", "--inh-caps", "-all"))
        self.assert_error(done, "no permission", "scripts/netlab")

    def test_misuse(self):
        for options in ({"address": "192.0.2.2/33"}, {"address": "192.0.2.2"}, {"broker": "192.0.2.1:0"}, {"broker": "mqtt"}, {"more": ("--qos", "3")}, {"more": ("--frobnicate",)}):
            with self.subTest(options):
                done = self.run_device(**options)
                self.assertIn(done.returncode, USAGE_ERROR, done.stderr)
                self.assertNotEqual(done.stderr, "")
        self.assertIn("192.0.2.2/24", self.run_device(address="192.0.2.2").stderr)


if __name__ == "__main__":
    lab.main()
