#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A dataplane that hangs instead of dying: one worker stops, or the whole working half does. The watchdogs take it down the
# crash path and clients go on. Also crashes in a row, and a keeper that is killed itself.
. "$(dirname "$0")/../lab/common.sh"

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

lab_up
start_echo || exit 1

traffic 6
half=$(working_half dataplane)
thread=$(worker_thread "$half")
check "there is a worker thread to stop" test -n "$thread"
"$(dirname "$0")/stop_thread.py" "$thread" --seconds 3 &
check "one worker stopped: its watchdog replaces the working half" sl_wait_for 4 other_half_than "$half"
wait $stream # not inside check, whose subshell has no children to wait for
check "the allocation relays again" recovers 4000

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
