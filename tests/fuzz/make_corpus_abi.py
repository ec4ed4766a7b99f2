#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the seeds of the command, event and clip corpora that media and the guard need below corpus/, as little-endian machines
lay the messages out (dataplane/abi/msg_media.h, msg_guard.h). Run after changing a seed or a message here."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
LEG_SET, LEG_DELETE, LEG_QUERY, LEG_LIST, LEGS_SWEEP, ROUTE_ADD, ROUTE_DELETE, DTMF_SEND, PLAY_START, PLAY_STOP, TAP_SET, \
    TAP_CLEAR = range(10, 22)
POLICY, BAN, UNBAN, BANS_CLEAR, MARK, PRESSURE, METER, QUERY, SAMPLE = range(22, 31)
ACK, LIST_END, LEG, GUARD_SOURCE, GUARD_SIGNALS, GUARD_ANSWER = 1, 3, 5, 6, 7, 8
RAW, REQUIRE_SRTP, MUX = 1 << 9, 1 << 10, 1


def ref(port=30000, address=1, leg=0x2000000000000001):
    return struct.pack("<QHB5x", leg, port, address)


def ip4(*b):
    return bytes(10) + b"\xff\xff" + bytes(b)


def endpoint(ip=bytes(16), port=0):
    return ip + struct.pack("!H6x", port)


def key(suite=0, key_len=16, salt_len=14, mki=b"", flags=0, lifetime=0):
    return struct.pack("<BB4sBx32s14s2xQ", suite, len(mki), mki, flags, b"\x11" * key_len if suite else b"",
                       b"\x22" * salt_len if suite else b"", lifetime)


def leg(flags=0, port=30000, rtcp=30001, learn=3, dscp=46, pt_map=((96, 101),), clocks=((111, 48000),),
        remote=endpoint(ip4(192, 0, 2, 7), 4000), keys=(key(), key(), key())):
    maps = b"".join(bytes(p) for p in pt_map)
    rates = b"".join(struct.pack("<B3xI", *c) for c in clocks)
    return ref(port) + struct.pack("<IIHBBBBBBB3xI", flags, 60000, rtcp, learn, dscp, 101, 96, 8, len(pt_map), len(clocks),
                                   0x12345678) + remote + endpoint() + bytes(16) + maps.ljust(32, b"\0") + \
        rates.ljust(128, b"\0") + b"".join(keys)


def leg_event(change=2, worker=0, flags=0, remote=endpoint(ip4(192, 0, 2, 7), 4000)):
    return ref() + struct.pack("<BBBBBBH", change, worker, 1, flags, 5, 10, 160) + remote + endpoint() + \
        struct.pack("<5Q", 1000, 172000, 900, 154800, 3) + struct.pack("<10I", *range(10)) + \
        struct.pack("<BBHIIII", 3, 8, 1, 20, 60, 4, 5)


SDES = (key(1), key(8, 32, 12, b"\1\2\3\4", 0, 1 << 31), key(5, 32, 14))
COMMANDS = {
    "leg_set": (LEG_SET, leg()), "leg_set_srtp": (LEG_SET, leg(flags=REQUIRE_SRTP | MUX, rtcp=0, keys=SDES)),
    "leg_set_raw": (LEG_SET, leg(flags=RAW, rtcp=0, pt_map=(), clocks=(), remote=endpoint())),
    "leg_set_full_maps": (LEG_SET, leg(pt_map=[(i, 127 - i) for i in range(16)], clocks=[(i, 8000) for i in range(16)])),
    "leg_set_bad_counts": (LEG_SET, leg(pt_map=[(1, 200)], clocks=[(1, 0)])),
    "leg_set_bad_key": (LEG_SET, leg(keys=(key(1, 17), key(9), key(0, 0, 0, b"x")))),
    "leg_set_multicast": (LEG_SET, leg(remote=endpoint(ip4(224, 0, 0, 1), 4000))),
    "leg_delete": (LEG_DELETE, ref()), "leg_query": (LEG_QUERY, ref(leg=0)), "leg_list": (LEG_LIST, b""),
    "legs_sweep": (LEGS_SWEEP, b""), "route_add": (ROUTE_ADD, ref() + ref(31000)),
    "route_delete": (ROUTE_DELETE, ref() + ref(0)), "dtmf_send": (DTMF_SEND, ref() + struct.pack("<HHBB2x", 100, 50, 11, 10)),
    "play_start": (PLAY_START, ref() + struct.pack("<IIIB3x", 3, 1, 0, 8)), "play_stop": (PLAY_STOP, ref() + bytes(16)),
    "tap_set": (TAP_SET, ref() + struct.pack("<IB3x", 9, 3)), "tap_clear": (TAP_CLEAR, ref() + bytes(8)),
}


