#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A dataplane that hangs instead of dying: one worker stops, or the whole working half does. The watchdogs take it down the
# crash path and clients go on. A stuck worker is found within 300 ms; within a second of the port being up allocations relay
# again, and who is denied or banned stays outside. Also crashes in a row, and a keeper that is killed itself.
. "$(dirname "$0")/../lab/common.sh"
. "$(dirname "$0")/../lab/guard.sh"

BANNED=192.0.2.11 DENIED=203.0.113.9 BESIDE=203.0.113.20
FOUND_MS=300 LOOK_MS=100 # the promise; what this script's own clocks and a busy machine add

other_half_than() { # PID
	local now
	now=$(working_half dataplane) && [ -n "$now" ] && [ "$now" != "$1" ]
}

serving() {
	turn_client allocate >/dev/null
}

worker_thread() { # PID: thread id of its first worker
	local t
	for t in "/proc/$1/task/"*; do
		case $(cat "$t/comm") in
		*worker*) echo "${t##*/}"; return 0 ;;
		esac
	done
	return 1
}

recovers() { # MAX-GAP-MS: an allocation made before relays again, and the gap was no longer
	cat "$WORK/stream.json"
	is "$(report "$WORK/stream.json" received)" -gt 0 &&
		jq -e --argjson max "$1" '.longest_gap_ms <= $max and .ends_well' "$WORK/stream.json"
}

traffic() { # SECONDS
	rm -f "$WORK/stream.ready"
	turn_client stream --peer "$PEER_IP4:3480" --rate 100 --seconds "$1" --max-loss 100000 \
		--ready-file "$WORK/stream.ready" --report "$WORK/stream.json" >/dev/null &
	stream=$!
	wait_ready "$WORK/stream.ready"
}

unix_of() { # PATTERN: when the dataplane's log last said so
	local stamp
	stamp=$(grep -a "$1" "$DATAPLANE_LOG" | tail -n 1 | cut -d ' ' -f 1)
	[ -n "$stamp" ] && date -d "$stamp" +%s.%N
}

found_in_time() { # the log says that the worker was given up, that soon after it was stopped
	local found
	found=$(unix_of 'worker 0 .*has hung') || return 1
	awk -v a="$(cat "$WORK/stopped")" -v b="$found" -v most=$((FOUND_MS + LOOK_MS)) 'BEGIN { ms = (b - a) * 1000; printf "%.0f ms\n", ms; exit !(ms > 0 && ms <= most) }'
}

probe() { # NAME ADDRESS: Binding requests from there, 100 a second; NAME.json when it is stopped
	rm -f "$WORK/$1.ready" "$WORK/$1.json"
	ip netns exec "$CLIENT_NS" "$TESTS_LAB/turn_client.py" probe --server "$SERVICE_IP4:$TURN_PORT" --local "$2:0" --rate 100 --seconds 20 \
		--ready-file "$WORK/$1.ready" --report "$WORK/$1.json" >/dev/null &
	wait_ready "$WORK/$1.ready" || exit 1
}

probed() { # NAME: stop it
	stop_client "$WORK/$1.ready"
	sl_wait_for 3 test -s "$WORK/$1.json"
}

kept_outside() { # NAME UP: no answer later than a second after UP
	jq -c . "$WORK/$1.json"
	is "$(report "$WORK/$1.json" answered)" -eq 0 || within 1 "$2" "$(report "$WORK/$1.json" last_unix)"
}

: >"$WORK/deny.txt"
echo "$DENIED" >"$WORK/deny.txt"
lab_up --set "deny_files=( \"$WORK/deny.txt\" )"
start_echo || exit 1
ip -n "$APP_NS" route replace 203.0.113.0/24 via "$CLIENT_IP4" dev sl-client
ip -n "$CLIENT_NS" route replace local 203.0.113.0/24 dev lo
check "who is about to be banned is served" turn_client allocate --local "$BANNED:0"
check "a ban" guard ban "$BANNED"
check "beside the denied address somebody is served" turn_client allocate --local "$BESIDE:0"

traffic 6
half=$(working_half dataplane)
thread=$(worker_thread "$half")
check "there is a worker thread to stop" test -n "$thread"
probe banned "$BANNED"
probe denied "$DENIED"
FLOOD_RATE=10000
flood_start --to "$SERVICE_IP4" --kind stun,malformed --from 203.0.113.8/30
"$(dirname "$0")/stop_thread.py" "$thread" --seconds 3 >"$WORK/stopped" &
check "one worker stopped: its watchdog replaces the working half" sl_wait_for 4 other_half_than "$half"
check "it was found within $FOUND_MS ms" found_in_time
wait $stream # not inside check, whose subshell has no children to wait for
up=$(unix_of "port 'client': link up")
check "the allocation relays again" recovers 4000
check "within a second of the port being up" within 1 "$up" "$(report "$WORK/stream.json" resumed_unix)"
drops_note
sleep 0.5
check "drops are counted on: guard_banned" is "$(dropped guard_banned)" -ge 20
check "and guard_denied" is "$(dropped guard_denied)" -ge 20
flood_stop
probed banned
probed denied
check "who is banned is outside within a second of it" kept_outside banned "$up"
check "and so is who is denied" kept_outside denied "$up"
check "beside the denied address somebody is served" turn_client allocate --local "$BESIDE:0"
check "the ban ends" guard unban "$BANNED"
check "and he is served" sl_wait_for 2 turn_client allocate --local "$BANNED:0"

traffic 10
half=$(working_half dataplane)
kill -STOP "$half"
# The keeper hears nothing for five seconds.
check "all of it stopped: the keeper replaces it" sl_wait_for 8 other_half_than "$half"
wait $stream
check "the allocation relays again" recovers 9000

for i in 1 2 3; do
	half=$(working_half dataplane)
	kill -KILL "$half"
	check "crash $i of three in a row: it is started again" sl_wait_for 8 other_half_than "$half"
done
check "and serves" sl_wait_for 8 serving

half=$(working_half dataplane)
kill -KILL "$DATAPLANE_PID"
check "without its keeper the working half ends" sl_wait_for 3 sl_gone "$half"
check "the TAPs stay" in_app ip link show sl-client
check "a dataplane is started by hand" lab start dataplane
check "the control plane provisions it and clients are served" sl_wait_for 8 serving
finish
