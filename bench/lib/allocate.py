# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The case turn-allocate: what requests cost, one kind after the other, and what memory a million allocations take."""

import statistics

from coturn import CLIENTS as COTURN_CLIENTS, PEERS as COTURN_PEERS, RELAY as COTURN_RELAY, Coturn
from generator import Generator, ping_pong
from host import BenchError, descendants, say
from sluice import CLIENTS, PEERS, RELAY, Sluice
import report

# Each on all sessions. The first asks without credentials and gets 401 first; "again" has nonce and realm from before.
PHASES = ("allocate", "refresh", "permission", "channel", "delete", "again", "delete")
WINDOW = 512
# It refuses (437) a client whose allocation was deleted just now.
COTURN_PHASES = PHASES[:PHASES.index("again")]
COTURN_WINDOW = 64        # what its socket's buffer holds without loss
COTURN_SESSIONS = 20000   # each is a socket and several timers
FAILED_MAX = 0.01         # coturn finds no port (508) for one in a thousand
IDLE_ALLOCATIONS = 2048   # of the dataplane that a full one is compared with
DISTURBED = 0.03
# All clients come from a few addresses; the guard counts them, and lets them pass.
GUARD = """
guard = {
  limits = ( { class = "stun"; source = 50000000; prefix = 50000000; wide = 50000000; } );
};
"""


class AllocateSluice(Sluice):
    phases = PHASES
    relay_port_min = 1024
    sessions = None  # None = --sessions

    def configuration(self):
        asked, self.host.args.sessions = self.host.args.sessions, self.n_sessions()
        try:
            return super().configuration() + GUARD
        finally:
            self.host.args.sessions = asked

    def n_sessions(self):
        return self.sessions or self.host.args.sessions

    def generate(self, options):
        return Generator(self.host, f"net_memif0,role=client,socket={self.memif},socket-abstract=no", [
            "--server", f"{RELAY}:3478", "--clients", CLIENTS, "--peers", PEERS, "--setup-window", str(WINDOW),
            "--sessions", str(self.n_sessions()), *options])

    def cost(self, phase, before, after):
        """CPU time of the worker's busy rounds, in ns, and more that is worth knowing."""
        moved = {name: value - before[0].get(name, 0) for name, value in after[0].items()}
        span = max(after[2] - before[2], 1e-9)
        return moved.get("busy_cycles", 0) / phase["tsc_hz"] * 1e9, {
            "core_taken_share": (after[1][1] - before[1][1]) / 1e9 / span,
            "drops": {name[5:]: count for name, count in moved.items() if name.startswith("drop ") and count}}


