#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Both programs die, the database is gone, and every device of the network registers at once: the system converges without help, and whoever makes calls
# meanwhile makes them. SL_DEVICES=20000 for more devices than a CI run takes; `registered over time` is the answer either way.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"
. "$(dirname "$0")/guard.sh"

DEVICES=${SL_DEVICES:-3000}
PATIENCE=${SL_PATIENCE:-40} # seconds until all are registered
FROM=10.64.0.0/16           # each device has an address of its own

avalanche() { # NAME OPTIONS of sluice-regload: its lines are NAME.json
	local name=$1
	shift
	ip netns exec "$CLIENT_NS" timeout $((PATIENCE + 20)) "$BUILD/bench/sluice-regload" --avalanche --target "$SERVICE_IP4:5060" --users "$DEVICES" --from "$FROM" \
		--seconds "$PATIENCE" --back-off 2000 "$@" >"$WORK/$name.json" 2>&1
}

over_time() { # NAME: how many were registered after each second
	jq -rs '"        registered, second by second: " + ([.[] | select(.second) | .registered | tostring] | join(" "))' "$WORK/$1.json"
	tail -n 1 "$WORK/$1.json" | sed 's/^/        /'
}

outcome() { # NAME KEY
	tail -n 1 "$WORK/$1.json" | jq ".$2"
}

registered() {
	api '/v1/registrations?limit=1' | jq .total
}

all_die() {
	local half
	half="$(working_half controlplane) $(working_half dataplane)"
	# shellcheck disable=SC2086 # two numbers
	kill -KILL "$(cat "$RUN_DIR/controlplane.pid")" "$(cat "$RUN_DIR/dataplane.pid")" $half
	for p in $half; do
		sl_wait_for 5 sl_gone "$p" || return 1
	done
	rm -f "$RUN_DIR"/sluice.db*
}

lab_up --sip --users "$DEVICES"
ip -n "$APP_NS" route replace "$FROM" via "$CLIENT_IP4" dev sl-client
ip -n "$CLIENT_NS" route replace local "$FROM" dev lo
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
check "$DEVICES devices register within a second of each other" avalanche first --spread 1000
over_time first
check "all of them are registered" is "$(registered)" -ge "$DEVICES"

check "both programs are killed, and the database is gone" all_die
avalanche second --spread 1000 &
waiting=$!
sleep 1 # by now everybody sends, and nobody answers
lab start dataplane >"$WORK/start.out" 2>&1 & # which waits for the other
starting=$!
sleep 0.3
check "the control plane starts" lab start controlplane
wait $starting
check "and so does the dataplane" is $? -eq 0
known_start calls --seconds 12 # its newcomers are part of the avalanche
wait $waiting
status=$?
check "all devices register, without help" is "$status" -eq 0
over_time second
check "99 in 100 of them within $((PATIENCE / 2)) s" is "$(outcome second most_s | cut -d. -f1)" -le $((PATIENCE / 2))
check "the appliance has them" is "$(registered)" -ge "$DEVICES"
sl_wait_for 20 test -s "$WORK/calls.json"
printf '        meanwhile: %s\n' "$(jq -c . "$WORK/calls.json")"
check "calls and refreshes meanwhile: 99 in 100 succeed" known_says calls calls refreshes
check "no call is left over" sl_wait_for 3 no_calls
finish
