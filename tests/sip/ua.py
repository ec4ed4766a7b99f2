# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""User agents and trunks on a Port: registrations, dialogs, calls. They do what a scenario says and nothing by themselves, but for
answering OPTIONS and sending again over UDP what is not answered."""

import time

from message import (Message, Sdp, authorization, host_port_of, make_sdp, new_branch, new_call_id, new_tag, parameter, uri_of)
from net import Missing
from rtp import Rtp

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, MESSAGE, SUBSCRIBE"


class Agent:
    """One party: an address-of-record, a Port, what it calls as its next hop."""

    def __init__(self, port, aor, hop, user=None, password=None, algorithm=None):
        self.port, self.aor, self.hop, self.user, self.password, self.algorithm = port, aor, hop, user, password, algorithm
        self.world = port.world
        self.name = aor.split(":", 1)[1].split("@")[0]
        self.contact_parameters = ""
        self.stream = None
        self.rtp = None
        self.options = 0
        self.nc = {}
        port.automatic.append(self._options)

    def _options(self, m):
        if m.is_request and m.method == "OPTIONS" and not m.to_tag:
            self.options += 1
            self.reply(m, 200, to_tag=new_tag())
            return True
        return False

    @property
    def contact(self):
        transport = f";transport={self.port.transport}" if self.port.transport != "udp" else ""
        return f"<sip:{self.name}@{self.port.host}:{self.port.port}{transport}>{self.contact_parameters}"

    def media(self):
        """Its RTP endpoint, made once."""
        if self.rtp is None:
            self.rtp = Rtp(self.world, self.port.namespace, self.port.ip)
        return self.rtp

    def sdp(self, **options):
        rtp = self.media()
        return make_sdp(self.port.ip, rtp.port, user=self.name, **options)

    # ---- sending ----

    def request(self, method, uri, to=None, headers=(), body=b"", call_id=None, cseq=1, from_tag=None, content_type=None, contact=True,
                from_=None, max_forwards=70):
        """A request outside a dialog, not sent yet."""
        m = Message(f"{method} {uri} SIP/2.0")
        m.add("Via", f"{self.port.via};branch={new_branch()};rport")
        m.add("Max-Forwards", max_forwards)
        m.add("From", f"{from_ or '<' + self.aor + '>'};tag={from_tag or new_tag()}")
        m.add("To", to or f"<{uri}>")
        m.add("Call-ID", call_id or new_call_id())
        m.add("CSeq", f"{cseq} {method}")
        if contact:
            m.add("Contact", self.contact)
        for name, value in headers:
            m.add(name, value)
        if body:
            m.add("Content-Type", content_type or "application/sdp")
            m.body = body.encode() if isinstance(body, str) else body
        return m

    def send(self, m, again=True):
        self.port.send(m, self.hop, self.stream, again=again and m.method != "ACK")

    def reply(self, request, status, reason=None, to_tag=None, headers=(), body=b"", again=False, content_type=None):
        m = request.response(status, reason, to_tag, headers, body, content_type)
        to = request.source
        self.port.send(m, to, request.connection, again=again)
        return m

    def response(self, request, seconds=3.0, status=None, what=None):
        """The next response to this request (or the next that is `status`, or in (statuses))."""
        def wanted(m):
            if m.is_request or m.branch != request.branch or m.method != request.method:
                return False
            if status is None:
                return True
            return m.status in status if isinstance(status, (tuple, range)) else m.status == status
        return self.port.take(wanted, seconds, what or f"{status or 'a response'} to {request.start}")

    def final(self, request, seconds=5.0):
        return self.response(request, seconds, range(200, 700))

    def with_credentials(self, request, challenge, nc=None, algorithm=None, password=None, user=None):
        """The same request again, with the answer to a 401 or 407."""
        m = Message(request.start, request.headers, request.body)
        m.set("CSeq", f"{request.cseq + 1} {request.method}")
        m.set("Via", f"{self.port.via};branch={new_branch()};rport")
        m.remove("Authorization").remove("Proxy-Authorization")
        nonce = challenge.get("WWW-Authenticate") or challenge.get("Proxy-Authenticate")
        self.nc[nonce] = self.nc.get(nonce, 0) + 1
        name, value = authorization(challenge, user or self.user, password or self.password, request.method, request.uri,
                                    algorithm or self.algorithm, nc or self.nc[nonce])
        return m.add(name, value)

    def ack(self, request, response):
        """Of a final response that is not 2xx (RFC 3261 17.1.1.3)."""
        m = Message(f"ACK {request.uri} SIP/2.0")
        for name in ("Via", "Max-Forwards", "From"):
            m.add(name, request.get(name))
        m.add("To", response.get("To")).add("Call-ID", request.call_id).add("CSeq", f"{request.cseq} ACK")
        for value in request.all("Route"):
            m.add("Route", value)
        self.port.send(m, self.hop, self.stream)

    def ask(self, method, uri, seconds=5.0, **options):
        """A request outside a dialog, with credentials when they are wanted; (request, final response)."""
        m = self.request(method, uri, **options)
        self.send(m)
        r = self.final(m, seconds)
        if r.status in (401, 407) and self.user:
            m = self.with_credentials(m, r)
            self.send(m)
            r = self.final(m, seconds)
        return m, r

    # ---- registering ----

    def register(self, expires=600, contact=None, domain=None, headers=(), seconds=5.0, expect=200, call_id=None, cseq=None):
        domain = domain or self.aor.split("@")[1]
        self.register_id = call_id or getattr(self, "register_id", None) or new_call_id()
        self.register_cseq = cseq or getattr(self, "register_cseq", 0) + 1
        more = list(headers)
        if expires is not None:
            more.append(("Expires", expires))
        if contact is not False:
            more.append(("Contact", contact or self.contact))
        m = self.request("REGISTER", f"sip:{domain}", to=f"<{self.aor}>", contact=False, call_id=self.register_id, cseq=self.register_cseq,
                         headers=more)
        self.send(m)
        r = self.final(m, seconds)
        if r.status == 401 and self.user:
            m = self.with_credentials(m, r)
            self.register_cseq += 1
            self.send(m)
            r = self.final(m, seconds)
        if expect is not None and r.status != expect:
            raise Missing(f"{self.aor}: REGISTER answered {r.status} {r.reason}, not {expect}")
        return r

    # ---- calls ----

    def call(self, uri, sdp=None, headers=(), answer_challenge=True, **options):
        """INVITE somebody; a Call, whose wait() follows. sdp "" = a late offer."""
        c = Call(self, uri, self.sdp() if sdp is None else sdp, headers, options)
        if answer_challenge and self.user:
            r = self.response(c.invite, 5.0)
            if r.status in (401, 407):
                self.ack(c.invite, r)
                c.invite = self.with_credentials(c.invite, r)
                c.cseq = c.invite.cseq
                self.send(c.invite)
            else:
                self.port.inbox.insert(0, r)
        return c

    def ringing(self, seconds=3.0, more=lambda m: True):
        """The next INVITE to it that begins a call, as an Incoming."""
        return Incoming(self, self.port.request("INVITE", seconds, lambda m: not m.to_tag and more(m)))


class Dialog:
    """What both ends of a call have: requests both ways. `agent`, call_id, local and remote (headers' values), target, routes, cseq."""

    ended = False

    def hop(self):
        """Where requests go: the first route, or the target."""
        return host_port_of(uri_of(self.routes[0])) if self.routes else host_port_of(self.target)

    def new(self, method, headers=(), body=b"", content_type=None, cseq=None):
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        m = Message(f"{method} {self.target} SIP/2.0")
        m.add("Via", f"{self.agent.port.via};branch={new_branch()};rport")
        m.add("Max-Forwards", 70)
        for route in self.routes:
            m.add("Route", route)
        m.add("From", self.local).add("To", self.remote).add("Call-ID", self.call_id).add("CSeq", f"{cseq} {method}")
        if method in ("INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY"):
            m.add("Contact", self.agent.contact)
        for name, value in headers:
            m.add(name, value)
        if body:
            m.add("Content-Type", content_type or "application/sdp")
            m.body = body.encode() if isinstance(body, str) else body
        return m

    def send(self, m, again=True):
        self.agent.port.send(m, self.hop(), self.agent.stream, again=again and m.method != "ACK")
        return m

    def ask(self, method, seconds=5.0, **options):
        """Send it, return the final response (ACKed when it is an INVITE's)."""
        m = self.send(self.new(method, **options))
        r = self.agent.final(m, seconds)
        if r.status in (401, 407) and self.agent.user:
            if method == "INVITE":
                self.agent.ack(m, r)
            m = self.agent.with_credentials(m, r)
            self.cseq = m.cseq
            self.send(m)
            r = self.agent.final(m, seconds)
        if method == "INVITE":
            self.send_ack(m, r)
        self.last = m
        return r

    def send_ack(self, invite, response, body=b"", again=False):
        if response.status >= 300:
            self.agent.ack(invite, response)
            return None
        ack = self.new("ACK", cseq=invite.cseq, body=body)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.all(name):
                ack.add(name, value)
        self.send(ack)
        return ack

    def reinvite(self, sdp=None, seconds=5.0, **options):
        return self.ask("INVITE", seconds, body=self.agent.sdp() if sdp is None else sdp, **options)

    def bye(self, seconds=5.0, expect=200, headers=()):
        r = self.ask("BYE", seconds, headers=headers)
        self.ended = True
        if expect is not None and r.status != expect:
            raise Missing(f"BYE answered {r.status} {r.reason}, not {expect}")
        return r

    def within(self, method, seconds=3.0, more=lambda m: True):
        """The next request of the other side in this dialog."""
        m = self.agent.port.request(method, seconds, lambda m: m.call_id == self.call_id and more(m))
        return m

    def expect_bye(self, seconds=5.0, status=200):
        m = self.within("BYE", seconds)
        self.agent.reply(m, status)
        self.ended = True
        return m

    def accept(self, request, sdp=None, status=200, headers=(), again=None):
        """A 2xx to a re-INVITE, UPDATE or the like, with an answer when it made an offer."""
        body = sdp if sdp is not None else (self.agent.sdp(version=int(time.time())) if request.method in ("INVITE", "UPDATE")
                                            and (request.body or request.method == "INVITE") else b"")
        more = [("Contact", self.agent.contact)] if request.method in ("INVITE", "UPDATE") else []
        return self.agent.reply(request, status, headers=more + list(headers), body=body,
                                again=request.method == "INVITE" if again is None else again)


class Call(Dialog):
    """A call that we make."""

    def __init__(self, agent, uri, sdp, headers, options):
        self.agent = agent
        more = [("Allow", ALLOW)] + list(headers)
        self.invite = agent.request("INVITE", uri, headers=more, body=sdp, **options)
        self.cseq, self.call_id = self.invite.cseq, self.invite.call_id
        self.local, self.remote = self.invite.get("From"), self.invite.get("To")
        self.target, self.routes = uri, []
        self.provisional, self.answer = [], None
        self.progress = None
        agent.send(self.invite)

    def wait(self, status, seconds=5.0):
        """The response that is wanted; provisional ones before it are kept, another final one is a failure."""
        end = time.monotonic() + seconds
        while True:
            r = self.agent.response(self.invite, max(0.0, end - time.monotonic()), what=f"{status} to {self.invite.start}")
            if r.status < 200:
                self.provisional.append(r)
                if r.to_tag:
                    self.early(r)
                if r.status == status:
                    return r
                continue
            self.answer = r
            if r.status >= 300:
                self.agent.ack(self.invite, r)
                self.ended = True
            else:
                self.confirm(r)
            if r.status != status:
                raise Missing(f"{self.invite.start}: {r.status} {r.reason} came, not {status}")
            return r

    def early(self, r):
        self.progress = r
        self.remote = r.get("To")
        if r.has("Contact"):
            self.target = uri_of(r.get("Contact"))
        self.routes = list(reversed(r.all("Record-Route")))

    def confirm(self, r):
        self.early(r)

    def ack(self, body=b""):
        return self.send_ack(self.invite, self.answer, body)

    def up(self, seconds=5.0):
        """Until it is answered, with the ACK."""
        r = self.wait(200, seconds)
        self.ack()
        return r

    def cancel(self):
        m = Message(f"CANCEL {self.invite.uri} SIP/2.0")
        for name in ("Via", "Max-Forwards", "From", "To", "Call-ID"):
            m.add(name, self.invite.get(name))
        m.add("CSeq", f"{self.invite.cseq} CANCEL")
        self.agent.send(m)
        return m

    def prack(self, progress, body=b""):
        self.early(progress)
        return self.ask("PRACK", headers=[("RAck", f"{progress.get('RSeq')} {progress.get('CSeq')}")], body=body)


class Incoming(Dialog):
    """A call that comes to us."""

    def __init__(self, agent, invite):
        self.agent, self.invite = agent, invite
        self.tag = new_tag()
        self.call_id = invite.call_id
        self.local, self.remote = f"{invite.get('To')};tag={self.tag}", invite.get("From")
        self.target = uri_of(invite.get("Contact")) if invite.has("Contact") else ""
        self.routes = invite.all("Record-Route")
        self.cseq, self.rseq = 100, 0
        self.acked = None

    @property
    def sdp(self):
        return self.invite.sdp

    def hop(self):
        return self.invite.source if self.invite.connection or not self.routes else super().hop()

    def ring(self, status=180, sdp=b"", headers=(), tag=None, reliable=False, contact=True):
        more = list(headers) + ([("Contact", self.agent.contact)] if contact else [])
        if reliable:
            self.rseq += 1
            more += [("Require", "100rel"), ("RSeq", self.rseq)]
        return self.agent.reply(self.invite, status, to_tag=tag or self.tag, headers=more, body=sdp)

    def answer(self, sdp=None, headers=(), tag=None, ack=True, again=True, seconds=4.0):
        body = self.agent.sdp() if sdp is None else sdp
        r = self.agent.reply(self.invite, 200, to_tag=tag or self.tag, headers=[("Contact", self.agent.contact), ("Allow", ALLOW)] +
                             list(headers), body=body, again=again)
        if ack:
            self.wait_ack(seconds)
        return r

    def wait_ack(self, seconds=4.0):
        self.acked = self.agent.port.request("ACK", seconds, lambda m: m.call_id == self.call_id and m.cseq == self.invite.cseq)
        return self.acked

    def reject(self, status, reason=None, headers=(), seconds=4.0):
        self.agent.reply(self.invite, status, reason, to_tag=self.tag, headers=headers, again=True)
        self.wait_ack(seconds)
        self.ended = True

    def expect_cancel(self, seconds=4.0):
        """A CANCEL comes; 200 to it, 487 to the INVITE, and the ACK."""
        m = self.agent.port.request("CANCEL", seconds, lambda m: m.call_id == self.call_id)
        self.agent.reply(m, 200, to_tag=self.tag)
        self.reject(487)
        return m
