# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Trunks and routes: normalisation, prefixes, time of day, cost, weight, failover, redirection, probing, limits, registration outwards,
`route test`. Everything is provisioned through the API while calls go on."""

import datetime
import urllib.parse

from lab import Missing, media_path, parameter, uri_of
from message import challenges, new_tag
from ua import Agent


def expect(condition, what):
    if not condition:
        raise Missing(what)


def carriers(lab, *names, **options):
    """Trunks NAME at 198.51.100.10:PORT, one port each from 5100; their ends, by name."""
    ends = {}
    for n, name in enumerate(names):
        lab.put("trunks", name, tenant="lab", targets=[{"uri": f"sip:198.51.100.10:{5100 + n}"}], timeout_ms=1000, **options)
        ends[name] = lab.trunk(port=5100 + n)
        ends[name].name = name
    return ends


def goes_to(lab, a, number, ends, seconds=3.0):
    """Which of the ends gets a call there; it refuses with 486."""
    c = a.call(f"sip:{number}@lab.test")
    def look():
        for name, end in ends.items():
            if any(m.is_request and m.method == "INVITE" for m in end.port.inbox):
                return name
        return None
    name = lab.world.until(look, seconds, f"a call to {number} at one of {list(ends)}")
    i = ends[name].ringing()
    i.reject(486)
    c.wait(486)
    return name, i.invite


def s_longest_prefix(lab):
    """The longest prefix wins"""
    ends = carriers(lab, "short", "long")
    lab.put("routes", "p4", tenant="lab", prefix="+4", source="users", trunks=["short"])
    lab.put("routes", "p44", tenant="lab", prefix="+447", source="users", trunks=["long"])
    a = lab.user("alice")
    expect(goes_to(lab, a, "+4412345", ends)[0] == "short", "+4412345")
    expect(goes_to(lab, a, "+4471234", ends)[0] == "long", "+4471234")


def s_numbers(lab):
    """Numbers are rewritten by the route and by the trunk, in and out"""
    lab.put("trunks", "rewrites", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}],
            numbers_out=[{"match": "^\\+(.*)$", "replace": "00\\1"}])
    lab.put("routes", "rewrites", tenant="lab", prefix="0", source="users", trunks=["rewrites"],
            numbers=[{"match": "^0([1-9].*)$", "replace": "+49\\1"}])
    ends = {"rewrites": lab.trunk(port=5100)}
    _, m = goes_to(lab, lab.user("alice"), "03012345", ends)
    expect(m.uri.startswith("sip:00493012345@"), m.uri)


def s_priority_and_cost(lab):
    """Of the same prefix the lower priority number comes first, then the cheaper"""
    ends = carriers(lab, "dear", "cheap", "first")
    a = lab.user("alice")
    lab.put("routes", "dear", tenant="lab", prefix="+5", source="users", trunks=["dear"], cost=0.05)
    lab.put("routes", "cheap", tenant="lab", prefix="+5", source="users", trunks=["cheap"], cost=0.01)
    expect(goes_to(lab, a, "+555", ends)[0] == "cheap", "not the cheaper one")
    lab.put("routes", "first", tenant="lab", prefix="+5", source="users", trunks=["first"], cost=1.0, priority=10)
    expect(goes_to(lab, a, "+555", ends)[0] == "first", "not the one of priority 10")


def s_time_of_day(lab):
    """A route holds at its times only"""
    ends = carriers(lab, "day", "else")
    now = datetime.datetime.now(datetime.timezone.utc)
    open_now = {"days": now.strftime("%a").lower(), "from": "00:00", "to": "24:00"}
    tomorrow = (now + datetime.timedelta(days=2)).strftime("%a").lower()
    lab.put("routes", "else", tenant="lab", prefix="+6", source="users", trunks=["else"])
    lab.put("routes", "day", tenant="lab", prefix="+66", source="users", trunks=["day"], times=[open_now])
    a = lab.user("alice")
    expect(goes_to(lab, a, "+6666", ends)[0] == "day", "the route is not open")
    lab.put("routes", "day", tenant="lab", prefix="+66", source="users", trunks=["day"], times=[dict(open_now, days=tomorrow)])
    expect(goes_to(lab, a, "+6666", ends)[0] == "else", "the route is open on another day")


def s_reject_route(lab):
    """A route that rejects, with its status and reason"""
    lab.put("routes", "no", tenant="lab", prefix="+1900", source="any", to="reject", status=603, reason="Not For Sale")
    a = lab.user("alice")
    c = a.call("sip:+19005555@lab.test")
    r = c.wait(603)
    expect(r.reason == "Not For Sale", r.reason)


def s_no_route(lab):
    """A number without any route: 404"""
    lab.user("alice").call("sip:+999@lab.test").wait(404)


def s_source(lab):
    """A route for one user only"""
    ends = carriers(lab, "special", "usual")
    lab.put("routes", "special", tenant="lab", prefix="+7", source="user:alice@lab.test", trunks=["special"], priority=1)
    lab.put("routes", "usual", tenant="lab", prefix="+7", source="users", trunks=["usual"])
    expect(goes_to(lab, lab.user("alice"), "+777", ends)[0] == "special", "alice")
    expect(goes_to(lab, lab.user("bob"), "+777", ends)[0] == "usual", "bob")


def s_transit(lab):
    """From trunk to trunk, where a route says so; and not where none does"""
    ends = carriers(lab, "onward")
    lab.put("routes", "transit", tenant="lab", prefix="+88", source="trunk:carrier", trunks=["onward"])
    carrier = lab.trunk()
    c = carrier.call("sip:+8812@198.51.100.1")
    i = ends["onward"].ringing()
    i.answer()
    c.up()
    media_path(carrier, c.answer.sdp, ends["onward"], i.sdp)
    c.bye()
    i.expect_bye()
    c = carrier.call("sip:+15550100@198.51.100.1")
    r = carrier.response(c.invite, 3, range(300, 700))
    carrier.ack(c.invite, r)
    expect(r.status in (403, 404), f"without a route: {r.status}")


def s_failover(lab):
    """503 at the first trunk: the second has the call, with a Call-ID of its own; 486 is not tried again"""
    a, first, second = lab.user("alice"), lab.trunk(), lab.trunk("carrier2")
    c = a.call("sip:+15550100@lab.test")
    one = first.ringing()
    one.reject(503)
    two = second.ringing()
    expect(one.call_id != two.call_id and one.invite.from_tag != two.invite.from_tag, "the attempts share Call-ID or tag")
    two.answer()
    c.up()
    media_path(a, c.answer.sdp, second, two.sdp)
    c.bye()
    two.expect_bye()
    c = a.call("sip:+15550100@lab.test")
    first.ringing().reject(486)
    c.wait(486)
    second.port.nothing(lambda m: m.method == "INVITE", 0.15, "another attempt after 486")


def s_targets(lab):
    """Targets of a trunk by priority; the second when the first fails"""
    lab.put("trunks", "pair", tenant="lab", timeout_ms=1000, targets=[{"uri": "sip:198.51.100.10:5101", "priority": 2},
            {"uri": "sip:198.51.100.10:5100", "priority": 1}])
    lab.put("routes", "pair", tenant="lab", prefix="+8", source="users", trunks=["pair"])
    a, first, second = lab.user("alice"), lab.trunk(port=5100), lab.trunk(port=5101)
    c = a.call("sip:+8123@lab.test")
    first.ringing().reject(500)
    i = second.ringing()
    i.reject(486)
    c.wait(486)


def s_weights(lab):
    """Targets of one priority share by weight"""
    lab.put("trunks", "shared", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100", "weight": 3},
            {"uri": "sip:198.51.100.10:5101", "weight": 1}])
    lab.put("routes", "shared", tenant="lab", prefix="+8", source="users", trunks=["shared"])
    ends = {"three": lab.trunk(port=5100), "one": lab.trunk(port=5101)}
    a = lab.user("alice")
    counts = {"three": 0, "one": 0}
    for n in range(60):
        counts[goes_to(lab, a, f"+8{n:03}", ends)[0]] += 1
    expect(30 <= counts["three"] <= 57, f"{counts}")


def s_redirect_follow(lab):
    """302 of a trunk that may redirect is followed; of another one it fails"""
    lab.put("trunks", "moves", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}], redirects="follow")
    lab.put("trunks", "stays", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5102"}], redirects="fail")
    lab.put("routes", "moves", tenant="lab", prefix="+81", source="users", trunks=["moves"])
    lab.put("routes", "stays", tenant="lab", prefix="+82", source="users", trunks=["stays"])
    a, moves, there, stays = lab.user("alice"), lab.trunk(port=5100), lab.trunk(port=5101), lab.trunk(port=5102)
    c = a.call("sip:+8123@lab.test")
    moves.ringing().reject(302, headers=[("Contact", "<sip:+8199@198.51.100.10:5101>")])
    i = there.ringing()
    expect(i.invite.uri.startswith("sip:+8199@198.51.100.10:5101"), i.invite.uri)
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()
    c = a.call("sip:+8223@lab.test")
    stays.ringing().reject(302, headers=[("Contact", "<sip:+8199@198.51.100.10:5101>")])
    r = a.response(c.invite, 4, range(300, 700))
    a.ack(c.invite, r)
    expect(not r.has("Contact") or "198.51.100.10" not in r.get("Contact"), "the caller is told where")


def s_redirect_loop(lab):
    """A 302 that leads back to itself ends"""
    lab.put("trunks", "circle", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}], redirects="follow")
    lab.put("routes", "circle", tenant="lab", prefix="+83", source="users", trunks=["circle"])
    a, circle = lab.user("alice"), lab.trunk(port=5100)
    asked = []
    def again(m):
        if m.is_request and m.method == "INVITE":
            asked.append(m)
            circle.reply(m, 302, to_tag=new_tag(), headers=[("Contact", f"<{m.uri}>")])
            return True
        return m.is_request and m.method == "ACK"
    circle.port.automatic.append(again)
    c = a.call("sip:+8323@lab.test")
    r = a.response(c.invite, 5, range(300, 700))
    a.ack(c.invite, r)
    expect(len(asked) <= 10, f"asked {len(asked)} times")


def s_probing(lab):
    """OPTIONS probing: a trunk that stops answering goes down and is passed by; it comes back when it answers again"""
    ends = carriers(lab, "main", "spare")
    lab.put("trunks", "main", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}], timeout_ms=1000,
            probe={"interval": 1, "up": 2, "down": 2})
    lab.put("routes", "main", tenant="lab", prefix="+84", source="users", trunks=["main", "spare"])
    a, main = lab.user("alice"), ends["main"]
    lab.world.until(lambda: main.options >= 2, 5, "probes")
    expect(goes_to(lab, a, "+841", ends)[0] == "main", "it is up")
    dead = lambda m: True  # noqa: E731
    main.port.automatic.insert(0, dead)
    def down():
        return "trunk.down" in str([e for e in lab.events() if "main" in str(e) or "5100" in str(e)])
    lab.world.until(down, 15, "an event that it is down")
    expect(goes_to(lab, a, "+841", ends)[0] == "spare", "it is down, and was tried first")
    main.port.automatic.remove(dead)
    def up():
        kinds = [e for e in lab.events() if "trunk." in str(e) and ("main" in str(e) or "5100" in str(e))]
        return kinds and "trunk.up" in str(kinds[-1])
    lab.world.until(up, 8, "an event that it is up again")
    expect(goes_to(lab, a, "+841", ends)[0] == "main", "it is up again, and was passed by")


def s_limit_concurrent(lab):
    """Concurrent calls of a trunk: one more is refused as configured; there is room again when one ends; emergency passes"""
    lab.put("trunks", "narrow", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}],
            limits={"concurrent": 1, "status": 486, "reason": "Trunk Full", "retry_after": 7})
    lab.put("routes", "narrow", tenant="lab", prefix="+85", source="users", trunks=["narrow"])
    a, narrow = lab.user("alice"), lab.trunk(port=5100)
    c = a.call("sip:+851@lab.test")
    i = narrow.ringing()
    i.answer()
    c.up()
    d = a.call("sip:+852@lab.test")
    r = d.wait(486)
    expect(r.reason == "Trunk Full" and r.get("Retry-After", "").startswith("7"), f"{r.reason}, Retry-After {r.get('Retry-After')}")
    c.bye()
    i.expect_bye()
    lab.no_calls()
    d = a.call("sip:+853@lab.test")
    narrow.ringing().reject(486, "Really Busy")
    expect(d.wait(486).reason != "Trunk Full", "no room though the call ended")


def s_limit_cps(lab):
    """Calls per second of a user"""
    lab.put("users", "fast@lab.test", domain="lab.test", password="lab-password", limits={"cps": 3, "status": 503})
    a, carrier = lab.user("fast"), lab.trunk()
    calls = [a.call(f"sip:+1555000{n}@lab.test") for n in range(8)]
    refused = 0
    for c in calls:
        r = a.response(c.invite, 3, range(100, 700))
        while r.status == 100:
            try:
                r = a.response(c.invite, 0.3, range(101, 700))
            except Missing:
                break
        if r.status == 503:
            refused += 1
            a.ack(c.invite, r)
    expect(3 <= refused <= 6, f"{refused} of 8 are refused")
    for m in [m for m in carrier.port.inbox if m.method == "INVITE"]:
        carrier.port.inbox.remove(m)
        carrier.reply(m, 486, to_tag=new_tag(), again=True)
    lab.world.run(0.5)
    for c in calls:
        for r in [r for r in a.port.inbox if not r.is_request and r.branch == c.invite.branch and r.status >= 300]:
            a.ack(c.invite, r)
    lab.world.run(0.5)


def s_limit_tenant_and_emergency(lab):
    """A tenant's limit holds for all its users, but not for emergency calls"""
    lab.put("tenants", "small", limits={"concurrent": 1, "status": 503}, emergency=["112"])
    lab.put("domains", "small.test", tenant="small", min_expires=2)
    lab.put("users", "ann@small.test", domain="small.test", password="lab-password")
    lab.put("trunks", "small", tenant="small", targets=[{"uri": "sip:198.51.100.10:5100"}])
    lab.put("routes", "small", tenant="small", prefix="", source="users", trunks=["small"])
    p, hop = lab.end("client")
    ann = Agent(p, "sip:ann@small.test", hop, "ann", "lab-password")
    lab.agents.append(ann)
    ann.register()
    carrier = lab.trunk(port=5100)
    c = ann.call("sip:+861@small.test")
    i = carrier.ringing()
    i.answer()
    c.up()
    ann.call("sip:+862@small.test").wait(503)
    e = ann.call("sip:112@small.test")
    j = carrier.ringing()
    j.answer()
    e.up()
    for x, y in ((c, i), (e, j)):
        x.bye()
        y.expect_bye()
    ann.register(contact="*", expires=0)


