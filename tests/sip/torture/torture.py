#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Sends every message of the corpus to a SIP listener on the wire and looks at what comes back: understood, refused with the status that the corpus names, or no
answer at all. After each one the listener must still answer OPTIONS, and the process named must still be the one that it was.

torture.py --from IP --to IP [--port 5060] [--half PID] [--tls PORT] [NAME...]

With --tls every message goes through the TLS edge instead, each on its own connection; there only survival counts, since the edge ends connections
whose bytes it cannot frame."""

import argparse
import os
import re
import select
import socket
import ssl
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from messages import corpus  # noqa: E402
from table import EXCEPTIONS, NOT_UNDERSTOOD  # noqa: E402

# Answers go where the request came from, or to the port of its Via: those that the corpus has.
PORTS = (5060, 5050, 5070, 6050, 19823)
ANSWER_S, SILENCE_S, ALIVE_S = 2.0, 0.4, 3.0
FINAL = 200


class Wire:
    """Our sockets: UDP on the ports that the corpus's Vias name, TCP made for each message."""

    def __init__(self, own, to):
        self.own, self.to, self.udp = own, to, []
        for port in PORTS:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((own, port))
            self.udp.append(s)
        self.pings = 0

    def drain(self):
        while True:
            ready, _, _ = select.select(self.udp, [], [], 0)
            if not ready:
                return
            for s in ready:
                s.recv(65536)

    def alive(self):
        """OPTIONS is answered, whatever else comes meanwhile."""
        self.pings += 1
        branch = f"z9hG4bKalive{os.getpid()}x{self.pings}"
        ping = (f"OPTIONS sip:{self.to[0]} SIP/2.0\r\nVia: SIP/2.0/UDP {self.own}:5060;branch={branch};rport\r\nMax-Forwards: 70\r\n"
                f"From: <sip:torture@{self.own}>;tag={self.pings}\r\nTo: <sip:{self.to[0]}>\r\nCall-ID: {branch}@torture\r\n"
                f"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode()
        for _ in range(3):
            self.udp[0].sendto(ping, self.to)
            end = time.monotonic() + ALIVE_S / 3
            while (left := end - time.monotonic()) > 0:
                if not select.select([self.udp[0]], [], [], left)[0]:
                    break
                if branch.encode() in self.udp[0].recv(65536):
                    return True
        return False

    def answers(self, sockets, seconds):
        """Messages, one by one, until nothing comes for so long, or a stream has ended."""
        end, text = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            for s in select.select(sockets, [], [], left)[0]:
                try:
                    got = s.recv(65536)
                except (ConnectionError, ssl.SSLError):
                    return
                if not got:
                    return
                if s in self.udp:
                    yield got
                    continue
                text += got
                while b"\r\n\r\n" in text: # answers to what is refused have no body
                    one, text = text.split(b"\r\n\r\n", 1)
                    yield one + b"\r\n\r\n"

    def ask(self, message, tcp):
        """The final status that answers it, else the last provisional one, else None."""
        sockets, stream = self.udp, None
        self.drain()
        if tcp:
            stream = socket.create_connection(self.to, 2, (self.own, 0))
            stream.sendall(message.data)
            sockets = [*self.udp, stream]
        else:
            self.udp[0].sendto(message.data, self.to)
        status = None
        for answer in self.answers(sockets, SILENCE_S if expected(message)[0] == {"drop"} else ANSWER_S):
            line = re.match(rb"SIP/2\.0 (\d{3})", answer)
            if not line or (message.call_id and message.call_id not in answer):
                continue
            status = int(line.group(1))
            if status >= FINAL:
                break
        if stream:
            stream.close()
        return status


def expected(message):
    """What is wanted of it here, and why not what the corpus says."""
    text, reason = EXCEPTIONS.get(message.name, (None, ""))
    return (frozenset(text.split("|")) if text else message.wanted), reason


def outcome(status):
    if status is None:
        return "drop"
    return str(status) if status in NOT_UNDERSTOOD else "ok"


def judge(message, status):
    """(good, words)"""
    wanted, reason = expected(message)
    good = outcome(status) in wanted or str(status) in wanted
    words = f"{message.name} (RFC section {message.section}): {status or 'no answer'}"
    if not good:
        words += f", wanted {' or '.join(sorted(wanted))}"
    elif reason:
        words += f"; the RFC has {' or '.join(sorted(message.wanted))}: {reason}"
    return good, words


def through_tls(wire, message, port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((wire.to[0], port), 2, (wire.own, 0)) as raw, context.wrap_socket(raw) as s:
        s.sendall(message.data)
        s.settimeout(SILENCE_S)
        try:
            first = s.recv(65536)
        except (TimeoutError, ConnectionError, ssl.SSLError):
            first = b""
    line = re.match(rb"SIP/2\.0 (\d{3})", first)
    return True, f"{message.name} over TLS: {int(line.group(1)) if line else 'no answer'}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--from", dest="own", required=True)
    p.add_argument("--to", required=True)
    p.add_argument("--port", type=int, default=5060)
    p.add_argument("--half", type=int)
    p.add_argument("--tls", type=int)
    p.add_argument("names", nargs="*")
    args = p.parse_args()
    wire, failed, run = Wire(args.own, (args.to, args.port)), 0, 0
    if not wire.alive():
        print("FAILED  OPTIONS is not answered before anything was sent")
        return 1
    for m in corpus():
        if args.names and m.name not in args.names:
            continue
        run += 1
        if args.tls:
            good, words = through_tls(wire, m, args.tls)
        else:
            good, words = judge(m, wire.ask(m, m.transport == "tcp"))
        if not wire.alive():
            good, words = False, words + "; OPTIONS is not answered any more"
        if args.half and not os.path.exists(f"/proc/{args.half}"):
            print(f"FAILED  {words}; the working half has died")
            return 1
        failed += not good
        print(f"{'ok     ' if good else 'FAILED '} {words}", flush=True)
    print(f"---- {run} messages, {failed} failed")
    return 1 if failed or not run else 0


if __name__ == "__main__":
    raise SystemExit(main())
