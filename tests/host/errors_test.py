"""What examples/device_publisher and host say, in one line, when something is in the way: code 1, or 2 for a wrong command line."""
import pathlib
import subprocess
import tempfile
import unittest

import lab
import pcapng

lab.require("mosquitto", "setpriv", "ip")
USAGE_ERROR = 2


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=lab.SECONDS)


def create_tap():
    ip("tuntap", "add", "dev", "tap0", "mode", "tap")
    ip("link", "set", "tap0", "up")
    ip("address", "add", f"{lab.HOST}/24", "dev", "tap0")


class Errors(unittest.TestCase):
    def run_device(self, *, tap="tap0", address=f"{lab.STACK}/24", broker=lab.HOST, topic="t", prefix=(), more=(), stdout=subprocess.PIPE):
        command = [*prefix, lab.programs() / "device_publisher", "--tap", tap, "--address", address, "--broker", broker, "--topic", topic]
        command += [] if "--count" in more else ["--count", "1"]
        return subprocess.run([*command, *more], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=lab.SECONDS)

    def assert_error(self, done, *words):
        self.assertEqual(done.returncode, 1, f"{done.stdout}{done.stderr}")
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
        with tempfile.TemporaryDirectory() as folder:
            capture = pathlib.Path(folder) / "capture.pcapng"
            self.assert_error(self.run_device(broker="192.0.2.99", more=("--pcap", capture)), "192.0.2.99", "unreachable")
            asked = [layers[-1] for layers in map(pcapng.layers, pcapng.frames(capture)) if layers[-1].name == "ARP request"]
            self.assertEqual([layer.meaning for layer in asked].count("for 192.0.2.99"), 3)

    def test_no_route(self):
        self.assert_error(self.run_device(broker="198.51.100.1"), "unreachable")

    def test_the_broker_refuses(self):
        with lab.Broker("allow_anonymous false"):
            self.assert_error(self.run_device(), "not authorized")

    def test_the_broker_accepts_connections_and_takes_no_reading(self):
        """Each connection ends at the first reading, which is larger than the broker allows; the waits between them grow."""
        with lab.Broker("max_packet_size 40"):
            done = self.run_device(more=("--qos", "1", "--client-id", "s"))
            self.assertEqual(done.returncode, 1, f"{done.stdout}{done.stderr}")
            lines = done.stderr.splitlines()
            self.assertEqual([line.endswith("; connecting again") for line in lines], [True] * 4 + [False], done.stderr)
            self.assertIn("no reading got through in 5 connections", lines[-1])

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

    def test_the_device_is_down(self):
        ip("link", "set", "tap0", "down")
        self.addCleanup(ip, "link", "set", "tap0", "up")
        self.assert_error(self.run_device(), "tap0 is down: ip link set tap0 up")
        with lab.Stack() as stack:
            self.assertIn("host: tap0 is down", stack.output)

    def test_the_device_goes_away(self):
        self.addCleanup(create_tap)
        with lab.Program(lab.programs() / "host", "--tap", "tap0", "--address", f"{lab.STACK}/24") as host:
            host.wait_for("^host: up as ")
            ip("link", "delete", "tap0")
            self.assertEqual(host.wait(), 1, host.output)
            self.assertIn("host: tap0: the device is gone", host.lines)
        create_tap()
        with lab.Broker(), lab.Program(lab.programs() / "device_publisher", "--tap", "tap0", "--address", f"{lab.STACK}/24",
                                       "--broker", lab.HOST, "--topic", "t", "--count", "1000") as device:
            device.wait_for("acknowledged")
            ip("link", "delete", "tap0")
            self.assertEqual(device.wait(), 1, device.output)
            self.assertEqual(device.lines[-1], "device_publisher: tap0: the device is gone")

    def test_output_that_cannot_be_written(self):
        words = "No space left on device"
        with lab.Broker():
            self.assert_error(self.run_device(more=("--pcap", "/dev/full")), f"/dev/full: {words}")
            with open("/dev/full", "w") as full:
                self.assert_error(self.run_device(stdout=full), words)
                command = [lab.programs() / "host", "--tap", "tap0", "--address", f"{lab.STACK}/24"]
                done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=lab.SECONDS)
                self.assertEqual((done.returncode, done.stderr), (1, f"host: cannot write to standard output: {words}\n"))

    def test_the_broker_goes_away_under_many_readings(self):
        """Nothing is left to say after the first error."""
        with lab.Broker("max_packet_size 100"):  # mosquitto closes the connection at the first PUBLISH
            done = self.run_device(more=("--count", "3000", "--interval", "0", "--qos", "0", "--client-id", "x" * 60))
            self.assert_error(done)

    def assert_misuse(self, done, *words):
        self.assertEqual((done.returncode, done.stdout), (USAGE_ERROR, ""), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_misuse(self):
        for options, word in (({"address": "192.0.2.2/33"}, "--address"),
                              ({"address": "192.0.2.2"}, "192.0.2.2/24"),
                              ({"address": "192.0.2.0/24"}, "--address"),
                              ({"address": "192.0.2.255/24"}, "--address"),
                              ({"address": "224.0.0.1/24"}, "--address"),
                              ({"broker": "192.0.2.1:0"}, "IP[:PORT]"),
                              ({"broker": "192.0.2.1:+5"}, "IP[:PORT]"),
                              ({"broker": "192.0.2.1: 5"}, "IP[:PORT]"),
                              ({"broker": "192.0.2.1:65536"}, "IP[:PORT]"),
                              ({"broker": "mqtt"}, "IP[:PORT]"),
                              ({"broker": "192.0.2.255"}, "--broker"),
                              ({"broker": "224.0.0.1"}, "--broker"),
                              ({"topic": "a/#"}, "--topic"),
                              ({"topic": ""}, "--topic"),
                              ({"more": ("--mac", "ff:ff:ff:ff:ff:ff")}, "--mac"),
                              ({"more": ("--gateway", "10.0.0.1")}, "--gateway"),
                              ({"more": ("--gateway", lab.STACK)}, "--gateway"),
                              ({"more": ("--gateway", "192.0.2.255")}, "--gateway"),
                              ({"more": ("--client-id", "")}, "--client-id"),
                              ({"more": ("--interval", "nan")}, "--interval"),
                              ({"more": ("--interval", "-1")}, "--interval"),
                              ({"more": ("--count", "0")}, "--count"),
                              ({"more": ("--qos", "3")}, "--qos"),
                              ({"more": ("--frobnicate",)}, "--frobnicate")):
            with self.subTest(options):
                self.assert_misuse(self.run_device(**options), "device_publisher: ", word)

    def test_misuse_of_the_host(self):
        for options in ((), ("--tap", "tap0"), ("--tap", "tap0", "--address", "x"), ("--frobnicate",)):
            with self.subTest(options):
                done = subprocess.run([lab.programs() / "host", *options], capture_output=True, text=True, timeout=lab.SECONDS)
                self.assert_misuse(done, "host: ")

    def test_help(self):
        for program in ("host", "device_publisher"):
            done = subprocess.run([lab.programs() / program, "--help"], capture_output=True, text=True, timeout=lab.SECONDS)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("--address", done.stdout)


if __name__ == "__main__":
    lab.main()
