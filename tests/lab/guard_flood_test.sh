#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Floods of every kind, one after the other, while real clients go on: TURN streams, calls with RTP, registered phones that call and refresh; and
# newcomers who allocate and register. Nobody who is known loses more than in a run without a flood; of newcomers 99 in 100 succeed; what is
# dropped is dropped under its name, and memory stays flat.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"
. "$(dirname "$0")/sip.sh"
. "$(dirname "$0")/guard.sh"

QUIET=3 EACH=2       # seconds without a flood; of each attack
LOSS_PER_MILLE=1     # beyond what a quiet run loses: what two cores under such a load do to a packet socket

everybody() { # NAME SECONDS: all clients, for so long; TURN's reports NAME.*.json
	local name=$1 seconds=$2 report
	rm -f "$WORK/go" "$WORK"/{turn,churn}.ready
	rtp_start client "$name.a" "$WORK/a.plan" --go-file "$WORK/go" --seconds "$seconds" &&
		rtp_start peer "$name.b" "$WORK/b.plan" --go-file "$WORK/go" --seconds "$seconds" || exit 1
	for report in turn churn; do
		rm -f "$WORK/$name.$report.json"
	done
	turn_client stream --peer "$PEER_IP4:3480" --sessions 4 --rate 50 --seconds "$seconds" --ready-file "$WORK/turn.ready" \
		--max-loss 1000000 --report "$WORK/$name.turn.json" >/dev/null &
	turn=$!
	turn_client churn --churn-seconds "$seconds" --ready-file "$WORK/churn.ready" --report "$WORK/$name.churn.json" >"$WORK/churn.out" 2>&1 &
	churn=$!
	known_start "$name.sip" --seconds "$seconds" && wait_ready "$WORK/turn.ready" && wait_ready "$WORK/churn.ready" || exit 1
	: >"$WORK/go"
}

everybody_ends() { # NAME
	wait "$turn"
	wait "$churn"
	sl_wait_for 20 test -s "$WORK/$1.sip.json"
	rtp_wait "$1.a" "$1.b"
	printf '        %s: TURN %s\n' "$1" "$(jq -c '{sent, lost, rtt_avg_ms, rtt_max_ms}' "$WORK/$1.turn.json")"
	printf '        %s: new allocations %s\n' "$1" "$(cat "$WORK/$1.churn.json")"
	printf '        %s: RTP %s\n' "$1" "{\"received\":$(rtp_received "$1"),\"missing\":$(rtp_missing "$1")}"
	printf '        %s: SIP %s\n' "$1" "$(jq -c . "$WORK/$1.sip.json")"
}

rtp_received() {
	echo $(($(rtp_sum "$1.a" .received) + $(rtp_sum "$1.b" .received)))
}

rtp_missing() {
	echo $(($(rtp_sum "$1.a" '([.from[].missing] | add // 0)') + $(rtp_sum "$1.b" '([.from[].missing] | add // 0)')))
}

no_more() { # LOST OF QUIET-LOST QUIET-OF: the share is that of a quiet run, and LOSS_PER_MILLE
	awk -v l="$1" -v n="$2" -v ql="$3" -v qn="$4" -v m="$LOSS_PER_MILLE" 'BEGIN { printf "%d of %d, quiet %d of %d\n", l, n, ql, qn; exit !(n > 0 && l / n <= ql / qn + m / 1000) }'
}

attack() { # NAME "REASON..." KINDS OPTIONS: at least one of the reasons moved, and the flood arrived
	local name=$1 reasons=$2 kinds=$3 before reason n=0
	shift 3
	drops_note
	before=$(port_frames)
	check "$name: is sent" flood "$EACH" --kind "$kinds" "$@"
	check "$name: nine in ten arrive" is $((($(port_frames) - before) * 10)) -ge $(($(flooded) * 9))
	for reason in $reasons; do
		n=$((n + $(dropped "$reason")))
	done
	check "$name: drops have their names: $(drops_shown)" is "$n" -gt 100
}

# What the control plane does when messages wait is not asked here: a pause of the machine makes them wait, too.
lab_up --sip --users "$PHONES" --set overload_delay_ms=2000
ours_only
flood_route
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
check "ten calls" calls --count 10

everybody quiet "$QUIET"
everybody_ends quiet
check "without a flood: SIP" known_says quiet.sip

TO="$SERVICE_IP4,$SERVICE_IP6"
half=$(working_half dataplane) control=$(working_half controlplane)
everybody loud 20
attack "STUN and Allocate, random sources" unauthenticated_limit stun,allocate,forged --to "$TO"
attack "STUN, four sources" guard_source_limit stun --to "$SERVICE_IP4" --from 203.0.113.0/30 --sources 4
attack "STUN, one /24" guard_prefix_limit stun --to "$SERVICE_IP4" --from 203.0.113.0/24
attack "RTP and relay ports" "media_no_leg media_stranger no_allocation" rtp=4,rtcp,peer=2 --to "$TO"
attack "SIP, random sources" "guard_total_limit guard_wide_limit guard_prefix_limit" register=2,invite,options,guess --to "$TO"
attack "malformed" "truncated bad_ip_checksum stun_malformed sip_malformed" malformed --to "$TO"
attack "TCP SYN and ICMP" "guard_source_limit guard_prefix_limit guard_wide_limit not_claimed_limit" syn,icmp --to "$TO"
check "drips of a hundred thousand sources" flood "$EACH" --kind drip --sources 100000 --to "$SERVICE_IP4" --rate 2000
check "Debian's TURN client loses nothing meanwhile" uclient -n 20 -m 2 -l 172 -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
# What floods can touch has been touched now: all of them at once must add nothing.
before=$(resident_kb dataplane)
check "all of it at once" flood "$EACH" --to "$TO" --kind stun,allocate,forged,rtp,peer,register,invite,malformed,syn,drip --seed 2
after=$(resident_kb dataplane)
everybody_ends loud

lost=$(report "$WORK/loud.turn.json" lost) sent=$(report "$WORK/loud.turn.json" sent)
check "TURN loses no more than without a flood ($lost of $sent)" no_more "$lost" "$sent" "$(report "$WORK/quiet.turn.json" lost)" "$(report "$WORK/quiet.turn.json" sent)"
check "RTP loses no more ($(rtp_missing loud) of $(rtp_received loud))" no_more "$(rtp_missing loud)" "$(rtp_received loud)" "$(rtp_missing quiet)" "$(rtp_received quiet)"
check "new allocations: 99 in 100 succeed" jq -e '.tried > 20 and .refused == 0 and .unanswered * 100 <= .tried' "$WORK/loud.churn.json"
check "calls, refreshes and newcomers of SIP: 99 in 100 succeed" known_says loud.sip
check "memory stays flat (before $before kB, after $after kB)" is $((after - before)) -le 1024
check "neither program was restarted" is "$(working_half dataplane) $(working_half controlplane)" = "$half $control"
finish
