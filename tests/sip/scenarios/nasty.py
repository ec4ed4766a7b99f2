# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What networks and other people's software do to calls: lost and repeated messages, races, forks that go wrong, silence."""

import time

from lab import Missing, media_path
from message import new_branch, new_tag


def expect(condition, what):
    if not condition:
        raise Missing(what)


def both(lab, number="+15550100"):
    """alice calls out by the carrier: (alice, carrier, call, incoming), INVITE just arrived."""
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call(f"sip:{number}@lab.test")
    return a, carrier, c, carrier.ringing()


def up(lab, **options):
    a, carrier, c, i = both(lab, **options)
    i.answer()
    c.up()
    return a, carrier, c, i


def s_lost_200(lab):
    """The carrier's 200 is lost: it comes again, and the call is there once"""
    a, carrier, c, i = both(lab)
    dropped = []
    def lose_first_200(m):
        if not m.is_request and m.status == 200 and m.method == "INVITE" and not dropped:
            dropped.append(m)
            return []
        return [m]
    carrier.port.outgoing = lose_first_200
    i.answer()
    c.up()
    expect(dropped, "nothing was lost")
    c.bye()
    i.expect_bye()


def s_lost_200_to_caller(lab):
    """Our 200 to the caller is lost: we send it again"""
    a, carrier, c, i = both(lab)
    lost = []
    a.port.incoming = lambda m: not (not m.is_request and m.status == 200 and m.method == "INVITE" and not lost and not lost.append(m))
    i.answer()
    c.up(seconds=3)
    expect(lost, "nothing was lost")
    c.bye()
    i.expect_bye()


def s_200_without_ack(lab):
    """A caller never acknowledges: after 64 * T1 both sides get a BYE"""
    a, carrier, c, i = both(lab)
    i.answer(ack=False)
    c.wait(200)
    i.wait_ack()
    begun = time.monotonic()
    bye = c.within("BYE", 64 * lab.t1 + 3)
    took = time.monotonic() - begun
    a.reply(bye, 200)
    i.expect_bye()
    expect(took >= 64 * lab.t1 * 0.8, f"already after {took:.1f} s")
    expect(len(a.port.repeats) >= 4, f"the 200 came again {len(a.port.repeats)} times only")


def s_lost_ack_of_ours(lab):
    """Our ACK to the carrier is lost: every repeated 200 is acknowledged again"""
    a, carrier, c, i = both(lab)
    lost = []
    carrier.port.incoming = lambda m: not (m.method == "ACK" and len(lost) < 2 and not lost.append(m))
    i.answer(ack=False)
    c.up()
    i.wait_ack(3)
    expect(len(lost) == 2, f"{len(lost)} ACKs were lost")
    c.bye()
    i.expect_bye()


def s_bye_glare(lab):
    """Both sides hang up at once: both get a 200"""
    a, carrier, c, i = up(lab)
    mine = c.send(c.new("BYE"))
    theirs = i.send(i.new("BYE"))
    expect(a.final(mine).status in (200, 481), "the caller's BYE")
    expect(carrier.final(theirs).status in (200, 481), "the callee's BYE")
    c.ended = i.ended = True
    for one in (c, i):
        try:
            one.expect_bye(0.3)
        except Missing:
            pass


def s_cancel_races_200(lab):
    """A CANCEL crosses the carrier's 200: the call is acknowledged and ended there, the caller gets 487 or a call that ends"""
    a, carrier, c, i = both(lab)
    i.ring(180)
    c.wait(180)
    i.agent.port.incoming = lambda m: m.method != "CANCEL"  # it comes too late
    c.cancel()
    i.answer()  # acknowledged all the same
    i.expect_bye()
    r = a.final(c.invite)
    expect(r.status in (487, 200), f"{r.status}")
    c.answer = r
    if r.status == 200:
        c.confirm(r)
        c.ack()
        c.expect_bye()
    else:
        a.ack(c.invite, r)


def s_cancel_after_200(lab):
    """A CANCEL that comes after the 200 changes nothing"""
    a, carrier, c, i = both(lab)
    i.answer()
    c.wait(200)
    cancel = c.cancel()
    expect(a.final(cancel).status in (200, 481), "CANCEL")
    c.ack()
    lab.world.run(0.2)
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    i.expect_bye()


def s_stray_cancel(lab):
    """A CANCEL of nothing: 481"""
    a = lab.user("alice")
    m = a.request("INVITE", "sip:bob@lab.test")
    m.start = "CANCEL sip:bob@lab.test SIP/2.0"
    m.set("CSeq", "1 CANCEL")
    a.send(m)
    expect(a.final(m).status == 481, "not 481")


