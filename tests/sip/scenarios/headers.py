# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What each side may see of the other: privacy and identity by trust, header rules, topology. (That no address, tag, Call-ID or branch of
one end is seen by another is looked at in every scenario.)"""

from lab import Missing, parameter, uri_of


def expect(condition, what):
    if not condition:
        raise Missing(what)


def at_carrier(lab, name="carrier", number="+15550100", headers=(), **options):
    """alice calls out; the INVITE as the carrier gets it, after which it refuses."""
    a = lab.user("alice")
    carrier = lab.trunk(name)
    c = a.call(f"sip:{number}@lab.test", headers=headers, **options)
    i = carrier.ringing()
    i.reject(486)
    c.wait(486)
    return a, i.invite


def s_untrusted_identity(lab):
    """P-Asserted-Identity goes to no untrusted trunk, and a user's own claim of it is not believed"""
    a, m = at_carrier(lab, headers=[("P-Asserted-Identity", "<sip:president@lab.test>")])
    expect("president" not in str(m), "the claim passed")
    expect(not m.has("P-Asserted-Identity"), f"{m.get('P-Asserted-Identity')}")


def s_trusted_identity(lab):
    """A trusted trunk gets P-Asserted-Identity of who it really is"""
    lab.put("routes", "two", tenant="lab", prefix="+2", source="users", trunks=["carrier2"])
    a, m = at_carrier(lab, "carrier2", "+2555", headers=[("P-Preferred-Identity", "<sip:alice@lab.test>")])
    value = m.get("P-Asserted-Identity", "")
    expect("alice" in value or "+4930100" in value, f"{value!r}")
    lab.agents.clear()


def s_privacy_untrusted(lab):
    """Privacy: id to an untrusted trunk: From is anonymous, nothing names the caller"""
    a, m = at_carrier(lab, headers=[("Privacy", "id"), ("P-Preferred-Identity", "<sip:alice@lab.test>")])
    expect("anonymous" in m.get("From").lower(), m.get("From"))
    expect("alice" not in str(m).replace(m.body.decode(), ""), f"alice is named:\n{m}")


def s_privacy_trusted(lab):
    """Privacy: id to a trusted trunk: identity and Privacy both go, From is anonymous or not"""
    lab.put("routes", "two", tenant="lab", prefix="+2", source="users", trunks=["carrier2"])
    a, m = at_carrier(lab, "carrier2", "+2555", headers=[("Privacy", "id")])
    expect("id" in m.get("Privacy", ""), f"Privacy: {m.get('Privacy')}")
    expect(m.has("P-Asserted-Identity"), "no P-Asserted-Identity")


def s_identity_from_trunks(lab):
    """P-Asserted-Identity from a trusted trunk reaches the user (without Privacy), from an untrusted one does not"""
    b = lab.user("bob")
    for name, through in (("carrier2", True), ("carrier", False)):
        carrier = lab.trunk(name, identity=f"sip:+15551234@198.51.100.1{1 if name == 'carrier2' else 0}")
        c = carrier.call("sip:+4930101@198.51.100.1", headers=[("P-Asserted-Identity", "<sip:+15557777@carrier.test>")])
        i = b.ringing()
        i.reject(486)
        c.wait(486)
        expect(("+15557777" in i.invite.get("P-Asserted-Identity", "")) == through, f"{name}: {i.invite.get('P-Asserted-Identity')}")
        carrier.port.close()


def s_from_of_users(lab):
    """A user cannot call as somebody else: From is his own"""
    a = lab.user("alice")
    carrier = lab.trunk()
    c = a.call("sip:+15550100@lab.test", from_="<sip:bob@lab.test>")
    try:
        i = carrier.ringing(1.5)
        i.reject(486)
        c.wait(486)
        expect("bob" not in i.invite.get("From"), i.invite.get("From"))
    except Missing:
        r = next((m for m in a.port.received if not m.is_request and m.status >= 400 and m.method == "INVITE" and m.status not in (401, 407)), None)
        expect(r is not None and r.status == 403, f"neither called nor refused with 403: {r}")


