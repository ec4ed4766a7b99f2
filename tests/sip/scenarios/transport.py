# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""UDP, TCP and TLS over IPv4 and IPv6, flows, certificates, names (RFC 3263)."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

from dns import Dns
from lab import Missing, media_path, parameter, uri_of
from net import Namespace
from ua import Agent


def expect(condition, what):
    if not condition:
        raise Missing(what)


def call_between(lab, a, b, to):
    c = a.call(to)
    i = b.ringing()
    i.ring(180)
    c.wait(180)
    i.answer()
    c.up()
    media_path(a, c.answer.sdp, b, i.sdp)
    c.ask("UPDATE")
    i.bye()
    c.expect_bye()
    return c, i


def s_tcp(lab):
    """TCP: register and call over one connection each"""
    a, b = lab.user("alice", "tcp"), lab.user("bob", "tcp")
    c, i = call_between(lab, a, b, "sip:bob@lab.test")
    expect(i.invite.connection is b.stream, "the call came over another connection")
    expect("transport=tcp" in i.invite.get("Contact").lower(), i.invite.get("Contact"))


def s_tls(lab):
    """TLS: register and call; the whole chain is shown, Contact says where and how"""
    a, b = lab.user("alice", "tls"), lab.user("bob", "tls")
    c, i = call_between(lab, a, b, "sip:bob@lab.test")
    expect(i.invite.connection is b.stream, "the call came over another connection")
    expect("tls" in i.invite.get("Contact").lower() or "sips:" in i.invite.get("Contact"), i.invite.get("Contact"))
    expect("127.0.0.1" not in str(i.invite), "the edge's loopback is seen")


def s_mixed(lab):
    """UDP to TLS, TLS to TCP, IPv4 to IPv6"""
    a, b, x = lab.user("alice"), lab.user("bob", "tls"), lab.user("carol", "tcp", v6=True)
    call_between(lab, a, b, "sip:bob@lab.test")
    call_between(lab, b, x, "sip:carol@lab.test")
    call_between(lab, x, a, "sip:alice@lab.test")


def s_ipv6(lab):
    """IPv6: users, and a trunk that is known by its address"""
    lab.put("trunks", "carrier6", tenant="lab", sources=["2001:db8:2::10"], targets=[{"uri": "sip:[2001:db8:2::10]:5070"}],
            default_domain="lab.test")
    lab.put("routes", "six", tenant="lab", prefix="+6", source="users", trunks=["carrier6"])
    a, carrier = lab.user("alice", v6=True), lab.trunk(v6=True, identity="sip:+15551@[2001:db8:2::10]")
    call_between(lab, a, carrier, "sip:+6123@lab.test")
    call_between(lab, carrier, a, "sip:+4930100@[2001:db8:2::1]")
    call_between(lab, a, lab.user("bob"), "sip:bob@lab.test")


def s_tls_versions(lab):
    """TLS 1.2 and 1.3 are spoken, nothing older"""
    p, hop = lab.end("client", "tls", tls=lab.tls())
    for version, good in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_1, False)):
        context = lab.tls().client
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        try:
            p.connect(hop, fresh=True, context=context)
            done = True
        except (ssl.SSLError, OSError):
            done = False
        expect(done == good, f"{version.name}: {'accepted' if done else 'refused'}")
    p.close()


def s_reload_certificate(lab):
    """A new certificate is taken at a reload; connections that are open stay"""
    d = os.path.join(lab.env["RUN_DIR"], "tls")
    for end in ("pem", "key"):
        shutil.copy(os.path.join(d, f"server.{end}"), os.path.join(d, f"old.{end}"))
    try:
        a = lab.user("alice", "tls")
        first = a.stream.sock.getpeercert(True)
        for end in ("pem", "key"):
            shutil.copy(os.path.join(d, f"server2.{end}"), os.path.join(d, f"server.{end}"))
        os.kill(int(lab.env["CONTROLPLANE_PID"]), signal.SIGHUP)
        def renewed():
            p, hop = lab.end("client", "tls", tls=lab.tls())
            try:
                return p.connect(hop).sock.getpeercert(True) != first
            finally:
                p.close()
        lab.world.until(renewed, 5, "the new certificate")
        a.register()
        expect(a.stream.open and a.stream.sock.getpeercert(True) == first, "the old connection is gone")
    finally:
        for end in ("pem", "key"):
            shutil.copy(os.path.join(d, f"old.{end}"), os.path.join(d, f"server.{end}"))
        os.kill(int(lab.env["CONTROLPLANE_PID"]), signal.SIGHUP)
    lab.world.run(0.3)


def s_bad_certificate_at_reload(lab):
    """A certificate that cannot be read changes nothing at a reload"""
    d = os.path.join(lab.env["RUN_DIR"], "tls")
    a = lab.user("alice", "tls")
    shutil.copy(os.path.join(d, "server.pem"), os.path.join(d, "old.pem"))
    try:
        with open(os.path.join(d, "server.pem"), "w", encoding="ascii") as f:
            f.write("no certificate\n")
        os.kill(int(lab.env["CONTROLPLANE_PID"]), signal.SIGHUP)
        lab.world.run(0.6)
    finally:
        shutil.copy(os.path.join(d, "old.pem"), os.path.join(d, "server.pem"))
    a.register()
    lab.user("bob", "tls")