class AllocateCoturn(Coturn):
    phases = COTURN_PHASES

    def n_sessions(self):
        return min(self.host.args.sessions, COTURN_SESSIONS)

    def command(self):
        # Each allocation is an open file.
        return ["sh", "-c", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh", *super().command()]

    def generate(self, options):
        return Generator(self.host, "net_af_packet0,iface=gen0", [
            "--server", f"{COTURN_RELAY}:{self.port}", "--clients", COTURN_CLIENTS, "--peers", COTURN_PEERS, "--setup-window", str(COTURN_WINDOW),
            "--sessions", str(self.n_sessions()), *options], namespace=self.generator_space)

    def cost(self, phase, before, after):
        return after[0] - before[0], {"core_taken_share": 0}


SYSTEMS = (AllocateSluice, AllocateCoturn)


def phase_row(args, system, name, phase, before, after):
    if phase["ready"] < phase["sessions"] * (1 - FAILED_MAX) or phase["bad_integrity"]:
        raise BenchError(f"{system.name}: of {phase['sessions']} sessions {phase['failed']} failed in phase {name}: errors {phase['errors']}, "
                         f"{phase['unanswered']} not answered; {phase['bad_integrity']} answers with a wrong MESSAGE-INTEGRITY")
    cpu_ns, more = system.cost(phase, before, after)
    each = cpu_ns / phase["ready"]
    row = {"case": args.case, "system": system.name, "phase": name, "sessions": phase["sessions"], "per_second": phase["per_second"],
           "cpu_ns_each": each, "cycles_each": each * phase["tsc_hz"] / 1e9, "per_core": 1e9 / each if each else None,
           "p50_us": phase["p50_us"], "p99_us": phase["p99_us"], "requests": phase["transactions"] / phase["ready"],
           "retransmits": phase["retransmits"], "failed": phase["failed"], "tsc_hz": phase["tsc_hz"], "hugepages": system.host.hugepages}
    row.update(more)
    return row


def one_round(args, system, number):
    """All phases of one system; a row of each."""
    cycles_before, placement_before = ping_pong(args)
    system.start()
    rows = []
    try:
        generator = system.generate(["--storm", ",".join(system.phases)])
        for i, name in enumerate(system.phases):
            generator.wait("ready")
            before = system.snapshot()
            generator.go()
            phase = generator.wait("phase")
            row = phase_row(args, system, name, phase, before, system.snapshot())
            row["round"] = number
            # The second delete is only there to leave nothing behind.
            if name not in system.phases[:i]:
                rows.append(row)
        generator.wait("measured")
        generator.finish()
    finally:
        system.stop()
    cycles_after, placement_after = ping_pong(args)
    for row in rows:
        row["placement"] = placement_before if placement_before == placement_after else "moved"
        row["ping_pong_cycles"] = [cycles_before, cycles_after]
        row["disturbed"] = row["core_taken_share"] > DISTURBED
    return rows


def summarise(rounds, names):
    first = PHASES[0]
    placement = report.choose_class([r for r in rounds if r["phase"] == first], names)
    rows = []
    for name in names:
        for phase in dict.fromkeys(PHASES):
            mine = report.usable([r for r in rounds if r["phase"] == phase], placement, name) if placement else []
            if not mine:
                continue
            row = {key: mine[0][key] for key in ("case", "system", "phase", "sessions", "hugepages", "tsc_hz")}
            for key in ("per_second", "cpu_ns_each", "cycles_each", "per_core", "requests", "p50_us", "p99_us", "retransmits", "failed"):
                row[key] = statistics.median(r[key] for r in mine)
            row.update(placement=placement, rounds=len(mine), disturbed=any(r["disturbed"] for r in mine))
            rows.append(row)
    ours = {row["phase"]: row for row in rows if row["system"] == "sluice"}
    for row in rows:
        if row["system"] != "sluice" and row["phase"] in ours:
            row["sluice_cpu_ratio"] = row["cpu_ns_each"] / ours[row["phase"]]["cpu_ns_each"]
    return rows


def rates(host, systems):
    args, rounds, number = host.args, [], 0
    names = [system.name for system in systems]
    made = [make(host) for make in systems]
    while number < args.rounds or (not args.quick and number < 2 * args.rounds + 1 and
                                   not report.complete([r for r in rounds if r["phase"] == PHASES[0]], names)):
        number += 1
        for system in made:
            rows = one_round(args, system, number)
            rounds += rows
            for row in rows:
                say(f"round {number} {row['system']:<7} {row['phase']:<11}{row['per_second']:10.0f} a second, {row['cycles_each']:9.0f} cycles each, "
                    f"p99 {row['p99_us']:.0f} us, cores {row['placement']}{', disturbed' if row['disturbed'] else ''}")
            if args.json and args.each:
                report.print_json(rows)
    return summarise(rounds, names)


# ---- memory ----

def resident(system):
    """Bytes of the dataplane's working half, which maps all there is: tables, buffers, the cold records' memfd."""
    largest = 0
    for pid in descendants(system.processes[0].pid):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                found = {line.split(":")[0]: int(line.split()[1]) for line in file if line.rstrip().endswith("kB") and ":" in line}
        except OSError:
            continue
        largest = max(largest, sum(found.get(key, 0) for key in ("Rss", "Shared_Hugetlb", "Private_Hugetlb")) * 1024)
    return largest


class Idle(AllocateSluice):
    """With room for a few allocations, and none made."""
    space_name = "idle"
    sessions = IDLE_ALLOCATIONS


class Full(AllocateSluice):
    """In tables that hold as many as are made, with a channel each."""
    space_name = "full"
    room, peers_each = 1.0, 1


def weigh_idle(system):
    system.start()
    try:
        return resident(system)
    finally:
        system.stop()


def weigh_full(system):
    """Bytes once all are made, what it then counts, and what the generator says of the set-up and of the load after it."""
    system.start()
    try:
        generator = system.generate(["--seconds", str(system.host.args.seconds), "--warmup", "0", "--no-release"])
        setup = generator.wait("setup")
        generator.wait("ready")
        counted, weight = system.snapshot()[0], resident(system)
        generator.go()
        result = generator.wait("result")
        generator.wait("measured")
        generator.finish()
        return weight, counted, setup, result
    finally:
        system.stop()


def memory(host):
    """Without hugepages, where only what is used is resident."""
    args = host.args
    had = host.hugepages, args.memory_mb
    host.hugepages, args.memory_mb = False, max(args.memory_mb, 256 + args.allocations * 2560 // (1 << 20))
    try:
        idle = weigh_idle(Idle(host))
        Full.sessions = args.allocations
        system = Full(host)
        full, counted, setup, result = weigh_full(system)
    finally:
        host.hugepages, args.memory_mb = had
    if result["bad_length"] or result["bad_content"]:
        raise BenchError(f"sluice: packets came back wrong: {result['bad_length']} by length, {result['bad_content']} by content")
    n = args.allocations
    if counted["allocations_active"] != n:
        raise BenchError(f"sluice: {n} allocations were made, it counts {counted['allocations_active']}")
    row = {"case": args.case, "system": "sluice", "phase": "memory", "sessions": n, "relays": len(system.relays), "idle_mb": idle / 1e6,
           "full_mb": full / 1e6, "bytes_each": (full - idle) / n,
           "setup_seconds": setup["seconds"], "setup_retransmits": setup["retransmits"], "channeldata_mpps": result["mpps"],
           "channeldata_loss": result["loss"], "sampled": result["sampled"], "hugepages": False}
    say(f"memory: {n} allocations with a channel each on {row['relays']} relay addresses: {row['bytes_each']:.0f} bytes each")
    return row


def measure(host, systems):
    rows = rates(host, systems)
    if host.args.allocations and any(system.name == "sluice" for system in systems):
        rows.append(memory(host))
    return rows


def print_table(rows):
    print("{:<8}{:<12}{:>10}{:>12}{:>12}{:>12}{:>10}{:>10}{:>9}".format("system", "phase", "sessions", "a second", "cycles", "per core", "p50 us",
                                                                      "p99 us", "x ours"))
    for row in rows:
        if row["phase"] == "memory":
            print(f"\nmemory: {row['sessions']} allocations with a channel each, on {row['relays']} relay addresses: {row['bytes_each']:.0f} bytes each "
                  f"({row['full_mb']:.0f} MB, with none {row['idle_mb']:.0f} MB); made in {row['setup_seconds']:.1f} s; then ChannelData over all of them: "
                  f"{row['channeldata_mpps']:.2f} Mpps, loss {row['channeldata_loss']:.1e}")
            continue
        print(f"{row['system']:<8}{row['phase']:<12}{row['sessions']:>10}{row['per_second']:>12.0f}{row['cycles_each']:>12.0f}{row['per_core']:>12.0f}"
              f"{row['p50_us']:>10.0f}{row['p99_us']:>10.0f}{report.shown(row.get('sluice_cpu_ratio'), '.1f'):>9}")
