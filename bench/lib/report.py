# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""From rounds to a verdict: one placement class, medians, ratios; a table for people or JSON lines for scripts."""

import json
import statistics

MEDIANS = ("mpps", "cycles_per_packet", "cpu_ns_per_packet", "loss", "latency_p50_us", "latency_p99_us")


def choose_class(rounds, systems):
    """The class in which most systems have rounds, then the one with most rounds."""
    def weight(placement):
        mine = [r for r in rounds if r["placement"] == placement]
        return len({r["system"] for r in mine}), len(mine)

    classes = {r["placement"] for r in rounds} - {"moved"}
    return max(classes, key=weight) if classes and systems else None


def usable(rounds, placement, system):
    """The system's rounds of the class; undisturbed ones where there are any."""
    mine = [r for r in rounds if r["system"] == system and r["placement"] == placement]
    quiet = [r for r in mine if not r["disturbed"]]
    return quiet or mine


def complete(rounds, systems):
    """Has every system a round in the class that would be shown?"""
    placement = choose_class(rounds, systems)
    return placement is not None and all(usable(rounds, placement, system) for system in systems)


def summarise(rounds, systems):
    """One dictionary per system, medians over its usable rounds."""
    placement = choose_class(rounds, systems)
    rows = []
    for system in systems:
        mine = usable(rounds, placement, system) if placement else []
        if not mine:
            continue
        row = {key: mine[0][key] for key in ("case", "system", "frame_bytes", "payload_bytes", "sessions", "seconds",
                                             "hugepages", "tsc_hz")}
        for key in MEDIANS:
            known = [r[key] for r in mine if r[key] is not None]
            row[key] = statistics.median(known) if known else None
        row["generator_is_limit"] = statistics.median(r.get("generator_is_limit", False) for r in mine) > 0.5
        row["placement"] = placement
        row["ping_pong_cycles"] = statistics.median(r["ping_pong_cycles"][0] for r in mine)
        row["rounds"] = len(mine)
        row["rounds_left_out"] = sum(r["system"] == system for r in rounds) - len(mine)
        row["disturbed"] = any(r["disturbed"] for r in mine)
        rows.append(row)
    _add_ratios(rows)
    return rows


def _add_ratios(rows):
    by_name = {row["system"]: row for row in rows}
    ours = by_name.get("sluice")
    for row in rows:
        if ours is None or row is ours:
            continue
        # How many of the other's packets cost as much CPU as one of ours, and how many times its rate ours is.
        row["sluice_cpu_ratio"] = row["cpu_ns_per_packet"] / ours["cpu_ns_per_packet"]
        row["sluice_mpps_ratio"] = ours["mpps"] / row["mpps"] if row["mpps"] else None


def shown(value, form):
    return "-" if value is None else format(value, form)


def rounded(row):
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in row.items()}


def print_json(rows):
    for row in rows:
        print(json.dumps(rounded(row)), flush=True)


def print_table(rows):
    if not rows:
        print("No two rounds were of one placement class; run again, or with more --rounds.")
        return
    first = rows[0]
    print(f"\n{first['case']}: {first['sessions']} sessions, {first['payload_bytes']} B payload "
          f"({first['frame_bytes']} B frames), cores {first['placement']}, "
          f"{'hugepages' if first['hugepages'] else 'no hugepages'}, TSC {first['tsc_hz'] / 1e9:.2f} GHz, "
          "medians, no PCIe/DMA included\n")
    head = ("system", "rounds", "cycles/packet", "CPU ns/packet", "Mpps", "loss", "p50 us", "p99 us")
    print("{:<10}{:>7}{:>15}{:>15}{:>10}{:>10}{:>10}{:>10}".format(*head))
    for row in rows:
        print(f"{row['system']:<10}{row['rounds']:>7}{row['cycles_per_packet']:>15.1f}"
              f"{row['cpu_ns_per_packet']:>15.1f}{row['mpps']:>10.3f}{shown(row['loss'], '.1e'):>10}"
              f"{shown(row['latency_p50_us'], '.1f'):>10}{shown(row['latency_p99_us'], '.1f'):>10}"
              f"{'' if row['sessions'] == first['sessions'] else '   (%d sessions)' % row['sessions']}"
              f"{'   (disturbed)' if row['disturbed'] else ''}"
              f"{'   (generator was the limit)' if row['generator_is_limit'] else ''}")
    print()
    for row in rows:
        if row["system"] in ("coturn", "rtpengine") and "sluice_cpu_ratio" in row:
            print(f"sluice carries {row['sluice_mpps_ratio']:.1f} x {row['system']}'s packets per second on one core "
                  f"({row['sluice_cpu_ratio']:.1f} x by CPU per packet)")
        elif row["system"] == "libsrtp2" and "sluice_cpu_ratio" in row:
            print(f"libsrtp2 alone costs {row['sluice_cpu_ratio']:.1f} x the cycles of all that sluice does")
        elif row["system"] == "macswap" and "sluice_cpu_ratio" in row:
            print(f"sluice costs {1 / row['sluice_cpu_ratio']:.2f} x the cycles of macswap, which only swaps addresses")
