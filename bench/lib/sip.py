# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The case sip: whole calls with their media sessions, SIPp on both sides. Control-plane CPU per call in the steady state, set-up time added, memory of
calls that are and that were, registrations."""

import glob
import json
import os
import subprocess
import sys
import time

from host import START_S, BenchError, descendants, run, say, thread_times, wait_until
from sluice import Sluice

HERE = os.path.dirname(os.path.realpath(__file__))
SIPP = os.path.join(HERE, "..", "sipp")
KAMAILIO = os.path.join(HERE, "..", "..", "config", "kamailio", "kamailio.cfg")
SYSTEM, CALLEE, CALLER = "10.99.0.1", "10.99.0.2", "10.99.0.3"  # all on loopback of one namespace
IN_PORT, OUT_PORT, ACCESS_PORT, CALLEE_PORT, CALLER_PORT = 5060, 5061, 5062, 5070, 5080
RELAYS = "198.18.0.1", "198.18.0.2"
NG = "127.0.0.1:2223"
CALLED = "+15552000"
TIMER_S = 32          # 64 * T1: how long ended transactions are kept
HOLD_RATE = 400       # calls a second while held calls are made
PAGE_KIB = os.sysconf("SC_PAGESIZE") / 1024

CONFIG = """
log_level = "warning";
dataplane = {{
  workers = [ {worker_core} ];
  housekeeper_core = {generator_core};
  hugepages = "{hugepages}";
  memory_mb = {memory_mb};
  idle = "adaptive";
  socket = "{dir}/dataplane.sock";
  ports = (
    {{ name = "bench"; tap = "sl-bench";
      device = "net_memif0,role=server,socket={memif},socket-abstract=no";
      addresses = [ "{relay_a}/24", "{relay_b}/32" ]; }}
  );
}};
media = {{
  addresses = (
    {{ interface = "public"; address = "{relay_a}"; }},
    {{ interface = "private"; address = "{relay_b}"; }}
  );
  ports = [ 16384, 65535 ];
  port_guard = 10;  # 1,000 calls a second in 30 s take more pairs of ports than one address has
  max_legs = {max_legs};
  inactivity_timeout = 0;
}};
sip = {{
  listeners = (
    {{ name = "in"; role = "peering"; transport = "udp"; address = "{system}:{in_port}"; media = "public"; }},
    {{ name = "out"; role = "peering"; transport = "udp"; address = "{system}:{out_port}"; media = "private"; }},
    {{ name = "access"; role = "access"; transport = "udp"; address = "{system}:{access_port}"; media = "public"; }}
  );
  max_calls = {max_calls};
  trace_mb = 0;
}};
provision = {{
  tenants = ( {{ name = "bench"; }} );
  domains = ( {{ name = "bench.test"; tenant = "bench"; }} );
  users = ( {users} );
  trunks = (
    {{ name = "callers"; tenant = "bench"; listener = "in"; sources = [ "{caller}" ]; }},
    {{ name = "callees"; tenant = "bench"; listener = "out"; sources = [ "{callee}" ]; targets = ( {targets} ); }}
  );
  routes = ( {{ name = "all"; tenant = "bench"; source = "trunk:callers"; trunks = [ "callees" ]; }} );
}};
control = {{
  api_socket = "{dir}/api.sock";
  database = "{dir}/bench.db";
}};
"""


def add_addresses(space):
    for ip in (SYSTEM, CALLEE, CALLER):
        run("ip", "-n", space, "addr", "add", f"{ip}/32", "dev", "lo")


class SipSluice(Sluice):
    """The appliance as it is, for calls."""

    def __init__(self, host):
        super().__init__(host)
        self.relays = list(RELAYS[:1])  # the others are on the port by its configuration
        add_addresses(self.space)

    def configuration(self):
        args = self.host.args
        users = ",\n    ".join(f'{{ name = "u{n}"; domain = "bench.test"; password = "bench-password"; }}' for n in range(args.users))
        targets = ", ".join(f'{{ uri = "sip:{CALLEE}:{CALLEE_PORT + n}"; }}' for n in range(args.processes))
        calls = max(args.held, args.cps * 4) + 1000
        return CONFIG.format(**self.common(), relay_a=RELAYS[0], relay_b=RELAYS[1], system=SYSTEM, caller=CALLER, callee=CALLEE, in_port=IN_PORT,
                             out_port=OUT_PORT, access_port=ACCESS_PORT, users=users, targets=targets, max_calls=calls,
                             max_legs=min(2 * calls, 49000))

    def pids(self):
        return descendants(self.processes[1].pid)


class Kamailio:
    """Debian's, with our sample configuration: a stateful proxy whose rtpengine module asks Debian's rtpengine for each call."""
    name = "kamailio"

    def __init__(self, host):
        self.host = host
        self.space = host.namespace("kamailio")
        add_addresses(self.space)
        self.processes = []

    def start(self):
        host = self.host
        self.relay = host.start("rtpengine", [
            "rtpengine", "--table=-1", f"--listen-ng={NG}", "--port-min=16384", "--port-max=65535", f"--interface=public/{SYSTEM}",
            f"--interface=private/{SYSTEM}", "--log-stderr", "--log-level=3", "--num-threads=2", "--delete-delay=0", "--foreground"],
            namespace=self.space)
        time.sleep(1)
        defines = {"PUBLIC_SOCKET": f"udp:{SYSTEM}:{IN_PORT}", "PRIVATE_SOCKET": f"udp:{SYSTEM}:{OUT_PORT}",
                   "PRIVATE_NEXT_HOP": f'"sip:{CALLEE}:{CALLEE_PORT}"', "PUBLIC_NEXT_HOP": f'"sip:{CALLER}:{CALLER_PORT}"',
                   "MEDIA_RELAYS": f'"udp:{NG}"', "CHILDREN": "4"}
        argv = ["kamailio", "-f", KAMAILIO, "-DD", "-E", "-m", "512", "-Y", host.dir, "-P", host.path("kamailio.pid")]
        for name, value in defines.items():
            argv += ["-A", f"{name}={value}"]
        self.proxy = host.start("kamailio", argv, namespace=self.space)
        self.processes = [self.relay, self.proxy]
        wait_until(f"kamailio ({host.path('kamailio.log')})", lambda: os.path.exists(host.path("kamailio.pid")), START_S, self.proxy)
        time.sleep(2)

    def pids(self):
        return descendants(self.proxy.pid)

    def stop(self):
        for process in reversed(self.processes):
            self.host.stop(process)


# ---- SIPp ----

class Sipp:
    """One SIPp; its own statistics, a row a second."""

    def __init__(self, host, space, name, scenario, ip, port, options, remote=None):
        self.host, self.name = host, name
        self.dir = host.path(name)
        os.makedirs(self.dir, exist_ok=True)
        self.stat_file = os.path.join(self.dir, "stat.csv")
        for stale in glob.glob(os.path.join(self.dir, "*.csv")):
            os.unlink(stale)
        argv = ["sipp", "-sf", os.path.join(SIPP, f"{scenario}.xml"), "-i", ip, "-p", str(port), "-nostdin", "-nd", "-trace_stat", "-stf",
                self.stat_file, "-fd", "1", "-buff_size", "8388608", "-max_socket", "60000", *options]
        if remote:
            argv.append(remote)
        # -nd: no defaults (an unexpected message fails the call and is counted, instead of being answered).
        self.process = host.start(name, ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.dir, *argv], namespace=space)

    def rows(self):
        try:
            with open(self.stat_file, encoding="utf-8", errors="replace") as f:
                lines = f.read().split("\n")
        except OSError:
            return []
        names = lines[0].split(";")
        return [dict(zip(names, line.split(";"))) for line in lines[1:] if line.count(";") + 1 >= len(names) - 1]

    def last(self):
        rows = self.rows()
        return rows[-1] if rows else {}

    def number(self, column, row=None):
        return int((row or self.last()).get(column) or 0)


def cpu_ns(pids):
    return sum(ran for pid in pids for ran, _ in thread_times(pid).values())


def rss_kib(pids):
    """Resident memory of the largest of them: the working half, or one child."""
    sizes = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", encoding="ascii") as f:
                sizes.append(int(f.read().split()[1]) * PAGE_KIB)
        except OSError:
            continue
    return max(sizes, default=0)


class Load:
    """Callers and callees, as many processes of each as wanted, for calls at a rate."""

    def __init__(self, host, space, cps, hold_ms, calls=None, direct=False, name=""):
        n = host.args.processes
        self.callees = [Sipp(host, space, f"callee{name}{i}", "callee", CALLEE, CALLEE_PORT + i, ["-l", "100000"]) for i in range(n)]
        time.sleep(0.5)
        self.callers = []
        for i in range(n):
            options = ["-r", str(cps // n), "-l", "100000", "-d", str(hold_ms), "-key", "called", CALLED, "-recv_timeout", "20000"]
            if calls:
                options += ["-m", str(calls // n)]
            remote = f"{CALLEE}:{CALLEE_PORT + i}" if direct else f"{SYSTEM}:{IN_PORT}"
            self.callers.append(Sipp(host, space, f"caller{name}{i}", "caller", CALLER, CALLER_PORT + i, options, remote))

    def total(self, column):
        return sum(s.number(column) for s in self.callers)

    def next_row(self):
        """Wait until every caller has written another row: figures and CPU are then of one moment."""
        before = [len(s.rows()) for s in self.callers]
        wait_until("SIPp's statistics", lambda: all(len(s.rows()) > n for s, n in zip(self.callers, before)), 15)

    def stop(self, host):
        for s in self.callers + self.callees:
            host.stop(s.process)

    def fails(self):
        return self.total("FailedCall(C)")

    def retransmissions(self):
        return self.total("Retransmissions(C)") + sum(s.number("Retransmissions(C)") for s in self.callees)


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))] if values else None


# ---- what is measured ----

def steady(host, system):
    """CPU per call, after the warm-up."""
    args = host.args
    before_kib = rss_kib(system.pids())
    load = Load(host, system.space, args.cps, args.hold_ms)
    try:
        time.sleep(args.warmup)
        load.next_row()
        cpu, calls, at = cpu_ns(system.pids()), load.total("SuccessfulCall(C)"), time.monotonic()
        relay = cpu_ns(descendants(system.relay.pid)) if hasattr(system, "relay") else 0
        fails, again = load.fails(), load.retransmissions()
        time.sleep(max(1.0, args.seconds - 1))
        load.next_row()
        took, done = time.monotonic() - at, load.total("SuccessfulCall(C)") - calls
        used = cpu_ns(system.pids()) - cpu
        row = {"cps": round(done / took, 1), "cpu_ms_per_call": round(used / 1e6 / done, 4) if done else None,
               "failed": load.fails() - fails, "retransmitted": load.retransmissions() - again, "failed_in_warmup": fails}
        if hasattr(system, "relay"):
            row["relay_cpu_ms_per_call"] = round((cpu_ns(descendants(system.relay.pid)) - relay) / 1e6 / done, 4) if done else None
        elif args.warmup >= TIMER_S:
            ended, held = args.cps * TIMER_S, args.cps * args.hold_ms / 1000
            row["kib_per_ended_call"] = round((rss_kib(system.pids()) - before_kib) / (ended + held), 2)
        return row
    finally:
        load.stop(host)


def set_up_time(host, space, direct, seconds):
    """At half load, by a client of our own beside it."""
    load = Load(host, space, max(1, host.args.cps // 2), host.args.hold_ms, direct=direct, name="half")
    try:
        time.sleep(2)
        to, port = (CALLEE, CALLEE_PORT) if direct else (SYSTEM, IN_PORT)
        sampler = host.start("sample", [sys.executable, os.path.join(HERE, "sip_sample.py"), CALLER, to, str(port), CALLED, str(seconds)],
                             namespace=space, stdout=subprocess.PIPE, text=True)
        found = json.loads(sampler.communicate(timeout=seconds + 20)[0] or "{}")
    finally:
        load.stop(host)
    if not found.get("times"):
        raise BenchError(f"no call was set up beside the load ({'direct' if direct else 'through the system'}): {host.tail('sample')}")
    return found["times"]


def held(host, system):
    """Memory of calls that stand, once what set them up is forgotten."""
    args = host.args
    pids = system.pids()
    before = rss_kib(pids)
    load = Load(host, system.space, HOLD_RATE, 3600000, calls=args.held, name="held")
    try:
        wait_until("held calls", lambda: load.total("CurrentCall") >= args.held or load.total("FailedCall(C)") > 0,
                   args.held / HOLD_RATE + 20)
        time.sleep(TIMER_S + 4 if not args.quick else 1)
        now = load.total("CurrentCall")
        return {"held_calls": now, "kib_per_held_call": round((rss_kib(pids) - before) / now, 2) if now else None}
    finally:
        load.stop(host)


def registrations(host, system):
    """Refreshes with credentials, each user again and again."""
    args = host.args
    program = os.path.join(args.build, "bench", "sluice-regload")
    if not os.access(program, os.X_OK):
        raise BenchError(f"{program} is not built")
    process = host.start("regload", [program, "--target", f"{SYSTEM}:{ACCESS_PORT}", "--users", str(args.users), "--rate", str(args.registrations),
                                     "--seconds", str(int(max(2, args.seconds))), "--domain", "bench.test", "--prefix", "u", "--password",
                                     "bench-password"], namespace=system.space, stdout=subprocess.PIPE, text=True)
    cpu = rss = None
    for line in process.stdout:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if found.get("measuring"):
            cpu, at, rss = cpu_ns(system.pids()), time.monotonic(), rss_kib(system.pids())
        elif "registrations_per_s" in found and cpu is not None:
            used, took = cpu_ns(system.pids()) - cpu, time.monotonic() - at
            n = found["registrations_per_s"] * took
            return {"registrations_per_s": found["registrations_per_s"], "cpu_ms_per_registration": round(used / 1e6 / n, 4) if n else None,
                    "registrations_failed": found.get("failed"), "registrations_retransmitted": found.get("retransmitted"),
                    "registrations_grew_kib": round(rss_kib(system.pids()) - rss)}
    raise BenchError(f"the registrations did not run: {host.tail('regload')}")


def measure(host, systems):
    """One dictionary for each system."""
    args, rows = host.args, []
    for make in systems:
        system = make(host)
        row = {"case": "sip", "system": system.name, "cps_wanted": args.cps, "hold_ms": args.hold_ms, "after_s": args.warmup,
               "seconds": args.seconds}
        system.start()
        try:
            say(f"{system.name}: {args.cps} calls a second for {args.warmup + args.seconds:.0f} s")
            row.update(steady(host, system))
            say(f"{system.name}: {row['cps']} calls a second, {row['cpu_ms_per_call']} ms of CPU each, {row['failed']} failed, "
                f"{row['retransmitted']} retransmitted")
            seconds = min(args.seconds, 10)
            direct = set_up_time(host, system.space, True, seconds)
            through = set_up_time(host, system.space, False, seconds)
            for p in (50, 99):
                d, t = percentile(direct, p), percentile(through, p)
                row[f"setup_direct_p{p}_ms"], row[f"setup_p{p}_ms"] = d, t
                row[f"setup_added_p{p}_ms"] = None if d is None or t is None else round(t - d, 3)
            if system.name == "sluice":
                if args.held:
                    system.stop()
                    system.start()
                    row.update(held(host, system))
                if args.registrations:
                    system.stop()
                    system.start()
                    row.update(registrations(host, system))
        finally:
            system.stop()
        rows.append(row)
    return rows


def print_table(rows):
    keys = [k for k in dict.fromkeys(k for row in rows for k in row) if k not in ("case", "system")]
    width = max(len(k) for k in keys)
    print(" " * width + "".join(f"{row['system']:>14}" for row in rows))
    for key in keys:
        print(f"{key:<{width}}" + "".join(f"{'-' if row.get(key) is None else row[key]:>14}" for row in rows))
