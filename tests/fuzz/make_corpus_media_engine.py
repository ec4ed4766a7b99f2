#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the hand-made seeds of the media corpus (calls through the engine) below corpus/. Run after changing a seed here."""
import pathlib

HERE = pathlib.Path(__file__).parent


def sdp(ip, *media, session=""):
    family = "IP6" if ":" in ip else "IP4"
    head = f"v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{session}"
    return (head + "".join(m if m.endswith("\r\n") else m + "\r\n" for m in media)).encode()


def step(what, body=b"", a=0x40 - 0x40, b=1):
    return what.encode() + bytes([a, b]) + body


KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
AUDIO_A = "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp-mux\r\n"
AUDIO_B = "m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
A, B = sdp("198.51.100.10", AUDIO_A), sdp("192.0.2.20", AUDIO_B)
BUNDLE = "a=group:BUNDLE 0 1\r\n"
VIDEO = "m=video {} RTP/AVP 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"

SEEDS = {
    "call": [step("o", A), step("n", B), step("d")],
    "reoffers": [step("o", A), step("n", B), step("O", B, b=0), step("n", A, b=0), step("O", sdp("0.0.0.0", AUDIO_A)),
                 step("n", B), step("d", a=1)],
    "forks": [step("o", A, b=1), step("o", A, b=0), step("n", B), step("n", B), step("d")],
    "video": [step("o", A), step("n", B), step("O", A + VIDEO.format(4002).encode()), step("n", B + VIDEO.format(0).encode()),
              step("O", A + VIDEO.format(4002).encode()), step("n", B + VIDEO.format(6002).encode())],
    "bundle": [step("o", sdp("198.51.100.10", AUDIO_A + "a=mid:0\r\n", VIDEO.format(4002), session=BUNDLE)),
               step("n", sdp("192.0.2.20", AUDIO_B + "a=mid:0\r\n", VIDEO.format(6000), session=BUNDLE)), step("x")],
    "secure": [step("o", sdp("198.51.100.10", "m=audio 4000 RTP/SAVP 8\r\n" + CRYPTO), a=2), step("n", B), step("x"),
               step("O", sdp("198.51.100.10", "m=audio 4000 RTP/SAVP 8\r\n" + CRYPTO), a=2)],
    "to_secure": [step("o", A, a=2 | 2 << 2),
                  step("n", sdp("192.0.2.20", "m=audio 6000 RTP/SAVP 8\r\n" + CRYPTO)), step("n", B)],
    "ipv6": [step("o", A, a=0x20), step("n", sdp("2001:db8::20", AUDIO_B))],
    "fax": [step("o", A), step("n", B), step("O", sdp("192.0.2.20", "m=image 6000 udptl t38"), b=0),
            step("n", sdp("198.51.100.10", "m=image 4000 udptl t38"), b=0)],
    "dtls": [step("o", sdp("198.51.100.10", "m=audio 4000 UDP/TLS/RTP/SAVPF 8\r\na=fingerprint:sha-256 00\r\n"))],
    "subscribe": [step("o", A), step("n", B), step("s", a=1), step("S", sdp("192.0.2.50", AUDIO_B)), step("x"), step("s", a=0),
                  step("b", a=1), step("d", a=0)],
    "publish": [step("p", A), step("s", a=1), step("d", a=1)],
    "restarts": [step("o", A), step("x"), step("r", a=3), step("n", B), step("x"), step("r", a=7), step("t", a=70),
                 step("t", a=70)],
    "slots": [step("r", a=3), step("o", A), step("r", a=0), step("x"), step("n", B)],
    "clock_absurd": [step("o", A), step("n", sdp("192.0.2.20", "m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/80006000\r\n"))],
    "timeouts": [step("o", A), step("t", a=30), step("t", a=40), step("o", A), step("n", B), step("d", b=1), step("n", B),
                 step("t", a=6), step("t", a=6)],
    "refused": [step("o", b"v=0\r\n"), step("n", B), step("o", sdp("224.0.0.1", AUDIO_A)), step("O", A, b=1)],
}

folder = HERE / "corpus" / "media"
folder.mkdir(parents=True, exist_ok=True)
for name, steps in SEEDS.items():
    (folder / name).write_bytes(b"\0".join(steps))
