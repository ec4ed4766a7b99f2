#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What a complete TURN server does, rule by rule, where Debian's client only says that it worked. One line of JSON; exit status 1 when something was wrong.

  dual          two relayed addresses (RFC 8656 7.2): data to both families, refresh of one of them
  mobility      a ticket moves the allocation to another port, and to TCP (RFC 8016)
  tcp_relay     Connect, ConnectionBind, ConnectionAttempt and their errors (RFC 6062), over TCP and TLS
  tcp_held      a data connection, by a proxy or without, while others look
  nat           answers from the other port and address (RFC 5780); --argument is the other address, then the other port
  icmp          a closed port of the peer is told (RFC 8656 11.5)
  oauth         third-party authorisation (RFC 7635): --argument is the key id, then a token of at most 600 s, its key, and another of more, its key
  slow          a TCP client that reads nothing: others and the connection live on; --argument megabytes
  stalled       a client that reads nothing for --seconds finds its connection ended
  alternate     300 and where to; --argument is the server that must be named
  cut           the dataplane dies within --seconds: clients of TCP and TLS are told by the end of their connection, come again and are served
  bandwidth     bits a second that pass; --argument kbit/s in the direction to the peer

Beside the cases, for the peer's side: tcp_echo ADDRESS PORT... and tcp_call FROM TO PORT.
"""

import base64
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stun  # noqa: E402
import turn_stream  # noqa: E402
from turn import NoAnswer, Refused, endpoint  # noqa: E402
from turn_rig import echoed, ended, indications, main, refusal  # noqa: E402

FAMILY4, FAMILY6 = struct.pack("!I", 1 << 24), struct.pack("!I", 2 << 24)


def say_ready(rig):
    if rig.args.ready_file:
        with open(rig.args.ready_file, "w") as f:
            f.write("%d\n" % os.getpid())


def case_dual(rig):
    for over in ("udp", "tcp"):
        c = rig.client(over)
        c.allocate(additional=True)
        rig.true(over + ": two addresses", c.relay2 and ":" in c.relay2[0] and ":" not in c.relay[0])
        c.permission(rig.peer)
        c.permission(rig.peer6)
        rig.true(over + ": data to IPv4", echoed(c, lambda p: c.send_indication(rig.peer, p), b"four"))
        rig.true(over + ": data to IPv6", echoed(c, lambda p: c.send_indication(rig.peer6, p), b"sixes"))
        c.channel(0x4000, rig.peer)
        c.channel(0x4001, rig.peer6)
        rig.true(over + ": channel to IPv4", echoed(c, lambda p: c.send_channel(0x4000, p), b"channel4"))
        rig.true(over + ": channel to IPv6", echoed(c, lambda p: c.send_channel(0x4001, p), b"channel6"))
        # RFC 8656 8: a Refresh that names a family is about that one.
        rig.check(over + ": IPv6 given back", refusal(c.request, stun.REFRESH, [
            (stun.LIFETIME, struct.pack("!I", 0)), (stun.REQUESTED_ADDRESS_FAMILY, FAMILY6)]), 0)
        rig.check(over + ": then it has none", refusal(c.permission, rig.peer6), 443)
        rig.true(over + ": IPv4 goes on", echoed(c, lambda p: c.send_channel(0x4000, p), b"still"))
        c.close()
    c = rig.client()
    both = [(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)), (stun.REQUESTED_ADDRESS_FAMILY, FAMILY4), (stun.ADDITIONAL_ADDRESS_FAMILY, FAMILY6)]
    rig.check("both attributes", refusal(c.request, stun.ALLOCATE, both), 400)
    only4 = [(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)), (stun.ADDITIONAL_ADDRESS_FAMILY, FAMILY4)]
    rig.check("IPv4 as the additional one", refusal(c.request, stun.ALLOCATE, only4), 400)


def move(rig, old, over):
    """A new client that takes the old one's allocation by its ticket."""
    new = rig.client(over)
    new.realm, new.nonce = old.realm, old.nonce
    answer = new.request(stun.REFRESH, [(stun.LIFETIME, struct.pack("!I", 600)), (stun.MOBILITY_TICKET, old.ticket)])
    new.ticket, new.relay = answer.get(stun.MOBILITY_TICKET), old.relay
    return new


