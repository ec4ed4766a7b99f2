# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Golden packets of the guard: what is not what its port speaks, who is listed, who sends too much. One case or more for each reason to drop."""

import os
import random
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import stun  # noqa: E402
import turn  # noqa: E402
from cases import (ANSWER4, ANSWER6, ANSWERED, CLIENT4, CLIENT6, CLIENT_PORT, SERVICE4, SERVICE6, TRANSACTION, TURN_PORT, VLAN_ID,  # noqa: E402
                   CLIENT_MAC, PORT_MAC, Case, binding, frame4, from_client, request4)
from frames import HOP_BY_HOP, IPV4, IPV6, UDP, VLAN, checksum, ip_bytes, ipv4, ipv4_fragments, ipv6, mac, udp  # noqa: E402

QINQ, ROUTING, FRAGMENT, ICMP6, DESTINATION = 0x88A8, 43, 44, 58, 60
SIP_PORT, MEDIA_PORT_FREE = 5060, 30400
BY_SOURCE, BY_PREFIX, BY_WIDE, BY_TOTAL = 3479, 3480, 3481, 3482  # listeners of golden.conf, four packets a second each


def one(name, frame, drop, **more):
    return Case(name, [frame], drops={drop: 1}, **more)


def linux(name, frame, **more):
    """Linux's, who says what he likes to it."""
    return Case(name, [frame], anything, counters={"exception_out": 1}, settle=0.05, **more)


def anything(_frames):
    return None


def tagged(*tags):
    """A Binding request behind these tags, as (type, VLAN)."""
    packet = ipv4(CLIENT4, SERVICE4, request4(binding()))
    head = mac(PORT_MAC) + mac(CLIENT_MAC) + b"".join(struct.pack("!HH", kind, vlan) for kind, vlan in tags)
    return head + struct.pack("!H", IPV4) + packet


def bare(size, kind=IPV4):
    """A frame of no more than size bytes."""
    return (mac(PORT_MAC) + mac(CLIENT_MAC) + struct.pack("!H", kind) + ipv4(CLIENT4, SERVICE4, request4(binding())))[:size]


def ethernet_cases():
    return [
        one("a frame of an Ethernet header and one byte", bare(15), "truncated"),
        one("a frame that ends within the IP header", bare(33), "truncated"),
        one("a frame that ends within the UDP header", bare(40), "truncated"),
        one("a frame that ends one byte early", bare(61), "truncated"),
        one("a tag in a tag (802.1Q in 802.1Q)", tagged((VLAN, VLAN_ID), (VLAN, VLAN_ID)), "vlan_stacked"),
        one("a service tag alone (802.1ad)", tagged((QINQ, VLAN_ID)), "vlan_stacked"),
        one("a tag in a service tag", tagged((QINQ, VLAN_ID), (VLAN, VLAN_ID)), "vlan_stacked"),
        one("a service tag in a tag", tagged((VLAN, VLAN_ID), (QINQ, VLAN_ID)), "vlan_stacked"),
        one("eight tags", tagged(*[(VLAN, VLAN_ID)] * 8), "vlan_stacked"),
        Case("a priority tag (VLAN 0) is no VLAN", [tagged((VLAN, 0))], [ANSWER4], counters=ANSWERED),
        one("a tag and nothing behind it", tagged((VLAN, VLAN_ID))[:20], "truncated"),
        Case("a frame that is longer than the port's MTU, and fits a buffer",
             [frame4(stun.Message(stun.BINDING, transaction=TRANSACTION).add(stun.SOFTWARE, b"x" * 700).add(0x8FFE, b"y" * 900).build())],
             [ANSWER4], counters=ANSWERED),
        one("a jumbo frame, which does not fit", frame4(b"\xff" * 8000), "truncated"),
    ]


