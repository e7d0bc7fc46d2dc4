#!/usr/bin/env python3
"""Arrows of #include point down: a layer includes the layers below it, never one above, and no private header of another layer.

usage: include_order_test.py SOURCE_DIRECTORY
"""
import pathlib
import re
import sys

# What each layer may include besides itself and core (docs/architecture.md shows the picture).
BELOW = {
    "core": set(),
    "network": set(),
    "link": set(),
    "ethernet": {"link"},
    "arp": {"ethernet"},
    "ipv4": {"network", "arp", "ethernet", "link"},
    "icmp": {"network"},
    "udp": {"network"},
    "tcp": {"network"},
    "runtime": {"link"},
    "sim": {"link", "runtime", "ethernet"},
    "stack": {"network", "link", "ethernet", "arp", "ipv4", "icmp", "udp", "tcp", "runtime"},
    "socket": {"network", "ipv4", "icmp", "udp", "tcp", "runtime", "stack"},
    "mqtt": {"network", "tcp", "stack", "runtime"},
    "tls": {"mqtt"},
    "websocket": {"mqtt"},
    "asio": {"tcp", "udp", "stack", "runtime", "sim", "mqtt"},
}
PUBLIC = re.compile(r'#include <tapir/(?:(\w+)/)?[\w/]+\.hpp>')
PRIVATE = re.compile(r'#include "([^"]+)"')


def violations(layer, text):
    found = []
    for line in text.splitlines():
        public = PUBLIC.match(line.strip())
        if public:
            target = public.group(1)
            if target is None or (target not in ("core", layer) and target not in BELOW[layer]):
                found.append(line.strip())
        private = PRIVATE.match(line.strip())
        if private and "/" in private.group(1):
            found.append(line.strip())
    return found


def self_test():
    assert violations("ethernet", "#include <tapir/link/link.hpp>\n#include <tapir/core/packet.hpp>\n#include \"fcs.hpp\"") == []
    assert violations("ethernet", "#include <tapir/tcp/tcp.hpp>") == ["#include <tapir/tcp/tcp.hpp>"]
    assert violations("tcp", "#include <tapir/ipv4/ipv4.hpp>") == ["#include <tapir/ipv4/ipv4.hpp>"]
    assert violations("tcp", "#include \"../udp/header.hpp\"") == ["#include \"../udp/header.hpp\""]
    assert violations("mqtt", "#include <tapir/tapir.hpp>") == ["#include <tapir/tapir.hpp>"]
    assert violations("asio", "#include <tapir/asio/detail/operation.hpp>") == []
    assert violations("tcp", "#include <tapir/asio/detail/operation.hpp>") == ["#include <tapir/asio/detail/operation.hpp>"]


def main():
    self_test()
    root = pathlib.Path(sys.argv[1])
    failed = False
    checked = 0
    for base in (root / "include" / "tapir", root / "src"):
        for path in sorted(base.glob("*/**/*.[hc]pp")):
            layer = path.relative_to(base).parts[0]
            if layer not in BELOW:
                print(f"{path}: a layer this test does not know")
                failed = True
                continue
            checked += 1
            for line in violations(layer, path.read_text()):
                print(f"{path.relative_to(root)}: {line}")
                failed = True
    print(f"{checked} files read")
    return 1 if failed or checked < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
