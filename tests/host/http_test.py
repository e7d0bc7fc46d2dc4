"""Boost.Beast over the stack: host curl fetches from examples/http_beast, and http_beast from Python's HTTP server on the host."""
import functools
import http.server
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

import lab

lab.require("curl")
PROGRAM = lab.programs() / "http_beast"
OPTIONS = ("--tap", "tap0", "--address", f"{lab.STACK}/24")


def curl(*options):
    return subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(lab.SECONDS), *options], capture_output=True, timeout=2 * lab.SECONDS)


class Serve(unittest.TestCase):
    def setUp(self):
        self.program = self.enterContext(lab.Program(PROGRAM, *OPTIONS))
        self.program.wait_for("^http_beast: serving")

    def fetch(self, *options):
        done = curl("--fail", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_documents(self):
        self.assertEqual(self.fetch(f"http://{lab.STACK}/"), b"hello from a TCP/IP stack in this process\n")
        self.assertIn(b"tcp", self.fetch(f"http://{lab.STACK}/counters"))

    def test_what_is_not_there(self):
        self.assertEqual(curl("--output", os.devnull, "--write-out", "%{http_code}", f"http://{lab.STACK}/nothing").stdout, b"404")

    def test_several_requests_on_one_connection(self):
        urls = [f"http://{lab.STACK}/"] * 5
        told = self.fetch("--write-out", "connections %{num_connects}\n", *urls).decode()
        self.assertEqual(told.count("hello"), 5)
        self.assertEqual(told.count("connections 1"), 1)
        self.assertEqual(told.count("connections 0"), 4)

    def test_a_body_goes_up_and_comes_back(self):
        body = os.urandom(500_000)
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            self.assertEqual(self.fetch("--data-binary", f"@{file.name}", f"http://{lab.STACK}/"), body)

    def test_it_stops_when_told_with_a_connection_open(self):
        with lab.connect(80):
            self.assertEqual(self.program.stop(), 0)


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=self.folder)
        server = self.enterContext(http.server.ThreadingHTTPServer((lab.HOST, 0), handler))
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)

    def fetch(self, url):
        return subprocess.run([PROGRAM, *OPTIONS, "--fetch", url], capture_output=True, timeout=lab.SECONDS)

    def test_a_document(self):
        body = os.urandom(3_000_000)
        (self.folder / "reading").write_bytes(body)
        done = self.fetch(f"http://{lab.HOST}:{self.port}/reading")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, body)
        self.assertIn(b"200 OK", done.stderr)

    def test_what_is_not_there(self):
        self.assertIn(b"404", self.fetch(f"http://{lab.HOST}:{self.port}/nothing").stderr)

    def test_a_port_that_refuses_and_a_name_that_nobody_knows(self):
        refused = self.fetch(f"http://{lab.HOST}:1/")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"refused", refused.stderr)
        unknown = self.fetch("http://nobody.example/")
        self.assertEqual(unknown.returncode, 1)
        self.assertIn(b"not found", unknown.stderr)


if __name__ == "__main__":
    lab.main()
