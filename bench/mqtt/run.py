#!/usr/bin/env python3
"""MQTT beside libmosquitto and Paho's C client: publishing to a mosquitto of its own, in alternating rounds; then the codec's speed and the memory of an idle
session. tapir publishes over its own TCP/IP on a TAP device, where there is one, and over a socket of the kernel's; the others over theirs, by the loopback.
scripts/bench mqtt calls it.

usage: bench/mqtt/run.py
"""
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "build/release/bench/mqtt"
# By name: the program, and what follows its other arguments.
TAP = {"tapir on TAP": ("tapir", "tap0")}
SOCKETS = {"tapir, kernel's socket": ("tapir",), "libmosquitto": ("libmosquitto",), "paho": ("paho",)}
MEASURES = ("tapir, kernel's socket", "libmosquitto")  # what the others are compared with
MESSAGES = {0: 500_000, 1: 150_000, 2: 75_000}         # a second or three each
ROUNDS = 5
CONFIGURATION = "allow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type error\nuser root\n"
CLIENT_CORE, BROKER_CORE = 0, 1
CANNOT_HERE = 77  # netlab's


def build():
    """The clients that can be built here."""
    subprocess.run(["cmake", "--preset", "release", "-DTAPIR_BENCH=ON"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = subprocess.run(["ninja", "-C", ROOT / "build/release", "-t", "targets", "all"], check=True, capture_output=True, text=True).stdout
    clients = [client for client, (program, *_) in SOCKETS.items() if f"bench_mqtt_publish_{program}: phony" in targets]
    programs = [f"bench_mqtt_publish_{SOCKETS[client][0]}" for client in clients]
    subprocess.run([ROOT / "scripts/build", "release", "bench_mqtt_codec", "bench_mqtt_idle_session", *programs], check=True)
    return clients


def pinned(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


class Broker:
    def __init__(self, addresses):
        self.addresses = addresses

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        file = pathlib.Path(self.folder.name) / "mosquitto.conf"
        file.write_text("".join(f"listener {self.port} {address}\n" for address in self.addresses) + CONFIGURATION)
        said = pathlib.Path(self.folder.name) / "said"
        self.process = subprocess.Popen(pinned(BROKER_CORE, "mosquitto", "-c", file), stderr=said.open("w"))
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                time.sleep(0.05)
        sys.exit(f"bench: mosquitto does not listen: {said.read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def publish(clients, addresses=("127.0.0.1",)):
    results = {qos: {client: [] for client in clients} for qos in MESSAGES}
    with Broker(addresses) as broker:
        for _ in range(ROUNDS):
            for qos, count in MESSAGES.items():
                for client in clients:
                    program, *more = (TAP | SOCKETS)[client]
                    command = pinned(CLIENT_CORE, PROGRAMS / f"bench_mqtt_publish_{program}", broker.port, qos, count, *more)
                    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
                    if run.returncode != 0:
                        sys.exit(f"bench: {client} at QoS {qos} failed: {run.stderr}")
                    results[qos][client].append(tuple(map(float, run.stdout.split())))
    return results


def table(results):
    """Messages a second and processor time a message: medians, how far the rounds spread, and what they are of others'."""
    measures = [measure for measure in MEASURES if measure in results[0]]
    of = "".join(f" of {measure} |" for measure in measures)
    lines = [f"| 64 bytes to mosquitto | client | messages/s | spread |{of} processor time a message |{of}", "|---|---|--:|--:|" + "--:|" * (2 * len(measures) + 1)]
    for qos, clients in results.items():
        speeds = {client: [speed for speed, _ in values] for client, values in clients.items()}
        middle = {client: (statistics.median(speeds[client]), statistics.median(time for _, time in values)) for client, values in clients.items()}
        for client, (speed, time_each) in middle.items():
            spread = f"{min(speeds[client]) / speed:.2f} - {max(speeds[client]) / speed:.2f}"
            speed_of, time_of = ("".join(f" {middle[client][which] / middle[measure][which]:.2f} |" for measure in measures) for which in (0, 1))
            lines.append(f"| QoS {qos} | {client} | {speed / 1e3:.1f} k | {spread} |{speed_of} {time_each:.2f} µs |{time_of}")
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:2] == ["--on-tap"]:
        return print(table(publish([*TAP, *sys.argv[2:]], ("127.0.0.1", "192.0.2.1"))), flush=True)
    if sys.argv[1:]:
        print(__doc__)
        sys.exit(0 if sys.argv[1] in ("-h", "--help") else 2)
    clients = build()
    on_tap = subprocess.run([ROOT / "scripts/netlab", sys.executable, __file__, "--on-tap", *clients]).returncode
    if on_tap == CANNOT_HERE:
        print(table(publish(clients)), flush=True)
    elif on_tap != 0:
        sys.exit(on_tap)
    subprocess.run([PROGRAMS / "bench_mqtt_codec", "--benchmark_counters_tabular=true"], check=True)
    subprocess.run([PROGRAMS / "bench_mqtt_idle_session"], check=True)


main()
