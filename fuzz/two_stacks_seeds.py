#!/usr/bin/env python3
"""Writes the seeds of the two-stack fuzzer to fuzz/corpus/two_stacks.

An input is [options of the client: 3][of the server: 3][of the cable: 2] and then events [what][a][b][c] (conversation.cpp).
"""
import pathlib
import struct

WRITE, _, READ, EAGER, FAULTS, _, DROP, CUT, CHANGE, _, SHUTDOWN, PASS = range(12)
LOSS, DUPLICATION, CORRUPTION, REORDERING, DELAY, JITTER, ALL, NONE = range(8)
NAGLE, CORK, PUSH, RECEIVE_BUFFER, SEND_BUFFER, SEGMENT, NOT_SENT, RECORD, QUICK_ACK, ALGORITHM, FRAGMENT = range(11)
SERVER = 0x80  # the event is the server's
LATER = 0x40  # time passes after the event: a * a ms


def options(client=(0, 0, 0), server=(0, 0, 0), delay=6, line=1):
    return bytes([*client, *server, delay, line])


def event(what, a=0, size=0):
    return struct.pack(">BBH", what, a, size)


def passing(milliseconds):
    return event(PASS, 0, milliseconds * 100)


def faults(kind, strength, direction=3):
    return event(FAULTS, direction, kind << 8 | strength)


START = passing(50) + event(EAGER | SERVER, 1) + event(EAGER, 1)

SEEDS = {
    "clean": options() + START + event(WRITE, 0, 60000) + event(WRITE | SERVER, 0, 60000) + passing(600),
    "loss": options() + START + faults(LOSS, 15) + event(WRITE, 0, 60000) + passing(600) + event(WRITE, 0, 60000) + passing(600),
    "loss_without_sack": options((4, 1, 0), (0, 0, 0)) + START + faults(LOSS, 15) + event(WRITE, 0, 60000) + passing(600),
    "loss_without_timestamps": options((1, 0, 0), (0, 0, 0)) + START + faults(LOSS, 60) + event(WRITE, 0, 60000) + passing(600),
    "loss_without_rack": options((0x20, 0, 0), (0, 0, 0)) + START + faults(LOSS, 30) + event(WRITE, 0, 60000) + passing(600),
    "all_faults": options((0, 4, 0), (0, 4, 0)) + START + faults(ALL, 60) + event(WRITE, 0, 60000) + event(WRITE | SERVER, 16, 60000) + passing(600),
    "handshake": options() + faults(LOSS, 150) + event(WRITE, 0, 100) + event(PASS | LATER, 120) + event(WRITE | SERVER, 0, 100),
    "closed_window": options((0, 0, 0), (0, 0, 3)) + passing(50) + event(WRITE, 0, 60000) + event(PASS | LATER, 100) + event(READ | SERVER, 0, 300)
    + event(DROP, 1, 2 << 8) + event(READ | SERVER, 1, 60000) + event(PASS | LATER, 100),
    "moody_buffers": options() + passing(50) + event(WRITE, 0, 60000) + event(CHANGE | SERVER, RECEIVE_BUFFER, 4) + event(READ | SERVER, 0, 60000)
    + event(CHANGE, SEND_BUFFER, 2) + event(WRITE, 0, 60000) + event(CHANGE | SERVER, RECEIVE_BUFFER, 15) + event(READ | SERVER, 0, 60000),
    "cut": options((0, 0, 0x10), (0, 0, 0)) + START + event(WRITE, 0, 60000) + event(CUT) + event(PASS | LATER, 200) + event(CUT) + passing(600),
    "tail": options() + START + event(WRITE, 0, 10000) + event(DROP, 0, 3 << 8) + event(SHUTDOWN) + passing(600) + event(SHUTDOWN | SERVER),
    "delay": options((0, 0, 0x10), (0, 0, 0)) + START + event(WRITE, 0, 60000) + faults(DELAY, 100) + event(PASS | LATER, 60) + faults(NONE, 0),
    "bbr": options((0, 2, 0), (0, 2, 0), 10, 2) + START + event(WRITE, 0, 60000) + faults(LOSS, 9) + event(PASS | LATER, 90) + event(WRITE, 0, 60000),
    "cork": options() + START + event(CHANGE, CORK, 1) + event(WRITE, 0, 100) + passing(100) + event(WRITE, 16, 5000) + event(CHANGE, PUSH) + event(CHANGE, RECORD)
    + event(WRITE, 32, 5000) + event(CHANGE, CORK, 0),
    "urgent": options() + passing(50) + event(WRITE, 48, 500) + event(WRITE, 0, 5000) + event(WRITE, 48, 1) + event(READ | SERVER, 0, 60000),
    "segments": options((0, 0, 0), (0, 0, 0), 6, 0x10) + START + event(CHANGE, SEGMENT, 1) + event(WRITE, 0, 20000) + passing(100) + event(CHANGE, SEGMENT, 0)
    + event(WRITE, 0, 20000) + faults(LOSS, 60) + passing(600),
    "little_memory": options((0, 0, 0), (0, 0, 0x80)) + passing(50) + faults(LOSS, 60) + event(WRITE, 0, 60000) + passing(600) + event(READ | SERVER, 0, 3000) + passing(600),
    "marks": options((0, 0x10, 0), (0, 0x10, 0)) + START + event(WRITE, 0, 60000) + faults(LOSS, 15) + passing(600),
}


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "two_stacks"
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (folder / name).write_bytes(seed)
    print(f"{len(SEEDS)} seeds in {folder}")


if __name__ == "__main__":
    main()
