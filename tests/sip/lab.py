# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The lab as scenarios see it: who stands where, the appliance's API, and the looks that every scenario ends with: nothing of one side
may be seen on the other, nothing waits that should have been expected, no call is left over."""

import http.client
import json
import os
import re
import socket
import time
import urllib.parse

from message import host_port_of, parameter, uri_of
from net import Missing, Port, Tls, World
from ua import Agent


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """The appliance's HTTP API. Answers are JSON."""

    def __init__(self, path):
        self.path = path

    def ask(self, method, path, body=None, headers=()):
        """(status, answer)"""
        c = UnixHttp(self.path)
        try:
            c.request(method, path, None if body is None else json.dumps(body), dict(headers) | {"Content-Type": "application/json"})
            r = c.getresponse()
            text = r.read().decode()
            try:
                return r.status, json.loads(text)
            except ValueError:
                return r.status, text
        finally:
            c.close()

    def get(self, path):
        status, answer = self.ask("GET", path)
        if status != 200:
            raise Missing(f"GET {path}: {status} {answer}")
        return answer

    def put(self, kind, name, **resource):
        status, answer = self.ask("PUT", f"/v1/{kind}/{urllib.parse.quote(name)}", dict(resource, name=name.split("@")[0]))
        if status not in (200, 201):
            raise Missing(f"PUT {kind} {name}: {status} {answer}")
        return answer

    def delete(self, kind, name):
        status, answer = self.ask("DELETE", f"/v1/{kind}/{urllib.parse.quote(name)}")
        if status not in (200, 204, 404):
            raise Missing(f"DELETE {kind} {name}: {status} {answer}")

    def metrics(self):
        _, text = self.ask("GET", "/metrics")
        return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{[^}]*\})?) ([\d.e+-]+)$", text, re.M)}


