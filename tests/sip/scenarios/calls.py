# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Calls between users and trunks, with media: what ordinarily happens."""

from lab import Missing, media_path, parameter, uri_of
from message import make_sdp
from rtp import silent


def expect(condition, what):
    if not condition:
        raise Missing(what)


def s_users(lab):
    """A user calls a user: rings, is answered, sound both ways, the caller hangs up"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    expect(i.invite.sdp.ip == "192.0.2.1" and c.invite.sdp.port != i.invite.sdp.port, f"the offer is not relayed: {i.invite.sdp.text}")
    i.ring(180)
    c.wait(180)
    i.answer()
    c.up()
    expect(c.answer.sdp.ip == "192.0.2.1", "the answer is not relayed")
    media_path(a, c.answer.sdp, b, i.sdp)
    c.bye()
    i.expect_bye()


def s_callee_ends(lab):
    """A user calls out by a trunk, the carrier hangs up"""
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    expect(i.invite.uri.startswith("sip:+15550100@198.51.100.10"), i.invite.uri)
    i.ring(180)
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, carrier, i.sdp)
    i.bye()
    c.expect_bye()


def s_from_trunk(lab):
    """A carrier calls a user by number"""
    b, carrier = lab.user("bob"), lab.trunk()
    c = carrier.call("sip:+4930101@198.51.100.1")
    i = b.ringing()
    i.ring(180)
    c.wait(180)
    i.answer()
    c.up()
    media_path(carrier, c.answer.sdp, b, i.sdp)
    c.bye()
    i.expect_bye()


def s_early_media(lab):
    """Early media of a carrier is heard before the answer"""
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.ring(183, carrier.sdp())
    p = c.wait(183)
    expect(p.sdp is not None, "the 183 has no SDP")
    media_path(a, p.sdp, carrier, i.sdp)
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    i.expect_bye()


def s_cancel(lab):
    """A caller gives up while it rings"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.ring(180)
    c.wait(180)
    cancel = c.cancel()
    expect(a.final(cancel).status == 200, "CANCEL")
    i.expect_cancel()
    c.wait(487)


def s_cancel_before_ringing(lab):
    """A CANCEL that comes before the callee said anything waits for its first answer"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    c.cancel()
    c.wait(487)
    b.port.nothing(lambda m: m.method == "CANCEL", 0.15, "a CANCEL before any response")
    i.ring(180)
    i.expect_cancel()


def s_refused(lab):
    """Busy, declined, not found: the caller gets what the callee said"""
    a, b = lab.user("alice"), lab.user("bob")
    for status in (486, 603, 404, 488):
        c = a.call("sip:bob@lab.test")
        i = b.ringing()
        i.reject(status)
        c.wait(status)


def s_unknown(lab):
    """A user that does not exist: 404; one that is not registered: 480"""
    a = lab.user("alice")
    a.call("sip:nobody@lab.test").wait(404)
    a.call("sip:dave@lab.test").wait(480)


def s_parallel(lab):
    """Two phones of one user ring at once; the first to answer has it, the other is cancelled"""
    a, b1, b2 = lab.user("alice"), lab.user("bob"), lab.user("bob", ip="192.0.2.11")
    c = a.call("sip:bob@lab.test")
    i1, i2 = b1.ringing(), b2.ringing()
    i1.ring(180)
    i2.ring(180)
    c.wait(180)
    i2.answer(ack=False)
    c.up()
    i2.wait_ack()
    cancel = i1.expect_cancel()
    expect("200" in cancel.get("Reason", "") or "completed elsewhere" in cancel.get("Reason", "").lower(), f"Reason of the CANCEL: {cancel.get('Reason')}")
    media_path(a, c.answer.sdp, b2, i2.sdp)
    c.bye()
    i2.expect_bye()


def s_serial(lab):
    """By q: the second phone rings when the first has refused"""
    a, b1, b2 = lab.user("alice"), lab.user("bob", q=0.9), lab.user("bob", q=0.1, ip="192.0.2.11")
    c = a.call("sip:bob@lab.test")
    i1 = b1.ringing()
    b2.port.nothing(lambda m: m.method == "INVITE", 0.15, "an INVITE at the second phone")
    i1.reject(486)
    i2 = b2.ringing()
    expect(i1.call_id != i2.call_id, "both have one Call-ID")
    i2.answer()
    c.up()
    c.bye()
    i2.expect_bye()


def s_best_of_forks(lab):
    """When all forks refuse, the caller gets the best of what they said (RFC 3261 16.7)"""
    a, b1, b2 = lab.user("alice"), lab.user("bob"), lab.user("bob", ip="192.0.2.11")
    c = a.call("sip:bob@lab.test")
    i1, i2 = b1.ringing(), b2.ringing()
    i1.reject(486)
    i2.reject(500)
    c.wait(486)
    c = a.call("sip:bob@lab.test")
    i1, i2 = b1.ringing(), b2.ringing()
    i1.ring(180)
    i2.reject(603)  # everywhere: the other one need not ring on
    i1.expect_cancel()
    c.wait(603)


def s_both_ring_then_all_gone(lab):
    """A caller gives up while two phones ring: both are cancelled"""
    a, b1, b2 = lab.user("alice"), lab.user("bob"), lab.user("bob", ip="192.0.2.11")
    c = a.call("sip:bob@lab.test")
    i1, i2 = b1.ringing(), b2.ringing()
    i1.ring(180)
    i2.ring(180)
    c.wait(180)
    c.cancel()
    i1.expect_cancel()
    i2.expect_cancel()
    c.wait(487)


def s_emergency(lab):
    """An emergency number goes out by its route"""
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:112@lab.test")
    i = carrier.ringing()
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()


def s_list_and_hang_up(lab):
    """The API shows a call while it is on, with legs and media, and hangs it up on both sides"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, b, i.sdp)
    calls = lab.calls()
    expect(len(calls) == 1, f"{len(calls)} calls are listed")
    shown = lab.api.get(f"/v1/calls/{calls[0]['id']}")
    expect("alice" in str(shown) and "bob" in str(shown), f"shown: {shown}")
    status, answer = lab.api.ask("DELETE", f"/v1/calls/{calls[0]['id']}")
    expect(status in (200, 202, 204), f"DELETE: {status} {answer}")
    c.expect_bye()
    i.expect_bye()


