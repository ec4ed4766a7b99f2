#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the hand-made seeds of the turn and cold corpora below corpus/. Run after changing a seed here."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
COOKIE = bytes.fromhex("2112a442")
ALLOCATE, REFRESH, PERMIT, BIND, SEND, BINDING = 0x003, 0x004, 0x008, 0x009, 0x016, 0x001
CONNECT, CONNECTION_BIND = 0x00A, 0x00B
TICK, WAIT_300, TOLD, STREAM = 0x20, 6 << 2, 0x40, 0x80
CLOSED, LISTENING, CONNECTED, INCOMING, PEER_CLOSED, BOUND = range(6)
tid = 0


def attr(kind, value=b""):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def peer(a, b, c, d, port):
    masked = bytes(x ^ y for x, y in zip((a, b, c, d), COOKIE))
    return attr(0x0012, struct.pack("!BBH", 0, 1, port ^ 0x2112) + masked)


def message(kind, *attrs, control=0, again=False):
    """One record; fuzz_turn makes the nonce and the fingerprint right."""
    global tid
    tid += not again
    body = b"".join(attrs)
    msg = struct.pack("!HH", kind, len(body)) + COOKIE + struct.pack("!III", 0, 0, tid) + body
    return struct.pack("!BH", control, len(msg)) + msg


def told(kind, connection=0, error=0, permitted=True, client=0):
    """What a stream thread says of a stream client."""
    return struct.pack("!BH", TOLD | STREAM | client, 4) + bytes([kind, connection, error | permitted << 1, 9])


AUTH = attr(0x0006, b"alice") + attr(0x0014, b"example.org") + attr(0x0015, b"obMatJos2" + b"A" * 28)
SHA1, SHA256 = attr(0x0008, bytes(20)), attr(0x001C, bytes(32))
UDP, FINGERPRINT = attr(0x0019, b"\x11\0\0\0"), attr(0x8028, bytes(4))
REST = attr(0x0006, b"1900000000:carol") + attr(0x0014, b"example.org") + attr(0x0015, b"obMatJos2" + b"A" * 28)
OFFER = attr(0x8002, bytes.fromhex("0002000000010000")) + attr(0x001D, bytes.fromhex("00020000"))
PEER, CHANNEL = peer(203, 0, 113, 5, 700), attr(0x000C, b"\x40\0\0\0")
ALLOC = message(ALLOCATE, UDP, AUTH, SHA1)
# A token as if AES were nothing: nonce_length and nonce, key_length and key, timestamp in 48.16, lifetime, tag.
TOKEN = attr(0x001B, struct.pack("!H12xH20xQI16x", 12, 20, 1800000000 << 16, 600))
LONG_KEY = attr(0x001B, struct.pack("!H12xH20xQI16x", 12, 32, 1800000000 << 16, 600))
BEARER = attr(0x0006, b"kid") + attr(0x0014, b"example.org") + attr(0x0015, b"obMatJos2" + b"A" * 28)
TCP, TICKET, CONNECTION = attr(0x0019, b"\6\0\0\0"), attr(0x8030, bytes(32)), attr(0x002A, bytes(4))
MOBILE = (UDP, attr(0x8030), AUTH, SHA1)
ALLOC_TCP = message(ALLOCATE, TCP, AUTH, SHA1, control=STREAM) + told(LISTENING)

