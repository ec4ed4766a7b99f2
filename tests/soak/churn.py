#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Clients of every kind, one after another in each of several threads; a line of JSON at the end. Exit status 1 when a client that did nothing wrong was
not served.

  churn.py --server 192.0.2.1:3478 --rude-server [2001:db8:1::1]:3478 --tls-port 443 --peer 198.51.100.10:3480 --tcp-peer 198.51.100.10:3481
    --user alice --password x --seconds 60
  churn.py ... --at-once 400    so many allocations at the same time, then given back
"""

import argparse
import collections
import json
import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import stun  # noqa: E402
import turn_stream  # noqa: E402
from turn import NoAnswer, Refused, Turn, endpoint  # noqa: E402


class TooSlow(Exception):
    """The allocation's time was over before the client came to use it."""


class Churn:
    def __init__(self, args):
        self.args = args
        self.server, self.peer, self.tcp_peer = endpoint(args.server), endpoint(args.peer), endpoint(args.tcp_peer)
        self.rude_server = endpoint(args.rude_server) if args.rude_server else self.server
        self.lock, self.done, self.failed = threading.Lock(), collections.Counter(), collections.Counter()
        self.tls = turn_stream.client_context()

    def client(self, over):
        stream = None
        if over == "tls":
            stream = turn_stream.StreamSocket((self.server[0], self.args.tls_port), tls=self.tls)
        elif over == "tcp":
            stream = turn_stream.StreamSocket(self.server)
        c = Turn(self.server, self.args.user, self.args.password, stream=stream)
        c.patience = 8.0
        return c

    def relay(self, c, number):
        payload = os.urandom(random.randint(1, 600))
        for _ in range(10):
            c.send_channel(number, payload)
            got = c.receive(0.5)
            if got and got[1] == payload:
                return
        raise NoAnswer("nothing came back by channel")

    def plain(self, rng, over):
        c = self.client(over)
        if rng.random() < 0.2:
            c.allocate(even_port=1)
        else:
            c.allocate(additional=rng.random() < 0.3, mobile=rng.random() < 0.3)
        c.permission(self.peer)
        c.channel(0x4000, self.peer)
        self.relay(c, 0x4000)
        if c.ticket and rng.random() < 0.7:
            new = self.client(rng.choice(("udp", "tcp", "tls")))
            new.realm, new.nonce = c.realm, c.nonce
            new.request(stun.REFRESH, [(stun.LIFETIME, struct.pack("!I", 5)), (stun.MOBILITY_TICKET, c.ticket)])
            self.relay(new, 0x4000)
            c.socket.close()
            c = new
        way = rng.random()
        if way < 0.5:
            c.close()
        elif way < 0.7:
            c.refresh(1)
        c.socket.close()

    def tcp_relay(self, rng, over):
        c, begun = self.client(over), time.monotonic()
        c.allocate(transport=6)
        answer = c.request(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, lambda t: stun.xor_address(*self.tcp_peer, t))])
        if rng.random() < 0.8:
            data = self.client(over)
            data.realm, data.nonce = c.realm, c.nonce
            try:
                data.request(stun.CONNECTION_BIND, [(stun.CONNECTION_ID, answer.get(stun.CONNECTION_ID))])
            except Refused as e:  # nothing here refreshes: a new connection that had to wait comes too late, and its id is nobody's any more
                if e.code != 400 or time.monotonic() - begun < c.lifetime - 1:
                    raise
                data.socket.close()
                c.socket.close()
                raise TooSlow() from e
            stream, _ = data.socket.detach()
            payload, got = os.urandom(20000), b""
            stream.sendall(payload)
            while len(got) < len(payload):
                part = stream.recv(65536)
                if not part:
                    raise NoAnswer("the data connection ended early")
                got += part
            if got != payload:
                raise NoAnswer("other bytes came back")
            stream.close()
            data.socket.close()
        if rng.random() < 0.5:
            c.close()
        c.socket.close()

    def rude(self, rng):
        kind = rng.randrange(4)
        if kind == 0:
            try:
                Turn(self.rude_server, self.args.user, "wrong").allocate()
            except Refused:
                pass
            return
        s = socket.create_connection((self.rude_server[0], self.args.tls_port if kind == 3 else self.rude_server[1]), timeout=3)
        s.sendall(((), os.urandom(50), struct.pack("!HH", 3, 100) + stun.COOKIE, bytes.fromhex("16030102000100"))[kind])
        time.sleep(0.05)
        s.close()

    def thread(self, seed):
        rng, end = random.Random(seed), time.monotonic() + self.args.seconds
        while time.monotonic() < end:
            over = rng.choice(("udp", "tcp", "tls"))
            what = "rude" if rng.random() < 0.1 else "tcp relay over " + over if over != "udp" and rng.random() < 0.2 else over
            try:
                if what == "rude":
                    self.rude(rng)
                elif what.startswith("tcp relay"):
                    self.tcp_relay(rng, over)
                else:
                    self.plain(rng, over)
                with self.lock:
                    self.done[what] += 1
            except TooSlow:
                with self.lock:
                    self.done["too slow for its allocation"] += 1
            except (Refused, NoAnswer, OSError) as e:
                with self.lock:
                    if what == "rude" and not isinstance(e, Refused):  # the guard bans who guesses passwords, for two seconds
                        self.done["rude, and banned"] += 1
                    elif isinstance(e, Refused) and e.code == 437:  # the kernel gave a port again whose allocation was left to expire
                        self.done["port of an allocation that lives"] += 1
                    else:
                        self.failed["%s: %s: %s" % (what, type(e).__name__, e)] += 1

    def run(self):
        threads = [threading.Thread(target=self.thread, args=(i,)) for i in range(self.args.threads)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def at_once(self):
        clients = []
        try:
            for _ in range(self.args.at_once):
                c = self.client("udp")
                clients.append(c)
                c.allocate()
                self.done["allocated"] += 1
        except (Refused, NoAnswer) as e:
            self.failed[str(e)] += 1
        for c in clients:
            if c.relay:
                c.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--server", required=True)
    p.add_argument("--rude-server", default="", help="where those who misbehave come to: of another family, as the guard bans their address")
    p.add_argument("--tls-port", type=int, default=443)
    p.add_argument("--peer", required=True)
    p.add_argument("--tcp-peer", required=True)
    p.add_argument("--user", required=True)
    p.add_argument("--password", required=True)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--threads", type=int, default=8)
    p.add_argument("--at-once", type=int, default=0)
    args = p.parse_args()
    churn = Churn(args)
    if args.at_once:
        churn.at_once()
    else:
        churn.run()
    late = churn.done["too slow for its allocation"]
    if late > sum(churn.done.values()) / 10:  # a busy machine makes some so, not these many
        churn.failed["%d were too slow for their allocations" % late] += 1
    print(json.dumps({"done": churn.done, "failed": churn.failed}))
    return 1 if churn.failed or not churn.done else 0


if __name__ == "__main__":
    sys.exit(main())
