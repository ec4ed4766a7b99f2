# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The golden packets: what goes in, what must come out, and which counters must move and by how much."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import stun  # noqa: E402
from frames import (ARP, HOP_BY_HOP, ICMP, IPV4, IPV6, checksum, ethernet, ip_bytes, ipv4, ipv4_fragments, ipv6,  # noqa: E402
                    ipv6_fragments, mac, udp,
                    without_ident)

PORT_MAC = "02:00:00:00:00:01"  # given to the TAP before the start, which the port takes over
CLIENT_MAC = "02:00:00:00:00:10"
VLAN_ID, NO_VLAN_ID = 100, 200
SERVICE4, CLIENT4, VLAN_CLIENT4 = "192.0.2.1", "192.0.2.10", "198.51.100.10"
SERVICE6, CLIENT6 = "2001:db8:1::1", "2001:db8:1::10"
TURN_PORT, CLIENT_PORT = 3478, 40000
FRAGMENTS_PER_SOURCE = 4
REALM = b"a.realm.of.some.length.for.golden.packets.test"
TRANSACTION, OTHER = bytes(range(12)), bytes(range(12, 24))


class Case:
    """frames: what goes in; or a function that makes them when their turn has come. out: frames expected, in order; or a
    function over the frames seen, which returns what is wrong or None. drops, counters: names and by how much they grow (a
    tuple: one of these); drops not named must not move. settle: seconds to wait beyond what the counters tell. before: a
    function of the World, called first, which may say what is wrong; wait: seconds after it."""

    def __init__(self, name, frames, out=(), drops=None, counters=None, settle=0.0, before=None, wait=0.0):
        self.name, self.frames, self.out = name, frames, out
        self.drops, self.counters, self.settle = drops or {}, counters or {}, settle
        self.before, self.wait = before, wait


def from_client(packet, kind=IPV4, vlan=None, dst=PORT_MAC):
    return ethernet(dst, CLIENT_MAC, kind, packet, vlan)


def to_client(packet, kind=IPV4, vlan=None):
    return ethernet(CLIENT_MAC, PORT_MAC, kind, packet, vlan, pad=False)


def request4(payload, src=CLIENT4, dst=SERVICE4, dport=TURN_PORT, **udp_options):
    return udp(src, dst, CLIENT_PORT, dport, payload, **udp_options)


def frame4(payload, vlan=None, src=CLIENT4, **ip_options):
    return from_client(ipv4(src, SERVICE4, request4(payload, src), **ip_options), vlan=vlan)


def frame6(payload, **udp_options):
    return from_client(ipv6(CLIENT6, SERVICE6, udp(CLIENT6, SERVICE6, CLIENT_PORT, TURN_PORT, payload, **udp_options)), IPV6)


def binding(fingerprint=False):
    return stun.Message(stun.BINDING, transaction=TRANSACTION).build(fingerprint=fingerprint)


def binding_answer(ip, fingerprint=False, transaction=TRANSACTION):
    return stun.Message(stun.BINDING, stun.SUCCESS, transaction) \
        .add_address(stun.XOR_MAPPED_ADDRESS, ip, CLIENT_PORT).build(fingerprint=fingerprint)


def answer4(payload, client=CLIENT4, vlan=None):
    return to_client(ipv4(SERVICE4, client, udp(SERVICE4, client, TURN_PORT, CLIENT_PORT, payload)), vlan=vlan)


def answer6(payload):
    return to_client(ipv6(SERVICE6, CLIENT6, udp(SERVICE6, CLIENT6, TURN_PORT, CLIENT_PORT, payload)), IPV6)


ANSWER4, ANSWER6 = answer4(binding_answer(CLIENT4)), answer6(binding_answer(CLIENT6))
ANSWERED = {"stun_requests": 1, "stun_success": 1}


def from_file():
    """Read by the port as soon as it runs, before any control plane: the cases of the rx_pcap file."""
    long_request = stun.Message(stun.BINDING, transaction=OTHER).add(stun.SOFTWARE, b"x" * 600).build()
    return [
        Case("Binding, IPv4", [frame4(binding())], [ANSWER4]),
        Case("Binding, IPv6", [frame6(binding())], [ANSWER6]),
        Case("Binding in a VLAN", [frame4(binding(), VLAN_ID, VLAN_CLIENT4)],
             [answer4(binding_answer(VLAN_CLIENT4), VLAN_CLIENT4, VLAN_ID)]),
        Case("neither STUN nor ChannelData", [frame4(b"not a STUN message at all")]),
        Case("wrong IP checksum", [frame4(binding(), wrong_checksum=True)]),
        Case("Binding in fragments",
             [from_client(f) for f in ipv4_fragments(CLIENT4, SERVICE4, request4(long_request), 400, 7)],
             [answer4(binding_answer(CLIENT4, transaction=OTHER))]),
        Case("Binding with FINGERPRINT", [frame4(binding(True))], [answer4(binding_answer(CLIENT4, True))]),
    ]


