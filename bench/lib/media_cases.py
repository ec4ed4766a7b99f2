# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The media cases: who speaks what to the relay, and which way. Both relays get the same calls."""

import collections

AES_CM, AES_CM_32, GCM = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"
TAG_BYTES = {None: 0, AES_CM: 10, AES_CM_32: 4, GCM: 16}
SUBSCRIBERS = 60  # of each publisher; the appliance takes 64 parties in a call

# suite_a of the callers, who send always; suite_b of the callees or subscribers; None = plain RTP.
Case = collections.namedtuple("Case", "suite_a suite_b both_ways copies")

CASES = {
    "rtp": Case(None, None, True, 1),
    "srtp-encrypt": Case(None, AES_CM, False, 1),
    "srtp-decrypt": Case(AES_CM, None, False, 1),
    "srtp-gcm": Case(None, GCM, False, 1),
    # Between two of one suite rtpengine hands out the caller's own key and touches no packet; a shorter tag, which is
    # the same work, makes it decrypt and encrypt.
    "srtp-bridge": Case(AES_CM, AES_CM_32, False, 1),
    "fan-out": Case(None, None, False, SUBSCRIBERS),
}

# The relay's addresses towards callers and callees, and those of the generator, which is all of both.
RELAY_A, RELAY_B = "198.18.0.1", "198.18.0.2"
CALLERS, CALLEES = "198.18.0.16", "198.18.0.64"
INTERFACE_A, INTERFACE_B = "public", "private"
NG = "127.0.0.1:2223"
RELAY_PORTS = (16384, 65535)
FIRST_PORT = 1024      # of the generator's side
MAX_LEGS = 40000       # two ports a leg, half of the legs on each address


def calls_of(case, legs):
    """How many calls, or publishers, make so many legs; of fan-out the subscribers count."""
    return max(1, legs // (CASES[case].copies if CASES[case].copies > 1 else 2))
