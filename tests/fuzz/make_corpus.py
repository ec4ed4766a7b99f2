#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the hand-made seeds of the addr, channel, frame and stun corpora below corpus/. Run after changing a seed here."""
import pathlib
import re
import struct
import zlib

HERE = pathlib.Path(__file__).parent
COOKIE = bytes.fromhex("2112a442")
TID = bytes(range(1, 13))


def attr(kind, value=b""):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def xor4(kind, a, b, c, d, port):
    masked = bytes(x ^ y for x, y in zip((a, b, c, d), COOKIE))
    return attr(kind, struct.pack("!BBH", 0, 1, port ^ 0x2112) + masked)


def xor6(kind, ip, port):
    masked = bytes(x ^ y for x, y in zip(ip, COOKIE + TID))
    return attr(kind, struct.pack("!BBH", 0, 2, port ^ 0x2112) + masked)


def stun(kind, *attrs, fingerprint=False):
    body = b"".join(attrs)
    head = struct.pack("!HH", kind, len(body) + 8 * fingerprint) + COOKIE + TID
    crc = struct.pack("!I", zlib.crc32(head + body) ^ 0x5354554E)
    return head + body + (attr(0x8028, crc) if fingerprint else b"")


USER, REALM, NONCE = attr(0x0006, b"1893456000:alice"), attr(0x0014, b"example.org"), attr(0x0015, b"obMatJos2AAAC0123")
AUTH = USER + REALM + NONCE
SHA1, SHA256 = attr(0x0008, bytes(20)), attr(0x001C, bytes(32))
UDP = attr(0x0019, b"\x11\0\0\0")
V6 = bytes.fromhex("20010db8000000000000000000000007")

STUN = {
    "binding": stun(0x0001),
    "binding_fingerprint": stun(0x0001, attr(0x8022, b"client"), fingerprint=True),
    "binding_ice": stun(0x0001, attr(0x0024, b"n\0\1\xff"), attr(0x0025), attr(0x802A, bytes(8)), fingerprint=True),
    "allocate_first": stun(0x0003, UDP),
    "allocate": stun(0x0003, UDP, attr(0x000D, b"\0\0\x0e\x10"), attr(0x001A), AUTH, SHA1, fingerprint=True),
    "allocate_sha256": stun(0x0003, UDP, attr(0x0017, b"\2\0\0\0"), attr(0x001E, bytes(32)), REALM, NONCE,
                            attr(0x8002, b"\0\2\0\0\0\1\0\0"), attr(0x001D, b"\0\2\0\0"), SHA256),
    "allocate_both_families": stun(0x0003, UDP, attr(0x8000, b"\2\0\0\0"), AUTH, SHA1, SHA256),
    "allocate_even_port": stun(0x0003, UDP, attr(0x0018, b"\x80"), AUTH, SHA1),
    "allocate_reservation": stun(0x0003, UDP, attr(0x0022, b"12345678"), AUTH, SHA1),
    "allocate_tcp": stun(0x0003, attr(0x0019, b"\x06\0\0\0"), AUTH, SHA1),
    "refresh": stun(0x0004, attr(0x000D, bytes(4)), AUTH, SHA1, fingerprint=True),
    "create_permission": stun(0x0008, xor4(0x0012, 203, 0, 113, 7, 0), xor6(0x0012, V6, 9), AUTH, SHA1),
    "create_permission_many": stun(0x0008, *[xor4(0x0012, 203, 0, 113, i, i) for i in range(18)], AUTH, SHA1),
    "channel_bind": stun(0x0009, attr(0x000C, b"\x40\x01\0\0"), xor4(0x0012, 203, 0, 113, 7, 4000), AUTH, SHA1),
    "send": stun(0x0016, xor4(0x0012, 203, 0, 113, 7, 4000), attr(0x0013, b"hello")),
    "send_dont_fragment": stun(0x0016, xor6(0x0012, V6, 4000), attr(0x001A), attr(0x0013)),
    "data": stun(0x0017, xor4(0x0012, 203, 0, 113, 7, 4000), attr(0x0013, b"hello")),
    "data_icmp": stun(0x0017, xor4(0x0012, 203, 0, 113, 7, 0), attr(0x8004, b"\0\0\3\1\0\0\0\0")),
    "allocate_success": stun(0x0103, xor4(0x0016, 198, 51, 100, 1, 50000), xor4(0x0020, 192, 0, 2, 9, 999),
                             attr(0x000D, b"\0\0\2\x58"), attr(0x0022, b"12345678"), SHA1, fingerprint=True),
    "error_401": stun(0x0113, attr(0x0009, b"\0\0\4\1Unauthenticated"), REALM, NONCE, attr(0x8002, b"\0\2\0\0\0\1\0\0")),
    "error_420": stun(0x0111, attr(0x0009, b"\0\0\4\x14Unknown Attribute"), attr(0x000A, b"\0\x24\0\x25")),
    "unknown_many": stun(0x0001, *[attr(0x7000 + i, b"abc"[: i % 4]) for i in range(10)]),
    "repeated": stun(0x0004, attr(0x000D, bytes(4)), attr(0x000D, b"\0\0\0\1"), USER, USER),
    "bad_lifetime_length": stun(0x0004, attr(0x000D, bytes(3))),
    "bad_overrun": stun(0x0001, struct.pack("!HH", 0x0006, 400)),
}

