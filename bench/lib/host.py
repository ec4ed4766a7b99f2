# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""What a bench needs of the machine, and gives back: processes, namespaces, hugepages, temporary files."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_S = 60   # what starts in a second may take so long on a crowded machine
HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB"


class BenchError(Exception):
    """Something a person has to put right; the text says what."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(argv)}: {done.stdout.strip() or 'failed'}")
    return done.stdout


def hugepages(what):
    """Number of 2 MB pages: 'nr' of all, 'free'; 0 where there are none."""
    try:
        with open(f"{HUGEPAGES}/{what}_hugepages", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return 0


def add_hugepages(pages):
    try:
        with open(f"{HUGEPAGES}/nr_hugepages", "w", encoding="ascii") as file:
            file.write(str(max(0, hugepages("nr") + pages)))
    except OSError as error:
        say(f"hugepages: {error}")


class Host:
    """Everything made here is undone by close(), last first, whatever happened in between."""

    def __init__(self, args):
        self.args = args
        self.undo = []
        self.tag = f"sbn{os.getpid() % 100000}"
        self.dir = tempfile.mkdtemp(prefix="sluice-bench-")
        os.chmod(self.dir, 0o755)
        if args.keep:
            say(f"logs and configuration stay in {self.dir}")
        else:
            self.undo.append(lambda: shutil.rmtree(self.dir, ignore_errors=True))
        self.hugepages = not args.no_huge and self._reserve_hugepages(args.hugepages_mb)

    def path(self, name):
        return os.path.join(self.dir, name)

    def close(self):
        while self.undo:
            try:
                self.undo.pop()()
            except (OSError, BenchError, subprocess.SubprocessError) as error:
                say(f"clean-up: {error}")

    def _reserve_hugepages(self, megabytes):
        missing = megabytes // 2 - hugepages("free")
        if missing > 0:
            before = hugepages("nr")
            add_hugepages(missing)
            got = hugepages("nr") - before
            # By what we added, not to what was there: others may have changed it meanwhile.
            self.undo.append(lambda: add_hugepages(-got))
        if hugepages("free") >= megabytes // 2:
            return True
        say(f"no {megabytes} MB of hugepages to be had: measuring with --no-huge, which is slower")
        return False

    def namespace(self, name):
        """A network namespace of ours with loopback up; returns its full name."""
        full = f"{self.tag}-{name}"
        run("ip", "netns", "add", full)
        self.undo.append(lambda: run("ip", "netns", "del", full))
        run("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def veth(self, ns_a, name_a, ns_b, name_b):
        run("ip", "link", "add", name_a, "netns", ns_a, "type", "veth", "peer", "name", name_b, "netns", ns_b)
        for space, name in ((ns_a, name_a), (ns_b, name_b)):
            run("ip", "-n", space, "link", "set", name, "up")
            # A veth leaves checksums unfinished, and the generator reads frames as they are.
            run("ip", "netns", "exec", space, "ethtool", "-K", name, "tx", "off")

    def start(self, name, argv, namespace=None, core=None, **popen):
        """Start a process whose output goes to NAME.log; it is stopped at the latest by close()."""
        if core is not None:
            argv = ["taskset", "-c", str(core)] + argv
        if namespace is not None:
            argv = ["ip", "netns", "exec", namespace] + argv
        log = open(self.path(f"{name}.log"), "ab")
        popen.setdefault("stdout", log)
        try:
            process = subprocess.Popen(argv, stderr=log, cwd=self.dir, start_new_session=True, **popen)
        finally:
            log.close()
        self.undo.append(lambda: self.stop(process))
        return process

    def stop(self, process, patience_s=5):
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            # Its own session, so that children of a keeper go too.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def tail(self, name, lines=5):
        try:
            with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:]).strip()
        except OSError:
            return ""


def wait_until(what, test, seconds, process=None):
    end = time.monotonic() + seconds
    while not test():
        if process is not None and process.poll() is not None:
            raise BenchError(f"{what}: it ended with status {process.returncode}")
        if time.monotonic() > end:
            raise BenchError(f"{what}: nothing within {seconds} s")
        time.sleep(0.05)


def thread_times(pid):
    """CPU time and time spent waiting for a CPU, in ns, of each thread of a process."""
    times = {}
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return times
    for tid in threads:
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as file:
                ran, waited, _ = file.read().split()
        except OSError:
            continue
        times[tid] = (int(ran), int(waited))
    return times


def descendants(pid):
    """The process and all its children, grandchildren, ... as far as they still live."""
    found = [pid]
    for one in found:
        try:
            for tid in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{tid}/children", encoding="ascii") as file:
                    found.extend(int(child) for child in file.read().split())
        except OSError:
            continue
    return found


def busiest_thread(pid):
    """(ran, waited) of the thread that ran longest in this process or below it: a polling worker."""
    return max((times for one in descendants(pid) for times in thread_times(one).values()), default=(0, 0))