def rule(guard_class=0, action=0, listener=0xffff, pps=(50, 500, 5000), total=100000):
    return struct.pack("<BBH4I", guard_class, action, listener, *pps, total)


def policy(rules=(rule(), rule(3, 2), rule(3, 3, 2), rule(6, 1)), reflection=300, n=None):
    return struct.pack("<BBH9I", 1, 0, reflection, 100, 400, 0, 10000, 500, 16, 0, 0, len(rules) if n is None else n) + b"".join(rules)


def ban(addresses=((ip4(192, 0, 2, 7), 128), (b"\x20\x01\x0d\xb8" + bytes(12), 64)), seconds=60):
    return struct.pack("<I4x", len(addresses)) + b"".join(ip + struct.pack("<BB2xI", n, 1, seconds) for ip, n in addresses)


def mark(trust=2, seconds=3600, listener=1):
    return struct.pack("<I4x", 1) + endpoint(ip4(192, 0, 2, 7), 5060) + struct.pack("<HBxI", listener, trust, seconds)


COMMANDS |= {
    "guard_policy": (POLICY, policy()), "guard_policy_empty": (POLICY, policy(())),
    "guard_policy_full": (POLICY, policy([rule(c, 0, n) for c in (0, 3) for n in range(16)])),
    "guard_policy_too_many": (POLICY, policy(n=33)), "guard_policy_twice": (POLICY, policy((rule(), rule()))),
    "guard_policy_listener": (POLICY, policy((rule(2, 0, 16),))), "guard_ban": (BAN, ban()), "guard_unban": (UNBAN, ban()),
    "guard_ban_too_wide": (BAN, ban(((ip4(192, 0, 2, 0), 120),))), "guard_bans_clear": (BANS_CLEAR, b""),
    "guard_mark": (MARK, mark()), "guard_mark_withdrawn": (MARK, mark(0, 0)), "guard_mark_no_end": (MARK, mark(seconds=0)),
    "guard_pressure": (PRESSURE, struct.pack("<I", 25)), "guard_pressure_none": (PRESSURE, struct.pack("<I", 0)),
    "guard_meter": (METER, struct.pack("<III", 7, 1000, 2000)), "guard_meter_of_turn": (METER, struct.pack("<III", 4096, 1, 16)),
    "guard_query": (QUERY, ip4(192, 0, 2, 7)), "guard_query_nobody": (QUERY, bytes(16)),
    "guard_sample": (SAMPLE, struct.pack("<IIIHBx", 100, 10, 4, 0xffff, 120) + ip4(192, 0, 2, 0)),
    "guard_sample_stop": (SAMPLE, b""),
}


def guard_source(level=1, length=120, change=1, worker=0):
    return ip4(192, 0, 2, 0) + struct.pack("<BBBBBBHIIB7x", length, level, change, 3, 2, 0, 0xffff, 900, 500, worker)


def guard_signals(n=1, worker=0):
    return struct.pack("<IB3x", n, worker) + ip4(192, 0, 2, 7) + struct.pack("<6H", 3, 0, 1, 0, 0, 0)


def guard_answer(n=1, worker=0):
    return ip4(192, 0, 2, 7) + struct.pack("<BBBxII", worker, 1, 1, 59, n) + struct.pack("<BxHHHH", 3, 0xffff, 900, 20, 1)


EVENTS = {"event_leg": leg_event(), "event_leg_bad_change": leg_event(change=8),
          "event_leg_dtmf": leg_event(change=5, flags=3, remote=endpoint())}


def message(kind, body):
    return struct.pack("<II", kind, 7) + body


def clip(n=3, frame=160, magic=0x31504c43454c4453, offset=0, codec=b"PCMA"):
    first = 64 + 8 * n
    table = b"".join(struct.pack("<II", first + offset + i * frame, frame) for i in range(n))
    head = struct.pack("<QQIIII16s16x", magic, first + n * frame, n, 20, 8000, 160, codec)
    return head + table + b"\xd5" * (n * frame)


CLIPS = {"good": clip(), "one_frame": clip(1, 33), "outside": clip(offset=1), "empty_codec": clip(codec=b""),
         "no_frames": clip(0), "many": clip(40, 10), "not_a_clip": clip(magic=1)}

