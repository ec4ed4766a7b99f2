# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What happens inside calls: hold, re-INVITE, UPDATE, PRACK, late offers, glare, session timers, transfers, other requests."""

import re
import time

from lab import Missing, media_path, parameter, uri_of
from message import make_sdp, new_tag
from rtp import silent


def expect(condition, what):
    if not condition:
        raise Missing(what)


def up(lab, headers=(), answer_headers=(), **options):
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:+15550100@lab.test", headers=headers, **options)
    i = carrier.ringing()
    i.answer(headers=answer_headers)
    c.up()
    return a, carrier, c, i


def end(c, i):
    c.bye()
    i.expect_bye()


def s_hold(lab):
    """Hold and resume by re-INVITE from the caller; then from the callee"""
    a, carrier, c, i = up(lab)
    for ours, theirs, first, second in ((c, i, a, carrier), (i, c, carrier, a)):
        m = ours.send(ours.new("INVITE", body=first.sdp(direction="sendonly", version=2)))
        r = theirs.within("INVITE")
        expect(r.sdp.direction == "sendonly", f"offered: {r.sdp.direction}")
        theirs.accept(r, second.sdp(direction="recvonly", version=2))
        final = first.final(m)
        expect(final.status == 200 and final.sdp.direction == "recvonly", f"{final.status} {final.sdp and final.sdp.direction}")
        ours.send_ack(m, final)
        second.port.request("ACK", 3, lambda x: x.call_id == theirs.call_id)
        m = ours.send(ours.new("INVITE", body=first.sdp(version=3)))
        r = theirs.within("INVITE")
        theirs.accept(r, second.sdp(version=3))
        final = first.final(m)
        ours.send_ack(m, final)
        second.port.request("ACK", 3, lambda x: x.call_id == theirs.call_id)
        to_ours, to_theirs = final.sdp, r.sdp
        media_path(first, to_ours, second, to_theirs)
    end(c, i)


def s_media_moves(lab):
    """A re-INVITE that moves the media to another port: sound follows"""
    a, carrier, c, i = up(lab)
    media_path(a, c.answer.sdp, carrier, i.sdp)
    old = a.rtp
    a.rtp = None
    m = c.send(c.new("INVITE", body=a.sdp(version=2)))
    r = i.within("INVITE")
    i.accept(r, carrier.sdp(version=2))
    final = a.final(m)
    c.send_ack(m, final)
    old.close()
    media_path(a, final.sdp, carrier, r.sdp)
    end(c, i)


def s_update(lab):
    """UPDATE with an offer, answered in its 200; without one, as a refresh"""
    a, carrier, c, i = up(lab)
    m = c.send(c.new("UPDATE", body=a.sdp(direction="inactive", version=2)))
    r = i.within(None) if False else carrier.port.take(lambda x: x.is_request and x.method in ("UPDATE", "INVITE"), 3, "the offer")
    expect(r.sdp.direction == "inactive", r.sdp.direction)
    i.accept(r, carrier.sdp(direction="inactive", version=2))
    final = a.final(m)
    expect(final.status == 200 and final.sdp.direction == "inactive", f"{final.status}")
    r = c.ask("UPDATE")
    expect(r.status == 200, f"without SDP: {r.status}")
    end(c, i)


def s_reinvite_refused(lab):
    """A re-INVITE that the other side refuses (488): the caller gets it, and the call stands as it was"""
    a, carrier, c, i = up(lab)
    m = c.send(c.new("INVITE", body=a.sdp(codecs=(18,), version=2)))
    r = i.within("INVITE")
    carrier.reply(r, 488, again=True)
    carrier.port.request("ACK", 3, lambda x: x.cseq == r.cseq)
    final = a.final(m)
    expect(final.status == 488, f"{final.status}")
    c.send_ack(m, final)
    media_path(a, c.answer.sdp, carrier, i.sdp)
    end(c, i)