TURN = {
    "allocate": message(ALLOCATE, UDP) + ALLOC + message(ALLOCATE, UDP, AUTH, SHA1, FINGERPRINT),
    "allocate_twice": ALLOC + ALLOC,
    "token": message(ALLOCATE, UDP, TOKEN, BEARER, SHA1) + message(PERMIT, PEER, BEARER, SHA1) + message(REFRESH, TOKEN, BEARER, SHA1, control=TICK)
    + message(REFRESH, BEARER, SHA256) + message(REFRESH, TOKEN, AUTH, SHA1),
    "token_spoilt": message(ALLOCATE, UDP, LONG_KEY, BEARER, SHA1) + message(ALLOCATE, UDP, attr(0x001B, b"\0\x0c"), BEARER, SHA1)
    + message(ALLOCATE, UDP, attr(0x001B), BEARER, SHA1),
    "origins": message(ALLOCATE, UDP, attr(0x802F, b"p"), attr(0x802F), attr(0x802F, b"O"), AUTH, SHA1),
    "whole_life": ALLOC + message(PERMIT, PEER, AUTH, SHA1) + message(SEND, PEER, attr(0x0013, b"hello"))
    + message(BIND, CHANNEL, PEER, AUTH, SHA1) + message(REFRESH, AUTH, SHA1, control=TICK | WAIT_300)
    + message(REFRESH, attr(0x000D, bytes(4)), AUTH, SHA1),
    "sha256": message(ALLOCATE, UDP, AUTH, OFFER, SHA256, FINGERPRINT) + message(REFRESH, AUTH, OFFER, SHA256),
    "rest": message(ALLOCATE, UDP, REST, SHA1) + message(REFRESH, REST, SHA1),
    "ipv6": message(ALLOCATE, UDP, attr(0x0017, b"\2\0\0\0"), AUTH, SHA1, control=3),
    "both_families": message(ALLOCATE, UDP, attr(0x8000, b"\2\0\0\0"), AUTH, SHA1),
    "reserve": message(ALLOCATE, UDP, attr(0x0018, b"\x80"), AUTH, SHA1)
    + message(ALLOCATE, UDP, attr(0x0022, bytes(8)), AUTH, SHA1, control=1),
    "even": message(ALLOCATE, UDP, attr(0x0018, b"\0"), AUTH, SHA1),
    "many_peers": ALLOC + message(PERMIT, *[peer(203, 0, 113, i, 0) for i in range(1, 9)], AUTH, SHA1)
    + message(PERMIT, *[peer(203, 0, 113, i, 0) for i in range(1, 20)], AUTH, SHA1, control=TICK | WAIT_300),
    "channels": ALLOC + b"".join(message(BIND, attr(0x000C, struct.pack("!HH", 0x4000 + i, 0)),
                                         peer(203, 0, 113, 1 + i % 2, 700 + i), AUTH, SHA1) for i in range(6)),
    "own": ALLOC + message(BIND, CHANNEL, peer(192, 0, 2, 2, 50200), AUTH, SHA1) + message(SEND, peer(192, 0, 2, 2, 22),
                                                                                           attr(0x0013, b"x")),
    "binding": message(BINDING) + message(BINDING, FINGERPRINT) + message(0x011),
    "unknown": ALLOC + message(REFRESH, attr(0x7F00, b"abcd"), AUTH, SHA1),
    "two_users": ALLOC + message(REFRESH, REST, SHA1),
    "second_ends": message(ALLOCATE, UDP, attr(0x8000, b"\2\0\0\0"), AUTH, SHA1) + message(PERMIT, PEER, AUTH, SHA1)
    + message(REFRESH, attr(0x0017, b"\1\0\0\0"), attr(0x000D, bytes(4)), AUTH, SHA1),
    "move": message(ALLOCATE, *MOBILE) + message(PERMIT, PEER, AUTH, SHA1) + message(REFRESH, TICKET, AUTH, SHA1, control=1)
    + message(SEND, PEER, attr(0x0013, b"x"), control=1) + message(REFRESH, TICKET, AUTH, SHA1, control=2) + message(REFRESH, TICKET, AUTH, SHA1, control=3),
    "move_lost": message(ALLOCATE, *MOBILE, control=STREAM) + told(CLOSED) + message(REFRESH, TICKET, AUTH, SHA1, control=STREAM | 1)
    + told(CLOSED, client=1) + message(REFRESH, TICKET, AUTH, SHA1, control=1) + message(PERMIT, PEER, AUTH, SHA1, control=1),
    "tcp_connect": ALLOC_TCP + message(CONNECT, PEER, AUTH, SHA1, control=STREAM) + told(CONNECTED)
    + message(CONNECTION_BIND, CONNECTION, AUTH, SHA1, control=STREAM | 1) + told(BOUND) + told(PEER_CLOSED),
    "tcp_refused": ALLOC_TCP + message(CONNECT, PEER, AUTH, SHA1, FINGERPRINT, control=STREAM) + told(CONNECTED, error=1),
    "tcp_incoming": ALLOC_TCP + message(PERMIT, peer(203, 0, 113, 1, 0), AUTH, SHA1, control=STREAM) + told(INCOMING, 0x81)
    + told(INCOMING, 0x82, permitted=False) + message(CONNECTION_BIND, CONNECTION, AUTH, SHA1, control=STREAM | 2 | TICK) + told(CLOSED),
    "tcp_cannot": message(ALLOCATE, TCP, AUTH, SHA1, control=STREAM) + told(LISTENING, error=1),
    "nat": message(BINDING, attr(0x0003, b"\0\0\0\6")) + message(BINDING, attr(0x0027, b"\x12\x34")) + message(BINDING, attr(0x0026, bytes(64))),
    "expiry": ALLOC + message(ALLOCATE, UDP, AUTH, SHA1, control=TICK | 7 << 2),
}

COLD = {
    "intact": b"\0",
    "expiry": b"\0\4\xff",
    "valid": b"\0\0\xff\1\x08\1",
    "several": b"".join(struct.pack("!HB", at, 1 << at % 8) for at in range(0, 256, 9)),
    "peers": b"".join(struct.pack("!HB", 16 * 280 + at, 1 << at % 8) for at in range(0, 120, 5)),
}

for target, seeds in {"turn": TURN, "cold": COLD}.items():
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
