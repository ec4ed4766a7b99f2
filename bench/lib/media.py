# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The media cases: the appliance as an RTP relay steered by ng, and the limit of its port."""

import os
import sys

from generator import Generator
from host import BenchError
from macswap import Macswap
from media_cases import (CALLEES, CALLERS, CASES, INTERFACE_A, INTERFACE_B, NG, RELAY_A, RELAY_B, RELAY_PORTS,
                         TAG_BYTES, calls_of)
from sluice import Sluice

CALLS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "calls.py")
SETUP_S = 120

CONFIG = """
log_level = "warning";
dataplane = {{
  workers = [ {worker_core} ];
  housekeeper_core = {generator_core};
  hugepages = "{hugepages}";
  memory_mb = {memory_mb};
  idle = "poll";
  socket = "{dir}/dataplane.sock";
  ports = (
    {{ name = "bench"; tap = "sl-bench";
      device = "net_memif0,role=server,socket={memif},socket-abstract=no";
      addresses = [ "{relay_a}/24", "{relay_b}/32" ]; }}
  );
}};
media = {{
  addresses = (
    {{ interface = "{interface_a}"; address = "{relay_a}"; }},
    {{ interface = "{interface_b}"; address = "{relay_b}"; }}
  );
  ports = [ {port_min}, {port_max} ];
  max_legs = {max_legs};
  max_sessions = {max_legs};
  max_large_keys = {max_large_keys};
  inactivity_timeout = 0;
  ng = {{ udp = ( "{ng}" ); }};
}};
control = {{
  api_socket = "{dir}/api.sock";
  database = "{dir}/bench.db";
}};
"""


def make_plan(host, namespace=None, reflect=False, legs=None, case=None):
    """Make the case's calls at the relay in that namespace; returns the plan's path."""
    args = host.args
    path = host.path("plan")
    case = case or args.case
    argv = [sys.executable, CALLS, case, str(calls_of(case, legs or args.sessions)), path]
    if reflect:
        argv.append("--reflect")
    process = host.start("calls", argv, namespace=namespace, core=args.generator_core)
    try:
        if process.wait(SETUP_S) != 0:
            raise BenchError(f"the calls were not made: {host.tail('calls')}")
    finally:
        host.stop(process)
    return path


def plan_generator(host, device, plan, namespace=None, more=()):
    return Generator(host, device, ["--plan", plan, "--clients", CALLERS, "--peers", CALLEES, "--seconds",
                                    str(host.args.seconds), *more], namespace=namespace)


class MediaSluice(Sluice):
    counted = ("rtp_out_packets",)
    not_counted = ("drop tx_full", "drop neighbour_queue_full")  # counted as sent by the leg, but never went out

    def configuration(self):
        legs = max(4096, self.host.args.sessions * 5 // 4)
        return CONFIG.format(
            **self.common(), relay_a=RELAY_A, relay_b=RELAY_B, interface_a=INTERFACE_A, interface_b=INTERFACE_B,
            port_min=RELAY_PORTS[0], port_max=RELAY_PORTS[1], max_legs=legs, ng=NG,
            max_large_keys=2 * legs if self.host.args.case == "srtp-gcm" else 1)

    def generator(self):
        plan = make_plan(self.host, self.space)
        device = f"net_memif0,role=client,socket={self.memif},socket-abstract=no"
        return plan_generator(self.host, device, plan, more=["--warmup", str(self.host.args.warmup)])


class MediaMacswap(Macswap):
    """The same frames as the case's callers send, plain ones that are as long as encrypted ones."""

    def generator(self):
        args = self.host.args
        plan = make_plan(self.host, reflect=True)
        device = f"net_memif0,role=client,socket={self.socket},socket-abstract=no"
        return plan_generator(self.host, device, plan, more=[
            "--gateway-mac", "02:00:00:00:00:01", "--warmup", str(args.warmup),
            "--payload", str(args.payload + TAG_BYTES[CASES[args.case].suite_a])])
