"""tools/tapir against a real mosquitto, over our own stack on the TAP device and over the kernel's: every group of its options, and its exit codes.

The third argument is the program.
"""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import lab
from tool_lab import HOST_STACK, OWN_STACK, STACKS, TOOL, Case, TapirSub, run

lab.require("mosquitto", "mosquitto_sub", "mosquitto_pub", "openssl")
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
PASSWORDS = "sensor:secret\n"
PSK = "0123456789abcdef0123456789abcdef"


class Publish(Case):
    def test_a_message_arrives_at_every_quality_of_service_over_both_stacks(self):
        for stack in STACKS:
            for qos in (0, 1, 2):
                with self.subTest(stack=stack, qos=qos), lab.Broker(), lab.Subscriber("a/b", qos=2) as subscriber:
                    self.ok(run("pub", "-t", "a/b", "-m", "21.5", "-q", qos, stack=stack), "")
                    subscriber.wait_for("^message a/b 21.5$")

    def test_every_version_speaks_with_every_other(self):
        with lab.Broker() as broker:
            for stack in STACKS:
                for version, number in (("mqttv31", 3), ("mqttv311", 4), ("mqttv5", 5)):
                    for qos in (0, 1, 2):
                        with self.subTest(stack=stack, version=version, qos=qos):
                            with TapirSub("-t", "a/+", "-q", qos, "-C", 2, "-v", "-V", version, stack=stack) as client:
                                for sender in ("mqttv31", "mqttv5"):
                                    self.ok(run("pub", "-t", "a/b", "-m", sender, "-q", qos, "-V", sender, stack=HOST_STACK))
                                self.assertEqual(client.wait(), 0)
                                self.assertEqual(client.printed(), ["a/b mqttv31", "a/b mqttv5"])
            self.assertIn(" (p1, c1, k60)", broker.output)  # 3.1

    def test_where_messages_come_from(self):
        with tempfile.TemporaryDirectory() as folder, lab.Broker(), lab.Subscriber("#", qos=1) as subscriber:
            path = pathlib.Path(folder) / "message"
            path.write_text("from a file")
            self.ok(run("pub", "-t", "f", "-f", path))
            self.ok(run("pub", "-t", "s", "-s", stdin="all of\nthe input"))
            self.ok(run("pub", "-t", "n", "-n"))
            self.ok(run("pub", "-t", "l", "-l", "-q", 1, stdin="one\n\nthree"))
            self.ok(run("pub", "-L", f"mqtt://{lab.HOST}/u/r/l", "-m", "by URL", host=None))
            subscriber.wait_for("^message u/r/l by URL")
            text = subscriber.output
            for expected in ("message f from a file", "message s all of\nthe input", "message n ", "message l one\n", "message l \n",
                             "message l three"):
                self.assertIn(expected, text)

    def test_lines_from_a_pipe_and_from_a_file(self):
        lines = "".join(f"line {number}\n" for number in range(3000))
        with tempfile.TemporaryDirectory() as folder, lab.Broker("max_queued_messages 0"):
            path = pathlib.Path(folder) / "lines"
            path.write_text(lines)
            for stack in STACKS:
                for qos in (0, 1):
                    with self.subTest(stack=stack, qos=qos), lab.Subscriber("x", qos=1) as subscriber:
                        self.ok(run("pub", "-t", "x", "-l", "-q", qos, stdin=lines, stack=stack))
                        subscriber.wait_for("^message x line 2999$")
                        self.assertEqual(subscriber.messages(), lines.split("\n")[:-1])
            with lab.Subscriber("x", qos=1) as subscriber, path.open() as file:
                words = [str(word) for word in (TOOL, "--host-stack", "pub", "-h", lab.HOST, "-t", "x", "-l", "-q", 1)]
                self.assertEqual(subprocess.run(words, stdin=file, timeout=lab.SECONDS).returncode, 0)
                subscriber.wait_for("^message x line 2999$")

    def test_repeat(self):
        with lab.Broker(), lab.Subscriber("x", qos=1) as subscriber:
            self.ok(run("pub", "-t", "x", "-m", "again", "--repeat", 5, "--repeat-delay", 0.01, "-q", 1))
            self.ok(run("pub", "-t", "x", "-m", "much", "--repeat", 1000, "-q", 1))
            subscriber.wait_for("^message x much", times=1000)
            self.assertEqual(subscriber.messages(), ["again"] * 5 + ["much"] * 1000)

    def test_retain_and_will(self):
        with lab.Broker():
            self.ok(run("pub", "-t", "kept", "-m", "value", "-r", "-q", 1))
            with lab.Subscriber("kept") as subscriber:
                subscriber.wait_for("^message kept value")
            with lab.Subscriber("last", "-q", "1") as subscriber:
                with TapirSub("-t", "x", "--will-topic", "last", "--will-payload", "words", "--will-qos", 1) as client:
                    client.stop(signal.SIGKILL)
                subscriber.wait_for("^message last words")
            for option, kept in (((), []), (("--will-retain",), ["words"])):
                with TapirSub("-t", "x", "--will-topic", "last", "--will-payload", "words", *option) as client, lab.Subscriber("last") as subscriber:
                    client.stop(signal.SIGKILL)
                    subscriber.wait_for("^message last words")
                with lab.Subscriber("last") as subscriber:
                    self.ok(run("pub", "-t", "last", "-m", "fresh"))
                    subscriber.wait_for("^message last fresh")
                    self.assertEqual(subscriber.messages(), [*kept, "fresh"])


