# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""TURN over TCP and TLS (RFC 8656 3.1, 12.5): a stream that looks like a datagram socket, so that turn.py and turn_client.py need not know."""

import os
import select
import socket
import ssl
import struct
import threading

CONNECTION_BOUND = b"\x01\x0b"  # the success response: what follows are the peer's bytes (RFC 6062 4.4)
PROXY_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_header(source, destination, command=1, tlvs=b""):
    """PROXY protocol version 2 of a TCP connection; command 0 is LOCAL (the proxy's own health check)."""
    if command == 0:
        return PROXY_SIGNATURE + b"\x20\x00" + struct.pack("!H", len(tlvs)) + tlvs
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    body = socket.inet_pton(family, source[0]) + socket.inet_pton(family, destination[0])
    body += struct.pack("!HH", source[1], destination[1]) + tlvs
    return PROXY_SIGNATURE + bytes([0x21, 0x21 if family == socket.AF_INET6 else 0x11]) + struct.pack("!H", len(body)) + body


def client_context(ca=None, alpn=("stun.turn",)):
    context = ssl.create_default_context(cafile=ca)
    if not ca:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def dtls_hello(cookie=b"", sequence=0):
    """A ClientHello of DTLS 1.2 (RFC 6347 4.2.1), as short as it is taken."""
    ciphers = struct.pack("!HHH", 4, 0xC02B, 0xC02F)
    groups = struct.pack("!HHHHHHHHHHH", 0x000A, 4, 2, 23, 0x000D, 6, 4, 0x0403, 0x0804, 0x000B, 2) + b"\x01\x00"
    body = b"\xfe\xfd" + os.urandom(32) + b"\0" + bytes([len(cookie)]) + cookie + ciphers + b"\x01\x00" + struct.pack("!H", len(groups)) + groups
    length = len(body).to_bytes(3, "big")
    handshake = b"\x01" + length + struct.pack("!H", sequence) + bytes(3) + length + body
    return b"\x16\xfe\xfd" + sequence.to_bytes(8, "big") + struct.pack("!H", len(handshake)) + handshake


def frame_length(data):
    """Bytes of the frame that data begins with, padding included; 0 = more is needed to know."""
    if len(data) < 4:
        return 0
    length = struct.unpack("!H", data[2:4])[0]
    if data[0] >> 6 == 0:
        return 20 + length
    return 4 + length + (-length & 3)


class StreamSocket:
    """send() sends one message, padded where it is ChannelData; recv() gives one, or b"" once the connection has ended."""

    reliable = True

    def __init__(self, server, local=None, tls=None, server_name=None, proxy=b"", receive_buffer=0, timeout=5.0):
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if local:
            raw.bind(local)
        raw.settimeout(timeout)
        raw.connect(server)
        if proxy:
            raw.sendall(proxy)
        self.stream = tls.wrap_socket(raw, server_hostname=server_name) if tls else raw
        self.is_tls = tls is not None
        self.stream.setblocking(False)
        self.lock, self.reading = threading.Lock(), threading.Event()
        self.reading.set()
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.ours, self.theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.stopped, self.rest = False, b""
        self.pump = threading.Thread(target=self._pump, daemon=True)
        self.pump.start()

    def _read(self):
        """Bytes, b"" at the end, None when there are none now."""
        with self.lock:
            try:
                return self.stream.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return None
            except OSError:
                return b""

    def _pump(self):
        data = bytearray()
        while not self.stopped:
            self.reading.wait()
            got = self._read()
            if got is None:
                select.select([self.stream], [], [], 0.1)
                continue
            if not got:
                break
            data += got
            while (length := frame_length(data)) and len(data) >= length:
                frame = bytes(data[:length])
                if frame[0] >> 6:  # the padding is not the datagram's
                    frame = frame[:4 + struct.unpack("!H", frame[2:4])[0]]
                del data[:length]
                try:
                    self.theirs.send(frame)
                except OSError:
                    return
                if frame[:2] == CONNECTION_BOUND:
                    self.rest = bytes(data)
                    return
        self.theirs.close()

    def pause(self, on):
        """A client that reads nothing more."""
        if on:
            self.reading.clear()
        else:
            self.reading.set()

    def fileno(self):
        return self.ours.fileno()

    def recv(self, size, flags=0):
        return self.ours.recv(size, flags)

    def send_raw(self, data):
        """Bytes as they are, whatever they are."""
        view = memoryview(data)
        while view:
            with self.lock:
                try:
                    view = view[self.stream.send(view):]
                    continue
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    pass
            select.select([], [self.stream], [], 0.1)

    def send(self, message):
        if message[0] >> 6:
            message += bytes(-len(message) & 3)
        self.send_raw(message)

    def detach(self):
        """After a ConnectionBind succeeded: the bare stream, blocking, and what of it was read already."""
        self.stopped = True
        self.pump.join()
        self.stream.settimeout(5.0)
        return self.stream, self.rest

    def getsockname(self):
        return self.stream.getsockname()

    def close(self):
        self.stopped = True
        self.reading.set()
        self.ours.close()
        with self.lock:
            try:
                self.stream.shutdown(socket.SHUT_RDWR)  # wakes the pump
            except OSError:
                pass
        self.pump.join()
        self.stream.close()
