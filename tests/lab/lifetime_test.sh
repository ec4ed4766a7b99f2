#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Lifetimes: an allocation ends when its client no longer refreshes it, its events and counters say so, its port can be
# had again, and permissions end sooner than it.
. "$(dirname "$0")/common.sh"

no_allocation() {
	[ "$(allocation_count)" -eq 0 ]
}

permission_ends() {
	local before
	before=$(drop no_permission)
	turn_client stream --method send --peer "$PEER_IP4:3480" --rate 20 --seconds 3.5 --drain 0 --keep \
		--report "$WORK/perm.json" && return 1
	is "$(report "$WORK/perm.json" received)" -gt 20 && is "$(drop no_permission)" -gt "$before"
}

hold_eight() {
	for _ in 1 2 3 4 5 6 7 8; do
		turn_client allocate --keep >/dev/null || return 1
	done
}

ports_come_back() {
	turn_client churn --count 400
}

lab_up --set max_lifetime=3 --set default_lifetime=3 --set permission_lifetime=2 --set channel_lifetime=3 \
	--set 'relay_ports=[ 50176, 50431 ]' --set user_quota=8
start_echo || exit 1

check "a lifetime beyond the limit is cut to it" is \
	"$(turn_client allocate --lifetime 3000 | jq .lifetime)" -eq 3
turn_client allocate --keep --report "$WORK/kept.json" >/dev/null
check "the allocation is listed" is "$(allocation_count)" -eq 1
check "the permission ends before the allocation: later packets are dropped" permission_ends
check "the allocation disappears by itself" sl_wait_for 8 no_allocation
check "and is counted as expired" is "$(counter allocations_expired)" -ge 1
check "a user may hold as many as the quota says" hold_eight
check "one more is refused with 486" turn_client allocate --expect 486
check "they expire too" sl_wait_for 8 no_allocation
check "ports come back: more allocations one after another than the range has ports" ports_come_back

finish
