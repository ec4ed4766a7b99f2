# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Overload: new work is refused with 503 and Retry-After; calls that are, emergency numbers and registered users go on."""

import os
import signal
import time

from lab import Missing, media_path
from message import new_tag


def expect(condition, what):
    if not condition:
        raise Missing(what)


def calm(lab, name):
    """Overload ends a second after the queue was short again: until then who is not registered may be refused."""
    a = lab.user(name, register=False)
    lab.world.until(lambda: a.register(expect=None).status == 200, 6, "an end of the overload")
    return a


def s_stateless(lab):
    """Ten thousand INVITEs without credentials cost no memory that stays"""
    a = lab.user("alice", register=False)
    half = lab.half()
    def rss():
        return int(open(f"/proc/{half}/statm").read().split()[1]) * 4
    def flood(n):
        for _ in range(n):
            m = a.request("INVITE", "sip:bob@lab.test", body=a.sdp())
            a.port.sock.sendto(m.bytes(), a.hop)
            if _ % 50 == 0:
                lab.world.pump(0.005)
        lab.world.run(0.3)
        a.port.inbox.clear()
        a.port.received.clear()
        a.port.known.clear()
    flood(1000)
    before = rss()
    flood(9000)
    grown = rss() - before
    expect(grown < 2048, f"the process grew by {grown} KB")
    calm(lab, "bob")


def s_503(lab):
    """When messages wait too long, new calls of others get 503 with Retry-After, while a call's own requests are answered"""
    a, carrier, b = calm(lab, "alice"), lab.trunk(), lab.user("bob")
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.answer()
    c.up()
    half = lab.half()
    statuses = {}
    asked = {}
    def answers():
        for m in list(carrier.port.inbox):
            if m.is_request and m.method == "INFO":
                carrier.port.inbox.remove(m)
                carrier.reply(m, 200)
            elif not m.is_request and m.method == "INVITE" and m.status >= 300 and m.branch in asked:
                carrier.port.inbox.remove(m)
                statuses[m.status] = statuses.get(m.status, 0) + 1
                carrier.ack(asked[m.branch], m)
        for m in list(b.port.inbox):
            if m.is_request and m.method == "INVITE":
                b.port.inbox.remove(m)
                b.reply(m, 486, to_tag=new_tag(), again=True)
        return [m.get("Retry-After") for m in carrier.port.received if m.status == 503]
    for _ in range(12):  # it cannot keep up: what comes has waited, again and again
        os.kill(half, signal.SIGSTOP)
        for n in range(10):
            m = carrier.request("INVITE", "sip:+4930101@198.51.100.1", body=carrier.sdp())
            asked[m.branch] = m
            carrier.port.send(m, carrier.hop)
        info = c.send(c.new("INFO", body="x", content_type="text/plain"), again=False)
        time.sleep(0.45)
        os.kill(half, signal.SIGCONT)
        end_at = time.monotonic() + 0.06
        while time.monotonic() < end_at:
            lab.world.pump(0.01)
            answers()
        if answers():
            break
    lab.world.until(lambda: answers() is not None and any(not m.is_request and m.branch == info.branch for m in a.port.inbox), 3,
                    "an answer to the call's INFO")
    expect(a.final(info).status == 200, "the INFO of the call was refused")
    retry = next(iter(answers()), None)
    end_at = time.monotonic() + 0.5
    while time.monotonic() < end_at:
        lab.world.pump(0.05)
        answers()
    lab.world.run(0.3)
    expect(statuses.get(503), f"no 503: {statuses}")
    expect(retry is not None, "no Retry-After")
    c.bye()
    i.expect_bye()
    calm(lab, "carol")