# fuzz_event.c: the ring, the type, then up to 62 bytes of the event from its seq on.
PIECES = {
    "leg_state": bytes((1, LEG)) + struct.pack("<I", 7) + leg_event(change=1)[:58],
    "leg_learned": bytes((2, LEG)) + struct.pack("<I", 0) + leg_event(worker=1)[:58],
    "leg_of_another_worker": bytes((1, LEG)) + struct.pack("<I", 0) + leg_event(worker=1)[:58],
    "leg_from_the_housekeeper": bytes((0, LEG)) + struct.pack("<I", 0) + leg_event()[:58],
    "leg_bad_change": bytes((1, LEG)) + struct.pack("<I", 0) + leg_event(change=0)[:58],
    "refusal_of_a_worker": bytes((1, ACK)) + struct.pack("<Ii", 7, -22) + b"leg: port 0",
    "guard_source": bytes((1, GUARD_SOURCE)) + struct.pack("<I", 0) + guard_source()[:58],
    "guard_source_of_another_worker": bytes((1, GUARD_SOURCE)) + struct.pack("<I", 0) + guard_source(worker=1)[:58],
    "guard_source_of_the_housekeeper": bytes((0, GUARD_SOURCE)) + struct.pack("<I", 0) + guard_source()[:58],
    "guard_signals": bytes((2, GUARD_SIGNALS)) + struct.pack("<I", 0) + guard_signals(worker=1)[:58],
    "guard_answer": bytes((1, GUARD_ANSWER)) + struct.pack("<I", 0x101) + guard_answer()[:58],
    "guard_list_in_force": bytes((0, ACK)) + struct.pack("<Ii", 0x80000007, 0),
    "end_of_a_list": bytes((1, LIST_END)) + struct.pack("<I", 7),
    "clip_refused": bytes((0, ACK)) + struct.pack("<Ii", 0x40000007, -22) + b"frames: a frame outside the clip",
}

# fuzz_turn_conf.c: records of eight bytes.
BEGIN, CONFIG, REALM, NAME, RULE, SECRET, OAUTH, ALTERNATE, RESTRICTED, DRAIN, SET, DELETE, COMMIT = range(13)


def record(kind, realm=0, a=0, b=0, text=b"ab\1\2"):
    return bytes((kind, realm, a, b)) + text


def draft(*items, keep=0, realms=2):
    return record(BEGIN, keep) + record(CONFIG) + b"".join(record(REALM, i, 1, i, bytes((i, 0, 0, 0))) for i in range(realms)) + \
        b"".join(items) + record(COMMIT)


EVERYTHING = (record(NAME, 1), record(NAME, 1, 1, 3), record(RULE, 7, 1, 24), record(RULE, 1, 0, 32), record(SECRET), record(SECRET, 1), record(OAUTH, 1),
              record(ALTERNATE, 7, 0, 50), record(RESTRICTED, 7), record(RESTRICTED, 1, 1), record(SET), record(SET, 1, 1), record(SET, 1, 0, 3))
TURN_CONF = {
    "empty": b"", "one_draft": draft(*EVERYTHING), "no_realm": draft(realms=0), "realms_late": draft(record(SECRET), record(REALM, 2)),
    "users_kept": draft(*EVERYTHING) + draft(keep=1) + draft(record(SET, 1, 0, 2), keep=1, realms=3),
    "renumbered": draft(*EVERYTHING) + record(BEGIN, 1) + record(CONFIG) + record(REALM, 0, 0, 0, b"\1aaa") + record(REALM, 1, 0, 0, b"\0aaa") +
    record(DELETE, 1) + record(COMMIT),
    "alone": draft(*EVERYTHING) + record(DRAIN, 0x41, 60) + record(SET, 0x41, 0, 1, b"zz\1\2") + record(DELETE, 0x41, 0, 1, b"zz\1\2") +
    record(RESTRICTED, 0x47, 2) + record(ALTERNATE, 0x47, 0, 0), "before_any": record(SET, 0x40) + record(RESTRICTED, 0x40) + record(COMMIT),
}

SEEDS = {
    "turn_conf": TURN_CONF,
    "command": {**{n: b"\0" + message(t, b) for n, (t, b) in COMMANDS.items()},
                **{n: b"\1" + message(LEG, b) for n, b in EVENTS.items()},
                "event_guard_source": b"\1" + message(GUARD_SOURCE, guard_source()),
                "event_guard_signals": b"\1" + message(GUARD_SIGNALS, guard_signals()),
                "event_guard_signals_many": b"\1" + message(GUARD_SIGNALS, guard_signals(9)),
                "event_guard_answer": b"\1" + message(GUARD_ANSWER, guard_answer())},
    "clip": CLIPS,
    "event": PIECES,
}
for target, seeds in SEEDS.items():
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
