#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What can a forged source make the appliance send? One request of each kind, without credentials or with made-up ones, each from a port of its own; what comes
back to that port is counted as it is on the wire, IP header included, retransmissions too. A line of JSON for each request, and a table with --table.

  amplify.py --turn 192.0.2.1:3478 --sip 192.0.2.1:5060 --sip 192.0.2.1:5065 --percent 300

Exit status 1 when an answer was longer than --percent of its request."""

import argparse
import json
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stun  # noqa: E402
import turn_stream  # noqa: E402
from turn import endpoint, family_of  # noqa: E402

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, PACKET_OUTGOING = 3, 0x0800, 0x86DD, 4


def turn_requests():
    """[(name, bytes)]: as short as each can be, since that gains most."""
    udp = struct.pack("!I", 17 << 24)
    made_up = [(stun.USERNAME, b"a"), (stun.REALM, b"r"), (stun.NONCE, b"n")]

    def message(method, *attributes, klass=stun.REQUEST, key=None, **options):
        m = stun.Message(method, klass)
        for number, value in attributes:
            m.add(number, value)
        return m.build(key, **options)

    peer = stun.xor_address("198.51.100.10", 9, b"\0" * 12)
    return [
        ("Binding", message(stun.BINDING)),
        ("Binding, FINGERPRINT", message(stun.BINDING, fingerprint=True)),
        ("Binding, unknown attribute", message(stun.BINDING, (0x7FFE, b""))),
        ("Allocate", message(stun.ALLOCATE)),
        ("Allocate, transport", message(stun.ALLOCATE, (stun.REQUESTED_TRANSPORT, udp))),
        ("Allocate, unknown attribute", message(stun.ALLOCATE, (0x7FFE, b""))),
        ("Allocate, made-up credentials", message(stun.ALLOCATE, *made_up, key=b"k")),
        ("Allocate, SHA-256, made-up", message(stun.ALLOCATE, *made_up, key=b"k", sha256=True)),
        ("Allocate, user only", message(stun.ALLOCATE, (stun.USERNAME, b"alice"), key=b"k")),
        ("Refresh", message(stun.REFRESH)),
        ("Refresh, made-up credentials", message(stun.REFRESH, *made_up, key=b"k")),
        ("CreatePermission", message(stun.CREATE_PERMISSION, (stun.XOR_PEER_ADDRESS, peer))),
        ("ChannelBind", message(stun.CHANNEL_BIND)),
        ("Connect", message(stun.CONNECT, (stun.XOR_PEER_ADDRESS, peer))),
        ("ConnectionBind", message(stun.CONNECTION_BIND, (stun.CONNECTION_ID, b"1234"))),
        ("Allocate, ticket", message(stun.ALLOCATE, (stun.REQUESTED_TRANSPORT, udp), (stun.MOBILITY_TICKET, b""))),
        ("Allocate, two families", message(stun.ALLOCATE, (stun.REQUESTED_TRANSPORT, udp), (stun.ADDITIONAL_ADDRESS_FAMILY, struct.pack("!I", 2 << 24)))),
        ("Allocate, ORIGIN", message(stun.ALLOCATE, (stun.REQUESTED_TRANSPORT, udp), (stun.ORIGIN, b"a:"))),
        ("Allocate, made-up token", message(stun.ALLOCATE, *made_up, (stun.ACCESS_TOKEN, bytes(16)), key=b"k")),
        ("Refresh, made-up ticket", message(stun.REFRESH, *made_up, (stun.MOBILITY_TICKET, bytes(16)), key=b"k")),
        ("Binding, other port", message(stun.BINDING, (stun.CHANGE_REQUEST, struct.pack("!I", 2)))),
        ("Binding, other address", message(stun.BINDING, (stun.CHANGE_REQUEST, struct.pack("!I", 6)))),
        ("Binding, PADDING", message(stun.BINDING, (stun.PADDING, b""))),
        ("unknown method", message(0x0FF)),
        ("Send indication", message(stun.SEND, (stun.XOR_PEER_ADDRESS, peer), (stun.DATA_ATTR, b"x"), klass=stun.INDICATION)),
        ("success response", message(stun.BINDING, klass=stun.SUCCESS)),
        ("ChannelData", stun.channel_data(0x4000, b"x")),
        ("one byte", b"\0"),
    ]


def dtls_requests():
    hello = turn_stream.dtls_hello()
    return [
        ("ClientHello", hello),
        ("ClientHello, made-up cookie", turn_stream.dtls_hello(os.urandom(16), 1)),
        ("ClientHello, cut", hello[:30]),
        ("ClientHello, a fragment", hello[:24] + struct.pack("!I", 8)[1:] + hello[25:33]),
        ("record header", hello[:13]),
        ("alert", b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\0"),
        ("application data", b"\x17\xfe\xfd" + bytes(8) + b"\0\x10" + bytes(16)),
        ("one byte", b"\x16"),
    ]


def sip_requests(host):
    """As short as they can be while they are whole: compact names, short values."""
    def text(start, *headers, method=None, body="", via="SIP/2.0/UDP a;rport;branch=z9hG4bK"):
        method = method or start.split(" ")[0]
        mark = os.urandom(3).hex()
        lines = [start, f"v:{via}{mark}", f"f:<sip:a@lab.test>;tag={mark}", "t:<sip:b@lab.test>", f"i:{mark}", f"CSeq:1 {method}",
                 "Max-Forwards:9", *headers, f"l:{len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.66\r\ns=-\r\nc=IN IP4 192.0.2.66\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
    to_us, domain = f"sip:{host}", "sip:lab.test"
    return [
        ("OPTIONS to us", text(f"OPTIONS {to_us} SIP/2.0")),
        ("OPTIONS to the domain", text(f"OPTIONS {domain} SIP/2.0")),
        ("OPTIONS to a user", text("OPTIONS sip:b@lab.test SIP/2.0")),
        ("REGISTER", text(f"REGISTER {domain} SIP/2.0", "m:<sip:a@a>")),
        ("REGISTER, made-up credentials", text(f"REGISTER {domain} SIP/2.0", "m:<sip:a@a>",
         f'Authorization:Digest username="a",realm="lab.test",nonce="n",uri="{domain}",response="{"0" * 32}"')),
        ("REGISTER, unknown domain", text("REGISTER sip:x.test SIP/2.0", "m:<sip:a@a>")),
        ("INVITE", text("INVITE sip:b@lab.test SIP/2.0", "m:<sip:a@a>")),
        ("INVITE, SDP", text("INVITE sip:b@lab.test SIP/2.0", "m:<sip:a@a>", "c:application/sdp", body=sdp)),
        ("INVITE, unknown user", text("INVITE sip:nobody@lab.test SIP/2.0", "m:<sip:a@a>")),
        ("INVITE, Require", text("INVITE sip:b@lab.test SIP/2.0", "m:<sip:a@a>", "Require:x")),
        ("INVITE, Max-Forwards 0", text("INVITE sip:b@lab.test SIP/2.0", "m:<sip:a@a>").replace(b"Max-Forwards:9", b"Max-Forwards:0")),
        ("SUBSCRIBE", text("SUBSCRIBE sip:b@lab.test SIP/2.0", "m:<sip:a@a>", "o:reg")),
        ("MESSAGE", text("MESSAGE sip:b@lab.test SIP/2.0", "c:text/plain", body="x")),
        ("BYE", text("BYE sip:b@lab.test SIP/2.0")),
        ("CANCEL", text("CANCEL sip:b@lab.test SIP/2.0")),
        ("ACK", text("ACK sip:b@lab.test SIP/2.0")),
        ("PRACK", text("PRACK sip:b@lab.test SIP/2.0")),
        ("unknown method", text("XYZZY sip:b@lab.test SIP/2.0")),
        ("unknown scheme", text("OPTIONS x:y SIP/2.0")),
        ("other version", text("OPTIONS sip:b@lab.test SIP/7.0")),
        ("no From", text("OPTIONS sip:b@lab.test SIP/2.0").replace(b"f:<", b"x:<")),
        ("CSeq of another method", text("OPTIONS sip:b@lab.test SIP/2.0", method="INVITE")),
        ("response", b"SIP/2.0 200 OK\r\nv:SIP/2.0/UDP a;branch=z9hG4bKa\r\nf:<sip:a@a>;tag=a\r\nt:<sip:b@b>;tag=b\r\ni:a\r\nCSeq:1 INVITE\r\nl:0\r\n\r\n"),
        ("start line only", b"OPTIONS sip:b@lab.test SIP/2.0\r\n\r\n"),
        ("keep-alive", b"\r\n\r\n"),
    ]


class Wire:
    """Bytes of IP packets to and from each UDP port of ours; ICMP that quotes one counts for it."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, ETH_P_ALL))
        self.out, self.back, self.packets = {}, {}, {}

    @staticmethod
    def udp(ip, kind):
        """(IP bytes, source port, destination port) of a UDP packet."""
        if kind == ETH_P_IP and len(ip) >= 28 and ip[9] == 17:
            head, size = (ip[0] & 15) * 4, struct.unpack("!H", ip[2:4])[0]
        elif kind == ETH_P_IPV6 and len(ip) >= 48 and ip[6] == 17:
            head, size = 40, 40 + struct.unpack("!H", ip[4:6])[0]
        else:
            return None
        return (size, *struct.unpack("!HH", ip[head:head + 4]))

    @staticmethod
    def quoted(ip, kind):
        """(IP bytes, our port) of an ICMP error about a packet of ours."""
        if kind == ETH_P_IP and len(ip) >= 56 and ip[9] == 1 and ip[20] in (3, 11, 12):
            inner = Wire.udp(ip[28:], kind)
            return inner and (struct.unpack("!H", ip[2:4])[0], inner[1])
        if kind == ETH_P_IPV6 and len(ip) >= 96 and ip[6] == 58 and ip[40] in (1, 2, 3, 4):
            inner = Wire.udp(ip[48:], kind)
            return inner and (40 + struct.unpack("!H", ip[4:6])[0], inner[1])
        return None

    def read(self, until):
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame, where = self.socket.recvfrom(65535)
            except (TimeoutError, socket.timeout):
                break
            kind = struct.unpack("!H", frame[12:14])[0]
            seen, error = self.udp(frame[14:], kind), self.quoted(frame[14:], kind)
            if seen and where[2] == PACKET_OUTGOING:
                self.out[seen[1]] = self.out.get(seen[1], 0) + seen[0]
            elif seen:
                self.count(seen[2], seen[0])
            elif error and where[2] != PACKET_OUTGOING:
                self.count(error[1], error[0])

    def count(self, port, size):
        self.back[port] = self.back.get(port, 0) + size
        self.packets[port] = self.packets.get(port, 0) + 1


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--turn", action="append", default=[], help="ADDRESS:PORT")
    p.add_argument("--dtls", action="append", default=[], help="ADDRESS:PORT")
    p.add_argument("--sip", action="append", default=[], help="ADDRESS:PORT")
    p.add_argument("--percent", type=float, default=300)
    p.add_argument("--seconds", type=float, default=2, help="to wait for answers")
    p.add_argument("--interface", default="eth0")
    p.add_argument("--table", action="store_true")
    args = p.parse_args()
    wire, asked = Wire(args.interface), []
    for what, text in [("TURN", t) for t in args.turn] + [("DTLS", t) for t in args.dtls] + [("SIP", t) for t in args.sip]:
        to = endpoint(text)
        for name, raw in {"TURN": turn_requests, "DTLS": dtls_requests}.get(what, lambda t=text: sip_requests(t))():
            s = socket.socket(family_of(to[0]), socket.SOCK_DGRAM)
            s.bind(("", 0))
            s.sendto(raw, to)
            asked.append((text, f"{what} {name}", s))
            wire.read(time.monotonic() + 0.005)
    wire.read(time.monotonic() + args.seconds)
    rows = []
    for text, name, s in asked:
        port = s.getsockname()[1]
        sent, back = wire.out.get(port, 0), wire.back.get(port, 0)
        rows.append({"to": text, "request": name, "in_bytes": sent, "out_bytes": back, "packets": wire.packets.get(port, 0),
                     "ratio": round(back / sent, 2) if sent else None})
    over = [r for r in rows if not r["in_bytes"] or r["out_bytes"] * 100 > r["in_bytes"] * args.percent]
    if args.table:
        print("| request | to | bytes in | bytes out | packets out | out / in |\n|---|---|---|---|---|---|")
        for r in rows:
            print(f"| {r['request']} | {r['to']} | {r['in_bytes']} | {r['out_bytes']} | {r['packets']} | {r['ratio']} |")
    else:
        for r in rows:
            print(json.dumps(r))
    for r in over:
        print(f"beyond {args.percent:g} %: {json.dumps(r)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
