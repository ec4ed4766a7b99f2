# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The cases guard-drop and guard-mixed: floods of strangers, alone and beside TURN and RTP flows that are known."""

import itertools
import json
import random
import subprocess
import time

from generator import Generator, ping_pong
from host import BenchError, say
from macswap import Macswap
from media import MediaSluice, make_plan, plan_generator
from media_cases import RELAY_A, RELAY_PORTS
from sluice import CLIENTS, PEERS, RELAY, Sluice
import report

MAC = "02:00:00:00:00:01"       # of something that does not look at it
STRANGERS_PPS = 20000           # what all strangers together may send: far below any flood here
LOAD_SHARE = 0.8                # flood and flows together, of the drop rate
STAGES = "sluice-bench-guard"
FAMILY_PREFIXES = 50000
IDLE_S = 5
# Each generator's flood is another: sources of the one before would seem to come again.
SEEDS = itertools.count(int(time.time()) % 1000000)
# The guard of these cases: a list as long as those of the field, and strangers limited as a whole.
GUARD = """
guard = {{
  again_mb = 64;
  deny_files = ( "{dir}/deny.txt" );
  limits = ( {{ class = "stun"; total = {total}; }}, {{ class = "media"; total = {total}; }} );
}};
"""


def write_list(host, n):
    """n prefixes like a list of attackers; sources drawn at random meet one of them now and then."""
    draw = random.Random(1)
    lines = set()
    while len(lines) < n:
        bits = draw.choice((24, 24, 24, 24, 28, 32))
        # Not where clients, peers and relays of the benches are.
        ip = draw.randrange(1 << 24, 198 << 24) >> (32 - bits) << (32 - bits)
        if ip >> 24 not in (10, 127):
            lines.add(f"{ip >> 24}.{ip >> 16 & 255}.{ip >> 8 & 255}.{ip & 255}/{bits}")
    with open(host.path("deny.txt"), "w", encoding="ascii") as file:
        file.write("\n".join(sorted(lines)) + "\n")


class GuardSluice(Sluice):
    """The appliance as a TURN relay with a guard."""

    def configuration(self):
        write_list(self.host, self.host.args.prefixes)
        return super().configuration() + GUARD.format(dir=self.host.dir, total=STRANGERS_PPS)

    target = f"{RELAY}:3478"
    kind = "stun"

    def more_sessions(self):
        return self.host.args.newcomers

    def flows(self, options, sessions=None):
        """A generator of known flows (sessions 0: none) with these options."""
        return Generator(self.host, f"net_memif0,role=client,socket={self.memif},socket-abstract=no", [
            "--server", f"{RELAY}:3478", "--clients", CLIENTS, "--peers", PEERS,
            "--seed", str(next(SEEDS)), *([] if sessions is None else ["--sessions", str(sessions)]), *options])


class GuardMediaSluice(MediaSluice):
    """The appliance as an RTP relay with a guard; its calls are made once."""

    space_name = "media"
    target = f"{RELAY_A}:{RELAY_PORTS[0]}+49152"
    kind = "rtp"
    plan = None

    def configuration(self):
        write_list(self.host, self.host.args.prefixes)
        return super().configuration() + GUARD.format(dir=self.host.dir, total=STRANGERS_PPS)

    def flows(self, options, sessions=None):
        device = f"net_memif0,role=client,socket={self.memif},socket-abstract=no"
        if sessions == 0:
            return Generator(self.host, device, ["--server", f"{RELAY_A}:3478", "--clients", CLIENTS, "--peers", PEERS,
                                                 "--seed", str(next(SEEDS)), "--sessions", "0", *options])
        self.plan = self.plan or make_plan(self.host, self.space, case="rtp")
        return plan_generator(self.host, device, self.plan, more=["--seed", str(next(SEEDS)), *options])


class FloodMacswap(Macswap):
    """testpmd before the same flood."""

    def flows(self, options, sessions=None):
        return Generator(self.host, f"net_memif0,role=client,socket={self.socket},socket-abstract=no",
                         ["--gateway-mac", MAC, "--seed", str(next(SEEDS)), "--sessions", "0", *options])


class FloodRxonly(FloodMacswap):
    name = "rxonly"
    mode = "rxonly"


def load(system, generator, limit_s=None):
    """Let the generator do its work; returns its result, and the system's snapshots around it."""
    generator.wait("ready")
    before = system.snapshot()
    generator.go()
    result = generator.wait("result")
    generator.wait("measured")
    after = system.snapshot()
    generator.finish()
    for key in ("bad_length", "bad_content"):
        if result[key]:
            raise BenchError(f"{system.name}: {result[key]} packets came back wrong ({key})")
    return result, before, after


# ---- guard-drop ----

