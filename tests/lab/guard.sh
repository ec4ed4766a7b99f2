# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the tests of the guard share. Source it after common.sh.

FLOOD=$BUILD/bench/sluice-flood
FLOOD_RATE=${SL_FLOOD_RATE:-40000} # frames a second; a lab's port of a machine with two cores takes so many while it serves others

flood_start() { # OPTIONS of sluice-flood: in the background, until flood_stop; its report is flood.json. Not in check: its subshell would be the parent
	rm -f "$WORK/flood.ready" "$WORK/flood.json"
	ip netns exec "$CLIENT_NS" "$FLOOD" --rate "$FLOOD_RATE" --seconds 60 --gateway "$SERVICE_IP4" --ready-file "$WORK/flood.ready" \
		--report "$WORK/flood.json" "$@" >"$WORK/flood.out" 2>&1 </dev/null &
	flooding=$!
	wait_ready "$WORK/flood.ready" || { cat "$WORK/flood.out"; exit 1; }
}

flood_stop() {
	kill -TERM "$(cat "$WORK/flood.ready")" 2>/dev/null
	wait "$flooding"
}

flood() { # SECONDS OPTIONS: one that ends by itself
	local seconds=$1
	shift
	in_client timeout 60 "$FLOOD" --rate "$FLOOD_RATE" --gateway "$SERVICE_IP4" --report "$WORK/flood.json" --seconds "$seconds" "$@" >/dev/null
}

flooded() { # frames that the flood sent
	report "$WORK/flood.json" sent
}

drops_note() { # what was dropped so far, by reason
	api /v1/counters | jq .drops >"$WORK/drops.before"
}

dropped() { # REASON: since drops_note
	api /v1/counters | jq --slurpfile before "$WORK/drops.before" --arg r "$1" '.drops[$r] - $before[0][$r]'
}

drops_shown() { # every reason that moved since drops_note
	api /v1/counters | jq -c --slurpfile before "$WORK/drops.before" '.drops | with_entries(.value -= $before[0][.key] | select(.value > 0))'
}

resident_kb() { # dataplane|controlplane: of its working half
	awk '/^VmRSS:/ { print $2 }' "/proc/$(working_half "$1")/status"
}

port_frames() { # received by the client's port
	api /v1/ports | jq '.ports[] | select(.name == "client").rx_packets'
}

# What a busy machine's packet socket does not take never reached the appliance: it hits strangers and known alike, and is told apart.
wire_sent() {
	in_client cat /sys/class/net/eth0/statistics/tx_packets
}

wire_note() {
	wire_before=$(($(wire_sent) - $(port_frames)))
}

wire_missed() { # frames that the client's side sent and the port did not get, since wire_note; call it when all is quiet
	local n=$(($(wire_sent) - $(port_frames) - wire_before))
	echo $((n > 0 ? n : 0))
}

no_loss_but_missed() { # LOST SENT: nothing was lost; or the port missed more, and it is at most 3 of 100
	local missed
	missed=$(wire_missed)
	echo "lost $1 of $2; the port missed $missed frames"
	[ "$1" -eq 0 ] || [ "$1" -le "$missed" -a $(($1 * 100)) -le $(($2 * 3)) ]
}

flood_route() { # answers to made-up sources find their way back, as they would on a network
	ip -n "$APP_NS" route replace 198.18.0.0/15 via "$CLIENT_IP4" dev sl-client
	ip -n "$APP_NS" route replace 203.0.113.0/24 via "$CLIENT_IP4" dev sl-client
	ip -n "$APP_NS" -6 route replace 2001:2::/48 via "$CLIENT_IP6" dev sl-client
}

PHONES=500 # lab up --users: each newcomer is one of them
known_start() { # NAME OPTIONS of tests/sip/known.py; its report is NAME.json
	local name=$1
	shift
	rm -f "$WORK/$name.ready" "$WORK/$name.json"
	"$TESTS_SIP/known.py" "$WORK/lab.env" --newcomers u%d --users "$PHONES" --ready-file "$WORK/$name.ready" --report "$WORK/$name.json" "$@" >"$WORK/$name.out" 2>&1 &
	wait_ready "$WORK/$name.ready" || { cat "$WORK/$name.out"; return 1; }
}

known_says() { # NAME [WHAT...]: what was tried worked in 99 of 100 cases; by default calls, refreshes and newcomers
	local name=$1
	shift
	jq -e --arg what "${*:-calls refreshes newcomers}" 'with_entries(select(.key as $k | $what | split(" ") | index($k))) | to_entries |
		length > 0 and all(.value.tried > 0 and .value.failed * 100 <= .value.tried)' "$WORK/$name.json" >/dev/null || { cat "$WORK/$name.out"; return 1; }
}

guard() { # what `sluicectl guard` says
	ctl guard "$@"
}
