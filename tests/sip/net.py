# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Sockets of SIP endpoints in the lab's namespaces, all in this one process, so that a scenario says in which order things happen.
What is sent and received is kept; faults are put in on the way (`outgoing`, `incoming` filters of a Port)."""

import ctypes
import os
import select
import socket
import ssl
import time

from message import Message, key, parameter

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class Missing(AssertionError):
    """Something that had to come did not, or came otherwise."""


class Namespace:
    """socket() inside makes sockets of that namespace; they stay there."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        if libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"namespace {self.name}")
        os.close(there)

    def __exit__(self, *_):
        libc.setns(self.home, CLONE_NEWNET)
        os.close(self.home)


class World:
    """All sockets of a scenario."""

    def __init__(self):
        self.ports = []
        self.sockets = {}  # file descriptor -> what is called when it is readable
        self.poll = select.poll()

    def watch(self, sock, fn):
        self.sockets[sock.fileno()] = fn
        self.poll.register(sock.fileno(), select.POLLIN)

    def forget(self, sock):
        if sock.fileno() in self.sockets:
            self.poll.unregister(sock.fileno())
            del self.sockets[sock.fileno()]

    def pump(self, seconds):
        """Receive, and send again what is due; at least once, at most so long without anything coming."""
        now = time.monotonic()
        due = min((p.next_due() for p in self.ports), default=now + 1)
        wait = max(0.0, min(seconds, due - now))
        for fd, _ in self.poll.poll(wait * 1000):
            if fd in self.sockets:
                self.sockets[fd]()
        now = time.monotonic()
        for port in self.ports:
            port.send_again(now)

    def run(self, seconds):
        """Let time pass, with everything answered that answers by itself."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while True:
            got = condition()
            if got:
                return got
            left = end - time.monotonic()
            if left <= 0:
                raise Missing(f"{what}: not within {seconds:g} s")
            self.pump(min(left, 0.2))

    def close(self):
        for port in list(self.ports):
            port.close()


class Stream:
    """A TCP or TLS connection and its framing."""

    def __init__(self, port, sock, remote):
        self.port, self.sock, self.remote, self.pending, self.open = port, sock, remote, b"", True
        self.pongs = 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        port.world.watch(sock, self.readable)

    def readable(self):
        while self.open:
            try:
                data = self.sock.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                break
            except (OSError, ssl.SSLError):
                data = b""
            if not data:
                self.close()
                break
            self.pending += data
        self.frames()

    def frames(self):
        while self.pending:
            if self.pending.startswith(b"\r\n"):
                self.pending = self.pending[2:]
                self.pongs += 1
                continue
            head, mark, rest = self.pending.partition(b"\r\n\r\n")
            if not mark:
                return
            length = 0
            for line in head.decode("utf-8", "replace").split("\r\n"):
                if ":" in line and key(line.split(":")[0]) == "content-length":
                    length = int(line.split(":")[1])
            if len(rest) < length:
                return
            whole, self.pending = head + mark + rest[:length], rest[length:]
            self.port.arrived(whole, self.remote, self)

    def send(self, raw):
        self.sock.setblocking(True)
        self.sock.settimeout(5)
        try:
            self.sock.sendall(raw)
        finally:
            if self.open:
                self.sock.setblocking(False)

    def close(self):
        if self.open:
            self.open = False
            self.port.world.forget(self.sock)
            self.sock.close()


class Port:
    """A SIP address: UDP socket, or TCP/TLS listener with its connections. `side` says which of the appliance's sides it is on."""

    def __init__(self, world, namespace, ip, port, transport="udp", side="client", tls=None, t1=0.5):
        self.world, self.ip, self.transport, self.side, self.tls, self.t1 = world, ip, transport, side, tls, t1
        self.namespace = namespace
        self.inbox, self.received, self.sent = [], [], []
        self.repeats = []          # what came again, byte by byte
        self.known = {}            # raw -> when it first came
        self.pings = 0             # keep-alives that came
        self.answers = {}          # (branch, method) -> last response of ours, sent again for a repeated request
        self.answer_again = True
        self.retransmit = []       # [until response of this branch, raw, destination, due, interval, deadline]
        self.outgoing = None       # fn(message) -> list of messages that really go out
        self.incoming = None       # fn(message) -> False: it was never received
        self.automatic = []        # fn(message) -> True: it was dealt with
        self.streams = {}
        self.family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with Namespace(namespace):
            self.sock = socket.socket(self.family, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
            if transport != "udp":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            self.sock.bind((ip, port))
        self.port = self.sock.getsockname()[1]
        self.sock.setblocking(False)
        if transport != "udp":
            self.sock.listen(16)
        world.watch(self.sock, self.readable)
        world.ports.append(self)

    @property
    def host(self):
        return f"[{self.ip}]" if ":" in self.ip else self.ip

    @property
    def via(self):
        return f"SIP/2.0/{self.transport.upper()} {self.host}:{self.port}"

    def readable(self):
        if self.transport != "udp":
            sock, remote = self.sock.accept()
            if self.tls:
                sock.settimeout(3)
                try:
                    sock = self.tls.server.wrap_socket(sock, server_side=True)
                except (ssl.SSLError, OSError):
                    sock.close()
                    return
            self.streams[remote[:2]] = Stream(self, sock, remote[:2])
            return
        while True:
            try:
                raw, remote = self.sock.recvfrom(65536)
            except (BlockingIOError, ConnectionError):
                return
            if raw.strip(b"\r\n\0"):
                self.arrived(raw, remote[:2], None)
            else:
                self.pings += 1

    def arrived(self, raw, remote, stream):
        m = Message.parse(raw)
        m.source, m.connection, m.at, m.raw = remote, stream, time.monotonic(), raw
        if self.incoming is not None and self.incoming(m) is False:
            return
        if not m.is_request:
            self.retransmit = [r for r in self.retransmit if r[0] != (m.branch, m.method)]
        else:
            if m.method == "ACK":  # of a final response: it need not be sent again
                self.retransmit = [r for r in self.retransmit if r[0] != ("final", m.call_id, m.cseq)]
        if self.transport == "udp" and raw in self.known:
            self.repeats.append(m)
            again = self.answers.get((m.branch, m.method)) if m.is_request and self.answer_again else None
            if again is not None:
                self.send_raw(again, remote, stream)
            return
        self.known[raw] = m.at
        self.received.append(m)
        for fn in self.automatic:
            if fn(m):
                return
        self.inbox.append(m)

    def send(self, message, to=None, stream=None, again=False):
        """to: (ip, port). again: until there is an answer, by RFC 3261's timers (UDP)."""
        messages = [message] if self.outgoing is None else self.outgoing(message)
        for m in messages:
            raw = m.bytes()
            self.sent.append(m)
            m.sent_at = time.monotonic()
            self.send_raw(raw, to, stream)
        raw = message.bytes()
        if not message.is_request:
            self.answers[(message.branch, message.method)] = raw
            if again and self.transport == "udp":
                until = ("final", message.call_id, message.cseq)
                self.retransmit.append([until, raw, to, time.monotonic() + self.t1, self.t1, time.monotonic() + 64 * self.t1])
        elif again and self.transport == "udp":
            self.retransmit.append([(message.branch, message.method), raw, to, time.monotonic() + self.t1, self.t1,
                                    time.monotonic() + 64 * self.t1])

    def send_raw(self, raw, to, stream=None):
        if self.transport == "udp":
            try:
                self.sock.sendto(raw, to)
            except OSError:
                pass
            return
        stream = stream if stream is not None and stream.open else self.connect(to)
        stream.send(raw)

    def connect(self, to, fresh=False, context=None, name=None):
        """The connection to there, made when there is none."""
        to = tuple(to[:2])
        stream = self.streams.get(to)
        if stream is not None and stream.open and not fresh:
            return stream
        with Namespace(self.namespace):
            sock = socket.socket(self.family, socket.SOCK_STREAM)
        sock.settimeout(5)
        sock.bind((self.ip, 0))
        sock.connect(to)
        if self.tls:
            sock = (context or self.tls.client).wrap_socket(sock, server_hostname=name or self.tls.name)
        stream = self.streams[to] = Stream(self, sock, to)
        return stream

    def next_due(self):
        return min((r[3] for r in self.retransmit), default=time.monotonic() + 1)

    def send_again(self, now):
        for r in list(self.retransmit):
            if now >= r[5]:
                self.retransmit.remove(r)
            elif now >= r[3]:
                r[4] = min(r[4] * 2, 8 * self.t1)
                r[3] = now + r[4]
                if self.outgoing is None or self.outgoing(Message.parse(r[1])):
                    self.send_raw(r[1], r[2])

    # ---- waiting ----

    def take(self, wanted, seconds=3.0, what=None):
        """The first message that wanted(message) is true of, out of the inbox, now or soon."""
        def look():
            for m in self.inbox:
                if wanted(m):
                    self.inbox.remove(m)
                    return m
            return None
        try:
            return self.world.until(look, seconds, what or "a message")
        except Missing as error:
            rest = ", ".join(f"{m.start} ({m.get('CSeq')})" for m in self.inbox[-6:]) or "nothing else came"
            raise Missing(f"{self.transport} {self.host}:{self.port}: {error}; waiting there: {rest}") from None

    def request(self, method, seconds=3.0, more=lambda m: True):
        return self.take(lambda m: m.is_request and m.method == method and more(m), seconds, f"a request {method}")

    def nothing(self, wanted, seconds, what):
        """None such comes for so long."""
        end = time.monotonic() + seconds
        while True:
            for m in self.inbox:
                if wanted(m):
                    raise Missing(f"{self.host}:{self.port}: {what} came: {m.start}")
            left = end - time.monotonic()
            if left <= 0:
                return
            self.world.pump(left)

    def close(self):
        self.world.forget(self.sock)
        self.sock.close()
        for stream in list(self.streams.values()):
            stream.close()
        self.retransmit = []
        if self in self.world.ports:
            self.world.ports.remove(self)


class Tls:
    """Contexts of an end: what it trusts, and what it shows."""

    def __init__(self, ca, name, certificate=None, key_file=None):
        self.name = name
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.load_verify_locations(ca)
        self.server = None
        if certificate:
            self.client.load_cert_chain(certificate, key_file)
            self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.load_cert_chain(certificate, key_file)


def via_of(m):
    return parameter(m.get("Via"), "branch")
