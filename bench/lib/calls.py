#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Make the calls of a media case at a relay by the ng protocol, many at a time, and write the plan for sluice-pktgen.

  calls.py CASE CALLS PLAN            at the relay whose ng socket is 127.0.0.1:2223
  calls.py CASE CALLS PLAN --reflect  nobody is asked: a plan for something that sends frames back as they came
"""

import argparse
import os
import selectors
import socket
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "lab")]
sys.dont_write_bytecode = True

from media_cases import (CALLEES, CALLERS, CASES, FIRST_PORT, INTERFACE_A, INTERFACE_B, NG, RELAY_A,  # noqa: E402
                         RELAY_PORTS)
from ng import Party, Refused, bdecode, bencode  # noqa: E402

WINDOW = 16            # calls being made at a time
RETRY_S, TRIES = 1.0, 8


class Client:
    """Runs conversations: generators that yield a request and are sent the reply to it."""

    def __init__(self, to):
        host, port = to.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))
        self.socket.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.number = 0
        self.waiting = {}  # cookie -> [conversation, datagram, when to send again, tries]
        self.results = {}

    def run(self, conversations):
        """What each of them returns, in their order."""
        coming = enumerate(conversations)
        while True:
            while len(self.waiting) < WINDOW:
                which, conversation = next(coming, (None, None))
                if conversation is None:
                    break
                self._advance(which, conversation, None)
            if not self.waiting:
                return [self.results[i] for i in sorted(self.results)]
            self._receive()
            self._retransmit()

    def _advance(self, which, conversation, reply):
        try:
            message = conversation.send(reply)
        except StopIteration as end:
            self.results[which] = end.value
            return
        self.number += 1
        cookie = b"b%d_%d" % (os.getpid(), self.number)
        raw = cookie + b" " + bencode(message)
        self.waiting[cookie] = [(which, conversation, message["command"]), raw, time.monotonic() + RETRY_S, 1]
        self.socket.send(raw)

    def _receive(self):
        if not self.selector.select(RETRY_S / 4):
            return
        while True:
            try:
                got = self.socket.recv(65535)
            except BlockingIOError:
                return
            cookie, _, body = got.partition(b" ")
            if cookie not in self.waiting:
                continue  # the answer to a retransmission
            (which, conversation, command), *_ = self.waiting.pop(cookie)
            reply = bdecode(body)[0]
            if reply.get("result") == "error":
                raise Refused(f"{command}: {reply.get('error-reason')}")
            self._advance(which, conversation, reply)

    def _retransmit(self):
        now = time.monotonic()
        for entry in self.waiting.values():
            if entry[2] > now:
                continue
            if entry[3] >= TRIES:
                raise Refused(f"{entry[0][2]}: no answer")
            entry[2], entry[3] = now + RETRY_S, entry[3] + 1
            self.socket.send(entry[1])


def party(ip, number, suite):
    proto = "RTP/SAVP" if suite else "RTP/AVP"
    return Party(ip, FIRST_PORT + 2 * number, proto, suite or "AES_CM_128_HMAC_SHA1_80", False)


def names(number):
    return {"call-id": f"bench-{number}", "from-tag": f"a{number}", "ICE": "remove"}


def call(case, number):
    """Offer and answer; returns the two parties."""
    a, b = party(CALLERS, number, case.suite_a), party(CALLEES, number, case.suite_b)
    offer = yield {"command": "offer", **names(number), "sdp": a.sdp(), "transport-protocol": b.proto, "DTLS": "off",
                   "direction": [INTERFACE_A, INTERFACE_B], "replace": ["origin", "session-connection"]}
    b.learn(offer["sdp"])
    answer = yield {"command": "answer", **names(number), "to-tag": f"b{number}", "sdp": b.sdp(), "DTLS": "off",
                    "replace": ["origin", "session-connection"]}
    a.learn(answer["sdp"])
    return a, [b]


def publish(case, number):
    """One who speaks and all who listen."""
    a, listeners = party(CALLERS, number, case.suite_a), []
    reply = yield {"command": "publish", **names(number), "sdp": a.sdp().replace("sendrecv", "sendonly"),
                   "interface": INTERFACE_A}
    a.learn(reply["sdp"])
    for i in range(case.copies):
        b = party(CALLEES, number * case.copies + i, case.suite_b)
        reply = yield {"command": "subscribe request", **names(number), "transport-protocol": b.proto, "DTLS": "off",
                       "interface": INTERFACE_B}
        b.learn(reply["sdp"])
        yield {"command": "subscribe answer", "call-id": f"bench-{number}", "to-tag": reply["to-tag"],
               "sdp": b.sdp().replace("sendrecv", "recvonly")}
        listeners.append(b)
    return a, listeners


def key(suite, text):
    return f"{suite}:{text}" if suite else "-"


def own(one):
    return f"{one.ip}:{one.port}"


def stream(direction, speaker, suite, listeners, listeners_suite):
    """The lines of what one party sends, and of what all the others get of it."""
    lines = [f"stream {direction} {own(speaker)} {speaker.relay} {key(suite, speaker.key)}"]
    lines += [f"copy {one.relay} {own(one)} {key(listeners_suite, one.relay_key)}" for one in listeners]
    return lines


def check_keys(calls):
    """A relay that passes the callers' keys on to the callees need not encrypt anything: not what is measured."""
    if any(b.relay_key == a.key for a, listeners in calls for b in listeners if a.key):
        raise Refused("the callees got the callers' own keys")


def plan(case, calls):
    lines = []
    for a, listeners in calls:
        lines += stream(0, a, case.suite_a, listeners, case.suite_b)
    for a, listeners in calls if case.both_ways else ():
        lines += stream(1, listeners[0], case.suite_b, [a], case.suite_a)
    return lines


def reflected(case, n_calls):
    """The same frames, plain, coming back as they went."""
    lines = []
    for direction in range(2 if case.both_ways else 1):
        for i in range(n_calls):
            here = f"{(CALLERS, CALLEES)[direction]}:{FIRST_PORT + 2 * i}"
            there = f"{RELAY_A}:{RELAY_PORTS[0] + 2 * i + direction}"
            lines += [f"stream {direction} {here} {there} -", f"copy {here} {there} -"]
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("case", choices=sorted(CASES))
    p.add_argument("calls", type=int, help="calls, or publishers")
    p.add_argument("plan", help="the file to write")
    p.add_argument("--to", default=NG, help="ng socket of the relay")
    p.add_argument("--reflect", action="store_true", help="a plan for something that sends frames back")
    args = p.parse_args()
    case = CASES[args.case]
    began = time.monotonic()
    try:
        if args.reflect:
            lines = reflected(case, args.calls)
        else:
            make = publish if case.copies > 1 else call
            calls = Client(args.to).run(make(case, i) for i in range(args.calls))
            check_keys(calls)
            lines = plan(case, calls)
        with open(os.open(args.plan, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
    except (Refused, OSError) as error:
        print(f"calls.py: {error}", file=sys.stderr)
        return 1
    print(f"{args.calls} calls in {time.monotonic() - began:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
