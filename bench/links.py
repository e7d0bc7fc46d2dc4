#!/usr/bin/env python3
"""Raw frames by TAP, AF_PACKET and AF_XDP, one way after the other in each round (bench/tap/links.cpp). scripts/bench links calls it in a namespace of its own.

usage: bench/links.py PROGRAMS ROUNDS SECONDS    prints a table: medians in thousands a second, and of each its ratio to TAP's; "-": refused by the system
"""
import pathlib
import statistics
import subprocess
import sys
import time

KINDS = ("tap", "packet", "packet-mmsg", "packet-ring2", "packet-ring3", "xdp-generic", "xdp-native")
ROWS = [(mode, size) for mode in ("receive", "send") for size in (64, 256, 1514)] + [("echo", 64), ("echo-spin", 64)]
KERNEL, OURS = "198.51.100.1", "198.51.100.2"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_devices():
    ip("tuntap", "add", "tap0", "mode", "tap")
    ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    for device in ("tap0", "veth0", "veth1"):
        ip("link", "set", device, "up")


def give_address(device):
    """To the kernel's end of what is measured next."""
    for each in ("tap0", "veth1"):
        ip("address", "flush", "dev", each)
    ip("address", "add", f"{KERNEL}/24", "dev", device)
    ip("neighbour", "replace", OURS, "lladdr", "02:00:00:00:00:02", "dev", device)


def measure(program, kind, mode, size, seconds):
    ours, kernels = ("tap0", "tap0") if kind == "tap" else ("veth0", "veth1")
    give_address(kernels)
    for _ in range(5):
        run = subprocess.run([program, kind, ours, kernels, mode, str(size), str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10 + seconds)
        if run.returncode == 0:
            return float(run.stdout)
        if "busy" not in run.stderr:
            break
        time.sleep(0.1)  # the kernel takes an XDP socket off its queue some time after its program has ended
    return None


def main():
    program, rounds, seconds = pathlib.Path(sys.argv[1]) / "bench_links", int(sys.argv[2]), float(sys.argv[3])
    make_devices()
    print(f"| thousands a second | {' | '.join(KINDS)} |\n|---|{'--:|' * len(KINDS)}", flush=True)
    for mode, size in ROWS:
        values = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind, seen in values.items():
                value = measure(program, kind, mode, size, seconds)
                if value is not None:
                    seen.append(value)
        medians = {kind: statistics.median(seen) if seen else None for kind, seen in values.items()}
        cells = ["-" if value is None else f"{value / 1000:.0f} ({value / medians['tap']:.2f})" for value in medians.values()]
        print(f"| {mode}, {size} bytes | {' | '.join(cells)} |", flush=True)


main()
