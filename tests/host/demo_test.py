"""The demo's part inside the namespace, with the programs of this build: its last line, its exit code, and its capture."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import lab

lab.require("mosquitto", "mosquitto_sub", "ping")
DEMO = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "demo_inside"


class Demo(unittest.TestCase):
    def run_demo(self, programs, *options):
        done = subprocess.run([sys.executable, DEMO, programs, *options], capture_output=True, text=True, timeout=100)
        return done.returncode, done.stdout + done.stderr

    def test_it_ends_with_ok(self):
        with tempfile.TemporaryDirectory() as folder:
            capture = pathlib.Path(folder) / "demo.pcapng"
            code, output = self.run_demo(lab.programs(), "--pcap", capture)
            self.assertEqual((code, output.splitlines()[-1]), (0, "demo: ok, 5/5 readings delivered, ping 0% loss, echo ok"), output)
            self.assertGreater(capture.stat().st_size, 1000)

    def test_it_fails_with_a_reason(self):
        """Programs that do not do their part: a publisher that sends nothing, a host that never comes up."""
        with tempfile.TemporaryDirectory() as folder:
            programs = pathlib.Path(folder)
            for name, script in (("device_publisher", "exit 0"), ("host", "exec sleep 600")):
                (programs / name).write_text(f"#!/bin/sh\n{script}\n")
                (programs / name).chmod(0o755)
            code, output = self.run_demo(programs)
            self.assertEqual(code, 1)
            self.assertTrue(output.splitlines()[-1].startswith("demo: failed: "), output)


if __name__ == "__main__":
    lab.main()
