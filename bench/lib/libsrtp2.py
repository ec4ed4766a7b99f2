# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Debian's libsrtp2 alone, on packets that nobody sends: the part of a relay's work that it would do."""

import json
import os
import subprocess
import threading

from host import BenchError, busiest_thread
from media_cases import CASES

# On NSS, as Debian builds it, a packet costs several times as much among hundreds of keys, and thousands take minutes to
# make: one stream is its best.
ROUNDS, LIMIT_S, STREAMS = 15, 60, 1


class Libsrtp2:
    name = "libsrtp2"

    def __init__(self, host):
        self.host = host
        self.ran = self.waited = 0

    @staticmethod
    def program(build):
        return os.path.join(build, "bench", "sluice-bench-srtp")

    def _steps(self, suite):
        """Cycles of protect and unprotect of one suite, at the payload of the case."""
        args = self.host.args
        process = self.host.start(self.name, [
            self.program(args.build), "--systems", self.name, "--suites", suite, "--sizes", str(args.payload),
            "--streams", str(STREAMS), "--rounds", str(ROUNDS),
            "--core", str(args.worker_core),
        ], stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(LIMIT_S, process.kill)
        watchdog.start()
        found = {row["case"]: row for row in map(json.loads, process.stdout)}
        watchdog.cancel()
        # Until it is waited for, the scheduler still knows it.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.ran, self.waited = map(sum, zip((self.ran, self.waited), busiest_thread(process.pid)))
        if process.wait() != 0 or "srtp-protect" not in found or "srtp-unprotect" not in found:
            raise BenchError(f"sluice-bench-srtp: {self.host.tail(self.name)}")
        return found["srtp-protect"], found["srtp-unprotect"]

    def measure(self):
        """The whole round: there is nothing to load."""
        case = CASES[self.host.args.case]
        self.ran = self.waited = 0
        steps = [self._steps(case.suite_a)[1]] if case.suite_a else []
        steps += [self._steps(case.suite_b)[0]] if case.suite_b else []
        cycles, hz = sum(step["cycles_per_packet"] for step in steps), steps[0]["tsc_hz"]
        return {"tsc_hz": hz, "sessions": STREAMS, "cycles_per_packet": cycles, "cpu_ns_per_packet": cycles / hz * 1e9,
                "mpps": hz / cycles / 1e6, "core_taken_share": self.waited / max(self.ran + self.waited, 1)}
