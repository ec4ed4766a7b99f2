# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""dpdk-testpmd, macswap: what one core can do that takes each frame, changes its header and sends it back."""

import os
import re
import subprocess
import time

from generator import Generator
from host import START_S, BenchError, busiest_thread, wait_until


class Macswap:
    name = "macswap"
    mode = "macswap"
    more_options = ()  # of the generator

    def __init__(self, host):
        self.host = host
        self.socket = host.path("macswap.sock")
        self.process = None

    def start(self):
        args = self.host.args
        memory = ["--in-memory"] if self.host.hugepages else ["--no-huge", "-m", "128", "--file-prefix", self.host.tag]
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        device = f"net_memif0,role=server,socket={self.socket},socket-abstract=no"
        self.process = self.host.start("testpmd", [
            "stdbuf", "-oL", "dpdk-testpmd", "-l", f"{args.generator_core},{args.worker_core}",
            "--main-lcore", str(args.generator_core), *memory, "--no-pci", "--no-telemetry", "--vdev", device, "--",
            "-i", f"--forward-mode={self.mode}", "--auto-start", "--record-core-cycles", "--total-num-mbufs=8192",
        ], stdin=subprocess.PIPE, text=True, bufsize=1)
        wait_until("testpmd", lambda: os.path.exists(self.socket), START_S, self.process)

    def generator(self):
        args = self.host.args
        device = f"net_memif0,role=client,socket={self.socket},socket-abstract=no"
        return Generator(self.host, device, ["--raw", "--seconds", str(args.seconds), "--warmup", str(args.warmup), *self.more_options])

    def _ask(self, command):
        """Send a command and return what it printed."""
        log = self.host.path("testpmd.log")
        at = os.path.getsize(log)
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        size = -1
        end = time.monotonic() + 3
        while time.monotonic() < end:
            time.sleep(0.1)
            now = os.path.getsize(log)
            if now > at and now == size:
                break
            size = now
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(at)
            return file.read()

    def snapshot(self):
        """Its own count of cycles in rounds that found packets; the driver's part is inside, empty rounds are not."""
        text = self._ask("show fwd stats all")
        found = re.search(r"CPU cycles/packet=([0-9.]+)", text)
        return float(found.group(1)) if found else None, busiest_thread(self.process.pid), time.monotonic()

    def row(self, result, before, after):
        cycles = after[0]
        if cycles is None:
            raise BenchError("testpmd printed no CPU cycles per packet")
        return {
            "mpps": result["mpps"],
            "cycles_per_packet": cycles,
            "cpu_ns_per_packet": cycles / result["tsc_hz"] * 1e9,
            "core_taken_share": (after[1][1] - before[1][1]) / 1e9 / max(after[2] - before[2], 1e-9),
        }

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.write("quit\n")
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.host.stop(self.process)
