#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The dataplane's working half is killed under traffic: its keeper restarts it, existing allocations relay again within a
# second of the port being up without a client authenticating anew; addresses, routes and TCP connections through the port live on. TURN clients over
# TCP and TLS, whose connections ended with the process, are told so at once and come again; nothing is left of what they had.
. "$(dirname "$0")/../lab/common.sh"
. "$TESTS_LAB/turn.sh"

gap_explains() { # REPORT
	jq -e '.lost <= (.longest_gap_ms / 1000 + 0.1) * .rate' "$1"
}

state() { # what Linux knows about the TAPs, without lifetimes and statistics
	in_app ip -o addr show | awk '$2 ~ /^sl-/ { print $1, $2, $3, $4 }'
	in_app ip route show
	in_app ip -6 route show | grep -v '^fe80\|^multicast'
}

listed() { # COUNT
	[ "$(allocation_count)" -eq "$1" ]
}

healthy() {
	api /healthz -f
}

turn_up
start_echo || exit 1
in_app ip route add 203.0.113.0/24 via "$PEER_IP4" dev sl-peer
in_app ip -6 route add 2001:db8:ff::/48 via "$PEER_IP6" dev sl-peer
before=$(state)
ports_note
in_app socat -T 30 TCP6-LISTEN:8080,fork,reuseaddr EXEC:cat 2>/dev/null &
sl_wait_for 3 in_app sh -c 'ss -Hltn "sport = :8080" | grep -q .'
{ echo before; sleep 6; echo after; } | in_client timeout 15 socat -t 3 - "TCP:$SERVICE_IP4:8080" >"$WORK/tcp.out" &
tcp=$!

turn_client stream --peer "$PEER_IP4:3480" --sessions 8 --rate 100 --seconds 8 --max-loss 100000 --keep \
	--ready-file "$WORK/stream.ready" --report "$WORK/stream.json" >/dev/null &
stream=$!
turn_client stream --method send --server "[$SERVICE_IP6]:3478" --family 6 --peer "[$PEER_IP6]:3480" --sessions 2 \
	--rate 100 --seconds 8 --max-loss 100000 --keep --ready-file "$WORK/stream6.ready" --report "$WORK/stream6.json" \
	>/dev/null &
stream6=$!
turn_client pair --rate 100 --seconds 8 --max-loss 100000 --keep --ready-file "$WORK/pair.ready" \
	--report "$WORK/pair.json" >/dev/null &
pair=$!
turn_case cut --seconds 8 --ready-file "$WORK/cut.ready" >"$WORK/cut.json" &
cut=$!
wait_ready "$WORK/stream.ready" && wait_ready "$WORK/stream6.ready" && wait_ready "$WORK/pair.ready" && wait_ready "$WORK/cut.ready" || exit 1
sleep 1
half=$(working_half dataplane)
kill -KILL "$half"
check "the port goes down with the working half" await 2 ports_are_down
check "the keeper brings it up again" await 10 ports_are_up
up=$(now)
wait $stream $stream6 $pair
cat "$WORK/stream.json" "$WORK/stream6.json" "$WORK/pair.json"
for f in stream stream6 pair; do
	check "$f: relays again within a second of the port being up" within 1 "$up" "$(report "$WORK/$f.json" resumed_unix)"
	check "$f: nothing but the gap was lost" gap_explains "$WORK/$f.json"
done
check "no client had to say anything again" is "$(report "$WORK/stream.json" retransmissions)" -eq 0
check "the allocations were taken up from cold records" is "$(counter allocations_restored)" -eq 12
check "addresses and routes are what they were" is "$(state)" = "$before"
wait $cut
status=$?
check "clients of TCP and TLS saw the end of their connections, came again and were served" said "$WORK/cut.json" $status
wait $tcp
check "a TCP connection through the port lived on" is "$(tr '\n' ' ' <"$WORK/tcp.out")" = "before after "
check "the control plane is attached and well" sl_wait_for 5 healthy
check "it lists the allocations" sl_wait_for 5 listed 12
check "one restart is told" is "$(restarts)" -eq 1
check "a new client is served" turn_client allocate
check "and relays" turn_client stream --peer "$PEER_IP4:3480" --seconds 0.5
finish
