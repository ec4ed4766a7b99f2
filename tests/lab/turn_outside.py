#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A server behind a NAT that maps its addresses one to one. One line of JSON; exit status 1 when something was wrong.

  relays     clients are told the outer addresses, and reach each other by them (--argument: the outer IPv4 address, then the outer IPv6 address)
  discovery  RFC 5780 names outer addresses (--argument: of the server, then of its other address; then the other port)
"""

import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stun  # noqa: E402
from turn_rig import echoed, main  # noqa: E402


def hairpin(sender, receiver, payload, timeout=3.0):
    """Whom the receiver is told as the peer of what the sender sends to its relayed address; None: it did not come."""
    for _ in range(5):
        sender.send_indication(receiver.relay, payload)
        got = receiver.receive(timeout / 5)
        if got and got[1] == payload:
            return got[0]
    return None


def case_relays(rig):
    outer = {4: rig.args.argument[0], 6: rig.args.argument[1]}
    for over in ("udp", "tcp"):
        c = rig.client(over)
        c.allocate(additional=True)
        rig.check(over + ": the IPv4 address", c.relay[0], outer[4])
        rig.check(over + ": the IPv6 address", c.relay2[0], outer[6])
        rig.check(over + ": the client's own is left alone", c.mapped, c.socket.getsockname()[:2])
        c.channel(0x4000, rig.peer)
        rig.true(over + ": peers are reached", echoed(c, lambda p: c.send_channel(0x4000, p), b"to a peer"))
        c.close()
    for family in (4, 6):
        a, b = rig.client(), rig.client("tcp")
        for c in (a, b):
            c.allocate(family=family)
        what = "IPv%d: " % family
        a.permission(b.relay)
        b.permission((a.relay[0], 0))
        rig.check(what + "who sent it has his outer address", hairpin(a, b, b"over there"), a.relay)
        b.channel(0x4000, a.relay)
        rig.check(what + "so has who answers", hairpin(b, a, b"and back"), b.relay)
        a.send_indication(b.relay, b"by channel")
        rig.check(what + "a channel is found by it", b.receive(3.0), (0x4000, b"by channel"))
        a.close()
        b.close()
    # A reservation's port is one of the outer address, too (RFC 8656 7.2).
    first, second = rig.client(), rig.client()
    first.allocate(even_port=True)
    second.allocate(token=first.token)
    rig.check("the port above", second.relay, (outer[4], first.relay[1] + 1))
    for c in (first, second):
        c.close()


def case_discovery(rig):
    outer, other, other_port = rig.args.argument[0], rig.args.argument[1], int(rig.args.argument[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        for flags, origin in ((0, (outer, rig.server[1])), (2, (outer, other_port))):
            m = stun.Message(stun.BINDING).add(stun.CHANGE_REQUEST, struct.pack("!I", flags))
            s.sendto(m.build(), rig.server)
            answer = stun.parse(s.recv(4096))
            rig.check("flags %d: RESPONSE-ORIGIN" % flags, stun.parse_address(answer.get(stun.RESPONSE_ORIGIN) or bytes(8)), origin)
            rig.check("flags %d: OTHER-ADDRESS" % flags, stun.parse_address(answer.get(stun.OTHER_ADDRESS) or bytes(8)), (other, other_port))


CASES = {name[5:]: f for name, f in list(globals().items()) if name.startswith("case_")}

if __name__ == "__main__":
    sys.exit(main(__doc__, CASES))