def s_tls_identity(lab):
    """A trunk known by its client certificate; a stranger's certificate, or none, makes nobody a trunk"""
    lab.put("trunks", "certified", tenant="lab", tls_identity="carrier.test", default_domain="lab.test", trusted=True)
    b, other = lab.user("bob"), "198.51.100.12"  # which is no trunk's address
    subprocess.run(["ip", "-n", lab.env["PEER_NS"], "addr", "add", f"{other}/24", "dev", "eth0"], check=True)
    try:
        for certificate, good in (("carrier", True), ("stranger", False), (None, False)):
            p, hop = lab.end("peer", "tls", ip=other, tls=lab.tls(certificate))
            carrier = Agent(p, "sip:+15551234@carrier.test", hop)
            lab.agents.append(carrier)
            try:
                c = carrier.call("sip:+4930101@198.51.100.1")
                if good:
                    b.ringing().reject(486)
                    c.wait(486)
                else:  # refused, or hung up on (TLS 1.3 tells a client after its handshake)
                    lab.world.until(lambda: any(m.status == 403 for m in p.inbox) or not all(x.open for x in p.streams.values()), 4, "a refusal")
                    for m in [m for m in p.inbox if m.status == 403]:
                        carrier.ack(c.invite, m)
            except OSError:
                expect(not good, f"{certificate}: refused in the handshake")
            for stream in p.streams.values():
                stream.close()
    finally:
        subprocess.run(["ip", "-n", lab.env["PEER_NS"], "addr", "del", f"{other}/24", "dev", "eth0"], check=True)


def s_connection_lost(lab):
    """A TCP client's connection is gone: a call to it fails at once (RFC 5626), and finds it again after it has registered anew"""
    a, b = lab.user("alice"), lab.user("bob", "tcp")
    b.contact_parameters = ';reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e130>"'
    b.register(contact="*", expires=0)
    b.register(headers=[("Supported", "path, outbound")])
    b.stream.close()
    lab.world.run(0.2)
    c = a.call("sip:bob@lab.test")
    r = a.response(c.invite, 3, range(300, 700))
    a.ack(c.invite, r)
    expect(r.status in (480, 430, 408, 503), f"{r.status}")
    b.stream = b.port.connect(b.hop, fresh=True)
    b.register(headers=[("Supported", "path, outbound")])
    call_between(lab, a, b, "sip:bob@lab.test")


def s_fragmented_tcp(lab):
    """A message in many pieces over TCP, and two in one piece"""
    a = lab.user("alice", "tcp", register=False)
    one = a.request("OPTIONS", "sip:192.0.2.1")
    raw = one.bytes()
    for n in range(0, len(raw), 37):
        a.stream.send(raw[n:n + 37])
        time.sleep(0.002)
    expect(a.final(one).status == 200, "in pieces")
    two, three = a.request("OPTIONS", "sip:192.0.2.1"), a.request("OPTIONS", "sip:192.0.2.1")
    a.stream.send(two.bytes() + three.bytes())
    expect(a.final(two).status == 200 and a.final(three).status == 200, "two at once")


def s_rport(lab):
    """rport: answers come to where the request came from, and say so"""
    a = lab.user("alice", register=False)
    m = a.request("OPTIONS", "sip:192.0.2.1")
    m.set("Via", m.get("Via").replace(f":{a.port.port}", ":9").replace(a.port.host, "10.9.9.9"))
    a.send(m)
    r = a.final(m)
    expect(parameter(r.get("Via"), "received") == a.port.ip and parameter(r.get("Via"), "rport") == str(a.port.port), r.get("Via"))


def s_answers_go_to_the_source(lab):
    """A Via that names somebody else: the answer goes where the request came from, whatever is wrong with it"""
    with Namespace(lab.env["CLIENT_NS"]):
        us = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        us.bind((lab.env["CLIENT_IP4"], 0))
    with Namespace(lab.env["PEER_NS"]):
        them = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        them.bind((lab.env["PEER_IP4"], 0))
    there = "%s:%u" % them.getsockname()
    us.settimeout(2)
    them.settimeout(0.3)
    try:
        for n, (status, version, via, more) in enumerate((
                (200, "2.0", f"SIP/2.0/UDP {lab.env['CLIENT_IP4']}:{them.getsockname()[1]};maddr={lab.env['PEER_IP4']}", ""),
                (200, "2.0", f"SIP/2.0/UDP {there};received={lab.env['PEER_IP4']};rport={them.getsockname()[1]}", ""),
                (505, "3.0", f"SIP/2.0/UDP {there}", ""),
                (505, "3.0", "SIP/2.0/UDP name.invalid;maddr=other.invalid", ""),
                (400, "2.0", f"SIP/2.0/UDP {there};maddr={lab.env['PEER_IP4']}", "CSeq: 2 OPTIONS\r\n"))):
            us.sendto((f"OPTIONS sip:{lab.env['SERVICE_IP4']} SIP/{version}\r\nVia: {via};branch=z9hG4bKsource{n}\r\nFrom: <sip:a@lab.test>;tag=1\r\n"
                       f"To: <sip:b@lab.test>\r\nCall-ID: source{n}\r\nCSeq: 1 OPTIONS\r\n{more}Content-Length: 0\r\n\r\n").encode(),
                      (lab.env["SERVICE_IP4"], 5060))
            try:
                got = us.recv(65536).split(b"\r\n")[0].decode()
            except TimeoutError:
                raise Missing(f"Via: {via}: no answer at the source") from None
            expect(str(status) in got, f"Via: {via}: {got}")
        try:
            raise Missing(f"somebody else got {them.recv(65536)}")
        except TimeoutError:
            pass
    finally:
        us.close()
        them.close()


