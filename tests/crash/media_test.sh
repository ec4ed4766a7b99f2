#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Both working halves are killed in the middle of calls. Without the control plane no packet is lost, and the new one knows the
# calls. The dataplane comes back with every call on its ports, keys and learned addresses within a second of the port being
# up, a thousand of them too, and SRTP goes on: roll-over counts are right, no index is used twice.
. "$(dirname "$0")/../lab/common.sh"
. "$(dirname "$0")/../lab/media.sh"

CALLS=10         # of each kind
MANY=1000
MANY_RATE=10     # packets a second of each
SPEAK='seq=65500 rtcp_ms=200' # rolls over before the crash: a count of 0 would be wrong afterwards

other_half_than() { # PROGRAM PID: another working half than PID runs
	local half
	half=$(working_half "$1") && [ -n "$half" ] && [ "$half" != "$2" ]
}

kill_half() { # PROGRAM
	kill -KILL "$(working_half "$1")"
}

mixed_calls() { # plain to SRTP, SRTP to another SRTP, and callers behind a NAT, all in one plan a side
	local kind n=0
	: >"$WORK/all-a.plan"
	: >"$WORK/all-b.plan"
	for kind in "--b-proto RTP/SAVP" "--a-proto RTP/SAVP --b-proto RTP/SAVP --a-suite AEAD_AES_128_GCM" \
		"--a-proto RTP/SAVP --set received-from=IP4,$CLIENT_IP4 --set endpoint-learning=immediate --flags SIP-source-address"; do
		# shellcheck disable=SC2086 # a list of words
		calls --first $((n * CALLS)) --count $CALLS --a-extra "$SPEAK" --b-extra "$SPEAK" $kind || return 1
		[ $n -ne 2 ] || sed -i 's/local=192.0.2.10:2/local=192.0.2.10:4/' "$WORK/a.plan" # where the NAT puts it
		cat "$WORK/a.plan" >>"$WORK/all-a.plan"
		cat "$WORK/b.plan" >>"$WORK/all-b.plan"
		n=$((n + 1))
	done
	mv "$WORK/all-a.plan" "$WORK/a.plan"
	mv "$WORK/all-b.plan" "$WORK/b.plan"
}

both_start() { # OPTIONS of rtp_peer
	rm -f "$WORK/go"
	rtp_start client a "$WORK/a.plan" --go-file "$WORK/go" "$@" && rtp_start peer b "$WORK/b.plan" --go-file "$WORK/go" "$@" &&
		: >"$WORK/go"
}

last_resumed() { # NAME...: when the last of their endpoints heard something again
	local name
	for name in "$@"; do
		jq '[.[].resumed_unix] | max' "$WORK/$name.json"
	done | sort -n | tail -n 1
}

back_in_time() { # NAME...: all of them
	within 1 "$up" "$(last_resumed "$@")"
}

kill_dataplane() { # sets up, the time when its ports are there again
	kill_half dataplane
	await 2 ports_are_down || { echo "the ports stay up"; return 1; }
	await 10 ports_are_up || { echo "the ports stay down"; return 1; }
	up=$(now)
}

# What is forwarded brings its own numbers; a clip's are all ours, so this is where an index could come twice.
clip_plays() { # without end, to one party of a call of its own, encrypted
	sound make "$RUN_DIR/clips/loop.wav" --seconds 0.4 >/dev/null &&
		ng calls --prefix clip --a-ip "$CLIENT_IP4" --b-ip "$PEER_IP4" --a-direction public --b-direction private --a-port 50000 \
			--b-port 50000 --a-plan "$WORK/clip.plan" --a-proto RTP/SAVP --a-suite AEAD_AES_256_GCM --a-extra send=no &&
		ng_send '{"command": "play media", "call-id": "clip-0@lab", "from-tag": "a0", "file": "loop.wav", "repeat-times": 0}'
}

plays_on() { # since the ports came back
	rtp_says clip ".auth_failures == 0 and .replays == 0 and .malformed == 0 and .strangers == 0 and .received >= 150 and
		.last_unix > $up + 1.5 and (.streams | length) == 1 and all(.streams[]; .reused_indices == 0 and .repeated == 0)"
}

goes_on='.rtcp.refused == 0 and .auth_failures == 0 and .replays == 0 and .malformed == 0 and .strangers == 0 and .corrupt == 0
	and all(.streams[]; .repeated == 0 and .reused_indices == 0)'

lab_up
ours_only
ports_note

# ---- the control plane ----
check "$((3 * CALLS)) calls of three kinds" mixed_calls
both_start --seconds 4
sleep 1
half=$(working_half controlplane)
kill_half controlplane
check "the keeper starts another control plane" sl_wait_for 5 other_half_than controlplane "$half"
check "it knows all calls" sl_wait_for 5 sessions_are $((3 * CALLS))
check "a call is deleted" ng delete --first 0
check "a new one is made" ng calls --prefix new --a-ip "$CLIENT_IP4" --b-ip "$PEER_IP4" --a-direction public --b-direction private
rtp_wait a b
for side in a b; do
	jq '.[1:]' "$WORK/$side.json" >"$WORK/rest.json"
	check "$side: not one packet of the other calls was lost" rtp_says rest "$clean and .received >= 190"
done
check "the dataplane was not restarted" is "$(restarts)" -eq 0
check "the calls are deleted" ng delete --first 1 --count $((3 * CALLS - 1))
check "and the new one" ng delete --prefix new

# ---- the dataplane ----
check "$((3 * CALLS)) calls of three kinds" mixed_calls
check "a clip plays in another one" clip_plays
rtp_start client clip "$WORK/clip.plan" --seconds 6
restored=$(counter legs_restored)
both_start --seconds 5
sleep 1.5
kill_dataplane || exit 1
rtp_wait a b clip
check "every call is back within a second of the port being up" back_in_time a b
for side in a b; do
	check "$side: all is authentic, nothing was repeated, no index used twice" rtp_says $side "$goes_on"
	check "$side: nothing but the gap was lost" rtp_says $side 'all(.from[]; .missing <= (50 * 0.1)) or
		([.from[].missing] | add) <= (.longest_gap_ms / 1000 + 0.1) * 50'
	check "$side: each heard until the end" rtp_says $side '(.from | length) == 1 and all(.from[]; .last >= 248)'
done
check "RTCP too" rtp_says b ".rtcp.sr >= 15"
check "the clip plays again, in the same stream, and no index was used twice" plays_on
check "the legs were taken up from cold records" is $(($(counter legs_restored) - restored)) -eq $((6 * CALLS + 2))
check "the clip's call is deleted" ng delete --prefix clip
check "the calls can be deleted" ng delete --count $((3 * CALLS))

# ---- a thousand calls ----
thousand() { # all of them are back in time; a stall of the machine is given one more chance
	local try
	for try in 1 2; do
		both_start --seconds 4 --openssl
		sleep 1.5
		kill_dataplane && rtp_wait a b && rtp_says b 'all(.from[]; .last >= 37)' && back_in_time b && return 0
		rtp_wait a b
		echo "not so at try $try"
	done >"$WORK/thousand"
	cat "$WORK/thousand"
	return 1
}

check "$MANY calls, encrypted on one side" calls --count $MANY --mux --b-proto RTP/SAVP \
	--a-extra "rate=$MANY_RATE" --b-extra "send=no"
check "$MANY calls are back within a second of the port being up" thousand
printf "        "; cat "$WORK/thousand"
check "all is authentic, nothing was repeated, no index used twice" rtp_says b "$goes_on"
check "the calls are deleted" ng delete --count $MANY
finish
