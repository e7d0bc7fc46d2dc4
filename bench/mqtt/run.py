#!/usr/bin/env python3
"""MQTT beside libmosquitto and Paho's C client: publishing to a mosquitto of its own over the loopback, in alternating rounds; then the codec's speed
and the memory of an idle session. scripts/bench mqtt calls it.

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
PEERS = ("tapir", "libmosquitto", "paho")
MESSAGES = {0: 200_000, 1: 50_000, 2: 25_000}  # a second or two each
ROUNDS = 5
CONFIGURATION = "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type error\n"


def build():
    subprocess.run(["cmake", "--preset", "release", "-DTAPIR_BENCH=ON"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = subprocess.run(["ninja", "-C", ROOT / "build/release", "-t", "targets", "all"], check=True, capture_output=True, text=True).stdout
    peers = [peer for peer in PEERS if f"bench_mqtt_publish_{peer}: phony" in targets]
    subprocess.run([ROOT / "scripts/build", "release", "bench_mqtt_codec", "bench_mqtt_idle_session", *(f"bench_mqtt_publish_{peer}" for peer in peers)], check=True)
    return peers


class Broker:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        file = pathlib.Path(self.folder.name) / "mosquitto.conf"
        file.write_text(CONFIGURATION.format(port=self.port))
        self.process = subprocess.Popen(["mosquitto", "-c", file])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                time.sleep(0.05)
        sys.exit("bench: mosquitto does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def publish(peers):
    results = {qos: {peer: [] for peer in peers} for qos in MESSAGES}
    with Broker() as broker:
        for _ in range(ROUNDS):
            for qos, count in MESSAGES.items():
                for peer in peers:
                    run = subprocess.run([PROGRAMS / f"bench_mqtt_publish_{peer}", str(broker.port), str(qos), str(count)],
                                         capture_output=True, text=True, timeout=300)
                    if run.returncode != 0:
                        sys.exit(f"bench: {peer} at QoS {qos} failed: {run.stderr}")
                    results[qos][peer].append(tuple(map(float, run.stdout.split())))
    return results


def table(results):
    """Messages a second and processor time a message: medians, how far the rounds spread, and what they are of libmosquitto's."""
    lines = ["| 64 bytes to mosquitto | client | messages/s | spread | of libmosquitto | processor time a message | of libmosquitto |",
             "|---|---|--:|--:|--:|--:|--:|"]
    for qos, peers in results.items():
        speeds = {peer: [speed for speed, _ in values] for peer, values in peers.items()}
        middle = {peer: (statistics.median(speeds[peer]), statistics.median(time for _, time in values)) for peer, values in peers.items()}
        for peer, (speed, time_each) in middle.items():
            spread = f"{min(speeds[peer]) / speed:.2f} - {max(speeds[peer]) / speed:.2f}"
            ratios = [f"{ours / theirs:.2f}" for ours, theirs in zip((speed, time_each), middle["libmosquitto"])] if "libmosquitto" in peers else ["-", "-"]
            lines.append(f"| QoS {qos} | {peer} | {speed / 1e3:.1f} k | {spread} | {ratios[0]} | {time_each:.2f} µs | {ratios[1]} |")
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:]:
        print(__doc__)
        sys.exit(0 if sys.argv[1] in ("-h", "--help") else 2)
    peers = build()
    print(table(publish(peers)), flush=True)
    subprocess.run([PROGRAMS / "bench_mqtt_codec", "--benchmark_counters_tabular=true"], check=True)
    subprocess.run([PROGRAMS / "bench_mqtt_idle_session"], check=True)


main()
