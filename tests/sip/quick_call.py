#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The call of the quick start: two user agents in two namespaces register with digest (SHA-256), one calls the other, both speak for a while, each
hears byte by byte what the other said, and one hangs up. Prints a line for each step; exit status 1 when one of them failed."""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lab")]
sys.dont_write_bytecode = True

from net import Missing, Port, World  # noqa: E402
from sound import ALAW, encode, sweep  # noqa: E402
from ua import Agent  # noqa: E402

PACKET, PACKET_S = 160, 0.02  # G.711
LEAST_HEARD = 0.99


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    for side in ("caller", "callee"):
        p.add_argument(f"--{side}", required=True, help="NAMESPACE,ADDRESS,USER,PASSWORD,APPLIANCE")
    p.add_argument("--domain", required=True)
    p.add_argument("--seconds", type=float, default=2)
    return p.parse_args()


def agent(world, text, domain):
    namespace, ip, user, password, appliance = text.split(",")
    return Agent(Port(world, namespace, ip, 0), f"sip:{user}@{domain}", (appliance, 5060), user, password, "SHA-256")


def converse(world, parties, seconds):
    """Both send their sound in time; each keeps what it hears."""
    end, due, n = time.monotonic() + seconds + 0.3, time.monotonic(), 0
    while time.monotonic() < end:
        if time.monotonic() >= due and n * PACKET_S < seconds:
            for who, to, sound in parties:
                who.media().mark = sound[n * PACKET:(n + 1) * PACKET]
                who.media().send(to)
            n, due = n + 1, due + PACKET_S
        world.pump(max(0.0, min(due - time.monotonic(), 0.02)))
    return n


def heard(who, sound, packets):
    """Share of the packets that came, unchanged and in order."""
    at = 0
    for payload, _ in who.media().heard:
        found = next((k for k in range(at, packets) if payload == sound[k * PACKET:(k + 1) * PACKET]), None)
        if found is None:
            raise Missing(f"{who.name} heard what nobody said")
        at = found + 1
    return len(who.media().heard) / packets


def main():
    args = parse_arguments()
    world = World()
    try:
        a, b = agent(world, args.caller, args.domain), agent(world, args.callee, args.domain)
        for who in (a, b):
            who.register()
            print(f"   {who.aor[4:]} is registered from {who.port.ip} (digest by SHA-256)")
        begun = time.monotonic()
        c = a.call(f"sip:{b.name}@{args.domain}")
        i = b.ringing()
        i.ring(180)
        c.wait(180)
        i.answer(ack=False)
        c.up()
        i.wait_ack()
        print(f"   {a.name} calls {b.name}: answered after {(time.monotonic() - begun) * 1000:.0f} ms, sound goes through "
              f"{c.answer.sdp.ip}:{c.answer.sdp.port} and {i.sdp.ip}:{i.sdp.port}")
        sounds = [encode(sweep(args.seconds, seed), ALAW) for seed in (1, 2)]
        n = converse(world, ((a, c.answer.sdp.address, sounds[0]), (b, i.sdp.address, sounds[1])), args.seconds)
        for who, other, sound in ((a, b, sounds[1]), (b, a, sounds[0])):
            share = heard(who, sound, n)
            print(f"   {who.name} heard {other.name}: {share * 100:.1f} % of {n} packets, byte by byte")
            if share < LEAST_HEARD:
                raise Missing("too much of the sound was lost")
        m = c.send(c.new("BYE"))
        i.expect_bye()
        a.final(m)
        for who in (a, b):
            who.register(contact="*", expires=0)
        print(f"   {a.name} hung up")
        return 0
    except (Missing, OSError) as error:
        print(f"{os.path.basename(__file__)}: {error}", file=sys.stderr)
        return 1
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