def stages(host):
    """What the worker's code costs without any port, stage by stage."""
    args = host.args
    argv = [f"{args.build}/bench/{STAGES}", "--core", str(args.worker_core), "--rounds", str(args.stage_rounds),
            "--sources", str(args.sources), "--prefixes", str(args.prefixes)]
    if not host.hugepages:
        argv.append("--no-huge")
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode != 0:
        raise BenchError(f"{STAGES}: {done.stderr.strip()}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        row["case"] = host.args.case
        row["system"] = "stages"
    return rows


def dropped_row(system, result, before, after):
    """How many strangers' packets a second, and what each cost."""
    row = {"sent_mpps": result["flood"]["sent_mpps"], "tsc_hz": result["tsc_hz"], "unsent_share": share(result["flood"]),
           "generator_is_limit": result["flood"]["unsent"] == 0}
    if isinstance(system, Macswap):
        found = Macswap.row(system, result, before, after)
        return {**row, "mpps": row["sent_mpps"], "cycles_per_packet": found["cycles_per_packet"],
                "core_taken_share": found["core_taken_share"]}
    moved = {name: value - before[0].get(name, 0) for name, value in after[0].items()}
    dropped = sum(value for name, value in moved.items() if name.startswith("drop "))
    received = moved.get("rx_packets", 0)
    if received <= 0 or moved.get("busy_cycles", 0) <= 0:
        raise BenchError("the appliance received nothing, or started again: " + system.host.tail("dataplane", 3))
    return {**row, "mpps": row["sent_mpps"] * min(1, dropped / received), "cycles_per_packet": moved["busy_cycles"] / received,
            "packets_per_busy_round": received / max(1, moved.get("busy_rounds", 0)),
            "drops": {name[5:]: value for name, value in moved.items() if name.startswith("drop ") and value},
            "core_taken_share": (after[1][1] - before[1][1]) / 1e9 / max(after[2] - before[2], 1e-9)}


def share(counted):
    return counted["unsent"] / counted["offered"] if counted["offered"] else 0


def flood_options(host, system, pps):
    return ["--flood", f"{pps:.0f}", "--flood-kind", host.args.flood_kind or getattr(system, "kind", "stun"), "--flood-to",
            getattr(system, "target", GuardSluice.target)]


def drop_round(host, system, number):
    cycles_before, placement_before = ping_pong(host.args)
    system.start()
    try:
        options = ["--seconds", str(host.args.seconds), "--warmup", str(host.args.warmup), *flood_options(host, system, 0)]
        result, before, after = load(system, system.flows(options, sessions=0))
    finally:
        system.stop()
    cycles_after, placement_after = ping_pong(host.args)
    row = {"case": host.args.case, "system": system.name, "round": number, "hugepages": host.hugepages, "seconds": host.args.seconds,
           "prefixes": host.args.prefixes, "flood": host.args.flood_kind or "stun"}
    row.update(dropped_row(system, result, before, after))
    row["placement"] = placement_before if placement_before == placement_after else "moved"
    row["ping_pong_cycles"] = [cycles_before, cycles_after]
    row["disturbed"] = result["cpu_share"] < 0.97 or row["core_taken_share"] > 0.03
    say(f"round {number} {system.name:<9} {row['cycles_per_packet']:9.1f} cycles/packet, {row['mpps']:8.4f} Mpps dropped, "
        f"{row['unsent_share']:.1%} refused by the port, cores {row['placement']} {row['ping_pong_cycles']}"
        f"{', disturbed' if row['disturbed'] else ''}")
    return row


def median_of(rows, key):
    known = sorted(row[key] for row in rows if row.get(key) is not None)
    return known[len(known) // 2] if known else None


def measure_drop(host, systems):
    rows = stages(host) if "stages" in host.args.systems else []
    over_port = [make(host) for make in systems if make.name in host.args.systems]
    names = [system.name for system in over_port]
    rounds, number = [], 0
    # As of the other cases: the host may move the cores about, and such rounds count for nothing.
    while over_port and (number < host.args.rounds or (number < 2 * host.args.rounds + 1 and not report.complete(rounds, names))):
        number += 1
        for system in over_port:
            rounds.append(drop_round(host, system, number))
            if host.args.json and host.args.each:
                report.print_json(rounds[-1:])
    placement = report.choose_class(rounds, names)
    for system in over_port:
        mine = report.usable(rounds, placement, system.name) if placement else []
        if not mine:
            continue
        row = {key: mine[-1].get(key) for key in ("case", "system", "hugepages", "seconds", "prefixes", "flood", "tsc_hz", "drops")}
        row.update({key: median_of(mine, key) for key in ("mpps", "sent_mpps", "unsent_share", "cycles_per_packet",
                                                          "packets_per_busy_round")})
        row.update(placement=placement, rounds=len(mine), rounds_left_out=number - len(mine),
                   disturbed=any(one["disturbed"] for one in mine),
                   generator_is_limit=any(one["generator_is_limit"] for one in mine))
        rows.append(row)
    return rows


# ---- guard-mixed ----

def both(result, key):
    return result["client_to_peer"][key] + result["peer_to_client"][key]


def flows_row(host, system, phase, result, before, after, drop_mpps):
    moved = {name: value - before[0].get(name, 0) for name, value in after[0].items()}
    offered, received, unsent = result["offered"], result["received"], both(result, "unsent")
    latency = result["latency_us"]
    row = {
        "case": host.args.case, "flows": system.kind == "rtp" and "rtp" or "turn", "phase": phase, "drop_mpps": drop_mpps,
        "sessions": result["sessions"], "rate_pps": result["rate_pps"], "seconds": result["seconds"], "hugepages": host.hugepages,
        "offered": offered, "received": received, "lost": max(0, offered - received), "unsent": unsent,
        "lost_in_stalls": result.get("lost_in_stalls"), "lost_elsewhere": result.get("lost_elsewhere"),
        "lost_share": max(0, offered - received) / offered if offered else None, "unsent_share": unsent / offered if offered else None,
        "stalls": result["stalls"], "stalls_ms": result["stalls_ms"], "gap_max_us": result["gap_max_us"], "reordered": result["reordered"],
        "latency_p50_us": latency["p50"], "latency_p99_us": latency["p99"], "latency_p999_us": latency["p999"],
        "cpu_share": result["cpu_share"], "tsc_hz": result["tsc_hz"],
        "core_taken_share": (after[1][1] - before[1][1]) / 1e9 / max(after[2] - before[2], 1e-9),
        "drops": {name[5:]: value for name, value in moved.items() if name.startswith("drop ") and value},
    }
    if "flood" in result:
        row["flood_mpps"] = result["flood"]["sent_mpps"]
        row["flood_offered_mpps"] = result["flood"]["offered"] / result["seconds"] / 1e6
        row["flood_unsent_share"] = share(result["flood"])
    if "newcomers" in result:
        new = result["newcomers"]
        row.update(newcomers=new["started"], newcomers_ready=new["ready"], newcomers_share=new["ready"] / max(1, new["started"]),
                   newcomers_p50_ms=new["p50_ms"], newcomers_p99_ms=new["p99_ms"])
    row["disturbed"] = row["cpu_share"] < 0.97 or row["core_taken_share"] > 0.03
    return row


def mixed(host, system):
    """All phases before one system that stays up; returns their rows."""
    args = host.args
    rows = []
    rate = ["--rate", str(args.rate), "--warmup", "0.2"]
    newcomers = ["--newcomers", str(args.newcomers)] if system.kind == "stun" and args.newcomers else []
    seconds = max(args.seconds, args.packets / args.rate)

    def phase(name, options, drop_mpps=None):
        args.watch_s = seconds
        cycles, placement = ping_pong(args)
        result, before, after = load(system, system.flows(options))
        row = flows_row(host, system, name, result, before, after, drop_mpps)
        row.update(placement=placement, ping_pong_cycles=cycles)
        if rows:
            for key in ("p50", "p99", "p999"):
                idle = rows[0][f"latency_{key}_us"]
                row[f"latency_{key}_ratio"] = row[f"latency_{key}_us"] / idle if idle else None
        say(f"{row['flows']} {name}: {row['offered']} packets, {row['lost']} lost ({row['lost_in_stalls']} in {row['stalls']} stalls), "
            f"p50 {row['latency_p50_us']:.1f} p99 {row['latency_p99_us']:.1f} p99.9 {row['latency_p999_us']:.1f} us"
            + (f", flood {row['flood_mpps']:.2f} Mpps, {row['flood_unsent_share']:.1%} of it refused" if "flood_mpps" in row else "")
            + (f", newcomers {row['newcomers_ready']} of {row['newcomers']}" if "newcomers" in row else "")
            + (", disturbed" if row["disturbed"] else ""))
        rows.append(row)

    system.start()
    try:
        idle_s = min(IDLE_S, seconds)
        phase("idle", [*rate, "--seconds", str(idle_s)])
        result, before, after = load(system, system.flows(["--seconds", str(min(2, idle_s)), "--warmup", "0.2",
                                                           *flood_options(host, system, 0)], sessions=0))
        drop_mpps = dropped_row(system, result, before, after)["mpps"]
        say(f"drop rate {drop_mpps:.3f} Mpps")
        pps = max(0.1e6, drop_mpps * 1e6 * LOAD_SHARE - args.rate)
        phase("80", [*rate, "--seconds", str(seconds), *flood_options(host, system, pps), *newcomers], drop_mpps)
        phase("beyond", [*rate, "--seconds", str(min(2 * idle_s, seconds)), *flood_options(host, system, 0), *newcomers], drop_mpps)
    finally:
        system.stop()
    return rows


def measure_mixed(host, systems):
    rows = []
    for make in systems:
        if make.kind in host.args.flows:
            rows += mixed(host, make(host))
    return rows


def print_table(rows):
    for row in rows:
        if "stage" in row:
            print(f"{row['stage']:<14}{row['protocol']:<6}IPv{row['family']}  {row['cycles_per_packet']:8.1f} cycles/packet, "
                  f"{row['added_cycles']:8.1f} added, {row['mpps']:7.2f} Mpps")
        elif "phase" in row:
            print(json.dumps(report.rounded(row)))
        elif "system" in row and "mpps" in row:
            print(f"{row['system']:<10}{row['cycles_per_packet']:>10.1f} cycles/packet {row['mpps']:>8.3f} Mpps dropped, "
                  f"{row['unsent_share']:.1%} refused by the port{' (disturbed)' if row['disturbed'] else ''}")
        else:
            print(json.dumps(row))
