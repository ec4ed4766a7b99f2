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
	rtp_says a "$clean and .received >= 55 and (.from | keys | length) == 1 and (.from | has(\"2\"))" &&
		rtp_says b "$clean and .received >= 55 and (.from | keys | length) == 1 and (.from | has(\"1\"))"
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
	strangers_speak before 0.3
	check "$label: before anybody speaks a stranger hears nothing" deaf before
	strangers_speak during 1.2
	rtp_both --seconds 1.2
	check "$label: while both speak a stranger hears nothing" deaf during
	check "$label: both hear each other and nobody else" only_each_other
	strangers_speak after 0.3
	check "$label: afterwards neither" deaf after
	! ours || check "$label: every packet of it was dropped under its name ($reason)" is $(($(drop "$reason") - before)) -ge 340
	check "$label: the call ends" ng delete --prefix "$label"
}

# The caller is behind a NAT: its SDP says nothing of use, the signalling came from its public address, 192.0.2.10. Somebody at
# another address is not learned; a neighbour behind the same NAT could be, unless the call has keys.
behind_nat() { # LABEL OPTIONS of ng.py calls
	local label=$1 learned auth
	shift
	check "$label: a call whose caller's address has to be learned" calls --prefix "$label" \
		--set received-from=IP4,"$CLIENT_IP4" --set endpoint-learning=immediate --flags SIP-source-address "$@" || return
	two_strangers
	learned=$(counter media_learned) auth=$(drop srtp_auth)
	strangers_speak before 0.3
	check "$label: a stranger who comes first is not learned" deaf before
	if [ "$label" = nat-srtp ]; then
		stranger_plan "$WORK/a.plan" 192.0.2.10 "$WORK/sa.plan"
		sed -i -e 's/:20000/:32000/' -e 's/key_out=[^ ]*//' "$WORK/sa.plan"
		strangers_speak neighbour 0.3
		check "$label: nor is a neighbour without the key" deaf neighbour
		check "$label: whose packets did not authenticate" is $(($(drop srtp_auth) - auth)) -ge 25
	fi
	check "$label: nobody has been learned" is "$(counter media_learned)" -eq "$learned"
	sed -i 's/local=[^ ]*/local=192.0.2.10:31000/' "$WORK/a.plan" # another port than the SDP says
	two_strangers
	strangers_speak during 1.2
	rtp_both --seconds 1.2
	check "$label: the caller is learned, at the port where the NAT put it" only_each_other
	check "$label: the stranger still hears nothing" deaf during
	stranger_plan "$WORK/a.plan" 192.0.2.10 "$WORK/sa.plan"
	sed -i 's/:31000/:32000/' "$WORK/sa.plan"
	strangers_speak after 0.3
	check "$label: nor does a neighbour, once the caller is known" deaf after
	check "$label: the call ends" ng delete --prefix "$label"
}

lab_up
if ! ours; then # rtpengine latches on whoever comes first, unless told not to
	attack asymmetric media_stranger --flags strict-source,asymmetric
else
	attack default media_stranger
	attack immediate media_stranger --set endpoint-learning=immediate
	attack srtp-mux media_stranger --a-proto RTP/SAVP --b-proto RTP/SAVP --mux

	behind_nat nat
	behind_nat nat-srtp --a-proto RTP/SAVP

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
