# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Ethernet frames, byte by byte, and pcap files of them. Standard library only."""

import ipaddress
import struct

ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86DD, 0x8100
UDP, ICMP, FRAGMENT_HEADER, HOP_BY_HOP = 17, 1, 44, 0


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip_bytes(text):
    return ipaddress.ip_address(text).packed


def ethernet(dst, src, kind, payload, vlan=None, pad=True):
    tag = b"" if vlan is None else struct.pack("!HH", VLAN, vlan)
    frame = mac(dst) + mac(src) + tag + struct.pack("!H", kind) + payload
    return frame + bytes(max(0, 60 - len(frame))) if pad else frame


def udp(src, dst, sport, dport, payload, zero_checksum=False, wrong_checksum=False):
    """UDP over whatever family src and dst have. A computed zero goes as 0xffff (RFC 768)."""
    length = 8 + len(payload)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    s, d = ip_bytes(src), ip_bytes(dst)
    pseudo = s + d + (struct.pack("!BBH", 0, UDP, length) if len(s) == 4 else struct.pack("!IHBB", length, 0, 0, UDP))
    value = 0 if zero_checksum else checksum(pseudo + head + payload) or 0xFFFF
    if wrong_checksum:
        value ^= 0x5555
    return struct.pack("!HHHH", sport, dport, length, value) + payload


def ipv4(src, dst, payload, proto=UDP, ttl=64, ident=0, fragment=0, options=b"", version=4, ihl=None, total=None,
         wrong_checksum=False, tos=0):
    """fragment: the 16 bits of flags and offset."""
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    total = 20 + len(options) + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, tos, total, ident, fragment, ttl, proto, 0,
                       ip_bytes(src), ip_bytes(dst)) + options
    value = checksum(head) ^ (0x1234 if wrong_checksum else 0)
    return head[:10] + struct.pack("!H", value) + head[12:] + payload


def ipv6(src, dst, payload, proto=UDP, hops=64, length=None):
    return struct.pack("!IHBB", 6 << 28, len(payload) if length is None else length, proto, hops) \
        + ip_bytes(src) + ip_bytes(dst) + payload


def ipv4_fragments(src, dst, datagram, size, ident, **more):
    """The UDP datagram in fragments of size bytes (a multiple of 8)."""
    out = []
    for at in range(0, len(datagram), size):
        last = at + size >= len(datagram)
        out.append(ipv4(src, dst, datagram[at:at + size], ident=ident, fragment=at // 8 | (0 if last else 0x2000), **more))
    return out


def ipv6_fragments(src, dst, datagram, size, ident):
    out = []
    for at in range(0, len(datagram), size):
        last = at + size >= len(datagram)
        head = struct.pack("!BBHI", UDP, 0, at | (0 if last else 1), ident)
        out.append(ipv6(src, dst, head + datagram[at:at + size], proto=FRAGMENT_HEADER))
    return out


def without_ident(frame):
    """The frame with the IPv4 identification taken out, which an unfragmented packet is free to choose (RFC 6864);
    the header checksum, verified first, with it."""
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    if frame[at - 2:at] != b"\x08\x00" or len(frame) < at + 20:
        return frame
    size = (frame[at] & 15) * 4
    if checksum(frame[at:at + size]) != 0:
        return frame
    head = frame[at:at + 4] + b"\0\0" + frame[at + 6:at + 10] + b"\0\0" + frame[at + 12:at + size]
    return frame[:at] + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + frame[at + size:]


def write_pcap(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n, frame in enumerate(frames):
            f.write(struct.pack("<IIII", n, 0, len(frame), len(frame)) + frame)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    magic = struct.unpack("<I", data[:4])[0]
    if magic not in (0xA1B2C3D4, 0xA1B23C4D):
        raise ValueError("%s is no pcap file of this machine's byte order" % path)
    out, at = [], 24
    while at + 16 <= len(data):
        size = struct.unpack("<I", data[at + 8:at + 12])[0]
        out.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return out
