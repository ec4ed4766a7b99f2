# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Debian's coturn on one core, in a namespace of its own, driven over a veth pair."""

from generator import Generator
from host import BenchError, descendants, run, thread_times, wait_until

RELAY, CLIENTS, PEERS = "198.18.0.1", "198.18.0.16+16", "198.18.0.64"


class Coturn:
    name = "coturn"

    def __init__(self, host):
        self.host = host
        self.space = host.namespace("coturn")
        self.generator_space = host.namespace("gen")
        # Nobody but the generator may speak on its end.
        host.veth(self.generator_space, "gen0", self.space, "turn0")
        run("ip", "netns", "exec", self.generator_space, "sysctl", "-qw", "net.ipv6.conf.gen0.disable_ipv6=1")
        run("ip", "-n", self.space, "addr", "add", f"{RELAY}/24", "dev", "turn0")
        self.process = None

    def start(self):
        host = self.host
        self.process = host.start("coturn", [
            "turnserver", "-n", "-L", RELAY, "-E", RELAY, "--lt-cred-mech", "-u", "bench:bench", "-r", "bench",
            "--min-port", "16384", "--max-port", "65535", "-m", "1", "--no-cli", "--no-tls", "--no-dtls",
            "--no-tcp", "--no-tcp-relay", "--log-file", "/dev/null", "--simple-log",
            "--pidfile", host.path("coturn.pid"), "--userdb", host.path("coturn.db"),
        ], namespace=self.space, core=host.args.worker_core)
        wait_until("coturn", self._listens, 10, self.process)

    def _listens(self):
        """Port 3478 (0x0D96) is bound by UDP in its namespace."""
        try:
            with open(f"/proc/{self.process.pid}/net/udp", encoding="ascii") as file:
                return any(line.split()[1].endswith(":0D96") for line in file if ":" in line)
        except OSError:
            return False

    def generator(self):
        # No warm-up: CPU time and packets must be of the same span.
        return Generator(self.host, "net_af_packet0,iface=gen0", [
            "--server", f"{RELAY}:3478", "--clients", CLIENTS, "--peers", PEERS,
            "--seconds", str(self.host.args.seconds), "--warmup", "0",
        ], namespace=self.generator_space)

    def snapshot(self):
        ran = waited = 0
        for pid in descendants(self.process.pid):
            for one_ran, one_waited in thread_times(pid).values():
                ran += one_ran
                waited += one_waited
        return ran, waited

    def row(self, result, before, after):
        ran = after[0] - before[0]
        if result["received"] == 0:
            raise BenchError("coturn relayed nothing")
        cpu_ns = ran / result["received"]
        return {
            "mpps": result["mpps"],
            "cpu_ns_per_packet": cpu_ns,
            "cycles_per_packet": cpu_ns * result["tsc_hz"] / 1e9,
            # Saturated, it lacks only what others took: its threads' waiting for one another is no loss.
            "core_taken_share": max(0.0, 1 - ran / 1e9 / result["seconds"]),
        }

    def stop(self):
        self.host.stop(self.process)