def case_mobility(rig):
    c = rig.client()
    c.allocate(mobile=True)
    rig.true("a ticket", c.ticket)
    c.channel(0x4000, rig.peer)
    rig.true("data before", echoed(c, lambda p: c.send_channel(0x4000, p), b"before"))
    at = c
    for over in ("udp", "tcp", "tls", "udp"):
        new = move(rig, at, over)
        rig.true("%s: another ticket" % over, new.ticket and new.ticket != at.ticket)
        rig.true("%s: data from the new place" % over, echoed(new, lambda p: new.send_channel(0x4000, p), b"after " + over.encode()))
        at = new
    rig.check("it has no allocation of its own", refusal(at.allocate), 437)
    at.close()
    plain = rig.client()
    plain.allocate()
    # RFC 8016 3.1.1: an allocation made without the attribute does not move.
    rig.check("no ticket without asking", plain.ticket, None)
    plain.close()


def connection_bind(rig, control, number, over):
    """The bare stream of a data connection (RFC 6062 4.3, 4.4)."""
    data = rig.client(over)
    data.realm, data.nonce = control.realm, control.nonce
    data.request(stun.CONNECTION_BIND, [(stun.CONNECTION_ID, number)])
    return data.socket.detach()


def case_tcp_relay(rig):
    """--argument: ADDRESS:PORT of a TCP echo, then one where nobody listens. A peer connects to the relayed address in --ready-file (tcp_call)."""
    echo, nobody = endpoint(rig.args.argument[0]), endpoint(rig.args.argument[1])
    for over in ("tcp", "tls"):
        c = rig.client(over)
        c.allocate(transport=6)
        connect = [(stun.XOR_PEER_ADDRESS, lambda t: stun.xor_address(*echo, t))]
        answer = c.request(stun.CONNECT, connect)
        number = answer.get(stun.CONNECTION_ID)
        rig.true(over + ": a connection id", number and len(number) == 4)
        rig.check(over + ": the same peer again", refusal(c.request, stun.CONNECT, connect), 446)
        stream, early = connection_bind(rig, c, number, over)
        rig.true(over + ": nothing came before the peer was spoken to", not early)
        payload = os.urandom(300000)
        got, sent = bytearray(), 0
        stream.setblocking(False)
        end = time.monotonic() + 10
        while len(got) < len(payload) and time.monotonic() < end:
            if sent < len(payload):
                try:
                    sent += stream.send(payload[sent:sent + 16384])
                except OSError:
                    pass
            try:
                got += stream.recv(65536)
            except OSError:
                select.select([stream], [], [], 0.02)
        rig.true(over + ": 300,000 bytes there and back", bytes(got) == payload)
        rig.check(over + ": an id serves once", refusal(connection_bind, rig, c, number, over), 400)
        stream.close()
        c.close()
    c = rig.client("tcp")
    c.allocate(transport=6)
    rig.check("nobody listens there", refusal(c.request, stun.CONNECT, [(stun.XOR_PEER_ADDRESS, lambda t: stun.xor_address(*nobody, t))]), 447)
    rig.check("a forbidden peer", refusal(c.request, stun.CONNECT, [(stun.XOR_PEER_ADDRESS, lambda t: stun.xor_address("127.0.0.1", 80, t))]), 403)
    rig.check("no channels (RFC 6062 4.1)", refusal(c.channel, 0x4000, rig.peer), 400, 403, 405)
    c.permission(rig.peer)
    with open(rig.args.ready_file, "w") as f:  # the peer connects to it now
        f.write("%s %d\n" % c.relay)
    attempt = next((m for m in indications(c, 5) if m.method == stun.CONNECTION_ATTEMPT), None)
    rig.true("an incoming connection is told", attempt)
    if attempt:
        rig.check("whose it is", attempt.address(stun.XOR_PEER_ADDRESS)[0], rig.peer[0])
        stream, early = connection_bind(rig, c, attempt.get(stun.CONNECTION_ID), "tcp")
        hello = early or stream.recv(100)
        rig.check("what the peer said first", hello.decode(), "hello from the peer")
        stream.sendall(b"and back")
        stream.shutdown(socket.SHUT_WR)
        rig.check("the peer's end is seen", stream.recv(100), b"")
    c.close()
    udp = rig.client()
    rig.check("not over UDP (RFC 6062 5.1)", refusal(udp.allocate, transport=6), 400, 442)


