#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# One publisher, many subscribers, each with a key of its own or none; some join after the publisher's sequence numbers have
# rolled over, one leaves: all the others hear everything.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

SUITES=-,AES_CM_128_HMAC_SHA1_80,AEAD_AES_128_GCM,AES_CM_128_HMAC_SHA1_32
EARLY=12 LATE=4

subscribe() { # FIRST COUNT PLAN
	ng subscribe --from-number "$1" --count "$2" --b-ip "$PEER_IP4" --b-direction private --b-plan "$3" --b-suites=$SUITES
}

heard() { # NAME LEAST: every one of them, decrypted, once, in order, nothing missing
	rtp_says "$1" "$clean and .received >= $2 and (.streams | length) == 1 and all(.from[]; .reordered == 0)"
}

different_keys() {
	is "$(sed -n 's/.*key_in=\([^ ]*\).*/\1/p' "$WORK/early.plan" "$WORK/late.plan" | sort -u | wc -l)" -eq 12
}

unsubscribe() { # TAG
	ng_send "{\"command\": \"unsubscribe\", \"call-id\": \"call-0@lab\", \"to-tag\": \"$1\"}"
}

lab_up
check "a publisher" ng publish --a-ip "$CLIENT_IP4" --a-direction public --a-plan "$WORK/publisher.plan" \
	--a-extra 'seq=65436 rtcp_ms=500' # rolls over after two seconds
check "$EARLY subscribers, in turns plain and in three suites" eval 'subscribe 0 $EARLY "$WORK/early.plan" >"$WORK/tags"'
check "$LATE more who will join late" subscribe $EARLY 0 "$WORK/late.plan"
rtp_start peer early "$WORK/early.plan" --seconds 6
rtp_start client publisher "$WORK/publisher.plan" --seconds 5
sleep 2.6
check "$LATE subscribers join after the roll-over" subscribe $EARLY $LATE "$WORK/late.plan"
rtp_start peer late "$WORK/late.plan" --seconds 3
sleep 0.5
gone=$(jq -r '.tags[0]' "$WORK/tags")
check "one of them leaves" unsubscribe "$gone"
rtp_wait publisher early late
jq '.[1:]' "$WORK/early.json" >"$WORK/stayed.json"
jq '.[:1]' "$WORK/early.json" >"$WORK/left.json"
check "those who stayed heard everything" heard stayed 247
check "those who came late heard the rest" heard late 80
check "who left heard only what came before" rtp_says left "$clean and .received > 100 and .received < 240"
check "every key is another one" different_keys
! ours || check "copies are counted" is "$(counter media_copies)" -ge 2400
check "the call ends" ng delete
finish