def s_destinations_of_users(lab):
    """A user's own rules: what it may not call is refused, whatever the routes say"""
    lab.put("users", "local@lab.test", domain="lab.test", password="lab-password", deny=["+1900"])
    lab.put("users", "tight@lab.test", domain="lab.test", password="lab-password", allow=["+1555"])
    carrier = lab.trunk()
    a = lab.user("local")
    a.call("sip:+19001@lab.test").wait(403)
    c = a.call("sip:+15551@lab.test")
    carrier.ringing().reject(486)
    c.wait(486)
    t = lab.user("tight")
    t.call("sip:+12345@lab.test").wait(403)
    c = t.call("sip:+15552@lab.test")
    carrier.ringing().reject(486)
    c.wait(486)


def s_changed_under_calls(lab):
    """Trunk and route are deleted while a call is on: the call stays"""
    ends = carriers(lab, "going")
    lab.put("routes", "going", tenant="lab", prefix="+87", source="users", trunks=["going"])
    a = lab.user("alice")
    c = a.call("sip:+871@lab.test")
    i = ends["going"].ringing()
    i.answer()
    c.up()
    status, answer = lab.api.ask("DELETE", "/v1/trunks/going")
    expect(status == 409, f"a trunk that a route names: {status} {answer}")
    lab.api.delete("routes", "going")
    lab.api.delete("trunks", "going")
    a.call("sip:+871@lab.test").wait(404)
    media_path(a, c.answer.sdp, ends["going"], i.sdp)
    m = c.send(c.new("INFO", body="x", content_type="text/plain"))
    ends["going"].reply(ends["going"].port.request("INFO", 3), 200)
    expect(a.final(m).status == 200, "INFO")
    c.bye()
    i.expect_bye()