def case_tcp_held(rig):
    """A data connection (RFC 6062) that is kept while --ready-file is there. --argument: ADDRESS:PORT of a TCP echo; then, for a way by a proxy, the
    listener that takes its word and the proxy's own address."""
    echo = endpoint(rig.args.argument[0])

    def connected(port):
        if len(rig.args.argument) < 3:
            return rig.client("tcp")
        server = endpoint(rig.args.argument[1])
        header = turn_stream.proxy_header(("203.0.113.7", port), server)
        return rig.client("tcp", stream=rig.stream(server=server, local=(rig.args.argument[2], 0), proxy=header))

    c, data = connected(1234), connected(1235)
    c.allocate(transport=6)
    number = c.request(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, lambda t: stun.xor_address(*echo, t))]).get(stun.CONNECTION_ID)
    data.realm, data.nonce = c.realm, c.nonce
    data.request(stun.CONNECTION_BIND, [(stun.CONNECTION_ID, number)])
    stream = data.socket.detach()[0]
    stream.settimeout(5)
    stream.sendall(b"there and back")
    rig.check("what came back", stream.recv(100), b"there and back")
    say_ready(rig)
    end = time.monotonic() + rig.args.seconds
    while os.path.exists(rig.args.ready_file) and time.monotonic() < end:
        time.sleep(0.05)
    stream.close()
    c.close()


def tcp_call(argv):
    """The peer of an incoming connection: says hello, waits for an answer, ends."""
    with socket.create_connection((argv[1], int(argv[2])), timeout=5, source_address=(argv[0], 0)) as s:
        s.sendall(b"hello from the peer")
        answer = s.recv(100)
        print(answer.decode())
        return 0 if answer == b"and back" else 1


def case_nat(rig):
    other, port2 = rig.args.argument[0], int(rig.args.argument[1])
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.bind(("0.0.0.0", 0))

    def ask(flags=None, to=None, more=(), listen=None):
        m = stun.Message(stun.BINDING)
        if flags is not None:
            m.add(stun.CHANGE_REQUEST, struct.pack("!I", flags))
        for number, value in more:
            m.add(number, value)
        for _ in range(3):
            s.sendto(m.build(), to or rig.server)
            try:
                raw, source = (listen or s).recvfrom(4096)
            except OSError:
                continue
            answer = stun.parse(raw)
            if answer.transaction == m.transaction:
                return answer, source
        return None, None

    answer, source = ask()
    rig.true("answered", answer)
    if not answer:
        return
    rig.check("from where it came to", source, rig.server)
    rig.check("RESPONSE-ORIGIN", stun.parse_address(answer.get(stun.RESPONSE_ORIGIN) or bytes(8)), rig.server)
    rig.check("OTHER-ADDRESS", stun.parse_address(answer.get(stun.OTHER_ADDRESS) or bytes(8)), (other, port2))
    for flags, wanted, what in ((2, (rig.server[0], port2), "the other port"), (4, (other, rig.server[1]), "the other address"), (6, (other, port2), "both others")):
        answer, source = ask(flags)
        rig.check("from " + what, source, wanted)
        rig.check("and says so: " + what, answer and stun.parse_address(answer.get(stun.RESPONSE_ORIGIN) or bytes(8)), wanted)
    answer, source = ask(to=(other, port2))
    rig.check("asked at the other one", source, (other, port2))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("0.0.0.0", 0))
        elsewhere.settimeout(2)
        answer, _ = ask(more=[(stun.RESPONSE_PORT, struct.pack("!HH", elsewhere.getsockname()[1], 0))], listen=elsewhere)
        rig.true("RESPONSE-PORT", answer)
        rig.check("names whom it saw", answer and answer.address(stun.XOR_MAPPED_ADDRESS)[1], s.getsockname()[1])