class Subscribe(Case):
    def publish(self, topic, text, *options):
        subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-q", "1", "-t", topic, "-m", text, *options], check=True, timeout=lab.SECONDS)

    def test_messages_are_printed_over_both_stacks(self):
        for stack in STACKS:
            for qos in (0, 1, 2):
                with self.subTest(stack=stack, qos=qos), lab.Broker(), TapirSub("-t", "a/+", "-q", qos, "-C", 2, "-v", stack=stack) as client:
                    self.publish("a/b", "one")
                    self.publish("a/c", "two")
                    self.assertEqual(client.wait(), 0)
                    self.assertEqual(client.printed(), ["a/b one", "a/c two"])

    def test_filters(self):
        with lab.Broker():
            self.publish("old", "stale", "-r")
            with TapirSub("-V", "mqttv311", "-t", "#", "-t", "a/#", "-T", "a/secret", "-R", "-C", 2, "-v") as client:
                self.publish("a/secret", "no")
                self.publish("a/open", "yes")
                self.publish("b", "too")
                self.assertEqual(client.wait(), 0)
                self.assertEqual(client.printed(), ["a/open yes", "b too"])  # once, though two filters match
            with TapirSub("-V", "mqttv5", "-t", "#", "-t", "a/#", "-T", "a/secret", "-R", "-C", 2, "-v") as client:
                self.publish("a/open", "yes")
                self.assertEqual(client.wait(), 0)
                self.assertEqual(client.printed(), ["a/open yes", "a/open yes"])  # in 5.0 mosquitto sends it for each
            with TapirSub("-t", "#", "--retained-only", "-v") as client:
                client.wait_for("^old stale$")
                self.publish("b", "fresh")
                self.assertEqual(client.wait(), 0)
                self.assertEqual(client.printed(), ["old stale"])
            self.ok(run("sub", "-t", "#", "--remove-retained", "-C", 1), "stale\n")
            self.fails(run("sub", "-t", "#", "-W", 1), 1, "^tapir sub: timed out after 1 s$")

    def test_formats(self):
        with lab.Broker():
            self.publish("t/1", "\u00fc{", "-r")
            self.publish("t/2", '{"a": 1}', "-r")
            self.ok(run("sub", "-t", "t/1", "-C", 1, "-N"), "\u00fc{")
            self.ok(run("sub", "-t", "t/1", "-C", 1, "-F", r"%t|%l|%q|%r|%x|%X|%%|@@|\t\\"), "t/1|3|0|1|c3bc7b|C3BC7B|%|@|\t\\\n")
            done = run("sub", "-t", "t/2", "-C", 1, "-F", "%J", "-q", 1)
            self.ok(done)
            message = json.loads(done.stdout)
            self.assertEqual((message["topic"], message["payload"], message["retain"], message["payloadlen"]), ("t/2", {"a": 1}, 1, 8))
            self.assertEqual(json.loads(run("sub", "-t", "t/2", "-C", 1, "-F", "%j").stdout)["payload"], '{"a": 1}')
            self.assertRegex(run("sub", "-t", "t/2", "-C", 1, "-F", "%U @Y-@m-@d").stdout, r"^\d+\.\d{9} \d{4}-\d\d-\d\d$")

    def test_a_session_that_the_broker_keeps(self):
        with lab.Broker():
            self.ok(run("sub", "-t", "s", "-c", "-i", "steady", "-q", 1, "-E"), "")
            self.publish("s", "while away")
            self.ok(run("sub", "-t", "s", "-c", "-i", "steady", "-q", 1, "-C", 1, "-W", 20), "while away\n")
            self.ok(run("sub", "-U", "s", "-c", "-i", "steady"), "")
            self.publish("s", "not wanted")
            self.fails(run("sub", "-t", "other", "-c", "-i", "steady", "-q", 1, "-C", 1, "-W", 1), 1, "timed out")

    def test_overlapping_shared_subscriptions_print_each_message_that_came_once(self):
        with lab.Broker(), TapirSub("-t", "$share/g/a", "-t", "a", "-C", 4) as client:
            self.publish("a", "one")
            self.publish("a", "two")
            self.assertEqual(client.wait(), 0)  # mosquitto has sent either for each subscription
            self.assertEqual(sorted(client.printed()), ["one", "one", "two", "two"])

    def test_how_retained_messages_come(self):
        with lab.Broker():
            self.publish("old", "kept", "-r")
            with TapirSub("-t", "#", "--retain-handling", "never", "-C", 1) as client:
                self.publish("new", "fresh")
                self.assertEqual(client.wait(), 0)
                self.assertEqual(client.printed(), ["fresh"])
            for option, flag in (((), "0"), (("--retain-as-published",), "1")):
                with TapirSub("-t", "new", "-F", "%r", "-C", 1, *option) as client:
                    self.publish("new", "x", "-r")
                    self.assertEqual(client.wait(), 0)
                    self.assertEqual(client.printed(), [flag])
                self.ok(run("pub", "-t", "new", "-n", "-r"))

    def test_ctrl_c_ends_it_in_order(self):
        with lab.Broker() as broker, TapirSub("-t", "x", "-i", "leaver") as client:
            self.assertEqual(client.stop(signal.SIGINT), 0)
            broker.wait_for("DISCONNECT from leaver|Client leaver disconnected")

    def test_debug_shows_the_packets(self):
        with lab.Broker():
            done = run("sub", "-t", "x", "-E", "-d", "-i", "shown")
            for packet in ("sending CONNECT", "received CONNACK", "sending SUBSCRIBE", "received SUBACK", "sending DISCONNECT"):
                self.assertRegex(done.stderr, f"(?m)^tapir sub: Client shown {packet}")