def refused(code, attribute=None, value=None):
    """One frame that is the error response with this code, its IP and UDP headers as they should be."""
    def look(frames):
        if len(frames) != 1:
            return "%d frames instead of one" % len(frames)
        payload = frames[0][42:]
        if without_ident(frames[0]) != without_ident(answer4(payload)):
            return "headers differ from " + answer4(payload)[:42].hex()
        m = stun.parse(payload)
        if (m.klass, m.transaction, m.error()) != (stun.ERROR, TRANSACTION, code):
            return "class %d, error %d" % (m.klass, m.error())
        if attribute is not None and (m.get(attribute) is None or not m.get(attribute).startswith(value)):
            return "attribute 0x%04x is %r" % (attribute, m.get(attribute))
        return None
    return look


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + mac(sender_mac) + ip_bytes(sender) + mac(target_mac) \
        + ip_bytes(target)


def icmp_echo(kind, payload):
    head = struct.pack("!BBHHH", kind, 0, 0, 0x77, 1)
    return struct.pack("!BBHHH", kind, 0, checksum(head + payload), 0x77, 1) + payload


def icmp_error(kind, code, quoted):
    head = struct.pack("!BBHI", kind, code, 0, 0)
    return struct.pack("!BBHI", kind, code, checksum(head + quoted), 0) + quoted


def arp_answered(frames):
    want = to_client(arp(2, PORT_MAC, SERVICE4, CLIENT_MAC, CLIENT4), ARP)
    return None if [f[:len(want)] for f in frames] == [want] else "not the ARP reply " + want.hex()


def echo_answered(payload):
    def look(frames):
        for f in frames:
            if f[14:15] == b"\x45" and f[23] == ICMP and f[26:34] == ip_bytes(SERVICE4) + ip_bytes(CLIENT4) \
                    and f[34:34 + 8 + len(payload)] == icmp_echo(0, payload):
                return None if len(frames) == 1 else "%d frames instead of one" % len(frames)
        return "no echo reply"
    return look


def answered_cases():
    message = stun.Message(stun.BINDING, transaction=TRANSACTION)
    padded = from_client(ipv4(CLIENT4, SERVICE4, request4(binding()))) + bytes(40)
    return [
        Case("Binding, IPv4", [frame4(binding())], [ANSWER4], counters=ANSWERED),
        Case("Binding, IPv6", [frame6(binding())], [ANSWER6], counters=ANSWERED),
        Case("Binding with FINGERPRINT is answered with one", [frame4(binding(True))],
             [answer4(binding_answer(CLIENT4, True))], counters=ANSWERED),
        Case("a VLAN's request is answered in the VLAN", [frame4(binding(), VLAN_ID, VLAN_CLIENT4)],
             [answer4(binding_answer(VLAN_CLIENT4), VLAN_CLIENT4, VLAN_ID)], counters=ANSWERED),
        Case("UDP without a checksum, IPv4 (RFC 768)",
             [from_client(ipv4(CLIENT4, SERVICE4, request4(binding(), zero_checksum=True)))], [ANSWER4], counters=ANSWERED),
        Case("bytes behind the IP packet are padding", [padded], [ANSWER4], counters=ANSWERED),
        Case("Binding indication: no answer, no drop",
             [frame4(stun.Message(stun.BINDING, stun.INDICATION, TRANSACTION).build())], counters={"stun_requests": 0}),
        Case("Allocate without credentials: 401 with the realm", [frame4(
            stun.Message(stun.ALLOCATE, transaction=TRANSACTION)
            .add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)).build())],
            refused(401, stun.REALM, REALM), counters={"stun_errors": 1}),
        Case("the same: with a nonce of RFC 8489", [frame4(
            stun.Message(stun.ALLOCATE, transaction=TRANSACTION)
            .add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)).build())],
             refused(401, stun.NONCE, stun.NONCE_COOKIE), counters={"stun_errors": 1}),
        Case("an unknown attribute that must be understood: 420 names it", [frame4(message.add(0x7FFE, b"what").build())],
             refused(420, stun.UNKNOWN_ATTRIBUTES, b"\x7f\xfe"), counters={"stun_errors": 1}),
        Case("CHANGE-REQUEST where there is no NAT discovery: 420 names it", [frame4(
            stun.Message(stun.BINDING, transaction=TRANSACTION).add(0x0003, struct.pack("!I", 6)).build())],
            refused(420, stun.UNKNOWN_ATTRIBUTES, b"\x00\x03"), counters={"stun_errors": 1}),
        Case("Connect without credentials: 401", [frame4(stun.Message(0x00A, transaction=TRANSACTION).add(stun.SOFTWARE, b"x" * 64).build())],
             refused(401, stun.REALM, REALM), counters={"stun_errors": 1}),
        Case("ARP for the service address is Linux's", [from_client(arp(1, CLIENT_MAC, CLIENT4, "00:00:00:00:00:00",
                                                                       SERVICE4), ARP, dst="ff:ff:ff:ff:ff:ff")],
             arp_answered, counters={"exception_out": 1}, settle=0.05),
        Case("ping is Linux's", [from_client(ipv4(CLIENT4, SERVICE4, icmp_echo(8, b"golden"), proto=ICMP))],
             echo_answered(b"golden"), counters={"exception_out": 1}, settle=0.05),
    ]


