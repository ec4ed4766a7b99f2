# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The control plane's working half is killed (SIGKILL) with calls up and calls ringing."""

import json
import os
import signal
import subprocess
import time

from lab import Missing, media_path
from message import make_sdp

RTP_PORT = 46000


def expect(condition, what):
    if not condition:
        raise Missing(what)


def kill(lab):
    """SIGKILL; returns when another half answers the API, and how long that took."""
    old = lab.half()
    os.kill(old, signal.SIGKILL)
    return kill_is_over(lab, old)


def kill_is_over(lab, old):
    def back():
        try:
            return lab.half() != old and lab.api.ask("GET", "/healthz")[0] == 200
        except (OSError, IndexError, ConnectionError):
            return False
    begun = time.monotonic()
    while not back():
        if time.monotonic() - begun > 10:
            raise Missing("no new control plane within 10 s")
        lab.world.pump(0.02)
    return time.monotonic() - begun


def established(lab, a, b, to):
    c = a.call(to)
    i = b.ringing()
    i.ring(180)
    i.answer()
    c.up()
    return c, i


def peers(lab, ends):
    """rtp_peer in each namespace for the calls [(namespace, [plan lines])]; returns the running processes and their reports."""
    running = []
    for n, (namespace, lines) in enumerate(ends):
        plan, report, ready = (os.path.join(lab.env["RUN_DIR"], f"crash{n}.{x}") for x in ("plan", "json", "ready"))
        with open(plan, "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        for stale in (report, ready):
            if os.path.exists(stale):
                os.unlink(stale)
        running.append((subprocess.Popen(["ip", "netns", "exec", namespace, os.path.join(lab.env["BUILD"], "tests/lab/rtp_peer"), "--seconds", "30",
                                          "--ready-file", ready, "--report", report, plan]), report, ready))
    for _, _, ready in running:
        lab.world.until(lambda: os.path.exists(ready) and os.path.getsize(ready) > 0, 5, "rtp_peer")
    return running


def stop_peers(lab, running):
    reports = []
    for process, report, ready in running:
        os.kill(int(open(ready).read()), signal.SIGTERM)
        process.wait(10)
        with open(report, encoding="utf-8") as f:
            reports.append(json.load(f))
    return reports


def s_calls_survive(lab):
    """Calls over UDP, TCP and TLS go on: no packet is lost; re-INVITE, UPDATE, INFO and BYE work at once, over streams on new connections"""
    carrier = lab.trunk()
    kinds = ["udp", "tcp", "tls"]
    users = {"udp": lab.user("alice"), "tcp": lab.user("bob", "tcp"), "tls": lab.user("carol", "tls")}
    calls, plans = {}, {"client": [], "peer": []}
    for n, kind in enumerate(kinds):
        a = users[kind]
        for way in ("out", "in"):
            port = RTP_PORT + 20 * n + (10 if way == "in" else 0)
            mine, theirs = make_sdp(a.port.ip, port), make_sdp(carrier.port.ip, port)
            if way == "out":
                c = a.call(f"sip:+1555{n}@lab.test", mine)
                i = carrier.ringing()
                i.answer(theirs)
                c.up()
                user_leg, carrier_leg, to_user, to_carrier = c, i, c.answer.sdp, i.sdp
            else:
                c = carrier.call(f"sip:+493010{n}@198.51.100.1", theirs)
                i = a.ringing()
                i.answer(mine)
                c.up()
                user_leg, carrier_leg, to_user, to_carrier = i, c, i.sdp, c.answer.sdp
            calls[kind, way] = user_leg, carrier_leg
            number = 2 * n + (way == "in") + 1
            plans["client"].append(f"name={kind}-{way} local={a.port.ip}:{port} remote={to_user.ip}:{to_user.port} id={number} pt=8 size=160")
            plans["peer"].append(f"name={kind}-{way} local={carrier.port.ip}:{port} remote={to_carrier.ip}:{to_carrier.port} id={100 + number} pt=8 size=160")
    running = peers(lab, [(lab.env["CLIENT_NS"], plans["client"]), (lab.env["PEER_NS"], plans["peer"])])
    lab.world.run(1.0)
    ids = {c["id"] for c in lab.calls()}
    expect(len(ids) == 6, f"{len(ids)} calls before")
    took = kill(lab)
    print(f"        another control plane after {took:.2f} s")
    expect({c["id"] for c in lab.calls()} == ids, "it does not know all calls")
    for kind in ("tcp", "tls"):  # their connections ended with the old process
        a = users[kind]
        lab.world.run(0.1)
        a.stream = a.port.connect(a.hop, fresh=True)
    for (kind, way), (mine, theirs) in calls.items():
        a = users[kind]
        # the user's side refreshes, asks, moves; then the carrier's side
        r = mine.ask("UPDATE", headers=[("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")])
        expect(r.status == 200, f"{kind} {way}: UPDATE: {r.status}")
        m = mine.send(mine.new("INFO", body="x", content_type="text/plain"))
        carrier.reply(carrier.port.request("INFO", 3, lambda x: x.call_id == theirs.call_id), 200)
        expect(a.final(m).status == 200, f"{kind} {way}: INFO of the user")
        m = theirs.send(theirs.new("INFO", body="x", content_type="text/plain"))
        a.reply(a.port.request("INFO", 3, lambda x: x.call_id == mine.call_id), 200)
        expect(carrier.final(m).status == 200, f"{kind} {way}: INFO of the carrier")
        local = RTP_PORT + 20 * kinds.index(kind) + (10 if way == "in" else 0)
        m = mine.send(mine.new("INVITE", body=make_sdp(a.port.ip, local, version=9, direction="sendrecv", codecs=(8, 101))))
        r = carrier.port.request("INVITE", 3, lambda x: x.call_id == theirs.call_id)
        theirs.accept(r, make_sdp(carrier.port.ip, local, version=9, codecs=(8, 101)))
        final = a.final(m)
        expect(final.status == 200, f"{kind} {way}: re-INVITE: {final.status}")
        mine.send_ack(m, final)
        carrier.port.request("ACK", 3, lambda x: x.call_id == theirs.call_id)
    lab.world.run(0.5)
    reports = stop_peers(lab, running)
    for report in reports:
        for one in report:
            expect(one["longest_gap_ms"] < 200 and all(f["missing"] == 0 for f in one["from"].values()) and one["received"] > 50,
                   f"{one['name']}: {one['received']} received, longest gap {one['longest_gap_ms']} ms, {one['from']}")
    for n, ((kind, way), (mine, theirs)) in enumerate(calls.items()):
        first, second = (mine, theirs) if n % 2 else (theirs, mine)
        first.bye()
        second.expect_bye()
    cdrs = lab.cdrs(at_least=12)
    expect(len(cdrs) == 12 and len({c["id"] for c in cdrs}) == 12, f"{len(cdrs)} CDRs of 12 legs")
    expect(all(c["restored"] and not c["unfinished"] and c["status"] == 200 for c in cdrs), "not all are marked as restored and ended well")
    expect(all(c["media"]["packets_in"] > 50 for c in cdrs), f"media counts: {[c['media']['packets_in'] for c in cdrs]}")


def s_ringing_ends(lab):
    """Calls that were ringing are ended on both sides within 2 s, also one that has not been heard of yet"""
    a, carrier, b = lab.user("alice"), lab.trunk(), lab.user("bob")
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.ring(180)
    c.wait(180)
    d = a.call("sip:bob@lab.test")
    j = b.ringing()
    j.ring(180)
    d.wait(180)
    lab.world.run(0.2)
    kill(lab)
    begun = time.monotonic()
    i.expect_cancel(2.5)
    j.expect_cancel(2.5)
    for call in (c, d):
        r = a.response(call.invite, 2.5, range(300, 700))
        a.ack(call.invite, r)
        expect(r.status >= 400, f"{r.status}")
    took = time.monotonic() - begun
    expect(took < 2.0, f"after {took:.1f} s")
    cdrs = lab.cdrs(at_least=4)
    expect(len(cdrs) == 4 and all(c["status"] != 200 for c in cdrs), f"CDRs: {[(c['status'], c['cause']) for c in cdrs]}")


def s_bindings_return(lab):
    """Bindings are back: a call finds a user who did nothing since"""
    a, b, t = lab.user("alice"), lab.user("bob"), lab.user("carol", "tcp")
    kill(lab)
    c, i = established(lab, a, b, "sip:bob@lab.test")
    media_path(a, c.answer.sdp, b, i.sdp)
    c.bye()
    i.expect_bye()
    t.stream = t.port.connect(t.hop, fresh=True)
    t.register()
    c, i = established(lab, a, t, "sip:carol@lab.test")
    c.bye()
    i.expect_bye()


def s_twice(lab):
    """Killed twice within a call: it still goes on, and its CDRs come once"""
    a, b = lab.user("alice"), lab.user("bob")
    c, i = established(lab, a, b, "sip:bob@lab.test")
    kill(lab)
    kill(lab)
    media_path(a, c.answer.sdp, b, i.sdp)
    i.bye()
    c.expect_bye()
    cdrs = lab.cdrs()
    expect(len(cdrs) == 2, f"{len(cdrs)} CDRs")


def s_while_ending(lab):
    """Killed between BYE and its end: CDRs exactly once, for every call"""
    a, carrier = lab.user("alice"), lab.trunk()
    made = [established(lab, a, carrier, f"sip:+1555{n:03}@lab.test") for n in range(10)]
    for n, (c, i) in enumerate(made):
        c.send(c.new("BYE"))
    lab.world.run(0.003)
    kill(lab)
    end_at = time.monotonic() + 8
    while time.monotonic() < end_at:
        for x in [x for x in carrier.port.inbox if x.is_request and x.method == "BYE"]:
            carrier.port.inbox.remove(x)
            carrier.reply(x, 200)
        lab.world.pump(0.1)
        if not lab.calls():
            break
    for call in lab.calls():  # whose BYE was answered, or lost, with the process
        lab.api.ask("DELETE", f"/v1/calls/{call['id']}")
    lab.world.run(0.5)
    a.port.automatic.append(lambda m: m.is_request and m.method == "BYE" and bool(a.reply(m, 200)))
    carrier.port.automatic.append(lambda m: m.is_request and m.method == "BYE" and bool(carrier.reply(m, 200)))
    lab.no_calls(8)
    cdrs = lab.cdrs(at_least=20)
    expect(len(cdrs) == 20 and len({c["leg"] for c in cdrs}) == 20, f"{len(cdrs)} CDRs of 20 legs")


def s_poison(lab):
    """The message that was being looked at when the process died is dropped when it comes again; others are answered"""
    a = lab.user("alice", register=False)
    def dropped():
        return next(v for name, v in lab.api.metrics().items() if "refused_crash" in name)
    for _ in range(12):
        poison = a.request("OPTIONS", "sip:192.0.2.1")
        before, half = dropped(), lab.half()
        end_at = time.monotonic() + 0.1
        while time.monotonic() < end_at:  # so many of it that the process hardly does anything else
            for _ in range(50):
                a.port.send_raw(poison.bytes(), a.hop)
        os.kill(half, signal.SIGKILL)
        kill_is_over(lab, half)
        lab.world.run(0.3)
        a.port.inbox.clear()
        a.port.received.clear()
        a.port.known.clear()
        a.port.send_raw(poison.bytes(), a.hop)
        lab.world.run(0.3)
        if dropped() > before:
            break
    else:
        raise Missing("it was killed twelve times, and never while it looked at the message")
    expect(not [m for m in a.port.received if m.branch == poison.branch], "the message was answered all the same")
    other = a.request("OPTIONS", "sip:192.0.2.1")
    a.send(other)
    expect(a.final(other).status == 200, "another message")
