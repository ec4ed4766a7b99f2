#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A call over a bad line on one side, encrypted on the other: loss, round trip and MOS are told of the right leg, by sluicectl and
# by ng's query, and RTCP tells each end of the other.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

leg() { # PARTY JQ-CONDITION: of its leg as sluicectl shows it
	ctl sessions show call-0@lab --json >"$WORK/session.json" &&
		jq -e --arg tag "$1" ".parties[] | select(.tag == \$tag) | .media[0].leg | $2" "$WORK/session.json" >/dev/null ||
		{ jq -c '.parties[].media[].leg' "$WORK/session.json"; return 1; }
}

query() { # JQ-CONDITION: of ng's answer
	ng_send '{"command": "query", "call-id": "call-0@lab"}' >"$WORK/query.json" &&
		jq -e "$1" "$WORK/query.json" >/dev/null || { jq -c . "$WORK/query.json"; return 1; }
}

lab_up
ours_only
check "a call" calls --a-extra 'rtcp_ms=300' --b-extra 'rtcp_ms=370' --b-proto RTP/SAVP
check "10 % loss and 25 ms each way on the caller's line" lab impair client --loss 10 --delay 25 --seed 7
check "both speak" rtp_both --seconds 5
lost=$(jq '.[0].from["1"].missing' "$WORK/b.json")
check "what did not come from the caller is counted" leg a0 ".received.lost >= $lost - 2 and .received.lost <= $lost + 5 and $lost > 8"
check "what did not reach it is told by its reports" leg a0 '.sent.reported.lost > 4 and .sent.reported.loss_percent > 2'
check "the round trip to it is its line's" leg a0 '.rtt_ms >= 50 and .rtt_ms < 90'
check "nothing was lost of the callee" leg b0 '.received.lost == 0 and .sent.reported.lost >= 0 and .rtt_ms < 25'
check "the MOS tells which side is bad" eval 'leg a0 ".mos.last < 4" && leg b0 ".mos.last > 4.2"'
check "the session has the worse one" eval 'jq -e ".mos < 4" "$WORK/session.json"'
check "ng tells the same" query "(.SSRC | length) == 2 and ([.SSRC[][\"average MOS\"].MOS] | min < 40 and max > 42) and
	.totals.RTP.packets == $(jq '[.parties[].media[].leg.received.packets] | add' "$WORK/session.json") and .totals.RTCP.packets > 10"
for side in a b; do
	check "$side: RTCP is about what it sent, from whom it heard" rtp_says $side \
		'.rtcp.refused == 0 and .rtcp.strangers == 0 and .rtcp.about == .ssrc and .rtcp.ssrc == .streams[0].ssrc'
done
check "the ends see the round trip from end to end" rtp_says b '.rtcp.rtt_ms >= 50 and .rtcp.rtt_ms < 120'
check "counters for all of it" is "$(api /metrics | grep -c '^sluice_media\|^sluice_.*rtp')" -ge 5
check "the call ends" ng delete
finish