def dropped_cases():
    overrun = bytearray(stun.Message(stun.BINDING, transaction=TRANSACTION).add(stun.SOFTWARE, b"abcd").build())
    overrun[22:24] = b"\x01\x00"  # the attribute claims 256 bytes
    bad_print = bytearray(binding(True))
    bad_print[-1] ^= 1
    hop_by_hop = struct.pack("!BBHI", 17, 0, 0x0104, 0) + udp(CLIENT6, SERVICE6, CLIENT_PORT, TURN_PORT, binding())
    one = lambda name, frame, drop: Case(name, [frame], drops={drop: 1})  # noqa: E731
    return [
        one("shorter than an IP header", ethernet(PORT_MAC, CLIENT_MAC, IPV4, b"\x45\0", pad=False), "truncated"),
        one("total length beyond the frame", frame4(binding(), total=400), "truncated"),
        one("UDP length beyond the packet", from_client(ipv4(CLIENT4, SERVICE4, request4(binding())[:4]
                                                             + b"\x01\x00" + request4(binding())[6:])), "truncated"),
        one("IPv6 length beyond the frame", from_client(ipv6(CLIENT6, SERVICE6, request4(binding()), length=900), IPV6),
            "truncated"),
        one("IP version 5", frame4(binding(), version=5), "bad_ip_header"),
        one("IP header of 16 bytes", frame4(binding(), ihl=4), "bad_ip_header"),
        one("wrong IP checksum", frame4(binding(), wrong_checksum=True), "bad_ip_checksum"),
        one("IP options", frame4(binding(), options=b"\x01\x01\x01\x00"), "ip_options"),
        one("an IPv6 hop-by-hop header", from_client(ipv6(CLIENT6, SERVICE6, hop_by_hop, proto=HOP_BY_HOP), IPV6),
            "ip_options"),
        one("wrong UDP checksum, IPv4",
            from_client(ipv4(CLIENT4, SERVICE4, request4(binding(), wrong_checksum=True))), "bad_l4_checksum"),
        one("wrong UDP checksum, IPv6", frame6(binding(), wrong_checksum=True), "bad_l4_checksum"),
        one("no UDP checksum over IPv6 (RFC 8200 8.1)", frame6(binding(), zero_checksum=True), "bad_l4_checksum"),
        one("a VLAN that is not configured", frame4(binding(), NO_VLAN_ID), "bad_vlan"),
        one("another station's frame", from_client(ipv4(CLIENT4, SERVICE4, request4(binding())), dst="02:00:00:00:00:99"),
            "bad_ether"),
        one("a broadcast frame to the address (RFC 1122 3.3.6)",
            from_client(ipv4(CLIENT4, SERVICE4, request4(binding())), dst="ff:ff:ff:ff:ff:ff"), "bad_ether"),
        one("from a mapped address on the wire", from_client(
            ipv6("::ffff:192.0.2.77", SERVICE6, udp("::ffff:192.0.2.77", SERVICE6, CLIENT_PORT, TURN_PORT, binding())),
            IPV6), "bad_source"),
        one("from loopback", frame4(binding(), src="127.0.0.1"), "bad_source"),
        one("from multicast", frame4(binding(), src="224.0.0.5"), "bad_source"),
        one("from the address it goes to", frame4(binding(), src=SERVICE4), "bad_source"),
        one("neither STUN nor ChannelData", frame4(b"\xffnot a STUN message at all"), "not_stun"),
        one("without the magic cookie (RFC 3489)", frame4(binding()[:4] + bytes(4) + binding()[8:]), "not_stun"),
        one("an attribute that runs past the end", frame4(bytes(overrun)), "stun_malformed"),
        one("wrong FINGERPRINT", frame4(bytes(bad_print)), "stun_fingerprint"),
        one("a response nobody asked for", frame4(binding_answer(CLIENT4)), "stun_unexpected"),
        one("a method that is not served", frame4(stun.Message(0x00D, transaction=TRANSACTION).build()),
            "stun_unexpected"),
        one("ChannelData without an allocation", frame4(stun.channel_data(0x4000, b"data")), "no_allocation"),
        one("Send without an allocation", frame4(stun.Message(stun.SEND, stun.INDICATION, TRANSACTION)
                                                 .add_address(stun.XOR_PEER_ADDRESS, CLIENT4, 9)
                                                 .add(stun.DATA_ATTR, b"data").build()), "no_allocation"),
        one("a relay port that nobody holds",
            from_client(ipv4(CLIENT4, SERVICE4, request4(b"hello", dport=50000))), "no_allocation"),
        one("an ICMP error about a relay port that nobody holds", from_client(ipv4(CLIENT4, SERVICE4, icmp_error(
            3, 3, ipv4(SERVICE4, CLIENT4, udp(SERVICE4, CLIENT4, 50000, 9, b"hello"))), proto=ICMP)), "icmp_unrelated"),
        one("the same with a wrong ICMP checksum", from_client(ipv4(CLIENT4, SERVICE4, icmp_error(
            3, 3, ipv4(SERVICE4, CLIENT4, udp(SERVICE4, CLIENT4, 50000, 9, b"hello")))[:-1] + b"?", proto=ICMP)), "bad_l4_checksum"),
    ]


