#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The lab itself: two side by side, the bad line does what it is told, and mistakes get clear words.
. "$(dirname "$0")/common.sh"

says() { # WORDS COMMAND...: fails, and says so
	local words=$1 out
	shift
	! out=$("$@" 2>&1) || { echo "it succeeded"; return 1; }
	grep -q -- "$words" <<<"$out" || { echo "no '$words' in: $out"; return 1; }
}

# The line loses what sets a stream up, too: a client that got no answer (status 2) has shown nothing and goes again.
a_stream() { # OPTIONS: one to the echoing peer, which is to arrive in part at least; its report is new
	local try status
	for try in 1 2 3; do
		rm -f "$WORK/s.json"
		turn_client stream --peer "$PEER_IP4:3480" --report "$WORK/s.json" "$@" >/dev/null
		status=$?
		[ -s "$WORK/s.json" ] && return 0
		echo "try $try: status $status and no report"
		[ "$status" -eq 2 ] || return 1
	done
	return 1
}

lossy() { # FROM TO: a stream loses between so many and so many of 400
	local lost
	a_stream --rate 200 --seconds 2 --max-loss 400 || return 1
	lost=$(report "$WORK/s.json" lost)
	is "$lost" -ge "$1" && is "$lost" -le "$2"
}

average_rtt() { # FROM TO in ms
	a_stream --rate 50 --seconds 1 --max-loss 50 || return 1
	awk -v r="$(report "$WORK/s.json" rtt_avg_ms)" -v a="$1" -v b="$2" 'BEGIN { print r " ms"; exit !(r >= a && r <= b) }'
}

check "an unknown port kind" says "af_packet, af_xdp, tap" lab up --port serial
check "more workers than cores" says "cores" lab up --workers 999
check "no such build" says "no such folder" lab up --build /nonexistent
check "an option that the file has not" says "no line" lab up --build "$BUILD" --set no_such_option=1
check "nothing is left of it" test ! -e "/run/sluice-lab/$SL_LAB_NAME"
check "no lab of that name" says "is up" lab status
lab_up
start_echo || exit 1
check "a name in use" says "up already" lab up --build "$BUILD"
check "a second lab beside the first" lab up --build "$BUILD" --name "${SL_LAB_NAME}b"
check "it relays as well" ip netns exec "${SL_LAB_NAME}b-client" "$TESTS_LAB/turn_client.py" allocate \
	--server "$SERVICE_IP4:$TURN_PORT" --user "$USER" --password "$PASSWORD"
check "and goes" lab down --name "${SL_LAB_NAME}b"
check "the first is not touched" turn_client allocate
check "its state is shown" grep -q DATAPLANE_STATE=running <(lab status)
check "a good line loses nothing" lossy 0 0
check "20 % loss on the client's line" lab impair client --loss 20
check "loses about that, both ways" lossy 60 240
check "a delay of 30 ms" lab impair client --delay 30
check "is added each way" average_rtt 59 90
check "a second bad line, at the peer" lab impair peer --delay 20 --jitter 5
check "adds up" average_rtt 99 140
check "both lines good again" lab impair client --off
check "both lines good again" lab impair peer --off
check "nothing is lost, and it is quick" average_rtt 0 10
check "wrong percentage" says "0 to 100" lab impair client --loss 200
finish
