# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Debian's libsrtp2 alone, on packets that nobody sends: the part of a relay's work that it would do."""

import json
import os
import subprocess

from host import BenchError
from media_cases import CASES, calls_of

ROUNDS, LIMIT_S = 5, 60


class Libsrtp2:
    name = "libsrtp2"

    def __init__(self, host):
        self.host = host

    @staticmethod
    def program(build):
        return os.path.join(build, "bench", "sluice-bench-srtp")

    def _steps(self, suite):
        """Cycles of protect and unprotect of one suite, each packet of a stream drawn at random."""
        args = self.host.args
        done = subprocess.run([
            self.program(args.build), "--systems", self.name, "--suites", suite, "--sizes", str(args.payload),
            "--streams", str(calls_of(args.case, args.sessions)), "--rounds", str(ROUNDS),
            "--core", str(args.worker_core),
        ], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S)
        found = {}
        for line in done.stdout.splitlines():
            row = json.loads(line)
            found[row["case"]] = row
        if done.returncode != 0 or "srtp-protect" not in found or "srtp-unprotect" not in found:
            raise BenchError(f"sluice-bench-srtp: {done.stderr.strip() or done.stdout}")
        return found["srtp-protect"], found["srtp-unprotect"]

    def measure(self):
        """The whole round: there is nothing to load."""
        case = CASES[self.host.args.case]
        steps = [self._steps(case.suite_a)[1]] if case.suite_a else []
        steps += [self._steps(case.suite_b)[0]] if case.suite_b else []
        cycles, hz = sum(step["cycles_per_packet"] for step in steps), steps[0]["tsc_hz"]
        return {"tsc_hz": hz, "cycles_per_packet": cycles, "cpu_ns_per_packet": cycles / hz * 1e9,
                "mpps": hz / cycles / 1e6}