class Properties(Case):
    """-D and the fields of -F against mosquitto's own."""
    FIELDS = "%C|%D|%E|%F|%P|%R"
    GIVEN = (("content-type", "text/plain"), ("correlation-data", "c 1"), ("message-expiry-interval", "600"), ("payload-format-indicator", "1"),
             ("user-property", "k", "v w"), ("user-property", "k", "2"), ("response-topic", "back"))
    SHOWN = "text/plain|c 1|600|1|k:v w k:2|back"

    @staticmethod
    def words(command, *lists):
        return [word for each in lists for word in ("-D", command, *each)]

    def test_mosquitto_sees_what_is_given(self):
        for stack in STACKS:
            with self.subTest(stack=stack), lab.Broker(), lab.Subscriber("x", "-V", "mqttv5", "-F", self.FIELDS) as subscriber:
                self.ok(run("pub", "-t", "x", "-m", "m", *self.words("publish", *self.GIVEN), stack=stack))
                subscriber.wait_for("^" + re.escape(self.SHOWN) + "$")

    def test_what_mosquitto_gives_is_seen(self):
        with lab.Broker(), TapirSub("-t", "x", "-t", "y", "-F", self.FIELDS, "-C", 2) as client:
            for topic, given in (("x", self.GIVEN), ("y", ())):
                subprocess.run(["mosquitto_pub", "-V", "mqttv5", "-h", lab.HOST, "-q", "1", "-t", topic, "-m", "m", *self.words("publish", *given)], check=True)
            self.assertEqual(client.wait(), 0)
            self.assertEqual(client.printed(), [self.SHOWN, "|||||"])

    def test_of_every_line_and_repetition(self):
        with lab.Broker(), lab.Subscriber("x", "-V", "mqttv5", "-F", "%p %C") as subscriber:
            self.ok(run("pub", "-t", "x", "-l", "-q", 1, *self.words("publish", ("content-type", "a")), stdin="1\n2\n"))
            self.ok(run("pub", "-t", "x", "-m", "3", "--repeat", 2, "-q", 1, *self.words("publish", ("content-type", "b"))))
            subscriber.wait_for("^3 b$", times=2)
            self.assertEqual([line for line in subscriber.output.splitlines() if re.match(r"\d \w$", line)], ["1 a", "2 a", "3 b", "3 b"])

    def test_a_topic_alias_that_the_broker_takes_and_one_that_it_does_not(self):
        with lab.Broker("max_topic_alias 5"), lab.Subscriber("x") as subscriber:
            self.ok(run("pub", "-t", "x", "-l", "-q", 1, *self.words("publish", ("topic-alias", "5")), stdin="1\n2\n"))
            subscriber.wait_for("^message x 2$")
            self.fails(run("pub", "-t", "x", "-m", "3", *self.words("publish", ("topic-alias", "6"))), 1, "invalid topic alias")

    def test_of_subscriptions(self):
        with lab.Broker(), TapirSub("-t", "x", "-F", "%S %p", "-C", 1, *self.words("subscribe", ("subscription-identifier", "77"))) as client:
            subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-t", "x", "-m", "m"], check=True)
            self.assertEqual(client.wait(), 0)
            self.assertEqual(client.printed(), ["77 m"])

    def test_of_the_will(self):
        with lab.Broker(), lab.Subscriber("last", "-V", "mqttv5", "-F", self.FIELDS) as subscriber:
            with TapirSub("-t", "x", "--will-topic", "last", "--will-payload", "words", *self.words("will", *self.GIVEN)) as client:
                client.stop(signal.SIGKILL)
            subscriber.wait_for("^" + re.escape(self.SHOWN) + "$")

    def test_a_session_that_disconnect_gives_up(self):
        with lab.Broker():
            session = ("sub", "-t", "s", "-c", "-i", "steady", "-q", 1)
            for more, outcome in ((self.words("disconnect", ("session-expiry-interval", "0")), 1), ((), 0)):
                self.ok(run(*session, "-E", *more))
                subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-q", "1", "-t", "s", "-m", "while away"], check=True)
                self.assertEqual(run(*session, "-C", 1, "-W", 1).returncode, outcome)


