#!/usr/bin/env python3
"""Writes the seeds of the TLS fuzzer to fuzz/corpus/tls: conversations of every identity and version. The events' numbers stand in tls.cpp."""
import pathlib

PASS, PASS_ALL, BYTES, RECORD, FLIP, DROP, REPEAT, PEER_SAYS, PEER, END, ROOM, SAY, CLIENT, RESET, HOLD, ACKNOWLEDGE = range(16)
PEER_CLOSES, UPDATE_KEY, TICKET, RENEGOTIATE = range(4)
CLOSE, ABORT, OPEN = range(3)
IDENTITIES = ("right", "wrong_name", "wrong_authority", "right_key", "wrong_key")
HANDSHAKE = ((PASS_ALL, 0),) * 3
CONVERSATIONS = {
    "whole": HANDSHAKE + ((SAY, 9), (PEER_SAYS, 9), (PASS_ALL, 0), (PEER, PEER_CLOSES), (PASS_ALL, 0), (CLIENT, CLOSE), (END, 0)),
    "cut": ((PASS, 5), (PASS, 1), (PASS, 90)) * 12 + ((PEER_SAYS, 40), (PASS, 3), (PASS, 255), (PASS_ALL, 0)),
    "long": HANDSHAKE + ((SAY, 255), (PEER_SAYS, 255), (PASS_ALL, 0), (SAY, 255), (ACKNOWLEDGE, 0)),
    "narrow": ((ROOM, 1), (ROOM, 2), (ROOM, 4)) * 2 + HANDSHAKE + ((ROOM, 1), (SAY, 50), (ROOM, 1), (ROOM, 50), (HOLD, 1), (SAY, 9), (HOLD, 0)),
    "new_keys": HANDSHAKE + ((PEER, UPDATE_KEY), (PASS_ALL, 0), (SAY, 3), (PEER, TICKET), (PEER_SAYS, 3), (PASS_ALL, 0)),
    "renegotiated": HANDSHAKE + ((PEER, RENEGOTIATE), (PASS_ALL, 0), (SAY, 3)),
    "resumed": HANDSHAKE + ((PEER_SAYS, 1), (PASS_ALL, 0), (CLIENT, CLOSE), (END, 0), (CLIENT, OPEN)) + HANDSHAKE + ((SAY, 2),),
    "aborted": HANDSHAKE + ((PEER_SAYS, 1), (PASS_ALL, 0), (CLIENT, ABORT), (CLIENT, OPEN)) + HANDSHAKE + ((SAY, 2),),
    "changed_in_handshake": ((FLIP, 70, 1), (PASS_ALL, 0)),
    "changed_later": HANDSHAKE + ((PEER_SAYS, 9), (FLIP, 20, 1), (PASS_ALL, 0)),
    "dropped": HANDSHAKE + ((PEER_SAYS, 9), (DROP, 255), (PEER_SAYS, 9), (PASS_ALL, 0)),
    "repeated": HANDSHAKE + ((PEER_SAYS, 3), (REPEAT, 31), (PASS_ALL, 0)),
    "made_up": HANDSHAKE + ((RECORD, 2, 21, 1, 0), (BYTES, 5, 23, 3, 3, 0, 0)),
    "alert_in_handshake": ((RECORD, 2, 21, 2, 40),),
    "truncated": HANDSHAKE + ((PEER_SAYS, 9), (PASS, 20), (END, 0)),
    "ended_in_handshake": ((PASS, 90), (END, 0)),
    "broken_below": HANDSHAKE + ((SAY, 3), (RESET, 0), (CLIENT, OPEN)) + HANDSHAKE,
    "closed_in_handshake": ((PASS, 90), (CLIENT, CLOSE), (PASS_ALL, 0), (END, 0)),
}


def main():
    corpus = pathlib.Path(__file__).resolve().parent / "corpus/tls"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, identity in enumerate(IDENTITIES):
        for version, version_name in enumerate(("1.2", "1.3")):
            for name, events in CONVERSATIONS.items():
                if name != "whole" and not identity.startswith("right"):
                    continue
                seed = bytes([number * 2 + version]) + b"".join(map(bytes, events))
                (corpus / f"{identity}_{version_name}_{name}").write_bytes(seed)


main()
