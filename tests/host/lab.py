"""What the host tests share. They run inside scripts/netlab, where the host is 192.0.2.1 on tap0 and our stack is 192.0.2.2.

Each test file is called with the folders of the example programs and of the tests' own: ping_test.py BUILD/examples BUILD/tests/host
"""
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HOST = "192.0.2.1"
STACK = "192.0.2.2"
BROKER_PORT = 1883
SECONDS = 30  # patience for what takes milliseconds on an idle machine
SKIPPED = 77


def programs():
    """The folder of the example programs."""
    return pathlib.Path(sys.argv[1])


def helpers():
    """The folder of the programs that only tests use (the .cpp files of this folder)."""
    return pathlib.Path(sys.argv[2])


def require(*commands):
    """Ends the whole test as skipped when a command is missing."""
    for command in commands:
        if shutil.which(command) is None:
            print(f"the command {command} is missing; run scripts/setup")
            sys.exit(SKIPPED)


def main():
    unittest.main(argv=sys.argv[:1], verbosity=2)


def until(condition, what, seconds=SECONDS):
    """Asks again and again until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)


class Program:
    """A process whose output (both streams) is read as it comes, and given to `show` by lines. Leaving the `with` block ends it."""

    def __init__(self, *command, show=None):
        self.lines = []
        self.show = show
        self.changed = threading.Condition()
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
            if self.show:
                self.show(line.rstrip("\n"))

    @property
    def output(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_for(self, pattern, times=1, seconds=SECONDS):
        """Waits until `times` lines match; the last of them."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                matching = [line for line in self.lines if re.search(pattern, line)]
                if len(matching) >= times:
                    return matching[times - 1]
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.reader.is_alive()):
                    raise AssertionError(f"no {times} lines with {pattern!r} in:\n" + "\n".join(self.lines))
                self.changed.wait(min(left, 0.1))

    def wait(self, seconds=SECONDS):
        """The exit code, when it has ended by itself and all its output is here."""
        code = self.process.wait(seconds)
        self.reader.join(seconds)
        return code

    def stop(self, number=signal.SIGTERM, seconds=SECONDS):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(seconds)

    def ready(self):
        """Returns when the program can be used. For those that derive from this class."""

    def __enter__(self):
        try:
            self.ready()
        except BaseException:
            Program.__exit__(self)
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(SECONDS)
        self.process.stdout.close()


class Stack(Program):
    """examples/host as 192.0.2.2, up and running. A run that ends in another way than by SIGTERM and code 0 fails the test."""

    def __init__(self, *options):
        super().__init__(programs() / "host", "--tap", "tap0", "--address", f"{STACK}/24", *options)

    def ready(self):
        self.wait_for("^host: up as ")

    def __exit__(self, kind, *rest):
        code = None
        if kind is None:
            code = self.stop()
        super().__exit__(kind, *rest)
        if kind is None and code != 0:
            raise AssertionError(f"host ended with {code}:\n{self.output}")


class Broker(Program):
    """mosquitto on 192.0.2.1:1883, accepting connections, that forgets everything when it ends."""

    def __init__(self, *lines):
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "mosquitto.conf"
        config.write_text("\n".join([f"listener {BROKER_PORT} {HOST}", "allow_anonymous true", "persistence false", "user root", *lines]) + "\n")
        super().__init__("mosquitto", "-v", "-c", config)

    def ready(self):
        self.wait_for("mosquitto version .* running")
        until(lambda: can_connect(HOST, BROKER_PORT), "mosquitto listens")

    def __exit__(self, *rest):
        super().__exit__(*rest)
        self.folder.cleanup()


class Subscriber(Program):
    """mosquitto_sub, subscribed. Each message is one line "topic payload"."""

    def __init__(self, topic, *options, qos=1, show=None):
        super().__init__("stdbuf", "-oL", "mosquitto_sub", "-d", "-h", HOST, "-t", topic, "-q", qos, "-F", "message %t %p", *options, show=show)

    def ready(self):
        self.wait_for("^Subscribed")

    def messages(self):
        return [line.split(" ", 2)[2] for line in self.output.splitlines() if line.startswith("message ")]

    def messages_with_topics(self):
        return [line.split(" ", 1)[1] for line in self.output.splitlines() if line.startswith("message ")]


def can_connect(address, port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def connect(port, address=STACK):
    return socket.create_connection((address, port), SECONDS)


def read_all(connection):
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)
