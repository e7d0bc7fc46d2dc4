#!/usr/bin/env python3
"""How the scripts answer wrong use: one line on standard error and code 2, before they do anything; and --help: the usage and code 0."""
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MISUSED = (
    ("scripts/demo", "--pcap"),
    ("scripts/demo", "--pcap", ""),
    ("scripts/demo", "--pcap", "a", "b"),
    ("scripts/demo", "--pcap", "/nonexistent/folder/x"),
    ("scripts/demo", "--pcap", "/tmp"),
    ("scripts/demo", "--frobnicate"),
    ("scripts/build",),
    ("scripts/build", "--frobnicate"),
    ("scripts/profile", "extra"),
    ("scripts/setup", "--everything"),
    ("scripts/setup", "--dev", "extra"),
    ("scripts/fuzz", "0"),
    ("scripts/fuzz", "1.5"),
    ("scripts/fuzz", "5", "no_such_target"),
    ("scripts/fuzz", "--frobnicate"),
    ("scripts/bench", "everything"),
    ("scripts/bench", "instructions", "--frobnicate"),
    ("scripts/test_summary",),
    ("scripts/test_summary", "/nonexistent/tests.xml"),
    ("scripts/test_summary", str(ROOT / "README.md")),
    ("scripts/test_summary", "a", "b"),
    (".ci/run", "no_such_section"),
    (".ci/run", "format", "no_such_section"),
)
HELPFUL = ("scripts/bench", "scripts/demo", "scripts/build", "scripts/setup", "scripts/fuzz", "scripts/netlab", "scripts/profile", "scripts/packetdrill",
           "scripts/requirements")


def run(script, *arguments):
    return subprocess.run([ROOT / script, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


class Usage(unittest.TestCase):
    def test_wrong_use(self):
        for command in MISUSED:
            with self.subTest(command):
                done = run(*command)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_help(self):
        for script in HELPFUL:
            for option in ("-h", "--help"):
                with self.subTest(script, option=option):
                    done = run(script, option)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn("usage: ", done.stdout)


if __name__ == "__main__":
    unittest.main()
