# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What turn_cases.py and turn_attacks.py share: clients by transport, expectations, the command line."""

import argparse
import json
import os
import select
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stun  # noqa: E402
import turn_stream  # noqa: E402
from turn import NoAnswer, Refused, Turn, endpoint  # noqa: E402


class Rig:
    def __init__(self, args):
        self.args = args
        self.server, self.server6 = endpoint(args.server), endpoint(args.server6)
        self.peer, self.peer6 = endpoint(args.peer), endpoint(args.peer6)
        self.wrong, self.seen = [], {}

    def stream(self, over="tcp", server=None, **named):
        """A connection without a word of TURN."""
        server = server or self.server
        tls = turn_stream.client_context() if over == "tls" else None
        if tls:
            server = (server[0], self.args.tls_port)
        return turn_stream.StreamSocket(server, tls=tls, **named)

    def client(self, over="udp", user=None, password=None, server=None, stream=None, patience=4.0, **named):
        server = server or self.server
        if over != "udp" and stream is None:
            stream = self.stream(over, server)
        client = Turn(server, user or self.args.user, password or self.args.password, stream=stream, **named)
        client.patience = patience
        return client

    def known(self, **named):
        """A client that has learnt realm and nonce, without an allocation."""
        client = self.client(**named)
        m = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
        client.learn(client.exchange(m, m.build()))
        return client

    def check(self, what, seen, *wanted):
        """Note what was seen; wrong when it is none of wanted."""
        self.seen[what] = seen
        if seen not in wanted:
            self.wrong.append("%s: %s, expected %s" % (what, seen, " or ".join(map(str, wanted))))

    def true(self, what, condition):
        self.check(what, bool(condition), True)


def refusal(action, *args, **named):
    """The error code that an action meets; 0 = none; -1 = no answer."""
    try:
        action(*args, **named)
        return 0
    except Refused as e:
        return e.code
    except NoAnswer:
        return -1


def indications(client, timeout):
    """STUN indications that come within timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        raw = client.backlog.pop(0) if client.backlog else None
        if raw is None:
            readable, _, _ = select.select([client.socket], [], [], max(0, end - time.monotonic()))
            if not readable:
                return
            raw = client.socket.recv(65535)
            if not raw and client.reliable:
                return
        try:
            m = stun.parse(raw)
        except stun.Malformed:
            continue
        if m.klass == stun.INDICATION:
            yield m


def echoed(client, send, payload, timeout=3.0):
    """Does the payload come back? Sent again every 200 ms, as UDP may lose one."""
    end, due = time.monotonic() + timeout, 0.0
    while time.monotonic() < end:
        if time.monotonic() >= due:
            send(payload)
            due = time.monotonic() + 0.2
        got = client.receive(0.1)
        if got and got[1] == payload:
            return True
    return False


def ended(stream, timeout=3.0):
    """Has the server ended this connection?"""
    readable, _, _ = select.select([stream], [], [], timeout)
    end = time.monotonic() + timeout
    while readable and time.monotonic() < end:
        if not stream.recv(65535):
            return True
        readable, _, _ = select.select([stream], [], [], max(0, end - time.monotonic()))
    return False


def main(doc, cases):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("case", choices=sorted(cases))
    p.add_argument("--server", required=True, help="ADDRESS:PORT of UDP and TCP")
    p.add_argument("--server6", required=True)
    p.add_argument("--tls-port", type=int, default=443)
    p.add_argument("--peer", required=True, help="ADDRESS:PORT of an echoing peer")
    p.add_argument("--peer6", required=True)
    p.add_argument("--user", default="user")
    p.add_argument("--password", default="password")
    p.add_argument("--other-user", default="bob", help="another one, with the same password")
    p.add_argument("--argument", action="append", default=[], help="of the case")
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--ready-file", help="written when the case waits to be looked at")
    rig = Rig(p.parse_args())
    try:
        cases[rig.args.case](rig)
    except (Refused, NoAnswer, OSError) as e:
        rig.wrong.append("%s: %s" % (type(e).__name__, e))
    print(json.dumps({"case": rig.args.case, "wrong": rig.wrong, "seen": rig.seen}, default=repr))
    return 1 if rig.wrong or not rig.seen else 0
