#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the hand-made seeds of the rtp, rtcp and dtmf corpora below corpus/. Run after changing a seed here."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
A, B, C = b"\1\1\1\1", b"\2\2\2\2", b"\3\3\3\3"


def rtp(first=0x80, pt=8, csrc=b"", extension=b"", payload=bytes(20)):
    return struct.pack("!BBHI", first, pt, 7, 160) + A + csrc + extension + payload


def rtcp(count, kind, body=b"", padding=0):
    body += bytes(padding - 1) + bytes([padding]) if padding else b""
    assert len(body) % 4 == 0
    return struct.pack("!BBH", 0x80 | bool(padding) << 5 | count, kind, len(body) // 4) + body


def block(ssrc):
    return ssrc + struct.pack("!IIIII", 0x40000003, 0x00021234, 80, 0x456789AB, 65536)


SENDER = struct.pack("!QIII", 0x0123456789ABCDEF, 160000, 1000, 160000)
SR = rtcp(2, 200, A + SENDER + block(B) + block(C))
RR = rtcp(1, 201, A + block(B))
SDES = rtcp(2, 202, A + b"\1\3a@b\0\0\0" + B + b"\1\2cd\2\1e\0" + b"\0" * 4)
BYE = rtcp(2, 203, A + B + b"\3bye")

RTP = {
    "pcma": rtp(),
    "csrc": rtp(0x82, csrc=B + C),
    "csrc_missing": rtp(0x8F, payload=b""),
    "extension": rtp(0x90, extension=b"\xbe\xde\0\2" + bytes(8)),
    "extension_long": rtp(0x90, extension=b"\xbe\xde\xff\xff"),
    "padding": rtp(0xA0, payload=bytes(19) + b"\4"),
    "padding_all": rtp(0xA0, payload=bytes(19) + b"\x14"),
    "padding_beyond": rtp(0xA0, payload=bytes(19) + b"\xff"),
    "padding_zero": rtp(0xA0),
    "version": rtp(0x40),
    "event": rtp(pt=0x80 | 101, payload=b"\5\x8a\3\x20"),
}
RTCP = {
    "sr_sdes": SR + SDES,
    "rr_sdes_bye": RR + SDES + BYE,
    "padded": RR + rtcp(0, 201, A, padding=8),
    "app": RR + rtcp(3, 204, A + b"name" + bytes(8)),
    "nack": rtcp(1, 205, A + B + b"\0\x20\xab\xcd\0\5\0\0"),
    "tmmbr": rtcp(3, 205, A + bytes(4) + B + bytes(4)),
    "pli_fir": rtcp(1, 206, A + B) + rtcp(4, 206, A + bytes(4) + B + b"\7\0\0\0"),
    "remb": rtcp(15, 206, A + bytes(4) + b"REMB\2\1\2\3" + B + C),
    "transport_cc": rtcp(15, 205, A + B + bytes(8)),
    "xr": rtcp(0, 207, A + b"\1\0\0\2" + B + b"\0\x20\0\x30" + b"\5\0\0\3" + B + bytes(8) + b"\7\0\0\1" + B +
               b"\4\0\0\2" + bytes(8)),
    "xr_short_blocks": rtcp(0, 207, A + b"\1\0\0\0" + b"\6\0\0\1" + B + b"\7\0\0\0" + b"\5\0\0\1" + B),
    "unknown": rtcp(1, 210, A) + RR,
    "sdes_no_null": rtcp(1, 202, A + b"\1\2ab"),
    "blocks_missing": rtcp(31, 201, A + block(B)),
    "sr_sr": SR + SR,
}


def events(*packets):
    return b"".join(struct.pack("!HIBBH", *p) for p in packets)


DTMF = {
    "one": events((20, 1000, 5, 10, 160), (20, 1000, 5, 10, 320), *[(20, 1000, 5, 0x8A, 480)] * 3),
    "end_lost": events((20, 1000, 5, 10, 160), (300, 9000, 6, 10, 160), (20, 9000, 6, 0x8A, 320)),
    "segments": events((20, 1, 5, 10, 65535), (20, 0x10000, 5, 10, 160), (20, 0x10000, 5, 0x8A, 320)),
    "late": events((20, 9000, 5, 0x8A, 160), (20, 1000, 4, 10, 160), (65535, 1000, 4, 10, 160)),
}

for corpus, seeds in {"rtp": RTP, "rtcp": RTCP, "dtmf": DTMF}.items():
    folder = HERE / "corpus" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