def s_late_offer(lab):
    """An INVITE without SDP: the offer comes in the 200, the answer in the ACK"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", "")
    i = b.ringing()
    expect(i.invite.sdp is None or i.invite.sdp, "")
    late = i.invite.sdp is None
    i.answer(ack=False)
    c.wait(200)
    expect(c.answer.sdp is not None, "the 200 has no offer")
    c.ack(a.sdp())
    ack = i.wait_ack()
    to_b = ack.sdp if late else i.sdp
    expect(to_b is not None, "the callee's ACK has no answer")
    media_path(a, c.answer.sdp, b, to_b)
    end(c, i)


def s_late_reinvite(lab):
    """A re-INVITE without SDP asks for the other side's offer"""
    a, carrier, c, i = up(lab)
    m = c.send(c.new("INVITE"))
    r = i.within("INVITE")
    expect(r.sdp is None, "we made an offer of our own")
    i.accept(r, carrier.sdp(version=2))
    final = a.final(m)
    expect(final.status == 200 and final.sdp is not None, f"{final.status} without SDP")
    ack = c.new("ACK", cseq=m.cseq, body=a.sdp(version=2))
    c.send(ack)
    got = carrier.port.request("ACK", 3, lambda x: x.call_id == i.call_id)
    expect(got.sdp is not None, "the answer did not come through")
    media_path(a, final.sdp, carrier, got.sdp)
    end(c, i)


def s_glare(lab):
    """Both sides offer at once: 491, and after a while it is tried again"""
    a, carrier, c, i = up(lab)
    mine = c.send(c.new("INVITE", body=a.sdp(version=2)))
    theirs = i.send(i.new("INVITE", body=carrier.sdp(version=2)))
    finals, asked = {}, {}
    def look():
        for who, dialog, m in ((a, c, mine), (carrier, i, theirs)):
            for x in list(who.port.inbox):
                if not x.is_request and x.branch == m.branch and x.status >= 200 and x.method == "INVITE":
                    who.port.inbox.remove(x)
                    dialog.send_ack(m, x)
                    finals[who.name] = x.status
                elif x.is_request and x.method == "INVITE" and x.call_id == dialog.call_id:
                    who.port.inbox.remove(x)
                    if len(finals) < 1 and who.name not in asked:
                        asked[who.name] = x
                        who.reply(x, 491, again=True)
                    else:
                        dialog.accept(x, who.sdp(version=5))
        return len(finals) == 2
    lab.world.until(look, 6, "an answer to both re-INVITEs")
    expect(491 in finals.values() or 500 in finals.values() or all(s == 200 for s in finals.values()), f"{finals}")
    lab.world.run(0.3)
    for who, dialog in ((a, c), (carrier, i)):
        for x in [x for x in who.port.inbox if x.is_request and x.method == "INVITE"]:
            who.port.inbox.remove(x)
            dialog.accept(x, who.sdp(version=6))
    lab.world.run(0.3)
    end(c, i)


def s_second_invite_before_the_first_ends(lab):
    """Two offers of one side at a time: the second is refused with 500 and Retry-After, or 491"""
    a, carrier, c, i = up(lab)
    first = c.send(c.new("INVITE", body=a.sdp(version=2)))
    r = i.within("INVITE")
    second = c.send(c.new("INVITE", body=a.sdp(version=3)))
    final = a.final(second)
    expect(final.status in (491, 500), f"{final.status}")
    expect(final.status == 491 or final.has("Retry-After"), "no Retry-After")
    c.send_ack(second, final)
    i.accept(r)
    final = a.final(first)
    c.send_ack(first, final)
    expect(final.status == 200, f"the first: {final.status}")
    end(c, i)


