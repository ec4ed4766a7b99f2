# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A plain RTP endpoint in a namespace of the lab: a few packets that say whose they are, to see that a path is there. What a stream
sounds like is for rtp_peer and real user agents."""

import secrets
import socket
import struct

from net import Missing, Namespace


class Rtp:
    def __init__(self, world, namespace, ip, port=0):
        self.world, self.ip = world, ip
        with Namespace(namespace):
            self.sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind((ip, port))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.ssrc, self.seq, self.stamp = secrets.randbits(32), secrets.randbits(14), secrets.randbits(30)
        self.mark = secrets.token_bytes(8)
        self.heard = []  # (payload, source)
        world.watch(self.sock, self.readable)

    def readable(self):
        while True:
            try:
                raw, source = self.sock.recvfrom(2048)
            except (BlockingIOError, ConnectionError):
                return
            if len(raw) >= 12 and not 200 <= raw[1] <= 207:
                self.heard.append((raw[12:], source[:2]))

    def send(self, to, count=1, pt=8):
        for _ in range(count):
            self.seq, self.stamp = (self.seq + 1) & 0xFFFF, (self.stamp + 160) & 0xFFFFFFFF
            payload = (self.mark * 20)[:160]
            try:
                self.sock.sendto(struct.pack("!BBHII", 0x80, pt, self.seq, self.stamp, self.ssrc) + payload, to)
            except OSError:
                pass

    def heard_of(self, other):
        return sum(1 for payload, _ in self.heard if payload.startswith(other.mark))

    def close(self):
        self.world.forget(self.sock)
        self.sock.close()


def speak(a, to_a, b, to_b, seconds=2.0):
    """a sends to to_a, b to to_b, until both have heard the other."""
    def both():
        a.send(to_a)
        b.send(to_b)
        a.world.pump(0.02)
        return a.heard_of(b) >= 3 and b.heard_of(a) >= 3
    try:
        a.world.until(both, seconds, "RTP both ways")
    except Missing:
        raise Missing(f"RTP: {a.ip} heard {a.heard_of(b)}, {b.ip} heard {b.heard_of(a)} packets of the other") from None


def silent(a, to_a, b, to_b, packets=10):
    """Nothing of either reaches the other."""
    before = a.heard_of(b), b.heard_of(a)
    for _ in range(packets):
        a.send(to_a)
        b.send(to_b)
        a.world.run(0.01)
    a.world.run(0.1)
    if (a.heard_of(b), b.heard_of(a)) != before:
        raise Missing("RTP passes where it should not")
