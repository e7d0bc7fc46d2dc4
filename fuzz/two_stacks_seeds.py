#!/usr/bin/env python3
"""Writes the seeds of the two-stack fuzzer to fuzz/corpus/two_stacks.

An input is [options of the client: 3][of the server: 3][of the cable: 2][more of the client: 3][of the server: 3][of the opening: 1][of the path: 1]
(conversation_options.cpp) and then events [what][a][b][c] (conversation.cpp).
"""
import pathlib
import struct

WRITE, _, READ, EAGER, FAULTS, _, DROP, CUT, CHANGE, _, SHUTDOWN, PASS, LIMIT = range(13)
LOSS, DUPLICATION, CORRUPTION, REORDERING, DELAY, JITTER, ALL, NONE = range(8)
NAGLE, CORK, PUSH, RECEIVE_BUFFER, SEND_BUFFER, SEGMENT, NOT_SENT, RECORD, QUICK_ACK, ALGORITHM, FRAGMENT = range(11)
KEEPALIVE, PROBING, USER_TIMEOUT, USER_TIMEOUT_OPTION, CLAMP, PACE = range(6)
MINSHALL, GRADUAL_WINDOW, CHUNKS, SEGMENT_CUBIC, UTO, ALIVE, GRADUAL_ECN, KEEP_UNREAD = (1 << i for i in range(8))  # first byte of what an end has more
PROBE_LATE, PROBE_ALWAYS, FROM_CWND, NO_IDLE_RESTART, PROBE_WITHOUT_DATA, BURST, NO_PMTUD, NO_NAGLE = 1, 2, 4, 8, 16, 32, 64, 128  # second
SHORT, LONGER, IW1, NO_QUICK, BURST1, SLOW, NOT_SENT_LOW, REORDERING1 = 1, 2, 4, 8, 16, 32, 64, 128  # third
COOKIE_FIRST, WITHOUT_COOKIE, SERVER_WITHOUT = 1, 2, 3  # of the opening: Fast Open
SYN_COOKIES, NO_SYN_COOKIES = 4, 8
DEFER = 16  # * 1 to 3
HOLE = 1  # * 1 to 3
SERVER = 0x80  # the event is the server's
LATER = 0x40  # time passes after the event: a * a ms


