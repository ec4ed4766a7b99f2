#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A small TURN client for the tests: says what it saw in one line of JSON, where turnutils_uclient only says "ok".

  turn_client.py stream     relay numbered datagrams to an echoing peer, report loss, gaps and order
  turn_client.py pair       the same between two allocations on the server (hairpin)
  turn_client.py allocate   allocate only; --hold SECONDS keeps it, --expect CODE wants an error
  turn_client.py churn      --count allocations one after another, each given back
  turn_client.py probe      Binding requests at a rate: how many were answered, and when the last one
  turn_client.py permission CreatePermission and ChannelBind towards each --peer, report the codes
  turn_client.py scenario   a rule of the protocol: reservation, retransmission, mismatch, stale, transport, unknown
  turn_client.py echo       the peer: sends back what comes, whole
  turn_client.py flood      unauthenticated requests from many source addresses and ports

Exit status: 0 = as expected, 1 = not, 2 = usage or no answer.
"""

import argparse
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stun  # noqa: E402
import turn_stream  # noqa: E402
from turn import NoAnswer, Refused, Turn, endpoint, family_of, rest_credentials  # noqa: E402

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DONT = 10, 2, 0
IPV6_MTU_DISCOVER = 23
SEQUENCE = struct.Struct("!IQ")  # number, time sent in ns
stopping = False


class Track:
    """What became of a stream of numbered datagrams."""

    def __init__(self, start):
        self.sent = self.received = self.duplicates = self.reordered = self.corrupt = 0
        self.seen, self.last_number = set(), -1
        self.start = self.last_arrival = start
        self.longest_gap, self.gap_at = 0.0, 0.0
        self.rtt_sum = self.rtt_max = 0.0

    def payload(self, size, now):
        number, self.sent = self.sent, self.sent + 1
        head = SEQUENCE.pack(number, int(now * 1e9))
        return head + bytes((number + i) & 0xFF for i in range(max(0, size - len(head))))

    def arrived(self, payload, size, now):
        if len(payload) < SEQUENCE.size:
            self.corrupt += 1
            return
        number, sent_ns = SEQUENCE.unpack_from(payload)
        tail = payload[SEQUENCE.size:]
        if (number >= self.sent or len(payload) != max(size, SEQUENCE.size)
                or tail != bytes((number + i) & 0xFF for i in range(len(tail)))):
            self.corrupt += 1
            return
        if number in self.seen:
            self.duplicates += 1
            return
        self.seen.add(number)
        self.received += 1
        self.reordered += number < self.last_number
        self.last_number = max(number, self.last_number)
        if now - self.last_arrival > self.longest_gap:
            self.longest_gap, self.gap_at = now - self.last_arrival, self.last_arrival - self.start
        self.last_arrival = now
        rtt = now - sent_ns / 1e9
        self.rtt_sum += rtt
        self.rtt_max = max(self.rtt_max, rtt)


def summary(tracks, **more):
    received = sum(t.received for t in tracks)
    sent = sum(t.sent for t in tracks)
    worst = max(tracks, key=lambda t: t.longest_gap)
    out = {
        "sent": sent, "received": received, "lost": sent - received,
        "duplicates": sum(t.duplicates for t in tracks), "reordered": sum(t.reordered for t in tracks),
        "corrupt": sum(t.corrupt for t in tracks),
        "longest_gap_ms": round(worst.longest_gap * 1e3, 1), "gap_at_s": round(worst.gap_at, 3),
        "resumed_unix": round(time.time() - time.monotonic() + worst.start + worst.gap_at + worst.longest_gap, 3),
        "ends_well": all(t.sent - 1 in t.seen for t in tracks),
        "rtt_avg_ms": round(sum(t.rtt_sum for t in tracks) / max(received, 1) * 1e3, 3),
        "rtt_max_ms": round(max(t.rtt_max for t in tracks) * 1e3, 3),
    }
    out.update(more)
    return out


def new_client(args):
    local = endpoint(args.local, 0) if args.local else None
    server, stream = endpoint(args.server), None
    if args.over != "udp":
        tls = turn_stream.client_context(args.ca) if args.over == "tls" else None
        proxy = turn_stream.proxy_header(endpoint(args.proxy_source), server) if args.proxy_source else b""
        stream = turn_stream.StreamSocket(server, local, tls, args.server_name, proxy, args.receive_buffer)
    client = Turn(server, args.user, args.password, local, args.sha256, args.userhash, stream, args.origin)
    client.patience = args.patience
    return client


def say_ready(args):
    """The test waits for this file before it starts to break things."""
    if args.ready_file:
        with open(args.ready_file, "w") as f:
            f.write("%d\n" % os.getpid())


def run_streams(args, links):
    """links: (send(payload), receiving client, Track) each; the send times are spread evenly."""
    interval = 1.0 / args.rate
    start = time.monotonic()
    tracks = [track for _, _, track in links]
    for track in tracks:
        track.start = track.last_arrival = start
    by_socket = {}
    for i, (_, client, _) in enumerate(links):
        by_socket.setdefault(client.socket, []).append(i)
    due = [start + interval * i / len(links) for i in range(len(links))]
    end = start + args.seconds
    send_errors = 0
    while True:
        now = time.monotonic()
        if stopping:  # what is under way still counts
            end = min(end, now)
        if now >= end + args.drain or (now >= end and all(t.received == t.sent for t in tracks)):
            break
        if now < end:
            for i, (send, _, track) in enumerate(links):
                while due[i] <= now:
                    try:
                        send(track.payload(args.size, now))
                    except OSError:
                        send_errors += 1
                    due[i] += interval
        wait = min(due) - time.monotonic() if now < end else 0.02
        readable, _, _ = select.select(list(by_socket), [], [], max(0, wait))
        now = time.monotonic()
        for s in readable:
            i = by_socket[s][0]
            for _ in range(64):
                try:
                    raw = s.recv(65535, socket.MSG_DONTWAIT)
                except OSError:
                    break
                got = links[i][1].unwrap(raw)
                if got:
                    tracks[i].arrived(got[1], args.size, now)
    now = time.monotonic()
    for t in tracks:  # silence until the end is a gap too
        silent = min(now, end) - t.last_arrival
        if t.received < t.sent and silent > t.longest_gap:
            t.longest_gap, t.gap_at = silent, t.last_arrival - t.start
    return tracks, send_errors


def finish(args, out, ok):
    text = json.dumps(out)
    print(text, flush=True)
    if args.report:
        with open(args.report, "w") as f:
            f.write(text + "\n")
    return 0 if ok else 1


def command_stream(args):
    peers = [endpoint(p) for p in args.peer]
    links, clients = [], []
    for i in range(args.sessions):
        client, peer = new_client(args), peers[i % len(peers)]
        client.allocate(args.lifetime, args.family)
        if not args.no_permission:
            client.permission(peer)
        if args.method == "channel":
            number = 0x4000 + i % 0x1000
            client.channel(number, peer)
            send = lambda payload, c=client, n=number: c.send_channel(n, payload)  # noqa: E731
        else:
            send = lambda payload, c=client, p=peer: c.send_indication(p, payload, args.dont_fragment)  # noqa: E731
        clients.append(client)
        links.append((send, client, Track(time.monotonic())))
    say_ready(args)
    tracks, send_errors = run_streams(args, links)
    out = summary(tracks, sessions=args.sessions, rate=args.rate * len(links), send_errors=send_errors,
                  relay=["%s:%d" % c.relay for c in clients[:4]],
                  retransmissions=sum(c.retransmissions for c in clients))
    if not args.keep:
        for c in clients:
            c.close()
    return finish(args, out, out["lost"] <= args.max_loss and not out["duplicates"] and not out["corrupt"])


def command_pair(args):
    links, clients = [], []
    for _ in range(args.sessions):
        a, b = new_client(args), new_client(args)
        a.allocate(args.lifetime, args.family)
        b.allocate(args.lifetime, args.family)
        a.channel(0x4000, b.relay)
        b.channel(0x4001, a.relay)
        links.append((lambda payload, c=a: c.send_channel(0x4000, payload), b, Track(time.monotonic())))
        links.append((lambda payload, c=b: c.send_channel(0x4001, payload), a, Track(time.monotonic())))
        clients += [a, b]
    say_ready(args)
    tracks, send_errors = run_streams(args, links)
    out = summary(tracks, sessions=args.sessions, rate=args.rate * len(links), send_errors=send_errors)
    if not args.keep:
        for c in clients:
            c.close()
    return finish(args, out, out["lost"] <= args.max_loss and not out["duplicates"] and not out["corrupt"])


def command_allocate(args):
    client = new_client(args)
    try:
        client.allocate(args.lifetime, args.family, args.even_port, None, args.dont_fragment)
    except Refused as e:
        return finish(args, {"error": e.code, "local": "%s:%d" % client.socket.getsockname()[:2],
                             "retransmissions": client.retransmissions}, e.code == args.expect)
    out = {"error": 0, "relay": "%s:%d" % client.relay, "mapped": "%s:%d" % client.mapped,
           "lifetime": client.lifetime, "realm": client.realm, "sha256": client.algorithm == stun.ALGORITHM_SHA256,
           "retransmissions": client.retransmissions}
    say_ready(args)
    status = finish(args, out, args.expect == 0)
    end = time.monotonic() + args.hold
    while not stopping and time.monotonic() < end:
        time.sleep(0.05)
    if not args.keep:
        client.close()
    return status


def command_churn(args):
    """--count of them, or --rate a second for --churn-seconds; SIGTERM ends it. One of a hundred may stay without an answer."""
    ports, refused, unanswered, again, times, tried = set(), 0, 0, 0, [], 0
    end = time.monotonic() + args.churn_seconds
    while not stopping and (time.monotonic() < end if args.churn_seconds else tried < args.count):
        client, begun = new_client(args), time.monotonic()
        tried += 1
        try:
            ports.add(client.allocate(args.lifetime, args.family)[1])
            times.append(time.monotonic() - begun)
            client.close()
        except Refused:
            refused += 1
        except NoAnswer:
            unanswered += 1
        again += client.retransmissions
        client.socket.close()
        if tried == 1:
            say_ready(args)
        if args.churn_seconds:
            time.sleep(max(0, begun + 1 / args.rate - time.monotonic()))
    times.sort()
    out = {"tried": tried, "refused": refused, "unanswered": unanswered, "ports": len(ports), "retransmissions": again,
           "p50_ms": round(times[len(times) // 2] * 1e3, 1) if times else None}
    return finish(args, out, refused == 0 and unanswered * 100 <= tried)


def command_probe(args):
    """Binding requests, --rate a second, none sent twice: when was which answered? first_unix and last_unix are of answers; SIGTERM ends it."""
    client, due, times, sent = new_client(args), time.monotonic(), [], 0
    say_ready(args)
    end = due + args.seconds
    while not stopping and time.monotonic() < end:
        if time.monotonic() >= due:
            try:
                client.socket.send(stun.Message(stun.BINDING).build())
                sent += 1
            except OSError:
                pass
            due += 1 / args.rate
        readable, _, _ = select.select([client.socket], [], [], max(0, due - time.monotonic()))
        try:
            if readable and client.socket.recv(65535):
                times.append(round(time.time(), 3))
        except OSError:
            pass
    return finish(args, {"sent": sent, "answered": len(times), "first_unix": times[0] if times else 0, "last_unix": times[-1] if times else 0}, True)


def refusal(action, *args, **named):
    """The error code that an action meets; 0 = none."""
    try:
        action(*args, **named)
        return 0
    except Refused as e:
        return e.code


def scenario_reservation(args):
    """EVEN-PORT with R, then an allocation by the token gets the port above (RFC 8656 7.2)."""
    first, second = new_client(args), new_client(args)
    first.allocate(even_port=1)
    second.allocate(token=first.token)
    ports = [first.relay[1], second.relay[1]]
    third = refusal(new_client(args).allocate, token=first.token)  # a token serves once
    first.close()
    second.close()
    return {"ports": ports, "again": third}, ports[0] % 2 == 0 and ports[1] == ports[0] + 1 and third == 508


def scenario_retransmission(args):
    """The same Allocate twice, byte for byte: the same answer and one allocation (RFC 8656 7.2)."""
    client = new_client(args)
    probe = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
    client.learn(client.exchange(probe, probe.build()))
    m = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24))
    m.add(stun.USERNAME, client.user.encode()).add(stun.REALM, client.realm.encode()).add(stun.NONCE, client.nonce)
    raw = m.build(client.key())
    answers = [client.exchange(m, raw) for _ in range(3)]
    relays = {a.address(stun.XOR_RELAYED_ADDRESS) for a in answers}
    client.close()
    return {"relays": len(relays)}, all(a.klass == stun.SUCCESS for a in answers) and len(relays) == 1


def scenario_mismatch(args):
    client = new_client(args)
    client.allocate()
    second = refusal(client.allocate)
    other_user = refusal(Turn.refresh, client, 600)
    client.close()
    after = refusal(client.refresh, 600)
    return {"second": second, "refresh": other_user, "after": after}, (second, other_user, after) == (437, 0, 437)


def scenario_stale(args):
    """A nonce older than the configured lifetime draws 438 with a new one."""
    client = new_client(args)
    client.allocate()
    old = client.nonce
    time.sleep(args.hold)
    client.refresh(600)
    renewed = client.nonce != old
    client.close()
    return {"renewed": renewed}, renewed


def scenario_transport(args):
    client = new_client(args)
    code = refusal(client.request, stun.ALLOCATE, [(stun.REQUESTED_TRANSPORT, struct.pack("!I", 6 << 24))])
    missing = refusal(client.request, stun.ALLOCATE)
    return {"tcp": code, "missing": missing}, (code, missing) == (442, 400)


def scenario_unknown(args):
    """420 names the comprehension-required attribute nobody knows."""
    client = new_client(args)
    m = stun.Message(stun.BINDING).add(0x7FFE, b"?!")
    answer = client.exchange(m, m.build())
    named = answer.get(stun.UNKNOWN_ATTRIBUTES) or b""
    return {"error": answer.error(), "named": named.hex()}, answer.error() == 420 and named[:2] == b"\x7f\xfe"


def command_scenario(args):
    out, ok = globals()["scenario_" + args.scenario](args)
    return finish(args, out, ok)


def command_permission(args):
    client = new_client(args)
    client.allocate(args.lifetime, args.family)
    out = {}
    for i, text in enumerate(args.peer):
        peer = endpoint(text)
        out[text] = {"permission": refusal(client.permission, peer),
                     "channel": refusal(client.channel, 0x4000 + i, peer)}
    client.close()
    codes = [c for both in out.values() for c in both.values()]
    return finish(args, out, all(c == args.expect for c in codes))


def command_echo(args):
    sockets = []
    for text in args.bind:
        where = endpoint(text)
        s = socket.socket(family_of(where[0]), socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if family_of(where[0]) == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT)
        else:
            s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO if args.df else IP_PMTUDISC_DONT)
        s.bind(where)
        sockets.append(s)
    say_ready(args)
    count = errors = 0
    while not stopping:
        readable, _, _ = select.select(sockets, [], [], 0.1)
        for s in readable:
            for _ in range(64):
                try:
                    payload, sender = s.recvfrom(65535, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    break
                except OSError:
                    errors += 1
                    continue
                try:
                    s.sendto(payload, sender)
                    count += 1
                except OSError:
                    errors += 1
    return finish(args, {"echoed": count, "errors": errors}, True)


def ethernet_of(interface, gateway):
    """Own MAC and the gateway's, once the kernel has resolved it."""
    with open("/sys/class/net/%s/address" % interface) as f:
        own = bytes.fromhex(f.read().strip().replace(":", ""))
    with open("/proc/net/arp") as f:
        for line in f.read().splitlines()[1:]:
            fields = line.split()
            if fields[0] == gateway and fields[5] == interface:
                return own, bytes.fromhex(fields[3].replace(":", ""))
    raise NoAnswer("no neighbour entry for %s: ping it first" % gateway)


