# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""SIP messages as lines of text, digest answers (RFC 7616, RFC 8760), and enough of SDP. Nothing is hidden: what a test wants
to be wrong in a message, it writes so."""

import hashlib
import re
import secrets

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
           "k": "supported", "s": "subject", "e": "content-encoding", "r": "refer-to", "b": "referred-by", "x": "session-expires",
           "o": "event", "u": "allow-events"}


def key(name):
    name = name.strip().lower()
    return COMPACT.get(name, name)


class Message:
    """start: the first line; headers: [name, value] in order; body: bytes."""

    def __init__(self, start, headers=(), body=b""):
        self.start = start
        self.headers = [[name, str(value)] for name, value in headers]
        self.body = body.encode() if isinstance(body, str) else body
        self.source = None      # who sent it (a received one)
        self.connection = None  # over which stream
        self.at = 0.0

    @classmethod
    def parse(cls, raw):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        headers = []
        for line in lines[1:]:
            if line[:1] in " \t" and headers:
                headers[-1][1] += " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                headers.append([name.strip(), value.strip()])
        return cls(lines[0], headers, body)

    def bytes(self):
        lines = [self.start]
        has_length = False
        for name, value in self.headers:
            if key(name) == "content-length":
                has_length, value = True, len(self.body)
            lines.append(f"{name}: {value}")
        if not has_length:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def __str__(self):
        return self.bytes().decode("utf-8", "replace")

    # ---- first line ----

    @property
    def is_request(self):
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self):
        """Of a request, or of the request that a response answers."""
        return self.start.split(" ", 1)[0] if self.is_request else self.get("CSeq").split()[1]

    @property
    def uri(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return 0 if self.is_request else int(self.start.split(" ")[1])

    @property
    def reason(self):
        return self.start.split(" ", 2)[2] if not self.is_request else ""

    # ---- headers ----

    def all(self, name):
        return [value for n, value in self.headers if key(n) == key(name)]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    def has(self, name):
        return bool(self.all(name))

    def set(self, name, value):
        """Replaces all of that name, at the place of the first."""
        at = next((i for i, (n, _) in enumerate(self.headers) if key(n) == key(name)), len(self.headers))
        self.headers = [h for h in self.headers if key(h[0]) != key(name)]
        self.headers.insert(at, [name, str(value)])
        return self

    def add(self, name, value):
        self.headers.append([name, str(value)])
        return self

    def remove(self, name):
        self.headers = [h for h in self.headers if key(h[0]) != key(name)]
        return self

    @property
    def cseq(self):
        return int(self.get("CSeq").split()[0])

    @property
    def call_id(self):
        return self.get("Call-ID")

    @property
    def branch(self):
        return parameter(self.get("Via", ""), "branch")

    @property
    def from_tag(self):
        return parameter(self.get("From", ""), "tag")

    @property
    def to_tag(self):
        return parameter(self.get("To", ""), "tag")

    @property
    def sdp(self):
        return Sdp(self.body.decode("utf-8", "replace")) if self.body and "sdp" in self.get("Content-Type", "") else None

    def response(self, status, reason=None, to_tag=None, headers=(), body=b"", content_type=None):
        """An answer to this request: Via, From, To, Call-ID, CSeq, Record-Route are copied."""
        m = Message(f"SIP/2.0 {status} {reason or PHRASES.get(status, 'Whatever')}")
        for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
            for value in self.all(name):
                if name == "To" and to_tag and "tag=" not in value and status != 100:
                    value += f";tag={to_tag}"
                m.add(name, value)
        for name, value in headers:
            m.add(name, value)
        if body:
            m.add("Content-Type", content_type or "application/sdp")
            m.body = body.encode() if isinstance(body, str) else body
        return m


PHRASES = {100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 200: "OK", 202: "Accepted",
           302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           407: "Proxy Authentication Required", 408: "Request Timeout", 422: "Session Interval Too Small", 480: "Temporarily Unavailable",
           481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
           491: "Request Pending", 500: "Server Internal Error", 503: "Service Unavailable", 603: "Decline"}


def parameter(value, name):
    """;name=VALUE after the URI of a header; "" = it is there without a value, None = it is not."""
    m = re.search(r";\s*%s\s*(?:=\s*(\"[^\"]*\"|[^;,\s>]*))?(?=[;,\s>]|$)" % re.escape(name), value, re.I)
    return (m.group(1) or "").strip('"') if m else None


def uri_of(value):
    """The URI of a name-addr or addr-spec."""
    m = re.search(r"<([^>]*)>", value)
    return m.group(1) if m else value.split(";")[0].strip()


def host_port_of(uri):
    m = re.match(r"sips?:(?:[^@;]*@)?(\[[^\]]*\]|[^:;?>]+)(?::(\d+))?", uri)
    return m.group(1).strip("[]"), int(m.group(2) or 5060)


def user_of(uri):
    m = re.match(r"(?:sips?|tel):([^@;]*)", uri)
    return m.group(1) if m else ""


def new_branch():
    return "z9hG4bK" + secrets.token_hex(10)


def new_tag():
    return secrets.token_hex(6)


def new_call_id():
    return secrets.token_hex(12)


# ---- digest ----

def challenges(message):
    """[(header name of the answer, {parameters})] of a 401 or 407."""
    out = []
    for name, answer in (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization")):
        for value in message.all(name):
            if value.lower().startswith("digest"):
                found = re.findall(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', value[6:])
                out.append((answer, {k.lower(): a or b for k, a, b in found}))
    return out


HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def authorization(message, user, password, method, uri, algorithm=None, nc=1, cnonce=None, qop=True):
    """(header name, value): the answer to the challenges in message, the first one that we know (or of that algorithm)."""
    for name, c in challenges(message):
        which = c.get("algorithm", "MD5")
        if which not in HASHES or (algorithm and which != algorithm):
            continue
        h = lambda text, f=HASHES[which]: f(text.encode()).hexdigest()  # noqa: E731
        cnonce = cnonce or secrets.token_hex(8)
        ha1, ha2 = h(f"{user}:{c['realm']}:{password}"), h(f"{method}:{uri}")
        fields = f'username="{user}", realm="{c["realm"]}", nonce="{c["nonce"]}", uri="{uri}", algorithm={which}'
        if qop and "qop" in c:
            answer = h(f"{ha1}:{c['nonce']}:{nc:08x}:{cnonce}:auth:{ha2}")
            fields += f', qop=auth, nc={nc:08x}, cnonce="{cnonce}"'
        else:
            answer = h(f"{ha1}:{c['nonce']}:{ha2}")
        if "opaque" in c:
            fields += f', opaque="{c["opaque"]}"'
        return name, f'Digest {fields}, response="{answer}"'
    raise ValueError("no challenge that we can answer")


# ---- SDP ----

CODECS = {0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000", 101: "telephone-event/8000", 96: "opus/48000/2"}


def make_sdp(ip, port, codecs=(8, 0, 101), direction="sendrecv", session=1, version=1, proto="RTP/AVP", lines=(), kind="audio", user="-"):
    family = "IP6" if ":" in ip else "IP4"
    text = [f"v=0", f"o={user} {session} {version} IN {family} {ip}", "s=-", f"c=IN {family} {ip}", "t=0 0"]
    if kind == "image":
        text.append(f"m=image {port} udptl t38")
        text += ["a=T38FaxVersion:0", "a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF", "a=T38FaxUdpEC:t38UDPRedundancy"]
    else:
        text.append(f"m={kind} {port} {proto} " + " ".join(str(c) for c in codecs))
        text += [f"a=rtpmap:{c} {CODECS[c]}" for c in codecs]
        if 101 in codecs:
            text.append("a=fmtp:101 0-15")
        text.append(f"a={direction}")
    text += list(lines)
    return "\r\n".join(text) + "\r\n"


class Sdp:
    def __init__(self, text):
        self.text = text
        self.lines = [line for line in text.replace("\r", "").split("\n") if line]

    @property
    def port(self):
        return int(next(line for line in self.lines if line.startswith("m=")).split()[1])

    @property
    def ip(self):
        return [line for line in self.lines if line.startswith("c=")][-1].split()[2]

    @property
    def address(self):
        return self.ip, self.port

    @property
    def media(self):
        return [line[2:] for line in self.lines if line.startswith("m=")]

    @property
    def proto(self):
        return self.media[0].split()[2]

    @property
    def codecs(self):
        return [int(c) for c in self.media[0].split()[3:] if c.isdigit()]

    @property
    def direction(self):
        for name in ("sendrecv", "sendonly", "recvonly", "inactive"):
            if f"a={name}" in self.lines:
                return name
        return "sendrecv"

    @property
    def version(self):
        return int(next(line for line in self.lines if line.startswith("o=")).split()[2])

    def has(self, text):
        return any(text in line for line in self.lines)
