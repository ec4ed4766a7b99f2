#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A client of the ng protocol (rtpengine's), for the tests. Answers are printed as JSON.

  ng.py send JSON           one request, whose keys JSON has:  ng.py send '{"command": "ping"}'
  ng.py calls               --count calls by offer and answer, and plans for rtp_peer on both sides
  ng.py publish             a call with one party that only sends; its plan is --a-plan
  ng.py subscribe           --count parties that hear the first party of call --first; --b-suites by turns, "-" = plain RTP
  ng.py delete              those calls again

Exit status: 0 = as expected, 1 = an error was answered, 2 = usage or no answer.
"""

import argparse
import base64
import json
import os
import re
import socket
import sys
import time

SUITE_BYTES = {  # key and salt: RFC 4568 6.2, 6188, 7714
    "AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30, "AES_192_CM_HMAC_SHA1_80": 38,
    "AES_192_CM_HMAC_SHA1_32": 38, "AES_256_CM_HMAC_SHA1_80": 46, "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44,
}


class NoAnswer(Exception):
    pass


class Refused(Exception):
    pass


def bencode(v):
    if isinstance(v, bool):
        raise TypeError("no booleans in bencode")
    if isinstance(v, int):
        return b"i%de" % v
    if isinstance(v, bytes):
        return b"%d:%s" % (len(v), v)
    if isinstance(v, str):
        return bencode(v.encode())
    if isinstance(v, (list, tuple)):
        return b"l" + b"".join(bencode(x) for x in v) + b"e"
    return b"d" + b"".join(bencode(k) + bencode(x) for k, x in v.items()) + b"e"


def bdecode(raw, at=0):
    """(value, end) of what begins at raw[at]; text comes as str."""
    c = raw[at:at + 1]
    if c == b"i":
        end = raw.index(b"e", at)
        return int(raw[at + 1:end]), end + 1
    if c in (b"l", b"d"):
        items, at = [], at + 1
        while raw[at:at + 1] != b"e":
            item, at = bdecode(raw, at)
            items.append(item)
        return (items if c == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = raw.index(b":", at)
    end = colon + 1 + int(raw[at:colon])
    return raw[colon + 1:end].decode("utf-8", "replace"), end


class Ng:
    """One client: a socket and a counter of cookies."""

    def __init__(self, to="127.0.0.1:2223", tcp=False, as_json=False):
        host, port = to.rsplit(":", 1)
        self.tcp, self.as_json, self.pending = tcp, as_json, b""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.socket.settimeout(1.0)
        self.socket.connect((host.strip("[]"), int(port)))
        self.number, self.retransmissions = 0, 0

    def cookie(self):
        self.number += 1
        return b"%d_%d" % (os.getpid(), self.number)

    def request(self, message, tries=4):
        """The reply to a request; the same cookie goes out again when there is none."""
        cookie = self.cookie()
        raw = cookie + b" " + (json.dumps(message).encode() if self.as_json else bencode(message))
        for n in range(tries):
            self.retransmissions += n > 0
            self.socket.send(raw)
            try:
                while True:
                    got = self.receive()
                    if got.startswith(cookie + b" "):
                        body = got[len(cookie) + 1:]
                        return json.loads(body) if body[:1] == b"{" else bdecode(body)[0]
            except (TimeoutError, ConnectionError):
                if self.tcp:
                    break
        raise NoAnswer("no answer to %s" % message.get("command"))

    def receive(self):
        if not self.tcp:
            return self.socket.recv(65535)
        while True:  # a stream of "cookie value" without lengths: complete when the value is
            space = self.pending.find(b" ")
            try:
                if space >= 0 and self.pending[space + 1:space + 2] == b"{":
                    text = self.pending[space + 1:].decode()
                    _, used = json.JSONDecoder().raw_decode(text)
                    end = space + 1 + len(text[:used].encode())
                elif space >= 0:
                    _, end = bdecode(self.pending, space + 1)
                else:
                    raise ValueError
                if end <= len(self.pending):
                    one, self.pending = self.pending[:end], self.pending[end:]
                    return one
            except (ValueError, IndexError):
                pass
            more = self.socket.recv(65535)
            if not more:
                raise ConnectionError
            self.pending += more

    def ok(self, message):
        """The reply, which must not be an error."""
        reply = self.request(message)
        if reply.get("result") == "error":
            raise Refused("%s: %s" % (message["command"], reply.get("error-reason")))
        return reply


class Party:
    """One side of a call: its SDP, and the relay's address and key as the relay's SDP tells them."""

    def __init__(self, ip, port, proto, suite, mux, extra=""):
        self.ip, self.port, self.proto, self.suite, self.mux, self.extra = ip, port, proto, suite, mux, extra
        self.tag = 1
        self.key = base64.b64encode(os.urandom(SUITE_BYTES[suite])).decode() if "SAVP" in proto else None
        self.relay = self.relay_key = None

    def sdp(self):
        family = "IP6" if ":" in self.ip else "IP4"
        lines = ["v=0", "o=lab 1 1 IN %s %s" % (family, self.ip), "s=lab", "c=IN %s %s" % (family, self.ip), "t=0 0",
                 "m=audio %d %s 8 0 101" % (self.port, self.proto), "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000",
                 "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=sendrecv"]
        if self.mux:
            lines.append("a=rtcp-mux")
        if self.key:
            lines.append("a=crypto:%d %s inline:%s" % (self.tag, self.suite, self.key))
        return "\r\n".join(lines) + "\r\n"

    def learn(self, sdp):
        """What the relay says to this party: where to send, and by which keys it sends."""
        ip = re.findall(r"^c=IN IP[46] (\S+)", sdp, re.M)[-1]
        port, proto = re.search(r"^m=audio (\d+) (\S+)", sdp, re.M).groups()
        self.relay = ("[%s]:%s" if ":" in ip else "%s:%s") % (ip, port)
        self.mux = bool(re.search(r"^a=rtcp-mux\r?$", sdp, re.M))
        rtcp = re.search(r"^a=rtcp:(\d+)", sdp, re.M)
        self.relay_rtcp = int(rtcp.group(1)) if rtcp else int(port) + (0 if self.mux else 1)
        self.relay_ip = ip
        if ("SAVP" in self.proto) != ("SAVP" in proto):
            raise Refused("the relay speaks %s to a party of %s" % (proto, self.proto))
        if not self.key:
            return
        for tag, suite, key in re.findall(r"^a=crypto:(\d+) (\S+) inline:([^|\s]+)", sdp, re.M):
            if suite == self.suite:
                self.tag, self.relay_key = int(tag), key
                return
        raise Refused("the relay does not offer %s" % self.suite)

    def plan(self, name, number):
        ip = "[%s]" % self.ip if ":" in self.ip else self.ip
        relay_ip = "[%s]" % self.relay_ip if ":" in self.relay_ip else self.relay_ip
        words = ["name=%s" % name, "id=%d" % number, "local=%s:%d" % (ip, self.port), "remote=%s" % self.relay]
        if self.mux:
            words.append("mux=yes")
        else:
            words.append("rtcp_remote=%s:%d" % (relay_ip, self.relay_rtcp))
        if self.key:
            words += ["key_out=%s:%s" % (self.suite, self.key), "key_in=%s:%s" % (self.suite, self.relay_key)]
        return " ".join(words + [self.extra]).strip()


def call_id(args, i):
    return "%s-%d@lab" % (args.prefix, i)


def make_call(ng, args, i):
    a = Party(args.a_ip, args.a_port + 2 * i, args.a_proto, args.a_suite, args.mux, args.a_extra)
    b = Party(args.b_ip, args.b_port + 2 * i, args.b_proto, args.b_suite, args.mux, args.b_extra)
    offer = {"command": "offer", "call-id": call_id(args, i), "from-tag": "a%d" % i, "sdp": a.sdp(),
             "ICE": "remove", "transport-protocol": args.b_proto, "replace": ["origin", "session-connection"]}
    if args.a_direction:
        offer["direction"] = [args.a_direction, args.b_direction]
    if args.flags:
        offer["flags"] = args.flags.split(",")
    for pair in args.set:
        key, _, value = pair.partition("=")
        offer[key] = value.split(",") if "," in value else value
    b.mux = False
    b.learn(ng.ok(offer)["sdp"])
    answer = {"command": "answer", "call-id": call_id(args, i), "from-tag": "a%d" % i, "to-tag": "b%d" % i, "sdp": b.sdp(),
              "ICE": "remove", "replace": ["origin", "session-connection"]}
    if args.flags:
        answer["flags"] = args.flags.split(",")
    a.learn(ng.ok(answer)["sdp"])
    return a, b


def command_calls(ng, args):
    began = time.monotonic()
    with open(args.a_plan, "w") as plan_a, open(args.b_plan, "w") as plan_b:
        for i in range(args.first, args.first + args.count):
            a, b = make_call(ng, args, i)
            plan_a.write(a.plan("a%d" % i, 2 * i + 1) + "\n")
            plan_b.write(b.plan("b%d" % i, 2 * i + 2) + "\n")
    return {"calls": args.count, "seconds": round(time.monotonic() - began, 3), "retransmissions": ng.retransmissions}


def command_publish(ng, args):
    a = Party(args.a_ip, args.a_port, args.a_proto, args.a_suite, args.mux, args.a_extra)
    request = {"command": "publish", "call-id": call_id(args, args.first), "from-tag": "a%d" % args.first,
               "sdp": a.sdp().replace("sendrecv", "sendonly"), "ICE": "remove"}
    if args.a_direction:
        request["interface"] = args.a_direction
    a.learn(ng.ok(request)["sdp"])
    with open(args.a_plan, "w") as plan:
        plan.write(a.plan("publisher", 1) + "\n")
    return {"relay": a.relay}


def subscribe(ng, args, i):
    suite = args.b_suites.split(",")[i % len(args.b_suites.split(","))]
    proto = "RTP/AVP" if suite == "-" else "RTP/SAVP"
    b = Party(args.b_ip, args.b_port + 2 * i, proto, args.b_suite if suite == "-" else suite, False, args.b_extra)
    request = {"command": "subscribe request", "call-id": call_id(args, args.first), "from-tag": "a%d" % args.first,
               "transport-protocol": proto, "ICE": "remove"}
    if args.b_direction:
        request["interface"] = args.b_direction
    for pair in args.set:
        key, _, value = pair.partition("=")
        request[key] = value
    reply = ng.ok(request)
    b.learn(reply["sdp"])
    ng.ok({"command": "subscribe answer", "call-id": call_id(args, args.first), "to-tag": reply["to-tag"],
           "sdp": b.sdp().replace("sendrecv", "recvonly")})
    return b, reply["to-tag"]


def command_subscribe(ng, args):
    tags = []
    with open(args.b_plan, "w") as plan:
        for i in range(args.count):
            b, tag = subscribe(ng, args, args.from_number + i)
            plan.write(b.plan("s%d" % (args.from_number + i), 100 + args.from_number + i) + " send=no\n")
            tags.append(tag)
    return {"tags": tags}


def command_delete(ng, args):
    began = time.monotonic()
    for i in range(args.first, args.first + args.count):
        ng.ok({"command": "delete", "call-id": call_id(args, i), "from-tag": "a%d" % i, "delete-delay": 0})
    return {"calls": args.count, "seconds": round(time.monotonic() - began, 3), "retransmissions": ng.retransmissions}


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=("send", "calls", "publish", "subscribe", "delete"))
    p.add_argument("request", nargs="?", help="send: the request, as JSON")
    p.add_argument("--to", default="127.0.0.1:2223", help="ADDRESS:PORT of the relay")
    p.add_argument("--tcp", action="store_true")
    p.add_argument("--json", action="store_true", help="speak JSON, not bencode")
    p.add_argument("--expect", help="send: an error whose reason has this in it")
    p.add_argument("--count", type=int, default=1)
    p.add_argument("--first", type=int, default=0, help="number of the first call")
    p.add_argument("--prefix", default="call", help="of call ids")
    for side, port in (("a", 20000), ("b", 20000)):
        p.add_argument("--%s-ip" % side)
        p.add_argument("--%s-port" % side, type=int, default=port, help="of call 0; every call takes two")
        p.add_argument("--%s-proto" % side, default="RTP/AVP")
        p.add_argument("--%s-suite" % side, default="AES_CM_128_HMAC_SHA1_80", choices=sorted(SUITE_BYTES))
        p.add_argument("--%s-direction" % side, help="interface of the relay")
        p.add_argument("--%s-plan" % side, default="/dev/null", help="where the plan for rtp_peer is written")
        p.add_argument("--%s-extra" % side, default="", help="more words for each line of the plan")
    p.add_argument("--b-suites", default="-", help="subscribe: by commas")
    p.add_argument("--from-number", type=int, default=0, help="subscribe: number of the first one")
    p.add_argument("--mux", action="store_true", help="offer and take rtcp-mux")
    p.add_argument("--flags", help="of offers and answers, by commas")
    p.add_argument("--set", action="append", default=[], help="KEY=VALUE, or KEY=A,B, of offers")
    return p


def main():
    args = parser().parse_intermixed_args()
    try:
        ng = Ng(args.to, args.tcp, args.json)
        if args.command == "send":
            out = ng.request(json.loads(args.request))
            print(json.dumps(out))
            if args.expect:
                return 0 if out.get("result") == "error" and args.expect in out.get("error-reason", "") else 1
            return 1 if out.get("result") == "error" else 0
        print(json.dumps(globals()["command_" + args.command](ng, args)))
        return 0
    except Refused as e:
        print(json.dumps({"error": str(e)}))
        return 1
    except (NoAnswer, OSError) as e:
        print(json.dumps({"error": str(e)}))
        return 2


if __name__ == "__main__":
    sys.exit(main())
