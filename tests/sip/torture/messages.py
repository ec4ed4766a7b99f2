# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Reads rfc4475.txt and rfc5118.txt: the notation of RFC 4475 section 2 becomes bytes. Run as a program it checks what was transcribed: every
Content-Length that is not wrong on purpose counts its body."""

import pathlib
import re
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent
FILES = ("rfc4475.txt", "rfc5118.txt")
# Their Content-Length is the test, or counts no body of a datagram (dblreq: what follows it is to be ignored); the last three are printed so.
NO_COUNT = {"clerr", "ncl", "mcl01", "dblreq", "inv2543", "ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"}


@dataclass
class Torture:
    name: str
    section: str
    transport: str
    wanted: frozenset  # of "ok", "drop", or a status
    data: bytes

    @property
    def call_id(self):
        """As the first Call-ID has it, or None."""
        found = re.search(rb"(?mi)^(?:call-id|i)[ \t]*:[ \t]*(.*?)\r$", self.data)
        return found.group(1).strip() if found else None


def to_bytes(lines):
    """The notation undone: repeats, long lines, bytes in hex."""
    text = "\r\n".join(lines)
    text = re.sub(r"<repeat count=(\d+)>(.*?)</repeat>", lambda m: m.group(2) * int(m.group(1)), text)
    text = re.sub(r"<allOneLine>\r\n(.*?)\r\n</allOneLine>", lambda m: m.group(1).replace("\r\n", ""), text, flags=re.S)
    parts = re.split(r"<hex>([0-9A-Fa-f]*)</hex>", text)
    data = b"".join(bytes.fromhex(p) if i % 2 else p.encode() for i, p in enumerate(parts))
    return data + (b"\r\n" if b"\r\n\r\n" in data else b"\r\n\r\n")


def read(path):
    name, lines = None, []
    for line in [*path.read_text(encoding="utf-8").split("\n"), "@ "]:
        if not line.startswith("@ "):
            if name is not None:
                lines.append(line)
            continue
        if name is not None:
            while lines and not lines[-1]:
                lines.pop()
            yield Torture(*name[:3], frozenset(name[3].split("|")), to_bytes(lines))
        name, lines = line.split()[1:] or None, []


def corpus():
    return [m for f in FILES for m in read(HERE / f)]


def miscounted():
    """(name, Content-Length, bytes of body) where they differ and should not."""
    for m in corpus():
        head, body = m.data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?mi)^(?:content-length|l)[ \t]*:[ \t]*(\S+?)[ \t]*\r?$", head)
        if m.name not in NO_COUNT and (not length or int(length.group(1)) != len(body)):
            yield m.name, length and length.group(1).decode(), len(body)


if __name__ == "__main__":
    wrong = list(miscounted())
    for name, said, have in wrong:
        print(f"{name}: Content-Length {said}, body {have}")
    print(f"{len(corpus())} messages, {len(wrong)} miscounted")
    raise SystemExit(bool(wrong))
