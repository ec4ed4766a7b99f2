#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Two workers under a flood: each filters what it receives and counts it for itself, whoever owns the session; what is handed over of known flows
# never waits behind strangers.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/guard.sh"

dropped_by() { # WORKER: by the guard
	api /v1/workers | jq "[.workers[$1].drops | to_entries[] | select(.key | startswith(\"guard_\")) | .value] | add"
}

each() { # COMMAND...: it is so of both workers
	"$@" 0 && "$@" 1
}

filters() { # WORKER: it has dropped strangers, and let known ones pass
	is "$(dropped_by "$1")" -gt 1000 && is "$(counter_of "$1" guard_unknown)" -gt 1000 && is "$(counter_of "$1" guard_known)" -gt 100
}

limits_known() { # how many workers say where an address stands
	guard explain 203.0.113.7 --json | jq '.workers | length'
}

lab_up --workers 2 --set 'limits=( { class = "stun"; total = 1000; }, { class = "media"; total = 1000; }, { class = "relay"; total = 1000; } )'
flood_route
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
FLOOD_RATE=20000
wire_note
turn_client stream --peer "$PEER_IP4:3480" --sessions 16 --rate 20 --seconds 6 --max-loss 1000000 --ready-file "$WORK/stream.ready" \
	--report "$WORK/stream.json" >/dev/null &
stream=$!
wait_ready "$WORK/stream.ready" || exit 1
drops_note
check "a flood" flood 3 --to "$SERVICE_IP4" --kind stun=3,rtp=2,peer,malformed
check "one source, too" flood 1 --to "$SERVICE_IP4" --kind stun --from 203.0.113.7 --rate 5000
check "both workers filter, and count for themselves" each filters
check "both say where an address stands" is "$(limits_known)" -eq 2
wait "$stream"
jq -c '{sent, lost, rtt_avg_ms}' "$WORK/stream.json"
check "packets of known flows were handed over meanwhile" is "$(counter handoff_known_out)" -gt 100
check "none for want of room" is "$(dropped handoff_known_full)" -eq 0
check "nothing of the streams was lost" no_loss_but_missed "$(report "$WORK/stream.json" lost)" "$(report "$WORK/stream.json" sent)"
check "new clients are served" turn_client allocate
finish