class Lab:
    """Made anew for each scenario."""

    def __init__(self, env):
        self.env, self.world = env, World()
        self.api = Api(env["API"])
        self.t1 = int(env.get("SIP_T1_MS", "500")) / 1000
        self.agents, self.resources, self.allowed_leaks = [], [], set()
        self.begun_ms = int(time.time() * 1000)
        self.look_for_leaks = True
        self.patience_s = 3.0  # until the last call has gone

    # ---- who stands where ----

    SIDES = {"client": ("CLIENT_NS", "CLIENT_IP4", "CLIENT_IP6", "192.0.2.1", "2001:db8:1::1"),
             "peer": ("PEER_NS", "PEER_IP4", "PEER_IP6", "198.51.100.1", "2001:db8:2::1")}

    def end(self, side, transport="udp", port=0, ip=None, v6=False, tls=None):
        """A Port on a side of the appliance, and the appliance's address there."""
        ns, ip4, ip6, service4, service6 = self.SIDES[side]
        p = Port(self.world, self.env[ns], ip or self.env[ip6 if v6 else ip4], port, transport, side, tls, self.t1)
        return p, (service6 if v6 else service4, 5061 if transport == "tls" else 5060)

    def user(self, name, transport="udp", register=True, v6=False, algorithm=None, port=0, ip=None, q=None, instance=None, **options):
        """A user of lab.test on the client's side, registered unless said otherwise."""
        tls = self.tls() if transport == "tls" else None
        p, hop = self.end("client", transport, port, ip, v6, tls)
        a = Agent(p, f"sip:{name}@lab.test", hop, name, "lab-password", algorithm)
        if q is not None:
            a.contact_parameters += f";q={q}"
        if instance:
            a.contact_parameters += f';+sip.instance="<{instance}>"'
        if transport != "udp":
            a.stream = p.connect(hop)
        self.agents.append(a)
        if register:
            a.register(**options)
        return a

    def trunk(self, name="carrier", side="peer", port=None, ip=None, transport="udp", v6=False, identity="sip:carrier@198.51.100.10"):
        """The other end of a trunk that the configuration has: carrier at .10:5070, carrier2 at .11:5070; or any."""
        port = (5070 if transport == "udp" else 5072) if port is None else port
        if name == "carrier2" and ip is None:
            ip = "198.51.100.11"
        p, hop = self.end(side, transport, port, ip, v6)
        a = Agent(p, identity, hop)
        self.agents.append(a)
        return a

    def tls(self, certificate=None):
        d = os.path.join(self.env["RUN_DIR"], "tls")
        pair = (os.path.join(d, f"{certificate}.pem"), os.path.join(d, f"{certificate}.key")) if certificate else (None, None)
        return Tls(os.path.join(d, "ca.pem"), "sbc.lab.test", *pair)

    def put(self, kind, name, **resource):
        """Provision something for this scenario; it goes when the scenario ends."""
        answer = self.api.put(kind, name, **resource)
        if (kind, name) not in self.resources:
            self.resources.append((kind, name))
        return answer

    # ---- what the appliance says ----

    def calls(self):
        return self.api.get("/v1/calls")["calls"]

    def cdrs(self, seconds=3.0, at_least=2, **query):
        """CDRs begun since this scenario did, oldest first, as soon as there are so many."""
        def look():
            q = urllib.parse.urlencode(dict(query, from_unix_ms=self.begun_ms, limit=100))
            found = self.api.get(f"/v1/cdrs?{q}")["cdrs"]
            return list(reversed(found)) if len(found) >= at_least else None
        return self.world.until(look, seconds, f"{at_least} CDRs")

    def events(self):
        """The newest thousand, oldest first."""
        return self.api.get("/v1/events?limit=1000")["events"]

    def half(self):
        """Process id of the control plane's working half."""
        keeper = self.env["CONTROLPLANE_PID"]
        with open(f"/proc/{keeper}/task/{keeper}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def no_calls(self, seconds=3.0):
        self.world.until(lambda: not self.calls(), seconds, "the appliance has no call any more")

    # ---- the end of a scenario ----

    @staticmethod
    def made_up(agent):
        """Call-IDs of what an end began, its tags, its branches."""
        words = set()
        for m in agent.port.sent:
            if m.is_request:
                words |= {m.from_tag, m.branch} | ({m.call_id} if not m.to_tag else set())
            else:
                words.add(m.to_tag)
        return {w for w in words if w and len(w) > 3}

    def addresses_of(self, side):
        ns_ip4, ns_ip6, service4, service6 = self.SIDES[side][1:]
        return {self.env[ns_ip4], self.env[ns_ip6], service4, service6} | {a.port.ip for a in self.agents if a.port.side == side}

    def leaks(self):
        """[(word, message)]: what an end received of another's: words that the other made up, Call-IDs that the other was given, and, from the
        other side, addresses."""
        found = []
        for a in self.agents:
            others = [o for o in self.agents if o.port is not a.port]
            theirs = set().union(*(self.made_up(o) for o in others)) - self.made_up(a)
            given = {m.call_id for m in a.port.received} - theirs
            words = theirs | ({m.call_id for o in others for m in o.port.received} - given - self.made_up(a)) | {"127.0.0.1"}
            for side in self.SIDES:
                if side != a.port.side and any(o.port.side == side for o in others):
                    words |= self.addresses_of(side)
            words -= self.allowed_leaks | {None}
            for m in a.port.received:
                text = str(m)
                found += [(w, m) for w in words if w in text and re.search(r"(?<![\w.:])" + re.escape(w) + r"(?![\w]|\.\d)", text)]
        return found

    def finish(self):
        self.world.run(0.02)
        if self.look_for_leaks:
            leaks = self.leaks()
            if leaks:
                word, m = leaks[0]
                raise Missing(f"{len(leaks)} times something of the other side is seen: {word!r} in\n{m}")
        self.no_calls(self.patience_s)

    def close(self):
        self.nobody_is_registered()
        for kind, name in reversed(self.resources):
            try:
                self.api.delete(kind, name)
            except (Missing, OSError) as error:
                print(f"        left behind: {error}")
        for a in self.agents:
            if a.rtp is not None:
                a.rtp.close()
        self.world.close()
        for call in self.still():
            self.api.ask("DELETE", f"/v1/calls/{call['id']}")

    def nobody_is_registered(self):
        for user in {r["user"] for r in self.api.get("/v1/registrations?limit=1000")["registrations"]}:
            self.api.ask("DELETE", f"/v1/registrations/{user}")

    def still(self):
        try:
            return self.calls()
        except (Missing, OSError, KeyError):
            return []


def media_path(caller, to_caller, callee, to_callee, seconds=2.0):
    """RTP flows both ways: to_caller and to_callee are the SDP that each was given."""
    from rtp import speak
    speak(caller.media(), to_caller.address, callee.media(), to_callee.address, seconds)


def same_user(value, user):
    return uri_of(value).startswith(f"sip:{user}@") or uri_of(value) == f"tel:{user}"


__all__ = ["Lab", "Api", "media_path", "parameter", "host_port_of", "uri_of", "Missing"]