def s_media_ends_with_the_call(lab):
    """After BYE nothing is relayed any more"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, b, i.sdp)
    c.bye()
    i.expect_bye()
    lab.world.run(0.2)
    silent(a.media(), c.answer.sdp.address, b.media(), i.sdp.address)


def s_no_sdp_codec(lab):
    """An answer of 488 ends at the caller as 488; a call with several codecs keeps their order"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", a.sdp(codecs=(9, 0, 8, 18, 101)))
    i = b.ringing()
    expect(i.sdp.codecs == [9, 0, 8, 18, 101], f"offered: {i.sdp.codecs}")
    i.answer(b.sdp(codecs=(8, 101)))
    c.up()
    expect(c.answer.sdp.codecs == [8, 101], f"answered: {c.answer.sdp.codecs}")
    c.bye()
    i.expect_bye()


def s_tel(lab):
    """tel URIs: a number of ours, and npdi with a routing number"""
    a, b, carrier = lab.user("alice"), lab.user("bob"), lab.trunk()
    c = a.call("tel:+4930101")
    i = b.ringing()
    i.reject(486)
    c.wait(486)
    c = a.call("tel:+4930999;npdi;rn=+15559999")
    i = carrier.ringing()
    expect("+15559999" in i.invite.uri and "npdi" in i.invite.uri or "+4930999" in i.invite.uri, i.invite.uri)
    i.reject(486)
    c.wait(486)


def s_many(lab):
    """Fifty calls at a time between the same ends, each with its own answer"""
    a, carrier = lab.user("alice"), lab.trunk()
    made = [a.call(f"sip:+1555{n:04}@lab.test") for n in range(50)]
    came = {}
    for _ in made:
        i = carrier.ringing()
        i.answer(ack=False)
        came[uri_of(i.invite.get("To")).split("@")[0]] = i
    for c in made:
        c.up()
    for i in came.values():
        i.wait_ack()
    expect(len(came) == 50, f"{len(came)} different ones")
    expect(len({i.call_id for i in came.values()}) == 50, "Call-IDs are not their own")
    for c in made:
        c.bye()
    for i in came.values():
        i.expect_bye()


