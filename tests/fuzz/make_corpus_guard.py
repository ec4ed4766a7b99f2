#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the hand-made seeds of the guard_list corpus below corpus/. Run after changing a seed here."""
import ipaddress
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).parent
MAGIC = 0x315453494C4C5347
DENY, ALLOW = 1, 2


def entry(prefix, verdict=DENY, length=None):
    net = ipaddress.ip_interface(prefix)
    four = net.version == 4
    packed = (b"\0" * 10 + b"\xff\xff" if four else b"") + net.ip.packed
    return packed + struct.pack("<BB6x", net.network.prefixlen + 96 * four if length is None else length, verdict)


def listed(*entries, n=None, magic=MAGIC, reserved=0):
    return struct.pack("<QII", magic, len(entries) if n is None else n, reserved) + b"".join(entries)


def nested(seed, version):
    """Prefixes inside each other, of lengths drawn at random, along one address."""
    dice = random.Random(seed)
    bits = 32 if version == 4 else 128
    base = dice.getrandbits(bits)
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    nets = [kind((base ^ (dice.getrandbits(bits) >> dice.randrange(bits)), dice.randrange(bits + 1)), strict=False) for _ in range(16)]
    return listed(*[entry(str(net), dice.choice((DENY, DENY, ALLOW))) for net in nets])


SEEDS = {
    "empty": listed(),
    "all_of_ipv4": listed(entry("0.0.0.0/0")),
    "all_of_ipv6": listed(entry("::/0")),
    "hosts": listed(entry("192.0.2.1/32"), entry("2001:db8::1/128")),
    "allow_inside": listed(entry("10.0.0.0/8"), entry("10.1.0.0/16", ALLOW), entry("10.1.2.0/24"), entry("10.2.3.128/25", ALLOW)),
    "allow_inside6": listed(entry("2001:db8::/32"), entry("2001:db8:0:1::/64", ALLOW), entry("2001:db8:0:1::5/128")),
    "twice": listed(entry("10.2.4.4/32"), entry("10.2.4.4/32", ALLOW), entry("10.2.4.4/32")),
    "siblings": listed(*[entry("198.51.100.%d/32" % i, 1 + i % 2) for i in (0, 1, 31, 32, 63, 64, 127, 128, 191, 254, 255)]),
    "siblings6": listed(*[entry("2001:db8::%x:0/112" % i, 1 + i % 2) for i in (0, 1, 0x1f, 0x20, 0xff, 0x100, 0xffff)]),
    "one_bit_apart": listed(entry("2001:db8::/33"), entry("2001:db8:8000::/33", ALLOW), entry("2001:db8::1/128"), entry("2001:db8::/127")),
    "beside_ipv4": listed(entry("::fffe:102:304/128"), entry("::/80"), entry("1.2.3.4/32")),
    "bits_beyond": listed(entry("10.0.0.1/8")),
    "too_long": listed(entry("::1/128", DENY, 129)),
    "no_verdict": listed(entry("::1/128", 0)),
    "verdict_3": listed(entry("::1/128", 3)),
    "wrong_magic": listed(entry("::1/128"), magic=MAGIC + 1),
    "wrong_number": listed(entry("::1/128"), n=2),
    "reserved": listed(entry("::1/128"), reserved=1),
    **{"nested%d_%d" % (version, seed): nested(seed, version) for version in (4, 6) for seed in range(4)},
}

folder = HERE / "corpus" / "guard_list"
folder.mkdir(parents=True, exist_ok=True)
for name, data in SEEDS.items():
    (folder / name).write_bytes(data)
