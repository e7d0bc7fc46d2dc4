#!/usr/bin/env python3
"""scripts/netlab: signals that come when the child was waited for already. Needs no namespace: its functions are called by themselves."""
import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import sys
import unittest
from unittest import mock

NETLAB = str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "netlab")
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM)


def load():
    loader = importlib.machinery.SourceFileLoader("netlab", NETLAB)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("netlab", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


netlab = load()


def after_the_wait(number):
    """A signal comes between the moment at which the child was waited for and the end: its status is being looked at."""
    code_of = os.waitstatus_to_exitcode

    def interrupted(status):
        signal.raise_signal(number)
        return code_of(status)

    return mock.patch("os.waitstatus_to_exitcode", interrupted)


class SignalAfterTheEnd(unittest.TestCase):
    def setUp(self):
        for number in HANDLED:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.addCleanup(signal.alarm, 0)

    def child(self, code):
        pid = os.fork()
        if pid == 0:
            os._exit(code)
        return pid

    def test_inside(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            with self.subTest(number.name), after_the_wait(number):
                self.assertEqual(netlab.run_as_init(["bash", "-c", "exit 3"]), 3)

    def test_outside(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
            with self.subTest(number.name), after_the_wait(number), mock.patch.object(netlab, "terminal_sent_it", return_value=False):
                self.assertEqual(netlab.supervise(self.child(3)), 3)

    def test_before_the_end_it_reaches_the_command(self):
        """The twin: the same handlers pass a signal on to a command that lives."""
        for number, received in ((signal.SIGTERM, "TERM"), (signal.SIGHUP, "HUP"), (signal.SIGUSR1, "INT")):
            with self.subTest(number.name):
                signal.signal(number, lambda *_: None)  # until netlab's own handler stands
                script = f"trap 'exit 5' {received}; while :; do kill -s {number.name} $PPID; sleep 0.05; done"
                self.assertEqual(netlab.run_as_init(["bash", "-c", script]), 5)


if __name__ == "__main__":
    unittest.main()
