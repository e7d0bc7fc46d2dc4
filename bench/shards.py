#!/usr/bin/env python3
"""One stack beside several shards of a host, each on a thread (bench/tap/shards.cpp), alternately in each round. scripts/bench shards calls it in a
namespace of its own.

usage: bench/shards.py PROGRAMS ROUNDS SECONDS    prints a table: the sum over all clients, medians
"""
import pathlib
import signal
import statistics
import subprocess
import sys
import time

STACK = "192.0.2.2"
COUNTS = (1, 2)
ROWS = (("request_response", 1), ("request_response", 8), ("bulk_receive", 1), ("bulk_receive", 4))


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def measure(programs, count, mode, clients, seconds):
    serving = subprocess.Popen([programs / "bench_shards", "tap0", str(count)])
    try:
        time.sleep(0.3)
        loads = [subprocess.Popen([programs / "bench_load", mode, STACK, str(seconds)], stdout=subprocess.PIPE, text=True) for _ in range(clients)]
        return sum(float(load.communicate(timeout=20 + seconds)[0]) for load in loads)
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait()


def main():
    programs, rounds, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    ip("tuntap", "add", "dev", "tap0", "mode", "tap", "multi_queue")
    ip("address", "add", "192.0.2.1/24", "dev", "tap0")
    ip("link", "set", "tap0", "up", "txqueuelen", "10000")
    print("| what | one stack | two shards | ratio |\n|---|--:|--:|--:|", flush=True)
    for mode, clients in ROWS:
        values = {count: [] for count in COUNTS}
        for _ in range(rounds):
            for count, seen in values.items():
                seen.append(measure(programs, count, mode, clients, seconds))
        one, two = (statistics.median(values[count]) for count in COUNTS)
        unit, scale = ("Gbit/s", 1e9) if mode.startswith("bulk") else ("k/s", 1e3)
        print(f"| {mode.replace('_', ' ')}, {clients} clients | {one / scale:.1f} {unit} | {two / scale:.1f} {unit} | {two / one:.2f} |", flush=True)


main()