def case_icmp(rig):
    """--argument: ADDRESS:PORT where a host is, and no socket; then the same of IPv6."""
    for text, family, unreachable in ((rig.args.argument[0], 4, (3, 3)), (rig.args.argument[1], 6, (1, 4))):
        peer = endpoint(text)
        for over in ("udp", "tcp"):
            c = rig.client(over)
            c.allocate(family=family)
            c.permission(peer)
            told = None
            for _ in range(5):
                c.send_indication(peer, b"anybody there?")
                told = next((m for m in indications(c, 0.5) if m.method == stun.DATA and m.get(stun.ICMP)), None)
                if told:
                    break
            what = "IPv%d over %s" % (family, over)
            rig.true(what + ": told", told)
            if told:
                kind = struct.unpack("!HH", told.get(stun.ICMP)[:4])[1]
                rig.check(what + ": type and code", (kind >> 9, kind & 0x1FF), unreachable)
                rig.check(what + ": about whom", told.address(stun.XOR_PEER_ADDRESS), peer)
                rig.check(what + ": no DATA", told.get(stun.DATA_ATTR), None)
            c.close()


def sender_to(rig, slow):
    """A client of UDP with a channel to the slow one's relayed address, which lets it in."""
    fast = rig.client()
    fast.allocate()
    fast.channel(0x4000, slow.relay)
    slow.permission(fast.relay)
    return fast


def case_slow(rig):
    slow = rig.client("tcp", stream=rig.stream("tcp", receive_buffer=8192))
    slow.allocate()
    other = rig.client("tcp")
    other.allocate()
    other.channel(0x4000, rig.peer)
    fast = sender_to(rig, slow)
    slow.socket.pause(True)
    for i in range(int(rig.args.argument[0]) * 1000):
        fast.send_channel(0x4000, i.to_bytes(4, "big") + bytes(996))
        if i % 32 == 31:
            time.sleep(0.002)
    rig.true("another client of the same thread is served", echoed(other, lambda p: other.send_channel(0x4000, p), b"meanwhile"))
    say_ready(rig)
    time.sleep(rig.args.seconds)  # the test looks at the memory
    slow.socket.pause(False)
    numbers = []
    while (got := slow.receive(1.0)) is not None:
        numbers.append(int.from_bytes(got[1][:4], "big"))
    rig.true("what was queued comes, in order", numbers and numbers == sorted(numbers))
    rig.true("not everything was kept", len(numbers) < int(rig.args.argument[0]) * 1000)
    rig.check("the connection serves on", refusal(slow.refresh, 600), 0)
    for c in (slow, fast, other):
        c.close()


def case_stalled(rig):
    slow = rig.client("tcp", stream=rig.stream("tcp", receive_buffer=8192))
    slow.allocate()
    fast = sender_to(rig, slow)
    slow.socket.pause(True)
    end = time.monotonic() + rig.args.seconds
    while time.monotonic() < end:
        for i in range(200):
            fast.send_channel(0x4000, bytes(1000))
        time.sleep(0.05)
    slow.socket.pause(False)
    rig.true("the connection was ended", ended(slow.socket))
    fast.close()


def case_alternate(rig):
    wanted = endpoint(rig.args.argument[0])
    for over in rig.args.argument[1:] or ("udp", "tcp"):
        c = rig.client(over)
        try:
            c.allocate()
            rig.check(over, 0, 300)
        except Refused as e:
            rig.check(over, e.code, 300)
            rig.check(over + ": where to", stun.parse_address(e.answer.get(stun.ALTERNATE_SERVER) or bytes(8)), wanted)


