"""tools/tapir with messages of 200 MB, in both directions through mosquitto: whole, and with little memory.

The third argument is the program.
"""
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

import lab
from tool_lab import HOST_STACK, OWN_STACK, STACKS, TOOL, Case

lab.require("mosquitto", "mosquitto_sub", "mosquitto_pub")
BLOCK = 1_000_000
BLOCKS = 200
MOST_MORE = 24 << 20  # bytes that a long message may take more than a short one
PATIENCE = 120


class Measured(lab.Program):
    """A program whose standard output is a file, and of which the largest resident set (VmHWM) is known when it has ended."""

    def __init__(self, *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        self.lines = []
        self.show = None
        self.changed = threading.Condition()
        self.peak = 0
        # With ASan what was given back is kept for a while, and would count.
        environment = os.environ | {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
        self.process = subprocess.Popen([str(word) for word in command], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)
        self.process.stdout = self.process.stderr  # what lab.Program reads
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.reader.start()
        self.watcher.start()

    def _watch(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status")
        while self.process.poll() is None:
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak = int(line.split()[1]) << 10
            time.sleep(0.002)

    def wait(self, seconds=PATIENCE):
        code = super().wait(seconds)
        self.watcher.join(seconds)
        return code


class LongMessages(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.file = pathlib.Path(cls.folder.name) / "long"
        cls.short = pathlib.Path(cls.folder.name) / "short"
        cls.out = pathlib.Path(cls.folder.name) / "out"
        cls.short.write_bytes(b"short")
        block = random.Random(5).randbytes(BLOCK)
        cls.digest = hashlib.sha256()
        with cls.file.open("wb") as file:
            for number in range(BLOCKS):
                piece = number.to_bytes(8, "big") + block[8:]
                file.write(piece)
                cls.digest.update(piece)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check_output(self, before=b"", behind=b""):
        with self.out.open("rb") as file:
            self.assertEqual(file.read(len(before)), before)
            digest = hashlib.sha256()
            for _ in range(BLOCKS):
                digest.update(file.read(BLOCK))
            self.assertEqual(digest.digest(), self.digest.digest())
            self.assertEqual(file.read(), behind)

    def published(self, file, how, qos, stack):
        """Has the tool publish, and mosquitto_sub write what comes to a file. The tool's largest memory."""
        with self.out.open("wb") as out, Measured("mosquitto_sub", "-h", lab.HOST, "-t", "x", "-q", qos, "-N", "-C", 1, stdout=out) as subscriber:
            self.broker.wait_for("Sending SUBACK")
            words = (TOOL, *stack, "pub", "-h", lab.HOST, "-t", "x", "-q", qos)
            if how == "-f":
                program = Measured(*words, "-f", file)
            elif how == "-s < file":
                with file.open("rb") as input:
                    program = Measured(*words, "-s", stdin=input)
            else:
                self.source = subprocess.Popen(["cat", file], stdout=subprocess.PIPE)
                self.addCleanup(self.source.wait)
                program = Measured(*words, "-s", stdin=self.source.stdout)
                self.source.stdout.close()
            with program:
                self.assertEqual(program.wait(), 0, program.output)
            self.assertEqual(subscriber.wait(), 0, subscriber.output)
            return program.peak

    def test_published(self):
        for stack, how, qos in ((OWN_STACK, "-f", 1), (HOST_STACK, "-f", 0), (HOST_STACK, "-s < file", 2), (HOST_STACK, "-s < pipe", 1)):
            with self.subTest(stack=stack, how=how, qos=qos):
                with lab.Broker() as self.broker:
                    least = self.published(self.short, how, qos, stack)
                    self.assertEqual(self.out.read_bytes(), b"short")
                with lab.Broker() as self.broker:
                    peak = self.published(self.file, how, qos, stack)
                    self.check_output()
                print(f"{how}, QoS {qos}, {stack[0]}: {least >> 10} KiB, with 200 MB {peak >> 10} KiB", flush=True)
                self.assertGreater(least, 0)
                self.assertLess(peak, least + MOST_MORE)

    def received(self, file, *options, stack=HOST_STACK, qos=1):
        """Has mosquitto_pub publish, and the tool write what comes to a file. The tool's largest memory."""
        with self.out.open("wb") as out, Measured(TOOL, *stack, "sub", "-d", "-h", lab.HOST, "-t", "x", "-q", qos, "-C", 1, *options, stdout=out) as program:
            program.wait_for("received SUBACK")
            subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-q", "1", "-t", "x", "-f", file], check=True, timeout=PATIENCE)
            self.assertEqual(program.wait(), 0, program.output)
            return program.peak

    def test_received(self):
        size = BLOCK * BLOCKS
        for stack, qos, options, before, behind in ((OWN_STACK, 1, (), b"", b"\n"), (HOST_STACK, 0, ("-N",), b"", b""),
                                                    (HOST_STACK, 2, ("-v",), b"x ", b"\n"),
                                                    (HOST_STACK, 1, ("-F", "%t|%l|%p|%q"), f"x|{size}|".encode(), b"|1\n")):
            with self.subTest(stack=stack, qos=qos, options=options), lab.Broker() as self.broker:
                least = self.received(self.short, *options, stack=stack, qos=qos)
                peak = self.received(self.file, *options, stack=stack, qos=qos)
                self.check_output(before, behind)
                print(f"sub {' '.join(options)}, QoS {qos}, {stack[0]}: {least >> 10} KiB, with 200 MB {peak >> 10} KiB", flush=True)
                self.assertGreater(least, 0)
                self.assertLess(peak, least + MOST_MORE)

    def test_the_measure_sees_a_message_that_has_to_be_held(self):
        with lab.Broker():
            self.assertGreater(self.received(self.file, "-F", "%d"), BLOCK * BLOCKS)  # a number of eight bytes, or nothing
            self.assertEqual(self.out.read_bytes(), b"\n")

    def test_a_message_that_is_not_printed(self):
        with lab.Broker():
            for options in (("-T", "x"), ("-R",)):
                with self.subTest(options), self.out.open("wb") as out:
                    with Measured(TOOL, *HOST_STACK, "sub", "-h", lab.HOST, "-d", "-t", "#", "-C", 1, *options, stdout=out) as program:
                        program.wait_for("received SUBACK")
                        publish = ["mosquitto_pub", "-h", lab.HOST, "-q", "1"]
                        subprocess.run([*publish, "-t", "x", "-f", self.file, "-r"], check=True, timeout=PATIENCE)
                        subprocess.run([*publish, "-t", "y", "-m", "end"], check=True, timeout=PATIENCE)
                        self.assertEqual(program.wait(), 0, program.output)

    def test_a_connection_that_is_lost_in_the_middle(self):
        with lab.Broker() as broker, self.out.open("wb") as out:
            with Measured(TOOL, *HOST_STACK, "sub", "-h", lab.HOST, "-d", "-t", "x", stdout=out) as program:
                program.wait_for("received SUBACK")
                program.process.send_signal(signal.SIGSTOP)  # until the socket's buffers are full and the message is under way
                subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-q", "1", "-t", "x", "-f", self.file], check=True, timeout=PATIENCE)
                broker.process.kill()
                program.process.send_signal(signal.SIGCONT)
                program.wait_for("the connection was lost in the middle of a message")
                self.assertEqual(program.stop(), 0)
            self.assertGreater(self.out.stat().st_size, 0)
            self.assertLess(self.out.stat().st_size, BLOCK * BLOCKS)


if __name__ == "__main__":
    lab.main()