def s_downstream_forks_early(lab):
    """The carrier forks: two early dialogs with media; the caller has one, and the one that answers is heard"""
    a, carrier, c, i = both(lab)
    one, two = new_tag(), new_tag()
    i.ring(183, carrier.sdp(), tag=one)
    p1 = c.wait(183)
    other = lab.trunk(port=5090)
    i.ring(183, other.sdp(), tag=two)
    lab.world.run(0.2)
    c.provisional += [m for m in a.port.inbox if not m.is_request and m.status < 200]
    tags = {m.to_tag for m in c.provisional if m.to_tag}
    expect(len(tags) == 1, f"the caller sees {len(tags)} dialogs")
    i.tag = two
    i.local = f"{i.invite.get('To')};tag={two}"
    i.answer(other.sdp())
    c.up()
    expect(p1.to_tag == c.answer.to_tag, "the answer is in another dialog")
    media_path(a, c.answer.sdp, other, i.sdp)
    c.bye()
    i.expect_bye()


def s_downstream_forks_twice_200(lab):
    """The carrier forks and two answer: the first is taken, the second acknowledged and ended"""
    # Wrong, and to be mended: Sofia acknowledges and ends the second by itself, from its first UDP listener, whose address is in the Via.
    lab.allowed_leaks.add("192.0.2.1")
    a, carrier, c, i = both(lab)
    first, second = new_tag(), new_tag()
    i.tag = first
    i.local = f"{i.invite.get('To')};tag={first}"
    i.answer(tag=first, ack=False)
    c.up()
    i.wait_ack()
    i.answer(tag=second, ack=False, again=False)
    ack = carrier.port.request("ACK", 3, lambda m: m.to_tag == second)
    bye = carrier.port.request("BYE", 3, lambda m: m.to_tag == second)
    carrier.reply(bye, 200)
    expect(ack.cseq == i.invite.cseq, "CSeq of the ACK")
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    m = i.within("BYE", more=lambda m: m.to_tag == first)
    carrier.reply(m, 200)


def s_retransmit_storm(lab):
    """A hundred copies of each message: the call is made once"""
    a, carrier = lab.user("alice"), lab.trunk()
    storm = lambda m: [m] * 100  # noqa: E731
    a.port.outgoing = carrier.port.outgoing = storm
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    lab.world.run(0.3)
    expect(not [m for m in carrier.port.inbox if m.method == "INVITE"], "a second INVITE")
    i.ring(180)
    i.answer()
    c.up()
    lab.world.run(0.3)
    expect(len(lab.calls()) == 1, f"{len(lab.calls())} calls")
    c.bye()
    i.expect_bye()
    lab.world.run(0.3)
    a.port.outgoing = carrier.port.outgoing = None


def s_silent_carrier(lab):
    """A carrier that says nothing at all: after its timeout the next one has the call"""
    lab.patience_s = 64 * lab.t1 + 2  # an INVITE that nobody answered cannot be cancelled
    a, second = lab.user("alice"), lab.trunk("carrier2")
    silent = lab.trunk()
    silent.port.automatic.insert(0, lambda m: True)
    begun = time.monotonic()
    c = a.call("sip:+15550100@lab.test")
    i = second.ringing(5)
    took = time.monotonic() - begun
    expect(1.0 < took < 3.0, f"after {took:.1f} s, not 1.5")
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()
    call_ids = {m.call_id for m in silent.port.received if m.method == "INVITE"}
    expect(call_ids and i.call_id not in call_ids, "the second attempt has the Call-ID of the first")


def s_silent_then_alive(lab):
    """A carrier that answers after the next one was tried gets its call ended"""
    a, second, first = lab.user("alice"), lab.trunk("carrier2"), lab.trunk()
    c = a.call("sip:+15550100@lab.test")
    late = first.ringing()
    i = second.ringing(5)
    late.answer(ack=False, again=False)
    first.port.request("ACK", 3, lambda m: m.call_id == late.call_id)
    late.expect_bye()
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()


def s_nobody_answers_at_all(lab):
    """All carriers are silent: the caller gets 408 or 503, not silence"""
    lab.patience_s = 64 * lab.t1 + 2  # an INVITE that nobody answered cannot be cancelled
    a = lab.user("alice")
    for one in (lab.trunk(), lab.trunk("carrier2")):
        one.port.automatic.insert(0, lambda m: True)
    c = a.call("sip:+15550100@lab.test")
    r = c.agent.response(c.invite, 6, range(300, 700))
    a.ack(c.invite, r)
    expect(r.status in (408, 503, 504), f"{r.status}")


def s_port_unreachable(lab):
    """A carrier whose port is closed (ICMP): the next one has the call at once"""
    a, second = lab.user("alice"), lab.trunk("carrier2")
    c = a.call("sip:+15550100@lab.test")
    i = second.ringing(4)
    i.reject(486)
    c.wait(486)


def s_reordered(lab):
    """180 comes after 200, and a second 180 after the ACK: the call stands"""
    a, carrier, c, i = both(lab)
    i.answer()
    i.ring(180)
    c.up()
    i.ring(180)
    lab.world.run(0.2)
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    i.expect_bye()


def s_lost_bye(lab):
    """A BYE is lost on its way to the carrier: it comes again; the caller's is answered at once"""
    a, carrier, c, i = up(lab)
    lost = []
    carrier.port.incoming = lambda m: not (m.method == "BYE" and len(lost) < 2 and not lost.append(m))
    c.bye()
    i.expect_bye(3)
    expect(len(lost) == 2, "nothing was lost")


