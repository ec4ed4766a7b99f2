#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# RTP bleed: a stranger who sends to the ports of a call, before its ends do, while they do and afterwards, hears nothing of
# it, is heard by nobody and turns nothing towards itself. The same with keys, and where an address has to be learned.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

STRANGER_ID=666 # and above: who sent what arrives

stranger_plan() { # SIDE-PLAN IP FILE [SETTINGS]: somebody else on that side, towards the same ports of the relay
	sed -e "s/name=[^ ]*/name=stranger/" -e "s/id=[0-9]*/id=$STRANGER_ID/" -e "s/local=[^ ]*:/local=$2:/" \
		-e 's/key_in=[^ ]*//' -e 's/ssrc=[^ ]*//' -e "s/\$/ ssrc=0xbadbad rate=100 ${4:-}/" "$1" >"$3"
}

two_strangers() { # one on each side, at another address
	stranger_plan "$WORK/a.plan" 192.0.2.11 "$WORK/sa.plan" "${1:-}" &&
		stranger_plan "$WORK/b.plan" 198.51.100.11 "$WORK/sb.plan" "${1:-}"
}

strangers_speak() { # NAME SECONDS: in the background
	rtp_start client "sa-$1" "$WORK/sa.plan" --seconds "$2" && rtp_start peer "sb-$1" "$WORK/sb.plan" --seconds "$2"
}

deaf() { # NAME: the strangers of that time heard nothing
	rtp_wait "sa-$1" "sb-$1"
	rtp_says "sa-$1" '.received == 0 and .rtcp.received == 0 and .auth_failures == 0 and (.streams | length) == 0' &&
		rtp_says "sb-$1" '.received == 0 and .rtcp.received == 0 and .auth_failures == 0 and (.streams | length) == 0'
}

only_each_other() { # both ends heard each other, from the relay, and nobody else
	rtp_says a "$clean and .received >= 70 and (.from | keys | length) == 1 and (.from | has(\"2\"))" &&
		rtp_says b "$clean and .received >= 70 and (.from | keys | length) == 1 and (.from | has(\"1\"))"
}

rises() { # REASON BEFORE
	is "$(drop "$1")" -gt "$2"
}

attack() { # LABEL REASON OPTIONS of ng.py calls: before, during, after
	local label=$1 reason=$2 before=0
	shift 2
	check "$label: a call" calls --prefix "$label" "$@" || return
	two_strangers
	! ours || before=$(drop "$reason")
	strangers_speak before 0.5
	check "$label: before anybody speaks a stranger hears nothing" deaf before
	strangers_speak during 1.5
	rtp_both --seconds 1.5
	check "$label: while both speak a stranger hears nothing" deaf during
	check "$label: both hear each other and nobody else" only_each_other
	strangers_speak after 0.5
	check "$label: afterwards neither" deaf after
	! ours || check "$label: every packet of it was dropped under its name ($reason)" is $(($(drop "$reason") - before)) -ge 480
	check "$label: the call ends" ng delete --prefix "$label"
}

lab_up
attack asymmetric media_stranger --flags strict-source,asymmetric
if ours; then # rtpengine latches on whoever comes first, unless told not to
	attack default media_stranger
	attack immediate media_stranger --set endpoint-learning=immediate
	attack srtp srtp_auth --a-proto RTP/SAVP --b-proto RTP/SAVP
	attack mux media_stranger --mux

	# The caller is behind a NAT: its SDP says nothing of use, the signalling came from its public address.
	check "nat: a call whose caller's address has to be learned" calls --prefix nat --a-extra 'ssrc=0x77' \
		--set received-from=IP4,"$CLIENT_IP4" --set endpoint-learning=immediate --flags SIP-source-address
	two_strangers
	learned=$(counter media_learned)
	strangers_speak before 0.5
	check "nat: a stranger who comes first is not learned" deaf before
	check "nat: nor counted as learned" is "$(counter media_learned)" -eq "$learned"
	sed -i 's/local=[^ ]*/local=192.0.2.10:31000/' "$WORK/a.plan" # another port than the SDP says
	strangers_speak during 1.5
	rtp_both --seconds 1.5
	check "nat: the caller is, at the port where the NAT put it" only_each_other
	check "nat: the stranger still hears nothing" deaf during
	stranger_plan "$WORK/a.plan" 192.0.2.10 "$WORK/sa.plan" 'name=neighbour'
	sed -i 's/:31000/:32000/' "$WORK/sa.plan" # the same NAT, another port
	strangers_speak after 0.5
	check "nat: nor does a neighbour behind the same NAT, once the caller is known" deaf after
	check "nat: the call ends" ng delete --prefix nat

	check "nonsense: a call" calls --prefix nonsense
	unexpected=$(drop media_unexpected)
	sed 's/$/ raw=yes/' "$WORK/a.plan" >"$WORK/raw.plan"
	rtp_start peer b "$WORK/b.plan" --seconds 1
	rtp_start client raw "$WORK/raw.plan" --seconds 0.5
	rtp_wait raw b
	check "nonsense: what is no RTP goes nowhere" rtp_says b '.received == 0 and .malformed == 0 and (.streams | length) == 0'
	check "nonsense: and is counted" rises media_unexpected "$unexpected"
	check "nonsense: the call ends" ng delete --prefix nonsense
	noleg=$(drop media_no_leg)
	rtp_start client raw "$WORK/raw.plan" --seconds 0.3
	rtp_wait raw
	check "after the end of a call its ports lead nowhere" rises media_no_leg "$noleg"
fi
finish
