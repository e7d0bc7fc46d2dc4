"""How examples/host ends: by SIGTERM or Ctrl-C, with its counters and code 0."""
import re
import signal
import subprocess
import unittest

import lab


class Signals(unittest.TestCase):
    def test_counters_and_code_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name), lab.Stack() as stack:
                subprocess.run(["ping", "-n", "-c", "3", "-i", "0.05", lab.STACK], stdout=subprocess.DEVNULL, check=True, timeout=lab.SECONDS)
                self.assertEqual(stack.stop(number), 0, stack.output)
                self.assertRegex(stack.output, r"(?m)^icmp +inMsgs +3$")
                self.assertRegex(stack.output, r"(?m)^icmp +outMsgs +3$")
                self.assertTrue(re.search(r"^192\.0\.2\.0\s", stack.output, re.MULTILINE), "the routing table is shown")

    def test_with_open_connections(self):
        with lab.Stack() as stack:
            with lab.connect(19) as connection:
                connection.recv(1)
                self.assertEqual(stack.stop(), 0, stack.output)


if __name__ == "__main__":
    lab.main()
