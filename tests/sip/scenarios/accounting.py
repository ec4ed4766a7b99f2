# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""CDRs of all kinds of ends, durations, RTP inactivity, ring time, export."""

import random
import time

from lab import Missing, media_path
from message import new_tag


def expect(condition, what):
    if not condition:
        raise Missing(what)


def legs(cdrs):
    """(incoming leg's, outgoing ones'), of one call."""
    ins = [c for c in cdrs if c["direction"] == "in"]
    outs = [c for c in cdrs if c not in ins]
    expect(len(ins) == 1, f"{len(ins)} incoming legs: {cdrs}")
    return ins[0], outs


def s_answered(lab):
    """An answered call: one CDR for each leg, with times, parties, codec, media counts and MOS"""
    a, carrier = lab.user("alice"), lab.trunk()
    t0 = time.time() * 1000
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.ring(180)
    c.wait(180)
    lab.world.run(0.3)
    t1 = time.time() * 1000
    i.answer()
    c.up()
    end_at = time.monotonic() + 1.0
    while time.monotonic() < end_at:
        a.media().send(c.answer.sdp.address)
        carrier.media().send(i.sdp.address)
        lab.world.run(0.02)
    t2 = time.time() * 1000
    c.bye()
    i.expect_bye()
    inside, out = legs(lab.cdrs())
    expect(len(out) == 1, f"{len(out)} outgoing legs")
    for leg in (inside, out[0]):
        expect(leg["status"] == 200, f"status {leg['status']}")
        expect(leg["q850"] == 16, f"Q.850 cause {leg['q850']}")
        expect(abs(leg["answered_unix_ms"] - t1) < 150 and abs(leg["ended_unix_ms"] - t2) < 150, f"times: {leg}, answered {t1:.0f}, ended {t2:.0f}")
        expect("PCMA" in leg["media"]["codec"], f"codec {leg['media']}")
        expect(leg["media"]["packets_in"] >= 40 and leg["media"]["packets_out"] >= 40, f"media: {leg['media']}")
    expect(abs(inside["begun_unix_ms"] - t0) < 300, f"begun {inside['begun']}, not {t0:.0f}")
    expect("alice" in inside["user"] and out[0]["trunk"] == "carrier", f"user {inside['user']}, trunk {out[0]['trunk']}")
    expect(inside["sip_call_id"] == c.call_id and out[0]["sip_call_id"] == i.call_id, "Call-IDs")


def s_refused(lab):
    """Refused, cancelled, not found, failed over: each has its CDRs with the right cause"""
    a, first, second = lab.user("alice"), lab.trunk(), lab.trunk("carrier2")
    c = a.call("sip:+15550101@lab.test")
    first.ringing().reject(486)
    c.wait(486)
    inside, out = legs(lab.cdrs())
    expect(inside["status"] == 486 and out[0]["status"] == 486 and inside["q850"] == 17 and not inside["answered_unix_ms"], f"busy: {inside} {out}")
    lab.begun_ms = int(time.time() * 1000)
    c = a.call("sip:+15550102@lab.test")
    first.ringing().reject(503)
    i = second.ringing()
    i.ring(180)
    c.wait(180)
    c.cancel()
    i.expect_cancel()
    c.wait(487)
    inside, out = legs(lab.cdrs(at_least=3))
    expect(inside["status"] == 487 and sorted(o["status"] for o in out) == [487, 503], f"cancelled: {inside['status']}, {[o['status'] for o in out]}")
    attempts = inside["attempts"]
    expect(len(attempts) == 2 and attempts[0]["status"] == 503, f"attempts: {attempts}")
    lab.begun_ms = int(time.time() * 1000)
    a.call("sip:+999@lab.test").wait(404)
    found = lab.cdrs(at_least=1)
    expect(len(found) == 1 and found[0]["status"] == 404 and found[0]["q850"] == 1, f"not found: {found}")


def s_who_ended(lab):
    """Who ended it is told: the caller, the callee, an operator"""
    a, b = lab.user("alice"), lab.user("bob")
    seen = []
    for way in ("caller", "callee", "operator"):
        lab.begun_ms = int(time.time() * 1000)
        c = a.call("sip:bob@lab.test")
        i = b.ringing()
        i.answer()
        c.up()
        if way == "caller":
            c.bye()
            i.expect_bye()
        elif way == "callee":
            i.bye()
            c.expect_bye()
        else:
            lab.api.ask("DELETE", f"/v1/calls/{lab.calls()[0]['id']}")
            c.expect_bye()
            i.expect_bye()
        inside, out = legs(lab.cdrs())
        seen.append(inside["ended_by"])
    expect(seen == ["caller", "callee", "operator"], f"{seen}")


def s_csv(lab):
    """CDRs as CSV, and filtered"""
    a = lab.user("alice")
    a.call("sip:+999@lab.test").wait(404)
    lab.cdrs(at_least=1)
    status, text = lab.api.ask("GET", f"/v1/cdrs?format=csv&from_unix_ms={lab.begun_ms}")
    lines = text.strip().split("\n")
    expect(status == 200 and len(lines) == 2 and "call" in lines[0], f"{status}: {text}")
    found = lab.api.get(f"/v1/cdrs?from_unix_ms={lab.begun_ms}&trunk=carrier2")["cdrs"]
    expect(not found, f"filtered by another trunk: {found}")


