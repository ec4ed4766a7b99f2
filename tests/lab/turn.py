# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""One TURN client (RFC 8656): a socket, or a stream (turn_stream.py), credentials, at most one allocation."""

import base64
import hashlib
import hmac
import ipaddress
import select
import socket
import struct
import time

import stun

FIRST_RTO, LONGEST_RTO = 0.25, 1.0  # seconds: tries at 0, 0.25, 0.75, 1.75, 2.75, 3.75, 4.75 and 5.75


class Refused(Exception):
    """The server answered with an error; answer is the message."""

    def __init__(self, what, code, answer=None):
        super().__init__("%s: error %d" % (what, code))
        self.code, self.answer = code, answer


class NoAnswer(Exception):
    pass


def endpoint(text, default_port=3478):
    """"192.0.2.1:3478", "[2001:db8::1]:3478", or an address alone."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return str(ipaddress.ip_address(host)), int(rest[1:] or default_port)
    if text.count(":") == 1:
        host, port = text.split(":")
        return str(ipaddress.ip_address(host)), int(port)
    return str(ipaddress.ip_address(text)), default_port


def udp_socket(family, local=None):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    if local:
        s.bind(local)
    return s


def family_of(ip):
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


class Turn:
    """One client: one socket, at most one allocation."""

    def __init__(self, server, user, password, local=None, sha256=False, use_userhash=False, stream=None, origin=None):
        """stream: a StreamSocket to the server; without one the client talks UDP. origin: sent in each request (ORIGIN)."""
        self.server, self.user, self.password = server, user, password
        self.sha256, self.use_userhash, self.origin = sha256, use_userhash, origin
        self.reliable = stream is not None
        if stream:
            self.socket = stream
        else:
            self.socket = udp_socket(family_of(server[0]), local)
            self.socket.connect(server)
        self.realm = self.nonce = None
        self.algorithm, self.algorithms = stun.ALGORITHM_MD5, None
        self.relay = self.relay2 = self.mapped = self.token = self.ticket = None
        self.lifetime = 0
        self.backlog = []  # datagrams that came while a transaction waited
        self.retransmissions = 0

    patience = 6.0  # seconds until a transaction is given up

    def exchange(self, message, raw):
        """Send, retransmit, return the response with the same transaction id. RFC 8489 6.2.1 tries seven times; so does
        this, in less time, as the lab's line is a short one."""
        deadline, wait, due = time.monotonic() + self.patience, FIRST_RTO, 0.0
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise NoAnswer("no answer to method %d" % message.method)
            if now >= due and not (due and self.reliable):
                if due:
                    self.retransmissions += 1
                try:
                    self.socket.send(raw)
                except OSError:
                    pass  # an ICMP error of an earlier datagram: the next try tells
                due, wait = now + wait, min(wait * 2, LONGEST_RTO)
            until = deadline if self.reliable else min(due, deadline)
            readable, _, _ = select.select([self.socket], [], [], until - now)
            if not readable:
                continue
            try:
                got = self.socket.recv(65535)
            except OSError:
                continue
            if self.reliable and not got:
                raise NoAnswer("the connection has ended")
            try:
                answer = stun.parse(got)
                if answer.transaction == message.transaction and answer.klass in (stun.SUCCESS, stun.ERROR):
                    return answer
            except stun.Malformed:
                pass
            self.backlog.append(got)

    def key(self):
        return stun.long_term_key(self.user, self.realm, self.password, self.algorithm)

    def learn(self, answer):
        """Realm, nonce and password algorithm of a 401 or 438 (RFC 8489 9.2.5)."""
        self.realm = answer.get(stun.REALM).decode()
        self.nonce = answer.get(stun.NONCE)
        offered = answer.get(stun.PASSWORD_ALGORITHMS)
        self.algorithm, self.algorithms = stun.ALGORITHM_MD5, None
        if self.sha256 and offered and self.nonce.startswith(stun.NONCE_COOKIE):
            self.algorithms = offered
            numbers = [struct.unpack("!H", offered[i:i + 2])[0] for i in range(0, len(offered), 4)]
            if stun.ALGORITHM_SHA256 in numbers:
                self.algorithm = stun.ALGORITHM_SHA256

    def request(self, method, attributes=()):
        """An authenticated request; a stale or missing nonce is fetched and the request sent again."""
        for _ in range(3):
            m = stun.Message(method)
            for number, value in attributes:
                m.add(number, value(m.transaction) if callable(value) else value)
            if self.origin:
                m.add(stun.ORIGIN, self.origin.encode())
            key = None
            if self.nonce:
                if self.use_userhash and self.algorithms:
                    m.add(stun.USERHASH, stun.userhash(self.user, self.realm))
                else:
                    m.add(stun.USERNAME, self.user.encode())
                m.add(stun.REALM, self.realm.encode()).add(stun.NONCE, self.nonce)
                if self.algorithms:
                    m.add(stun.PASSWORD_ALGORITHMS, self.algorithms)
                    m.add(stun.PASSWORD_ALGORITHM, struct.pack("!HH", self.algorithm, 0))
                key = self.key()
            answer = self.exchange(m, m.build(key, sha256=bool(self.algorithms), fingerprint=True))
            if answer.klass == stun.SUCCESS:
                if key and answer.integrity_ok(key) is False:
                    raise Refused("integrity of the answer is wrong", 0)
                return answer
            if answer.error() == 438 or (answer.error() == 401 and key is None):
                self.learn(answer)
                continue
            raise Refused("method %d" % method, answer.error(), answer)
        raise Refused("method %d: nonces go stale at once" % method, 438)

    def allocate(self, lifetime=None, family=None, even_port=None, token=None, dont_fragment=False, additional=False, mobile=False, transport=17):
        """additional: an IPv6 address beside the IPv4 one (RFC 8656 7.2). mobile: ask for a ticket (RFC 8016). transport 6: RFC 6062."""
        wanted = [(stun.REQUESTED_TRANSPORT, struct.pack("!I", transport << 24))]
        if lifetime is not None:
            wanted.append((stun.LIFETIME, struct.pack("!I", lifetime)))
        if family is not None:
            wanted.append((stun.REQUESTED_ADDRESS_FAMILY, struct.pack("!I", (1 if family == 4 else 2) << 24)))
        if even_port is not None:
            wanted.append((stun.EVEN_PORT, bytes([0x80 if even_port else 0])))
        if token is not None:
            wanted.append((stun.RESERVATION_TOKEN, token))
        if dont_fragment:
            wanted.append((stun.DONT_FRAGMENT, b""))
        if additional:
            wanted.append((stun.ADDITIONAL_ADDRESS_FAMILY, struct.pack("!I", 2 << 24)))
        if mobile:
            wanted.append((stun.MOBILITY_TICKET, b""))
        answer = self.request(stun.ALLOCATE, wanted)
        relays = [stun.parse_xor_address(v, answer.transaction) for n, v in answer.attributes if n == stun.XOR_RELAYED_ADDRESS]
        self.relay, self.relay2 = relays[0], relays[1] if len(relays) > 1 else None
        self.ticket = answer.get(stun.MOBILITY_TICKET)
        self.mapped = answer.address(stun.XOR_MAPPED_ADDRESS)
        self.token = answer.get(stun.RESERVATION_TOKEN)
        self.lifetime = struct.unpack("!I", answer.get(stun.LIFETIME))[0]
        return self.relay

    def refresh(self, lifetime):
        answer = self.request(stun.REFRESH, [(stun.LIFETIME, struct.pack("!I", lifetime))])
        return struct.unpack("!I", answer.get(stun.LIFETIME))[0]

    def close(self):
        """Give the allocation back. 437: an earlier copy of the request did, and its answer was lost."""
        try:
            self.refresh(0)
        except Refused as e:
            if e.code != 437:
                raise
        except NoAnswer:
            if not self.reliable:
                raise  # a connection's end ends its allocation

    def permission(self, *peers):
        self.request(stun.CREATE_PERMISSION, [
            (stun.XOR_PEER_ADDRESS, lambda t, p=p: stun.xor_address(p[0], p[1], t)) for p in peers])

    def channel(self, number, peer):
        self.request(stun.CHANNEL_BIND, [
            (stun.CHANNEL_NUMBER, struct.pack("!HH", number, 0)),
            (stun.XOR_PEER_ADDRESS, lambda t: stun.xor_address(peer[0], peer[1], t))])

    def send_channel(self, number, payload):
        self.socket.send(stun.channel_data(number, payload))

    def send_indication(self, peer, payload, dont_fragment=False):
        m = stun.Message(stun.SEND, stun.INDICATION).add_address(stun.XOR_PEER_ADDRESS, *peer)
        if dont_fragment:
            m.add(stun.DONT_FRAGMENT)
        self.socket.send(m.add(stun.DATA_ATTR, payload).build())

    def unwrap(self, raw):
        """(channel number or peer, payload) of a relayed datagram, else None."""
        if stun.is_channel_data(raw):
            number, size = struct.unpack("!HH", raw[:4])
            return (number, raw[4:4 + size]) if len(raw) >= 4 + size else None
        try:
            m = stun.parse(raw)
        except stun.Malformed:
            return None
        if (m.method, m.klass) != (stun.DATA, stun.INDICATION):
            return None
        return m.address(stun.XOR_PEER_ADDRESS), m.get(stun.DATA_ATTR)

    def receive(self, timeout=0.0):
        """The next relayed datagram, unwrapped, or None."""
        deadline = time.monotonic() + timeout
        while True:
            if self.backlog:
                raw = self.backlog.pop(0)
            else:
                readable, _, _ = select.select([self.socket], [], [], max(0, deadline - time.monotonic()))
                if not readable:
                    return None
                try:
                    raw = self.socket.recv(65535)
                except OSError:
                    return None
                if self.reliable and not raw:
                    return None  # the connection has ended
            got = self.unwrap(raw)
            if got:
                return got


def rest_credentials(secret, user, seconds):
    """The shared-secret scheme: name "expiry:user", password base64(HMAC-SHA1(secret, name))."""
    name = "%d:%s" % (time.time() + seconds, user)
    return name, base64.b64encode(hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()).decode()
