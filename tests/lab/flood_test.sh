#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A flood of requests without credentials, each from another address and port: existing allocations keep relaying and
# refreshing, memory stays flat, and what goes back is bounded.
. "$(dirname "$0")/common.sh"

resident_kb() { # of the dataplane's working half
	awk '/^VmRSS:/ { print $2 }' "/proc/$(working_half dataplane)/status"
}

lab_up --set unauthenticated_pps=50 --set nonce_lifetime=2
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null

turn_client stream --peer "$PEER_IP4:3480" --sessions 4 --rate 50 --seconds 6 --ready-file "$WORK/stream.ready" \
	--report "$WORK/stream.json" >/dev/null &
stream=$!
wait_ready "$WORK/stream.ready" || exit 1
# A first flood touches every page that a flood can touch; the second must then add nothing.
flood() {
	turn_client flood --rate 15000 --seconds 2 --report "$WORK/flood.json"
}
flood >/dev/null
before=$(resident_kb)
allocations=$(counter allocations_active)
errors_before=$(counter stun_errors)
check "a flood of unauthenticated requests was sent" flood
after=$(resident_kb)
errors=$(($(counter stun_errors) - errors_before))
sent=$(report "$WORK/flood.json" sent)
check "memory stays flat (before $before kB, after $after kB)" is $((after - before)) -le 1024
check "no allocation was made for it" is "$(counter allocations_active)" -eq "$allocations"
check "answers are bounded: $errors to $sent requests" is "$errors" -le 300
check "the rest is dropped by name" is "$(drop unauthenticated_limit)" -gt 0
wait $stream
status=$?
cat "$WORK/stream.json"
check "existing allocations relayed through it without loss" is "$status" -eq 0

# Nonces grow old under the flood: each client gets its 438, and its allocation back in order.
refreshed() {
	local i clients=() rc=0
	for i in 1 2 3 4; do
		turn_client allocate --hold 2.5 --ready-file "$WORK/holder.$i" >/dev/null &
		clients+=($!)
	done
	for i in 1 2 3 4; do
		wait_ready "$WORK/holder.$i" || return 1
	done
	turn_client flood --rate 15000 --seconds 12 --ready-file "$WORK/flood.ready" >/dev/null &
	flooding=$!
	for i in "${clients[@]}"; do
		wait "$i" || rc=1
	done
	stop_client "$WORK/flood.ready"
	wait "$flooding"
	return $rc
}
check "clients whose nonce went stale refresh through it" refreshed

# When no source of the flood is there twice, those who retransmit are told from it: half of the answers are kept for them.
newcomers() {
	local i rc=0
	turn_client flood --rate 6000 --seconds 60 --frames 40000 --ready-file "$WORK/fresh.ready" >/dev/null &
	flooding=$!
	wait_ready "$WORK/fresh.ready" || return 1
	sleep 1
	for i in 1 2 3 4 5 6 7 8 9 10; do
		turn_client allocate --patience 5 || rc=1
	done
	stop_client "$WORK/fresh.ready"
	wait "$flooding"
	return $rc
}
check "new clients get their allocations through a flood of sources that come once" newcomers
check "because they came again" is "$(counter guard_came_again)" -gt 0
check "what went back is within the budget" is "$(counter guard_challenge_bytes)" -le $(($(counter guard_challenged_bytes) * 3))
finish