def fragment_cases():
    request = stun.Message(stun.BINDING, transaction=TRANSACTION).add(stun.SOFTWARE, b"x" * 600).build()
    v4 = lambda ident: [from_client(f) for f in ipv4_fragments(CLIENT4, SERVICE4, request4(request), 240, ident)]  # noqa: E731
    v6 = [from_client(f, IPV6) for f in ipv6_fragments(
        CLIENT6, SERVICE6, udp(CLIENT6, SERVICE6, CLIENT_PORT, TURN_PORT, request), 320, 9)]
    whole = {"reassembled": 1, "stun_success": 1}
    vlan = [from_client(f, vlan=VLAN_ID) for f in ipv4_fragments(
        VLAN_CLIENT4, SERVICE4, request4(request, VLAN_CLIENT4), 240, 5)]
    firsts = [v4(1000 + i)[0] for i in range(FRAGMENTS_PER_SOURCE + 3)]
    return [
        Case("fragments, in order", v4(1), [ANSWER4], counters=dict(whole, fragments_in=3)),
        Case("fragments, last one first", v4(2)[::-1], [ANSWER4], counters=dict(whole, fragments_in=3)),
        Case("fragments, IPv6", v6, [ANSWER6], counters=dict(whole, fragments_in=2)),
        Case("fragments in a VLAN", vlan, [answer4(binding_answer(VLAN_CLIENT4), VLAN_CLIENT4, VLAN_ID)],
             counters=dict(whole, fragments_in=3)),
        Case("a source's datagrams in reassembly are capped; what stays incomplete is given up", firsts,
             drops={"fragment_source_cap": 3, "fragment_timeout": FRAGMENTS_PER_SOURCE},
             counters={"reassembled": 0, "fragments_in": len(firsts)}, settle=0.1),
        Case("after that the source is served again", v4(3), [ANSWER4], counters=dict(whole, fragments_in=3)),
        Case("overlapping fragments are never a datagram", overlapping(request),
             drops={"fragment_bad": 2}, counters={"reassembled": 0}, settle=0.1),
    ]


def overlapping(request):
    """A first fragment, then a last one that covers part of it: their lengths add up to more than the datagram."""
    datagram = request4(request)
    first = ipv4(CLIENT4, SERVICE4, datagram[:400], ident=77, fragment=0x2000)
    last = ipv4(CLIENT4, SERVICE4, datagram[320:], ident=77, fragment=320 // 8)
    return [from_client(first), from_client(last)]


def live():
    return answered_cases() + dropped_cases() + fragment_cases()
