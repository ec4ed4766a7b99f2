#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Golden packets through the whole dataplane over net_pcap, in a network namespace of its own.

  golden.py file     the port reads an rx_pcap file once and writes a tx_pcap file; no control plane
  golden.py live     the port listens on an interface, so that cases come one by one and each one's counters are seen

Environment: SLUICE_BUILD, the build folder. Exit status 0, 1, or 77 (needs root).
"""

import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import cases  # noqa: E402
import frames  # noqa: E402
import guard_cases  # noqa: E402
import ng  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(HERE, "..", "..", "build"))
NS = "slg%d" % os.getpid()
CLONE_NEWNET = 0x40000000
START_SECONDS = 30  # with sanitizers
TAPS = (("sl-golden", cases.CLIENT4), ("sl-golden", cases.CLIENT6), ("sl-golden.100", cases.VLAN_CLIENT4))


def ip(*args, check=True):
    return subprocess.run(("ip", "-n", NS) + args, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def in_ns(*args):
    return ("ip", "netns", "exec", NS) + args


def wait_for(what, seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("waited %d s for %s" % (seconds, what))
        time.sleep(0.02)


class Api:
    """Requests over the control plane's UNIX socket."""

    def __init__(self, path):
        self.path = path

    def get(self, target):
        return self.ask("GET", target)

    def ask(self, method, target, body=None):
        c = http.client.HTTPConnection("localhost", timeout=5)
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.settimeout(5)
        try:
            c.sock.connect(self.path)
            c.request(method, target, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = c.getresponse()
            return answer.status, json.loads(answer.read() or "null")
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            c.close()

    def counters(self):
        status, body = self.get("/v1/counters")
        if status != 200:
            raise RuntimeError("/v1/counters: status %d %s" % (status, body))
        return body["counters"], body["drops"]


class Golden:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-golden-")
        self.out = os.path.join(self.dir, "out.pcap")
        self.programs = []
        self.failures = 0

    def __enter__(self):
        subprocess.run(("ip", "netns", "add", NS), check=True)
        ip("link", "set", "lo", "up")
        subprocess.run(in_ns("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                             "net.ipv6.conf.default.router_solicitations=0",
                             "net.ipv6.conf.default.addr_gen_mode=1"), check=True)
        # The TAPs are persistent by design: made here first, they have the MAC, and Linux the neighbours, that the cases know.
        for tap in ("sl-golden", "sl-golden.100"):
            ip("tuntap", "add", "dev", tap, "mode", "tap")
            ip("link", "set", tap, "address", cases.PORT_MAC, "up")
        ip("addr", "add", "%s/24" % cases.SERVICE4, "dev", "sl-golden")
        ip("addr", "add", "%s/64" % cases.SERVICE6, "dev", "sl-golden", "nodad")
        ip("addr", "add", "198.51.100.1/24", "dev", "sl-golden.100")
        for tap, neighbour in TAPS:
            ip("neigh", "replace", neighbour, "lladdr", cases.CLIENT_MAC, "dev", tap, "nud", "permanent")
        return self

    def __exit__(self, kind, _value, _trace):
        self.stop()
        if kind is not None or self.failures:
            for name in ("dataplane", "controlplane"):
                self.show_log(name)
        subprocess.run(("ip", "netns", "del", NS), check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def show_log(self, name):
        path = os.path.join(self.dir, name + ".log")
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                print("---- end of the %s's log" % name)
                print("".join(f.readlines()[-25:]), end="")

    def configure(self, device):
        with open(os.path.join(HERE, "golden.conf")) as f:
            text = f.read().replace("@DEVICE@", device).replace("@RUN_DIR@", self.dir)
        self.conf = os.path.join(self.dir, "sluice.conf")
        with open(self.conf, "w") as f:
            f.write(text)

    def start(self, name):
        """Start a program with its keeper in the foreground; its log goes to a file."""
        log = open(os.path.join(self.dir, name + ".log"), "w")
        # Ending is no cleaner than crashing, by design: what a program still holds at its end is no leak.
        env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        p = subprocess.Popen(in_ns(os.path.join(BUILD, name, "sluice-" + name), "--config", self.conf), env=env,
                             stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.programs.append(p)
        return p

    def stop(self):
        """Orderly, last started first, so that the port closes its file."""
        for p in reversed(self.programs):
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
            try:
                p.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            if p.returncode != 0:
                self.fail("%s ended with status %d" % (p.args[4], p.returncode))
        self.programs = []

    def fail(self, what):
        self.failures += 1
        print("FAILED  " + what)

    def read_logs(self):
        """A sanitizer may speak without ending the program."""
        for name in ("dataplane", "controlplane"):
            path = os.path.join(self.dir, name + ".log")
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    if any("Sanitizer" in line or "runtime error:" in line for line in f):
                        self.fail("a sanitizer's report in the log of the %s" % name)

    def alive(self):
        for p in self.programs:
            if p.poll() is not None:
                raise RuntimeError("a program ended with status %d" % p.returncode)

    def tell(self, case, wrong):
        if wrong:
            self.fail(case.name)
            for line in wrong:
                print("        " + line)
        else:
            print("ok      %s" % case.name)


def same(got, want):
    """Byte for byte, but for the IPv4 identification and Ethernet's padding."""
    got, want = frames.without_ident(got), frames.without_ident(want)
    return got[:len(want)] == want and not any(got[len(want):])


def compare(case, seen):
    """What is wrong with the frames that a case brought out."""
    if callable(case.out):
        try:
            wrong = case.out(seen)
        except (ValueError, IndexError, cases.stun.Malformed) as e:
            wrong = "cannot be read: %r" % e
        if wrong:
            return [wrong] + ["got  " + f.hex() for f in seen]
        return []
    if len(seen) == len(case.out) and all(same(g, w) for g, w in zip(seen, case.out)):
        return []
    return ["want " + w.hex() for w in case.out] + ["got  " + g.hex() for g in seen]


def ours(frame):
    """Not what Linux says by itself on a TAP: IPv6 neighbour and multicast chatter."""
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    return not (frame[at - 2:at] == b"\x86\xdd" and (frame[at + 6] == 58 or frame[at + 6] == 0))


def run_file(golden):
    """All cases lie in the rx_pcap file before the start. Every answer must be in the tx_pcap file, and no more."""
    todo = cases.from_file()
    source = os.path.join(golden.dir, "in.pcap")
    frames.write_pcap(source, [f for c in todo for f in c.frames])
    golden.configure("net_pcap0,rx_pcap=%s,tx_pcap=%s" % (source, golden.out))
    golden.start("dataplane")
    wait_for("the dataplane", START_SECONDS, lambda: (golden.alive(), os.path.exists(
        os.path.join(golden.dir, "dataplane.sock")))[1])
    time.sleep(1)
    golden.stop()
    # A burst's fragments are put together, and answered, before the rest of it is looked at: the order is not the file's.
    left = [f for f in frames.read_pcap(golden.out) if ours(f)]
    for case in todo:
        seen = []
        for want in case.out:
            seen += [f for f in left if same(f, want)][:1]
        for frame in seen:
            left.remove(frame)
        golden.tell(case, compare(case, seen))
    if left:
        golden.fail("frames that nobody expected")
        for frame in left:
            print("        got  " + frame.hex())


class World:
    """What a case may ask for before its frames: the API, the ng protocol as a proxy speaks it, an answer from the port."""

    def __init__(self, api, ng_client, wire, out):
        self.api, self.ng, self.wire, self.out = api, ng_client, wire, out

    def exchange(self, frame, is_answer):
        """Send a frame; the first new one to come out of which is_answer says something."""
        before = len(frames.read_pcap(self.out))
        self.wire.send(frame)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            for seen in frames.read_pcap(self.out)[before:]:
                answer = is_answer(seen)
                if answer:
                    return answer
            time.sleep(0.01)
        raise RuntimeError("no answer to " + frame.hex())

    def change(self, method, target, body=None):
        status, answer = self.api.ask(method, target, body)
        if status not in (200, 201, 204):
            raise RuntimeError("%s %s: status %d %s" % (method, target, status, answer))

    def get(self, target):
        return self.api.get(target)[1]

    def put(self, target, body):
        self.change("PUT", target, body)

    def delete(self, target):
        self.change("DELETE", target)


def as_told(got, want):
    """Has each name grown as it should?"""
    return all(got.get(n, 0) in v if isinstance(v, tuple) else got.get(n, 0) == v for n, v in want.items())


def drops_as_told(got, case):
    return as_told(got, case.drops) and not set(got) - set(case.drops)


def differences(before, after):
    return {n: after[n] - before[n] for n in after if after[n] != before[n]}


def run_case(api, wire, case):
    """Send a case's frames and wait until the counters have moved as they should, or too long. What is wrong with them."""
    expected_out = 0 if callable(case.out) and case.drops else 1 if callable(case.out) else len(case.out)
    todo = case.frames() if callable(case.frames) else case.frames
    counters, drops = api.counters()
    for frame in todo:
        wire.send(frame)
    deadline = time.monotonic() + 2
    while True:
        now_counters, now_drops = api.counters()
        moved = differences(counters, now_counters)
        if (now_counters["rx_packets"] - counters["rx_packets"] >= len(todo)
                and drops_as_told(differences(drops, now_drops), case)
                and as_told(moved, case.counters)
                and moved.get("tx_packets", 0) >= expected_out):
            break
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    if case.settle:
        time.sleep(case.settle)
        now_counters, now_drops = api.counters()
        moved = differences(counters, now_counters)
    wrong = []
    if not drops_as_told(differences(drops, now_drops), case):
        wrong.append("drops: expected %s, got %s" % (case.drops, differences(drops, now_drops)))
    for name, value in case.counters.items():
        if not as_told(moved, {name: value}):
            wrong.append("counter %s: expected +%s, got +%d" % (name, value, moved.get(name, 0)))
    return wrong


def run_live(golden):
    ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
    for end in ("wire0", "wire1"):
        subprocess.run(in_ns("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % end), check=True)
        ip("link", "set", end, "mtu", "9000", "up")
    golden.configure("net_pcap0,rx_iface_in=wire1,tx_pcap=%s" % golden.out)
    golden.start("dataplane")
    golden.start("controlplane")
    api = Api(os.path.join(golden.dir, "api.sock"))
    wait_for("both programs", START_SECONDS, lambda: (golden.alive(), api.get("/healthz")[0] == 200)[1])
    with open("/proc/self/ns/net") as old, open("/run/netns/" + NS) as new:
        set_namespace(new.fileno())
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind(("wire0", 0))
        proxy = ng.Ng()
        set_namespace(old.fileno())
    time.sleep(0.2)  # Linux's first words on the TAPs
    todo, world = cases.live() + guard_cases.live(), World(api, proxy, wire, golden.out)
    wrongs, sent = [], [api.counters()[0]["tx_packets"]]
    for case in todo:
        wrong = case.before(world) if case.before else None
        time.sleep(case.wait)
        wrongs.append(([wrong] if wrong else []) + run_case(api, wire, case))
        sent.append(api.counters()[0]["tx_packets"])
    wire.close()
    golden.alive()
    for reason in sorted(set(world.get("/v1/guard")["drops"]) - {reason for case in todo for reason in case.drops}):
        golden.fail("no case for the guard's reason to drop " + reason)
    golden.stop()
    seen = frames.read_pcap(golden.out)
    for i, case in enumerate(todo):
        golden.tell(case, wrongs[i] + compare(case, [f for f in seen[sent[i]:sent[i + 1]] if ours(f)]))


def set_namespace(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def main():
    which = {"file": run_file, "live": run_live}.get(sys.argv[1] if len(sys.argv) == 2 else "")
    if which is None:
        print(__doc__, file=sys.stderr)
        return 2
    if os.getuid() != 0:
        print("needs root for a network namespace")
        return 77

    def interrupted(_signal, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    with Golden() as golden:
        which(golden)
        golden.read_logs()
    print("---- golden %s: %d failed" % (sys.argv[1], golden.failures))
    return 1 if golden.failures else 0


if __name__ == "__main__":
    sys.exit(main())
