"""A device that is killed by SIGKILL after any byte of its exchanges of QoS 2 with mosquitto, at any save of its session, and while it takes a
message, and is started anew: each message is published once and received once."""
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import lab

lab.require("mosquitto", "mosquitto_pub", "mosquitto_sub")

MOST = 2000  # bytes, far more than an exchange has
LATE = 0.5  # s, in which a message that was published twice would come


def device(folder, name, order):
    return subprocess.run([lab.helpers() / "exactly_once", folder, name, order], capture_output=True, text=True, timeout=lab.SECONDS).returncode


def lines(folder, name):
    file = pathlib.Path(folder) / name
    return file.read_text().splitlines() if file.exists() else []


class ExactlyOnce(unittest.TestCase):
    def exchange(self, name, order):
        """Whether the device died, and how often messages were handed to it."""
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(device(folder, name, "subscribe"), 0)
            subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-t", f"down/{name}", "-q", "2", "-l"], input="first\nlast\n", text=True, check=True)
            code = device(folder, name, order)
            self.assertIn(code, (0, -signal.SIGKILL))
            self.assertEqual(device(folder, name, "never"), 0)
            self.assertEqual(lines(folder, "received"), ["1 first", "2 last"])
            return code != 0, len(lines(folder, "handed"))

    def everywhere(self, kind):
        """Dies at 1, 2, 3, … until the exchange is over before that."""
        with lab.Broker("max_queued_messages 0") as _, lab.Subscriber("up/+", qos=2) as subscriber:
            names = []
            handed = 0
            for number in range(1, MOST):
                names.append(f"{kind}-{number}")
                died, times = self.exchange(names[-1], f"{kind}:{number}")
                handed = max(handed, times)
                if not died:
                    break
            self.assertFalse(died, "the exchange is over at last")
            expected = sorted(f"up/{name} {payload}" for name in names for payload in ("one", "two"))
            lab.until(lambda: len(subscriber.messages_with_topics()) >= len(expected), "all messages are published")
            time.sleep(LATE)
            self.assertEqual(sorted(subscriber.messages_with_topics()), expected)
        return len(names) - 1, handed

    def test_after_every_byte_sent(self):
        self.assertGreater(self.everywhere("sent")[0], 60)

    def test_after_every_byte_received(self):
        self.assertGreater(self.everywhere("received")[0], 60)

    def test_around_every_save(self):
        for kind in ("saving", "saved"):
            with self.subTest(kind=kind):
                self.assertGreater(self.everywhere(kind)[0], 5)

    def test_while_a_message_is_taken(self):
        """There alone a message is handed over twice: by its number the device knows it."""
        for kind in ("handed", "noted"):
            with self.subTest(kind=kind):
                died, handed = self.everywhere(kind)
                self.assertEqual(died, 2)
                self.assertGreater(handed, 2)


lab.main()