def s_prack(lab):
    """100rel: a reliable 183 of the callee is acknowledged with PRACK, and the caller's own, too"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", headers=[("Supported", "100rel")])
    i = b.ringing()
    expect("100rel" in ",".join(i.invite.all("Supported") + i.invite.all("Require")), "100rel is not offered to the callee")
    i.ring(183, b.sdp(), reliable=True)
    p = b.port.request("PRACK", 3)
    expect(p.get("RAck").split()[:2] == [str(i.rseq), str(i.invite.cseq)], p.get("RAck"))
    b.reply(p, 200)
    r = c.wait(183)
    if "100rel" in ",".join(r.all("Require")):
        done = c.prack(r)
        expect(done.status == 200, f"our PRACK: {done.status}")
    media_path(a, r.sdp, b, i.sdp)
    i.answer(b"")
    c.up()
    media_path(a, r.sdp, b, i.sdp)
    end(c, i)


def s_prack_repeats(lab):
    """A reliable 183 that the caller does not acknowledge comes again until it does"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", headers=[("Require", "100rel")])
    i = b.ringing()
    i.ring(183, b.sdp(), reliable=True)
    p = b.port.request("PRACK", 3)
    b.reply(p, 200)
    r = c.wait(183)
    expect("100rel" in ",".join(r.all("Require")) and r.has("RSeq"), "the caller required 100rel, but the 183 is not reliable")
    lab.world.until(lambda: a.port.repeats, 2, "the 183 again")
    expect(c.prack(r).status == 200, "PRACK")
    before = len(a.port.repeats)
    lab.world.run(0.5)
    expect(len(a.port.repeats) <= before + 1, "it comes again after PRACK")
    i.answer(b"")
    c.up()
    end(c, i)


def s_update_while_ringing(lab):
    """UPDATE of the callee before the answer (after PRACK) changes early media"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", headers=[("Supported", "100rel")])
    i = b.ringing()
    i.ring(183, b.sdp(), reliable=True)
    b.reply(b.port.request("PRACK", 3), 200)
    r = c.wait(183)
    if "100rel" in ",".join(r.all("Require")):
        c.prack(r)
    u = i.send(i.new("UPDATE", body=b.sdp(version=2, direction="sendonly")))
    asked = None
    def look():
        nonlocal asked
        for m in a.port.inbox:
            if m.is_request and m.method == "UPDATE":
                a.port.inbox.remove(m)
                c.accept(m, a.sdp(version=2, direction="recvonly"))
                asked = m
        return any(not m.is_request and m.branch == u.branch and m.status >= 200 for m in b.port.inbox)
    lab.world.until(look, 4, "an answer to the UPDATE")
    final = b.final(u)
    expect(final.status == 200 and final.sdp is not None, f"{final.status}")
    i.answer(b"")
    c.up()
    end(c, i)


def s_session_timer(lab):
    """Session timer (RFC 4028): the caller refreshes, and the call lives; when he stops, both sides get a BYE"""
    lab.put("trunks", "short", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5092"}], session_expires=90, min_se=90)
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", headers=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac"), ("Min-SE", "90")])
    i = b.ringing()
    i.answer()
    c.up()
    value = c.answer.get("Session-Expires")
    expect(value is not None, "no Session-Expires in the 200")
    expect(int(value.split(";")[0]) >= 90 and parameter(value, "refresher") == "uac", value)
    expect("timer" in ",".join(c.answer.all("Require")), "the refresher is the caller, but timer is not required")
    r = c.ask("UPDATE", headers=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac")])
    expect(r.status == 200 and r.has("Session-Expires"), f"refresh: {r.status}")
    end(c, i)


def s_session_too_small(lab):
    """Session-Expires below our minimum: 422 with Min-SE"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test", headers=[("Supported", "timer"), ("Session-Expires", "10")])
    r = a.response(c.invite, 4, range(200, 700))
    a.ack(c.invite, r)
    expect(r.status == 422 and int(r.get("Min-SE")) >= 90, f"{r.status}, Min-SE {r.get('Min-SE')}")


