#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Each class of weakness that TURN servers have had, tried. One line of JSON; exit status 1 when something gave way.

  peers         forbidden peers, however they are written, by CreatePermission, ChannelBind, Connect and Send
  nonces        of many clients: none like another, none serves another client or after a change
  ports         relayed ports, connection ids and tickets of many allocations cannot be guessed from each other
  lengths       truncated and inflated messages over UDP
  framing       what is neither STUN nor ChannelData on a connection; messages in pieces and together; data that looks like messages
  idle          --argument connections that say nothing, or half a TLS ClientHello; --seconds later they are gone
  hellos        --argument DTLS ClientHellos without a cookie, from as many ports
  token         RFC 7635 access tokens: --argument is base64 of a good one, then of its key; every byte altered, every length cut
  ticket        RFC 8016 tickets: stolen by another user, altered, used again
  names         user names that differ in case or in Unicode form are different users
"""

import base64
import os
import select
import socket
import struct
import sys
import time
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stun  # noqa: E402
import turn_stream  # noqa: E402
from turn import NoAnswer, Refused  # noqa: E402
from turn_rig import echoed, ended, main, refusal  # noqa: E402

LOOPBACK4 = ("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.0.0.1")
INTERNAL4 = ("10.0.0.1", "172.31.255.1", "192.168.0.1", "100.64.0.1", "169.254.1.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "224.0.0.1")
METADATA = ("169.254.169.254", "fd00:ec2::254")
LOOPBACK6 = ("::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::")
INTERNAL6 = ("::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
             "::ffff:192.168.1.1", "100::1", "2001::1")
REFUSED = (403, 443)


def case_peers(rig):
    for family, addresses in ((4, LOOPBACK4 + INTERNAL4 + METADATA[:1]), (6, LOOPBACK6 + INTERNAL6 + METADATA[1:])):
        c = rig.client()
        c.allocate(family=family)
        for a in addresses:
            rig.check("CreatePermission " + a, refusal(c.permission, (a, 80)), *REFUSED)
            rig.check("ChannelBind " + a, refusal(c.channel, 0x4000, (a, 80)), *REFUSED)
            c.send_indication((a, 3480), b"in by the back door")
        rig.check("a good peer beside a bad one", refusal(c.permission, rig.peer if family == 4 else rig.peer6, (addresses[0], 80)), *REFUSED)
        rig.true("gave no permission either", not echoed(c, lambda p: c.send_indication(rig.peer if family == 4 else rig.peer6, p), b"unasked", 0.6))
        c.close()
    for family, addresses in ((4, LOOPBACK4 + INTERNAL4 + METADATA[:1]), (6, LOOPBACK6 + INTERNAL6 + METADATA[1:])):
        c = rig.client("tcp")
        c.allocate(transport=6, family=family)
        for a in addresses:
            rig.check("Connect " + a, refusal(c.request, stun.CONNECT, [(stun.XOR_PEER_ADDRESS, lambda t, a=a: stun.xor_address(a, 80, t))]), *REFUSED)
        c.close()
    # Both families in one allocation: a mapped address is IPv4 there, and still forbidden.
    c = rig.client()
    c.allocate(additional=True)
    for a in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"):
        rig.check("two families: " + a, refusal(c.permission, (a, 80)), *REFUSED)
    c.close()


def case_nonces(rig):
    clients = [rig.known() for _ in range(32)]
    nonces = [c.nonce for c in clients]
    rig.true("none like another", len(set(nonces)) == len(nonces))
    # What differs must be more than a counter: bits that two of them have in common are about half.
    tails = [n[-8:] for n in nonces]
    rig.true("none close to another", len({t[:4] for t in tails}) > 28 and len({t[4:] for t in tails}) > 28)
    a, b = clients[0], clients[1]
    b.nonce = a.nonce
    m = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
    m.add(stun.USERNAME, b.user.encode()).add(stun.REALM, b.realm.encode()).add(stun.NONCE, a.nonce)
    rig.check("another client's", b.exchange(m, m.build(b.key())).error(), 438)
    for at in range(0, len(a.nonce), 3):
        bent = bytearray(a.nonce)
        bent[at] ^= 1
        m = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
        m.add(stun.USERNAME, a.user.encode()).add(stun.REALM, a.realm.encode()).add(stun.NONCE, bytes(bent))
        rig.check("byte %d changed" % at, a.exchange(m, m.build(a.key())).error(), 438, 401, 400)


def no_pattern(numbers):
    """No constant step, no few values, both up and down."""
    steps = [b - a for a, b in zip(numbers, numbers[1:])]
    return len(set(numbers)) > len(numbers) * 0.95 and len(set(steps)) > len(steps) * 0.9 and min(steps) < 0 < max(steps)


def case_ports(rig):
    clients = [rig.client() for _ in range(64)]
    for c in clients:
        c.allocate(mobile=True)
    ports = [c.relay[1] for c in clients]
    rig.true("ports without a pattern", no_pattern(ports))
    rig.true("over the whole range", max(ports) - min(ports) > 4000)
    tickets = [c.ticket for c in clients]
    rig.true("tickets", all(tickets) and len(set(tickets)) == 64)
    if all(tickets):
        bits = [sum(bin(x ^ y).count("1") for x, y in zip(a, b)) for a, b in zip(tickets, tickets[1:])]
        rig.true("that have little in common", min(bits) > 20)
    for c in clients:
        c.close()
    c = rig.client("tcp")
    c.allocate(transport=6)
    ids = []
    for port in range(1, 13):  # nobody listens there, or somebody: the id is told in the answer to a good one only
        try:
            answer = c.request(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, lambda t, p=port: stun.xor_address(rig.peer[0], 3490 + p, t))])
            ids.append(int.from_bytes(answer.get(stun.CONNECTION_ID), "big"))
        except Refused:
            pass
    rig.true("12 connections", len(ids) == 12)
    rig.true("ids without a pattern", len(ids) == 12 and no_pattern(ids) and max(ids) - min(ids) > 1 << 24)
    c.close()


def alive(rig, over="udp"):
    c = rig.client(over)
    rig.check("a Binding over %s afterwards" % over, refusal(c.request, stun.BINDING), 0)
    c.socket.close()


def case_lengths(rig):
    c = rig.known()
    c.patience = 0.3
    base = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)).add(stun.USERNAME, b"alice")
    raw = base.build()
    for cut in range(1, len(raw)):
        c.socket.send(raw[:cut])
    for length in (0, 1, 3, len(raw) - 24, len(raw) - 16, 0x7FFC, 0xFFFC, 0xFFFF):
        c.socket.send(raw[:2] + struct.pack("!H", length) + raw[4:])
    for at in (20, 28):  # each attribute longer and shorter than it is
        for length in (0, 1, 5, 0x100, 0x7FFF, 0xFFFF):
            c.socket.send(raw[:at + 2] + struct.pack("!H", length) + raw[at + 4:])
    for length in (0, 1, 0xFFFF):  # ChannelData that promises more than there is, without an allocation
        c.socket.send(struct.pack("!HH", 0x4000, length) + b"abc")
    c.allocate()
    c.channel(0x4000, rig.peer)
    c.send_channel(0x4000, b"so")
    c.socket.send(struct.pack("!HH", 0x4000, 600) + b"short")
    c.socket.send(struct.pack("!HH", 0x4000, 0xFFFF) + b"short")
    payloads = []
    while (got := c.receive(0.5)) is not None:
        payloads.append(got[1])
    rig.true("ChannelData longer than its datagram goes nowhere", set(payloads) == {b"so"})
    rig.true("and the client serves on", echoed(c, lambda p: c.send_channel(0x4000, p), b"well"))
    c.close()
    alive(rig)


def request(client, method=stun.REFRESH, *attributes):
    m = stun.Message(method)
    for number, value in attributes:
        m.add(number, value)
    m.add(stun.USERNAME, client.user.encode()).add(stun.REALM, client.realm.encode()).add(stun.NONCE, client.nonce)
    return m, m.build(client.key())


def case_framing(rig):
    for over in ("tcp", "tls"):
        for what, raw in (("RTP", b"\x80\x00" + bytes(30)), ("a byte of ones", b"\xff" * 20), ("no cookie", struct.pack("!HH", 1, 0) + bytes(16)),
                          ("a length that is no multiple of four", struct.pack("!HH", 1, 3) + stun.COOKIE + bytes(15))):
            s = rig.stream(over)
            s.send_raw(raw)
            rig.true("%s: %s ends the connection" % (over, what), ended(s))
            s.close()
        c = rig.client(over)
        m = stun.Message(stun.BINDING)
        for byte in m.build():  # in pieces of one byte
            c.socket.send_raw(bytes([byte]))
        rig.check(over + ": byte by byte", c.exchange(m, stun.Message(stun.BINDING).build()).klass, stun.SUCCESS)
        c.socket.close()

        c = rig.client(over)
        c.allocate()
        c.channel(0x4000, rig.peer)
        # A whole Refresh with lifetime 0 and good integrity lies in the payload: it is the peer's, and nobody's order.
        _, refresh = request(c, stun.REFRESH, (stun.LIFETIME, bytes(4)))
        many = b"".join(turn_pad(stun.channel_data(0x4000, p)) for p in (refresh, b"x", b"yy", b"zzz", b"four"))
        c.socket.send_raw(many)
        payloads = []
        while len(payloads) < 5 and (got := c.receive(2.0)) is not None:
            payloads.append(got[1])
        rig.check(over + ": five frames in one segment, the first one a message in disguise", sorted(payloads, key=len) ==
                  sorted([refresh, b"x", b"yy", b"zzz", b"four"], key=len), True)
        rig.check(over + ": which was not obeyed", refusal(c.refresh, 600), 0)
        two = [request(c, stun.REFRESH, (stun.LIFETIME, struct.pack("!I", 600))) for _ in range(2)]
        c.socket.send_raw(two[0][1] + two[1][1][:30])
        rig.check(over + ": one and a half messages", c.exchange(two[0][0], two[1][1][30:]).klass, stun.SUCCESS)
        # Without the padding the next three bytes would be skipped: what follows is no frame.
        c.socket.send_raw(stun.channel_data(0x4000, b"x") + stun.Message(stun.BINDING).build())
        rig.true(over + ": ChannelData without its padding ends the connection", ended(c.socket))
        c.socket.close()

        c = rig.client(over)
        c.allocate()
        c.socket.send_raw(struct.pack("!HH", 0x4000, 0xFFFF) + b"part")  # promised, and never sent
        c.socket.close()
        alive(rig, over)
    plain = turn_stream.StreamSocket((rig.server[0], rig.args.tls_port))
    plain.send_raw(stun.Message(stun.BINDING).build())
    rig.true("STUN in clear to a TLS port", ended(plain))
    plain.close()


def turn_pad(raw):
    return raw + bytes(-len(raw) & 3)


def case_idle(rig):
    count = int(rig.args.argument[0])
    hello = bytes.fromhex("1603010200010001fc0303") + os.urandom(32)  # of 512 bytes
    sockets = []
    for i in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(3)
        try:
            s.connect((rig.server[0], rig.args.tls_port if i % 2 else rig.server[1]))
            if i % 4 == 1:
                s.sendall(hello)
            elif i % 4 == 2:
                s.sendall(struct.pack("!HH", 1, 8) + stun.COOKIE)  # half a message
        except OSError:
            pass
        sockets.append(s)
    if rig.args.ready_file:
        with open(rig.args.ready_file, "w") as f:
            f.write("%d\n" % os.getpid())
    alive(rig)
    gone, end = 0, time.monotonic() + rig.args.seconds
    for s in sockets:
        s.settimeout(max(0.001, end - time.monotonic()))
        try:
            gone += not s.recv(4096) or not s.recv(4096)  # an alert may come first
        except (TimeoutError, socket.timeout):
            pass
        except OSError:
            gone += 1
    rig.check("all were ended", gone, count)


def case_hellos(rig):
    count, to = int(rig.args.argument[0]), (rig.server[0], rig.args.tls_port)
    answered, kinds, sent, longest = 0, set(), 0, 0
    hello = turn_stream.dtls_hello()
    for i in range(0, count, 100):  # 700 a second: the guard has a limit for strangers, too
        sockets = []
        for _ in range(min(100, count - i)):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(hello, to)
            sockets.append(s)
            sent += 1
        time.sleep(0.14)
        for s in select.select(sockets, [], [], 0)[0]:
            raw = s.recv(4096)
            answered += 1
            kinds.add(raw[13] if raw[0] == 22 else -raw[0])
            longest = max(longest, len(raw))
        for s in sockets:
            s.close()
    rig.seen.update({"sent": sent, "answered": answered, "bytes": longest})
    rig.true("half of them or more were answered", answered * 2 >= sent)
    rig.check("by HelloVerifyRequest only", sorted(kinds), [3])
    rig.true("that is no longer than they are", longest <= len(hello))
    # A ClientHello with a made-up cookie gets another request for one, not a handshake.
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(turn_stream.dtls_hello(os.urandom(20), 1), to)
    try:
        rig.check("a made-up cookie", s.recv(4096)[13], 3)
    except OSError:
        rig.seen["a made-up cookie"] = "no answer"


def case_token(rig):
    token, kid, mac_key = base64.b64decode(rig.args.argument[0]), rig.args.argument[1].encode(), base64.b64decode(rig.args.argument[2])

    def code(token, kid=kid, mac_key=mac_key):
        c = rig.known()
        m = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
        m.add(stun.USERNAME, kid).add(stun.ACCESS_TOKEN, token).add(stun.REALM, c.realm.encode()).add(stun.NONCE, c.nonce)
        try:
            answer = c.exchange(m, m.build(mac_key))
        except NoAnswer:
            return -1
        finally:
            c.socket.close()
        return answer.error()

    rig.check("the good one", code(token), 0)
    rig.check("another key id", code(token, b"nobody"), 401)
    rig.check("another mac key", code(token, mac_key=bytes(len(mac_key))), 401)
    wrong = [at for at in range(len(token)) if code(token[:at] + bytes([token[at] ^ 0x40]) + token[at + 1:]) not in (400, 401)]
    rig.check("bytes that could be altered", wrong, [])
    wrong = [n for n in range(len(token)) if code(token[:n]) not in (400, 401)]
    rig.check("lengths that could be cut to", wrong, [])
    for name, bad in (("a nonce longer than the token", b"\xff\xff" + token[2:]), ("no nonce", b"\0\0" + token[2:]), ("longer than any", token + bytes(600)),
                      ("bytes behind it", token + b"\0"), ("zeros", bytes(len(token)))):
        rig.check(name, code(bad), 400, 401)
    for old in rig.args.argument[3:]:
        rig.check("one that has ended, or is of another server", code(base64.b64decode(old)), 401)
    rig.check("the good one, still", code(token), 0)
    alive(rig)


def with_ticket(c, ticket, lifetime=600):
    return refusal(c.request, stun.REFRESH, [(stun.LIFETIME, struct.pack("!I", lifetime)), (stun.MOBILITY_TICKET, ticket)])


def case_ticket(rig):
    owner = rig.client()
    owner.allocate(mobile=True)
    owner.channel(0x4000, rig.peer)
    ticket = owner.ticket
    thief = rig.client(user=rig.args.other_user)
    refused = (400, 401, 403, 405, 437, 441)
    rig.check("another user's", with_ticket(thief, ticket), *refused)
    rig.check("another user's, to end it", with_ticket(thief, ticket, 0), *refused)
    for at in range(len(ticket)):
        bent = ticket[:at] + bytes([ticket[at] ^ 1]) + ticket[at + 1:]
        rig.check("byte %d changed" % at, with_ticket(rig.client(patience=2), bent), *refused)
    for n in (0, 1, len(ticket) - 1):
        rig.check("%d bytes of it" % n, with_ticket(rig.client(), ticket[:n]), *refused)
    rig.check("longer", with_ticket(rig.client(), ticket + b"\0"), *refused)
    rig.true("the owner noticed nothing", echoed(owner, lambda p: owner.send_channel(0x4000, p), b"mine"))
    moved = rig.client()
    answer = moved.request(stun.REFRESH, [(stun.LIFETIME, struct.pack("!I", 600)), (stun.MOBILITY_TICKET, ticket)])
    moved.ticket = answer.get(stun.MOBILITY_TICKET)
    rig.true("the owner moves", echoed(moved, lambda p: moved.send_channel(0x4000, p), b"there"))
    rig.check("the ticket that was used, from elsewhere", with_ticket(rig.client(), ticket), *refused)
    rig.true("which changed nothing", echoed(moved, lambda p: moved.send_channel(0x4000, p), b"still"))
    moved.close()
    rig.check("a ticket of what has ended", with_ticket(rig.client(), moved.ticket), *refused)


def case_names(rig):
    """--argument: a name with a capital letter and one with a composed character; both are users."""
    for name in rig.args.argument:
        c = rig.client(user=name)
        rig.check(name, refusal(c.allocate), 0)
        c.close()
        others = {name.lower(), name.upper(), name.swapcase(), unicodedata.normalize("NFD", name), unicodedata.normalize("NFKD", name), name + " ", " " + name,
                  name + "\0", name[:-1]} - {name}
        for other in sorted(others):
            rig.check(repr(other), refusal(rig.client(user=other).allocate), 401, 400)


CASES = {name[5:]: f for name, f in list(globals().items()) if name.startswith("case_")}

if __name__ == "__main__":
    sys.exit(main(__doc__, CASES))
