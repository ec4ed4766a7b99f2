#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the seeds of the sip corpus: the torture messages, and calls in their pieces (fuzz_sip.c has their letters). Run after changing a seed here."""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "sip" / "torture"))
from messages import corpus  # noqa: E402

SDP = b"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n"


def body(text=SDP, kind=b"application/sdp"):
    return b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(text) + text


NONE = b"Content-Length: 0\r\n\r\n"


def request(method, to=b"+15551234", more=b"", end=NONE, call=b"1"):
    return (method + b" sip:" + to + b"@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK" + call + b";rport\r\nMax-Forwards: 70\r\n"
            b"From: \"A\" <sip:+4930999@127.0.0.1>;tag=a" + call + b"\r\nTo: <sip:" + to + b"@127.0.0.1>\r\nCall-ID: " + call + b"@fuzz\r\nCSeq: 1 " + method
            + b"\r\nContact: <sip:a@127.0.0.1>\r\n" + more + end)


def pieces(*parts):
    return b"\xff".join(parts)


INVITE = b"C" + request(b"INVITE", end=body())
ANSWER = b"B200 OK\r\n" + body()
SEEDS = {
    "call": pieces(INVITE, b"B180 Ringing\r\n" + NONE, ANSWER, b"K", b"DBYE " + NONE, b"B200 OK\r\n" + NONE),
    "called_hangs_up": pieces(INVITE, ANSWER, b"K", b"EBYE " + NONE),
    "reinvite": pieces(INVITE, ANSWER, b"K", b"DINVITE Contact: <sip:a@127.0.0.1>\r\n" + body(SDP + b"a=sendonly\r\n"), ANSWER, b"K"),
    "update": pieces(INVITE, b"B183 Progress\r\nRequire: 100rel\r\nRSeq: 1\r\n" + body(), b"DUPDATE " + body(), ANSWER, b"K"),
    "session_timer": pieces(b"C" + request(b"INVITE", more=b"Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n", end=body()), ANSWER, b"K",
                            b"T\xfe", b"T\xfe", b"T\xfe"),
    "refer": pieces(INVITE, ANSWER, b"K", b"DREFER Refer-To: <sip:+1777@127.0.0.1?Replaces=1%40fuzz%3Bto-tag%3Db%3Bfrom-tag%3Da>\r\nContact: <sip:a@127.0.0.1>\r\n" + NONE),
    "replaces": pieces(INVITE, ANSWER, b"K", b"C" + request(b"INVITE", call=b"2", more=b"Replaces: 1@fuzz;to-tag=x;from-tag=a1\r\n", end=body())),
    "info": pieces(INVITE, ANSWER, b"K", b"DINFO " + body(b"Signal=1\r\nDuration=100\r\n", b"application/dtmf-relay"), b"B200 OK\r\n" + NONE),
    "cancel": pieces(INVITE, b"B180 Ringing\r\n" + NONE, b"C" + request(b"CANCEL"), b"B487 Request Terminated\r\n" + NONE),
    "late_offer": pieces(b"C" + request(b"INVITE"), ANSWER, b"K"),
    "refused": pieces(INVITE, b"B486 Busy Here\r\nReason: Q.850;cause=17\r\n" + NONE),
    "redirected": pieces(INVITE, b"B302 Moved\r\nContact: <sip:+1888@127.0.0.1>;q=0.5, <tel:+1999>\r\n" + NONE),
    "challenged": pieces(INVITE, b'B407 Auth\r\nProxy-Authenticate: Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256\r\n' + NONE),
    "to_nobody": b"C" + request(b"INVITE", to=b"+4930101", end=body()),
    "register": b"A" + request(b"REGISTER", to=b"bob"),
    "register_digest": b"A" + request(b"REGISTER", to=b"bob", more=b'Authorization: Digest username="bob", realm="lab.test", nonce="x", uri="sip:lab.test", '
                                      b'response="00000000000000000000000000000000", qop=auth, nc=00000001, cnonce="c", algorithm=MD5\r\n'
                                      b"Contact: <sip:bob@127.0.0.1>;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=1;q=0.5\r\nSupported: path, gruu\r\n"),
    "message": b"C" + request(b"MESSAGE", end=body(b"hello", b"text/plain")),
    "subscribe": b"C" + request(b"SUBSCRIBE", more=b"Event: reg\r\nExpires: 60\r\n"),
    "identities": b"C" + request(b"INVITE", more=b"P-Asserted-Identity: <sip:+4930999@a>, <tel:+4930999>\r\nPrivacy: id;user\r\nDiversion: <tel:+1>;reason=unconditional\r\n"
                                 b"History-Info: <sip:+1@a?Reason=SIP%3Bcause%3D302>;index=1\r\nRoute: <sip:127.0.0.1;lr>\r\nRecord-Route: <sip:x;lr>\r\n", end=body()),
    "tel": b"Ctel".replace(b"tel", b"") + request(b"INVITE").replace(b"sip:+15551234@127.0.0.1 SIP", b"tel:+15551234;npdi;rn=+1777 SIP"),
    "t38": pieces(INVITE, ANSWER, b"K", b"DINVITE Contact: <sip:a@127.0.0.1>\r\n" + body(b"v=0\r\no=a 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                  b"m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\n"), b"B488 No\r\n" + NONE),
    "multipart": b"C" + request(b"INVITE", end=body(b"--b\r\nContent-Type: application/sdp\r\n\r\n" + SDP + b"\r\n--b\r\nContent-Type: x/y\r\n\r\nz\r\n--b--\r\n",
                                                    b"multipart/mixed;boundary=b")),
    "many_headers": b"C" + request(b"OPTIONS", more=b"X: y\r\n" * 500),
}

folder = HERE / "corpus" / "sip"
folder.mkdir(parents=True, exist_ok=True)
for name, data in SEEDS.items():
    (folder / name).write_bytes(data)
for m in corpus():
    (folder / f"torture_{m.name}").write_bytes(pieces(b"A" + m.data, b"C" + m.data))