class Request(Case):
    def test_an_answer_comes_over_both_stacks(self):
        for stack in STACKS:
            for qos in (0, 1, 2):
                with self.subTest(stack=stack, qos=qos), lab.Broker(), TapirSub("-t", "ask", "-F", "%R|%D|%p", "-C", 1) as server:
                    words = [*stack, "rr", "-h", lab.HOST, "-t", "ask", "-e", "answer/1", "-m", "how warm?", "-q", qos, "-D", "publish", "correlation-data", "c1", "-W", 60]
                    with lab.Program(TOOL, *words) as client:
                        self.assertEqual(server.wait(), 0)
                        self.assertEqual(server.printed(), ["answer/1|c1|how warm?"])
                        subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-q", "1", "-t", "answer/1", "-m", "21.5"], check=True)
                        self.assertEqual(client.wait(), 0)
                        self.assertEqual(client.output, "21.5")

    def test_mosquitto_rr_asks_the_same(self):
        with lab.Broker(), TapirSub("-t", "ask", "-F", "%R|%p", "-C", 2) as server:
            with lab.Program("mosquitto_rr", "-h", lab.HOST, "-t", "ask", "-e", "back", "-m", "x", "-W", 60) as other:
                server.wait_for("^back.x$")
                subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-t", "back", "-m", "y"], check=True)
                self.assertEqual(other.wait(), 0)
            with lab.Program(TOOL, *HOST_STACK, "rr", "-h", lab.HOST, "-t", "ask", "-e", "back", "-m", "x", "-W", 60) as ours:
                server.wait_for("^back.x$", times=2)
                subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-t", "back", "-m", "y"], check=True)
                self.assertEqual(ours.wait(), 0)
                self.assertEqual(ours.output, other.output)

    def test_its_options(self):
        with lab.Broker(), tempfile.TemporaryDirectory() as folder:
            echo = ("rr", "-t", "e", "-e", "e", "-W", 60)  # its own answer
            self.ok(run(*echo, "-m", "x"), "x\n")
            self.ok(run(*echo, "-m", "x", "-v", "-N"), "e x")
            self.ok(run(*echo, "-s", "-F", "%p %R", stdin="input"), "input e\n")
            path = pathlib.Path(folder) / "message"
            path.write_text("file")
            self.ok(run(*echo, "-f", path, "-V", "mqttv311", "-q", 2, "-F", "%p|%R"), "file|\n")
            self.assertRegex(run(*echo, "-n", "--latency").stdout, r"^\nLatency: [\d.]+(s|ms|\u00b5s|ns|)\n$")
            self.assertEqual(json.loads(run(*echo, "-m", "x", "-F", "%j", "--pretty").stdout)["properties"], {"response-topic": "e"})
            self.ok(run("pub", "-t", "e", "-m", "stale", "-r", "-q", 1))
            self.ok(run(*echo, "-m", "fresh", "-R"), "fresh\n")
            self.fails(run("rr", "-t", "e", "-e", "nobody", "-m", "x", "-W", 1), 1, "^tapir rr: timed out after 1 s$")

    def test_a_request_that_the_broker_refuses(self):
        with tempfile.TemporaryDirectory() as folder:
            rules = pathlib.Path(folder) / "rules"
            rules.write_text("topic readwrite open\n")
            with lab.Broker(f"acl_file {rules}"):
                self.ok(run("rr", "-t", "open", "-e", "open", "-m", "x", "-q", 1, "-W", 60), "x\n")
                self.fails(run("rr", "-t", "shut", "-e", "open", "-m", "x", "-q", 1, "-W", 60), 3, "^tapir rr: the request was not delivered: not authorized$")
                for stack in STACKS:
                    for qos in (1, 2):
                        with self.subTest(stack=stack, qos=qos):
                            self.ok(run("pub", "-t", "open", "-m", "x", "-q", qos, stack=stack))
                            self.fails(run("pub", "-t", "shut", "-m", "x", "-q", qos, stack=stack), 3,
                                       "^tapir pub: the message was not delivered: not authorized$")


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
                      ("rr", "-t", "x", "-m", "x"), ("rr", "-e", "x", "-m", "x"), ("rr", "-t", "x", "-e", "y"), ("pub", "-t", "x", "-m", "x", "-A", "here")):
            with self.subTest(words):
                done = run(*words)
                self.fails(done, 2, "^tapir: .*--help\\)$")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
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