def ones_complement(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def command_flood(args):
    """Allocate requests without credentials: whole frames, so that each has another source address and port."""
    server = endpoint(args.server)
    own, gateway = ethernet_of(args.interface, server[0])
    network = ipaddress.ip_network(args.sources)
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((args.interface, 0))
    message = stun.Message(stun.ALLOCATE).add(stun.REQUESTED_TRANSPORT, struct.pack("!I", 17 << 24)).build()
    frames = []
    for i in range(args.frames):
        source = network.network_address + 2 + (i * 7919) % (network.num_addresses - 4)
        udp = struct.pack("!HHHH", 1024 + (i * 104729) % 60000, server[1], 8 + len(message), 0) + message
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), i, 0, 64, 17, 0, source.packed,
                         ipaddress.ip_address(server[0]).packed)
        ip = ip[:10] + struct.pack("!H", ones_complement(ip)) + ip[12:]
        frames.append(gateway + own + b"\x08\x00" + ip + udp)
    say_ready(args)
    sent, start = 0, time.monotonic()
    while not stopping and time.monotonic() - start < args.seconds:
        for _ in range(32):
            try:
                raw.send(frames[sent % len(frames)], socket.MSG_DONTWAIT)
                sent += 1
            except OSError:
                time.sleep(0.0005)
        ahead = sent / args.rate - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)
    return finish(args, {"sent": sent, "pps": int(sent / (time.monotonic() - start))}, sent > 0)


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=("stream", "pair", "allocate", "churn", "permission", "probe", "echo", "flood", "scenario"))
    p.add_argument("scenario", nargs="?", default="", help="scenario: which (see the functions scenario_*)")
    p.add_argument("--server", help="ADDRESS:PORT of the TURN server")
    p.add_argument("--local", help="own ADDRESS[:PORT]")
    p.add_argument("--over", choices=("udp", "tcp", "tls"), default="udp", help="transport to the server")
    p.add_argument("--server-name", help="tls: the name asked for (SNI)")
    p.add_argument("--ca", help="tls: the server must be of this CA; without it any certificate will do")
    p.add_argument("--proxy-source", help="tcp, tls: say by a PROXY v2 header that the client is ADDRESS:PORT")
    p.add_argument("--receive-buffer", type=int, default=0, help="tcp, tls: bytes of the kernel's receive buffer; 0 = its choice")
    p.add_argument("--origin", help="ORIGIN of each request")
    p.add_argument("--user", default="user")
    p.add_argument("--password", default="password")
    p.add_argument("--rest-secret", help="make the credentials from this shared secret and --user")
    p.add_argument("--rest-expiry", type=int, default=3600, help="seconds from now")
    p.add_argument("--patience", type=float, default=Turn.patience, help="seconds until a request is given up")
    p.add_argument("--sha256", action="store_true", help="take SHA-256 when the server offers it (RFC 8489)")
    p.add_argument("--userhash", action="store_true", help="hide the user name; with --sha256")
    p.add_argument("--family", type=int, choices=(4, 6), help="of the relay address")
    p.add_argument("--lifetime", type=int)
    p.add_argument("--even-port", type=int, choices=(0, 1), help="1 = reserve the next port too")
    p.add_argument("--peer", action="append", default=[], help="ADDRESS:PORT, may be repeated")
    p.add_argument("--method", choices=("channel", "send"), default="channel")
    p.add_argument("--no-permission", action="store_true", help="stream: ask for none")
    p.add_argument("--dont-fragment", action="store_true")
    p.add_argument("--count", type=int, default=1, help="churn: how many")
    p.add_argument("--churn-seconds", type=float, default=0, help="churn: --rate of them a second for so long instead")
    p.add_argument("--sessions", type=int, default=1)
    p.add_argument("--size", type=int, default=172, help="application bytes of a datagram")
    p.add_argument("--rate", type=float, default=50, help="datagrams a second and session (flood: in all)")
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--drain", type=float, default=1, help="seconds to wait for what is under way at the end")
    p.add_argument("--max-loss", type=int, default=0)
    p.add_argument("--hold", type=float, default=0, help="seconds to keep the allocation")
    p.add_argument("--keep", action="store_true", help="leave the allocations to expire")
    p.add_argument("--expect", type=int, default=0, help="error code wanted; 0 = success")
    p.add_argument("--bind", action="append", default=[], help="echo: ADDRESS:PORT, may be repeated")
    p.add_argument("--df", action="store_true", help="echo: set Don't Fragment")
    p.add_argument("--interface", default="eth0", help="flood: send on this")
    p.add_argument("--sources", default="198.18.0.0/15", help="flood: source addresses")
    p.add_argument("--frames", type=int, default=4096, help="flood: addresses and ports until it begins with the first again")
    p.add_argument("--ready-file", help="written when everything is set up")
    p.add_argument("--report", help="also write the JSON line here")
    return p


def main():
    args = parser().parse_intermixed_args()
    if args.command != "echo" and not args.server:
        print("turn_client.py: --server is needed", file=sys.stderr)
        return 2

    def stop(_signal, _frame):
        global stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if args.rest_secret:
        args.user, args.password = rest_credentials(args.rest_secret, args.user, args.rest_expiry)
    try:
        return globals()["command_" + args.command](args)
    except Refused as e:
        print(json.dumps({"error": e.code, "text": str(e)}))
        return 0 if args.expect and e.code == args.expect else 1
    except NoAnswer as e:
        print(json.dumps({"error": -1, "text": str(e)}))
        return 2


if __name__ == "__main__":
    sys.exit(main())
