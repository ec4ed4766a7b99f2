#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""People who use the lab while something else goes on: known.py LAB.ENV --seconds S. Registered phones call each other and a carrier (each call has
a look at its RTP both ways) and refresh; newcomers, each from a port never seen before, register. All of them retransmit as RFC 3261 says and nobody
tries anything twice. SIGTERM ends it; one line of JSON says how often what failed, and how long newcomers and calls took to be set up."""

import argparse
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from lab import Lab, Missing, media_path  # noqa: E402
from run import read_env  # noqa: E402

PATIENCE_S = 8.0   # a transaction's; the lab's timers are a fifth of the real ones
PAUSE_S = 0.03     # between one thing and the next
SAMPLES_SHOWN = 3
stopping = False


class Tally:
    def __init__(self):
        self.times, self.failed, self.why = [], 0, []

    def take(self, fn):
        begun = time.monotonic()
        try:
            fn()
            self.times.append(time.monotonic() - begun)
        except Missing as error:
            self.failed += 1
            if len(self.why) < SAMPLES_SHOWN:
                self.why.append(str(error).split("\n")[0][:200])

    def report(self):
        times = sorted(self.times)
        n = len(times)
        at = lambda q: round(times[min(n - 1, int(n * q))] * 1e3, 1) if n else None  # noqa: E731
        return {"tried": n + self.failed, "failed": self.failed, "p50_ms": at(0.5), "p99_ms": at(0.99), "why": self.why}


def one_call(caller, callee, uri, identity):
    c = caller.call(uri)
    try:
        i = callee.ringing(PATIENCE_S, more=lambda m: identity in m.get("From", ""))
    except Missing as error:
        heard = ", ".join(m.start for m in caller.port.inbox[-3:]) or "nothing"
        raise Missing(f"no INVITE at {uri}; the caller heard {heard}") from error
    i.answer()
    c.up(PATIENCE_S)
    media_path(caller, c.answer.sdp, callee, i.sdp)
    c.bye(PATIENCE_S)
    i.expect_bye(PATIENCE_S)


def registered(lab, name, **options):
    """Whatever was before us may have left overload behind."""
    a = lab.user(name, register=False, **options)
    lab.world.until(lambda: a.register(expect=None).status == 200, 2 * PATIENCE_S, f"{name} is registered")
    return a


def newcomer(lab, name, ip):
    a = lab.user(name, register=False, ip=ip)
    try:
        a.register(seconds=PATIENCE_S)
    finally:
        a.port.close()
        lab.agents.remove(a)


def forget(agent):
    """What was sent and heard so far is of no use any more."""
    p = agent.port
    for kept in (p.inbox, p.received, p.sent, p.repeats):
        kept.clear()
    p.known.clear()
    p.answers.clear()


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("env")
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--newcomers", default="carol", help="user whom newcomers register as; %%d counts them, modulo --users")
    p.add_argument("--users", type=int, default=1)
    p.add_argument("--caller", default="alice")
    p.add_argument("--callee", default="bob", help="the carrier calls bob's number, whoever this is: say --no-trunk with another")
    p.add_argument("--no-trunk", action="store_true", help="users call each other only")
    p.add_argument("--ready-file")
    p.add_argument("--report")
    return p.parse_args()


def live(lab, args, tallies):
    alice, bob = registered(lab, args.caller), registered(lab, args.callee, ip="192.0.2.11")
    trunk = None if args.no_trunk else lab.trunk()
    if args.ready_file:
        with open(args.ready_file, "w", encoding="ascii") as f:
            f.write(f"{os.getpid()}\n")
    end, n = time.monotonic() + args.seconds, 0
    while not stopping and time.monotonic() < end:
        kind = n % 4
        if kind == 0:
            tallies["calls"].take(lambda: one_call(alice, bob, f"sip:{args.callee}@lab.test", args.caller))
        elif kind == 1 and not trunk:
            tallies["calls"].take(lambda: one_call(bob, alice, f"sip:{args.caller}@lab.test", args.callee))
        elif kind == 1:
            tallies["calls"].take(lambda: one_call(trunk, bob, "sip:+4930101@198.51.100.1", "carrier"))
        elif kind == 2:
            tallies["refreshes"].take(lambda: (alice if n % 8 == 2 else bob).register(seconds=PATIENCE_S))
        else:
            name = args.newcomers % (n // 4 % args.users) if "%" in args.newcomers else args.newcomers
            tallies["newcomers"].take(lambda: newcomer(lab, name, ("192.0.2.10", "192.0.2.11")[n // 4 % 2]))
        for a in (alice, bob, trunk):
            if a:
                forget(a)
        lab.world.run(PAUSE_S)
        n += 1


def main():
    args = parse_arguments()

    def stop(_signal, _frame):
        global stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    lab = Lab(read_env(args.env))
    lab.look_for_leaks = False
    lab.nobody_is_registered = lambda: None  # others may use the lab, too
    tallies = {"calls": Tally(), "refreshes": Tally(), "newcomers": Tally()}
    try:
        live(lab, args, tallies)
        lab.finish()
        status = 0
    except Missing as error:
        print(f"known.py: {error}", file=sys.stderr)
        status = 1
    finally:
        lab.close()
    out = json.dumps({name: t.report() for name, t in tallies.items()})
    print(out, flush=True)
    if args.report:
        with open(args.report, "w", encoding="ascii") as f:
            f.write(out + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
