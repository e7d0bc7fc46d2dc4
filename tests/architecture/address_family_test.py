#!/usr/bin/env python3
"""The transports know no address family (docs/architecture.md): they name endpoints by IpAddress and ask the network layer for the rest.

usage: address_family_test.py SOURCE_DIRECTORY
"""
import pathlib
import re
import sys

LAYERS = ("tcp", "udp", "mqtt")
FAMILY = re.compile(r"\bIpv4(?:Address|Prefix)\b|\.v4\(\)|\bsockaddr_in\b|\btapir/ipv4/")
COMMENT = re.compile(r"//.*")


def violations(text):
    return [line.strip() for line in text.splitlines() if FAMILY.search(COMMENT.sub("", line))]


def self_test():
    assert violations("BigEndian<Ipv4Address> local;") == ["BigEndian<Ipv4Address> local;"]
    assert violations("hash(address.v4().value());") == ["hash(address.v4().value());"]
    assert violations("#include <tapir/ipv4/ipv4.hpp>") == ["#include <tapir/ipv4/ipv4.hpp>"]
    assert violations("hash(address.octets());  // not Ipv4Address") == []


def main():
    self_test()
    root = pathlib.Path(sys.argv[1])
    failed = False
    checked = 0
    for base in (root / "include" / "tapir", root / "src"):
        for layer in LAYERS:
            for path in sorted((base / layer).glob("*.[hc]pp")):
                checked += 1
                for line in violations(path.read_text()):
                    print(f"{path.relative_to(root)}: {line}")
                    failed = True
    if checked < 50:
        print(f"only {checked} files seen")
        failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