def s_header_rules(lab):
    """Rules of a trunk: a header is let through, one is taken away, one is set"""
    lab.put("trunks", "ruled", tenant="lab", targets=[{"uri": "sip:198.51.100.10:5070"}], headers=[
        {"action": "allow", "name": "X-Through"}, {"action": "deny", "name": "Subject"},
        {"action": "set", "name": "X-Tenant", "value": "lab-1"}])
    lab.put("routes", "ruled", tenant="lab", prefix="+3", source="users", trunks=["ruled"])
    a, m = at_carrier(lab, number="+3555", headers=[("X-Through", "yes"), ("X-Other", "internal"), ("Subject", "secret")])
    expect(m.get("X-Through") == "yes", f"X-Through: {m.get('X-Through')}")
    expect(not m.has("X-Other"), "X-Other passed without a rule")
    expect(not m.has("Subject"), "Subject passed in spite of a rule")
    expect(m.get("X-Tenant") == "lab-1", f"X-Tenant: {m.get('X-Tenant')}")


def s_own_headers(lab):
    """User-Agent, Server, Record-Route, Route and Warning of one side stay there"""
    a, m = at_carrier(lab, headers=[("User-Agent", "secret-phone/1.0"), ("Warning", "399 secret.lab \"x\"")])
    expect("secret" not in str(m).lower(), f"{m}")
    expect(len(m.all("Via")) == 1 and "198.51.100.1" in m.get("Via"), f"Via: {m.all('Via')}")
    expect(not m.has("Record-Route"), "Record-Route")


def s_diversion(lab):
    """Diversion and History-Info go to a trunk that is trusted, without internal addresses, and not to others"""
    lab.put("routes", "two", tenant="lab", prefix="+2", source="users", trunks=["carrier2"])
    a, m = at_carrier(lab, "carrier2", "+2555", headers=[("Diversion", "<sip:+4930102@192.0.2.10>;reason=unconditional")])
    expect("+4930102" in m.get("Diversion", "") and "192.0.2.10" not in m.get("Diversion", ""), f"Diversion: {m.get('Diversion')}")


def s_reason(lab):
    """Reason with a Q.850 cause goes across with BYE, and a refusal keeps its cause"""
    a, carrier = lab.user("alice"), lab.trunk()
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.answer()
    c.up()
    i.bye(headers=[("Reason", 'Q.850;cause=16;text="Normal call clearing"')])
    m = c.expect_bye()
    expect("cause=16" in m.get("Reason", ""), f"Reason: {m.get('Reason')}")
    c = a.call("sip:+15550100@lab.test")
    i = carrier.ringing()
    i.reject(404, headers=[("Reason", "Q.850;cause=1")])
    r = c.wait(404)
    expect("cause=1" in r.get("Reason", ""), f"Reason: {r.get('Reason')}")


def s_require_unknown(lab):
    """Require of something unknown: 420 with Unsupported"""
    a = lab.user("alice")
    c = a.call("sip:+15550100@lab.test", headers=[("Require", "teleportation")])
    r = a.response(c.invite, 3, range(300, 700))
    a.ack(c.invite, r)
    expect(r.status == 420 and "teleportation" in r.get("Unsupported", ""), f"{r.status} {r.get('Unsupported')}")


def s_scheme(lab):
    """A request-URI with a scheme that nobody knows: 416"""
    a = lab.user("alice")
    c = a.call("mailto:bob@lab.test")
    r = a.response(c.invite, 3, range(300, 700))
    a.ack(c.invite, r)
    expect(r.status in (416, 404, 400), f"{r.status}")


def s_secrets_in_trace(lab):
    """A call's trace and the logs have no digest response and no key in them"""
    a, b = lab.user("alice"), lab.user("bob")
    key = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    c = a.call("sip:bob@lab.test", a.sdp(proto="RTP/SAVP", lines=[f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}"]))
    i = b.ringing()
    i.reject(486)
    c.wait(486)
    response = parameter(c.invite.get("Authorization") or c.invite.get("Proxy-Authorization") or "", "response") or ""
    import re
    digests = re.findall(r'response="([0-9a-f]+)"', str(c.invite))
    where = [open(lab.env["CONTROLPLANE_LOG"], encoding="utf-8", errors="replace").read()]
    cdrs = lab.cdrs()
    where.append(str(lab.api.ask("GET", f"/v1/calls/{cdrs[0]['call']}?trace=1")[1]))
    expect("INVITE" in where[1], "the trace of the ended call is not there")
    for text in where:
        expect(key[7:] not in text, "a media key is shown")
        for d in digests:
            expect(d not in text, "a digest response is shown")
        expect("lab-password" not in text, "a password is shown")
