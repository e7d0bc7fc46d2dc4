"""examples/device_publisher and a real mosquitto: every reading arrives, at each quality of service, also when the broker dies in between."""
import json
import pathlib
import signal
import tempfile
import unittest

import lab

lab.require("mosquitto", "mosquitto_sub")
TOPIC = "room/temperature"


def publisher(*options, broker=lab.HOST):
    return lab.Program(lab.programs() / "device_publisher", "--tap", "tap0", "--address", f"{lab.STACK}/24", "--broker", broker,
                       "--topic", TOPIC, *options)


def published(output):
    """The readings that the publisher says it sent, by number."""
    readings = {}
    for line in output.splitlines():
        if line.startswith("reading ") and ": {" in line:
            head, text = line.split(": ", 1)
            readings[int(head.split()[1].split("/")[0])] = text
    return readings


class Publisher(unittest.TestCase):
    def test_every_reading_arrives_once_and_in_order(self):
        for qos in (0, 1, 2):
            with self.subTest(qos=qos), lab.Broker(), lab.Subscriber(TOPIC, qos=qos) as subscriber:
                with publisher("--count", 20, "--interval", 0.01, "--qos", qos) as device:
                    self.assertEqual(device.wait(), 0, device.output)
                    sent = published(device.output)
                    self.assertEqual(sorted(sent), list(range(1, 21)))
                    subscriber.wait_for("^message ", times=20)
                self.assertEqual(subscriber.messages(), [sent[number] for number in sorted(sent)])
                self.assertEqual([json.loads(text)["sequence"] for text in subscriber.messages()], list(range(1, 21)))

    def test_as_fast_as_the_broker_takes_them(self):
        """More readings at once than wait in any queue: the sensor waits for room."""
        for qos in (0, 1):
            with self.subTest(qos=qos), lab.Broker(), publisher("--count", 3000, "--interval", 0, "--qos", qos) as device:
                self.assertEqual(device.wait(), 0, device.output[-1000:])
                self.assertEqual(sum(line.startswith("reading 3000/3000 acknowledged") for line in device.lines), 1)
                self.assertEqual([line for line in device.lines if line.startswith("device_publisher")], [])

    def test_a_reading_is_json_for_every_client_id(self):
        for client_id in ('a "b" \\ c', "Fühler 1"):
            with self.subTest(client_id), lab.Broker(), lab.Subscriber(TOPIC) as subscriber:
                with publisher("--count", 1, "--client-id", client_id) as device:
                    self.assertEqual(device.wait(), 0, device.output)
                    subscriber.wait_for("^message ")
                self.assertEqual([json.loads(text)["sensor"] for text in subscriber.messages()], [client_id])

    def test_a_broker_on_another_port(self):
        with lab.Broker(f"listener 2883 {lab.HOST}"):
            with publisher("--count", 1, broker=f"{lab.HOST}:2883") as device:
                self.assertEqual(device.wait(), 0, device.output)

    def test_the_story_of_the_first_reading_has_every_layer(self):
        with lab.Broker(), publisher("--count", 1, "--verbose") as device:
            self.assertEqual(device.wait(), 0, device.output)
            for layer in ("mqtt", "tcp", "ipv4", "arp", "ethernet"):
                for direction in ("down", "up"):
                    self.assertRegex(device.output, rf"(?m)^\s+[\d.]+ {direction}\s+{layer}\s")

    def test_ctrl_c_ends_it(self):
        with lab.Broker(), publisher("--count", 1000, "--interval", 0.1) as device:
            device.wait_for("acknowledged", times=2)
            self.assertEqual(device.stop(signal.SIGINT), 130, device.output)


class BrokerRestart(unittest.TestCase):
    """mosquitto is killed (SIGKILL) in mid-session, stays away while readings go on, and comes back with the subscriptions that it had saved."""

    def broker(self, folder):
        return lab.Broker("persistence true", f"persistence_location {folder}/", "autosave_on_changes true", "autosave_interval 1")

    def test_no_reading_is_lost(self):
        for qos in (1, 2):
            with self.subTest(qos=qos), tempfile.TemporaryDirectory() as folder:
                self.run_through_a_restart(qos, folder)

    def run_through_a_restart(self, qos, folder):
        database = pathlib.Path(folder) / "mosquitto.db"
        count = 30
        with (self.broker(folder) as broker, lab.Subscriber(TOPIC, "-c", "-i", "steady", qos=qos) as subscriber,
              publisher("--count", count, "--interval", 0.1, "--qos", qos) as device):
            device.wait_for("acknowledged", times=3)
            subscriber.wait_for("^message ", times=3)
            lab.until(lambda: database.exists() and b"steady" in database.read_bytes(), "mosquitto saved the subscription")
            broker.process.kill()
            broker.wait()
            away = len(published(device.output))
            device.wait_for(r"^reading \d+/\d+: ", times=min(away + 5, count))
            with self.broker(folder):
                self.assertEqual(device.wait(60), 0, device.output)
                lab.until(lambda: len(set(subscriber.messages())) >= count, "all readings arrive", seconds=60)
        sent = published(device.output)
        self.assertEqual(sorted(set(subscriber.messages())), sorted(sent.values()))
        if qos == 2:
            self.assertEqual(len(subscriber.messages()), count, "exactly once")


if __name__ == "__main__":
    lab.main()
