# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Registrar and digest: RFC 3261 10.3, RFC 7616, RFC 8760, RFC 3327, RFC 5626, RFC 5627, RFC 3680."""

import re

from dns import Dns
from lab import Missing, parameter, uri_of
from message import authorization, challenges, new_call_id


def expect(condition, what):
    if not condition:
        raise Missing(what)


def contacts(r):
    return {uri_of(c) for value in r.all("Contact") for c in re.split(r",(?=\s*<)", value)}


def s_both_algorithms(lab):
    """MD5 and SHA-256 are offered, the stronger first, and either answer is good"""
    a = lab.user("alice", register=False)
    m = a.request("REGISTER", "sip:lab.test", to="<sip:alice@lab.test>", headers=[("Expires", 60)])
    a.send(m)
    r = a.final(m)
    expect(r.status == 401, f"{r.status} without credentials")
    offered = [c.get("algorithm") for _, c in challenges(r)]
    expect(offered == ["SHA-256", "MD5"], f"offered: {offered}")
    expect(all(c.get("qop") == "auth" and c["realm"] == "lab.test" for _, c in challenges(r)), "qop or realm")
    for algorithm in offered:
        b = lab.user("bob", algorithm=algorithm)
        b.register(expires=0)


def s_wrong_password(lab):
    """A wrong password is refused, and an unknown user cannot be told from it"""
    answers = []
    for name in ("alice", "nobody-there"):
        a = lab.user(name, register=False)
        a.password = "wrong"
        r = a.register(expect=None)
        answers.append((r.status, r.reason, sorted({n for n, _ in r.headers})))
    expect(answers[0] == answers[1], f"they differ: {answers}")
    expect(answers[0][0] in (401, 403), f"{answers[0][0]}")


def s_nonce_count(lab):
    """A nonce serves many requests by its count; the same count again is stale"""
    a = lab.user("alice", register=False)
    def attempt(challenge, nc, cseq, cnonce="abc"):
        m = a.request("REGISTER", "sip:lab.test", to="<sip:alice@lab.test>", cseq=cseq, call_id=call_id,
                      headers=[("Contact", a.contact), ("Expires", 60)], contact=False)
        m.add(*authorization(challenge, "alice", "lab-password", "REGISTER", "sip:lab.test", "SHA-256", nc=nc, cnonce=cnonce))
        a.send(m)
        return a.final(m)
    call_id = new_call_id()
    m = a.request("REGISTER", "sip:lab.test", to="<sip:alice@lab.test>", call_id=call_id)
    a.send(m)
    challenge = a.final(m)
    for nc in (1, 2, 3):
        r = attempt(challenge, nc, nc + 1)
        expect(r.status == 200, f"nc={nc}: {r.status}")
    r = attempt(challenge, 2, 9)
    expect(r.status == 401, f"nc used again: {r.status}")
    expect(parameter(r.get("WWW-Authenticate"), "stale") in ("true", "TRUE") or "stale=true" in r.get("WWW-Authenticate").lower(),
           "it does not say stale")


def s_no_qop(lab):
    """An answer by RFC 2617 without qop is not taken unless the domain says so"""
    a = lab.user("alice", register=False)
    def attempt(domain, user):
        m = a.request("REGISTER", f"sip:{domain}", to=f"<sip:{user}@{domain}>", from_=f"<sip:{user}@{domain}>", contact=False,
                      headers=[("Contact", a.contact)])
        a.send(m)
        challenge = a.final(m)
        n = a.request("REGISTER", f"sip:{domain}", to=f"<sip:{user}@{domain}>", from_=f"<sip:{user}@{domain}>", contact=False, cseq=2,
                      call_id=m.call_id, headers=[("Contact", a.contact)])
        n.add(*authorization(challenge, user, "lab-password", "REGISTER", f"sip:{domain}", "MD5", qop=False))
        a.send(n)
        return a.final(n).status
    expect(attempt("lab.test", "alice") in (401, 403, 400), "it was taken")
    lab.put("domains", "old.test", tenant="lab", rfc2617=True)
    lab.put("users", "old@old.test", domain="old.test", password="lab-password")
    expect(attempt("old.test", "old") == 200, "it was not taken where the domain allows it")


def s_someone_else(lab):
    """Nobody registers somebody else's address"""
    a = lab.user("alice", register=False)
    a.aor = "sip:bob@lab.test"
    r = a.register(expect=None)
    expect(r.status in (401, 403), f"{r.status}")


def s_expires(lab):
    """Too short a time is refused with Min-Expires, too long a one is cut, Contact's expires counts before Expires"""
    a = lab.user("alice", register=False)
    r = a.register(expires=1, expect=423)
    expect(r.get("Min-Expires") == "2", f"Min-Expires: {r.get('Min-Expires')}")
    r = a.register(expires=100000)
    expect(int(parameter(r.get("Contact"), "expires")) == 7200, r.get("Contact"))
    r = a.register(expires=100, contact=a.contact + ";expires=50")
    expect(int(parameter(r.get("Contact"), "expires")) in (49, 50), r.get("Contact"))