def options(client=(0, 0, 0), server=(0, 0, 0), delay=6, line=1, more=(0, 0, 0), more_of_server=None, opening=0, path=0):
    return bytes([*client, *server, delay, line, *more, *(more if more_of_server is None else more_of_server), opening, path])


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
    "fast_open": options(opening=COOKIE_FIRST) + event(WRITE, 0, 900) + START + event(WRITE | SERVER, 0, 60000) + passing(600),
    "fast_open_of_a_server_without": options(opening=SERVER_WITHOUT) + event(WRITE, 0, 900) + START + event(WRITE | SERVER, 0, 6000) + passing(600),
    "fast_open_without_cookie_lost": options(opening=WITHOUT_COOKIE) + event(DROP, 0, 1 << 8) + event(WRITE, 0, 900) + event(DROP, 1, 2 << 8) + START
    + event(WRITE | SERVER, 0, 60000) + event(PASS | LATER, 90) + event(SHUTDOWN),
    "fast_open_repeated": options(opening=WITHOUT_COOKIE) + faults(DUPLICATION, 200) + event(WRITE, 0, 5000) + START + event(WRITE | SERVER, 0, 9000) + passing(600),
    "cookies": options(opening=SYN_COOKIES) + START + event(WRITE, 0, 60000) + event(WRITE | SERVER, 0, 60000) + passing(600),
    "cookies_lossy": options((0, 16, 0), (0, 16, 0), opening=SYN_COOKIES) + event(DROP, 0, 1 << 8) + event(DROP, 1, 1 << 8) + faults(LOSS, 60) + START
    + event(WRITE, 0, 60000) + event(PASS | LATER, 100) + event(WRITE | SERVER, 0, 60000) + passing(600),
    "cookie_without_timestamps": options((1, 0, 0), (0, 0, 0), opening=SYN_COOKIES) + event(WRITE, 0, 3000) + faults(LOSS, 90) + START + event(PASS | LATER, 100)
    + event(WRITE | SERVER, 0, 60000) + passing(600),
    "cookie_too_old": options(opening=SYN_COOKIES) + event(PASS, 0, 150) + event(CUT) + event(PASS | LATER, 255) * 4 + event(CUT) + event(WRITE, 0, 900) + passing(600),
    "no_cookies_deferred": options(opening=NO_SYN_COOKIES | 2 * DEFER) + START + event(PASS | LATER, 60) + event(WRITE, 0, 9000) + event(WRITE | SERVER, 0, 9000) + passing(600),
    "deferred_for_ever": options(opening=DEFER) + START + event(PASS | LATER, 200) + event(WRITE | SERVER, 0, 9000) + passing(600),
    "kept_alive": options(more=(ALIVE, 0, 0)) + START + event(WRITE, 0, 9000) + event(PASS | LATER, 255) * 3 + event(WRITE, 0, 9000) + passing(600),
    "kept_alive_in_vain": options(more=(ALIVE, 0, 0)) + START + event(WRITE, 0, 9000) + passing(600) + event(CUT) + event(PASS | LATER, 255) * 4 + event(CUT)
    + event(WRITE | SERVER, 0, 100) + passing(600),
    "given_up": options(more=(0, 0, SHORT), more_of_server=(0, 0, 0)) + START + event(WRITE, 0, 9000) + event(CUT) + event(PASS | LATER, 255) * 3 + event(CUT)
    + event(WRITE | SERVER, 0, 100) + passing(600),
    "told_patience": options(more=(UTO, 0, SHORT), more_of_server=(UTO, 0, LONGER)) + START + event(WRITE, 0, 9000) + passing(600) + event(CUT) + event(WRITE, 0, 100)
    + event(PASS | LATER, 255) * 3 + event(LIMIT, USER_TIMEOUT_OPTION, 9) + event(CUT) + event(WRITE | SERVER, 0, 100) + passing(600),
    "minshall": options(more=(MINSHALL | CHUNKS, 0, 0)) + START + (event(WRITE, 0, 100) + event(WRITE, 0, 1700) + event(PASS | LATER, 2)) * 6 + passing(600),
    "gradual_window": options(more=(GRADUAL_WINDOW, 0, 0)) + START + event(WRITE, 0, 60000) + passing(600) + faults(LOSS, 30) + event(WRITE | SERVER, 0, 60000) + passing(600),
    "chunks": options((0, 0, 4), (0, 0, 0), more=(CHUNKS, NO_NAGLE, 0)) + START + (event(WRITE, 16, 700) + event(WRITE, 0, 3000)) * 4 + faults(LOSS, 30) + passing(600)
    + event(WRITE, 32, 30000) + event(CHANGE, RECORD) + event(WRITE, 0, 50) + passing(600),
    "whole_segments": options((0, 0x10, 0), (0, 0x10, 0), more=(SEGMENT_CUBIC | GRADUAL_ECN, FROM_CWND, SLOW)) + START + event(WRITE, 0, 60000) + faults(LOSS, 15)
    + event(WRITE, 0, 60000) + event(PASS | LATER, 100) + event(WRITE, 0, 60000) + passing(600),
    "path_found": options(more=(0, PROBE_ALWAYS, 0)) + START + event(WRITE, 0, 60000) + passing(600) + faults(LOSS, 15) + event(WRITE, 0, 60000) + passing(600),
    "path_with_a_hole": options(more=(0, PROBE_ALWAYS, 0), path=HOLE) + START + event(WRITE, 0, 60000) + passing(600) + event(WRITE | SERVER, 0, 60000) + passing(600),
    "hole_found_late": options((0, 0, 0x10), (0, 0, 0x10), more=(0, PROBE_LATE, 0), path=2 * HOLE) + START + event(WRITE, 0, 60000) + event(PASS | LATER, 200) + passing(600),
    "narrow_hole": options((0, 0, 0), (0, 0, 0), more=(0, PROBE_ALWAYS, 0), path=3 * HOLE) + START + event(WRITE, 0, 60000) + event(PASS | LATER, 200) + passing(600),
    "hole_for_a_while": options(line=0x31, path=3 * HOLE) + START + event(WRITE, 0, 60000) + event(PASS | LATER, 100) + event(LIMIT, PROBING, 2) + event(PASS | LATER, 100),
    "small_starts": options((0, 8, 0), (0, 8, 0), more=(KEEP_UNREAD, BURST | NO_IDLE_RESTART | PROBE_WITHOUT_DATA, IW1 | NO_QUICK | BURST1 | NOT_SENT_LOW | REORDERING1)) + START
    + event(WRITE, 0, 60000) + event(PASS | LATER, 100) + event(WRITE, 0, 60000) + faults(REORDERING, 60) + passing(600),
    "limits": options(more=(UTO, NO_PMTUD, 0)) + START + event(LIMIT | SERVER, CLAMP, 3) + event(LIMIT, PACE, 31) + event(WRITE, 0, 20000) + passing(600)
    + event(LIMIT, KEEPALIVE, 1) + event(LIMIT, USER_TIMEOUT, 1) + event(LIMIT | SERVER, USER_TIMEOUT_OPTION, 13) + event(LIMIT | SERVER, CLAMP, 0) + event(WRITE, 0, 20000) + passing(600),
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
