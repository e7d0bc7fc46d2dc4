"""What tools/tapir does with messages at a real mosquitto, over our own stack on the TAP device and over the kernel's.

The third argument is the program.
"""
import json
import pathlib
import re
import signal
import subprocess
import tempfile

import lab
from tool_lab import HOST_STACK, OWN_STACK, STACKS, TOOL, Case, TapirSub, run

lab.require("mosquitto", "mosquitto_sub", "mosquitto_pub", "mosquitto_rr")


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

    def keep(self, stack, qos, *texts):
        """The first words of a command on a session in which these messages wait."""
        session = ("-t", "s", "-c", "-i", "steady", "-q", qos)
        self.ok(run("sub", *session, "-E", stack=stack), "")
        for text in texts:
            self.publish("s", text, "-q", str(qos))
        return ("sub", *session, "-W", 20)

    def test_messages_behind_the_last_one_stay_with_the_broker(self):
        for stack in STACKS:
            for qos in (1, 2):
                for version in ("mqttv311", "mqttv5"):
                    with self.subTest(stack=stack, qos=qos, version=version), lab.Broker("max_inflight_messages 10") as broker:
                        words = (*self.keep(stack, qos, "m1", "m2", "m3", "m4"), "-V", version)
                        self.ok(run(*words, "-C", 1, stack=stack), "m1\n")
                        self.ok(run(*words, "-C", 2, stack=stack), "m2\nm3\n")
                        self.ok(run(*words, "-C", 1, stack=stack), "m4\n")
                        done = ("Received PUBCOMP from steady" if qos == 2 else "Received PUBACK from steady")
                        self.assertEqual(broker.output.count(done), 4)

    def test_a_message_that_cannot_be_printed_stays_with_the_broker(self):
        for stack in STACKS:
            for qos in (1, 2):
                with self.subTest(stack=stack, qos=qos), lab.Broker(), open("/dev/full", "w") as full:
                    words = self.keep(stack, qos, "m1", "m2")
                    line = [str(word) for word in (TOOL, *stack, words[0], "-h", lab.HOST, *words[1:])]
                    done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, timeout=lab.SECONDS)
                    self.assertEqual((done.returncode, done.stderr), (1, "tapir sub: cannot write to standard output\n"))
                    self.ok(run(*words, "-C", 2, stack=stack), "m1\nm2\n")

    def test_the_message_that_ends_retained_only_stays_with_the_broker(self):
        for stack in STACKS:
            with self.subTest(stack=stack), lab.Broker():
                words = self.keep(stack, 1, "m1", "m2")
                self.ok(run(*words, "--retained-only", stack=stack), "")
                self.ok(run(*words, "-C", 2, stack=stack), "m1\nm2\n")

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

    def test_a_message_without_payload_is_printed_as_mosquitto_does(self):
        def mosquitto_sub(*options):
            words = ("mosquitto_sub", "-h", lab.HOST, "-t", "s", "-c", "-i", "other", "-q", 1, *options)
            return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=lab.SECONDS).stdout

        for options in ((), ("-v",), ("-v", "-N"), ("-F", "%t|%p|")):
            with self.subTest(options), lab.Broker():
                mosquitto_sub("-E")
                words = self.keep(HOST_STACK, 1, "", "y")
                self.ok(run(*words, "-C", 2, *options), mosquitto_sub("-C", 2, *options))

    def test_ctrl_c_ends_it_in_order(self):
        with lab.Broker() as broker, TapirSub("-t", "x", "-i", "leaver") as client:
            self.assertEqual(client.stop(signal.SIGINT), 0)
            broker.wait_for("DISCONNECT from leaver|Client leaver disconnected")

    def shown(self, output):
        """The packets that -d shows. The identifiers of requests, of QoS 0 and of concurrent messages are each program's own affair."""
        return [re.sub(r"(PUBLISH .*q0, r\d, )m\d+", r"\1", line) for line in re.findall(r"(?m)Client shown (.*)$", output)]

    def test_debug_shows_the_packets_as_mosquitto_does(self):
        for version in ("mqttv311", "mqttv5"):
            for qos in (0, 1, 2):
                with self.subTest(version=version, qos=qos), lab.Broker():
                    words = ("-t", "a/b", "-m", "hello", "-r", "-q", qos, "-V", version, "-d", "-i", "shown")
                    ours = run("pub", *words)
                    other = subprocess.run([str(word) for word in ("mosquitto_pub", "-h", lab.HOST, *words)], capture_output=True, text=True)
                    self.assertEqual(self.shown(ours.stderr), self.shown(other.stdout))
                    self.assertIn(f"(d0, q{qos}, r1, ", ours.stderr)
                    self.assertIn(", 'a/b', ... (5 bytes))", ours.stderr)
                    words = ("-t", "a/b", "-q", 2, "-C", 1, "-V", version, "-d", "-i", "shown", "-U", "gone", "--retain-as-published")
                    if version == "mqttv311":
                        words = words[:-1]
                    ours = run("sub", *words)
                    other = subprocess.run([str(word) for word in ("mosquitto_sub", "-h", lab.HOST, *words)], capture_output=True, text=True)
                    number = re.compile(r"(SUBSCRIBE \()Mid: \d+")  # which request is the first
                    ours, other = ([number.sub(r"\1", line) for line in self.shown(text)] for text in (ours.stderr, other.stdout))
                    # mosquitto unsubscribes last, and no one waits for UNSUBACK.
                    self.assertEqual(*(sorted(set(lines) - {"received UNSUBACK"}) for lines in (ours, other)))

    def test_debug_shows_packets_when_all_else_is_quiet(self):
        with lab.Broker():
            words = ("-t", "a/b", "-m", "hello", "-d", "--quiet", "-i", "shown")
            other = subprocess.run(["mosquitto_pub", "-h", lab.HOST, *words, "-V", "mqttv5"], capture_output=True, text=True)
            self.assertEqual(self.shown(run("pub", *words).stderr), self.shown(other.stdout))

    def test_debug_names_the_client_as_the_broker_does(self):
        with lab.Broker("auto_id_prefix broker-"):
            self.assertRegex(run("pub", "-t", "x", "-m", "y", "-d").stderr, r"(?s)Client \(null\) sending CONNECT\n.*Client broker-\S+ received CONNACK")
            self.assertIn("Client (null) received CONNACK", run("pub", "-t", "x", "-m", "y", "-d", "-V", "311").stderr)  # which does not say

    def test_debug_shows_signs_of_life(self):
        with lab.Broker(), TapirSub("-t", "x", "-k", 1, "-i", "shown") as client:
            client.wait_for("^tapir sub: Client shown sending PINGREQ$")
            client.wait_for("^tapir sub: Client shown received PINGRESP$")


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
            self.assertRegex(run(*echo, "-n", "--latency").stdout, r"^Latency: [\d.]+(s|ms|\u00b5s|ns|)\n$")
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


if __name__ == "__main__":
    lab.main()
