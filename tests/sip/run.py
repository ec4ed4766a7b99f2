#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Run the scenarios of some files (scenarios/NAME.py) against the lab that is up: run.py LAB.ENV NAME [PATTERN]. Each is a function
whose name begins with `s_`, and its first line of documentation says what it shows. Output is that of tests/lab/common.sh; exit status 1 when
one of them failed, and FILE.counts (SIP_COUNTS) gets "RUN FAILED"."""

import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402
from net import Missing  # noqa: E402

MESSAGES_SHOWN = 14


def read_env(path):
    with open(path, encoding="utf-8") as f:
        pairs = (line.strip().split("=", 1) for line in f if "=" in line)
        env = {name: value.strip('"') for name, value in pairs}
    env.update({k: v for k, v in os.environ.items() if k.startswith("SIP_")})
    return env


def messages(lab):
    """What went over the wire, for a scenario that failed."""
    lines = []
    for a in lab.agents:
        for m in a.port.sent:
            lines.append((getattr(m, "sent_at", 0), f"{a.name}@{a.port.host}:{a.port.port} sent", m))
        for m in a.port.received:
            lines.append((m.at, f"{a.name}@{a.port.host}:{a.port.port} got", m))
    lines.sort(key=lambda one: one[0])
    lines = [one for one in lines if one[2].method not in ("REGISTER", "OPTIONS")]
    for at, who, m in lines[-MESSAGES_SHOWN:]:
        print(f"        | {at % 1000:8.3f} {who}: {m.start}  [{m.get('CSeq')}; {m.call_id}]")
    if os.environ.get("SIP_VERBOSE"):
        for at, who, m in lines:
            print(f"---- {at % 1000:8.3f} {who}\n{m}")


def run(env, fn):
    what = (fn.__doc__ or fn.__name__).strip().split("\n")[0].rstrip(".")
    begun = time.monotonic()
    lab = Lab(env)
    good = True
    try:
        fn(lab)
        lab.finish()
    except Missing as error:
        good = False
        where = traceback.extract_tb(error.__traceback__)
        mine = next((f for f in reversed(where) if "scenarios" in f.filename), where[-1])
        text = f"{os.path.basename(mine.filename)}:{mine.lineno} ({mine.line})\n{error}"
    except Exception:  # noqa: BLE001 a scenario's own fault is shown and the others run
        good, text = False, traceback.format_exc()
    took = time.monotonic() - begun
    if good:
        print(f"ok      {what} ({took:.1f} s)")
    else:
        print(f"FAILED  {what} ({took:.1f} s) [{fn.__name__}]")
        print("\n".join("        " + line for line in text.strip().split("\n")[-40:]))
        messages(lab)
    try:
        lab.close()
    except Exception as error:  # noqa: BLE001
        print(f"        closing: {error!r}")
    sys.stdout.flush()
    return good


def main():
    env = read_env(sys.argv[1])
    module = importlib.import_module(f"scenarios.{sys.argv[2]}")
    patterns = sys.argv[3:]
    chosen = [fn for name, fn in vars(module).items() if name.startswith("s_") and callable(fn) and fn.__module__ == module.__name__
              and (not patterns or any(p in name for p in patterns))]
    if hasattr(module, "prepare"):
        module.prepare(Lab(env))
    failed = sum(not run(env, fn) for fn in chosen)
    counts = os.environ.get("SIP_COUNTS")
    if counts:
        with open(counts, "w", encoding="utf-8") as f:
            f.write(f"{len(chosen)} {failed}\n")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
