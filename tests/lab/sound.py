#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Sounds for the tests: made, coded as G.711, taken out of recordings, compared. Files that end in .wav are mono, 16 bit,
8 kHz (or G.711 as WAV stores it); .al and .ul are bare A-law and mu-law bytes; .pcap are captures with RTP in them.

  sound.py make OUT.wav --seconds 3 [--seed N]   a sweep with the rhythm of speech; another seed is another sound
  sound.py convert IN OUT                        by the endings of the names
  sound.py extract IN.pcap OUT.al --dst IP:PORT  payloads of the RTP that was sent there (or --src), by timestamps
  sound.py pieces SENT GOT [--jumps 0]           GOT is packets of SENT (160 bytes each), from the first to the last in its
                                                 order and again from the beginning, but for so many jumps
  sound.py same SENT GOT [--least 0.9]           every byte of GOT that carries sound lies in SENT, one stretch of it
  sound.py alike SENT GOT [--least 0.9]          cross-correlation of both, at the best delay

Exit status: 0 = as wanted, 1 = not (one line of JSON says how it was), 2 = usage.
"""

import argparse
import array
import ipaddress
import json
import math
import operator
import random
import struct
import sys
import wave

RATE = 8000
PACKET = 160  # bytes of 20 ms
WAV_PCM, WAV_ALAW, WAV_ULAW = 1, 6, 7
RECORDS = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
LINK_ETHERNET, LINK_RAW = 1, 101


# ---- G.711 ----

def alaw_to_linear(byte):
    byte ^= 0x55
    segment, low = byte >> 4 & 7, byte & 15
    value = (low << 4) + 8 if segment == 0 else ((low << 4) + 0x108) << (segment - 1)
    return value if byte & 0x80 else -value


def ulaw_to_linear(byte):
    byte = ~byte & 0xFF
    value = (((byte & 15) << 3) + 0x84) << (byte >> 4 & 7)
    return 0x84 - value if byte & 0x80 else value - 0x84


ALAW, ULAW = [alaw_to_linear(b) for b in range(256)], [ulaw_to_linear(b) for b in range(256)]


def encoder(table):
    """The nearest of the 256 values, for every 16-bit sample, looked up by its upper 13 bits."""
    order = sorted(range(256), key=table.__getitem__)
    out, i = bytearray(1 << 13), 0
    for top in range(1 << 13):
        value = (top << 3) - 32768 + 4
        while i + 1 < 256 and abs(table[order[i + 1]] - value) <= abs(table[order[i]] - value):
            i += 1
        out[top] = order[i]
    return out


def encode(samples, table):
    codes = encoder(table)
    return bytes(codes[(s + 32768) >> 3] for s in samples)


# ---- files ----

def read_wav(path):
    """(format, bytes of the data chunk, channels)."""
    with open(path, "rb") as f:
        raw = f.read()
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise ValueError("%s is no WAV file" % path)
    at, form, channels = 12, None, 1
    while at + 8 <= len(raw):
        name, size = raw[at:at + 4], struct.unpack_from("<I", raw, at + 4)[0]
        if name == b"fmt ":
            form, channels, rate = struct.unpack_from("<HHI", raw, at + 8)
            if rate != RATE:
                raise ValueError("%s: %d Hz" % (path, rate))
        if name == b"data":
            return form, raw[at + 8:at + 8 + size], channels
        at += 8 + size + (size & 1)
    raise ValueError("%s has no data" % path)


def samples_of(path):
    """16-bit samples, whatever the file is; of stereo the left channel."""
    if path.endswith((".al", ".ul")):
        with open(path, "rb") as f:
            raw = f.read()
        return array.array("h", map((ALAW if path.endswith(".al") else ULAW).__getitem__, raw))
    form, raw, channels = read_wav(path)
    if form == WAV_PCM:
        out = array.array("h")
        out.frombytes(raw[:len(raw) & ~1])
    else:
        out = array.array("h", map((ALAW if form == WAV_ALAW else ULAW).__getitem__, raw))
    return out[::channels]


def bytes_of(path):
    """G.711 bytes as they were on the wire; a WAV file of them is unwrapped."""
    if path.endswith(".wav"):
        form, raw, channels = read_wav(path)
        if form not in (WAV_ALAW, WAV_ULAW):
            raise ValueError("%s is not G.711" % path)
        return raw[::channels]
    with open(path, "rb") as f:
        return f.read()


def write(path, samples):
    if path.endswith(".wav"):
        with wave.open(path, "wb") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(RATE)
            w.writeframes(array.array("h", samples).tobytes())
        return
    with open(path, "wb") as f:
        f.write(encode(samples, ALAW if path.endswith(".al") else ULAW))


# ---- commands ----

def sweep(seconds, seed):
    """A sweep from 300 to 3,000 Hz and noise, in syllables of 80 to 250 ms: no stretch of it is like another one."""
    rnd, out, phase = random.Random(seed), [], 0.0
    total = int(seconds * RATE)
    while len(out) < total:
        n = int(rnd.uniform(0.08, 0.25) * RATE)
        begin, end, loud = rnd.uniform(300, 3000), rnd.uniform(300, 3000), rnd.uniform(3000, 12000)
        for i in range(n):
            phase += 2 * math.pi * (begin + (end - begin) * i / n) / RATE
            shape = math.sin(math.pi * (i + 0.5) / n)
            out.append(int(loud * shape * (math.sin(phase) + 0.15 * rnd.uniform(-1, 1))))
    return out[:total]


def make(args):
    samples = sweep(args.seconds, args.seed)
    write(args.files[0], samples)
    return {"samples": len(samples)}, True


def convert(args):
    source, target = args.files
    samples = samples_of(source)
    write(target, samples)
    return {"samples": len(samples)}, True


def packets(path):
    """(seconds, IP packet) of a capture."""
    with open(path, "rb") as f:
        raw = f.read()
    order = RECORDS.get(raw[:4])
    if order is None:
        raise ValueError("%s is no pcap file" % path)
    link = struct.unpack_from(order + "I", raw, 20)[0]
    at = 24
    while at + 16 <= len(raw):
        seconds, fraction, size = struct.unpack_from(order + "III", raw, at)
        frame = raw[at + 16:at + 16 + size]
        yield seconds + fraction / 1e6, frame[14:] if link == LINK_ETHERNET else frame
        at += 16 + size


def udp_of(ip):
    """(source, destination, payload), addresses as "IP:PORT"; None for anything else."""
    if not ip:
        return None
    if ip[0] >> 4 == 4 and ip[9] == 17:
        at, source, target = (ip[0] & 15) * 4, ip[12:16], ip[16:20]
    elif ip[0] >> 4 == 6 and ip[6] == 17:
        at, source, target = 40, ip[8:24], ip[24:40]
    else:
        return None
    ports = struct.unpack_from("!HHH", ip, at)
    return ("%s:%d" % (ipaddress.ip_address(source), ports[0]), "%s:%d" % (ipaddress.ip_address(target), ports[1]),
            ip[at + 8:at + ports[2]])


def extract(args):
    """By timestamp, from the first packet on; what never came is zeros. Payload types beside --pt are left out."""
    streams, count, seen = {}, 0, {}
    for _, ip in packets(args.files[0]):
        got = udp_of(ip)
        if not got or len(got[2]) < 12 or got[2][0] >> 6 != 2 or not fits(got[1], args.dst) or not fits(got[0], args.src):
            continue
        pt, seq, stamp, ssrc = got[2][1] & 127, *struct.unpack_from("!HII", got[2], 2)
        if 64 <= pt < 96:
            continue  # RTCP (RFC 5761 4)
        seen[pt] = seen.get(pt, 0) + 1
        if pt == args.pt:
            streams.setdefault(ssrc, {})[stamp] = got[2][12 + 4 * (got[2][0] & 15):]
            count += 1
    out = bytearray()
    for stream in streams.values():
        if args.packed:
            out.extend(b"".join(stream.values()))
            continue
        first, base = next(iter(stream)), len(out)
        for stamp, payload in stream.items():
            at = base + (((stamp - first) + (1 << 31)) % (1 << 32) - (1 << 31))
            if at < base or at > base + 600 * RATE:
                continue
            out.extend(bytes(max(0, at + len(payload) - len(out))))
            out[at:at + len(payload)] = payload
    with open(args.files[1], "wb") as f:
        f.write(out)
    return {"packets": count, "bytes": len(out), "ssrcs": len(streams), "pts": seen}, count > 0


def fits(address, wanted):
    return not wanted or address == wanted or address.rsplit(":", 1)[0] == wanted


def pieces(args):
    sent, got = bytes_of(args.files[0]), bytes_of(args.files[1])
    where, jumps, foreign, last = {}, 0, 0, None
    n = len(sent) // PACKET
    for i in range(n):
        where.setdefault(sent[i * PACKET:(i + 1) * PACKET], i)
    for at in range(0, len(got), PACKET):
        i = where.get(got[at:at + PACKET])
        if i is None:
            foreign += 1
            continue
        jumps += last is not None and i != (last + 1) % n
        last = i
    return {"packets": len(got) // PACKET, "jumps": jumps, "foreign": foreign}, not foreign and jumps <= args.jumps and got


def same(args):
    """GOT is a stretch of SENT, byte by byte; zeros where SENT has something else are packets that never came."""
    sent, got = bytes_of(args.files[0]), bytes_of(args.files[1])
    looped = sent * (2 + len(got) // max(len(sent), 1)) if args.loop else sent
    probes = [i for i in range(0, len(got) - 800, 160) if len(set(got[i:i + 800])) > 32]
    shift = next((looped.find(got[i:i + 800]) - i for i in probes if got[i:i + 800] in looped), None)
    if shift is None:
        return {"bytes": len(got), "same": 0, "why": "another sound" if probes else "no sound"}, False
    equal = wrong = missing = outside = 0
    for i, byte in enumerate(got):
        j = i + shift
        if j < 0 or j >= len(looped):
            outside += 1
        elif byte == looped[j]:
            equal += 1
        elif byte == 0:
            missing += 1
        else:
            wrong += 1
    return ({"bytes": len(got), "same": equal, "wrong": wrong, "missing": missing, "outside": outside, "shift": shift},
            wrong <= args.wrong and equal >= args.least * min(len(sent), len(got)))


def correlation(a, b):
    energy = math.sqrt(sum(map(operator.mul, a, a)) * sum(map(operator.mul, b, b)))
    return sum(map(operator.mul, a, b)) / energy if energy else 0.0


def alike(args):
    """A stretch from the middle of SENT is looked for in GOT; around where it fits best, everything is compared."""
    sent, got = samples_of(args.files[0]), samples_of(args.files[1])
    middle, n = len(sent) // 2, 1600
    probe = sent[middle:middle + n]
    if len(got) < n or len(probe) < n:
        return {"correlation": 0, "samples": len(got)}, False
    best = max(range(0, len(got) - n), key=lambda i: sum(map(operator.mul, probe, got[i:i + n])))
    shift = best - middle
    begin, end = max(0, -shift), min(len(sent), len(got) - shift)
    value = correlation(sent[begin:end], got[begin + shift:end + shift])
    return ({"correlation": round(value, 4), "shift": shift, "overlap": end - begin, "samples": len(got)},
            value >= args.least and end - begin >= args.overlap * len(sent))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"make": (make, 1), "convert": (convert, 2), "extract": (extract, 2), "pieces": (pieces, 2),
                "same": (same, 2), "alike": (alike, 2)}
    p.add_argument("command", choices=sorted(commands))
    p.add_argument("files", nargs="+")
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dst", help="extract: IP or IP:PORT")
    p.add_argument("--src", help="extract: the same of who sent it")
    p.add_argument("--pt", type=int, default=8, help="extract: payload type")
    p.add_argument("--packed", action="store_true", help="extract: without the gaps that timestamps leave")
    p.add_argument("--jumps", type=int, default=0, help="pieces: how many there may be")
    p.add_argument("--least", type=float, default=0.9, help="same: part of the shorter one; alike: correlation")
    p.add_argument("--wrong", type=int, default=0, help="same: bytes that may differ")
    p.add_argument("--loop", action="store_true", help="same: SENT is played again and again")
    p.add_argument("--overlap", type=float, default=0.7, help="alike: part of SENT that must be in GOT")
    args = p.parse_args()
    function, n = commands[args.command]
    if len(args.files) != n:
        p.error("%s takes %d files" % (args.command, n))
    out, ok = function(args)
    print(json.dumps(out))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