def s_unknown_peer(lab):
    """Who is no trunk gets a 403 on the peering side; who has no credentials leaves by no trunk"""
    stranger = lab.trunk(ip=lab.env["PEER_IP6"], v6=True, identity="sip:thief@198.51.100.10")
    c = stranger.call("sip:+15550100@198.51.100.1")
    c.wait(403)
    a = lab.user("alice", register=False)
    a.password = None
    a.user = None
    c = a.call("sip:+15550100@lab.test")
    r = a.final(c.invite)
    expect(r.status in (401, 407, 403), f"{r.status}")
    a.ack(c.invite, r)


def s_early_media_of_forks(lab):
    """Two phones with early media: the tenant's policy says which is heard (first, last, none); the caller has one dialog"""
    for policy in ("first", "last", "none"):
        lab.put("tenants", "forked", early_media=policy)
        lab.put("domains", "forked.test", tenant="forked", min_expires=2)
        for name in ("ann", "ben"):
            lab.put("users", f"{name}@forked.test", domain="forked.test", password="lab-password")
        a, b1, b2 = member(lab, "ann"), member(lab, "ben"), member(lab, "ben", "192.0.2.11")
        c = a.call("sip:ben@forked.test")
        i1, i2 = b1.ringing(), b2.ringing()
        i1.ring(183, b1.sdp())
        lab.world.run(0.15)
        i2.ring(183, b2.sdp())
        lab.world.run(0.15)
        early = [m for m in a.port.inbox if not m.is_request and 100 < m.status < 200]
        expect(len({m.to_tag for m in early}) <= 1, f"{policy}: the caller sees several dialogs")
        told = [m.sdp for m in early if m.sdp]
        expect(bool(told) == (policy != "none"), f"{policy}: {len(told)} provisional answers with SDP")
        if told:
            heard, other, i = (b1, b2, i1) if policy == "first" else (b2, b1, i2)
            media_path(a, told[-1], heard, i.sdp)
            expect(a.rtp.heard_of(other.media()) == 0, f"{policy}: the other one is heard, too")
        i2.answer(ack=False)
        c.up()
        i2.wait_ack()
        i1.expect_cancel()
        media_path(a, c.answer.sdp, b2, i2.sdp)
        c.bye()
        i2.expect_bye()
        for one in (a, b1, b2):
            one.register(contact="*", expires=0)


def member(lab, name, ip=None, domain="forked.test"):
    from ua import Agent
    p, hop = lab.end("client", ip=ip)
    a = Agent(p, f"sip:{name}@{domain}", hop, name, "lab-password")
    lab.agents.append(a)
    a.register()
    return a


def s_forking_policy(lab):
    """forking = serial rings one phone after the other whatever q says; parallel rings all at once"""
    for policy in ("serial", "parallel"):
        lab.put("tenants", "forked", forking=policy)
        lab.put("domains", "forked.test", tenant="forked", min_expires=2)
        for name in ("ann", "ben"):
            lab.put("users", f"{name}@forked.test", domain="forked.test", password="lab-password")
        a = member(lab, "ann")
        phones = []
        for ip, q in ((None, ";q=0.9"), ("192.0.2.11", ";q=0.4")):
            b = member(lab, "ben", ip)
            b.contact_parameters = q if policy == "parallel" else ""
            b.register()
            phones.append(b)
        c = a.call("sip:ben@forked.test")
        lab.world.run(0.2)
        asked = [b for b in phones if any(m.method == "INVITE" and m.is_request for m in b.port.inbox)]
        expect(len(asked) == (1 if policy == "serial" else 2), f"{policy}: {len(asked)} phones ring at once")
        for b in asked:
            b.ringing().reject(486)
        if policy == "serial":
            next(b for b in phones if b not in asked).ringing().reject(486)
        c.wait(486)
        for one in (a, *phones):
            one.register(contact="*", expires=0)


def s_large_invite(lab):
    """An INVITE of 6 KB over UDP, in fragments"""
    a, b = lab.user("alice"), lab.user("bob")
    lines = [f"a=x-candidate-like:{n} 1 udp 2130706431 10.{n}.1.1 9999 typ host generation 0" for n in range(70)]
    c = a.call("sip:bob@lab.test", a.sdp(lines=lines))
    i = b.ringing()
    expect(i.sdp.has("x-candidate-like:69"), "its SDP is cut")
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()
