#!/usr/bin/env python3
"""scripts/netlab: what the command finds inside, exit codes, and that nothing outlives it."""
import pathlib
import select
import signal
import subprocess
import sys
import unittest

NETLAB = str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "netlab")
PATIENCE_SECONDS = 20


def run(*arguments):
    return subprocess.run([NETLAB, *arguments], capture_output=True, text=True, timeout=PATIENCE_SECONDS)


class Netlab(unittest.TestCase):
    def start(self, script):
        """netlab with a shell in it that has started `script`: it says "ready" first."""
        netlab = subprocess.Popen([NETLAB, "bash", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(netlab.stdout.close)
        self.addCleanup(netlab.wait)
        self.addCleanup(netlab.kill)
        self.assertEqual(netlab.stdout.readline(), "ready\n")
        return netlab

    def assert_nothing_left(self, netlab):
        """Every process inside holds the pipe's other end: end of file means that the last one is gone."""
        ready, _, _ = select.select([netlab.stdout], [], [], PATIENCE_SECONDS)
        self.assertTrue(ready, "a process is left")
        self.assertEqual(netlab.stdout.read(), "")

    def test_the_exit_code_is_the_commands(self):
        self.assertEqual(run("true").returncode, 0)
        self.assertEqual(run("--", "bash", "-c", "exit 7").returncode, 7)
        self.assertEqual(run("bash", "-c", "kill -KILL $$").returncode, 128 + signal.SIGKILL)
        self.assertEqual(run("no-such-command").returncode, 127)

    def test_misuse_is_refused(self):
        for arguments in ((), ("--mtu", "67", "true"), ("--frobnicate", "true")):
            self.assertEqual(run(*arguments).returncode, 2)

    def test_inside_there_is_lo_and_tap0(self):
        shown = run("ip", "-brief", "address").stdout.split("\n")
        self.assertEqual([line.split()[0] for line in shown if line], ["lo", "tap0"])
        self.assertIn("192.0.2.1/24", shown[1])
        self.assertNotIn(":", shown[1], "no IPv6 address")
        self.assertIn("mtu 9000", run("--mtu", "9000", "ip", "link", "show", "tap0").stdout)
        self.assertNotIn("tap0", run("--no-tap", "ip", "link").stdout)

    def test_arguments_and_input_reach_the_command(self):
        done = subprocess.run([NETLAB, "--", "bash", "-c", 'cat; echo "$1"', "-", "--mtu 1"], input="in", capture_output=True, text=True)
        self.assertEqual(done.stdout, "in--mtu 1\n")

    def test_what_the_command_leaves_behind_is_ended(self):
        netlab = self.start("setsid sleep 600 & setsid sleep 600 & echo ready; exit 3")
        self.assertEqual(netlab.wait(PATIENCE_SECONDS), 3)
        self.assert_nothing_left(netlab)

    def test_signals_end_everything(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
            with self.subTest(number.name):
                netlab = self.start("setsid sleep 600 & trap 'exit 130' INT; echo ready; wait")
                netlab.send_signal(number)
                self.assertEqual(netlab.wait(PATIENCE_SECONDS), code)
                self.assert_nothing_left(netlab)

    def test_a_command_that_ignores_the_signal_is_ended_too(self):
        netlab = self.start("trap '' TERM; echo ready; while :; do sleep 600; done")
        netlab.terminate()
        self.assertEqual(netlab.wait(PATIENCE_SECONDS), 143)
        self.assert_nothing_left(netlab)

    def test_the_command_may_end_in_order(self):
        netlab = self.start("trap 'exit 5' TERM; echo ready; sleep 600 & wait")
        netlab.terminate()
        self.assertEqual(netlab.wait(PATIENCE_SECONDS), 5)


if __name__ == "__main__":
    probe = run("true")
    if probe.returncode == 77:
        print(probe.stderr.strip())
        sys.exit(77)
    unittest.main()
