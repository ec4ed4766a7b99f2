# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The guard's answers to sources beyond their limit, by listener and class, and what misbehaving earns. The lab's bans are short (reputation.ban)."""

import time

from lab import Missing, media_path
from message import new_call_id

OTHER = "192.0.2.11"
LIMIT = 50          # packets a second: about a second's worth may come at once
CALM_S = 3.0        # after which a source that was over its limit is not any more


def expect(condition, what):
    if not condition:
        raise Missing(what)


def policy(lab, *limits, **more):
    """Limits of the access listener, in force until the scenario ends."""
    rules = [dict({"class": "sip", "listener": "access"}, **one) for one in limits]
    status, answer = lab.api.ask("PUT", "/v1/guard/policy", dict(more, limits=rules))
    expect(status in (200, 204), f"PUT policy: {status} {answer}")


def as_configured(fn):
    def run(lab):
        try:
            fn(lab)
        finally:
            lab.api.ask("DELETE", "/v1/guard/policy")
            for kind in ("allow", "deny", "bans"):
                for e in lab.api.get(f"/v1/guard/{kind}").get(kind, []):
                    lab.api.ask("DELETE", f"/v1/guard/{kind}/{e['prefix'].replace('/', '%2F')}")
    run.__name__, run.__doc__ = fn.__name__, fn.__doc__
    return run


def storm(agent, seconds, rate, hop=None, method="OPTIONS"):
    """Requests in time, none of them sent twice; [(when it was sent, status or 0, seconds until then, message)] in order."""
    sent, start, n = [], time.monotonic(), 0
    uri = "sip:lab.test"
    while (now := time.monotonic()) < start + seconds:
        while n < (now - start) * rate:
            m = agent.request(method, uri, call_id=new_call_id())
            agent.port.sock.sendto(m.bytes(), hop or agent.hop)
            sent.append((time.monotonic() - start, m))
            n += 1
        agent.world.pump(0.005)
    agent.world.run(1.5)
    answers = {m.branch: m for m in agent.port.inbox if not m.is_request}
    agent.port.inbox.clear()
    out = []
    for at, m in sent:
        r = answers.get(m.branch)
        out.append((at, r.status if r else 0, r.at - start - at if r else 0.0, r))
    return out


def statuses(answers):
    seen = {}
    for _, status, _, _ in answers:
        seen[status] = seen.get(status, 0) + 1
    return seen


def guesser(lab, name="alice", password="wrong", ip=OTHER):
    a = lab.user(name, register=False, ip=ip)
    a.password = password
    return a


def guess(agent, times):
    """Statuses of so many attempts; 0: no answer any more."""
    seen = []
    for _ in range(times):
        try:
            seen.append(agent.register(expect=None, seconds=0.5).status)
        except Missing:
            seen.append(0)
        if len(seen) >= 2 and seen[-1] in (0, 403) and seen[-2] in (0, 403):
            break
    return seen


def bans(lab):
    return {b["prefix"]: b for b in lab.api.get("/v1/guard/bans")["bans"]}


def is_banned(lab, ip=OTHER):
    return any(p.split("/")[0] == ip for p in bans(lab))


def explain(lab, ip=OTHER):
    return lab.api.get(f"/v1/guard/explain?address={ip}")


def free(lab, ip=OTHER):
    lab.world.until(lambda: not is_banned(lab, ip), 12, "the end of the ban")


# ---- actions ----

@as_configured
def s_limit(lab):
    """limit: a source keeps its rate, and what is beyond is dropped; another source is not limited, and another listener's limits are its own"""
    a, b = lab.user("alice", register=False, ip=OTHER), lab.user("bob", register=False)
    policy(lab, {"listener": "pbx", "source": LIMIT, "action": "limit"})
    there = statuses(storm(a, 1.0, 150))
    expect(sum(n for status, n in there.items() if status) >= 140, f"the limit of another listener holds here, too: {there}")
    lab.world.run(CALM_S)
    policy(lab, {"source": LIMIT, "action": "limit"})
    seen = statuses(storm(a, 2.0, 150))
    got = sum(n for status, n in seen.items() if status)
    expect(LIMIT <= got <= 4 * LIMIT, f"{got} answers to 300 requests, at a limit of {LIMIT}: {seen}")
    expect(b.register(expect=None).status == 200, "another source is limited, too")
    b.register(expires=0)


