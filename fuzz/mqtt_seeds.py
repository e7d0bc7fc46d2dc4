#!/usr/bin/env python3
"""Writes the seeds of the MQTT fuzzers that come from byte sequences: those of tests/unit/mqtt/sequences_test.cpp to fuzz/corpus/mqtt_session, a file
for each test and version, and to fuzz/corpus/mqtt_codec, there only what a client goes on after.

usage: mqtt_seeds.py [CHECKOUT FOLDER]     with a checkout of the Mosquitto project: the sequences of its msg_sequence_test.py, each in a file of its
own, to FOLDER/mqtt_session and FOLDER/mqtt_codec, for a run of the fuzzers: they are not ours to keep
"""
import json
import pathlib
import re
import struct
import sys

RECONNECT, GO_ON = 31, 0  # what mqtt_session.cpp does with the first byte of an event
ALL_AT_ONCE = b"\0"  # what mqtt_codec.cpp does with the first byte of an input
# The session of mqtt_session.cpp has named an authentication method in 5.0.
ACCEPTED = {5: bytes.fromhex("200a0000071500016d210014"), 4: bytes.fromhex("20020000"), 3: bytes.fromhex("20020000")}


def event(action, data):
    """Events of mqtt_session.cpp: it takes at most 255 bytes in one."""
    pieces = [data[at:at + 255] for at in range(0, len(data), 255)] or [b""]
    return b"".join(bytes([action if number == 0 else GO_ON, len(piece)]) + piece for number, piece in enumerate(pieces))


def connection(version, received, accept):
    return event(RECONNECT, ACCEPTED[version] if accept else b"") + event(GO_ON, received)


def own_sequences(source):
    """Name of the test, version, whether the answer to CONNECT comes first, what is received, and whether the client goes on."""
    for test in re.split(r"\nTEST_CASE\(", source.read_text())[1:]:
        name = re.match(r'"sequences: ([^"]*)"', test)[1].replace(" ", "_").replace(",", "").replace("'", "")
        for block in re.split(r"\n  for \(", test)[1:]:
            for received, _, after in re.findall(r'\{"([0-9a-f ]*)", "([0-9a-f ]*)", (kOn|kEnd)\}', block):
                version = 4 if "v3_1_1" in block else 5
                yield name, version, name != "the_answer_to_CONNECT", bytes.fromhex(received), after == "kOn"


def write_own(root):
    sessions, streams = {}, {}
    for name, version, accept, received, goes_on in own_sequences(root / "tests/unit/mqtt/sequences_test.cpp"):
        key = f"sequences_{name}_{version}"
        sessions[key] = sessions.get(key, b"") + connection(version, received, accept)
        if goes_on:
            streams[key] = streams.get(key, ALL_AT_ONCE) + received
    for target, seeds in (("mqtt_session", sessions), ("mqtt_codec", streams)):
        for key, seed in seeds.items():
            (root / "fuzz/corpus" / target / key).write_bytes(seed)


def variable(number):
    """A variable byte integer, also longer than the standard has them."""
    digits = bytearray()
    while True:
        digits.append(number % 128 | (0x80 if number >= 128 else 0))
        number //= 128
        if number == 0:
            return bytes(digits)


def bytes_of(text):
    """The suite's notation: hexadecimal digits, decimal numbers behind a letter for their size, text in quotes."""
    data = b""
    for quoted, word in re.findall(r"'([^']*)'|(\S+)", text):
        if not word:
            data += quoted.encode()
        elif word[0] in "HkmsLivr":
            number = int(word[1:])
            data += variable(number) if word[0] in "vr" else struct.pack({"i": ">B", "L": ">I"}.get(word[0], ">H"), number)
        else:
            data += bytes.fromhex(word)
    return data


def write_mosquitto(checkout, folder):
    count = 0
    for file in sorted((checkout / "test/lib/data").glob("*.json")):
        for group in json.loads(file.read_text()):
            if group.get("disable"):
                continue
            for test in group["tests"]:
                merged = {**group, **test}
                version = merged.get("ver", 4)
                messages = group.get("group_msgs", []) + test["msgs"]
                received = b"".join(bytes_of(message["payload"]) for message in messages if message["type"] == "send")
                for target, seed in (("mqtt_session", connection(version, received, merged.get("connack", True))),
                                     ("mqtt_codec", ALL_AT_ONCE + received)):
                    (folder / target).mkdir(parents=True, exist_ok=True)
                    (folder / target / f"{count}").write_bytes(seed)
                count += 1
    print(f"{count} sequences")


def main():
    if len(sys.argv) == 1:
        return write_own(pathlib.Path(__file__).resolve().parent.parent)
    return write_mosquitto(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