def s_route_test(lab):
    """`route test` explains without calling"""
    path = "/v1/routes/test?" + urllib.parse.urlencode({"from": "alice@lab.test", "to": "+15550100"})
    answer = lab.api.get(path)
    text = str(answer)
    expect("carrier" in text and "out" in text, f"{answer}")
    carrier = lab.trunk()
    carrier.port.nothing(lambda m: m.method == "INVITE", 0.1, "a call")


def s_registers_outwards(lab):
    """A trunk that we register at: digest is answered, it is refreshed, a call to the registered contact is the trunk's"""
    registrar = lab.trunk(port=5110)
    challenge = ('WWW-Authenticate', 'Digest realm="carrier.test", nonce="abc", algorithm=SHA-256, qop="auth"')
    def answer(m):
        if not m.is_request or m.method != "REGISTER":
            return False
        seen.append(m)
        if not m.has("Authorization"):
            registrar.reply(m, 401, to_tag=new_tag(), headers=[challenge])
        else:
            registrar.reply(m, 200, to_tag=new_tag(), headers=[("Contact", f"{m.get('Contact').split(';expires')[0]};expires=5")])
        return True
    seen = []
    registrar.port.automatic.insert(0, answer)
    lab.put("trunks", "upstream", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5110"}],
            auth={"username": "acct", "realm": "carrier.test", "password": "secret"},
            register={"uri": "sip:carrier.test", "contact_user": "line1", "expires": 60}, default_domain="lab.test")
    lab.world.until(lambda: any(m.has("Authorization") for m in seen), 6, "a REGISTER with credentials")
    good = next(m for m in seen if m.has("Authorization"))
    from message import authorization
    import hashlib
    import re
    text = good.get("Authorization")
    get = lambda n: re.search(n + r'="?([^",]+)"?', text).group(1)  # noqa: E731
    h = lambda s: hashlib.sha256(s.encode()).hexdigest()  # noqa: E731
    want = h(":".join([h("acct:carrier.test:secret"), get("nonce"), get("nc"), get("cnonce"), "auth", h(f"REGISTER:{get('uri')}")]))
    expect(get("response") == want, "the digest is wrong")
    expect(uri_of(good.get("Contact")).startswith("sip:line1@"), good.get("Contact"))
    n = len(seen)
    lab.world.until(lambda: len(seen) > n, 7, "a refresh within the 5 s that were given")
    # Another trunk has the same address: the Contact that we registered tells whose call it is.
    ends = carriers(lab, "onward")
    lab.put("routes", "line1", tenant="lab", match="^line1$", source="trunk:upstream", trunks=["onward"])
    c = registrar.call("sip:line1@198.51.100.1")
    i = ends["onward"].ringing()
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()
    other = lab.trunk("carrier2")
    c = other.call("sip:line1@198.51.100.1")
    r = other.response(c.invite, 3, range(300, 700))
    other.ack(c.invite, r)
    expect(r.status in (403, 404), f"from elsewhere: {r.status}")
    # Deleted: taken back.
    lab.api.ask("DELETE", "/v1/routes/line1")
    lab.api.ask("DELETE", "/v1/trunks/upstream")
    lab.world.until(lambda: seen[-1].get("Expires") == "0" and seen[-1].has("Authorization"), 2, "the registration's end")


