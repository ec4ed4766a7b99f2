#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What one end says is what the other hears, byte by byte of G.711, both ways at once: as plain RTP, through SRTP on one
# side and on both, between IPv4 and IPv6; with sequence numbers that roll over on the way.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

WRAP='seq=65500 ts=4294960000' # both roll over within the call

talk() { # LABEL OPTIONS of ng.py calls: a call in which both ends speak
	local label=$1
	shift
	rm -f "$WORK"/heard-*.al
	check "$label: the call is set up" calls --prefix "$label" \
		--a-extra "play=$WORK/caller.al record=$WORK/heard-a.al $WRAP" \
		--b-extra "play=$WORK/callee.al record=$WORK/heard-b.al $WRAP" "$@" || return
	check "$label: both ends speak" rtp_both --seconds 2 --drain 0.2 || return
	check "$label: the callee hears the caller" sound same "$WORK/caller.al" "$WORK/heard-b.al" --least 0.97
	check "$label: the caller hears the callee" sound same "$WORK/callee.al" "$WORK/heard-a.al" --least 0.97
	check "$label: nothing was repeated, forged or sent from elsewhere" rtp_says a "$quiet and .auth_failures == 0"
	check "$label: nor on the other side" rtp_says b "$quiet and .auth_failures == 0"
	check "$label: the call ends" ng delete --prefix "$label"
}

quiet='.malformed == 0 and .strangers == 0 and .replays == 0 and all(.streams[]; .repeated == 0 and .reused_indices == 0)'

lab_up
sounds_made 1.8 || exit 1
talk rtp
talk rtp-srtp --b-proto RTP/SAVP
talk srtp-rtp --a-proto RTP/SAVP --a-suite AES_CM_128_HMAC_SHA1_32
talk srtp-srtp --a-proto RTP/SAVP --b-proto RTP/SAVP --mux
talk ip4-ip6 --b-ip "$PEER_IP6" --set address-family=IP6
check "no call is left" sl_wait_for 5 sessions_are 0
finish
