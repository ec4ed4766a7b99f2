#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A flood of packets that only Linux could want uses up the exception rate, while next hops have to be resolved anew: ARP
# has a budget of its own, so relaying goes on.
. "$(dirname "$0")/common.sh"

lab_up --set exception_pps=100
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null

turn_client stream --peer "$PEER_IP4:3480" --sessions 4 --rate 50 --seconds 6 --ready-file "$WORK/stream.ready" \
	--report "$WORK/stream.json" >/dev/null &
stream=$!
wait_ready "$WORK/stream.ready" || exit 1
turn_client flood --server "$SERVICE_IP4:9" --rate 30000 --seconds 4 --report "$WORK/flood.json" >/dev/null &
flood=$!
for _ in 1 2 3; do
	sleep 1
	in_app ip neigh flush dev sl-peer
	in_app ip neigh flush dev sl-client
done
wait $flood
wait $stream
status=$?
cat "$WORK/stream.json"
check "the flood was beyond the exception rate" is "$(drop not_claimed_limit)" -gt 1000
check "packets waited for their next hop" is "$(counter neighbour_held)" -gt 0
check "none waited in vain" is "$(drop neighbour_unresolved)" -eq 0
check "the stream lost nothing" is "$status" -eq 0
finish
