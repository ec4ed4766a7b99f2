# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Debian's coturn, one relay thread."""

from generator import Generator
from kernel_relay import KernelRelay

RELAY, CLIENTS, PEERS = "198.18.0.1", "198.18.0.16+16", "198.18.0.64"


class Coturn(KernelRelay):
    name = "coturn"
    addresses = (f"{RELAY}/24",)
    port = 3478
    more_options = ()  # of the generator

    def command(self):
        return [
            "turnserver", "-n", "-L", RELAY, "-E", RELAY, "--lt-cred-mech", "-u", "bench:bench", "-r", "bench",
            "--min-port", "16384", "--max-port", "65535", "-m", "1", "--no-cli", "--no-tls", "--no-dtls",
            "--no-tcp", "--no-tcp-relay", "--log-file", "/dev/null", "--simple-log",
            "--pidfile", self.host.path("coturn.pid"), "--userdb", self.host.path("coturn.db"),
        ]

    def generator(self):
        # No warm-up: CPU time and packets must be of the same span.
        return Generator(self.host, "net_af_packet0,iface=gen0", [
            "--server", f"{RELAY}:{self.port}", "--clients", CLIENTS, "--peers", PEERS,
            "--seconds", str(self.host.args.seconds), "--warmup", "0", *self.more_options,
        ], namespace=self.generator_space)