def s_registers_in_vain(lab):
    """A carrier that refuses our credentials, or never stops asking: no storm, and the reason is an event"""
    registrar = lab.trunk(port=5111)
    seen = []
    def answer(m):
        if not m.is_request or m.method != "REGISTER":
            return False
        seen.append(m)
        stale = ", stale=true" if len(seen) > 3 else ""
        registrar.reply(m, 401, to_tag=new_tag(),
                        headers=[("WWW-Authenticate", f'Digest realm="carrier.test", nonce="n{len(seen)}", algorithm=MD5, qop="auth"{stale}')])
        return True
    registrar.port.automatic.insert(0, answer)
    lab.put("trunks", "refuses", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5111"}],
            auth={"username": "acct", "realm": "carrier.test", "password": "wrong"}, register={"uri": "sip:carrier.test"})
    lab.world.until(lambda: any("trunk.unregistered" in str(e) and "refuses" in str(e) for e in lab.events()), 3, "the event")
    expect(len(seen) == 2, f"{len(seen)} REGISTERs at first")
    lab.world.until(lambda: len(seen) > 3, 8, "another attempt")
    lab.world.run(1)
    expect(len(seen) <= 8, f"{len(seen)} REGISTERs in all")


def s_auth_at_trunk(lab):
    """A carrier that challenges our INVITE gets the answer"""
    lab.put("trunks", "asks", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}],
            auth={"username": "acct", "realm": "carrier.test", "password": "secret"})
    lab.put("routes", "asks", tenant="lab", prefix="+89", source="users", trunks=["asks"])
    a, carrier = lab.user("alice"), lab.trunk(port=5100)
    c = a.call("sip:+891@lab.test")
    i = carrier.ringing()
    i.reject(407, headers=[("Proxy-Authenticate", 'Digest realm="carrier.test", nonce="abc", algorithm=MD5, qop="auth"')])
    i = carrier.ringing()
    expect(i.invite.has("Proxy-Authorization"), "no credentials")
    i.answer()
    c.up()
    c.bye()
    i.expect_bye()