def s_several(lab):
    """Several contacts, listed with q and time left; one goes by expires=0, all by a star"""
    a = lab.user("alice", register=False)
    one, two = "<sip:alice@192.0.2.10:6001>", "<sip:alice@192.0.2.10:6002>"
    a.register(contact=f"{one};q=0.5, {two};q=0.8")
    r = a.register(contact=False, expires=None)
    expect(contacts(r) == {uri_of(one), uri_of(two)}, f"listed: {r.all('Contact')}")
    r = a.register(contact=f"{one};expires=0")
    expect(contacts(r) == {uri_of(two)}, f"listed: {r.all('Contact')}")
    r = a.register(contact="*", expires=5, expect=400)
    r = a.register(contact="*", expires=0)
    expect(not r.has("Contact"), f"left: {r.all('Contact')}")


def s_limit(lab):
    """More contacts than a user may have are refused, and those that are there stay"""
    a = lab.user("alice", register=False)
    four = ", ".join(f"<sip:alice@192.0.2.10:{6001 + i}>" for i in range(4))
    a.register(contact=four)
    r = a.register(contact="<sip:alice@192.0.2.10:6009>", expect=None)
    expect(400 <= r.status < 500, f"a fifth one: {r.status}")
    r = a.register(contact=False, expires=None)
    expect(len(contacts(r)) == 4, f"{len(contacts(r))} left")
    a.register(contact="*", expires=0)


def s_cseq(lab):
    """An older CSeq of the same Call-ID changes nothing"""
    a = lab.user("alice", register=False)
    a.register(cseq=100)
    b = lab.user("alice", register=False)
    b.register_id = a.register_id
    r = b.register(cseq=50, contact="<sip:alice@192.0.2.10:6100>", expect=None)
    r = a.register(contact=False, expires=None)
    expect(uri_of(a.contact) in contacts(r), "the newer binding is gone")
    a.register(contact="*", expires=0)


def s_expiry(lab):
    """A binding goes when its time is over, and a call then finds nobody"""
    b = lab.user("bob", expires=2)
    a = lab.user("alice")
    lab.world.run(2.6)
    r = b.register(contact=False, expires=None)
    expect(not contacts(r), f"still there: {r.all('Contact')}")
    c = a.call("sip:bob@lab.test")
    c.wait(480)


def s_path(lab):
    """Path (RFC 3327): calls go along it; the 200 shows it to who supports it only"""
    proxy = lab.user("bob", register=False)  # bob's REGISTER comes by it
    path, contact = f"<sip:{proxy.port.host}:{proxy.port.port};lr>", "<sip:bob@192.0.2.11:7777>"
    r = proxy.register(contact=contact, headers=[("Path", path)], expect=None)
    expect(r.status in (200, 420, 421) and not r.has("Path"), f"without Supported: {r.status}, Path {r.get('Path')}")
    r = proxy.register(contact=contact, headers=[("Path", path), ("Supported", "path")])
    expect(r.get("Path") == path, f"200 has Path: {r.get('Path')}")
    a = lab.user("alice")
    c = a.call("sip:bob@lab.test")
    i = proxy.ringing()
    expect(uri_of(i.invite.get("Route", "")) == uri_of(path), f"Route: {i.invite.get('Route')}")
    expect(uri_of(contact) == i.invite.uri, f"request-URI: {i.invite.uri}")
    i.reject(486)
    c.wait(486)


def s_gruu(lab):
    """GRUU (RFC 5627): a public and a temporary one are given, and calls to either find that instance only"""
    instance = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
    b = lab.user("bob", instance=instance, headers=[("Supported", "gruu")])
    other = lab.user("bob", ip="192.0.2.11")
    r = b.register(headers=[("Supported", "gruu")])
    mine = next(c for v in r.all("Contact") for c in re.split(r",(?=\s*<)", v) if uri_of(c) == uri_of(b.contact))
    gruus = [parameter(mine, "pub-gruu"), parameter(mine, "temp-gruu")]
    expect(all(gruus), f"no GRUU in {mine}")
    a = lab.user("alice")
    for gruu in gruus:
        c = a.call(gruu)
        i = b.ringing()
        other.port.nothing(lambda m: m.method == "INVITE", 0.1, "an INVITE at the other instance")
        i.reject(486)
        c.wait(486)
    for one in (b, other):
        one.register(contact="*", expires=0)


