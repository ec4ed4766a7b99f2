# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The case turn-tls: ChannelData of TLS clients, and new clients, beside coturn and a proxy that only passes bytes on."""

import json
import os
import statistics
import subprocess
import threading
import time

from generator import ping_pong
from host import BenchError, descendants, run, say, thread_times, wait_until
from sluice import RELAY, Sluice
import report

# Clients and the peer are in a namespace of their own. What is measured has two addresses: clients come to one, packets of peers to the other.
CLIENTS, N_CLIENT_ADDRESSES, GATEWAY, CLIENT_NET = "198.51.100.16", 16, "198.51.100.1", 24
PORT_CLIENTS = "198.18.0.16"
RELAY2, PEER, NET = "198.18.0.2", "198.18.0.64", 15
TLS_PORT, PEER_PORT, BACKEND_PORT = 5349, 20000, 20001
# The same cipher; 4.6 has no TLS 1.3 with such a certificate.
SUITE, SUITE_1_2 = "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"
MODES = ("data", "new", "resumed")
LOST_MAX, FAILED_MAX, RESUMED_MIN = 0.01, 0.01, 0.9
PACE_MIN = 0.95

LISTENERS = """listeners = ( {{ address = "{relay}:{port}"; transport = "tls"; certificate = "{certificate}"; key = "{key}"; }} );
  connections_per_source = 0;
  stream_wait = 60;
  """
GUARD = """
guard = {
  limits = ( { class = "stun"; source = 50000000; prefix = 50000000; wide = 50000000; },
             { class = "other"; source = 50000000; prefix = 50000000; wide = 50000000; } );
};
"""


def certificate(host):
    """Of a P-256 key, as most servers have one; the same for all."""
    pem, key = host.path("tls.pem"), host.path("tls.key")
    if not os.path.exists(pem):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", pem,
            "-days", "2", "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test")
    return pem, key