def s_max_duration(lab):
    """A tenant's maximum duration ends the call on both sides"""
    lab.put("tenants", "brief", max_duration=2, ring_time=2)
    lab.put("domains", "brief.test", tenant="brief", min_expires=2)
    for name in ("ann", "ben"):
        lab.put("users", f"{name}@brief.test", domain="brief.test", password="lab-password")
    ann, ben = brief(lab, "ann"), brief(lab, "ben")
    c = ann.call("sip:ben@brief.test")
    i = ben.ringing()
    i.answer()
    c.up()
    begun = time.monotonic()
    c.expect_bye(5)
    i.expect_bye()
    expect(1.5 < time.monotonic() - begun < 4, f"after {time.monotonic() - begun:.1f} s")
    inside, out = legs(lab.cdrs())
    expect(inside["ended_by"] == "timer", f"ended by {inside['ended_by']}")


def brief(lab, name):
    from ua import Agent
    p, hop = lab.end("client")
    a = Agent(p, f"sip:{name}@brief.test", hop, name, "lab-password")
    lab.agents.append(a)
    a.register()
    return a


def s_media_limit(lab):
    """A tenant's limit of packets holds for the media of all its calls together, and another one is in force at once"""
    lab.put("tenants", "brief", media_pps=100)
    lab.put("domains", "brief.test", tenant="brief", min_expires=2)
    for name in ("ann", "ben", "cat", "dan"):
        lab.put("users", f"{name}@brief.test", domain="brief.test", password="lab-password")
    calls = []
    for one, other in (("ann", "ben"), ("cat", "dan")):
        a, b = brief(lab, one), brief(lab, other)
        c = a.call(f"sip:{other}@brief.test")
        i = b.ringing()
        i.answer()
        c.up()
        media_path(a, c.answer.sdp, b, i.sdp)
        calls.append((a, c, b, i))

    def heard(seconds, rate):
        for a, _, b, _ in calls:
            b.media().heard.clear()
        end, n, start = time.monotonic() + seconds, 0, time.monotonic()
        while (now := time.monotonic()) < end:
            while n < (now - start) * rate:
                for a, c, _, _ in random.sample(calls, len(calls)):  # always the same one first would starve the other: its call is inactive
                    a.media().send(c.answer.sdp.address)
                n += 1
            lab.world.pump(0.005)
        lab.world.run(0.2)
        return sum(b.media().heard_of(a.media()) for a, _, b, _ in calls), 2 * n

    got, sent = heard(4, 200)
    expect(sent > 1200 and 380 < got < 620, f"{got} of {sent} packets passed in 4 s, a second's worth at once and 100 a second")
    lab.put("tenants", "brief", media_pps=0)
    lab.world.run(0.3)
    got, sent = heard(2, 100)
    expect(got > sent * 0.98, f"{got} of {sent} packets passed without a limit")
    for _, c, _, i in calls:
        c.bye()
        i.expect_bye()


def s_ring_time(lab):
    """Nobody answers: after the ring time the callee is cancelled and the caller gets 480 or 408"""
    lab.put("tenants", "brief", max_duration=2, ring_time=2)
    lab.put("domains", "brief.test", tenant="brief", min_expires=2)
    for name in ("ann", "ben"):
        lab.put("users", f"{name}@brief.test", domain="brief.test", password="lab-password")
    ann, ben = brief(lab, "ann"), brief(lab, "ben")
    c = ann.call("sip:ben@brief.test")
    i = ben.ringing()
    i.ring(180)
    i.expect_cancel(5)
    r = ann.response(c.invite, 3, range(300, 700))
    ann.ack(c.invite, r)
    expect(r.status in (480, 408, 487), f"{r.status}")


def s_inactivity(lab):
    """No RTP from either side: the call is ended, and its CDR says why"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, b, i.sdp)
    c.expect_bye(10)
    i.expect_bye()
    inside, out = legs(lab.cdrs())
    expect(inside["ended_by"] in ("timer", "sluice", "network") and inside["status"] != 200 or "media" in inside["cause"].lower() or
           "rtp" in inside["cause"].lower(), f"{inside['ended_by']}, {inside['cause']}")


def s_ladder(lab):
    """`call show ID --ladder` of a call that has ended draws its messages"""
    import os
    import subprocess
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.ring(180)
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    i.expect_bye()
    call = lab.cdrs()[0]["call"]
    tool = os.path.join(lab.env["BUILD"], "controlplane", "sluicectl")
    done = subprocess.run([tool, "--socket", lab.env["API"], "call", "show", call, "--ladder"], capture_output=True, text=True, timeout=10)
    expect(done.returncode == 0, done.stderr)
    for word in ("INVITE", "180", "200", "ACK", "BYE", "198.51.100.10:5070", "PCMA"):
        expect(word in done.stdout, f"no {word} in\n{done.stdout}")
