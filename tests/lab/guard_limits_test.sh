#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What those who are known may use: packets and kilobits of a session, of all TURN, of a tenant's calls; allocations of a source. Who stays within
# loses nothing, whatever his neighbour does.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"
. "$(dirname "$0")/guard.sh"

SIZE=1000      # bytes of a datagram
SECONDS_LONG=4 # a second's worth may come at once, so that a limit of so much lets five seconds' worth through

stream() { # NAME OPTIONS: a TURN stream for SECONDS_LONG; its report is NAME.json
	local name=$1
	shift
	turn_client stream --peer "$PEER_IP4:3480" --seconds "$SECONDS_LONG" --size "$SIZE" --max-loss 1000000 --report "$WORK/$name.json" "$@" >/dev/null
}

passed() { # NAME LEAST MOST: datagrams that came back
	local n
	n=$(report "$WORK/$1.json" received)
	echo "$n of $(report "$WORK/$1.json" sent)"
	[ "$n" -ge "$2" ] && [ "$n" -le "$3" ]
}

reconfigured() { # OPTION VALUE...: of the configuration, live
	while [ $# -gt 0 ]; do
		OPTION=$1 VALUE=$2 awk '{ line = $0; sub(/^ */, "", line) }
			index(line, ENVIRON["OPTION"] " = ") == 1 { print "  " ENVIRON["OPTION"] " = " ENVIRON["VALUE"] ";"; next } { print }' "$CONFIG" >"$CONFIG.new"
		cat "$CONFIG.new" >"$CONFIG"
		shift 2
	done
	ctl reload
}

# 400 kbit/s are 50 datagrams of 1,000 bytes a second.
lab_up --set 'sessions={ turn_kbps = 400; media_pps = 30; }'
ours_only
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null

drops_note
stream fast --rate 200 &
fast=$!
check "within its kilobits a session" stream slow --sessions 4 --rate 25
wait $fast
check "loses nothing" is "$(report "$WORK/slow.json" lost)" -eq 0
check "beyond them it gets what it may" passed fast 200 270
check "drops are called session_limit" is "$(dropped session_limit)" -ge 500

check "a limit of packets instead, by reload" reconfigured sessions '{ turn_pps = 40; media_pps = 30; }'
drops_note
check "beyond its packets" stream packets --rate 200 --size 20
check "a session gets what it may" passed packets 160 220
check "the rest is dropped" is "$(dropped session_limit)" -ge 500

check "a limit of all TURN, by reload" reconfigured sessions '{ media_pps = 30; }' turn_kbps 800
drops_note
check "eight sessions beyond it" stream all --sessions 8 --rate 50
check "get together what they may" passed all 400 540
check "the rest is dropped as tenant_limit" is "$(dropped tenant_limit)" -ge 900
check "no limit, by reload" reconfigured turn_kbps 0
check "and nothing is lost any more" stream free --sessions 8 --rate 50
check "at all" is "$(report "$WORK/free.json" lost)" -eq 0

# 30 packets a second of each leg; the callers send 50.
check "two calls" calls --count 2
drops_note
check "everybody speaks" rtp_both --seconds "$SECONDS_LONG"
for side in a b; do
	check "$side hears what the other may send" rtp_says $side '.received >= 120 and .received <= 165'
done
check "the rest is dropped as session_limit" is "$(dropped session_limit)" -ge 100
check "kilobits of media, by reload" reconfigured sessions '{ media_kbps = 1000; }'
check "everybody speaks" rtp_both --seconds 1.5
for side in a b; do
	check "$side hears everything" rtp_says $side '.received >= 70 and all(.from[]; .missing == 0)'
done

# Allocations of a source.
check "three allocations of a source, by reload" reconfigured state '{ allocations_per_source = 3; }'
holders=()
for i in 1 2 3; do
	turn_client allocate --hold 20 --ready-file "$WORK/holder.$i" >/dev/null &
	holders+=($!)
done
for i in 1 2 3; do
	wait_ready "$WORK/holder.$i"
done
check "a fourth one is refused (486)" turn_client allocate --expect 486
check "another source is not" turn_client allocate --local 192.0.2.11:0
stop_client "$WORK/holder.1"
wait "${holders[0]}"
check "when one ends there is room again" turn_client allocate
check "refused or not, allocations that are there stay" is "$(allocation_count)" -eq 2
stop_client "$WORK/holder.2"
stop_client "$WORK/holder.3"
wait "${holders[@]:1}"
finish