def s_bye_unanswered(lab):
    """A carrier has died: the caller's BYE is answered and the call goes"""
    a, carrier, c, i = up(lab)
    carrier.port.automatic.insert(0, lambda m: True)
    c.bye()
    lab.no_calls(64 * lab.t1 + 3)


def s_wrong_dialog(lab):
    """Requests in dialogs that are not there: 481; a stray ACK is dropped"""
    a, carrier, c, i = up(lab)
    m = c.new("BYE")
    m.set("Call-ID", "nobody-has-this")
    c.send(m)
    expect(a.final(m).status == 481, "BYE of an unknown Call-ID")
    m = c.new("BYE")
    m.set("To", m.get("To").split(";tag=")[0] + ";tag=other")
    c.send(m)
    expect(a.final(m).status == 481, "BYE with another tag")
    c.send(c.new("ACK", cseq=77))
    c.bye()
    i.expect_bye()


def s_old_cseq(lab):
    """A CSeq that goes backwards in a dialog: 500 (RFC 3261 12.2.2), and the call stands"""
    a, carrier, c, i = up(lab)
    m = c.new("INFO", cseq=c.invite.cseq - 1 if c.invite.cseq > 1 else 0)
    c.send(m)
    r = a.final(m)
    expect(r.status == 500, f"{r.status}")
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    i.expect_bye()


def s_max_forwards(lab):
    """Max-Forwards: counted down across the B2BUA; 0 is refused with 483"""
    a, carrier, c, i = both(lab)
    sent, got = int(c.invite.get("Max-Forwards")), int(i.invite.get("Max-Forwards"))
    expect(got == sent - 1, f"{sent} became {got}")
    i.reject(486)
    c.wait(486)
    c = a.call("sip:+15550100@lab.test", max_forwards=1)
    i = carrier.ringing()
    expect(i.invite.get("Max-Forwards") == "0", f"1 became {i.invite.get('Max-Forwards')}")
    i.reject(486)
    c.wait(486)
    m = a.request("INVITE", "sip:bob@lab.test", max_forwards=0)
    a.send(m)
    r = a.final(m)
    expect(r.status == 483, f"{r.status}")
    a.ack(m, r)


def s_loop(lab):
    """A call that comes back to us for ever is ended: 482 or 483, soon"""
    carrier = lab.trunk()
    lab.put("trunks", "mirror", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5091"}], timeout_ms=4000)
    lab.put("routes", "mirror", tenant="lab", prefix="+199", source="any", trunks=["mirror"])
    mirror = lab.trunk(port=5091)
    seen = []
    def back(m):  # to the appliance again, as another transaction; its answers are passed on
        if m.is_request and m.method == "INVITE":
            seen.append(m)
            n = type(m)(m.start, m.headers, m.body)
            n.start = "INVITE sip:+199@198.51.100.1 SIP/2.0"
            n.set("Via", f"{carrier.port.via};branch={new_branch()}")
            n.set("Contact", carrier.contact)
            n.set("From", m.get("From"))
            waiting[n.branch] = m
            carrier.port.send(n, carrier.hop)
            return True
        return False
    def answered(m):
        if not m.is_request and m.branch in waiting and m.status >= 200:
            mirror.reply(waiting[m.branch], m.status, m.reason, to_tag=new_tag())
            return True
        return False
    waiting = {}
    mirror.port.automatic.append(back)
    carrier.port.automatic.append(answered)
    a = lab.user("alice")
    lab.put("routes", "mirror-out", tenant="lab", prefix="+199", source="users", trunks=["mirror"])
    c = a.call("sip:+199@lab.test")
    r = a.response(c.invite, 8, range(300, 700))
    a.ack(c.invite, r)
    expect(r.status in (482, 483, 486, 500, 503), f"{r.status}")
    expect(len(seen) <= 70, f"it went round {len(seen)} times")
    lab.look_for_leaks = False  # the mirror sends back what it got


def s_merged(lab):
    """The same request by two ways (RFC 3261 8.2.2.2): the second copy is refused with 482"""
    a, b = lab.user("alice"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    m = type(c.invite)(c.invite.start, c.invite.headers, c.invite.body)
    m.set("Via", f"{a.port.via};branch={new_branch()};rport")
    a.send(m)
    r = a.final(m)
    expect(r.status in (482, 401, 407), f"{r.status}")
    a.ack(m, r)
    b.port.nothing(lambda m: m.method == "INVITE", 0.15, "a second INVITE")
    i.reject(486)
    c.wait(486)


def s_garbage(lab):
    """Rubbish in between is dropped or refused, and calls go on"""
    a, carrier, c, i = up(lab)
    for raw in (b"\x00" * 40, b"GET / HTTP/1.1\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"\xff" * 1400,
                b"INVITE sip:bob@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx\r\nCSeq: a INVITE\r\n\r\n"):
        a.port.send_raw(raw, a.hop)
    lab.world.run(0.2)
    media_path(a, c.answer.sdp, carrier, i.sdp)
    c.bye()
    i.expect_bye()