def s_codec_policy(lab):
    """Codec policy of a trunk: what it strips is not offered"""
    lab.put("trunks", "plain", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}], codecs={"strip": ["G722", "PCMU"]})
    lab.put("routes", "plain", tenant="lab", prefix="+80", source="users", trunks=["plain"])
    a, carrier = lab.user("alice"), lab.trunk(port=5100)
    c = a.call("sip:+801@lab.test", a.sdp(codecs=(9, 0, 8, 101)))
    i = carrier.ringing()
    expect(i.sdp.codecs == [8, 101], f"offered: {i.sdp.codecs}")
    i.reject(486)
    c.wait(486)


def s_srtp_policy(lab):
    """SRTP policy of a trunk: required, an RTP caller's offer arrives there as RTP/SAVP with a key, and his answer is plain"""
    lab.put("trunks", "secure", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5100"}], srtp="require")
    lab.put("routes", "secure", tenant="lab", prefix="+80", source="users", trunks=["secure"])
    a, carrier = lab.user("alice"), lab.trunk(port=5100)
    c = a.call("sip:+801@lab.test")
    i = carrier.ringing()
    expect(i.sdp.proto == "RTP/SAVP" and i.sdp.has("a=crypto:"), f"{i.sdp.text}")
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    i.answer(carrier.sdp(proto="RTP/SAVP", lines=[key]))
    c.up()
    expect(c.answer.sdp.proto == "RTP/AVP" and not c.answer.sdp.has("a=crypto"), f"{c.answer.sdp.text}")
    c.bye()
    i.expect_bye()
    c = a.call("sip:+802@lab.test")
    i = carrier.ringing()
    i.answer(carrier.sdp(), ack=False)  # plain, though it is required
    r = a.response(c.invite, 4, range(300, 700))
    a.ack(c.invite, r)
    i.wait_ack()
    i.expect_bye()
    expect(r.status in (488, 502, 503, 480), f"{r.status}")


def s_transfer_is_no_way_out(lab):
    """A user who may not call a number may not send a call there either, by REFER"""
    lab.put("users", "fenced@lab.test", domain="lab.test", password="lab-password", deny=["+1900"])
    lab.put("routes", "dear", tenant="lab", prefix="+1900", source="users", trunks=["carrier"])
    carrier, a, f = lab.trunk(), lab.user("alice"), lab.user("fenced")
    c = a.call("sip:fenced@lab.test")
    i = f.ringing()
    i.answer()
    c.up()
    m = i.send(i.new("REFER", headers=[("Refer-To", "<sip:+19005555@lab.test>")]))
    r = f.final(m)
    expect(r.status in (202, 403, 603), f"REFER: {r.status}")
    end_at = 1.0
    carrier.port.nothing(lambda m: m.is_request and m.method == "INVITE", end_at, "the dear call")
    for n in [n for n in f.port.inbox if n.is_request and n.method == "NOTIFY"]:
        f.port.inbox.remove(n)
        f.reply(n, 200)
    c.bye()
    i.expect_bye()


def s_limit_of_user(lab):
    """Concurrent calls of a user, with the configured answer"""
    lab.put("users", "single@lab.test", domain="lab.test", password="lab-password", limits={"concurrent": 1, "status": 486, "reason": "One Is Enough"})
    carrier, a = lab.trunk(), lab.user("single")
    c = a.call("sip:+15550001@lab.test")
    i = carrier.ringing()
    i.answer()
    c.up()
    r = a.call("sip:+15550002@lab.test").wait(486)
    expect(r.reason == "One Is Enough", r.reason)
    c.bye()
    i.expect_bye()


def s_srtp_of_users(lab):
    """SRTP between a user who requires it and a plain trunk; and as it is between users"""
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    a, b, carrier = lab.user("alice"), lab.user("bob"), lab.trunk()
    secure = a.sdp(proto="RTP/SAVP", lines=[key])
    c = a.call("sip:+15550001@lab.test", secure)
    i = carrier.ringing()
    expect(i.sdp.proto == "RTP/AVP" and not i.sdp.has("crypto"), f"the trunk is offered {i.sdp.proto}")
    i.answer()
    c.up()
    expect(c.answer.sdp.proto == "RTP/SAVP" and c.answer.sdp.has("a=crypto:1"), f"the user is answered {c.answer.sdp.text}")
    c.bye()
    i.expect_bye()
    c = a.call("sip:bob@lab.test", secure)
    i = b.ringing()
    expect(i.sdp.proto == "RTP/SAVP" and not i.sdp.has(key[-20:]), f"bob is offered {i.sdp.text}")
    i.reject(486)
    c.wait(486)
