#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the seeds of the corpora stream_frame and stream_proxy. Run after changing a seed here."""
import pathlib

STUN = bytes.fromhex("000100082112a442") + bytes(12) + bytes.fromhex("8022000461626364")
CHANNEL = bytes.fromhex("40000005") + b"hello" + bytes(3)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = bytes.fromhex("c0000201c633640230390d96")
V6 = bytes.fromhex("20010db8000000000000000000000001" "20010db8000000000000000000000002" "303914e5")


def proxy(command, family, body):
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


SEEDS = {
    "stream_frame": {
        "mixed": b"\0" + STUN + CHANNEL + STUN + CHANNEL,
        "stranger": b"\1" + STUN + CHANNEL,
        "long_channel": b"\0" + bytes.fromhex("7fffffff") + bytes(40),
        "long_stun": b"\1" + bytes.fromhex("00030ff02112a442") + bytes(40),
        "odd_length": b"\0" + bytes.fromhex("000100052112a442") + bytes(20),
        "no_cookie": b"\0" + bytes.fromhex("0001000000000000") + bytes(12),
        "tls": b"\0" + bytes.fromhex("160301020001000100"),
        "empty_channel": b"\0" + bytes.fromhex("40010000") * 4,
    },
    "stream_proxy": {
        "v4": proxy(0x21, 0x11, V4),
        "v6": proxy(0x21, 0x21, V6),
        "local": proxy(0x20, 0, b""),
        "local_v4": proxy(0x20, 0x11, V4),
        "unspecified": proxy(0x21, 0, b"abcde"),
        "unix": proxy(0x21, 0x31, bytes(216)),
        "tlvs": proxy(0x21, 0x11, V4 + bytes.fromhex("0200036162630400000500010a")),
        "crc": proxy(0x21, 0x11, V4 + bytes.fromhex("03000400000000")),
        "short_tlv": proxy(0x21, 0x11, V4 + bytes.fromhex("02ffff")),
        "text": b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
    },
}

for corpus, seeds in SEEDS.items():
    folder = pathlib.Path(__file__).parent / "corpus" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
