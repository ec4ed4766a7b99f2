#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A DNS server of a dozen records for scenarios of RFC 3263. It lives on a Port-like socket in the appliance's namespace."""

import socket
import struct

from net import Namespace

TYPES = {"A": 1, "AAAA": 28, "SRV": 33, "NAPTR": 35}


def name_bytes(name):
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def text_bytes(text):
    return bytes([len(text)]) + text.encode()


class Dns:
    """records: {(name, type): [values]}: A/AAAA an address, SRV (priority, weight, port, target), NAPTR (order, preference, flags, service,
    regexp, replacement)."""

    def __init__(self, world, namespace, records, port=5353):
        self.world, self.records, self.asked = world, records, []
        with Namespace(namespace):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind(("127.0.0.1", port))
        self.sock.setblocking(False)
        world.watch(self.sock, self.readable)

    def data(self, kind, value):
        if kind == "A":
            return socket.inet_pton(socket.AF_INET, value)
        if kind == "AAAA":
            return socket.inet_pton(socket.AF_INET6, value)
        if kind == "SRV":
            return struct.pack("!HHH", *value[:3]) + name_bytes(value[3])
        order, preference, flags, service, regexp, replacement = value
        return struct.pack("!HH", order, preference) + text_bytes(flags) + text_bytes(service) + text_bytes(regexp) + name_bytes(replacement)

    def readable(self):
        while True:
            try:
                query, source = self.sock.recvfrom(2048)
            except (BlockingIOError, ConnectionError):
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            kind = struct.unpack("!H", query[at + 1:at + 3])[0]
            name = ".".join(labels).lower()
            kind_name = next((n for n, t in TYPES.items() if t == kind), str(kind))
            self.asked.append((name, kind_name))
            found = self.records.get((name, kind_name), [])
            known = any(n == name for n, _ in self.records)
            question = query[12:at + 5]
            answer = query[:2] + struct.pack("!HHHHH", 0x8580 | (0 if known else 3), 1, len(found), 0, 0) + question
            for value in found:
                data = self.data(kind_name, value)
                answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(data)) + data
            self.sock.sendto(answer, source)

    def close(self):
        self.world.forget(self.sock)
        self.sock.close()
