"""How tools/tapir reaches a real mosquitto, over our own stack on the TAP device and over the kernel's, and how it says that it does not: addresses,
refusals, wrong use, TLS, WebSocket.

The third argument is the program.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile

import lab
from tool_lab import HOST_STACK, OWN_STACK, STACKS, TOOL, Case, run

lab.require("mosquitto", "mosquitto_sub", "openssl")
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
PASSWORDS = "sensor:secret\n"
PSK = "0123456789abcdef0123456789abcdef"


class BindAddress(Case):
    def test_of_the_kernel_and_of_our_own_stack(self):
        with lab.Broker() as broker:
            self.ok(run("pub", "-t", "x", "-m", "x", "-A", "127.0.0.9"))
            broker.wait_for("New connection from 127.0.0.9")
            self.ok(run("pub", "-t", "x", "-m", "x", "-A", lab.STACK, stack=OWN_STACK))
            broker.wait_for(f"New connection from {lab.STACK}")
            self.assertEqual(run("pub", "-t", "x", "-m", "x", "-A", "192.0.2.77").returncode, 4)
            self.assertEqual(run("pub", "-t", "x", "-m", "x", "-A", "192.0.2.77", stack=OWN_STACK).returncode, 4)


class Refused(Case):
    def test_by_the_broker(self):
        with tempfile.TemporaryDirectory() as folder:
            passwords = pathlib.Path(folder) / "passwords"
            passwords.write_text(PASSWORDS)
            subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
            with lab.Broker("allow_anonymous false", f"password_file {passwords}"):
                self.ok(run("pub", "-t", "x", "-m", "x", "-u", "sensor", "-P", "secret"))
                self.ok(run("pub", "-L", f"mqtt://sensor:secret@{lab.HOST}:1883/x", "-m", "x", host=None))
                self.fails(run("pub", "-t", "x", "-m", "x", "-u", "sensor", "-P", "wrong"), 3, "^tapir pub: mqtt: .*refused")
                self.fails(run("sub", "-t", "x"), 3, "^tapir sub: mqtt: .*refused")

    def test_unreachable_with_the_layer(self):
        for stack in STACKS:
            with self.subTest(stack=stack):
                self.fails(run("pub", "-t", "x", "-m", "x", stack=stack), 4, "^tapir pub: tcp: connection refused by 192.0.2.1:1883$")
        self.fails(run("pub", "-t", "x", "-m", "x", stack=OWN_STACK, host="192.0.2.99"), 4, "^tapir pub: arp: ")
        self.fails(run("pub", "-t", "x", "-m", "x", host="not..a..name"), 4, "^tapir pub: name lookup: ")
        quiet = run("pub", "-t", "x", "-m", "x", "--quiet")
        self.assertEqual((quiet.returncode, quiet.stderr), (4, ""))

    def test_wrong_use(self):
        for words in (("pub",), ("pub", "-t", "x"), ("pub", "-m", "x"), ("pub", "-t", "#", "-m", "x"), ("pub", "-t", "x", "-m", "x", "-n"),
                      ("sub", "-t", "a/#/b"), ("sub", "-t", "x", "-q", "3"), ("sub", "-t", "x", "-c"), ("sub", "-t", "x", "-P", "y"),
                      ("sub", "-t", "x", "-V", "mqttv311", "-x", "5"), ("sub", "-t", "x", "--cert", "y"), ("sub", "-t", "x", "--psk", "xyz"),
                      ("sub", "-t", "x", "-F", "%y"), ("sub", "-L", "http://x/y"), ("sub", "-t", "x", "--frobnicate"), ("sub", "-t", "x", "--insecure"),
                      ("pub", "-t", "x", "-m", "x", "-D", "publish", "receive-maximum", "1"), ("pub", "-t", "x", "-m", "x", "-D", "publish", "content-type"),
                      ("rr", "-t", "x", "-m", "x"), ("rr", "-e", "x", "-m", "x"), ("rr", "-t", "x", "-e", "y"), ("pub", "-t", "x", "-m", "x", "-A", "here"),
                      ("sub", "-t", "x", "-i", ""), ("sub", "-t", "x", "-P", ""), ("sub", "-t", "x", "-u", b"\xff"), ("sub", "-t", "x", "-u", "u" * 65536),
                      ("sub", "-t", "x", "-V", "31", "-i", "i" * 24), ("sub", "-t", "x", "--ws", "--ws-path", "no/slash"),
                      ("sub", "-t", "x", "--ws", "--ws-path", "/a b"), ("sub", "-t", "x", "--ws-path", "/a"), ("pub", "-t", "x", "-l", "--repeat-delay", "1"),
                      ("sub", "-t", "x", "--pcap", "/dev/null"), ("sub", "-t", "x", "--mtu", "1400"), ("sub", "-t", "x", "--mac", "02:00:00:00:00:09"),
                      ("sub", "-t", "x", "--gw", lab.HOST), ("sub", "-t", "x", "--tap", "tap0"),
                      ("sub", "-t", "x", "--will-topic", "w", "--will-payload", "w" * 65536)):
            with self.subTest(words):
                done = run(*words)
                self.fails(done, 2, "^tapir: .*--help\\)$")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr[:200])
        for words in ((), ("-L", "mqtt://localhost/x"), ("-h", "2001:db8::1"), ("-h", lab.HOST, "-A", "2001:db8::2")):
            self.fails(run("pub", "-t", "x", "-m", "x", *words, host=None, stack=OWN_STACK) if "-L" not in words else
                       run("pub", "-m", "x", *words, host=None, stack=OWN_STACK), 2, "^tapir: -[hA] .*: a stack of our own ")
        self.fails(run("pub", "-t", "x", "-m", "x", stack=()), 2, "--host-stack")
        self.fails(run("pub", "-t", "x", "-m", "x", stack=("--tap", "tap0")), 2, "--ip")

    def test_help_and_man_pages(self):
        for command in ("pub", "sub", "rr"):
            done = subprocess.run([TOOL, command, "--help"], capture_output=True, text=True)
            self.ok(done)
            page = subprocess.run([TOOL, "--man", command], capture_output=True, text=True)
            self.ok(page)
            options = re.findall(r"(?m)^  (?:-\w,)?(--[\w-]+)", done.stdout)
            self.assertGreater(len(options), 20)
            for option in options:
                self.assertIn(option.replace("-", "\\-"), page.stdout)
            of_mosquitto = set("hptfmlsnqriIVcxkuPMDdLA") | {"sub": set("CWFvRTUNE"), "pub": set(), "rr": set("eWFvRN")}[command]
            of_mosquitto -= {"sub": set("fmlsnr"), "pub": set(), "rr": set("lr")}[command]
            letters = set(re.findall(r"(?m)^  -(\w)\b", done.stdout))
            self.assertEqual(letters, of_mosquitto)
            self.assertEqual(set(re.findall(r"(?m)^\\fB\\-(\w)\b", page.stdout)), letters)


class OwnStack(Case):
    def test_its_options(self):
        with tempfile.TemporaryDirectory() as folder, lab.Broker():
            capture = pathlib.Path(folder) / "x.pcapng"
            self.ok(run("pub", "-t", "x", "-m", "y" * 1000, "--mtu", 600, "--mac", "02:00:00:00:00:09", "--gw", lab.HOST, "--seed", 7, "--pcap",
                        capture, stack=OWN_STACK))
            frames = capture.read_bytes()
            self.assertIn(bytes.fromhex("020000000009"), frames)
            self.assertIn(b"yyyy", frames)
            self.assertNotIn(b"y" * 600, frames)


class Secured(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        cls.certify("ca", "/CN=Test Authority")
        cls.certify("server", "/CN=broker", "subjectAltName=IP:192.0.2.1,DNS:localhost")
        cls.certify("client", "/CN=sensor-1")
        cls.certify("other", "/CN=Another Authority")
        (cls.path / "psk").write_text(f"sensor:{PSK}\n")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def certify(cls, name, subject, *extensions):
        issuer = () if name in ("ca", "other") else ("-CA", cls.path / "ca.crt", "-CAkey", cls.path / "ca.key")
        added = [word for extension in extensions for word in ("-addext", extension)]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject,
                        "-keyout", cls.path / f"{name}.key", "-out", cls.path / f"{name}.crt", *issuer, *added],
                       check=True, capture_output=True)

    def broker(self, *more):
        return lab.Broker(f"listener 8883 {lab.HOST}", f"cafile {self.path}/ca.crt", f"certfile {self.path}/server.crt",
                          f"keyfile {self.path}/server.key", *more)

    def test_tls(self):
        for stack in STACKS:
            for version in ("tlsv1.2", "tlsv1.3"):
                with self.subTest(stack=stack, version=version), self.broker(), lab.Subscriber("x", qos=1) as subscriber:
                    self.ok(run("pub", "-t", "x", "-m", "over TLS", "-q", 1, "--cafile", self.path / "ca.crt", "--tls-version", version, stack=stack))
                    subscriber.wait_for("^message x over TLS")
        with self.broker():
            self.ok(run("pub", "-L", f"mqtts://{lab.HOST}/x", "-m", "x", "--cafile", self.path / "ca.crt", host=None))
            self.ok(run("pub", "-L", f"mqtts://{lab.HOST}:8883/kept", "-m", "by URL", "-r", "-q", 1, "--cafile", self.path / "ca.crt", host=None))
            self.ok(run("sub", "-L", f"mqtts://{lab.HOST}/kept", "-C", 1, "--cafile", self.path / "ca.crt", host=None), "by URL\n")
            lines = "".join(f"{'long ' * 200}{number}\n" for number in range(500))
            with lab.Subscriber("x", qos=1) as subscriber:
                self.ok(run("pub", "-t", "x", "-l", "-q", 2, "--cafile", self.path / "ca.crt", stack=OWN_STACK, stdin=lines))
                subscriber.wait_for("long 499$")
                self.assertEqual(subscriber.messages(), lines.split("\n")[:-1])

    def test_the_certificate_is_checked(self):
        with self.broker():
            wrong = ("pub", "-t", "x", "-m", "x", "--cafile", self.path / "other.crt", "-p", 8883)
            for stack in STACKS:
                self.fails(run(*wrong, stack=stack), 4, "^tapir pub: tls: .*certificate refused: ")
            self.fails(run(*wrong, "--insecure"), 4, "certificate refused")
            self.fails(run("pub", "-t", "x", "-m", "x", "-p", 8883), 4, "certificate refused")
            self.fails(run("pub", "-t", "x", "-m", "x", "--cafile", "/nonexistent"), 1, "tls: CA file /nonexistent: No such file or directory")
        self.certify("server", "/CN=broker", "subjectAltName=DNS:elsewhere.example")
        try:
            with self.broker():
                named = ("pub", "-t", "x", "-m", "x", "--cafile", self.path / "ca.crt")
                self.fails(run(*named), 4, "tls: .*certificate refused: IP address mismatch")
                self.ok(run(*named, "--insecure"))
        finally:
            self.certify("server", "/CN=broker", "subjectAltName=IP:192.0.2.1,DNS:localhost")

    def test_a_folder_of_authorities(self):
        folder = self.path / "authorities"
        folder.mkdir()
        for name in ("ca", "other"):
            shutil.copy(self.path / f"{name}.crt", folder)
        named = ("pub", "-t", "x", "-m", "by folder", "-q", 1, "--capath", folder)
        with self.broker(), lab.Subscriber("x", qos=1) as subscriber:
            self.fails(run(*named), 4, "certificate refused")  # its files are not named by hash
            subprocess.run(["openssl", "rehash", folder], check=True)
            for stack in STACKS:
                self.ok(run(*named, stack=stack))
            subscriber.wait_for("^message x by folder$", times=2)

    def test_client_certificate(self):
        identity = ("--cert", self.path / "client.crt", "--key", self.path / "client.key")
        # mosquitto resets the connection behind its alert. Linux lets a program read what came before a reset; our own TCP throws it away, as RFC 9293
        # section 3.10.7.4 has it, and has both in one turn.
        alert = "tls: .*the peer says: .*handshake failure"
        for stack, why in ((HOST_STACK, alert), (OWN_STACK, f"{alert}|tcp: cannot connect to {lab.HOST}:8883: connection reset by the peer$")):
            with (self.subTest(stack=stack), self.broker("require_certificate true", "use_identity_as_username true") as broker,
                  lab.Subscriber("x", qos=1) as subscriber):
                self.ok(run("pub", "-t", "x", "-m", "with", "-q", 1, "--cafile", self.path / "ca.crt", *identity, stack=stack))
                broker.wait_for("u'sensor-1'")
                # In TLS 1.2, where the client has not finished by then: the other version is that of a connection that was lost.
                self.fails(run("pub", "-t", "x", "-m", "without", "-q", 1, "--cafile", self.path / "ca.crt", "--tls-version", "tlsv1.2", stack=stack),
                           4, f"^tapir pub: ({why})")
                broker.wait_for("peer did not return a certificate")
                subscriber.wait_for("^message x with$")
                self.assertEqual(subscriber.messages(), ["with"])

    def test_pre_shared_key(self):
        config = (f"listener 8883 {lab.HOST}", "psk_hint x", f"psk_file {self.path}/psk", "use_identity_as_username true")
        for stack in STACKS:
            with self.subTest(stack=stack), lab.Broker(*config) as broker:
                self.ok(run("pub", "-t", "x", "-m", "x", "-q", 1, "--psk", PSK, "--psk-identity", "sensor", stack=stack))
                broker.wait_for("u'sensor'")
                self.fails(run("pub", "-t", "x", "-m", "x", "--psk", PSK[::-1], "--psk-identity", "sensor", stack=stack), 4, "tls: ")

    def test_key_log(self):
        with self.broker():
            log = self.path / "keys"
            self.ok(run("pub", "-t", "x", "-m", "x", "--cafile", self.path / "ca.crt", "--tls-keylog", log))
            self.assertIn("CLIENT_TRAFFIC_SECRET_0 ", log.read_text())

    @staticmethod
    def version():
        return subprocess.run(["mosquitto", "-h"], capture_output=True, text=True).stdout.splitlines()[0] + "\n"

    def test_websocket(self):
        if subprocess.run([PYTHON, "-c", "import websockets"], capture_output=True).returncode != 0:
            self.skipTest("python3-websockets is missing; run scripts/setup")
        bridge = pathlib.Path(__file__).with_name("websocket_bridge.py")
        secure = (self.path / "server.crt", self.path / "server.key")
        for stack in STACKS:
            for scheme, port, keys in (("ws", 8080, ()), ("wss", 8443, secure)):
                with (self.subTest(stack=stack, scheme=scheme), lab.Broker(), lab.Subscriber("x", qos=1) as subscriber,
                      lab.Program(PYTHON, "-B", bridge, lab.HOST, port, lab.BROKER_PORT, *keys) as server):
                    server.wait_for("ready")
                    trust = ("--cafile", self.path / "ca.crt") if keys else ()
                    url = f"{scheme}://{lab.HOST}:{port}/mqtt"
                    lines = "".join(f"{'wide ' * 100}{number}\n" for number in range(300))
                    self.ok(run("pub", "-L", url, "-t", "x", "-l", "-q", 2, *trust, host=None, stack=stack, stdin=lines))
                    subscriber.wait_for("wide 299$")
                    self.assertEqual(subscriber.messages(), lines.split("\n")[:-1])
                    self.ok(run("sub", "-h", lab.HOST, "-p", port, "--ws", "-t", "$SYS/broker/version", "-C", 1, *trust, host=None, stack=stack),
                            self.version())
        with lab.Broker():
            self.fails(run("pub", "-L", f"ws://{lab.HOST}:{lab.BROKER_PORT}/mqtt", "-t", "x", "-m", "x", host=None), 4, "^tapir pub: (websocket|tcp): ")  # mosquitto may reset before the answer is complete


if __name__ == "__main__":
    lab.main()
