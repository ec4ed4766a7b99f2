# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The appliance: both programs in a namespace of their own, one worker, one memif port."""

import http.client
import os
import re
import socket
import time

from generator import Generator
from host import START_S, BenchError, busiest_thread, run, wait_until

RELAY, CLIENTS, PEERS = "198.18.0.1", "198.18.0.16+32", "198.18.0.64"
RELAY_PORT_MIN = 16384
MORE_RELAYS = "198.19.0.{}"

CONFIG = """
log_level = "warning";
dataplane = {{
  workers = [ {worker_core} ];
  housekeeper_core = {generator_core};
  hugepages = "{hugepages}";
  memory_mb = {memory_mb};
  idle = "{idle}";
  socket = "{dir}/dataplane.sock";
  max_allocations = {max_allocations};
  max_peers = {max_peers};
  unauthenticated_pps = 10000000;
  ports = (
    {{ name = "bench"; tap = "sl-bench";
      device = "{device}";
      addresses = [ "{relay}/15" ]; }}
  );
}};
turn = {{
  listen = [ "{relay}:3478" ];
  relay_addresses = [ {relay_addresses} ];
  relay_ports = [ {port_min}, 65535 ];
  realm = "bench";
  users = ( {{ name = "bench"; password = "bench"; }} );
  peers = ( {{ allow = "198.18.0.0/15"; }} );
}};
control = {{
  api_socket = "{dir}/api.sock";
  database = "{dir}/bench.db";
}};
"""


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=START_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Sluice:
    name = "sluice"
    # Counters of the workers that make up what is called a packet here.
    counted = ("relayed_to_peer_packets", "relayed_to_client_packets")
    not_counted = ()
    space_name = "app"
    idle = "poll"
    device = "net_memif0,role=server,socket={memif},socket-abstract=no"

    def __init__(self, host):
        self.host = host
        self.space = host.namespace(self.space_name)
        self.memif = host.path("sluice.sock")
        self.api = host.path("api.sock")
        self.config = host.path("sluice.conf")
        self.processes = []
        self.relays = [RELAY]
        text = self.configuration()
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    relay_port_min = RELAY_PORT_MIN
    room = 1.25     # tables hold so many times the sessions,
    peers_each = 2  # and permissions and channels so many times those

    def more_sessions(self):
        """Allocations beside those of --sessions."""
        return 0

    def common(self):
        """What every configuration fills in."""
        host = self.host
        return {"worker_core": host.args.worker_core, "generator_core": host.args.generator_core,
                "hugepages": "yes" if host.hugepages else "no", "memory_mb": host.args.memory_mb, "dir": host.dir,
                "memif": self.memif}

    def configuration(self):
        sessions = self.host.args.sessions + self.more_sessions()
        n = -(-sessions // (65536 - self.relay_port_min - 1024))
        # A listener's port cannot be a relay's of the same address.
        self.relays = [MORE_RELAYS.format(i) if i or self.relay_port_min < RELAY_PORT_MIN else RELAY for i in range(n)]
        return CONFIG.format(
            **self.common(), idle=self.idle, device=self.device.format(memif=self.memif), relay=RELAY, relay_addresses=", ".join(f'"{ip}"' for ip in self.relays), port_min=self.relay_port_min,
            max_allocations=max(2048, int(sessions * self.room)), max_peers=max(8192, int(sessions * self.peers_each * self.room)))

    def start(self):
        host, build = self.host, self.host.args.build
        for stale in (self.memif, self.api):
            if os.path.exists(stale):
                os.unlink(stale)
        self.processes = [host.start("dataplane", [f"{build}/dataplane/sluice-dataplane", "--config", self.config],
                                     namespace=self.space)]
        wait_until(f"sluice-dataplane ({host.path('dataplane.log')})", self._is_up, START_S, self.processes[0])
        for ip in (ip for ip in self.relays if ip != RELAY):
            run("ip", "-n", self.space, "addr", "replace", f"{ip}/32", "dev", "sl-bench")
        self.processes.append(host.start(
            "controlplane", [f"{build}/controlplane/sluice-controlplane", "--config", self.config],
            namespace=self.space))
        wait_until(f"sluice-controlplane ({host.path('controlplane.log')})", self._answers, START_S, self.processes[1])

    def _is_up(self):
        return os.path.exists(self.memif)

    def _answers(self):
        try:
            return re.search(r"^sluice_up 1$", self._metrics(), re.MULTILINE) is not None
        except OSError:
            return False

    def _metrics(self):
        connection = UnixHttp(self.api)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _counters(self):
        """The workers' counters by name and their drops by reason, each summed over workers."""
        sums = {}
        text = self._metrics()
        found = re.findall(r"^sluice_worker_(\w+?)(?:_total)?\{[^}]*\} (\d+)$", text, re.MULTILINE)
        found += [(f"drop {reason}", value) for reason, value in
                  re.findall(r'^sluice_drops_total\{.*reason="(\w+)".*\} (\d+)$', text, re.MULTILINE)]
        for name, value in found:
            sums[name] = sums.get(name, 0) + int(value)
        return sums

    more_options = ()  # of the generator

    def generator(self):
        args = self.host.args
        device = f"net_memif0,role=client,socket={self.memif},socket-abstract=no"
        return Generator(self.host, device, [
            "--server", f"{RELAY}:3478", "--clients", CLIENTS, "--peers", PEERS, "--seconds", str(args.seconds),
            "--warmup", str(args.warmup), *self.more_options])

    def snapshot(self):
        # The workers' figures are published at intervals.
        time.sleep(0.3)
        return self._counters(), busiest_thread(self.processes[0].pid), time.monotonic()

    def row(self, result, before, after):
        moved = {name: value - before[0].get(name, 0) for name, value in after[0].items()}
        relayed = sum(moved.get(name, 0) for name in self.counted)
        relayed -= sum(moved.get(name, 0) for name in self.not_counted)
        if relayed <= 0 or moved.get("busy_cycles", 0) <= 0:
            raise BenchError("the appliance counted no relayed packet, or started again during the round: "
                             + self.host.tail("dataplane", 3))
        cycles = moved["busy_cycles"] / relayed
        waited = after[1][1] - before[1][1]
        return {
            "mpps": result["mpps"],
            "cycles_per_packet": cycles,
            "cpu_ns_per_packet": cycles / result["tsc_hz"] * 1e9,
            "packets_per_busy_round": relayed / moved["busy_rounds"] if moved.get("busy_rounds") else None,
            "busy_share": moved["busy_cycles"] / result["tsc_hz"] / max(after[2] - before[2], 1e-9),
            "drops": {name[5:]: count for name, count in moved.items() if name.startswith("drop ") and count},
            "core_taken_share": waited / 1e9 / max(after[2] - before[2], 1e-9),
        }

    def stop(self):
        for process in reversed(self.processes):
            self.host.stop(process)
