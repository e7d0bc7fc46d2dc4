#!/usr/bin/env python3
"""Writes the seeds of the whole-stack fuzzer to fuzz/corpus/stack: conversations that a fuzzer alone would take long to find.

An event is [kind][delay][length: 2][bytes] (stack.cpp); what the bytes mean for each kind stands in harness.hpp.
"""
import pathlib
import struct

FRAME, ARP, DATAGRAM, ICMP, UDP, TCP, ERROR, CALL, SEGMENT, SOCKET = range(10)
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
SEND, SEND_URGENT, READ, SHUTDOWN, CLOSE, ABORT, KEEPALIVE, BUFFER = range(8)
STREAM, DGRAM, RAW = range(3)
OWN, PEER = bytes([192, 0, 2, 2]), bytes([192, 0, 2, 1])
ALL_OPTIONS = bytes.fromhex("020405b4 0402 080a 00000001 00000000 01 030307")


def event(kind, data, delay=1):
    return struct.pack(">BBH", kind, delay, len(data)) + data


def segment(which, flags, text=b"", seq=0, ack=0, window=65535, options=b"", delay=1):
    return event(SEGMENT, struct.pack(">BBhhHB", which, flags, seq, ack, window, len(options) // 4) + options + text, delay)


def error(which, kind, code, seq=0, rest=0, delay=1):
    return event(ERROR, struct.pack(">BBBhI", which, kind, code, seq, rest), delay)


def call(which, what, size=0, delay=1):
    return event(CALL, struct.pack(">BBH", which, what, size), delay)


def sock(which, descriptor, number=0, flags=0, data=b"", delay=1):
    """A socket call (socket_calls.cpp): its number there, the descriptor, and what the arguments are made of."""
    return event(SOCKET, struct.pack(">BBHH", which, descriptor, number, flags) + data, delay)


def address(where, port):
    """0 the peer, 1 this host, 2 the loopback, 3 any; the ports are numbered as in socket_calls.cpp: 0 is none, 1 is 7, 4 is 81."""
    return bytes([0, where * 8 + port])


def socket_server(descriptor=0):
    return sock(0, descriptor, STREAM) + sock(2, descriptor, data=address(3, 4)) + sock(4, descriptor, 8)


def syn(port, source=5000, options=ALL_OPTIONS, seq=0xFFFFFFF0):
    return event(TCP, struct.pack(">HHIIBBHHH", source, port, seq, 0, (20 + len(options)) // 4 << 4, SYN, 65535, 0, 0) + options)


def opened(port=7):
    """The peer's call to this port is answered and established: it is connection 0, application handle 1 (0 is the stack's own call)."""
    return syn(port) + segment(0, ACK)


def fragments(protocol, data, sizes, order, identification=7):
    pieces, at = [], 0
    for size in sizes:
        more = at + size < len(data)
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data[at : at + size]), identification, at // 8 | more << 13, 64, protocol, 0)
        pieces.append(event(DATAGRAM, header + PEER + OWN + data[at : at + size]))
        at += size
    return b"".join(pieces[i] for i in order)


def checksummed_syn():
    header = struct.pack(">HHIIBBHHH", 6000, 7, 1, 0, 0x60, SYN, 1000, 0, 0) + bytes.fromhex("020405b4")
    words = struct.unpack(">18H", PEER + OWN + struct.pack(">HH", 6, len(header)) + header)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return header[:16] + struct.pack(">H", ~total & 0xFFFF) + header[18:]


DATAGRAM_TO_UDP = struct.pack(">HHHH", 4000, 7, 8 + 64, 0) + b"u" * 64

SEEDS = {
    "echo": opened() + segment(0, ACK | PSH, b"hello") + segment(0, ACK) + segment(0, FIN | ACK, b"bye") + segment(0, ACK),
    "called": segment(0, SYN | ACK, options=ALL_OPTIONS) + segment(0, ACK, b"welcome") + call(0, SHUTDOWN) + segment(0, ACK)
    + segment(0, FIN | ACK) + segment(0, FIN | ACK, seq=-1),
    "refused": segment(0, RST | ACK),
    "simultaneous_open": segment(0, SYN, options=ALL_OPTIONS) + segment(0, SYN | ACK, seq=-1) + segment(0, ACK, b"both"),
    "simultaneous_close": opened() + segment(0, ACK) + call(1, SHUTDOWN) + segment(0, FIN | ACK, ack=-1) + segment(0, ACK),
    "lost_segments": opened(9) + segment(0, ACK) + call(1, SEND, 20000) + segment(0, ACK, ack=-14600) * 4 + segment(0, ACK, ack=-9000)
    + segment(0, ACK, delay=40),
    "sacked": opened(9) + segment(0, ACK) + call(1, SEND, 8000)
    + segment(0, ACK, ack=-7300, options=bytes.fromhex("0101050a 00000001 00000500")) * 4 + segment(0, ACK, delay=20),
    "timeouts": opened(9) + segment(0, ACK) + call(1, SEND, 3000) + segment(0, ACK, ack=-1460, delay=100) + segment(0, ACK, delay=200),
    "out_of_order": opened() + segment(0, ACK, b"third", seq=20) + segment(0, ACK, b"second....", seq=10) + segment(0, ACK, b"overlap.....", seq=5)
    + segment(0, FIN | ACK, b"", seq=25) + segment(0, ACK, b"first" * 4),
    "closed_window": opened(9) + segment(0, ACK, window=0) + call(1, SEND, 5000) + segment(0, ACK, window=0, ack=-1, delay=50)
    + segment(0, ACK, window=3000, delay=50) + segment(0, ACK, window=200, delay=50),
    "full_buffer": opened(9) + call(1, BUFFER, 2000) + segment(0, ACK, b"x" * 1460) * 2 + segment(0, ACK, b"probe") + call(1, READ) + call(1, READ)
    + segment(0, ACK, b"more"),
    "urgent": opened(9) + segment(0, ACK | URG, b"urgent" * 5) + call(1, SEND_URGENT, 50) + call(1, READ),
    "keepalive": opened() + call(1, KEEPALIVE, 1) + segment(0, ACK, delay=60) + segment(0, ACK, delay=60),
    "unread_close": opened(9) + segment(0, ACK, b"unread") + call(1, CLOSE) + segment(0, ACK, b"late"),
    "abort": opened() + segment(0, ACK) + call(1, SEND, 100) + call(1, ABORT) + call(0, ABORT),
    "blind_attacks": opened() + segment(0, RST, seq=10) + segment(0, RST, seq=-1) + segment(0, SYN, seq=10) + segment(0, ACK, ack=30000)
    + segment(0, ACK, ack=-30000) + segment(0, RST),
    "time_wait": opened() + segment(0, ACK) + call(1, SHUTDOWN) + segment(0, FIN | ACK) + segment(0, FIN | ACK, seq=-1, delay=100)
    + segment(0, RST) + syn(7, seq=0x10000) + segment(0, ACK) + segment(0, ACK, b"again"),
    "reset_half_open": syn(7) + segment(0, RST) + syn(7) + segment(0, SYN, seq=100) + syn(9) + error(0, 3, 3, seq=0),
    "errors": opened() + call(1, SEND, 4000) + error(0, 3, 4, rest=600) + error(0, 3, 1) + error(0, 11, 0) + error(0, 12, 0, rest=0x09000000)
    + error(0, 4, 0) + error(0, 3, 4, rest=68, seq=200) + segment(0, ACK, delay=30) + error(1, 3, 3),
    "udp_fragments": fragments(17, DATAGRAM_TO_UDP, [24, 24, 24], [2, 0, 1]),
    "overlapping_fragments": fragments(17, DATAGRAM_TO_UDP, [24, 24, 24], [0, 2]) + fragments(17, DATAGRAM_TO_UDP, [40, 32], [1, 0]),
    "unfinished_fragments": fragments(17, DATAGRAM_TO_UDP, [24, 48], [0]) + event(ICMP, bytes.fromhex("08000000 12340001") + b"ping", 180),
    "tcp_fragments": fragments(6, checksummed_syn(), [8, 16], [1, 0]) + segment(0, ACK, b"whole"),
    "ping": event(ICMP, bytes.fromhex("08000000 12340001") + b"abcdefgh") + event(ICMP, bytes.fromhex("0d000000 12340001") + bytes(12)),
    "arp": event(ARP, bytes.fromhex("0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202"))
    + event(ARP, bytes.fromhex("0001 0800 06 04 0002 020000000009 c0000202 020000000002 c0000202")),
    "udp": event(UDP, struct.pack(">HHHH", 4000, 7, 12, 0) + b"echo") + event(UDP, struct.pack(">HHHH", 4000, 99, 12, 0) + b"none"),
    "socket_server": socket_server() + syn(81) + segment(0, ACK) + sock(5, 0, 128, 0) + segment(0, ACK, b"request") + sock(10, 1, 100)
    + sock(6, 1, 3000, data=b"answer") + segment(0, ACK) + sock(18, 1, 1) + segment(0, FIN | ACK) + sock(10, 1, 100) + sock(17, 1) + sock(17, 0),
    "socket_client": sock(0, 0, STREAM) + sock(3, 0, data=address(0, 3)) + segment(0, SYN | ACK, options=ALL_OPTIONS) + sock(6, 0, 500)
    + segment(0, ACK, b"x" * 300) + sock(12, 0, 200, 2) + sock(14, 0, 13, 0, struct.pack("=ii", 1, 0)) + sock(17, 0),
    "socket_loopback": socket_server() + sock(0, 1, STREAM) + sock(3, 1, data=address(2, 4)) + sock(5, 0, 128, 0) + sock(6, 1, 5000) + sock(10, 2, 9000)
    + sock(6, 2, 50000) + sock(10, 1, 60000, 2) + sock(10, 1, 60000) + sock(17, 2) + sock(10, 1, 10) + sock(6, 1, 10),
    "socket_datagrams": sock(0, 0, DGRAM) + sock(2, 0, data=address(3, 6)) + sock(0, 1, DGRAM) + sock(7, 1, 100, data=address(2, 6)) + sock(11, 0, 50, 0x20)
    + sock(7, 1, 100, data=address(0, 4)) + sock(14, 1, 11, 1, struct.pack("=i", 1)) + sock(13, 1, 100, 0x2000) + sock(3, 1, data=bytes([8, 0])),
    "socket_raw": sock(0, 0, RAW) + sock(7, 0, 16, data=address(2, 0)) + sock(11, 0, 100) + sock(9, 0, 8, 0x100, address(1, 0)),
    "socket_epoll": socket_server() + sock(22, 1) + sock(22, 1, 0x2019, 0x8000, bytes([1, 0])) + syn(81) + segment(0, ACK) + sock(23, 1, 50, 5)
    + sock(5, 0, 0, 0) + sock(22, 1, 0x2015, 0, bytes([1, 2])) + segment(0, ACK, b"data") + sock(23, 1, 50, 5) + sock(21, 0, 10, 0x1F) + sock(17, 2) + sock(17, 1),
    "socket_options": socket_server() + b"".join(sock(14, 0, n, level, struct.pack("=i", 1)) for level in (0, 1, 2) for n in (1, 4, 7, 9, 10, 15, 23))
    + b"".join(sock(16, 0, n, 2, bytes(200)) for n in (2, 11, 13, 16, 26, 33)),
    "socket_urgent": socket_server() + syn(81) + segment(0, ACK) + sock(5, 0, 0, 0) + segment(0, ACK | URG, b"urgent") + sock(10, 1, 1, 1) + sock(19, 1, 4)
    + sock(10, 1, 100) + sock(6, 1, 10, 1) + sock(14, 1, 13, 0, struct.pack("=ii", 1, 0)) + sock(17, 1),
    "frame": event(FRAME, bytes.fromhex("ffffffffffff 020000000001 8100 0005 0806 0001080006040001020000000001c0000201000000000000c0000202")),
}


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "stack"
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (folder / name).write_bytes(seed)
    print(f"{len(SEEDS)} seeds in {folder}")


if __name__ == "__main__":
    main()
