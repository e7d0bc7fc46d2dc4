"""Messages come from a real mosquitto to a subscriber on our stack, at each quality of service, also over a restart of the broker."""
import pathlib
import signal
import subprocess
import tempfile
import unittest

import lab

lab.require("mosquitto", "mosquitto_pub")


def publish(texts, qos):
    subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-t", "room/set", "-q", str(qos), "-l"], input="".join(f"{text}\n" for text in texts),
                   text=True, check=True, timeout=lab.SECONDS)


def subscriber(topic_filter, qos, count):
    return lab.Program(lab.helpers() / "subscriber", topic_filter, qos, count)


class Subscriber(unittest.TestCase):
    def test_every_message_arrives_once_and_in_order(self):
        texts = [f"heat {number}" for number in range(50)]
        for qos in (0, 1, 2):
            with self.subTest(qos=qos), lab.Broker(), subscriber("room/+", qos, len(texts)) as device:
                device.wait_for(f"^subscribed {qos}$")
                publish(texts, qos)
                self.assertEqual(device.wait(), 0, device.output)
                messages = [line for line in device.lines if line.startswith("message ")]
                self.assertEqual(messages, [f"message {qos} room/set {text}" for text in texts])

    def test_a_broker_that_is_killed_loses_nothing(self):
        """Messages are on their way, unacknowledged, when the broker is killed (SIGKILL). It comes back with what it had saved, and sends
        them again: QoS 1 at least once, QoS 2 exactly once, although the device had them already."""
        for qos in (1, 2):
            with self.subTest(qos=qos), tempfile.TemporaryDirectory() as folder:
                options = ("persistence true", f"persistence_location {folder}/")
                database = pathlib.Path(folder) / "mosquitto.db"
                with lab.Broker(*options) as broker, subscriber("room/set", qos, 1000) as device:
                    device.wait_for(f"^subscribed {qos}$")
                    publish(["a", "b", "c"], qos)
                    broker.wait_for("Received PUB(ACK|COMP) from subscriber", times=3)
                    device.process.send_signal(signal.SIGSTOP)
                    publish(["under-way-d", "under-way-e", "under-way-f"], qos)
                    broker.wait_for("Sending PUBLISH to subscriber", times=6)
                    broker.process.send_signal(signal.SIGUSR1)  # mosquitto saves what it knows
                    lab.until(lambda: database.exists() and b"under-way-f" in database.read_bytes(), "mosquitto saved the messages")
                    broker.process.kill()
                    broker.wait()
                    device.process.send_signal(signal.SIGCONT)
                    device.wait_for("^disconnected")
                    with lab.Broker(*options) as broker:
                        broker.wait_for("Received PUB(ACK|COMP) from subscriber", times=3)
                        publish(["last"], qos)
                        device.wait_for("^message .* last$")
                        device.stop()
                texts = [line.split()[-1] for line in device.lines if line.startswith("message ")]
                expected = ["a", "b", "c", "under-way-d", "under-way-e", "under-way-f", "last"]
                self.assertEqual(texts if qos == 2 else sorted(set(texts)), expected if qos == 2 else sorted(expected))

    def test_what_was_published_before_the_device_came_back(self):
        """The broker stops in order (SIGTERM); the device connects again by itself, and its session brings what it missed."""
        for qos in (1, 2):
            with self.subTest(qos=qos), tempfile.TemporaryDirectory() as folder:
                options = ("persistence true", f"persistence_location {folder}/", "autosave_on_changes true", "autosave_interval 1")
                with lab.Broker(*options) as broker, subscriber("room/set", qos, 6) as device:
                    device.wait_for(f"^subscribed {qos}$")
                    publish(["a", "b", "c"], qos)
                    device.wait_for("^message ", times=3)
                    broker.wait_for("Received PUB(ACK|COMP) from subscriber", times=3)
                    broker.stop()  # by SIGTERM: it saves its sessions
                    device.wait_for("^disconnected")
                    with lab.Broker(*options):
                        publish(["d", "e", "f"], qos)
                        self.assertEqual(device.wait(60), 0, device.output)
                texts = [line.split()[-1] for line in device.lines if line.startswith("message ")]
                self.assertEqual(texts, ["a", "b", "c", "d", "e", "f"])


if __name__ == "__main__":
    lab.main()