CHANNEL = {
    "empty": b"\x40\x00\0\0",
    "padded": b"\x40\x01\0\5hello\0\0\0",
    "unpadded": b"\x4f\xff\0\5hello",
    "short": b"\x40\x01\0\x09hello",
    "reserved": b"\x50\x00\0\0",
    "rtp_inside": b"\x40\x02\0\x0e" + b"\x80\0\0\1" + bytes(10),
}

ADDR = {
    "ip4": b"192.0.2.1", "ip6": b"2001:db8::7", "mapped": b"::ffff:192.0.2.1",
    "endpoint4": b"192.0.2.1:3478", "endpoint6": b"[2001:db8::7]:65535",
    "prefix4": b"10.0.0.0/8", "prefix6": b"fc00::/7", "prefix_all": b"::/0",
    "raw_6to4": bytes.fromhex("20027f00000100000000000000000000"),
    "raw_teredo": bytes.fromhex("20010000c0000201000000008000fffe"),
    "raw_nat64_local": bytes.fromhex("0064ff9b000101020003040506070809"),
}

CLIENT4, SERVICE4 = bytes((203, 0, 113, 7)), bytes((192, 0, 2, 1))
SERVICE6 = bytes.fromhex("20010db8000100000000000000000001")


def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp(port, payload=b"\x40\x01\0\3abc", cksum=1):
    return struct.pack("!HHHH", 4000, port, 8 + len(payload), cksum) + payload


def ip4(payload, src=CLIENT4, proto=17, fragment=0, options=b""):
    def head(check):
        return struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 7, fragment, 64,
                           proto, check) + src + SERVICE4 + options
    return head(sum16(head(0))) + payload


def ip6(payload, src=V6, proto=17, dst=SERVICE6):
    return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + src + dst + payload


FRAME = {
    "listener4": ip4(udp(3478)), "relay4": ip4(udp(50000)), "unclaimed4": ip4(udp(53)), "tcp4": ip4(udp(80), proto=6),
    "options4": ip4(udp(3478), options=b"\x01\x01\x01\0"), "first4": ip4(udp(3478), fragment=0x2000),
    "cut_udp4": ip4(b"tail"), "long_udp4": ip4(udp(3478)[:4] + b"\0\xff" + udp(3478)[6:]),
    "cut_udp6": ip6(b"tail"), "last4": ip4(b"tail", fragment=9), "loopback4": ip4(udp(3478), src=b"\x7f\0\0\1"),
    "own4": ip4(udp(3478), src=SERVICE4), "listener6": ip6(udp(3478)), "relay6": ip6(udp(50000)),
    "no_checksum6": ip6(udp(3478, cksum=0)), "hop_by_hop6": ip6(bytes((17, 0)) + bytes(6) + udp(3478), proto=0),
    "fragment6": ip6(bytes((17, 0, 0, 1)) + bytes(4) + udp(3478), proto=44),
    "late_fragment6": ip6(bytes((44, 0)) + bytes(6) + bytes((17, 0, 0, 1)) + bytes(4) + udp(3478), proto=60),
    "atomic6": ip6(bytes((17, 0, 0, 0)) + bytes(4) + udp(3478), proto=44),
    "chain6": ip6(bytes((60, 0)) + bytes(6) + (bytes((60, 0)) + bytes(6)) * 7 + bytes((17, 0)) + bytes(6) + udp(3478), proto=60),
    "cut_chain6": ip6(bytes((60, 0)) + bytes(6), proto=60),
    "mapped6": ip6(udp(3478), dst=bytes(10) + b"\xff\xff" + SERVICE4),
}


def vectors():
    """The RFCs' messages, from the header that the unit test uses."""
    text = (HERE.parent / "unit" / "stun_vectors.h").read_text()
    for name, body in re.findall(r"uint8_t vector_(\w+)\[\] = \{(.*?)\}", text, re.S):
        yield "rfc_" + name, bytes(int(x, 16) for x in re.findall(r"0x(\w\w)", body))


for target, seeds in {"stun": {**STUN, **dict(vectors())}, "channel": CHANNEL, "addr": ADDR, "frame": FRAME}.items():
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
