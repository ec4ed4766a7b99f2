#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""How long from INVITE to 200? One call after the other beside SIPp's load, timed by a clock of its own (SIPp's ticks every 4 ms):
sip_sample.py OWN-IP TARGET-IP PORT CALLED SECONDS. Prints one line of JSON: the times in ms."""

import json
import socket
import sys
import time

EVERY_S = 0.015

INVITE = """INVITE sip:{called}@{to}:{port} SIP/2.0\r
Via: SIP/2.0/UDP {ip}:{own};branch=z9hG4bKs{n};rport\r
From: <sip:+15551001@{ip}:{own}>;tag=s{n}\r
To: <sip:{called}@{to}:{port}>\r
Call-ID: sample-{n}-{own}@{ip}\r
CSeq: 1 INVITE\r
Contact: <sip:+15551001@{ip}:{own}>\r
Max-Forwards: 70\r
Content-Type: application/sdp\r
Content-Length: {length}\r
\r
"""
SDP = "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
WITHIN = """{method} {target} SIP/2.0\r
Via: SIP/2.0/UDP {ip}:{own};branch=z9hG4bK{method}{n};rport\r
{routes}From: <sip:+15551001@{ip}:{own}>;tag=s{n}\r
{to_line}\r
Call-ID: sample-{n}-{own}@{ip}\r
CSeq: {cseq} {method}\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""


def lines_of(text, name):
    return [line for line in text.split("\r\n") if line.lower().startswith(name + ":")]


def wait_for(sock, call_id, method, seconds):
    """The final response to this request of this call; (when, text)."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            raw = sock.recv(8192)
        except socket.timeout:
            break
        at = time.monotonic()
        text = raw.decode("utf-8", "replace")
        if call_id in text and text.startswith("SIP/2.0 ") and text[8] != "1" and lines_of(text, "cseq")[0].endswith(method):
            return at, text
    return None, ""


def main():
    ip, to, port, called, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], float(sys.argv[5])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((ip, 0))
    own = sock.getsockname()[1]
    times, lost, n, end = [], 0, 0, time.monotonic() + seconds
    sdp = SDP.format(ip=ip)
    while time.monotonic() < end:
        n += 1
        values = dict(ip=ip, own=own, n=n, to=to, port=port, called=called)
        call_id = f"sample-{n}-{own}@"
        begun = time.monotonic()
        sock.sendto((INVITE.format(length=len(sdp), **values) + sdp).encode(), (to, port))
        at, text = wait_for(sock, call_id, "INVITE", 2)
        if at is None or not text.startswith("SIP/2.0 200"):
            lost += 1
            continue
        times.append(round((at - begun) * 1000, 3))
        target = lines_of(text, "contact")[0].split("<")[1].split(">")[0]
        routes = "".join(f"Route:{line.split(':', 1)[1]}\r\n" for line in reversed(lines_of(text, "record-route")))
        for method, cseq in (("ACK", 1), ("BYE", 2)):
            sock.sendto(WITHIN.format(method=method, cseq=cseq, target=target, routes=routes, to_line=lines_of(text, "to")[0], **values).encode(),
                        (to, port))
            if method == "ACK":
                time.sleep(EVERY_S)
        wait_for(sock, call_id, "BYE", 1)
    print(json.dumps({"times": times, "lost": lost}))


if __name__ == "__main__":
    main()
