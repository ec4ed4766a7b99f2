#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the seeds of the edge corpus: streams of SIP as TLS clients and nta send them. Run after changing a seed here."""
import pathlib

INVITE = (b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;rport;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n"
          b"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\n"
          b"Contact: <sip:alice@192.0.2.1:5061;transport=tls>\r\nContent-Length: 5\r\n\r\nv=0\r\n")
RESPONSE = (b"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP 127.0.0.1:5071;branch=z9hG4bKe1.0011223344556677, SIP/2.0/TLS a;branch=z9hG4bKa\r\n"
            b"f: <sip:a@b>;tag=1\r\nt: <sip:b@b>;tag=2\r\ni: 1\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n")
SEEDS = {
    "invite": INVITE,
    "pipelined": b"\r\n" + INVITE + b"\r\n\r\n" + RESPONSE + b"\r\n\r\n",
    "response": RESPONSE,
    "folded": b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP / 2.0 / TLS\r\n a : 5061 ; branch\r\n\t= z9hG4bK1,\r\n SIP/2.0/UDP b\r\n\r\n",
    "forged": b"ACK sip:a@b SIP/2.0\r\nv: SIP/2.0/TLS a;received=1\r\nP-Sluice-Flow: c-1;mac=0\r\np-sluice-flow : x\r\n y\r\nl: 0\r\n\r\n",
    "route_token": b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\nRoute: <sip:c-1f@127.0.0.1:5071;lr>, <sip:p;lr>\r\n\r\n",
    "route_connect": b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=1\r\n"
                     b"Route: <sip:connect@127.0.0.1:5071;lr;to=%5B2001:db8::1%5D:5061;name=a.example;listener=0>\r\n\r\n",
    "quotes": b'OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS a;x="a,\\"b;c";branch=z\r\nRoute: "a, \\" <b>" <sip:c,d@e>,<f>\r\n\r\n',
    "two_lengths": b"OPTIONS sip:a@b SIP/2.0\r\nl: 1\r\nContent-Length : \r\n  1 \r\n\r\nx",
    "no_via": b"OPTIONS sip:a@b SIP/2.0\r\nRoute\r\n:\r\nVia:\r\n\r\n",
    "bare_lf": b"OPTIONS sip:a@b SIP/2.0\r\nX: a\nP-Sluice-Flow: x\r\n\r\n",
    "http": b"GET / HTTP/1.1\r\n\r\n",
}

folder = pathlib.Path(__file__).parent / "corpus" / "edge"
folder.mkdir(parents=True, exist_ok=True)
for name, data in SEEDS.items():
    (folder / name).write_bytes(data)