@as_configured
def s_drop(lab):
    """drop: while a source exceeds its limit nothing of it is answered; when it slows down it is served again"""
    policy(lab, {"source": LIMIT, "action": "drop"})
    a = lab.user("alice", register=False, ip=OTHER)
    answers = storm(a, 2.0, 150)
    late = [one for one in answers if one[0] > 1.0 and one[1]]
    expect(len(late) <= 3, f"{len(late)} answers in the second second: {statuses(answers)}")
    lab.world.run(CALM_S)
    expect(a.register(expect=None).status == 200, "it is not served again")
    a.register(expires=0)


@as_configured
def s_refuse(lab):
    """refuse: beyond the limit every request gets 503 with Retry-After, and others do not"""
    policy(lab, {"source": LIMIT, "action": "refuse"})
    a, b = lab.user("alice", register=False, ip=OTHER), lab.user("bob", register=False)
    answers = storm(a, 2.0, 150)
    late = [one for one in answers if one[0] > 1.2]
    refused = [one for one in late if one[1] == 503]
    expect(len(refused) >= len(late) * 0.8, f"of {len(late)} late requests {len(refused)} were refused: {statuses(answers)}")
    expect(all(one[3].get("Retry-After") for one in refused), "a 503 has no Retry-After")
    expect(b.register(expect=None).status == 200, "another source is refused, too")
    lab.world.until(lambda: a.register(expect=None).status == 200, 10, "it is served again when it slowed down")
    a.register(expires=0)
    b.register(expires=0)


@as_configured
def s_challenge(lab):
    """challenge: who is trusted by the flow he registered over is asked for credentials again beyond the limit"""
    lab.put("domains", "trusting.test", tenant="lab", trust_flow=True)
    lab.put("users", "tess@trusting.test", domain="trusting.test", password="lab-password")
    a = lab.user("tess", register=False, ip=OTHER)
    a.aor = "sip:tess@trusting.test"
    a.register()
    def asked():
        m = a.request("INVITE", "sip:nobody@trusting.test", body=a.sdp())
        a.send(m)
        r = a.final(m)
        a.ack(m, r)
        return r.status in (401, 407)
    expect(not asked(), "it is challenged in any case")
    policy(lab, {"class": "sip-known", "source": LIMIT, "action": "challenge"})
    storm(a, 1.2, 150)
    expect(asked(), "it is not challenged beyond the limit")
    lab.world.until(lambda: not asked(), 10, "it is trusted again when it slowed down")
    a.register(expires=0)