class Clients:
    """sluice-tlsload as a child."""

    def __init__(self, host, space, mode, source, suite, options):
        args = host.args
        argv = ["taskset", "-c", str(args.generator_core), f"{args.build}/bench/sluice-tlsload", "--step", "--from", f"{source}+{N_CLIENT_ADDRESSES}",
                "--server", f"{RELAY}:{TLS_PORT}", "--clients", str(args.clients), "--payload", str(args.payload), "--seconds", str(args.seconds),
                "--warmup", str(max(args.warmup, 0.5)), "--suite", suite, *options]
        argv += ["--rate", str(args.frames)] if mode == "data" else ["--arrivals"] + (["--resume"] if mode == "resumed" else [])
        self.host = host
        self.process = host.start("tlsload", ["sh", "-c", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh", *argv], namespace=space,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.watchdog = threading.Timer(120 + args.seconds + args.warmup, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()

    def wait(self, event):
        for line in self.process.stdout:
            message = json.loads(line)
            if message["event"] == event:
                return message
        self.process.wait()
        raise BenchError(f"the clients stopped before '{event}': {self.host.tail('tlsload')}")

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.host.stop(self.process)
        self.watchdog.cancel()


def generator_space(host, name):
    """Where clients and the peer are; ports of closed connections may be used again at once."""
    space = host.namespace(name)
    for key, value in (("tcp_tw_reuse", 1), ("ip_local_port_range", "1024 65535"), ("tcp_max_tw_buckets", 400000)):
        run("ip", "netns", "exec", space, "sysctl", "-qw", f"net.ipv4.{key}={value}")
    return space


class KernelTls:
    """What runs on the kernel's sockets alone, on the measured core."""

    backend = False
    suite = SUITE
    may_forget = False # sessions

    def __init__(self, host):
        self.host = host
        self.space, self.clients_space = host.namespace(self.name), generator_space(host, f"{self.name}-gen")
        host.veth(self.clients_space, "gen0", self.space, "relay0")
        for ip in (RELAY, RELAY2):
            run("ip", "-n", self.space, "addr", "add", f"{ip}/{NET}", "dev", "relay0")
        for ip in (PEER, *(f"198.18.0.{16 + i}" for i in range(N_CLIENT_ADDRESSES))):
            run("ip", "-n", self.clients_space, "addr", "add", f"{ip}/{NET}", "dev", "gen0")
        self.process = None

    def start(self):
        self.process = self.host.start(self.name, ["sh", "-c", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh", *self.command()],
                                       namespace=self.space, core=self.host.args.worker_core)
        wait_until(self.name, self._listens, 10, self.process)

    def _listens(self):
        try:
            with open(f"/proc/{self.process.pid}/net/tcp", encoding="ascii") as file:
                return any(line.split()[1].endswith(f":{TLS_PORT:04X}") and line.split()[3] == "0A" for line in file if ":" in line)
        except OSError:
            return False

    def load(self, mode):
        return Clients(self.host, self.clients_space, mode, PORT_CLIENTS, self.suite,
                       ["--backend", "--peer", f"{PEER}:{BACKEND_PORT}"] if self.backend else ["--peer", f"{PEER}:{PEER_PORT}"])

    def snapshot(self):
        return sum(ran for pid in descendants(self.process.pid) for ran, _ in thread_times(pid).values())

    def cost(self, before, after):
        return after - before, {}

    def stop(self):
        self.host.stop(self.process)


class CoturnTls(KernelTls):
    name = "coturn"
    suite = SUITE_1_2
    may_forget = True

    def command(self):
        pem, key = certificate(self.host)
        return ["turnserver", "-n", "-L", RELAY, "-E", RELAY2, "--lt-cred-mech", "-u", "bench:bench", "-r", "bench", "--min-port", "16384",
                "--max-port", "65535", "-m", "1", "--no-cli", "--no-udp", "--no-dtls", "--no-tcp-relay", "--tls-listening-port", str(TLS_PORT),
                "--cert", pem, "--pkey", key, "--log-file", "/dev/null", "--simple-log", "--pidfile", self.host.path("coturn.pid"),
                "--userdb", self.host.path("coturn.db")]


class ProxyTls(KernelTls):
    name = "proxy"
    backend = True

    def command(self):
        return [f"{self.host.args.build}/bench/sluice-tlsproxy", f"{RELAY}:{TLS_PORT}", f"{PEER}:{BACKEND_PORT}", *certificate(self.host)]


class SluiceTls(Sluice):
    """The appliance with a port by packet socket, since clients and peers are on the kernel's sockets."""

    def __init__(self, host):
        super().__init__(host)
        self.clients_space = generator_space(host, f"{self.space_name}-gen")
        host.veth(self.clients_space, "gen0", self.space, "port0")
        run("ip", "-n", self.clients_space, "addr", "add", f"{PEER}/{NET}", "dev", "gen0")
        if host.args.by == "kernel":
            host.veth(self.clients_space, "gen1", self.space, "lan0")
            run("ip", "-n", self.space, "addr", "add", f"{GATEWAY}/{CLIENT_NET}", "dev", "lan0")
            self._client_addresses(CLIENTS, CLIENT_NET, "gen1")
            run("ip", "-n", self.clients_space, "route", "add", f"{RELAY}/32", "via", GATEWAY, "dev", "gen1")
        else:
            self._client_addresses(PORT_CLIENTS, NET, "gen0")
        self.relays = [RELAY, RELAY2]

    def _client_addresses(self, first, bits, device):
        base, last = first.rsplit(".", 1)
        for i in range(N_CLIENT_ADDRESSES):
            run("ip", "-n", self.clients_space, "addr", "add", f"{base}.{int(last) + i}/{bits}", "dev", device)

    idle = "adaptive"  # the stream thread needs a core, too
    device = "net_af_packet0,iface=port0"
    may_forget = False

    def configuration(self):
        pem, key = certificate(self.host)
        text = super().configuration() + GUARD
        text = text.replace(f'relay_addresses = [ "{RELAY}" ]', f'relay_addresses = [ "{RELAY2}" ]')
        return text.replace('realm = "bench";', LISTENERS.format(relay=RELAY, port=TLS_PORT, certificate=pem, key=key) + 'realm = "bench";')

    def _is_up(self):
        return subprocess.run(["ip", "-n", self.space, "link", "show", "sl-bench"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def load(self, mode):
        first = CLIENTS if self.host.args.by == "kernel" else PORT_CLIENTS
        return Clients(self.host, self.clients_space, mode, first, SUITE, ["--peer", f"{PEER}:{PEER_PORT}"])

    def snapshot(self):
        time.sleep(0.3)
        threads = {}
        for pid in descendants(self.processes[0].pid):
            for tid, (ran, waited) in thread_times(pid).items():
                try:
                    with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii", errors="replace") as file:
                        name = file.read().strip()
                except OSError:
                    continue
                sums = threads.setdefault(name, [0, 0])
                sums[0] += ran
                sums[1] += waited
        return self._counters(), threads

    def cost(self, before, after):
        """Stream threads by the scheduler's count, the worker by its own of busy rounds. What Linux does for the exception path is the housekeeper's."""
        threads = {name: [now - then for now, then in zip(sums, before[1].get(name, (0, 0)))] for name, sums in after[1].items()}
        stream = sum(ran for name, (ran, _) in threads.items() if "stream" in name)
        others = sum(ran for name, (ran, _) in threads.items() if "stream" not in name and "worker" not in name)
        worker = (after[0].get("busy_cycles", 0) - before[0].get("busy_cycles", 0)) / tsc_hz(self.host.args) * 1e9
        # Its clock goes on while somebody else has its core.
        ran, waited = next((sums for name, sums in threads.items() if "worker" in name), (1, 0))
        worker *= ran / max(ran + waited, 1)
        drops = {name[5:]: count - before[0].get(name, 0) for name, count in after[0].items()
                 if name.startswith("drop ") and count > before[0].get(name, 0)}
        by_port = self.host.args.by == "port"
        return stream + worker + (others if by_port else 0), {"stream": stream, "worker": worker, "others": others, "drops": drops}


SYSTEMS = (SluiceTls, ProxyTls, CoturnTls)
TSC = {}


def tsc_hz(args):
    """Cycles of the time-stamp counter in a second, as the generator counts them."""
    if not TSC:
        out = subprocess.run([args.pktgen, "--ping-pong", f"{args.generator_core},{args.worker_core}"], stdout=subprocess.PIPE, text=True, timeout=30)
        found = json.loads(out.stdout or "{}")
        if "tsc_hz" not in found:
            raise BenchError("the generator does not say how fast the time-stamp counter is")
        TSC["hz"] = found["tsc_hz"]
    return TSC["hz"]


def check(system, mode, result):
    if mode == "data":
        lost = 1 - result["received"] / result["sent"] if result["sent"] else 1
        if lost > LOST_MAX or result["bad"]:
            raise BenchError(f"{system.name}: of {result['sent']} frames {result['received']} came back, {result['bad']} of them wrong "
                             f"({result['echoed']} came to the peer): try fewer --frames")
        return
    if result["ready"] == 0 or result["failed"] > result["ready"] * FAILED_MAX:
        raise BenchError(f"{system.name}: {result['ready']} new clients were ready, {result['failed']} failed: {result['why']}")
    if mode == "resumed" and not system.may_forget and result["resumed"] < result["ready"] * RESUMED_MIN:
        raise BenchError(f"{system.name}: of {result['ready']} new clients {result['resumed']} had their session resumed")


def one_round(args, system, mode, number):
    cycles_before, placement_before = ping_pong(args)
    system.start()
    try:
        clients = system.load(mode)
        clients.wait("ready")
        before = system.snapshot()
        clients.go()
        result = clients.wait("result")
        after = system.snapshot()
        clients.finish()
    finally:
        system.stop()
    cycles_after, placement_after = ping_pong(args)
    check(system, mode, result)
    cpu_ns, parts = system.cost(before, after)
    n = 2 * result["received"] if mode == "data" else result["ready"]
    row = {"case": args.case, "system": system.name, "mode": mode, "round": number, "suite": result["suite"], "clients": args.clients,
           "payload_bytes": args.payload, "per_second": n / result["seconds"], "cpu_us_each": cpu_ns / n / 1e3, "per_core": n / (cpu_ns / 1e9),
           "p50_us": result["latency_us"]["p50"], "p99_us": result["latency_us"]["p99"],
           "loss": 1 - result["received"] / result["sent"] if mode == "data" else None,
           "resumed_share": result["resumed"] / result["ready"] if mode != "data" else None,
           "placement": placement_before if placement_before == placement_after else "moved",
           "ping_pong_cycles": [cycles_before, cycles_after],
           # Clients that could not keep their pace send in heaps, which cost less to read.
           "disturbed": mode == "data" and result["sent"] < PACE_MIN * args.frames * result["seconds"]}
    for name in ("stream", "worker", "others"):
        row[f"{name}_us_each"] = parts[name] / n / 1e3 if name in parts else None
    row["drops"] = parts.get("drops", {})
    row["result"] = result
    return row


def summarise(rounds, names):
    placement = report.choose_class(rounds, names)
    rows = []
    for name in names:
        for mode in MODES:
            mine = report.usable([r for r in rounds if r["mode"] == mode], placement, name) if placement else []
            if not mine:
                continue
            row = {key: mine[0][key] for key in ("case", "system", "mode", "suite", "clients", "payload_bytes")}
            for key in ("per_second", "cpu_us_each", "per_core", "stream_us_each", "worker_us_each", "others_us_each", "p50_us", "p99_us", "loss",
                        "resumed_share"):
                known = [r[key] for r in mine if r[key] is not None]
                row[key] = statistics.median(known) if known else None
            row.update(placement=placement, rounds=len(mine), disturbed=any(r["disturbed"] for r in mine))
            rows.append(row)
    ours = {row["mode"]: row for row in rows if row["system"] == "sluice"}
    for row in rows:
        if row["system"] != "sluice" and row["mode"] in ours:
            # How much CPU ours takes for one of theirs.
            row["sluice_cost_ratio"] = ours[row["mode"]]["cpu_us_each"] / row["cpu_us_each"]
    return rows


def measure(host, systems):
    args, rounds, number = host.args, [], 0
    names = [system.name for system in systems]
    made = [make(host) for make in systems]
    while number < args.rounds or (not args.quick and number < 2 * args.rounds + 1 and
                                   not all(report.complete([r for r in rounds if r["mode"] == mode], names) for mode in args.modes)):
        number += 1
        for mode in args.modes:
            for system in made:
                row = one_round(args, system, mode, number)
                rounds.append(row)
                say(f"round {number} {mode:<8}{row['system']:<8}{row['per_second']:9.0f} a second, {row['cpu_us_each']:8.2f} us of CPU each, "
                    f"{row['per_core']:9.0f} a core, p99 {row['p99_us']:.0f} us, cores {row['placement']}{', disturbed' if row['disturbed'] else ''}")
                if args.json and args.each:
                    report.print_json([row])
    return summarise(rounds, names)


def print_table(rows):
    print("{:<8}{:<9}{:>10}{:>14}{:>12}{:>12}{:>10}{:>10}{:>14}".format("mode", "system", "a second", "CPU us each", "of stream", "of worker",
                                                                       "a core", "p99 us", "ours/theirs"))
    for mode in MODES:
        for row in (row for row in rows if row["mode"] == mode):
            print(f"{mode:<8}{row['system']:<9}{row['per_second']:>10.0f}{row['cpu_us_each']:>14.2f}{report.shown(row['stream_us_each'], '.2f'):>12}"
                  f"{report.shown(row['worker_us_each'], '.2f'):>12}{row['per_core']:>10.0f}{row['p99_us']:>10.0f}"
                  f"{report.shown(row.get('sluice_cost_ratio'), '.2f'):>14}{'   (disturbed)' if row['disturbed'] else ''}")