def chain(*headers, payload=None, last=UDP):
    """An IPv6 packet with these extension headers, each (number, bytes of its body behind the two of every header)."""
    payload = udp(CLIENT6, SERVICE6, CLIENT_PORT, TURN_PORT, binding()) if payload is None else payload
    numbers = [number for number, _ in headers[1:]] + [last]
    body = b"".join(struct.pack("!BB", following, max(0, len(rest) - 6) // 8) + rest for (_, rest), following in zip(headers, numbers))
    return from_client(ipv6(CLIENT6, SERVICE6, body + payload, proto=headers[0][0]), IPV6)


PAD = struct.pack("!BB4x", 1, 4)       # PadN (RFC 8200 4.2)
ROUTE = struct.pack("!BB4x", 0, 0)     # type 0, no segments left (RFC 5095)
WHOLE = struct.pack("!HI", 0, 7)       # an atomic fragment (RFC 6946)


def ip_cases():
    options = lambda raw: frame4(binding(), options=raw)  # noqa: E731
    behind = [(DESTINATION, PAD)] * 8
    return [
        one("IP options: loose source route", options(b"\x83\x07\x04\xc0\x00\x02\x0a\x00"), "ip_options"),
        one("IP options: record route, forty bytes", options(b"\x07\x27\x04" + bytes(36) + b"\x00"), "ip_options"),
        one("IP options: one that is longer than the header", options(b"\x07\xff\x04\x00"), "ip_options"),
        one("an IP header that is longer than the packet", frame4(binding(), ihl=15, total=40), "bad_ip_header"),
        one("a total length below the header's", frame4(binding(), total=19), "bad_ip_header"),
        one("no UDP header in the packet", from_client(ipv4(CLIENT4, SERVICE4, b"\x00\x01")), "truncated"),
        one("a UDP length below its header's", from_client(ipv4(CLIENT4, SERVICE4, request4(binding())[:4] + b"\x00\x07" + request4(binding())[6:])),
            "truncated"),
        one("IPv6: UDP length beyond the packet",
            from_client(ipv6(CLIENT6, SERVICE6, udp(CLIENT6, SERVICE6, CLIENT_PORT, TURN_PORT, binding())[:4] + b"\x0f\x00"
                             + udp(CLIENT6, SERVICE6, CLIENT_PORT, TURN_PORT, binding())[6:]), IPV6), "truncated"),
        one("IPv6: hop-by-hop options", chain((HOP_BY_HOP, PAD)), "ip_options"),
        one("IPv6: a routing header", chain((ROUTING, ROUTE)), "ip_options"),
        one("IPv6: destination options", chain((DESTINATION, PAD)), "ip_options"),
        one("IPv6: a long header (264 bytes)", chain((DESTINATION, struct.pack("!BB", 1, 254) + bytes(254) + struct.pack("!BB4x", 1, 4))), "ip_options"),
        one("IPv6: hop-by-hop, destination, routing, destination", chain((HOP_BY_HOP, PAD), (DESTINATION, PAD), (ROUTING, ROUTE), (DESTINATION, PAD)),
            "ip_options"),
        one("IPv6: a chain of eight headers", chain(*behind), "ip_options"),
        one("IPv6: a chain of a hundred headers", chain(*[(DESTINATION, PAD)] * 100), "ip_options"),
        one("IPv6: a fragment behind a chain of eight", chain(*behind + [(FRAGMENT, WHOLE)]), "ip_options"),
        # Linux would put them together and serve what nobody has looked at.
        one("IPv6: an atomic fragment in an atomic fragment", chain((FRAGMENT, WHOLE), (FRAGMENT, WHOLE)), "ip_options"),
        one("IPv6: a fragment behind destination options", chain((DESTINATION, PAD), (FRAGMENT, WHOLE)), "ip_options"),
        one("IPv6: a chain that ends beyond the packet", chain((DESTINATION, PAD), payload=b"", last=DESTINATION), "ip_options"),
        Case("an atomic fragment is a datagram (RFC 6946)", [chain((FRAGMENT, WHOLE))], [ANSWER6], counters=dict(ANSWERED, fragments_in=1)),
        one("IPv6: destination options behind an atomic fragment", chain((FRAGMENT, WHOLE), (DESTINATION, PAD)), "ip_options"),
    ]


def neighbour_cases():
    """Neighbour discovery has a rate of its own, which nobody beyond this link may use up: a router takes a hop off (RFC 4861 7.1.1)."""
    def solicitation(hops):
        body = struct.pack("!BBHI", 135, 0, 0, 0) + ip_bytes(SERVICE6) + struct.pack("!BB", 1, 1) + mac(CLIENT_MAC)
        head = ip_bytes(CLIENT6) + ip_bytes(SERVICE6) + struct.pack("!II", len(body), ICMP6)
        body = body[:2] + struct.pack("!H", checksum(head + body)) + body[4:]
        return from_client(ipv6(CLIENT6, SERVICE6, body, proto=ICMP6, hops=hops), IPV6)

    return [Case(name, [solicitation(hops)], anything, counters={"exception_out": 1, "guard_unknown": unknown}, settle=0.05)
            for name, hops, unknown in (("neighbour discovery is charged nowhere", 255, 0), ("neighbour discovery from afar is a stranger's", 254, 1))]


def source_cases():
    from6 = lambda src: from_client(ipv6(src, SERVICE6, udp(src, SERVICE6, CLIENT_PORT, TURN_PORT, binding())), IPV6)  # noqa: E731
    return [one("from " + src, frame4(binding(), src=src), "bad_source") for src in ("0.0.0.0", "0.1.2.3", "240.0.0.1", "255.255.255.255", "239.1.2.3")] \
        + [one("from " + src, from6(src), "bad_source") for src in ("::", "::1", "ff02::1", "::192.0.2.9", SERVICE6)]


RTP = struct.pack("!BBHII", 0x80, 0, 1, 160, 0x1234) + bytes(160)
DTLS = bytes.fromhex("16fefd0000000000000000") + struct.pack("!H", 50) + bytes(50)


def listener_cases():
    to_media = lambda payload, src=CLIENT4, port=MEDIA_PORT_FREE: from_client(  # noqa: E731
        ipv4(src, SERVICE4, udp(src, SERVICE4, CLIENT_PORT, port, payload)))
    cookie = binding()[4:8]
    return [
        one("a DTLS record at a TURN listener", frame4(DTLS), "not_stun"),
        one("RTP at a TURN listener", frame4(RTP), "not_stun"),
        one("SIP at a TURN listener, whose first letter means ChannelData", frame4(b"OPTIONS sip:192.0.2.1 SIP/2.0\r\n\r\n"), "no_allocation"),
        one("DNS at a TURN listener", frame4(bytes.fromhex("0100012000010000000000000377777700")), "not_stun"),
        one("one byte at a TURN listener", frame4(b"\x00"), "not_stun"),
        one("nothing at all at a TURN listener", frame4(b""), "not_stun"),
        one("half a STUN header", frame4(binding()[:12]), "not_stun"),
        one("a STUN length that is not a multiple of four", frame4(b"\x00\x01\x00\x02" + cookie + TRANSACTION + b"ab"), "not_stun"),
        one("a STUN length beyond the datagram", frame4(b"\x00\x01\x00\x40" + cookie + TRANSACTION), "stun_malformed"),
        one("an answer too long beside its request", frame4(stun.Message(stun.ALLOCATE, transaction=TRANSACTION).build()), "reflection_limit"),
        one("RTP at a media port that nobody holds", to_media(RTP), "media_no_leg"),
        one("STUN at a media port that nobody holds", to_media(binding()), "media_no_leg"),
        one("DTLS at a media port that nobody holds", to_media(DTLS), "media_no_leg"),
    ]


def sip_cases():
    to = lambda payload: from_client(ipv4(CLIENT4, SERVICE4, udp(CLIENT4, SERVICE4, SIP_PORT, SIP_PORT, payload)))  # noqa: E731
    head = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKgolden%d\r\nFrom: <sip:a@192.0.2.10>;tag=1\r\nTo: <sip:192.0.2.1>\r\n" \
           "Call-ID: golden%d@192.0.2.10\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

    def answered(frames):
        return None if any(f[42:50] == b"SIP/2.0 " for f in frames) else "no SIP response"

    passes = [("a response nobody waits for", b"SIP/2.0 200 OK\r\n" + (head % (2, 2)).encode()), ("keep-alive of two line ends", b"\r\n\r\n"),
              ("keep-alive of one line end", b"\r\n"), ("keep-alive of four zero bytes", bytes(4)), ("keep-alive of nothing", b""),
              ("a method nobody knows", b"x-golden sip:192.0.2.1 SIP/2.0\r\n" + (head % (3, 3)).encode().replace(b"1 OPTIONS", b"1 x-golden"))]
    fails = [("lower-case letters without end", b"lowercasegarbagewithoutanyblankinthefirstbytes of it"), ("a version nobody speaks", b"SIP/3.0 200 OK\r\n\r\n"),
             ("HTML", b"<html><body>"), ("a blank first", b" INVITE sip:a@192.0.2.1 SIP/2.0\r\n"), ("binary", bytes(range(128, 255))),
             ("RTP", RTP), ("STUN", binding()), ("DTLS", DTLS), ("many zero bytes", bytes(40)), ("one word", b"INVITE"),
             ("a method of a hundred letters", b"A" * 100 + b" sip:a@192.0.2.1 SIP/2.0\r\n"), ("a comma in the method", b"INV,ITE sip:a@b SIP/2.0\r\n")]
    behind = lambda payload: chain((DESTINATION, PAD), (ROUTING, ROUTE), payload=udp(CLIENT6, SERVICE6, SIP_PORT, SIP_PORT, payload))  # noqa: E731
    return [one("not SIP: binary, behind IPv6 extension headers", behind(bytes(range(128, 255))), "sip_malformed"),
            linux("SIP: a keep-alive behind IPv6 extension headers", behind(b"\r\n\r\n")),
            Case("SIP: a request is answered", [to(("OPTIONS sip:192.0.2.1 SIP/2.0\r\n" + head % (1, 1)).encode())], answered,
                 counters={"exception_out": 1}, settle=0.2)] \
        + [linux("SIP: " + name, to(payload)) for name, payload in passes] \
        + [one("not SIP: " + name, to(payload), "sip_malformed") for name, payload in fails]


INDICATION = stun.Message(stun.BINDING, stun.INDICATION, TRANSACTION).build()  # costs what a request costs, and is not answered


LONG_INDICATION = udp("203.0.113.9", SERVICE4, CLIENT_PORT, BY_SOURCE,
                      stun.Message(stun.BINDING, stun.INDICATION, TRANSACTION).add(stun.SOFTWARE, b"x" * 60).build())


def indication(src, port=TURN_PORT, dst=SERVICE4, sport=CLIENT_PORT):
    if ":" in src:
        return from_client(ipv6(src, SERVICE6, udp(src, SERVICE6, sport, port, INDICATION)), IPV6)
    return from_client(ipv4(src, dst, udp(src, dst, sport, port, INDICATION)))


def list_cases():
    other = lambda src: from_client(ipv4(src, SERVICE4, udp(src, SERVICE4, 5353, 5353, b"for Linux")))  # noqa: E731
    ban = lambda address, **body: (lambda world: world.put("/v1/guard/bans/" + address, body))  # noqa: E731
    unban = lambda address: (lambda world: world.delete("/v1/guard/bans/" + address))  # noqa: E731
    return [
        one("denied prefix", indication("203.0.113.8"), "guard_denied"),
        one("denied prefix, its first address", indication("203.0.113.0"), "guard_denied"),
        one("denied prefix, its last address", indication("203.0.113.255"), "guard_denied"),
        Case("beside the denied prefix", [indication("203.0.112.255"), indication("203.0.114.0")], counters={"guard_unknown": 2}),
        Case("allowed within the denied prefix", [indication("203.0.113.9")]),
        one("denied prefix, for Linux", other("203.0.113.8"), "guard_denied"),
        one("denied prefix, IPv6", indication("2001:db8:dead::8"), "guard_denied"),
        Case("allowed within the denied prefix, IPv6", [indication("2001:db8:dead:1:2::9")]),
        Case("beside the denied prefix, IPv6", [indication("2001:db8:deae::")]),
        Case("an address before it is banned", [indication("198.18.7.7")]),
        one("a banned address", indication("198.18.7.7"), "guard_banned", before=ban("198.18.7.7"), wait=0.3),
        Case("beside the banned address", [indication("198.18.7.8")]),
        one("a banned address, for Linux", other("198.18.7.7"), "guard_banned"),
        Case("no longer banned", [indication("198.18.7.7")], before=unban("198.18.7.7"), wait=0.3),
        one("a banned address, IPv6", indication("2001:db8:7::7"), "guard_banned", before=ban("2001:db8:7::7"), wait=0.3),
        Case("beside the banned address, IPv6", [indication("2001:db8:7::8")]),
        one("a banned customer, IPv6", indication("2001:db8:7:9:a::b"), "guard_banned", before=ban("2001:db8:7:9::%2F64"), wait=0.3),
        Case("beside the banned customer, IPv6", [indication("2001:db8:7:a::b")]),
        Case("a ban ends by itself", [indication("198.18.7.9")], before=ban("198.18.7.9", seconds=1), wait=2.5),
    ]


def limit_cases():
    dice = random.Random(22)
    far = ["%d.%d.1.1" % (dice.randrange(20, 100), i) for i in range(16)]
    return [
        Case("a source over its limit", [indication("198.18.0.1", BY_SOURCE)] * 16, drops={"guard_source_limit": (11, 12, 13)}),
        Case("another source is not", [indication("198.18.0.2", BY_SOURCE)] * 3),
        Case("the same source at another listener is not", [indication("198.18.0.1")] * 3),
        Case("addresses of one customer are one source, IPv6", [indication("2001:db8:5:5::%x" % (i + 1), BY_SOURCE) for i in range(16)],
             drops={"guard_source_limit": (11, 12, 13)}),
        Case("who is allowed has no limit", [indication("203.0.113.9", BY_SOURCE)] * 16),
        Case("who is allowed has no limit, in fragments either",
             [from_client(f) for ident in range(12) for f in ipv4_fragments("203.0.113.9", SERVICE4, LONG_INDICATION, 64, ident)],
             counters={"reassembled": 12}),
        Case("a prefix over its limit", [indication("198.18.1.%d" % (i + 1), BY_PREFIX) for i in range(16)], drops={"guard_prefix_limit": (11, 12, 13)}),
        Case("the prefix beside it is not", [indication("198.18.2.1", BY_PREFIX)] * 3),
        Case("a wide prefix over its limit", [indication("198.19.%d.1" % i, BY_WIDE) for i in range(16)], drops={"guard_wide_limit": (11, 12, 13)}),
        Case("the wide prefix beside it is not", [indication("198.20.1.1", BY_WIDE)] * 3),
        # Half of the total is for whoever comes, the other half for those who come again.
        Case("all strangers over their limit", [indication(src, BY_TOTAL) for src in far[:8]], drops={"guard_total_limit": (5, 6)}),
        Case("who comes again goes before who does not", [indication(src, BY_TOTAL) for src in far[8:16] + far[7:8]],
             drops={"guard_total_limit": (3, 4, 5, 6)}, counters={"guard_came_again": 1}, wait=0.6),  # 6; fewer after a pause of the machine
        Case("fragments are charged as well", [from_client(ipv4("198.18.3.1", SERVICE4, bytes(16), fragment=0x2000, ident=i)) for i in range(4)],
             drops={"fragment_timeout": 4}, counters={"fragments_in": 4, "guard_unknown": 4}, settle=0.5),
    ]


class Client(turn.Turn):
    """A TURN client in frames."""

    def __init__(self, world, port):
        self.world, self.port = world, port
        self.user, self.password, self.sha256, self.use_userhash = "alice", "golden", False, False
        self.realm = self.nonce = self.algorithms = self.origin = None
        self.algorithm = stun.ALGORITHM_MD5

    def frame(self, payload):
        return from_client(ipv4(CLIENT4, SERVICE4, udp(CLIENT4, SERVICE4, self.port, TURN_PORT, payload)))

    def exchange(self, message, raw):
        def is_answer(frame):
            try:
                m = stun.parse(frame[42:])
            except stun.Malformed:
                return None
            return m if m.transaction == message.transaction and m.klass in (stun.SUCCESS, stun.ERROR) else None
        return self.world.exchange(self.frame(raw), is_answer)


class Sessions:
    """TURN sessions, made while the cases run."""

    PEER = (CLIENT4, 9000)

    def __init__(self):
        self.clients = []

    def make(self, world):
        c = Client(world, 41000 + len(self.clients))
        c.allocate()
        c.request(stun.CHANNEL_BIND, [(stun.CHANNEL_NUMBER, b"\x40\x00\0\0"),
                                      (stun.XOR_PEER_ADDRESS, lambda transaction: stun.xor_address(*self.PEER, transaction))])
        self.clients.append(c)

    def to_peer(self, n, per_client):
        return lambda: [c.frame(stun.channel_data(0x4000, b"data")) for c in self.clients[:n] for _ in range(per_client)]

    def from_peer(self, n, src=PEER):
        def make():
            port = self.clients[0].relay[1]
            return [from_client(ipv4(src[0], SERVICE4, udp(src[0], SERVICE4, src[1], port, b"data")))] * n
        return make

    def odd(self, *payloads):
        """What the first session's client sends that is not right."""
        return lambda: [self.clients[0].frame(payload) for payload in payloads]

    def forged(self):
        return [from_client(ipv4(CLIENT4, SERVICE4, udp(CLIENT4, SERVICE4, 41999, TURN_PORT, stun.channel_data(0x4000, b"data"))))]


def session_cases():
    s = Sessions()
    return [
        Case("TURN: a session's packets are charged nowhere", s.to_peer(1, 8), anything, counters={"guard_unknown": 0, "guard_known": 8}, before=s.make, wait=1.2),
        Case("TURN: a session over its limit", s.to_peer(1, 14), anything, drops={"session_limit": (4, 5, 6)}, counters={"guard_unknown": 0}, wait=1.5),
        Case("TURN: the way from the peer has a limit of its own", s.from_peer(14), anything, drops={"session_limit": (4, 5, 6)},
             counters={"guard_unknown": 0}),
        Case("TURN: all sessions together over their limit", s.to_peer(2, 8), anything, drops={"tenant_limit": (2, 3, 4, 5)}, before=s.make, wait=1.5),
        Case("TURN: a stranger to the session's relay port", s.from_peer(1, ("198.18.9.8", 9000)), drops={"no_permission": 1},
             counters={"guard_unknown": 1}),
        Case("TURN: the session's channel from another port", s.forged, drops={"no_allocation": 1}, counters={"guard_unknown": 1}),
        Case("TURN: ChannelData longer than its datagram", s.odd(stun.channel_data(0x4000, b"data")[:6]), drops={"channel_malformed": 1}, wait=1.2),
        Case("TURN: a channel that is not bound", s.odd(stun.channel_data(0x4001, b"data")), drops={"no_channel": 1}),
        Case("TURN: Send to nobody", s.odd(stun.Message(stun.SEND, stun.INDICATION, TRANSACTION).add(stun.DATA_ATTR, b"data").build()),
             drops={"send_malformed": 1}),
        Case("TURN: Send to a peer that policy forbids", s.odd(stun.Message(stun.SEND, stun.INDICATION, TRANSACTION)
             .add_address(stun.XOR_PEER_ADDRESS, "198.18.9.8", 9).add(stun.DATA_ATTR, b"data").build()), drops={"peer_forbidden": 1}),
    ]


def dry_run_cases():
    def end(world):
        would = world.get("/v1/guard")["would_drop"]
        world.delete("/v1/guard/policy")
        if would.get("guard_denied") != 1 or would.get("guard_source_limit") not in (11, 12, 13):
            return "would drop %s" % would
        return None

    return [
        Case("dry run: what is denied passes", [indication("203.0.113.8")], before=lambda world: world.put("/v1/guard/policy", {"dry_run": True}), wait=0.3),
        Case("dry run: who is over a limit passes", [indication("198.18.0.5", BY_SOURCE)] * 16),
        one("after the dry run, which counted what it let pass: what is denied does not", indication("203.0.113.8"), "guard_denied", before=end, wait=0.3),
    ]


class Call:
    """A call through the relay, made by ng while the cases run: its ports are known only then."""

    A, B = (CLIENT4, 20000), (CLIENT4, 20010)

    def __init__(self):
        self.ports = {}
        self.sequence = 0

    def sdp(self, party):
        return "v=0\r\no=golden 1 1 IN IP4 %s\r\ns=golden\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtcp-mux\r\n" % (party[0], party[0], party[1])

    def make(self, world):
        common = {"call-id": "golden", "from-tag": "a", "ICE": "remove", "flags": ["strict source"], "replace": ["origin", "session-connection"]}
        offered = world.ng.ok(dict(common, command="offer", sdp=self.sdp(self.A)))["sdp"]
        answered = world.ng.ok(dict(common, command="answer", sdp=self.sdp(self.B), **{"to-tag": "b"}))["sdp"]
        self.ports = {"b": int(re.search(r"m=audio (\d+)", offered).group(1)), "a": int(re.search(r"m=audio (\d+)", answered).group(1))}

    def end(self, world):
        world.ng.ok({"command": "delete", "call-id": "golden", "from-tag": "a", "delete-delay": 0})

    def frame(self, payload, src=A, to="a"):
        return from_client(ipv4(src[0], SERVICE4, udp(src[0], SERVICE4, src[1], self.ports[to], payload)))

    def sound(self, size=160):
        self.sequence += 1
        return struct.pack("!BBHII", 0x80, 0, self.sequence, 160 * self.sequence, 0x60D) + b"\xd5" * size


def media_cases():
    call = Call()
    later = lambda *frames: (lambda: [call.frame(*f) if isinstance(f, tuple) else call.frame(f()) for f in frames])  # noqa: E731

    def relayed(n):
        def look(frames):
            sound = [f for f in frames if f[42:44] == b"\x80\x00"]
            return None if len(sound) == n else "%d packets of sound instead of %d" % (len(sound), n)
        return look

    return [
        Case("media: sound is relayed", later(call.sound), relayed(1), before=call.make, wait=0.3),
        Case("media: STUN on a call without ICE", later((binding(),)), drops={"media_unexpected": 1}),
        Case("media: a DTLS record", later((DTLS,)), drops={"media_unexpected": 1}),
        Case("media: TURN's ChannelData", later((stun.channel_data(0x4000, b"data"),)), drops={"media_unexpected": 1}),
        Case("media: a single byte", later((b"\x80",)), drops={"media_unexpected": 1}),
        Case("media: SIP", later((b"INVITE sip:a@b SIP/2.0\r\n\r\n",)), drops={"media_unexpected": 1}),
        Case("media: RTP whose extension is longer than it", later((struct.pack("!BBHII", 0x90, 0, 1, 1, 0x60D) + b"\xbe\xde\xff\xff",)),
             drops={"rtp_malformed": 1}),
        Case("media: RTCP that is longer than its datagram", later((struct.pack("!BBHI", 0x80, 201, 400, 0x60D),)), drops={"rtcp_malformed": 1}),
        Case("media: another source", later((call.sound(), ("198.18.9.9", 20000)), (call.sound(), (CLIENT4, 20001))), drops={"media_stranger": 2},
             counters={"guard_unknown": 2}),
        Case("media: a session over its limit", later(*[call.sound] * 14), anything, drops={"session_limit": (3, 4, 5)},
             counters={"guard_unknown": 0}, wait=1.5),
        Case("media: the call's port when it has ended", later((RTP,)), drops={"media_no_leg": 1}, before=call.end, wait=0.5),
    ]


def live():
    return ethernet_cases() + ip_cases() + neighbour_cases() + source_cases() + listener_cases() + sip_cases() + list_cases() + limit_cases() + dry_run_cases() + session_cases() \
        + media_cases()