def s_outbound(lab):
    """Outbound (RFC 5626): the same instance and reg-id over a new flow replaces the old one; CRLF is answered"""
    instance = "urn:uuid:00000000-0000-1000-8000-000a95a0e129"
    b = lab.user("bob", "tcp", register=False)
    b.contact_parameters = f';reg-id=1;+sip.instance="<{instance}>"'
    r = b.register(headers=[("Supported", "path, outbound")])
    expect("outbound" in ",".join(r.all("Require")), f"Require: {r.all('Require')}")
    b.stream.send(b"\r\n\r\n")
    lab.world.until(lambda: b.stream.pongs >= 1, 2, "a pong to the keep-alive")
    old = b.stream
    b.stream = b.port.connect(b.hop, fresh=True)
    r = b.register(headers=[("Supported", "path, outbound")])
    expect(len(contacts(r)) == 1, f"{len(contacts(r))} contacts")
    a = lab.user("alice")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    expect(i.invite.connection is b.stream, "the call came over the old connection")
    i.reject(486)
    c.wait(486)
    old.close()
    b.register(contact="*", expires=0)


def s_contact_at_a_carrier(lab):
    """Toll fraud: a Contact that leads to a carrier, by number or name, gets no call there"""
    b = lab.user("bob", "tcp", register=False)
    for contact in ("<sip:+900123@198.51.100.10:5070>", "<sip:+900123@192.0.2.10;maddr=198.51.100.10>"):
        b.register(contact=contact, expect=403)
    carrier = lab.trunk()
    calls = []
    carrier.port.automatic.insert(0, lambda m: m.is_request and m.method == "INVITE" and not calls.append(m))
    dns = Dns(lab.world, lab.env["APP_NS"], {("fraud.test", "A"): ["198.51.100.10"]})
    try:
        b.register(contact="<sip:+900123@fraud.test:5070>")
        b.stream.close()
        lab.world.run(0.3)
        lab.user("alice").call("sip:bob@lab.test").wait(500)  # 503 of all branches, RFC 3261 16.7
        expect(dns.asked, "the name was not looked up")
        expect(not calls, "the carrier got a call")
    finally:
        dns.close()
        b.stream = b.port.connect(b.hop, fresh=True)
        b.register(contact="*", expires=0)


def s_nat(lab):
    """Behind a NAT: a private Contact is called at where it really is, over the same flow, and is kept alive"""
    b = lab.user("bob", contact="<sip:bob@10.1.2.3:5060>")
    a = lab.user("alice")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()
    lab.world.until(lambda: b.options > 0 or b.port.pings > 0, 9, "a keep-alive")
    b.register(contact="*", expires=0)


def s_reg_event(lab):
    """reg-event (RFC 3680): a user hears of its own registrations"""
    a = lab.user("alice")
    m, r = a.ask("SUBSCRIBE", "sip:alice@lab.test", headers=[("Event", "reg"), ("Expires", 60), ("Accept", "application/reginfo+xml")])
    expect(r.status in (200, 202), f"SUBSCRIBE: {r.status}")
    n = a.port.request("NOTIFY")
    a.reply(n, 200)
    expect(b'state="active"' in n.body and uri_of(a.contact).encode() in n.body, f"NOTIFY: {n.body.decode()}")
    b = lab.user("alice", ip="192.0.2.11")
    n = a.port.request("NOTIFY", more=lambda m: uri_of(b.contact).encode() in m.body)
    a.reply(n, 200)
    b.register(contact="*", expires=0)
    n = a.port.request("NOTIFY", more=lambda m: b"terminated" in m.body)
    a.reply(n, 200)


def s_location_api(lab):
    """The API lists registrations, and takes one away"""
    b = lab.user("bob")
    found = [r for r in lab.api.get("/v1/registrations")["registrations"] if "bob@lab.test" in str(r)]
    expect(found and uri_of(b.contact) in str(found), f"listed: {found}")
    status, answer = lab.api.ask("DELETE", "/v1/registrations/bob@lab.test")
    expect(status in (200, 204), f"DELETE: {status} {answer}")
    r = b.register(contact=False, expires=None)
    expect(not contacts(r), "it is still there")


def s_brute_force(lab):
    """Guessing passwords is slowed and reported; a refresh from where the user is registered still passes"""
    good = lab.user("carol")
    bad = lab.user("carol", register=False, ip="192.0.2.11")
    bad.password = "guess"
    statuses = []
    for _ in range(14):
        try:
            statuses.append(bad.register(expect=None, seconds=0.4).status)
        except Missing:
            statuses.append(0)  # dropped
    expect(statuses[-1] in (0, 403, 429, 503), f"answers: {statuses}")
    good.register()
    events = lab.events()
    expect(any("auth.blocked" in str(e) for e in events), "no event tells of it")
    lab.world.run(2.5)  # auth_block
    bad.password = "lab-password"
    bad.register()


def s_unknown_domain(lab):
    """A domain that is not ours is refused"""
    a = lab.user("alice", register=False)
    m = a.request("REGISTER", "sip:elsewhere.test", to="<sip:alice@elsewhere.test>", headers=[])
    a.send(m)
    r = a.final(m)
    expect(r.status in (403, 404), f"{r.status}")
