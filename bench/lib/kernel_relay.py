# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A relay on the kernel's sockets: on one core, in a namespace of its own, driven over a veth pair."""

from host import START_S, BenchError, descendants, run, thread_times, wait_until


class KernelRelay:
    addresses = ()  # of its end of the veth pair, with prefix lengths
    port = 0        # that it listens on, by UDP, once it works

    def __init__(self, host):
        self.host = host
        self.space = host.namespace(self.name)
        self.generator_space = host.namespace(f"{self.name}-gen")
        # Nobody but the generator may speak on its end.
        host.veth(self.generator_space, "gen0", self.space, "relay0")
        run("ip", "netns", "exec", self.generator_space, "sysctl", "-qw", "net.ipv6.conf.gen0.disable_ipv6=1")
        for address in self.addresses:
            run("ip", "-n", self.space, "addr", "add", address, "dev", "relay0")
        self.process = None

    def start(self):
        self.process = self.host.start(self.name, self.command(), namespace=self.space, core=self.host.args.worker_core)
        wait_until(self.name, self._listens, START_S, self.process)

    def _listens(self):
        try:
            with open(f"/proc/{self.process.pid}/net/udp", encoding="ascii") as file:
                return any(line.split()[1].endswith(f":{self.port:04X}") for line in file if ":" in line)
        except OSError:
            return False

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
            raise BenchError(f"{self.name} relayed nothing: {self.host.tail(self.name)}")
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
