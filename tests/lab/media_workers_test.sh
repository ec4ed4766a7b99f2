#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Two workers on one port: calls are spread over both, whoever gets a packet hands it to its leg's owner, and a subscriber
# whose leg belongs to the other worker hears everything as well.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

PAIRS=128 # of RTP and RTCP ports that each worker has on each address: a block of 256

legs_of() { # WORKER
	counter_of "$1" legs_active
}

both_have() { # LEGS each
	is "$(legs_of 0)" -eq "$1" && is "$(legs_of 1)" -eq "$1"
}

no_ring_full() {
	local reason
	for reason in handoff_known_full handoff_unknown_full media_stale; do
		is "$(drop $reason)" -eq 0 || return 1
	done
}

no_port() {
	local out
	! out=$(calls --prefix more --count 3) && grep -q 'Ran out of ports' <<<"$out" || { echo "$out"; return 1; }
}

lab_up --workers 2 --set 'ports=[ 30208, 30719 ]' --set max_legs=1024 --set port_guard=0
ours_only
check "24 calls, plain on one side and encrypted on the other" calls --count 24 --b-proto RTP/SAVP --b-suite AEAD_AES_128_GCM
check "half of their legs belong to each worker" sl_wait_for 3 both_have 24
check "everybody speaks" rtp_both --seconds 1.5
for side in a b; do
	check "all is heard at $side" rtp_says $side "$clean and .received >= 70"
done
check "packets came to the wrong worker and were handed over" is "$(counter handoff_known_out)" -gt 0
check "none was lost on the way" no_ring_full
check "the calls end" ng delete --count 24
check "no leg is left" sl_wait_for 3 both_have 0

# All ports but one pair of each worker are taken: of two subscribers one is the other worker's.
check "$((2 * PAIRS - 2)) calls" calls --prefix fill --count $((2 * PAIRS - 2))
check "a publisher" ng publish --a-ip "$CLIENT_IP4" --a-port 30000 --a-direction public --a-plan "$WORK/publisher.plan"
check "two subscribers" ng subscribe --count 2 --b-ip "$PEER_IP4" --b-port 30000 --b-direction private \
	--b-plan "$WORK/subscribers.plan" --b-suites AES_CM_128_HMAC_SHA1_80,-
handed=$(counter media_handed_over)
rtp_start peer subscribers "$WORK/subscribers.plan" --seconds 2
rtp_start client publisher "$WORK/publisher.plan" --seconds 1.5
rtp_wait publisher subscribers
check "both hear everything" rtp_says subscribers "$clean and .received >= 74 and all(.from[]; .reordered == 0)"
check "one of them through the other worker" is $(($(counter media_handed_over) - handed)) -ge 74
check "nothing was lost on the way" no_ring_full
check "three calls more find no port" no_port
finish