@as_configured
def s_delay(lab):
    """delay: beyond the limit answers come delay_ms later"""
    policy(lab, {"source": LIMIT, "action": "delay"})
    a = lab.user("alice", register=False, ip=OTHER)
    answers = [one for one in storm(a, 1.6, 100) if one[1]]
    early = [one[2] for one in answers if one[0] < 0.2]
    late = sorted(one[2] for one in answers if one[0] > 1.2)
    expect(early and late, f"no answers: {statuses(answers)}")
    expect(max(early) < 0.5, f"an early answer took {max(early):.2f} s")
    expect(late[len(late) // 10] >= 0.95, f"late answers took {late[0]:.2f} to {late[-1]:.2f} s")
    lab.world.run(1.0)


@as_configured
def s_dry_run(lab):
    """Dry run: nobody is refused and nothing dropped, and it is counted"""
    policy(lab, {"source": LIMIT, "action": "limit"}, dry_run=True)
    a = lab.user("alice", register=False, ip=OTHER)
    seen = statuses(storm(a, 1.5, 150))
    got = sum(n for status, n in seen.items() if status)
    expect(got >= 220, f"{got} answers to 225 requests: {seen}")
    expect(lab.api.get("/v1/guard")["would_drop"].get("guard_source_limit", 0) > 50, "what would have been dropped is not counted")


# ---- reputation ----

@as_configured
def s_wrong_passwords(lab):
    """Guessing: the source is banned; who is registered behind it goes on, and so does somebody whose password was guessed"""
    carol = lab.user("carol", ip=OTHER)
    alice = lab.user("alice")
    seen = []
    for name in ("dave", "u0", "u1", "u2"):  # each is locked out by itself, and then the next one is tried
        bad = guesser(lab, name)
        seen.append(guess(bad, 30))
        lab.world.run(0.1)
        if is_banned(lab):
            break
    expect(is_banned(lab), f"no ban after {seen}")
    expect(bans(lab)[next(iter(bans(lab)))]["origin"] in ("auto", "automatic", "reputation"), f"{bans(lab)}")
    said = str(explain(lab))
    expect("auth" in said and "ban" in said, f"explain: {said[:400]}")
    fresh = lab.user("bob", register=False, ip=OTHER)
    try:
        status = fresh.register(expect=None, seconds=0.6).status
    except Missing:
        status = 0
    expect(status in (0, 403, 503), f"a stranger behind the banned address: {status}")
    carol.register()
    alice.register()
    c = carol.call("sip:alice@lab.test")
    i = alice.ringing()
    i.answer()
    c.up()
    media_path(carol, c.answer.sdp, alice, i.sdp)
    c.bye()
    i.expect_bye()
    free(lab)
    bad.password = "lab-password"
    lab.world.until(lambda: bad.register(expect=None).status == 200, 10, "who was banned may come again")
    bad.register(expires=0)


@as_configured
def s_unknown_users(lab):
    """Users that do not exist, tried one after the other: banned"""
    for n in range(60):
        a = guesser(lab, f"nobody{n}")
        got = guess(a, 1)[0]
        a.port.close()
        if got == 0 or is_banned(lab):
            break
    lab.world.until(lambda: is_banned(lab), 2, f"a ban after {n + 1} users")
    free(lab)


@as_configured
def s_malformed(lab):
    """What can be forged, malformed messages among it, bans nobody by itself"""
    a = lab.user("alice", register=False, ip=OTHER)
    for n in range(400):
        a.port.sock.sendto((b"INVITE sip:a\r\n\r\n", b"\x00\x01\x02", b"REGISTER x SIP/2.0\r\nVia: ?\r\n\r\n", b"SIP/2.0 nine\r\n\r\n")[n % 4], a.hop)
        if n % 20 == 0:
            lab.world.pump(0.02)
    lab.world.run(1.5)
    a.port.inbox.clear()
    expect(not is_banned(lab), f"banned: {bans(lab)}")
    seen = explain(lab).get("reputation")
    expect(seen and "malformed" in str(seen), f"explain tells nothing of it: {seen}")
    expect(a.register(expect=None).status == 200, "it is not served")
    a.register(expires=0)


@as_configured
def s_allowed(lab):
    """Who is allowed is never banned, and it is counted what he was spared"""
    status, answer = lab.api.ask("PUT", f"/v1/guard/allow/{OTHER}%2F32", {"reason": "the test"})
    expect(status in (200, 201), f"PUT allow: {status} {answer}")
    before = lab.api.get("/v1/guard")["counters"]["bans_spared"]
    guess(guesser(lab, "carol"), 30)
    lab.world.run(0.7)
    status, answer = lab.api.ask("POST", "/v1/guard/report", {"address": OTHER, "signal": "fraud", "n": 10})
    expect(status == 200, f"POST report: {status} {answer}")
    expect(not is_banned(lab), f"banned: {bans(lab)}")
    expect(lab.api.get("/v1/guard")["counters"]["bans_spared"] > before, "nothing is counted")
    lab.world.run(2.2)  # auth_block: users are locked out for a while whoever guesses
    b = lab.user("bob", ip=OTHER)
    b.register(expires=0)


@as_configured
def s_fraud(lab):
    """Fraud that somebody reports bans at once"""
    status, answer = lab.api.ask("POST", "/v1/guard/report", {"address": OTHER, "signal": "fraud", "n": 2})
    expect(status == 200, f"POST report: {status} {answer}")
    lab.world.until(lambda: is_banned(lab), 1, "a ban")
    status, answer = lab.api.ask("DELETE", f"/v1/guard/bans/{OTHER}%2F32")
    expect(status in (200, 204), f"DELETE: {status} {answer}")
    a = lab.user("alice", ip=OTHER)
    a.register(expires=0)
