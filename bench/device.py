#!/usr/bin/env python3
"""The benchmarks on a TAP device: tapir, the do-nothing peer and the kernel over veth, one after the other in each round. scripts/bench device calls it in
a namespace of its own.

usage: bench/device.py PROGRAMS ROUNDS SECONDS    prints JSON: for each row and peer what each round measured
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

PEER = "192.0.2.2"
VETH = "198.51.100.2"  # the kernel as the peer, in a namespace of its own


class Row:
    def __init__(self, name, mode, peers, options=(), same_core=False, spin=False):
        self.name, self.mode, self.peers, self.options, self.same_core, self.spin = name, mode, peers, options, same_core, spin


ROWS = (
    Row("bulk receive, super-segments", "bulk_receive", ("nothing", "tapir", "kernel")),
    Row("bulk send, super-segments", "bulk_send", ("nothing", "tapir", "kernel")),
    Row("bulk receive, 1514-byte frames", "bulk_receive", ("nothing", "tapir"), ("--plain",)),
    Row("bulk send, 1514-byte frames", "bulk_send", ("nothing", "tapir"), ("--plain",)),
    Row("1-byte request and response, one core", "request_response", ("nothing", "tapir", "kernel"), same_core=True),
    Row("1-byte request and response, both spin", "request_response", ("nothing", "tapir"), ("--spin",), spin=True),
    Row("connect, exchange, close, one core", "connect_close", ("nothing", "tapir", "kernel"), same_core=True),
    Row("connect, exchange, reset, one core", "connect_reset", ("nothing", "tapir", "kernel"), same_core=True),
)


def pinned(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


def measure(programs, row, peer, seconds):
    core = 1 if row.same_core else 0
    if peer == "kernel":
        command = pinned(core, "nsenter", f"--net=/proc/{other_namespace.pid}/ns/net", programs / "bench_load", "serve", VETH)
    else:
        program = programs / {"nothing": "bench_nothing", "tapir": "bench_peer"}[peer]
        command = pinned(core, program, "tap0", *row.options)
    serving = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        address = VETH if peer == "kernel" else PEER
        load = pinned(1, programs / "bench_load", row.mode, address, seconds, *(["--spin"] if row.spin else []))
        return float(subprocess.run(load, check=True, capture_output=True, text=True, timeout=60 + seconds).stdout)
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait()


def main():
    global other_namespace
    programs, rounds, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    other_namespace = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        here = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{other_namespace.pid}/ns/net") == here:
            time.sleep(0.01)
        inside = ["nsenter", f"--net=/proc/{other_namespace.pid}/ns/net"]
        for command in (
            ["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1", "netns", str(other_namespace.pid)],
            ["ip", "address", "add", "198.51.100.1/24", "dev", "veth0"],
            ["ip", "link", "set", "veth0", "up"],
            [*inside, "ip", "address", "add", f"{VETH}/24", "dev", "veth1"],
            [*inside, "ip", "link", "set", "veth1", "up"],
        ):
            subprocess.run(command, check=True)
        results = {row.name: {peer: [] for peer in row.peers} for row in ROWS}
        for number in range(rounds):
            for row in ROWS:
                for peer in row.peers:
                    results[row.name][peer].append(measure(programs, row, peer, seconds))
            print(f"bench: round {number + 1} of {rounds}", file=sys.stderr)
        json.dump(results, sys.stdout, indent=2)
    finally:
        other_namespace.kill()
        other_namespace.wait()


main()