def case_oauth(rig):
    kid, mac_keys = rig.args.argument[0], [base64.b64decode(a) for a in rig.args.argument[2::2]]
    tokens = [base64.b64decode(a) for a in rig.args.argument[1::2]]
    first = rig.client()
    m = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
    rig.check("who gives tokens is told", first.exchange(m, m.build()).get(stun.THIRD_PARTY_AUTHORIZATION), b"auth.lab.test")
    for over in ("udp", "tls"):
        c = rig.client(over, user=kid)
        now = 0
        c.key = lambda: mac_keys[now]
        allocate = [(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)), (stun.LIFETIME, struct.pack("!I", 3000))]
        answer = c.request(stun.ALLOCATE, [*allocate, (stun.ACCESS_TOKEN, tokens[0])])
        rig.true(over + ": does not live longer than its token", struct.unpack("!I", answer.get(stun.LIFETIME))[0] <= 600)
        c.channel(0x4000, rig.peer)  # later requests need no token
        rig.true(over + ": data", echoed(c, lambda p: c.send_channel(0x4000, p), b"authorised elsewhere"))
        now = 1
        rig.check(over + ": the next token's key alone", refusal(c.refresh, 600), 401)
        renew = [(stun.LIFETIME, struct.pack("!I", 3000)), (stun.ACCESS_TOKEN, tokens[1])]
        rig.true(over + ": a new token lengthens it", struct.unpack("!I", c.request(stun.REFRESH, renew).get(stun.LIFETIME))[0] > 600)
        rig.check(over + ": and its key serves from now on", refusal(c.permission, rig.peer), 0)
        rig.true(over + ": data goes on", echoed(c, lambda p: c.send_channel(0x4000, p), b"still"))
        c.close()


def case_cut(rig):
    clients = {over: rig.client(over) for over in ("tcp", "tls")}
    for c in clients.values():
        c.allocate()
        c.channel(0x4000, rig.peer)
        rig.true("data before", echoed(c, lambda p, c=c: c.send_channel(0x4000, p), b"before"))
    say_ready(rig)
    for over, c in clients.items():
        rig.true(over + ": the end is told", ended(c.socket, rig.args.seconds))
        begun, again = time.monotonic(), None
        while not again and time.monotonic() < begun + 15:
            try:
                again = rig.client(over, patience=1.0)
                again.allocate()
            except (OSError, NoAnswer):  # nobody listens yet, or nobody is provisioned
                again = None
                time.sleep(0.05)
        again.patience = 4.0
        again.channel(0x4000, rig.peer)
        rig.true(over + ": served again", echoed(again, lambda p: again.send_channel(0x4000, p), b"after"))
        rig.seen[over + ": seconds until then"] = round(time.monotonic() - begun, 2)
        again.close()
        c.socket.close()
        again.socket.close()


def case_bandwidth(rig):
    limit_kbps, payload = int(rig.args.argument[0]), bytes(1000)
    c = rig.client()
    c.allocate()
    c.channel(0x4000, rig.peer)
    # Four times the limit; the first second empties the bucket and is not counted.
    interval = len(payload) * 8 / (limit_kbps * 4000)
    begun = due = time.monotonic()
    received, counted_from = 0, begun + 1.5
    while (now := time.monotonic()) < begun + 1.5 + rig.args.seconds:
        while due <= now:
            c.send_channel(0x4000, payload)
            due += interval
        got = c.receive(max(0, min(due - time.monotonic(), 0.05)))
        if got and time.monotonic() >= counted_from:
            received += len(got[1])
    kbps = received * 8 / 1000 / rig.args.seconds
    rig.seen["kbps"] = round(kbps)
    rig.true("within 20 of 100", abs(kbps - limit_kbps) <= limit_kbps * 0.2)
    c.close()


def tcp_echo(argv):
    """ADDRESS PORT...: sends back what comes, until it is ended."""
    listeners = [socket.create_server((argv[0], int(p)), backlog=64) for p in argv[1:]]
    open_ones = []
    while True:
        for s in select.select(listeners + open_ones, [], [])[0]:
            if s in listeners:
                open_ones.append(s.accept()[0])
                continue
            try:
                got = s.recv(65536)
                s.sendall(got)
            except OSError:
                got = b""
            if not got:
                open_ones.remove(s)
                s.close()


CASES = {name[5:]: f for name, f in list(globals().items()) if name.startswith("case_")}

if __name__ == "__main__":
    if sys.argv[1:2] == ["tcp_call"]:
        sys.exit(tcp_call(sys.argv[2:]))
    if sys.argv[1:2] == ["tcp_echo"]:
        sys.exit(tcp_echo(sys.argv[2:]))
    sys.exit(main(__doc__, CASES))
