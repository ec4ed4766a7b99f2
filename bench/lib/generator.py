# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""sluice-pktgen as a child: one step at a time, its JSON lines as dictionaries."""

import json
import subprocess
import threading

from host import BenchError


class Generator:
    def __init__(self, host, device, options, namespace=None, name="pktgen"):
        args = host.args
        argv = [args.pktgen, "--step", "--lcore", str(args.generator_core), "--port", device,
                "--sessions", str(args.sessions), "--payload", str(args.payload)] + list(options)
        if not host.hugepages:
            argv.append("--no-huge")
        self.host = host
        self.name = name
        self.process = host.start(name, argv, namespace=namespace, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, bufsize=1)
        # Whatever hangs, a round ends: set-up of a thousand sessions a second at the worst.
        limit_s = 90 + args.warmup + max(args.seconds, getattr(args, "watch_s", 0)) + max(args.sessions, args.allocations) / 1000
        self.watchdog = threading.Timer(limit_s, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()

    def wait(self, event):
        """Read on until EVENT comes; returns it."""
        for line in self.process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if message.get("event") == event:
                return message
        self.process.wait()
        raise BenchError(f"the generator stopped before '{event}': {self.host.tail(self.name)}")

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        self.go()
        self.stop()

    def stop(self):
        """Closing its input makes it give its allocations back and leave."""
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.host.stop(self.process)
        self.watchdog.cancel()


def ping_pong(args):
    """(cycles, 'packed' or 'spread') of the two cores just now."""
    out = subprocess.run([args.pktgen, "--ping-pong", f"{args.generator_core},{args.worker_core}"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    if out.returncode != 0:
        raise BenchError(f"ping-pong: {out.stderr.strip()}")
    answer = json.loads(out.stdout)
    return answer["cycles"], answer["placement"]
