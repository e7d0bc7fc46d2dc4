#!/usr/bin/env python3
"""The benchmarks on a TAP device: tapir, the do-nothing peer, lwIP and the kernel over veth, one after the other in each round. scripts/bench device calls it
in a namespace of its own.

usage: bench/device.py PROGRAMS ROUNDS SECONDS [PROFILED]    PROFILED: the folder with tapir's peer as scripts/profile builds it. Prints JSON: for each row and peer what each round measured, and what tapir counted meanwhile
"""
import array
import ctypes
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

PEER = "192.0.2.2"
# The kernel as the peer, in a namespace of its own: device, our address, its address.
VETH = ("veth0", "198.51.100.1", "198.51.100.2")
PLAIN_VETH = ("veth2", "203.0.113.1", "203.0.113.2")  # without offload

SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO = 0x17, 0x1F, 0x24  # linux/ethtool.h


class Row:
    def __init__(self, name, mode, peers, options=(), same_core=False, tapir_mode=None):
        self.name, self.mode, self.peers, self.options, self.same_core = name, mode, peers, options, same_core
        self.tapir_mode = tapir_mode or mode
        self.spin, self.plain = "--spin" in options, "--plain" in options


TAPIR = ("tapir", "profiled")
EVERYBODY = ("nothing", "kernel", "lwip", *TAPIR)
WITHOUT_LWIP = ("nothing", "kernel", *TAPIR)
# lwIP has no super-segments: what it does in single frames is the best that it does.
ROWS = (
    Row("bulk receive, super-segments", "bulk_receive", WITHOUT_LWIP),
    Row("bulk receive, super-segments, as slices", "bulk_receive", WITHOUT_LWIP, tapir_mode="bulk_receive_slices"),
    Row("bulk send, super-segments", "bulk_send", WITHOUT_LWIP),
    Row("bulk receive, 1514-byte frames", "bulk_receive", EVERYBODY, ("--plain",)),
    Row("bulk send, 1514-byte frames", "bulk_send", EVERYBODY, ("--plain",)),
    Row("1-byte request and response, one core", "request_response", EVERYBODY, same_core=True),
    Row("1-byte request and response, both spin", "request_response", EVERYBODY, ("--spin",)),
    Row("connect, exchange, close, one core", "connect_close", EVERYBODY, same_core=True),
    Row("connect, exchange, reset, one core", "connect_reset", EVERYBODY, same_core=True),
)


def pinned(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


def inside(process, *command):
    return ["nsenter", f"--net=/proc/{process.pid}/ns/net", *map(str, command)]


class Measured:
    def __init__(self, value, counted):
        self.value = value      # what the load saw: bits or exchanges a second
        self.counted = counted  # what the peer counted by itself, where it does


def measure(programs, profiled, row, peer, seconds, other_namespace):
    address, server_core = PEER, 1 if row.same_core else 0
    if peer == "kernel":
        address = (PLAIN_VETH if row.plain else VETH)[2]
        command = pinned(server_core, *inside(other_namespace, programs / "bench_load", "serve", address, *(["--spin"] if row.spin else [])))
    else:
        program = {"nothing": programs / "bench_nothing", "lwip": programs / "bench_lwip", "tapir": programs / "bench_peer", "profiled": profiled / "bench_peer"}
        command = pinned(server_core, program[peer], "tap0", *row.options)
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        mode = row.tapir_mode if peer in TAPIR else row.mode
        load = pinned(1, programs / "bench_load", mode, address, seconds, *(["--spin"] if row.spin else []))
        value = float(subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True, timeout=10 + seconds).stdout)
    except subprocess.TimeoutExpired:
        value = None
    finally:
        serving.send_signal(signal.SIGTERM)
        report, _ = serving.communicate()
    if value is None:
        return None
    return Measured(value, {name: int(count) for name, count in (line.split() for line in report.splitlines() if " " in line)})


# --- the namespace ---

def leave_out_offload(device):
    """The kernel computes checksums and cuts segments itself, as it must for a TAP device without IFF_VNET_HDR."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = array.array("B", struct.pack("16sP16x", device.encode(), ctypes.addressof(value)))
            fcntl.ioctl(control, SIOCETHTOOL, request)


def connect_namespaces(other):
    for number, (device, ours, theirs) in enumerate((VETH, PLAIN_VETH)):
        far = f"veth{2 * number + 1}"
        for command in (
            ["ip", "link", "add", device, "type", "veth", "peer", "name", far],
            ["ip", "link", "set", far, "netns", str(other.pid)],
            ["ip", "address", "add", f"{ours}/24", "dev", device],
            ["ip", "link", "set", device, "up"],
            inside(other, "ip", "address", "add", f"{theirs}/24", "dev", far),
            inside(other, "ip", "link", "set", far, "up"),
        ):
            subprocess.run(command, check=True)
    leave_out_offload(PLAIN_VETH[0])
    # The far end goes the same way: a device's settings are asked for in its own namespace.
    subprocess.run(inside(other, sys.executable, __file__, "--leave-out-offload", "veth3"), check=True)


def forget_old_connections():
    """Linux closes first, and keeps each of its ports for a minute: a few seconds of short connections would use them up, and what is measured then is the
    search for a free one."""
    pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("16")


def lengthen_queue():
    """The do-nothing peers ask for nothing again: a frame that the device drops while they wait for a processor would end the measurement."""
    subprocess.run(["ip", "link", "set", "tap0", "txqueuelen", "10000"], check=True)


def main():
    if sys.argv[1:2] == ["--leave-out-offload"]:
        return leave_out_offload(sys.argv[2])
    programs, rounds, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    profiled = pathlib.Path(sys.argv[4] if len(sys.argv) > 4 else "")
    other_namespace = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        here = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{other_namespace.pid}/ns/net") == here:
            time.sleep(0.01)
        connect_namespaces(other_namespace)
        forget_old_connections()
        lengthen_queue()
        optional = {"lwip": programs / "bench_lwip", "profiled": profiled / "bench_peer"}
        there = {peer for peer in EVERYBODY if peer not in optional or optional[peer].exists()}
        results = {row.name: {peer: {"values": [], "counted": []} for peer in row.peers if peer in there} for row in ROWS}
        for number in range(rounds):
            for row in ROWS:
                for peer, kept in results[row.name].items():
                    measured = measure(programs, profiled, row, peer, seconds, other_namespace)
                    if measured is None:
                        print(f"bench: {row.name}, {peer}: it stalled, once more", file=sys.stderr, flush=True)
                        measured = measure(programs, profiled, row, peer, seconds, other_namespace)
                    if measured is None:
                        sys.exit(f"bench: {row.name}, {peer}: it stalled twice")
                    kept["values"].append(measured.value)
                    kept["counted"].append(measured.counted)
            print(f"bench: on the device: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        json.dump(results, sys.stdout)
    finally:
        other_namespace.kill()
        other_namespace.wait()


main()
