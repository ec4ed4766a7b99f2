#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Stop one thread of a process for a while, as a debugger would: kill -STOP always stops them all.

stop_thread.py THREAD-ID [--seconds N]

Says when it did (seconds, Unix).
"""

import argparse
import ctypes
import os
import sys
import time

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("thread", type=int)
    p.add_argument("--seconds", type=float, default=2)
    args = p.parse_args()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, args.thread, None, None) < 0:
            print("stop_thread.py: %d: %s" % (args.thread, os.strerror(ctypes.get_errno())), file=sys.stderr)
            return 1
    print("%.3f" % time.time(), flush=True)
    time.sleep(args.seconds)
    libc.ptrace(PTRACE_DETACH, args.thread, None, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
