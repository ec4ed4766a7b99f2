# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""STUN and TURN messages for the tests (RFC 8489, RFC 8656), from the standard library only.

Written from the RFCs and not from the dataplane's code, so that the two can disagree.
"""

import hashlib
import hmac
import ipaddress
import os
import struct
import zlib

MAGIC = 0x2112A442
COOKIE = struct.pack("!I", MAGIC)

REQUEST, INDICATION, SUCCESS, ERROR = 0, 1, 2, 3
BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9
CONNECT, CONNECTION_BIND, CONNECTION_ATTEMPT = 10, 11, 12  # RFC 6062 6.1

USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0006, 0x0008, 0x0009, 0x000A
CHANNEL_NUMBER, LIFETIME, XOR_PEER_ADDRESS, DATA_ATTR = 0x000C, 0x000D, 0x0012, 0x0013
REALM, NONCE, XOR_RELAYED_ADDRESS, REQUESTED_ADDRESS_FAMILY = 0x0014, 0x0015, 0x0016, 0x0017
EVEN_PORT, REQUESTED_TRANSPORT, DONT_FRAGMENT = 0x0018, 0x0019, 0x001A
MESSAGE_INTEGRITY_SHA256, PASSWORD_ALGORITHM, USERHASH = 0x001C, 0x001D, 0x001E
XOR_MAPPED_ADDRESS, RESERVATION_TOKEN = 0x0020, 0x0022
CHANGE_REQUEST, PADDING, RESPONSE_PORT = 0x0003, 0x0026, 0x0027  # RFC 5780 7
ACCESS_TOKEN, CONNECTION_ID = 0x001B, 0x002A  # RFC 7635, RFC 6062
ADDITIONAL_ADDRESS_FAMILY, ADDRESS_ERROR_CODE, ICMP = 0x8000, 0x8001, 0x8004
PASSWORD_ALGORITHMS, ALTERNATE_SERVER, SOFTWARE, FINGERPRINT = 0x8002, 0x8023, 0x8022, 0x8028
RESPONSE_ORIGIN, OTHER_ADDRESS, THIRD_PARTY_AUTHORIZATION, ORIGIN, MOBILITY_TICKET = 0x802B, 0x802C, 0x802E, 0x802F, 0x8030

ALGORITHM_MD5, ALGORITHM_SHA256 = 1, 2
NONCE_COOKIE = b"obMatJos2"


class Malformed(Exception):
    """Bytes that are not a STUN message."""


def message_type(method, klass):
    """RFC 8489 5: the class bits lie between the method's."""
    return ((method & 0xF80) << 2) | ((method & 0x70) << 1) | (method & 0xF) | ((klass & 2) << 7) | ((klass & 1) << 4)


def split_type(value):
    method = ((value >> 2) & 0xF80) | ((value >> 1) & 0x70) | (value & 0xF)
    return method, ((value >> 7) & 2) | ((value >> 4) & 1)


def attribute(number, value):
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def xor_address(ip, port, transaction):
    ip = ipaddress.ip_address(ip)
    key = COOKIE + transaction
    body = bytes(a ^ b for a, b in zip(ip.packed, key))
    return struct.pack("!BBH", 0, 1 if ip.version == 4 else 2, port ^ (MAGIC >> 16)) + body


def parse_xor_address(value, transaction):
    if len(value) not in (8, 20):
        raise Malformed("address attribute of %d bytes" % len(value))
    port = struct.unpack("!H", value[2:4])[0] ^ (MAGIC >> 16)
    packed = bytes(a ^ b for a, b in zip(value[4:], COOKIE + transaction))
    return str(ipaddress.ip_address(packed)), port


def parse_address(value):
    """ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS: an address in clear."""
    if len(value) not in (8, 20):
        raise Malformed("address attribute of %d bytes" % len(value))
    return str(ipaddress.ip_address(value[4:])), struct.unpack("!H", value[2:4])[0]


def long_term_key(user, realm, password, algorithm=ALGORITHM_MD5):
    text = ("%s:%s:%s" % (user, realm, password)).encode()
    return hashlib.sha256(text).digest() if algorithm == ALGORITHM_SHA256 else hashlib.md5(text).digest()


def userhash(user, realm):
    return hashlib.sha256(("%s:%s" % (user, realm)).encode()).digest()


class Message:
    """A message being built, or one that was parsed: attributes in order as (number, value)."""

    def __init__(self, method, klass=REQUEST, transaction=None):
        self.method, self.klass = method, klass
        self.transaction = transaction or os.urandom(12)
        self.attributes = []
        self.raw = b""

    def add(self, number, value=b""):
        self.attributes.append((number, value))
        return self

    def add_address(self, number, ip, port):
        return self.add(number, xor_address(ip, port, self.transaction))

    def get(self, number):
        for n, v in self.attributes:
            if n == number:
                return v
        return None

    def address(self, number):
        value = self.get(number)
        return None if value is None else parse_xor_address(value, self.transaction)

    def error(self):
        """The error code of an error response, else 0."""
        value = self.get(ERROR_CODE)
        return value[2] * 100 + value[3] if value and len(value) >= 4 else 0

    def _header(self, body_len):
        return struct.pack("!HH", message_type(self.method, self.klass), body_len) + COOKIE + self.transaction

    def build(self, key=None, sha256=False, fingerprint=False):
        """key: of the integrity attribute, None = leave it out."""
        body = b"".join(attribute(n, v) for n, v in self.attributes)
        if key is not None:
            number, size, digest = ((MESSAGE_INTEGRITY_SHA256, 32, "sha256") if sha256
                                    else (MESSAGE_INTEGRITY, 20, "sha1"))
            mac = hmac.new(key, self._header(len(body) + 4 + size) + body, digest).digest()
            body += attribute(number, mac)
        if fingerprint:
            crc = zlib.crc32(self._header(len(body) + 8) + body) ^ 0x5354554E
            body += attribute(FINGERPRINT, struct.pack("!I", crc))
        return self._header(len(body)) + body

    def integrity_ok(self, key):
        """Does the integrity attribute of a parsed message match? None when it has none."""
        offset = 20
        for number, value in self.attributes:
            if number in (MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256):
                digest = "sha1" if number == MESSAGE_INTEGRITY else "sha256"
                covered = self._header(offset - 20 + 4 + len(value)) + self.raw[20:offset]
                return hmac.compare_digest(hmac.new(key, covered, digest).digest()[:len(value)], value)
            offset += 4 + len(value) + (-len(value) % 4)
        return None


def parse(raw):
    if len(raw) < 20 or raw[0] & 0xC0 or raw[4:8] != COOKIE:
        raise Malformed("no STUN header")
    kind, length = struct.unpack("!HH", raw[:4])
    if length % 4 or len(raw) != 20 + length:
        raise Malformed("length %d in %d bytes" % (length, len(raw)))
    m = Message(*split_type(kind), transaction=raw[8:20])
    m.raw = raw
    at = 20
    while at < len(raw):
        number, size = struct.unpack("!HH", raw[at:at + 4])
        if at + 4 + size > len(raw):
            raise Malformed("attribute 0x%04x runs past the end" % number)
        m.attributes.append((number, raw[at + 4:at + 4 + size]))
        at += 4 + size + (-size % 4)
    return m


def channel_data(number, payload):
    return struct.pack("!HH", number, len(payload)) + payload


def is_channel_data(raw):
    return len(raw) >= 4 and 0x40 <= raw[0] <= 0x4F
