"""What the tests of tools/tapir share. Their third argument is the program."""
import pathlib
import subprocess
import sys
import unittest

import lab

TOOL = pathlib.Path(sys.argv[3])
OWN_STACK = ("--tap", "tap0", "--ip", f"{lab.STACK}/24")
HOST_STACK = ("--host-stack",)
STACKS = (OWN_STACK, HOST_STACK)


def run(command, *options, stack=HOST_STACK, host=lab.HOST, stdin="", seconds=lab.SECONDS):
    """One run of the tool to its end."""
    address = ("-h", host) if host else ()
    words = [word if isinstance(word, bytes) else str(word) for word in (TOOL, *stack, command, *address, *options)]
    return subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=seconds)


class TapirSub(lab.Program):
    """tapir sub, subscribed."""

    def __init__(self, *options, stack=HOST_STACK, host=lab.HOST):
        super().__init__(TOOL, *stack, "sub", "-d", *(("-h", host) if host else ()), *options)

    def ready(self):
        self.wait_for("received SUBACK")

    def printed(self):
        return [line for line in self.output.splitlines() if not line.startswith("tapir sub: ")]


class Case(unittest.TestCase):
    def ok(self, done, out=None):
        self.assertEqual(done.returncode, 0, done.stderr)
        if out is not None:
            self.assertEqual(done.stdout, out)

    def fails(self, done, code, pattern):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(done.stdout, "")
