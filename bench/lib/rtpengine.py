# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Debian's rtpengine, forwarding in userspace with one thread."""

import resource

from host import BenchError, run, say
from kernel_relay import KernelRelay
from media import make_plan, plan_generator
from media_cases import INTERFACE_A, INTERFACE_B, NG, RELAY_A, RELAY_B, RELAY_PORTS, calls_of

SOCKETS_PER_LEG, OTHER_FILES = 2, 256


def file_limit(wanted):
    """How many open files a process may have: as many as wanted where we may raise the limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        run("prlimit", f"--nofile={wanted}:{wanted}", "true")
        return wanted
    except BenchError:
        return min(hard, wanted)


class Rtpengine(KernelRelay):
    name = "rtpengine"
    addresses = (f"{RELAY_A}/24", f"{RELAY_B}/32")
    port = int(NG.rsplit(":", 1)[1])

    def __init__(self, host):
        super().__init__(host)
        wanted = host.args.sessions
        self.files = file_limit(OTHER_FILES + SOCKETS_PER_LEG * (wanted + calls_of(host.args.case, wanted)))
        # Fewer legs where files are short; it is the better for it.
        self.sessions = min(wanted, (self.files - OTHER_FILES) // SOCKETS_PER_LEG // 2 * 2)
        if self.sessions < wanted:
            say(f"{self.name} may open {self.files} files here: it gets {self.sessions} legs")

    def command(self):
        return [
            "prlimit", f"--nofile={self.files}:{self.files}", "rtpengine", "--foreground", "--table=-1",
            "--num-threads=1",
            f"--interface={INTERFACE_A}/{RELAY_A}", f"--interface={INTERFACE_B}/{RELAY_B}", f"--listen-ng={NG}",
            f"--port-min={RELAY_PORTS[0]}", f"--port-max={RELAY_PORTS[1]}", "--timeout=3600", "--log-stderr",
            "--log-level=3", f"--pidfile={self.host.path('rtpengine.pid')}",
        ]

    def generator(self):
        # No warm-up: CPU time and packets must be of the same span.
        plan = make_plan(self.host, self.space, legs=self.sessions)
        return plan_generator(self.host, "net_af_packet0,iface=gen0", plan, namespace=self.generator_space,
                              more=["--warmup", "0"])

    def row(self, result, before, after):
        return {**super().row(result, before, after), "sessions": self.sessions}