def s_names(lab):
    """RFC 3263: NAPTR, SRV by priority, failover to the next target, addresses"""
    records = {
        ("carrier.test", "NAPTR"): [(10, 10, "s", "SIP+D2U", "", "_sip._udp.carrier.test")],
        ("_sip._udp.carrier.test", "SRV"): [(20, 1, 5101, "b.carrier.test"), (10, 1, 5100, "a.carrier.test")],
        ("a.carrier.test", "A"): ["198.51.100.10"],
        ("b.carrier.test", "A"): ["198.51.100.10"],
    }
    dns = Dns(lab.world, lab.env["APP_NS"], records)
    try:
        lab.put("trunks", "named", tenant="lab", targets=[{"uri": "sip:carrier.test"}], timeout_ms=1500)
        lab.put("routes", "named", tenant="lab", prefix="+7", source="users", trunks=["named"])
        a, first, second = lab.user("alice"), lab.trunk(port=5100), lab.trunk(port=5101)
        c = a.call("sip:+7123@lab.test")
        i = first.ringing()
        i.reject(503)
        i = second.ringing()
        i.answer()
        c.up()
        c.bye()
        i.expect_bye()
        expect(("carrier.test", "NAPTR") in dns.asked and ("_sip._udp.carrier.test", "SRV") in dns.asked, f"asked: {dns.asked}")
    finally:
        dns.close()


def s_name_unknown(lab):
    """A trunk whose name does not resolve is passed by"""
    dns = Dns(lab.world, lab.env["APP_NS"], {})
    try:
        lab.put("trunks", "nowhere", tenant="lab", targets=[{"uri": "sip:nowhere.test"}], timeout_ms=1500)
        lab.put("routes", "nowhere", tenant="lab", prefix="+7", source="users", trunks=["nowhere", "carrier"])
        a, carrier = lab.user("alice"), lab.trunk()
        c = a.call("sip:+7123@lab.test")
        i = carrier.ringing(6)
        i.reject(486)
        c.wait(486)
    finally:
        dns.close()


def s_reconnects_in_call(lab):
    """A TCP and a TLS client lose their connections in the middle of calls, come back over new ones, and the calls go on both ways"""
    for kind in ("tcp", "tls"):
        a, b = lab.user("alice", kind), lab.user("bob")
        c = a.call("sip:bob@lab.test")
        i = b.ringing()
        i.answer()
        c.up()
        a.stream.close()
        lab.world.run(0.2)
        a.stream = a.port.connect(a.hop, fresh=True)
        r = c.ask("UPDATE")
        expect(r.status == 200, f"{kind}: UPDATE over the new connection: {r.status}")
        m = i.send(i.new("INFO", body="x", content_type="text/plain"))
        a.reply(a.port.request("INFO", 3, lambda x: x.call_id == c.call_id), 200)
        expect(b.final(m).status == 200, f"{kind}: INFO to it")
        i.bye()
        c.expect_bye()
        for one in (a, b):
            one.register(contact="*", expires=0)


def s_connection_gone_for_good(lab):
    """A TCP client in a call is gone for good: the other side's BYE is answered, and the call goes"""
    a, b = lab.user("alice", "tcp"), lab.user("bob")
    c = a.call("sip:bob@lab.test")
    i = b.ringing()
    i.answer()
    c.up()
    lab.world.forget(a.port.sock)
    a.port.sock.close()
    a.stream.close()
    lab.world.run(0.2)
    i.bye()
    lab.no_calls(64 * lab.t1 + 3)


def s_many_connections(lab):
    """Two hundred TCP connections of one client that say nothing: others are served"""
    ports = [lab.end("client", "tcp") for _ in range(4)]
    streams = []
    for p, hop in ports:
        for _ in range(50):
            try:
                streams.append(p.connect(hop, fresh=True))
            except OSError:
                break
    a, b = lab.user("alice", ip="192.0.2.11"), lab.user("bob", "tcp", ip="192.0.2.11")
    call_between(lab, a, b, "sip:bob@lab.test")
    for s in streams:
        s.close()