def s_422_from_carrier(lab):
    """A carrier's 422: the INVITE goes again with the interval that it wants"""
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    expect(i.invite.has("Session-Expires"), "no Session-Expires towards the trunk")
    i.reject(422, headers=[("Min-SE", "3600")])
    i = carrier.ringing()
    expect(int(i.invite.get("Session-Expires").split(";")[0]) >= 3600 and i.invite.get("Min-SE") == "3600",
           f"{i.invite.get('Session-Expires')}, {i.invite.get('Min-SE')}")
    i.answer()
    c.up()
    end(c, i)


def s_info_message(lab):
    """INFO (DTMF) and MESSAGE inside a call pass, with their bodies and answers"""
    a, carrier, c, i = up(lab)
    for method, kind, body in (("INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), ("MESSAGE", "text/plain", "hello"),
                             ("INFO", "multipart/mixed;boundary=x", "--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n")):
        m = c.send(c.new(method, body=body, content_type=kind))
        r = carrier.port.request(method, 3)
        expect(r.body.decode() == body and r.get("Content-Type") == kind, f"{method}: {r.body!r}")
        carrier.reply(r, 200)
        expect(a.final(m).status == 200, f"{method} is not answered")
    m = c.send(c.new("INFO", body="x", content_type="text/plain"))
    carrier.reply(carrier.port.request("INFO", 3), 415)
    expect(a.final(m).status == 415, "415 does not pass")
    end(c, i)


def s_options_in_dialog(lab):
    """OPTIONS inside a call is answered; a method that nobody knows is refused"""
    a, carrier, c, i = up(lab)
    r = c.ask("OPTIONS")
    expect(r.status == 200, f"OPTIONS: {r.status}")
    r = c.ask("FROBNICATE")
    expect(r.status in (405, 501), f"FROBNICATE: {r.status}")
    end(c, i)


def s_message_outside(lab):
    """MESSAGE outside a call from user to user"""
    a, b = lab.user("alice"), lab.user("bob")
    m = a.request("MESSAGE", "sip:bob@lab.test", body="good morning", content_type="text/plain", contact=False)
    a.send(m)
    r = a.final(m)
    if r.status in (401, 407):
        m = a.with_credentials(m, r)
        a.send(m)
    got = b.port.request("MESSAGE", 3)
    expect(got.body == b"good morning", f"{got.body!r}")
    b.reply(got, 200, to_tag=new_tag())
    expect(a.final(m).status == 200, "the answer")


def s_options_outside(lab):
    """OPTIONS to the appliance is answered with what it can"""
    a = lab.user("alice", register=False)
    m = a.request("OPTIONS", "sip:192.0.2.1")
    a.send(m)
    r = a.final(m)
    expect(r.status == 200 and r.has("Allow") and r.has("Accept") and r.has("Supported"), f"{r}")


def refer(who, dialog, headers):
    """REFER; the response, and what NOTIFYs told until one ends the subscription."""
    m = dialog.send(dialog.new("REFER", headers=headers))
    r = who.final(m)
    if r.status in (401, 407):
        m = who.with_credentials(m, r)
        dialog.cseq = m.cseq
        dialog.send(m)
        r = who.final(m)
    return r


def told(who, dialog, seconds=5.0):
    """Status lines of the NOTIFYs until one of a final status."""
    lines = []
    while True:
        n = who.port.request("NOTIFY", seconds, lambda m: m.call_id == dialog.call_id)
        who.reply(n, 200)
        expect("sipfrag" in n.get("Content-Type", ""), n.get("Content-Type"))
        lines.append(n.body.decode().split("\r\n")[0])
        if not re.match(r"SIP/2.0 1", lines[-1]):
            return lines


def answer_offers(parties, seconds=1.5):
    """Whoever gets a re-INVITE or UPDATE accepts it; returns the last SDP that each was given."""
    given = {}
    end_at = time.monotonic() + seconds
    world = parties[0][0].world
    while time.monotonic() < end_at:
        for who, dialog in parties:
            for m in list(who.port.inbox):
                if m.is_request and m.method in ("INVITE", "UPDATE") and m.to_tag and m.call_id == dialog.call_id:
                    who.port.inbox.remove(m)
                    dialog.accept(m, who.sdp(version=int(time.monotonic() * 10)))
                    if m.sdp:
                        given[who.name] = m.sdp
                elif m.is_request and m.method == "ACK" and m.call_id == dialog.call_id:
                    who.port.inbox.remove(m)
                    if m.sdp:
                        given[who.name] = m.sdp
        world.pump(0.05)
    return given


def s_blind_transfer(lab):
    """Blind transfer: the callee sends the caller on to somebody else; he hears how it went; sound flows"""
    a, b, x = lab.user("alice"), lab.user("bob"), lab.user("carol")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    r = refer(b, i, [("Refer-To", "<sip:carol@lab.test>"), ("Referred-By", "<sip:bob@lab.test>")])
    expect(r.status == 202, f"REFER: {r.status}")
    t = x.ringing()
    t.ring(180)
    t.answer()
    lines = told(b, i)
    expect(lines[-1].startswith("SIP/2.0 200"), f"told: {lines}")
    given = answer_offers([(a, c), (x, t)])
    try:
        i.expect_bye(1)
    except Missing:
        i.bye()
    to_a, to_x = given.get("alice", c.answer.sdp), given.get("carol", t.sdp)
    media_path(a, to_a, x, to_x)
    c.bye()
    t.expect_bye()


def s_blind_transfer_fails(lab):
    """Blind transfer to somebody busy: he hears 486, and the call is his again"""
    a, b, x = lab.user("alice"), lab.user("bob"), lab.user("carol")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    r = refer(b, i, [("Refer-To", "<sip:carol@lab.test>")])
    expect(r.status == 202, f"REFER: {r.status}")
    x.ringing().reject(486)
    lines = told(b, i)
    expect(lines[-1].startswith("SIP/2.0 486"), f"told: {lines}")
    answer_offers([(a, c), (b, i)], 0.5)
    c.bye()
    i.expect_bye()


def s_attended_transfer(lab):
    """Attended transfer: bob, in calls with alice and carol, joins the two (REFER with Replaces); sound flows"""
    a, b, x = lab.user("alice"), lab.user("bob"), lab.user("carol")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    second = b.call("sip:carol@lab.test")
    t = x.ringing()
    t.answer()
    second.up()
    replaces = f"{second.call_id}%3Bto-tag%3D{parameter(second.remote, 'tag')}%3Bfrom-tag%3D{parameter(second.local, 'tag')}"
    r = refer(b, i, [("Refer-To", f"<sip:carol@lab.test?Replaces={replaces}>")])
    expect(r.status == 202, f"REFER: {r.status}")
    given = answer_offers([(a, c), (x, t)], 1.0)
    lines = told(b, i)
    expect(lines[-1].startswith("SIP/2.0 200"), f"told: {lines}")
    for d in (i, second):
        try:
            d.expect_bye(1)
        except Missing:
            d.bye()
    to_a, to_x = given.get("alice", c.answer.sdp), given.get("carol", t.sdp)
    media_path(a, to_a, x, to_x)
    c.bye()
    t.expect_bye()


def s_replaces(lab):
    """INVITE with Replaces (RFC 3891): carol takes over bob's place in the call with alice"""
    a, b, x = lab.user("alice"), lab.user("bob"), lab.user("carol")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    # As bob's phone tells carol's: his dialog, seen from our side of it.
    value = f"{i.call_id};to-tag={parameter(i.remote, 'tag')};from-tag={i.tag}"
    lab.allowed_leaks |= {i.call_id, i.tag}
    n = x.call("sip:alice@lab.test", headers=[("Require", "replaces"), ("Replaces", value)])
    def look():
        given.update(answer_offers([(a, c)], 0.05))
        return any(not m.is_request and m.status >= 200 and m.branch == n.invite.branch for m in x.port.inbox)
    given = {}
    lab.world.until(look, 4, "an answer to the INVITE with Replaces")
    n.up()
    given.update(answer_offers([(a, c)], 0.3))
    i.expect_bye()
    media_path(a, given.get("alice", c.answer.sdp), x, n.answer.sdp)
    n.bye()
    c.expect_bye()


def s_late_reinvite_cancelled(lab):
    """A re-INVITE without SDP that is cancelled: the other side's 200 is acknowledged all the same, with an answer"""
    a, carrier, c, i = up(lab)
    m = c.send(c.new("INVITE"))
    r = i.within("INVITE")
    k = c.new("CANCEL", cseq=m.cseq)
    k.set("Via", m.get("Via"))
    c.send(k)
    final = a.final(m)
    expect(final.status == 487, f"{final.status}")
    c.send_ack(m, final)
    i.accept(r, carrier.sdp(version=2))
    ack = carrier.port.request("ACK", 3, lambda x: x.call_id == i.call_id and x.cseq == r.cseq)
    expect(ack.sdp, "the ACK has no answer")
    end(c, i)


def s_replaces_cancelled(lab):
    """INVITE with Replaces that is cancelled while the partner is asked: the two talk on"""
    a, b, x = lab.user("alice"), lab.user("bob"), lab.user("carol")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    replaces = f"{i.call_id};to-tag={parameter(i.remote, 'tag')};from-tag={parameter(i.local, 'tag')}"
    for version, sdp in ((2, None), (3, b"")):
        n = x.call("sip:alice@lab.test", sdp=sdp, headers=[("Replaces", replaces)])
        r = c.within("INVITE")
        # Who is known is not held up by who is not yet: the partner's answer would overtake a CANCEL that is on its way.
        expect(x.final(n.cancel()).status == 200, "CANCEL")
        c.accept(r, a.sdp(version=version))
        ack = a.port.request("ACK", 3, lambda m: m.call_id == c.call_id and m.cseq == r.cseq)
        media_path(a, r.sdp or ack.sdp, b, i.sdp)
    end(c, i)


def s_replaces_of_nothing(lab):
    """Replaces that names no call: 481"""
    x = lab.user("carol")
    n = x.call("sip:alice@lab.test", headers=[("Replaces", "nothing;to-tag=1;from-tag=2")])
    r = x.response(n.invite, 4, range(300, 700))
    x.ack(n.invite, r)
    expect(r.status == 481, f"{r.status}")


def s_t38(lab):
    """T.38: an offer of image/udptl inside a call is relayed both ways"""
    a, carrier, c, i = up(lab)
    m = i.send(i.new("INVITE", body=make_sdp(carrier.port.ip, carrier.media().port, kind="image", version=2)))
    r = c.within("INVITE")
    line = r.sdp.media[0].split()
    expect(line[0] == "image" and line[2].lower() == "udptl" and r.sdp.ip == "192.0.2.1", f"{r.sdp.text}")
    expect(r.sdp.has("T38FaxVersion:0"), "its attributes are lost")
    c.accept(r, make_sdp(a.port.ip, a.media().port, kind="image", version=2))
    final = carrier.final(m)
    expect(final.status == 200 and final.sdp.ip == "198.51.100.1", f"{final.status}")
    i.send_ack(m, final)
    a.port.request("ACK", 3, lambda x: x.call_id == c.call_id)
    a.rtp.heard.clear()
    carrier.rtp.heard.clear()
    for _ in range(20):
        a.rtp.sock.sendto(b"\x00\x01" + b"fax-of-a" * 6, r.sdp.address)
        carrier.rtp.sock.sendto(b"\x00\x01" + b"fax-of-b" * 6, final.sdp.address)
        lab.world.run(0.02)
    expect(any(b"fax-of-b" in p for p, _ in a.rtp.heard) and any(b"fax-of-a" in p for p, _ in carrier.rtp.heard), "UDPTL does not pass")
    end(c, i)
